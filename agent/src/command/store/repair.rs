//! `weir store repair`: what cannot be read is set aside, and the rest is saved.

use std::path::Path;

use super::{Format, lost_lines, write, write_json};
use crate::clock::Clock;
use crate::error::RunError;

/// What `weir store repair` is asked to do.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Arguments {
    /// Really repair; without it the store is only checked
    #[arg(long)]
    yes: bool,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, dir: &Path, clock: Clock) -> Result<(), RunError> {
    if !arguments.yes {
        let found =
            weir_store::check(dir).map_or_else(|error| vec![error.to_string()], |report| report.problems);
        write(&found)?;
        return Err(RunError::Usage(format!(
            "nothing was changed: give --yes to repair {}, where {} is wrong",
            dir.display(),
            if found.is_empty() {
                "nothing".to_owned()
            } else {
                format!("what {} lines above say", found.len())
            }
        )));
    }
    let report = match weir_store::repair(dir, clock.now()) {
        Err(weir_store::Error::Busy { .. }) => {
            return Err(RunError::Unavailable(format!(
                "cannot repair {}: an agent runs on it; stop it first (systemctl stop weir)",
                dir.display()
            )));
        }
        other => other?,
    };
    if arguments.format == Format::Json {
        return write_json(&report);
    }
    let mut lines = vec![if report.is_nothing() {
        format!("{}: nothing had to be repaired; {} rows", dir.display(), report.rows)
    } else {
        format!("{}: repaired; {} rows are kept, {} are lost", dir.display(), report.rows, report.lost_rows)
    }];
    lines.extend(lost_lines(&report.lost));
    lines.extend(report.corrections.iter().map(|correction| format!("  made again: {correction}")));
    if let Some(aside) = &report.aside {
        let aside = aside.display();
        lines.push(format!("the old file is kept as {aside}; remove it when nobody needs it"));
    }
    write(&lines)
}
