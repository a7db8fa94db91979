//! `weir store export`: all records of a range, oldest first.

use std::path::Path;
use std::time::Duration;

use weir_flow::TenantId;
use weir_store::{Order, Query, Reader};

use crate::clock::Clock;
use crate::command::output::Format;
use crate::command::query::{Asked, Writing, range::Range, records, summary};
use crate::error::RunError;

/// An export goes on as long as anybody can wait for it.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What `weir store export` is asked to do.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Arguments {
    /// Whose records
    #[arg(long, default_value = TenantId::DEFAULT)]
    tenant: String,
    #[command(flatten)]
    range: Range,
    /// How records are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub(super) fn run(
    arguments: &Arguments,
    config: Option<&Path>,
    data_dir: Option<&Path>,
    clock: Clock,
) -> Result<(), RunError> {
    let tenant = super::tenant(&arguments.tenant)?;
    let (from, to) = arguments.range.resolve(clock.now())?;
    let dir = super::enter(config, data_dir)?;
    let reader = Reader::open(&dir)?;
    let begun = clock.monotonic();
    let asked = Asked { reader: &reader, tenant, from, to, deadline: begun + LONGEST };
    let query = Query { from, to, ..Query::default() };
    let writing = Writing::lines(arguments.format);
    let (told, progress) = records(&asked, &query, Order::OldestFirst, 0, writing)?;
    summary(&told, &progress, clock.monotonic().duration_since(begun));
    if progress.damaged.is_empty() { Ok(()) } else { Err(RunError::Reported(RunError::DATA)) }
}
