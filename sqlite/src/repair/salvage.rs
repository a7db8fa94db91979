//! A new store of what can be read of a damaged one.
//!
//! Blocks are read by ranges of keys: where a read fails, the next key at which one succeeds is looked for in ever larger
//! steps and then by halving, so that a ruined page costs the blocks that it held and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{RepairReport, copy};
use crate::connection;
use crate::damage::{Fault, missing, ranges, set_aside, uncovered};
use crate::error::{Doing, Error};
use crate::mend::{self, Extent, Mended};
use crate::ring::{MAX_RINGS, ROW_BITS, Ring, first_row_of, signed};
use crate::tail::{MAX_TAIL_ROWS, TORN};

/// Octets of blocks in one transaction: the log of the new store stays short.
const BYTES_PER_COMMIT: u64 = 16 << 20;
/// Tenant of a ring whose own name could not be read.
const NAMELESS: &str = "recovered";

/// Fills `to`, an empty private file, with what can be read of `from`.
pub(super) fn salvage(from: &Path, to: &Path, now_ms: i64) -> Result<RepairReport, Error> {
    let old = connection::open_damaged(from)?;
    let mut new = connection::open_salvage(to)?;
    let mut done = Mended::default();
    let tx = new.transaction().doing("write", to)?;
    copy::tables(&old, &tx, &mut done).doing("write", to)?;
    tx.commit().doing("write", to)?;
    let mut blocks = Blocks { old: &old, new: &new, bytes: 0, copied: 0, failed: false };
    blocks.all().doing("write", to)?;
    let (copied, failed) = (blocks.copied, blocks.failed);
    let tx = new.transaction().doing("write", to)?;
    name_rings(&old, &tx, now_ms, &mut done).doing("write", to)?;
    let rings = Ring::all(&tx).doing("read", to)?;
    if copied == 0 && rings.is_empty() {
        return Err(Error::corrupt(from, &"nothing in it can be read"));
    }
    for ring in rings {
        if failed {
            oldest_of(&tx, &ring, now_ms).doing("write", to)?;
        }
        tail_of(&old, &tx, &ring, now_ms, &mut done).doing("write", to)?;
    }
    tx.execute("UPDATE store SET closed = 1", []).doing("write", to)?;
    tx.commit().doing("write", to)?;
    let mended = mend::mend(&mut new, to, Extent::All, now_ms)?;
    done.corrections.extend(mended.corrections);
    let mut report = RepairReport { corrections: done.corrections, ..RepairReport::default() };
    report.rows = super::rows(&new).doing("read", to)?;
    (report.lost, report.lost_rows) = super::lost(&new).doing("read", to)?;
    report.lost.retain(|lost| lost.found_at.millis() == now_ms);
    connection::finish_salvage(new, to)?;
    Ok(report)
}

/// Blocks on their way.
struct Blocks<'a> {
    old: &'a Connection,
    new: &'a Connection,
    /// Of the transaction at hand.
    bytes: u64,
    copied: u64,
    /// Something could not be read.
    failed: bool,
}

impl Blocks<'_> {
    /// Copies all that can be read.
    fn all(&mut self) -> rusqlite::Result<()> {
        let mut from = 0;
        self.new.execute_batch("BEGIN IMMEDIATE")?;
        while let Some(key) = self.next(from) {
            let is_copied = self.copy(key)?;
            self.copied += u64::from(is_copied);
            self.failed |= !is_copied;
            let Some(next) = key.checked_add(1) else { break };
            from = next;
        }
        self.new.execute_batch("COMMIT")
    }

    /// Copies a block as it is; false when it cannot be read, which is found as a gap later.
    fn copy(&mut self, key: i64) -> rusqlite::Result<bool> {
        let columns = "block, count, processed_at, min_ts, max_ts, encoding, raw_bytes, data";
        let found = self
            .old
            .prepare_cached(&format!("SELECT {columns} FROM block WHERE block = ?1"))
            .and_then(|mut statement| {
                statement.query_row([key], |row| {
                    let head: [i64; 7] = [
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        row.get(5)?,
                        row.get(6)?,
                    ];
                    Ok((head, row.get::<_, Vec<u8>>(7)?))
                })
            });
        let Ok(([block, count, processed_at, min, max, encoding, raw], data)) = found else {
            return Ok(false);
        };
        if count <= 0 || block != key {
            return Ok(false);
        }
        self.new
            .prepare_cached(&format!(
                "INSERT OR IGNORE INTO block ({columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ))?
            .execute(params![block, count, processed_at, min, max, encoding, raw, data])?;
        self.bytes += data.len() as u64;
        if self.bytes >= BYTES_PER_COMMIT {
            self.new.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
            self.bytes = 0;
        }
        Ok(true)
    }

    /// The least key from `from` on that can be read.
    fn next(&mut self, from: i64) -> Option<i64> {
        if let Ok(found) = self.key_from(from) {
            return found;
        }
        self.failed = true;
        // Ever larger steps to a key from which reading works.
        let (mut bad, mut step) = (from, 1_i64);
        let mut good = loop {
            let at = bad.checked_add(step)?;
            match self.key_from(at) {
                Ok(found) => break (at, found),
                Err(_) => (bad, step) = (at, step.saturating_mul(2)),
            }
        };
        // Back to the least of them.
        while good.0 - bad > 1 {
            let middle = bad + (good.0 - bad) / 2;
            match self.key_from(middle) {
                Ok(found) => good = (middle, found),
                Err(_) => bad = middle,
            }
        }
        good.1
    }

    fn key_from(&self, from: i64) -> rusqlite::Result<Option<i64>> {
        self.old
            .prepare_cached("SELECT block FROM block WHERE block >= ?1 ORDER BY block LIMIT 1")?
            .query_row([from], |row| row.get(0))
            .optional()
    }
}

fn rings(db: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
    let mut statement = db.prepare("SELECT ring FROM ring UNION SELECT DISTINCT block >> 48 FROM block")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Gives every block a ring. A row of the table that could not be read is made again: its name and its id are in the indexes of
/// the table too, and where these cannot be read either it gets others.
fn name_rings(old: &Connection, new: &Connection, now_ms: i64, done: &mut Mended) -> rusqlite::Result<()> {
    let known: BTreeSet<i64> = Ring::all(new)?.iter().map(|ring| ring.ring).collect();
    let likely = 1..=i64::from(MAX_RINGS);
    let (tenants, ids) = (of_index(old, "tenant"), of_index(old, "ring_id"));
    let mut missing = rings(new)?;
    missing.extend(tenants.keys());
    for ring in missing.into_iter().filter(|ring| !known.contains(ring) && likely.contains(ring)) {
        let tenant = tenants.get(&ring).cloned().unwrap_or_else(|| format!("{NAMELESS}-{ring}"));
        let id = ids.get(&ring);
        new.execute(
            "INSERT OR IGNORE INTO ring (ring, ring_id, tenant, next_row, processed_at, created_at)
             VALUES (?1, coalesce(?2, lower(hex(randomblob(8)))), ?3, ?4, ?5, ?5)",
            params![ring, id, tenant, signed(next_row(new, ring)?), now_ms],
        )?;
        let kept = if id.is_some() { "its event ids are kept" } else { "it has new event ids" };
        done.correct(format!("ring {ring}: its own row could not be read; it is tenant {tenant}'s, {kept}"));
    }
    Ok(())
}

/// A column of table `ring` by its index alone, as far as that can be read.
fn of_index(old: &Connection, column: &str) -> BTreeMap<i64, String> {
    let mut found = BTreeMap::new();
    let Ok(mut statement) = old.prepare(&format!("SELECT ring, {column} FROM ring ORDER BY {column}")) else {
        return found;
    };
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    found.extend(rows.into_iter().flatten().map_while(Result::ok).take(MAX_RINGS as usize));
    found
}

/// The number after all that are known to be given: to rows of blocks, and to those that an output has delivered.
fn next_row(db: &Connection, ring: i64) -> rusqlite::Result<u64> {
    let last: Option<i64> =
        db.query_row("SELECT max(block + count) FROM block WHERE block >> 48 = ?1", [ring], |row| {
            row.get(0)
        })?;
    let delivered: Option<i64> =
        db.query_row("SELECT max(row) + 1 FROM cursor WHERE ring = ?1", [ring], |row| row.get(0))?;
    Ok(last.map_or(1, first_row_of).max(delivered.unwrap_or(1).unsigned_abs()))
}

/// Notes the rows of `ring` before those that could be read. Where it began is what its oldest minute says; without minutes it
/// began with its first row, as far as anybody knows.
fn oldest_of(db: &Connection, ring: &Ring, now_ms: i64) -> rusqlite::Result<()> {
    let began: Option<i64> =
        db.query_row("SELECT min(first_row) FROM minute WHERE ring = ?1", [ring.ring], |row| row.get(0))?;
    let (began, first) = (began.map_or(1, i64::unsigned_abs).max(1), ring.first_row(db)?);
    for gap in uncovered(&ranges(db, ring)?, began, first) {
        set_aside(db, &missing(ring, gap, "the blocks that held them cannot be read"), now_ms)?;
    }
    Ok(())
}

/// Takes a tail over; one that cannot be read leaves numbers that are not given again.
fn tail_of(
    old: &Connection,
    new: &Connection,
    ring: &Ring,
    now_ms: i64,
    done: &mut Mended,
) -> rusqlite::Result<()> {
    if let Some(data) = copy::tail(old, ring.ring) {
        new.execute("INSERT OR IGNORE INTO tail (ring, data) VALUES (?1, ?2)", params![ring.ring, data])?;
        return Ok(());
    }
    if !copy::may_have_tail(old, ring.ring) {
        return Ok(());
    }
    // So many numbers are not given again: an output may have delivered rows that had them.
    let reason = TORN.to_owned();
    let fault = Fault { key: ring.key(ring.next_row), count: MAX_TAIL_ROWS, reason };
    set_aside(new, &fault, now_ms)?;
    done.correct(format!("ring {}: its newest rows could not be read", ring.ring_id));
    let next = ring.next_row.saturating_add(MAX_TAIL_ROWS).min((1 << ROW_BITS) - 1);
    Ring { next_row: next, ..ring.clone() }.save(new)
}
