//! Trimming: the oldest blocks go, by age and by the byte budget.
//!
//! Freed pages stay in the file and the next rows use them, so that a ring at its budget neither grows nor
//! rewrites itself. Only when the file is above the budget (after the budget was lowered) are pages given back.

use rusqlite::{Connection, TransactionBehavior, params};
use weir_flow::Timestamp;

use crate::dead_letter::bound::Bound;
use crate::error::{Doing, Error};
use crate::minute::{floor, minute_of};
use crate::ring::{Ring, unsigned};
use crate::usage::pages;
use crate::writer::Writer;
use crate::{DiskState, files, receipt, tenant};

/// Blocks that one call removes at most, so that commits never wait long.
const MAX_TRIM_BLOCKS: u64 = 512;
/// Sealed bytes that one call removes, give or take a block: SQLite walks through every page of them.
const MAX_TRIM_BYTES: u64 = 16 << 20;
/// Bytes taken from a ring before it is asked again which ring is the largest.
const STEP_BYTES: u64 = 256 << 10;
/// The part of the ceiling that trimming leaves free, for the commits until the next call.
pub(crate) const MARGIN_SHARE: u64 = 16;
/// Bookmarks kept, the newest: an input that makes up names must not fill the store with them.
const MAX_BOOKMARKS: u32 = 1_024;

pub(crate) const DAY_MS: i64 = 86_400_000;
/// 2026-01-01T00:00:00Z: no version of Weir ran before, so a clock that says so is not set, and how old the rows are
/// that were stored by it is not known.
pub const CLOCK_FLOOR: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// Rows stamped further ahead of the clock than this were stored by a clock that was ahead: their stamp says nothing.
pub(crate) const AHEAD_MS: i64 = DAY_MS;

/// What a trim removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Rows.
    pub rows: u64,
    /// Bytes of their blocks.
    pub bytes: u64,
    /// Rows among them that were too old.
    pub by_age: u64,
    /// Rows among them that had to make room.
    pub by_budget: u64,
    /// Dead letters, past their age or above their bound.
    pub letters: u64,
    /// There is more to remove: call again soon.
    pub more: bool,
}

impl Writer {
    /// Removes the oldest rows of each ring that are past their retention, if `clock_is_set`, and as many as the
    /// byte budget asks for; dead letters and receipts likewise. A bounded piece of work; see [`Trimmed::more`].
    ///
    /// When the budget is exceeded the largest ring gives first, so that a flood in one tenant does not push
    /// out the records of another.
    ///
    /// # Errors
    /// What the disk answers; nothing is removed then.
    pub fn trim(&mut self, now: Timestamp, clock_is_set: bool) -> Result<Trimmed, Error> {
        let now_ms = clock_is_set.then(|| now.millis());
        self.make_room()?;
        self.shorten_log()?;
        let mut done = match self.remove(now_ms) {
            Err(error) if error.is_full() => {
                self.reserve.release();
                self.settle_log()?;
                self.remove(now_ms)?
            }
            other => other?,
        };
        if self.disk == DiskState::Normal {
            done.more |= self.give_back()?;
            self.reserve.restore()?;
        }
        Ok(done)
    }

    fn remove(&mut self, now_ms: Option<i64>) -> Result<Trimmed, Error> {
        let wal = files::wal_bytes(&self.path);
        let target = (self.ceiling - self.ceiling / MARGIN_SHARE).saturating_sub(wal);
        let days = self.config.retention_days.value();
        let letters = Bound::new(self.config.dead_letter_bytes.value(), self.ceiling);
        let letter_days = self.config.dead_letter_days.value();
        let Self { db, path, receipts_grew, .. } = self;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("trim", path)?;
        let mut work = Work { db: &tx, done: Trimmed::default(), blocks: 0 };
        // Before the rows, since what they free is room for those.
        let expired = letters.enforce(&tx, now_ms, letter_days).doing("trim", path)?;
        let receipts = receipt::trim(&tx, now_ms, *receipts_grew).doing("trim", path)?;
        work.all(now_ms, days, target).doing("trim", path)?;
        tenant::sweep(&tx).doing("trim", path)?;
        let mut done = work.done;
        done.letters = expired.letters;
        done.more |= expired.more || receipts;
        tx.commit().doing("trim", path)?;
        *receipts_grew = receipts;
        Ok(done)
    }
}

/// One call's work in its transaction.
struct Work<'a> {
    db: &'a Connection,
    done: Trimmed,
    blocks: u64,
}

/// A block without its data.
struct Head {
    block: i64,
    count: u64,
    processed_at: i64,
    bytes: u64,
}

impl Work<'_> {
    fn all(&mut self, now_ms: Option<i64>, days: u32, target: u64) -> rusqlite::Result<()> {
        for mut ring in Ring::all(self.db)? {
            if let Some(now_ms) = now_ms {
                self.by_age(&mut ring, now_ms, days)?;
            }
            if let Some(budget) = ring.budget_bytes {
                let over = ring.bytes.saturating_sub(budget);
                self.done.by_budget += self.free(&mut ring, over)?;
            }
        }
        self.by_budget(target)?;
        self.db.execute(
            "DELETE FROM bookmark WHERE input NOT IN
                (SELECT input FROM bookmark ORDER BY updated_at DESC LIMIT ?1)",
            [MAX_BOOKMARKS],
        )?;
        Ok(())
    }

    /// By whole minutes, so that the totals of the oldest minute that is left are those of its rows.
    fn by_age(&mut self, ring: &mut Ring, now_ms: i64, days: u32) -> rusqlite::Result<()> {
        let days = ring.retention_days.unwrap_or(days);
        let oldest = floor(now_ms.saturating_sub(i64::from(days) * DAY_MS));
        // Rows of unknown age lie before all others of their ring. They go with the first row after them.
        let known: bool = self.db.query_row(
            "SELECT EXISTS (SELECT 1 FROM minute WHERE ring = ?1 AND minute >= ?2 AND minute < ?3)",
            params![ring.ring, minute_of(CLOCK_FLOOR.millis()), minute_of(oldest)],
            |row| row.get(0),
        )?;
        if known {
            self.done.by_age += self.drop_oldest(ring, |head, _| head.processed_at < oldest)?;
        }
        let ahead = now_ms.saturating_add(AHEAD_MS);
        if ring.processed_at > ahead
            && let Some(last) = self.last_by_flows(ring, ahead, oldest)?
        {
            self.done.by_age += self.drop_oldest(ring, |head, _| head.block <= last)?;
        }
        Ok(())
    }

    /// Since a clock that was ahead stamped a ring, all its rows have that stamp. What tells their age then is when
    /// their flows began. Answers the newest block that is past the retention by it; those of unknown age before it go too.
    fn last_by_flows(&self, ring: &Ring, ahead: i64, oldest: i64) -> rusqlite::Result<Option<i64>> {
        let (low, high) = ring.keys();
        let mut statement = self.db.prepare_cached(
            "SELECT block, processed_at, max_ts FROM block WHERE block BETWEEN ?1 AND ?2 ORDER BY block",
        )?;
        let mut blocks = statement.query([low, high])?;
        let mut last = None;
        let known = CLOCK_FLOOR.millis()..=ahead;
        while let Some(row) = blocks.next()? {
            let (processed_at, began): (i64, i64) = (row.get(1)?, row.get(2)?);
            let expired = known.contains(&began) && began < oldest;
            // A stamp that can be believed, or a flow within the retention: nothing after it is past it.
            if known.contains(&processed_at) || (known.contains(&began) && !expired) {
                break;
            }
            if expired {
                last = Some(row.get(0)?);
            }
        }
        Ok(last)
    }

    fn by_budget(&mut self, target: u64) -> rusqlite::Result<()> {
        loop {
            let (file, free) = pages(self.db)?;
            let over = (file - free).saturating_sub(target);
            let rings = Ring::all(self.db)?;
            let Some(mut largest) = rings.into_iter().max_by_key(|ring| ring.bytes) else { return Ok(()) };
            if over == 0 || self.done.more {
                return Ok(());
            }
            let rows = self.free(&mut largest, over.min(STEP_BYTES))?;
            self.done.by_budget += rows;
            if rows == 0 {
                return Ok(());
            }
        }
    }

    /// Drops blocks of `ring` until `wanted` bytes are freed; answers the rows.
    fn free(&mut self, ring: &mut Ring, wanted: u64) -> rusqlite::Result<u64> {
        self.drop_oldest(ring, |_, freed| freed < wanted)
    }

    /// Drops blocks from the oldest on while `goes(block, bytes dropped before it)`; answers the rows.
    fn drop_oldest(&mut self, ring: &mut Ring, goes: impl Fn(&Head, u64) -> bool) -> rusqlite::Result<u64> {
        let (low, high) = ring.keys();
        let (mut last, mut rows, mut bytes) = (low, 0, 0);
        let mut statement = self.db.prepare_cached(
            "SELECT block, count, processed_at, length(data) FROM block WHERE block BETWEEN ?1 AND ?2
             ORDER BY block",
        )?;
        let mut heads = statement.query([low, high])?;
        while let Some(row) = heads.next()? {
            let head = Head {
                block: row.get(0)?,
                count: unsigned(row, 1)?,
                processed_at: row.get(2)?,
                bytes: unsigned(row, 3)?,
            };
            if !goes(&head, bytes) {
                break;
            }
            if self.blocks == MAX_TRIM_BLOCKS || self.done.bytes + bytes >= MAX_TRIM_BYTES {
                self.done.more = true;
                break;
            }
            (last, rows, bytes) = (head.block, rows + head.count, bytes + head.bytes);
            self.blocks += 1;
        }
        drop(heads);
        if rows > 0 {
            self.delete(ring, last, bytes)?;
            self.done.rows += rows;
            self.done.bytes += bytes;
        }
        Ok(rows)
    }

    /// Deletes the blocks up to `last`, and the minutes of which no row is left.
    fn delete(&self, ring: &mut Ring, last: i64, bytes: u64) -> rusqlite::Result<()> {
        let (low, high) = ring.keys();
        self.db.prepare_cached("DELETE FROM block WHERE block BETWEEN ?1 AND ?2")?.execute([low, last])?;
        ring.bytes = ring.bytes.saturating_sub(bytes);
        ring.save(self.db)?;
        let oldest: Option<i64> = self
            .db
            .prepare_cached(
                "SELECT (SELECT processed_at FROM block WHERE block BETWEEN ?1 AND ?2 ORDER BY block LIMIT 1)",
            )?
            .query_row([low, high], |row| row.get(0))?;
        self.db
            .prepare_cached("DELETE FROM minute WHERE ring = ?1 AND minute < ?2")?
            .execute([ring.ring, oldest.map_or(i64::MAX, minute_of)])?;
        Ok(())
    }
}
