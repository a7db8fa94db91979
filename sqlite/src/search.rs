//! Searching a ring: which rows fit, newest or oldest first, how many there are, and what they sum to.
//!
//! A search goes from block to block. Blocks whose summary says that nothing in them fits are passed by without being read.
//! It ends with a page of rows, at its deadline, or at the end of the range; the answer says which, and how far it came.

mod deliver;
mod heads;
mod matched;
mod name;
mod plan;
mod query;
mod snapshot;
mod sweep;
#[cfg(test)]
mod tests;

use std::ops::{ControlFlow, RangeInclusive};
use std::time::Instant;

use serde::Serialize;
use weir_flow::{FlowRecord, TenantId, Timestamp};

pub use name::{BadFilter, FILTERS};
pub use query::{EventId, Query};
pub(crate) use query::{is_address, is_below_one, is_like_one, is_within, is_within_extra};
pub use sweep::Span;

use crate::block::Sums;
use crate::error::Error;
use crate::{Order, Reader, StoredRow};
use sweep::sweep;

/// Rows that a page holds at most.
pub const MAX_PAGE_ROWS: usize = 10_000;
/// JSON bytes after which a page takes no further row: a search must not take the gateway's memory.
pub const MAX_SEARCH_BYTES: usize = 8 << 20;

/// Which part of the answer is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Rows at most; no more than [`MAX_PAGE_ROWS`].
    pub limit: usize,
    /// In which order.
    pub order: Order,
    /// The last row of the page before: rows below it when the newest come first, else above it.
    pub after: Option<u64>,
    /// When to give up, with what was found by then.
    pub deadline: Instant,
}

/// A page of what was found, and how far the search came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The rows, in the order that was asked for.
    pub rows: Vec<StoredRow>,
    /// For [`Page::after`] of the next page; none when nothing can follow.
    pub next: Option<u64>,
    /// How the search went.
    pub progress: Progress,
}

/// How a search went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The whole range was looked at, or the page is full: nothing that belongs to the answer is missing from it.
    pub complete: bool,
    /// The last row that was looked at, in the direction of the search; none when there was none.
    pub scanned_to_row: Option<u64>,
    /// When that row was stored.
    pub scanned_to: Option<Timestamp>,
    /// Blocks of the range that were looked at.
    pub blocks: u64,
    /// Of these, blocks that had to be unpacked.
    pub blocks_read: u64,
    /// Rows that could not be read: blocks that are damaged, or were set aside, within the range.
    pub damaged: Vec<RangeInclusive<u64>>,
}

/// How many rows fit, and what they sum to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Rows.
    pub rows: u64,
    /// Their packets, each times its sampling.
    pub packets: u64,
    /// Their IP-layer octets, each times its sampling.
    pub octets: u64,
    /// How the search went.
    pub progress: Progress,
}

impl Reader {
    /// The rows of `tenant` that fit `query`, a page of them.
    ///
    /// # Errors
    /// What the disk answers. A passed deadline is no error, see [`Progress::complete`]; nor is a damaged block, see
    /// [`Progress::damaged`].
    pub fn search(&self, tenant: &TenantId, query: &Query, page: &Page) -> Result<Found, Error> {
        let limit = page.limit.min(MAX_PAGE_ROWS);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let outcome = self.deliver(tenant, query, &Page { limit, ..*page }, |ring_id, row, json| {
            bytes += json.len();
            rows.push(StoredRow { id: format!("{ring_id}-{row}"), row, json: json.to_owned() });
            if bytes >= MAX_SEARCH_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(Found { rows, next: outcome.next, progress: outcome.progress })
    }

    /// Hands the rows of `tenant` that fit `query` to `take`, as many as `page` says however many that are, until it breaks
    /// off: number, and record as [`StoredRow::json`] has it. Nothing is gathered but the rows of one block, of up to
    /// [`MAX_SEARCH_BYTES`], and no transaction is open while `take` runs.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub fn each(
        &self,
        tenant: &TenantId,
        query: &Query,
        page: &Page,
        mut take: impl FnMut(u64, &str) -> ControlFlow<()>,
    ) -> Result<Progress, Error> {
        Ok(self.deliver(tenant, query, page, |_, row, json| take(row, json))?.progress)
    }

    /// How many rows of `tenant` fit `query`, from the newest back until `deadline`.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub fn count(&self, tenant: &TenantId, query: &Query, deadline: Instant) -> Result<Count, Error> {
        let (mut rows, mut sums) = (0, Sums::default());
        let span = Span { order: Order::NewestFirst, after: None, stored: None, deadline };
        let outcome = sweep(self, tenant, query, &span, &mut |matched| {
            // A block that turns out to be damaged counts for nothing.
            let mut own = sums;
            matched.scan.sum(&matched.rows, &mut own)?;
            (rows, sums) = (rows + matched.rows.count() as u64, own);
            Ok(None)
        })?;
        Ok(Count { rows, packets: sums.packets, octets: sums.octets, progress: outcome.progress })
    }

    /// Hands the records of `tenant` that fit `query` and lie within `span` to `take`, until that says false: number of the row,
    /// when it was stored, and the record. Blocks come in the order of `span`; the rows of a block ascend. After a stop
    /// [`Progress::scanned_to_row`] is where another call can go on.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub fn each_record(
        &self,
        tenant: &TenantId,
        query: &Query,
        span: &Span,
        mut take: impl FnMut(u64, Timestamp, &FlowRecord) -> bool,
    ) -> Result<Progress, Error> {
        let outcome = sweep(self, tenant, query, span, &mut |matched| {
            let mut last = None;
            matched.scan.each(&matched.rows, |place, record| {
                let is_more = take(matched.row(place), matched.stored_at(place), &record);
                last = (!is_more).then(|| matched.row(place));
                is_more
            })?;
            // Of a block that descends, rows below the last one may have been handed over already: it comes again as a whole.
            Ok(last.map(|last| if span.order == Order::NewestFirst { matched.end } else { last }))
        })?;
        Ok(outcome.progress)
    }
}
