//! `weir query`: records of the ring that fit, also while the agent runs.

mod conditions;
pub(super) mod range;
mod sums;
pub(super) mod table;

use std::path::Path;
use std::time::{Duration, Instant};

use weir_flow::{TenantId, Timestamp};
use weir_store::{MAX_PAGE_ROWS, Order, Page, Progress, Query, Reader};

use super::output::{self, Output};
use super::store;
use crate::clock::Clock;
use crate::error::RunError;
use conditions::Conditions;
use range::Range;
use table::Table;

/// Records without `--limit`: a screenful or two.
const DEFAULT_LIMIT: u64 = 100;
/// Records of a page: few enough for steady output and an aligned table in little memory.
const PAGE_ROWS: usize = 1_000;
/// Without `--timeout` a search goes on as long as anybody can wait for it.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Damaged ranges that are told one by one.
const MAX_RANGES: usize = 10;

const AFTER_HELP: &str = "\
Several values of one filter, repeated or with commas, are alternatives; different filters must all fit.
Times are RFC 3339, a date alone, or seconds or milliseconds since 1970, and mean the start of a flow.

Examples:
  weir query --ip 10.1.2.3 --last 24h
  weir query --domain example.com --min-risk 50 --format ndjson --limit 0
  weir query --threat true --count
  weir query --top talkers --by octets --last 7d

Exit codes: 0 done, also without a hit; 64 usage, 65 damaged rows were in the way, 66 no store, 74 I/O.";

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// One JSON object per line.
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
}

/// Which rows come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Direction {
    /// Those stored last.
    #[default]
    Newest,
    /// Those stored first.
    Oldest,
}

/// What `weir query` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    conditions: Conditions,
    #[command(flatten)]
    range: Range,
    /// Records at most; 0 means all
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Which come first
    #[arg(long, value_enum, default_value_t)]
    order: Direction,
    /// Whose records
    #[arg(long, default_value = TenantId::DEFAULT)]
    tenant: String,
    /// How records are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Say how many fit and what they sum to, instead of the records
    #[arg(long, conflicts_with_all = ["top", "limit", "order"])]
    count: bool,
    /// Rank by: talkers, countries, asns, ports, services, domains or threats
    #[arg(long, value_name = "DIMENSION", value_parser = sums::dimension)]
    top: Option<weir_store::Dimension>,
    /// What the ranking goes by
    #[arg(long, value_enum, default_value_t, requires = "top")]
    by: sums::By,
    /// Give up after so many seconds, with what was found by then
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout: Option<u32>,
}

/// Runs the command.
pub(super) fn run(
    arguments: &Arguments,
    config: Option<&Path>,
    data_dir: Option<&Path>,
    clock: Clock,
) -> Result<(), RunError> {
    let now = clock.now();
    let tenant = store::tenant(&arguments.tenant)?;
    let conditions = arguments.conditions.query()?;
    let (from, to) = arguments.range.resolve(now)?;
    let dir = store::enter(config, data_dir)?;
    let reader = Reader::open(&dir)?;
    let begun = clock.monotonic();
    let deadline = begun + arguments.timeout.map_or(LONGEST, |seconds| Duration::from_secs(seconds.into()));
    let asked = Asked { reader: &reader, tenant, from, to, deadline };
    let query = Query { from, to, ..conditions.clone() };
    let (told, progress) = if let Some(dimension) = arguments.top {
        sums::top(&asked, dimension, arguments, conditions, now)?
    } else if arguments.count {
        sums::count(&asked, &query, arguments.format)?
    } else {
        let order = match arguments.order {
            Direction::Newest => Order::NewestFirst,
            Direction::Oldest => Order::OldestFirst,
        };
        let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT);
        records(&asked, &query, order, limit, Writing::new(arguments.format))?
    };
    summary(&told, &progress, clock.monotonic().duration_since(begun));
    if progress.damaged.is_empty() { Ok(()) } else { Err(RunError::Reported(RunError::DATA)) }
}

/// Of whom, when and for how long.
pub(super) struct Asked<'a> {
    pub(super) reader: &'a Reader,
    pub(super) tenant: TenantId,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) deadline: Instant,
}

/// Where records go.
pub(super) enum Writing {
    /// As lines of their own.
    Lines(Output),
    /// In aligned columns.
    Table(Output, Table),
}

impl Writing {
    fn new(format: Format) -> Self {
        match format {
            Format::Table => Self::Table(Output::lines(), Table::new()),
            Format::Ndjson => Self::Lines(Output::new(output::Format::Ndjson)),
            Format::Csv => Self::Lines(Output::new(output::Format::Csv)),
        }
    }

    /// Lines alone, as an export has them.
    pub(super) fn lines(format: output::Format) -> Self {
        Self::Lines(Output::new(format))
    }

    fn page(&mut self, rows: &[weir_store::StoredRow]) {
        match self {
            Self::Lines(out) => rows.iter().for_each(|row| out.json(&row.json)),
            Self::Table(out, table) => table.page(rows, out),
        }
    }

    const fn has_failed(&self) -> bool {
        let (Self::Lines(out) | Self::Table(out, _)) = self;
        out.has_failed()
    }

    fn finish(self) -> Result<(), RunError> {
        let (Self::Lines(out) | Self::Table(out, _)) = self;
        out.finish().map_err(RunError::Output)
    }
}

/// Writes the records that fit, page by page; says how many, and how it went.
pub(super) fn records(
    asked: &Asked<'_>,
    query: &Query,
    order: Order,
    limit: u64,
    mut writing: Writing,
) -> Result<(String, Progress), RunError> {
    let mut left = if limit == 0 { u64::MAX } else { limit };
    let (mut written, mut all, mut after) = (0, Progress { complete: true, ..Progress::default() }, None);
    loop {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(PAGE_ROWS).min(MAX_PAGE_ROWS);
        let page = Page { limit: wanted, order, after, deadline: asked.deadline };
        let found = asked.reader.search(&asked.tenant, query, &page)?;
        writing.page(&found.rows);
        let count = found.rows.len() as u64;
        (written, left) = (written + count, left.saturating_sub(count));
        let complete = found.progress.complete;
        join(&mut all, found.progress);
        after = found.next;
        if left == 0 || after.is_none() || count == 0 || !complete || writing.has_failed() {
            break;
        }
    }
    writing.finish()?;
    Ok((format!("{written} records"), all))
}

/// Adds how a page's search went.
fn join(all: &mut Progress, page: Progress) {
    all.complete = page.complete;
    all.scanned_to_row = page.scanned_to_row.or(all.scanned_to_row);
    all.scanned_to = page.scanned_to.or(all.scanned_to);
    all.blocks += page.blocks;
    all.blocks_read += page.blocks_read;
    for range in page.damaged {
        if !all.damaged.contains(&range) {
            all.damaged.push(range);
        }
    }
}

/// How it went, on standard error.
pub(super) fn summary(told: &str, progress: &Progress, took: Duration) {
    let mut line = told.to_owned();
    if let Some(row) = progress.scanned_to_row {
        line += &format!(", looked at up to row {row}");
    }
    if let Some(at) = progress.scanned_to {
        line += &format!(" of {at}");
    }
    line += &format!(", {} of {} blocks read", progress.blocks_read, progress.blocks);
    line += &format!(", {:.3} s", took.as_secs_f64());
    line += if progress.complete {
        ", complete"
    } else {
        ", NOT complete: the time was over; give a longer --timeout"
    };
    eprintln!("weir: {line}");
    for range in progress.damaged.iter().take(MAX_RANGES) {
        eprintln!(
            "weir: rows {} to {} cannot be read: the store is damaged there",
            range.start(),
            range.end()
        );
    }
    if progress.damaged.len() > MAX_RANGES {
        eprintln!(
            "weir: and {} more ranges; weir store check lists them",
            progress.damaged.len() - MAX_RANGES
        );
    }
}
