//! The hour of a ring that is being added up.

use rusqlite::{Connection, params};
use weir_flow::FlowRecord;

use super::pack::{Packer, Span};
use super::{hour_of, key};
use crate::Dimension;
use crate::ring::signed;
use crate::sums::{Sum, Sums};

/// An hour is written when so many rows came, so that a reader has few to count. Where what is written is long, more rows must
/// pay for it: with the log each octet is written twice, and must be no more than one for each flow.
const SAVE_ROWS: u64 = 32_768;
pub(super) const MAX_SAVE_ROWS: u64 = 131_072;
/// Octets that a write takes beside the data: page of the tree and heads of the log.
const SAVE_EXTRA: u64 = 6_144;
/// An hour is written when it was not for so long, in milliseconds.
const SAVE_MS: u64 = 5 * 60_000;
/// The newest hour of a ring.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) hour: i64,
    pub(super) first_row: u64,
    pub(super) through_row: u64,
    /// By dimension, as in [`Dimension::ALL`].
    pub(super) sums: Vec<Sums>,
    /// The last row that was counted when it was written, and when that was.
    pub(super) saved_through: u64,
    saved_at: Option<i64>,
    /// Octets that were written then.
    pub(super) bytes: u64,
    /// It was changed by the transaction at hand.
    pub(super) is_touched: bool,
}

impl Open {
    pub(super) fn new(hour: i64, first_row: u64, limit: usize) -> Self {
        Self {
            hour,
            first_row,
            through_row: first_row.saturating_sub(1),
            sums: Dimension::ALL.map(|_| Sums::new(limit)).into(),
            saved_through: first_row.saturating_sub(1),
            saved_at: None,
            bytes: 0,
            is_touched: true,
        }
    }

    pub(super) const fn is_dirty(&self) -> bool {
        self.through_row != self.saved_through
    }

    pub(super) fn is_due(&mut self, now_ms: i64) -> bool {
        let since = *self.saved_at.get_or_insert(now_ms);
        let wanted = (2 * self.bytes + SAVE_EXTRA).clamp(SAVE_ROWS, MAX_SAVE_ROWS);
        self.is_dirty()
            && (self.through_row - self.saved_through >= wanted
                || now_ms.abs_diff(since) >= SAVE_MS
                || hour_of(now_ms) > self.hour)
    }

    pub(super) fn add(&mut self, record: &FlowRecord) {
        let sum = Sum::of(record);
        for (dimension, sums) in Dimension::ALL.into_iter().zip(&mut self.sums) {
            crate::top::keys(dimension, record, |key, label| sums.add(key, label, sum));
        }
    }

    /// Writes the hour, unless its ring was removed.
    pub(super) fn save(
        &mut self,
        db: &Connection,
        ring: i64,
        packer: &mut Packer,
        now_ms: i64,
    ) -> rusqlite::Result<()> {
        let span = Span { hour: self.hour, first_row: self.first_row, through_row: self.through_row };
        let data =
            packer.pack(span, &self.sums).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        // An update of data as long as before changes their pages in place.
        let (key, through_row) = (key(ring, self.hour), signed(self.through_row));
        let sql = "UPDATE hour SET through_row = ?2, data = ?3 WHERE hour = ?1";
        if db.prepare_cached(sql)?.execute(params![key, through_row, data])? == 0 {
            let sql = "INSERT INTO hour (hour, through_row, data)
                SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM ring WHERE ring = ?4)";
            db.prepare_cached(sql)?.execute(params![key, through_row, data, ring])?;
        }
        (self.saved_through, self.saved_at) = (self.through_row, Some(now_ms));
        self.bytes = data.len() as u64;
        self.is_touched = true;
        Ok(())
    }
}
