//! `weir store check`: everything is read, and what is wrong is told.

use std::path::Path;

use weir_store::CheckReport;

use super::{Format, lost_lines, write, write_json};
use crate::clock::Clock;
use crate::error::RunError;

/// What `weir store check` is asked to do.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Arguments {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, dir: &Path, clock: Clock) -> Result<(), RunError> {
    let begun = clock.monotonic();
    let report = weir_store::check(dir)?;
    match arguments.format {
        Format::Text => write(&lines(dir, &report))?,
        Format::Json => write_json(&report)?,
    }
    eprintln!("weir: checked in {:.1} s", clock.monotonic().duration_since(begun).as_secs_f64());
    if report.is_sound() {
        return Ok(());
    }
    eprintln!(
        "weir: damage found; stop the agent and run `weir store repair --yes`, which saves all that can be read"
    );
    Err(RunError::Reported(RunError::DATA))
}

fn lines(dir: &Path, report: &CheckReport) -> Vec<String> {
    let CheckReport { rings, blocks, rows, tail_rows, bytes, .. } = report;
    let verdict = if report.is_sound() { "sound" } else { "DAMAGED" };
    let mut lines = vec![format!(
        "{}: {verdict}; {rows} rows of {rings} rings, in {blocks} blocks of {bytes} bytes and {tail_rows} in tails",
        dir.display()
    )];
    lines.extend(report.problems.iter().map(|problem| format!("  {problem}")));
    let told = report.problems.len() as u64;
    if report.problem_count > told {
        lines.push(format!("  and {} more problems", report.problem_count - told));
    }
    if report.without_summary > 0 {
        let count = report.without_summary;
        lines.push(format!("{count} blocks have no summary: every search reads them; a repair makes it"));
    }
    if report.lost_rows > 0 {
        lines.push(format!("{} rows were lost before and are known to be:", report.lost_rows));
        lines.extend(lost_lines(&report.lost));
    }
    lines
}
