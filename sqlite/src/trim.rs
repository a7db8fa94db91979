//! Trimming: the oldest blocks go, by age and by the byte budget.
//!
//! Freed pages stay in the file and the next rows use them, so that a ring at its budget neither grows nor
//! rewrites itself. Only when the file is above the budget (after the budget was lowered) are pages given back.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};
use weir_flow::Timestamp;

use crate::dead_letter::bound::Bound;
use crate::error::{Doing, Error};
use crate::fit::LEAST_ROOM;
use crate::minute::minute_of;
use crate::ring::{Ring, unsigned};
use crate::seal::Tools;
use crate::tail::{Places, Tail};
use crate::usage::pages;
use crate::writer::Writer;
use crate::{DiskState, damage, hour, receipt, seal, tenant};

/// Blocks that one call removes at most, so that commits never wait long.
const MAX_TRIM_BLOCKS: u64 = 512;
/// Tails that one call seals at most, and octets of tails after which it seals no more: each is unpacked and packed again.
const MAX_TRIM_SEALS: u32 = 8;
const MAX_TRIM_SEALED_BYTES: usize = 128 << 10;
/// Sealed bytes that one call removes, give or take a block: SQLite walks through every page of them.
const MAX_TRIM_BYTES: u64 = 16 << 20;
/// Bytes taken from a ring before it is asked again which ring is the largest.
const STEP_BYTES: u64 = 256 << 10;
/// When rows have to make room, this part of the file's share is freed beyond what is needed: trimming for each commit would
/// change the same pages again and again.
pub(crate) const MARGIN_SHARE: u64 = 64;
/// What a trim writes to the log at most: of what it frees only the lists of free pages change, one page for a thousand, and
/// the map of pages, one for eight hundred; and a tail may be sealed.
const TRIM_LOG_BYTES: u64 = 512 << 10;
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

impl Trimmed {
    /// Adds what a later trim removed.
    pub(crate) fn add(&mut self, later: &Self) {
        self.rows += later.rows;
        self.bytes += later.bytes;
        self.by_age += later.by_age;
        self.by_budget += later.by_budget;
        self.letters += later.letters;
        self.more = later.more;
    }
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
        self.make_room()?;
        self.shorten_log()?;
        let now_ms = clock_is_set.then_some(now.millis());
        let mut result = self.remove(Some(now.millis()), now_ms, 0);
        if result.as_ref().is_err_and(Error::is_full) {
            self.places.forget();
            self.tools.encoder.clear();
            self.reserve.release();
            self.settle_log()?;
            result = self.remove(Some(now.millis()), now_ms, 0);
        }
        if result.is_err() {
            self.places.forget();
        }
        self.tools.encoder.clear();
        let mut done = result?;
        if self.disk == DiskState::Normal {
            done.more |= self.give_back()?;
            self.reserve.restore()?;
        }
        Ok(done)
    }

    /// Removes what is past its age, if `now_ms` is believed, and what is in the way of `wanted` bytes.
    /// Tails that are old at `now` are sealed, where that is said.
    pub(crate) fn remove(
        &mut self,
        now: Option<i64>,
        now_ms: Option<i64>,
        wanted: u64,
    ) -> Result<Trimmed, Error> {
        let target = self.target(wanted)?;
        self.room_in_log(TRIM_LOG_BYTES, LEAST_ROOM)?;
        let days = self.config.retention_days.value();
        let letters = Bound::new(self.config.dead_letter_bytes.value(), self.ceiling);
        let letter_days = self.config.dead_letter_days.value();
        let Self { db, path, receipts_grew, tools, places, .. } = self;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("trim", path)?;
        let mut work = Work { db: &tx, done: Trimmed::default(), blocks: 0 };
        if let Some(now) = now {
            work.done.more = seal_old(&tx, path, (tools, places), now)?;
        }
        // Before the rows, since what they free is room for those.
        let expired = letters.enforce(&tx, now_ms, letter_days).doing("trim", path)?;
        let receipts = receipt::trim(&tx, now_ms, *receipts_grew).doing("trim", path)?;
        work.all(now_ms, days, target).doing("trim", path)?;
        let swept = tenant::sweep(&tx).doing("trim", path)?;
        let mut done = work.done;
        done.rows += swept.rows;
        done.by_budget += swept.rows;
        done.letters = expired.letters;
        done.more |= expired.more || receipts;
        tx.commit().doing("trim", path)?;
        *receipts_grew = receipts;
        if swept.rings > 0 {
            // The numbers of their rings can be given to others.
            places.forget();
        }
        Ok(done)
    }

    /// Bytes of the file that may be in use after a trim; all of its share while what is left has room for `wanted`.
    fn target(&self, wanted: u64) -> Result<u64, Error> {
        let (file, free) = pages(&self.db).doing("trim", &self.path)?;
        let limit = self.file_limit;
        let margin = if file - free + wanted > limit { wanted + limit / MARGIN_SHARE } else { 0 };
        Ok(limit.saturating_sub(margin))
    }
}

/// Seals the tails whose oldest commit is old, so that rows go by age when it is time; true when there are more.
fn seal_old(
    db: &Connection,
    path: &Path,
    (tools, places): (&mut Tools, &mut Places),
    now_ms: i64,
) -> Result<bool, Error> {
    let (mut seals, mut bytes) = (0, 0);
    for mut ring in Ring::all(db).doing("trim", path)? {
        let mut place = places.of(db, &ring, now_ms).doing("trim", path)?;
        // The rows of a removed tenant are not worth writing once more.
        if !place.is_old(now_ms) || ring.budget_bytes == Some(0) {
            continue;
        }
        if seals == MAX_TRIM_SEALS || bytes >= MAX_TRIM_SEALED_BYTES {
            return Ok(true);
        }
        bytes += place.end();
        seal::tail(db, path, &mut ring, &mut place, tools, now_ms)?;
        places.set(&ring, place);
        seals += 1;
    }
    Ok(false)
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

    /// By whole blocks: one goes when its newest row is past the retention.
    fn by_age(&mut self, ring: &mut Ring, now_ms: i64, days: u32) -> rusqlite::Result<()> {
        let days = ring.retention_days.unwrap_or(days);
        let oldest = now_ms.saturating_sub(i64::from(days) * DAY_MS);
        // Rows of unknown age lie before all others of their ring. They go with the first row after them.
        let known: bool = self.db.query_row(
            "SELECT EXISTS (SELECT 1 FROM minute WHERE ring = ?1 AND minute >= ?2 AND minute < ?3)",
            params![ring.ring, minute_of(CLOCK_FLOOR.millis()), minute_of(oldest)],
            |row| row.get(0),
        )?;
        if known {
            self.done.by_age += self.drop_oldest(ring, |head, _| head.processed_at < oldest)?;
        }
        damage::forget(self.db, ring, None, Some(oldest))?;
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

    /// Deletes the blocks up to `last` with all that is known of them, and the totals of times of which no row is left.
    fn delete(&self, ring: &mut Ring, last: i64, bytes: u64) -> rusqlite::Result<()> {
        let (low, _) = ring.keys();
        for table in ["block", "summary", "terms"] {
            let sql = format!("DELETE FROM {table} WHERE block BETWEEN ?1 AND ?2");
            self.db.prepare_cached(&sql)?.execute([low, last])?;
        }
        ring.bytes = ring.bytes.saturating_sub(bytes);
        ring.save(self.db)?;
        damage::forget(self.db, ring, Some(last), None)?;
        let oldest = match ring.first_processed_at(self.db)? {
            Some(ms) => Some(ms),
            None => Tail::heads(self.db, ring)?.and_then(|heads| heads.first_processed_at()),
        };
        let minute = oldest.map_or(i64::MAX, minute_of);
        self.db
            .prepare_cached("DELETE FROM minute WHERE ring = ?1 AND minute < ?2")?
            .execute([ring.ring, minute])?;
        hour::trim(self.db, ring.ring, ring.first_row(self.db)?)
    }
}
