//! What the records that fit sum to, and rankings of them.

use serde_json::json;
use weir_flow::Timestamp;
use weir_store::{Dimension, MAX_TOP, Measure, Progress, Query, Top, TopQuery};

use super::table::{aligned, plain};
use super::{Arguments, Asked, Format};
use crate::command::output::Output;
use crate::error::RunError;

/// Entries of a ranking without `--limit`.
const DEFAULT_ENTRIES: usize = 10;
/// A ranking without an end goes up to this long after now: rows of a clock that was ahead are in it.
const AHEAD_MICROS: i64 = 366 * 86_400 * 1_000_000;

/// What a ranking goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum By {
    /// IP-layer octets.
    #[default]
    Octets,
    /// Packets.
    Packets,
    /// Records.
    Flows,
}

/// The dimension called `name`.
pub(super) fn dimension(name: &str) -> Result<Dimension, String> {
    let found = Dimension::NAMED.iter().find(|(known, _)| *known == name);
    found.map(|(_, dimension)| *dimension).ok_or_else(|| {
        let names: Vec<_> = Dimension::NAMED.iter().map(|(name, _)| *name).collect();
        format!("give one of {}", names.join(", "))
    })
}

/// Writes how many records fit, and their sums.
pub(super) fn count(
    asked: &Asked<'_>,
    query: &Query,
    format: Format,
) -> Result<(String, Progress), RunError> {
    let count = asked.reader.count(&asked.tenant, query, asked.deadline)?;
    let mut out = Output::lines();
    match format {
        Format::Table => {
            for (name, value) in
                [("records", count.rows), ("packets", count.packets), ("octets", count.octets)]
            {
                out.line(&format!("{name:<8} {value:>20}"));
            }
        }
        Format::Ndjson => {
            let object = json!({ "rows": count.rows, "packets": count.packets, "octets": count.octets });
            out.line(&object.to_string());
        }
        Format::Csv => {
            out.line("rows,packets,octets");
            out.line(&format!("{},{},{}", count.rows, count.packets, count.octets));
        }
    }
    out.finish().map_err(RunError::Output)?;
    Ok((format!("{} records fit", count.rows), count.progress))
}

/// Writes the ranking by `dimension`.
pub(super) fn top(
    asked: &Asked<'_>,
    dimension: Dimension,
    arguments: &Arguments,
    only: Query,
    now: Timestamp,
) -> Result<(String, Progress), RunError> {
    let limit = match arguments.limit {
        None => DEFAULT_ENTRIES,
        Some(0) => MAX_TOP,
        Some(limit) => usize::try_from(limit).unwrap_or(MAX_TOP).min(MAX_TOP),
    };
    let measure = match arguments.by {
        By::Octets => Measure::Octets,
        By::Packets => Measure::Packets,
        By::Flows => Measure::Flows,
    };
    let from = asked.from.unwrap_or(Timestamp::from_millis(0));
    let to = asked.to.unwrap_or_else(|| now.plus_micros(AHEAD_MICROS));
    let query = TopQuery { dimension, measure, from, to, limit, only };
    let top = asked.reader.top(&asked.tenant, &query, asked.deadline)?;
    write(&top, arguments.format)?;
    let exact = if top.exact { "exact".to_owned() } else { format!("at most {} more each", top.error) };
    Ok((format!("{} entries, {exact}", top.entries.len()), top.progress))
}

fn write(top: &Top, format: Format) -> Result<(), RunError> {
    let mut out = Output::lines();
    let label = |entry: &weir_store::TopEntry| entry.label.clone().unwrap_or_default();
    match format {
        Format::Table => {
            let head = ["", "octets", "packets", "flows", "may lack", "name"].map(str::to_owned);
            let rows = top.entries.iter().map(|entry| {
                let numbers =
                    [entry.octets, entry.packets, entry.flows, entry.error].map(|one| one.to_string());
                let [octets, packets, flows, error] = numbers;
                [plain(&entry.key), octets, packets, flows, error, plain(&label(entry))]
            });
            let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
            aligned(&rows, &[1, 2, 3, 4]).iter().for_each(|line| out.line(line));
        }
        Format::Ndjson => {
            for entry in &top.entries {
                let line = serde_json::to_string(entry).map_err(|error| RunError::Bug(error.to_string()))?;
                out.line(&line);
            }
        }
        Format::Csv => {
            out.line("key,label,octets,packets,flows,error");
            for entry in &top.entries {
                let (key, label) = (weir_flow::csv_text(&entry.key), label(entry));
                let label = weir_flow::csv_text(&label);
                let (octets, packets, flows) = (entry.octets, entry.packets, entry.flows);
                out.line(&format!("{key},{label},{octets},{packets},{flows},{}", entry.error));
            }
        }
    }
    out.finish().map_err(RunError::Output)
}
