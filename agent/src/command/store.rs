//! `weir store`: the ring of a data directory checked, repaired, measured and written out.

mod check;
mod export;
mod repair;
mod stats;

use std::path::{Path, PathBuf};

use weir_flow::TenantId;

use super::output::Output;
use crate::clock::Clock;
use crate::config::{Agent, Config};
use crate::error::RunError;
use crate::start::owner::Owner;
use crate::start::privileges;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// What is to be done with the ring.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Read all of it and say what is wrong, also while the agent runs
    Check(check::Arguments),
    /// Set what cannot be read aside and save the rest; the agent must not run
    Repair(repair::Arguments),
    /// Say what it holds and takes, also while the agent runs
    Stats(stats::Arguments),
    /// Write all records of a range, oldest first, also while the agent runs
    Export(export::Arguments),
}

/// Runs the command.
pub(super) fn run(
    command: &Command,
    config: Option<&Path>,
    data_dir: Option<&Path>,
    clock: Clock,
) -> Result<(), RunError> {
    match command {
        Command::Export(arguments) => export::run(arguments, config, data_dir, clock),
        Command::Check(arguments) => check::run(arguments, &enter(config, data_dir)?, clock),
        Command::Repair(arguments) => repair::run(arguments, &enter(config, data_dir)?, clock),
        Command::Stats(arguments) => stats::run(arguments, &enter(config, data_dir)?),
    }
}

/// The data directory, with the rights of its owner: what root left there an agent could not write.
pub(super) fn enter(config: Option<&Path>, data_dir: Option<&Path>) -> Result<PathBuf, RunError> {
    let agent = match data_dir {
        // A ring is read and repaired whatever is wrong with the configuration.
        Some(dir) => Agent { data_dir: dir.to_owned(), ..Agent::default() },
        None => Config::load(config)?.value.agent,
    };
    privileges::give_up(Owner::of(&agent)?.as_ref(), false)?;
    Ok(agent.data_dir)
}

/// A tenant by its name.
pub(super) fn tenant(name: &str) -> Result<TenantId, RunError> {
    TenantId::parse(name).ok_or_else(|| {
        RunError::Usage(format!("--tenant: {name:?} is no name of a tenant; weir store stats lists them"))
    })
}

/// Writes lines to standard output; a reader that has seen enough is no error.
fn write(lines: &[String]) -> Result<(), RunError> {
    let mut out = Output::lines();
    lines.iter().for_each(|line| out.line(line));
    out.finish().map_err(RunError::Output)
}

/// Writes `value` as one JSON object.
fn write_json(value: &impl serde::Serialize) -> Result<(), RunError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| RunError::Bug(error.to_string()))?;
    write(&[text])
}

/// Lost rows, a line each.
fn lost_lines(lost: &[weir_store::LostRows]) -> impl Iterator<Item = String> + '_ {
    lost.iter().map(|lost| {
        let kept = if lost.kept { "; the block is kept in table damage" } else { "" };
        format!("  {lost} (found {}{kept})", lost.found_at)
    })
}
