//! `weir store stats`: what the ring holds, and what it takes.

use std::path::Path;

use weir_store::{Overview, Reader, RingFigures};

use super::{Format, lost_lines, write, write_json};
use crate::command::query::table::{aligned, octets};
use crate::error::RunError;

/// Days of wear that the text shows; the JSON has a month.
const SHOWN_DAYS: usize = 7;

/// What `weir store stats` is asked to do.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Arguments {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, dir: &Path) -> Result<(), RunError> {
    let all = Reader::open(dir)?.overview()?;
    match arguments.format {
        Format::Json => write_json(&all),
        Format::Text => write(&lines(dir, &all)),
    }
}

fn lines(dir: &Path, all: &Overview) -> Vec<String> {
    let state = if all.closed { "closed in order" } else { "in use, or not closed in order" };
    let used = all.file_bytes - all.free_bytes.min(all.file_bytes) + all.log_bytes;
    let mut lines = vec![
        format!("{}: schema version {}, {state}", dir.display(), all.schema_version),
        format!(
            "budget     {} of {} used, rows stay {} days",
            octets(used),
            octets(all.budget_bytes),
            all.retention_days
        ),
        format!(
            "files      {} store ({} of it free for the next rows), {} log, {} reserve, {} set aside",
            octets(all.file_bytes),
            octets(all.free_bytes),
            octets(all.log_bytes),
            octets(all.reserve_bytes),
            octets(all.aside_bytes)
        ),
    ];
    if let Some(at) = all.opened_at {
        lines.push(format!("opened     {at}"));
    }
    lines.push(String::new());
    lines.extend(rings(&all.rings));
    if !all.wear.is_empty() {
        lines.extend([String::new(), "written to the device:".to_owned()]);
        let days = all.wear.iter().take(SHOWN_DAYS);
        lines.extend(days.map(|day| {
            format!("  {}  {}", day.day.to_string().get(..10).unwrap_or_default(), octets(day.bytes))
        }));
    }
    if all.lost_rows > 0 {
        lines.extend([String::new(), format!("{} rows are lost:", all.lost_rows)]);
        lines.extend(lost_lines(&all.lost));
    }
    lines
}

fn rings(rings: &[RingFigures]) -> Vec<String> {
    let head = [
        "tenant", "ring", "rows", "first", "next", "oldest", "newest", "blocks", "in tail", "bytes",
        "per row", "limits",
    ];
    let second = |at: Option<weir_flow::Timestamp>| {
        at.map_or_else(|| "-".to_owned(), |at| at.to_string().get(..19).unwrap_or_default().replace('T', " "))
    };
    let rows = rings.iter().map(|ring| {
        let days = ring.retention_days.map(|days| format!("{days} days"));
        let limits: Vec<_> = ring.budget_bytes.map(octets).into_iter().chain(days).collect();
        [
            ring.tenant.clone(),
            ring.ring_id.clone(),
            ring.rows.to_string(),
            ring.first_row.to_string(),
            ring.next_row.to_string(),
            second(ring.oldest_ts),
            second(ring.newest_ts),
            ring.blocks.to_string(),
            ring.tail_rows.to_string(),
            ring.bytes.to_string(),
            ring.bytes_per_row.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.1}")),
            limits.join(", "),
        ]
    });
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    aligned(&rows, &[2, 3, 4, 7, 8, 9, 10])
}
