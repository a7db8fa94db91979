//! Rows of a block that fit a search.

use std::ops::Range;

use weir_flow::Timestamp;

use crate::block::{Rows, Scan};

/// Rows of a block that fit.
pub(super) struct Matched<'a> {
    pub(super) scan: &'a Scan<'a>,
    pub(super) rows: Rows,
    pub(super) first_row: u64,
    /// The row after the last one that was looked at.
    pub(super) end: u64,
    pub(super) ring_id: &'a str,
}

impl Matched<'_> {
    /// The number of the row at `place`.
    pub(super) const fn row(&self, place: usize) -> u64 {
        self.first_row + place as u64
    }

    /// The place of a row, which is within the block.
    pub(super) fn place(&self, row: u64) -> usize {
        let place = usize::try_from(row.saturating_sub(self.first_row)).unwrap_or(usize::MAX);
        place.min(self.scan.count().saturating_sub(1))
    }

    /// Leaves the rows that were stored in time.
    pub(super) fn keep_stored(&mut self, stored: &Range<Timestamp>) {
        let mut rows = std::mem::replace(&mut self.rows, Rows::none());
        rows.retain(|place| is_within(stored, self.stored_at(place).millis()));
        self.rows = rows;
    }

    /// When the row at `place` was stored.
    pub(super) fn stored_at(&self, place: usize) -> Timestamp {
        Timestamp::from_millis(self.scan.stored_at(place))
    }
}

fn is_within(stored: &Range<Timestamp>, at: i64) -> bool {
    at >= stored.start.millis() && at < stored.end.millis()
}
