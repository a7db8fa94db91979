//! Receipts: answers that are repeated when the same request comes again, kept with the rows that it brought.

use rusqlite::{Connection, OptionalExtension, params};
use weir_flow::{Receipt, ReceiptKey, Timestamp};

use crate::control::Control;
use crate::error::{Doing, Error};
use crate::ring::unsigned;

/// Receipts kept at most: what a client that makes up a new key with each request can take.
pub const MAX_RECEIPTS: u64 = 10_000;
/// Hours after which a receipt counts for nothing: a client has given up long before.
pub const RECEIPT_HOURS: u32 = 24;

const LIFE_MS: i64 = RECEIPT_HOURS as i64 * 3_600_000;
/// Receipts that one trim removes at most, so that commits never wait long.
const PIECE: u64 = 1_000;

/// Keeps a receipt; the newest answer of a key stands.
pub(crate) fn save(db: &Connection, receipt: &Receipt) -> rusqlite::Result<()> {
    let Receipt { key, body_hash, status, answer, given } = receipt;
    db.prepare_cached(
        "REPLACE INTO receipt (tenant, key_id, route, header, body_hash, status, answer, given_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        key.tenant.as_str(),
        &*key.key_id,
        &*key.route,
        &*key.header,
        body_hash,
        status,
        answer,
        given.millis()
    ])?;
    Ok(())
}

/// Removes receipts past their life, if `now_ms` is believed, and, where they `grew` since the last look, the oldest of too
/// many; true when there are more.
pub(crate) fn trim(db: &Connection, now_ms: Option<i64>, grew: bool) -> rusqlite::Result<bool> {
    let mut removed = 0;
    if let Some(now_ms) = now_ms {
        removed += oldest(db, now_ms.saturating_sub(LIFE_MS), PIECE)?;
    }
    let over = if grew { count(db)?.saturating_sub(MAX_RECEIPTS) } else { 0 };
    removed += oldest(db, i64::MAX, over.min(PIECE))?;
    Ok(removed >= PIECE)
}

/// Removes the oldest receipts that were given before `before`, at most `limit`.
fn oldest(db: &Connection, before: i64, limit: u64) -> rusqlite::Result<u64> {
    let removed = db
        .prepare_cached(
            "DELETE FROM receipt WHERE (tenant, key_id, route, header) IN
                (SELECT tenant, key_id, route, header FROM receipt WHERE given_at < ?1
                 ORDER BY given_at LIMIT ?2)",
        )?
        .execute(params![before, crate::ring::signed(limit)])?;
    Ok(removed as u64)
}

fn count(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT count(*) FROM receipt")?.query_row([], |row| unsigned(row, 0))
}

impl Control {
    /// The answer that was given to this request within [`RECEIPT_HOURS`] before `now`.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn receipt(&self, key: &ReceiptKey, now: Timestamp) -> Result<Option<Receipt>, Error> {
        let found = || -> rusqlite::Result<Option<Receipt>> {
            self.db
                .prepare_cached(
                    "SELECT body_hash, status, answer, given_at FROM receipt
                     WHERE tenant = ?1 AND key_id = ?2 AND route = ?3 AND header = ?4 AND given_at >= ?5",
                )?
                .query_row(
                    params![
                        key.tenant.as_str(),
                        &*key.key_id,
                        &*key.route,
                        &*key.header,
                        now.millis().saturating_sub(LIFE_MS)
                    ],
                    |row| {
                        Ok(Receipt {
                            key: key.clone(),
                            body_hash: row.get(0)?,
                            status: row.get(1)?,
                            answer: row.get(2)?,
                            given: Timestamp::from_millis(row.get(3)?),
                        })
                    },
                )
                .optional()
        };
        found().doing("read", &self.path)
    }

    /// Receipts kept.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn receipts(&self) -> Result<u64, Error> {
        count(&self.db).doing("read", &self.path)
    }
}
