//! The rows of a range, for sums that no table has.

use std::cell::RefCell;
use std::ops::{ControlFlow, Range, RangeInclusive};

use rusqlite::{Connection, OptionalExtension, params};
use weir_flow::FlowRecord;

use super::hour_of_minute;
use crate::block::{Decoder, Packed};
use crate::ring::{Ring, first_row_of, unsigned};
use crate::tail::Tail;

/// A ring as one transaction sees it.
pub(crate) struct View {
    pub(crate) ring: Ring,
    pub(crate) tail: Tail,
    /// The oldest row; `next_row` when there is none.
    pub(crate) oldest: u64,
    pub(crate) next_row: u64,
}

/// How the rows of a range were read.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) blocks: u64,
    /// Rows of blocks that cannot be read.
    pub(crate) damaged: Vec<RangeInclusive<u64>>,
    /// The last row that was handed over.
    pub(crate) last: Option<u64>,
}

impl View {
    /// Call it within a transaction.
    pub(crate) fn load(db: &Connection, ring: Ring) -> rusqlite::Result<Self> {
        let tail = Tail::load(db, &ring)?;
        let oldest = ring.first_row(db)?;
        let next_row = tail.blocks().last().map_or(ring.next_row, |last| last.block.end());
        Ok(Self { ring, tail, oldest, next_row })
    }

    /// The first row that was stored in `minute` or later. Call it within the transaction of [`View::load`].
    pub(crate) fn row_at(&self, db: &Connection, minute: i64) -> rusqlite::Result<u64> {
        let sql = "SELECT first_row FROM minute WHERE ring = ?1 AND minute >= ?2 ORDER BY minute LIMIT 1";
        let sealed =
            db.prepare_cached(sql)?.query_row([self.ring.ring, minute], |row| unsigned(row, 0)).optional()?;
        let fresh = || self.tail.blocks().iter().find(|fresh| fresh.total.minute >= minute);
        let row = sealed.or_else(|| fresh().map(|fresh| fresh.block.first_row));
        Ok(row.unwrap_or(self.next_row).clamp(self.oldest, self.next_row))
    }

    /// The first and the last minute that has rows.
    pub(crate) fn minutes(&self, db: &Connection) -> rusqlite::Result<Option<(i64, i64)>> {
        let sql = "SELECT min(minute), max(minute) FROM minute WHERE ring = ?1";
        let (first, last): (Option<i64>, Option<i64>) =
            db.prepare_cached(sql)?.query_row([self.ring.ring], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let fresh = |fresh: &crate::tail::Fresh| fresh.total.minute;
        let first = first.or_else(|| self.tail.blocks().first().map(fresh));
        let last = self.tail.blocks().last().map(fresh).max(last);
        Ok(first.zip(last))
    }

    /// The rows from `first` on by the hour of their `processed_at`. Call it within the transaction of [`View::load`].
    pub(crate) fn hours(&self, db: &Connection, first: u64) -> rusqlite::Result<Vec<(i64, Range<u64>)>> {
        let sql = "SELECT minute, first_row FROM minute WHERE ring = ?1 AND minute >= coalesce(
            (SELECT minute FROM minute WHERE ring = ?1 AND first_row <= ?2 ORDER BY minute DESC LIMIT 1),
            -9223372036854775808) ORDER BY minute";
        let mut hours: Vec<(i64, Range<u64>)> = Vec::new();
        let mut begin = |minute: i64, row: u64| {
            let (hour, row) = (hour_of_minute(minute), row.max(first));
            match hours.last_mut() {
                Some((last, _)) if *last == hour => {}
                before => {
                    before.into_iter().for_each(|(_, rows)| rows.end = row);
                    hours.push((hour, row..self.next_row));
                }
            }
        };
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query(params![self.ring.ring, crate::ring::signed(first)])?;
        while let Some(row) = rows.next()? {
            begin(row.get(0)?, unsigned(row, 1)?);
        }
        self.tail.blocks().iter().for_each(|fresh| begin(fresh.total.minute, fresh.block.first_row));
        hours.retain(|(_, rows)| !rows.is_empty());
        Ok(hours)
    }

    /// Hands the rows of `range` to `take`, ascending, until that breaks. No transaction is held while a block is unpacked.
    pub(crate) fn each(
        &self,
        db: &Connection,
        decoder: &RefCell<Decoder>,
        range: &Range<u64>,
        mut take: impl FnMut(u64, &FlowRecord) -> ControlFlow<()>,
    ) -> rusqlite::Result<(Pass, ControlFlow<()>)> {
        let mut pass = Pass::default();
        let mut copy = Vec::new();
        let mut low = self.block_of(db, range.start)?;
        let high = self.ring.key(range.end.saturating_sub(1));
        while low <= high {
            let Some((key, block)) = copied(db, (low, high), &mut copy)? else { break };
            let packed = Packed { data: &copy, ..block };
            let flow = pass.block(decoder, first_row_of(key), packed, range, &mut take);
            if flow.is_break() {
                return Ok((pass, flow));
            }
            low = key + 1;
        }
        for fresh in self.tail.blocks() {
            let block = fresh.block;
            if block.end() <= range.start || block.first_row >= range.end {
                continue;
            }
            let flow = pass.block(decoder, block.first_row, self.tail.packed(fresh), range, &mut take);
            if flow.is_break() {
                return Ok((pass, flow));
            }
        }
        Ok((pass, ControlFlow::Continue(())))
    }

    /// Key of the block that has `row`, or of a row before it.
    fn block_of(&self, db: &Connection, row: u64) -> rusqlite::Result<i64> {
        let (low, _) = self.ring.keys();
        let found: Option<i64> = db
            .prepare_cached("SELECT max(block) FROM block WHERE block BETWEEN ?1 AND ?2")?
            .query_row([low, self.ring.key(row)], |row| row.get(0))?;
        Ok(found.unwrap_or(low))
    }
}

impl Pass {
    fn block(
        &mut self,
        decoder: &RefCell<Decoder>,
        first_row: u64,
        packed: Packed<'_>,
        range: &Range<u64>,
        take: &mut impl FnMut(u64, &FlowRecord) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.blocks += 1;
        let rows = packed.rows;
        let mut decoder = decoder.borrow_mut();
        let mut next = first_row;
        if let Ok(records) = decoder.records(packed) {
            for record in records {
                let Ok(record) = record else { break };
                let row = next;
                next += 1;
                if !range.contains(&row) {
                    continue;
                }
                self.last = Some(row);
                take(row, &record)?;
            }
        }
        let end = first_row.saturating_add(rows);
        if next < end {
            self.damaged.push(next.max(range.start)..=end.min(range.end).saturating_sub(1));
        }
        ControlFlow::Continue(())
    }
}

/// The next block, its data in `copy`.
fn copied<'a>(
    db: &Connection,
    keys: (i64, i64),
    copy: &mut Vec<u8>,
) -> rusqlite::Result<Option<(i64, Packed<'a>)>> {
    let sql = "SELECT block, count, encoding, raw_bytes, data FROM block WHERE block BETWEEN ?1 AND ?2
        ORDER BY block LIMIT 1";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_row([keys.0, keys.1], |row| {
        copy.clear();
        copy.extend_from_slice(row.get_ref(4)?.as_blob()?);
        let packed = Packed {
            rows: unsigned(row, 1)?,
            encoding: row.get(2)?,
            raw_bytes: unsigned(row, 3)?,
            data: &[],
        };
        Ok((row.get(0)?, packed))
    });
    found.optional()
}
