//! Rows that are gone without having been trimmed: blocks that could not be read are moved out of their ring, and told.
//!
//! A block that is set aside keeps its key, its count and the reason in table `damage`, and its octets while there is room for
//! them. Nothing goes without a row there, until trimming passes its place.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use weir_flow::Timestamp;

use crate::error::{Doing, Error};
use crate::mend::Mended;
use crate::ring::{ROW_MASK, Ring, first_row_of, signed, unsigned};
use crate::writer::Writer;

/// Ranges that are told at most: more of a ruined store help nobody. Their sum counts all.
pub const MAX_LOST_RANGES: usize = 1_000;
/// Octets of unreadable blocks that are kept in all, for whoever looks into them: a dozen blocks tell what happened, and the
/// budget is for rows that can be read.
const MAX_KEPT_BYTES: u64 = 1 << 20;
/// Octets of a reason: what SQLite and zstd say is short.
const MAX_REASON: usize = 200;

/// Rows of one ring that cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostRows {
    /// Whose they are; empty when that cannot be told either.
    pub tenant: String,
    /// First half of their event ids; empty as above.
    pub ring_id: String,
    /// The first of them.
    pub first_row: u64,
    /// The last of them.
    pub last_row: u64,
    /// When that was found.
    pub found_at: Timestamp,
    /// What is wrong, in words.
    pub reason: String,
    /// Octets of the block are kept in table `damage`.
    pub kept: bool,
}

impl LostRows {
    /// How many rows.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.last_row.saturating_sub(self.first_row).saturating_add(1)
    }
}

impl std::fmt::Display for LostRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tenant, first_row, last_row, reason, .. } = self;
        write!(f, "rows {first_row} to {last_row} of tenant {tenant}: {reason}")
    }
}

impl Writer {
    /// What was found wrong when the store was opened, and put in order.
    #[must_use]
    pub const fn mended(&self) -> &Mended {
        &self.mended
    }

    /// Rows that are gone without having been trimmed, until trimming passes them; at most
    /// [`MAX_LOST_RANGES`] ranges, and how many rows all ranges have.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn damage(&self) -> Result<(Vec<LostRows>, u64), Error> {
        let ranges = all(&self.db).doing("read", &self.path)?;
        Ok((ranges, sum(&self.db).doing("read", &self.path)?))
    }
}

/// A block, or a place where one should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its key, or the one that it would have.
    pub(crate) key: i64,
    /// Rows that are gone with it.
    pub(crate) count: u64,
    /// What is wrong.
    pub(crate) reason: String,
}

/// All lost rows, in the order of their rings and rows; at most [`MAX_LOST_RANGES`].
pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<LostRows>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT d.block, d.count, d.found_at, d.reason, d.data IS NOT NULL,
            coalesce(r.tenant, ''), coalesce(r.ring_id, '')
         FROM damage d LEFT JOIN ring r ON r.ring = d.block >> 48 ORDER BY d.block LIMIT {MAX_LOST_RANGES}"
    ))?;
    let rows = statement.query_map([], |row| {
        let (first_row, count) = (first_row_of(row.get(0)?), unsigned(row, 1)?);
        Ok(LostRows {
            tenant: row.get(5)?,
            ring_id: row.get(6)?,
            first_row,
            last_row: first_row.saturating_add(count).saturating_sub(1),
            found_at: Timestamp::from_millis(row.get(2)?),
            reason: row.get(3)?,
            kept: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// How many rows are lost in the whole store.
pub(crate) fn sum(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT coalesce(sum(count), 0) FROM damage")?.query_row([], |row| unsigned(row, 0))
}

/// The places in `ring` whose rows are known to be lost: first row and the row after the last, ascending.
pub(crate) fn ranges(db: &Connection, ring: &Ring) -> rusqlite::Result<Vec<(u64, u64)>> {
    let (low, high) = ring.keys();
    let mut statement =
        db.prepare_cached("SELECT block, count FROM damage WHERE block BETWEEN ?1 AND ?2 ORDER BY block")?;
    let rows = statement.query_map([low, high], |row| {
        let first = first_row_of(row.get(0)?);
        Ok((first, first.saturating_add(unsigned(row, 1)?)))
    })?;
    rows.collect()
}

/// The parts of `from..to` that none of `ranges`, which ascend, has.
pub(crate) fn uncovered(ranges: &[(u64, u64)], mut from: u64, to: u64) -> Vec<(u64, u64)> {
    let mut left = Vec::new();
    for &(first, end) in ranges {
        if first >= to {
            break;
        }
        if first > from {
            left.push((from, first));
        }
        from = from.max(end);
    }
    if from < to {
        left.push((from, to));
    }
    left
}

/// Moves the block of `fault` out of its ring, or notes that there is none. Octets of the ring are the caller's to count anew.
pub(crate) fn set_aside(db: &Connection, fault: &Fault, now_ms: i64) -> rusqlite::Result<()> {
    let kept: i64 =
        db.query_row("SELECT coalesce(sum(length(data)), 0) FROM damage", [], |row| row.get(0))?;
    let head = db
        .prepare_cached("SELECT encoding, raw_bytes, length(data) FROM block WHERE block = ?1")?
        .query_row([fault.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .unwrap_or_default();
    let (encoding, raw_bytes, length): (i64, i64, i64) = head.unwrap_or_default();
    let has_room = kept.saturating_add(length) <= signed(MAX_KEPT_BYTES);
    let data = if length > 0 && has_room { data_of(db, fault.key) } else { None };
    let reason: String = fault.reason.chars().take(MAX_REASON).collect();
    db.prepare_cached(
        "REPLACE INTO damage (block, count, found_at, reason, encoding, raw_bytes, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![fault.key, signed(fault.count), now_ms, reason, encoding, raw_bytes, data])?;
    remove(db, fault.key)
}

/// Removes a block with all that is said of it.
pub(crate) fn remove(db: &Connection, key: i64) -> rusqlite::Result<()> {
    for table in ["block", "summary", "terms"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE block = ?1"))?.execute([key])?;
    }
    Ok(())
}

/// What can be copied of a block; nothing where SQLite cannot read it.
fn data_of(db: &Connection, key: i64) -> Option<Vec<u8>> {
    let mut statement = db.prepare_cached("SELECT data FROM block WHERE block = ?1").ok()?;
    statement.query_row([key], |row| row.get(0)).ok()
}

/// Forgets lost rows of `ring` that lie before `key`, which trimming has reached, and those that were found before `oldest`.
pub(crate) fn forget(
    db: &Connection,
    ring: &Ring,
    key: Option<i64>,
    oldest: Option<i64>,
) -> rusqlite::Result<()> {
    let (low, high) = ring.keys();
    db.prepare_cached("DELETE FROM damage WHERE block BETWEEN ?1 AND ?2 AND (block <= ?3 OR found_at < ?4)")?
        .execute(params![low, high, key.unwrap_or(i64::MIN), oldest.unwrap_or(i64::MIN)])?;
    Ok(())
}

/// The rows from `from` up to and without `to` of `ring`, as a fault.
pub(crate) fn missing(ring: &Ring, (from, to): (u64, u64), reason: &str) -> Fault {
    let from = from.min(ROW_MASK.unsigned_abs());
    Fault { key: ring.key(from), count: to.saturating_sub(from).max(1), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::uncovered;

    #[test]
    fn what_is_not_covered_is_left() {
        assert_eq!(uncovered(&[], 3, 9), [(3, 9)]);
        assert_eq!(uncovered(&[(1, 3), (9, 12)], 3, 9), [(3, 9)]);
        assert_eq!(uncovered(&[(3, 9)], 3, 9), []);
        assert_eq!(uncovered(&[(1, 4), (5, 6), (6, 7), (8, 20)], 3, 9), [(4, 5), (7, 8)]);
        assert_eq!(uncovered(&[(1, 100)], 3, 9), []);
        assert_eq!(uncovered(&[], 9, 9), []);
    }
}
