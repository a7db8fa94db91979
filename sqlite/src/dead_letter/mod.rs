//! Dead letters: records that could not be stored, and rows that an output refused for good.
//!
//! They come from the writer's commits ([`keep`]) and from outputs, and go, once what was wrong is mended, back through
//! the pipeline: their removal is in the transaction of the rows that they become. Age and bytes bound them ([`bound`]).

pub(crate) mod bound;
mod control;
pub(crate) mod keep;

use rusqlite::{Connection, Row, ToSql, params};
use serde::Serialize;
use weir_flow::{TenantId, Timestamp};

use crate::ring::{signed, unsigned};

/// Destination of the letters whose record is to be stored in the ring.
pub const RING: &str = "ring";
/// Octets of a payload; of a longer record only what identifies it is kept. Twice what a block's record may have, so
/// that a record which a lowered limit refused is whole in its letter.
pub const MAX_LETTER_BYTES: usize = 2 << 20;
/// Letters kept at most: those of outputs name rows and have no octets to bound them by.
pub const MAX_DEAD_LETTERS: u64 = 100_000;
/// Letters that one read answers at most.
pub const MAX_PAGE_LETTERS: usize = 1_000;
/// Octets of payload after which a read answers no further letter.
pub const MAX_PAGE_BYTES: u64 = 8 << 20;

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number, which is not used again.
    pub id: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Whose it is.
    pub tenant: String,
    /// [`RING`], or the name of an output.
    pub destination: String,
    /// Why it could not be delivered, in a word for programs.
    pub reason: String,
    /// What the destination answered last.
    pub last_status: Option<u16>,
    /// How often it was tried again in vain.
    pub retry_count: u32,
    /// First and last row of the tenant's ring that it stands for; none where the payload is all there is.
    pub rows: Option<(u64, u64)>,
    /// Records that it stands for.
    pub events: u64,
    /// Octets of the payload.
    pub bytes: u64,
    /// The record as a JSON object; empty where rows are named.
    pub payload: String,
}

/// A letter to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLetter<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// [`RING`], or the name of an output.
    pub destination: &'a str,
    /// Why it could not be delivered, in a word for programs.
    pub reason: &'a str,
    /// What the destination answered last.
    pub last_status: Option<u16>,
    /// How often it was tried in vain.
    pub retry_count: u32,
    /// First and last row of the tenant's ring that it stands for.
    pub rows: Option<(u64, u64)>,
    /// The record as a JSON object of at most [`MAX_LETTER_BYTES`]; empty where rows are named.
    pub payload: &'a str,
}

/// Which letters are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those of one tenant.
    pub tenant: Option<TenantId>,
    /// Those to one destination.
    pub destination: Option<String>,
}

/// A page of letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// In the order in which they were written.
    pub letters: Vec<DeadLetter>,
    /// There are more after the last one.
    pub more: bool,
}

/// How many letters of a tenant wait for a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterSum {
    /// Whose they are.
    pub tenant: String,
    /// Where they could not be delivered.
    pub destination: String,
    /// Letters.
    pub letters: u64,
    /// Records that they stand for.
    pub events: u64,
    /// Octets of their payloads.
    pub bytes: u64,
    /// When the oldest was written.
    pub oldest: Option<Timestamp>,
}

impl Selection {
    /// True when letters with this tenant and destination are meant.
    #[must_use]
    pub fn holds(&self, tenant: &str, destination: &str) -> bool {
        self.tenant.as_ref().is_none_or(|wanted| wanted.as_str() == tenant)
            && self.destination.as_ref().is_none_or(|wanted| wanted == destination)
    }

    /// The numbers of the letters above `?1` that are meant, and what `condition` asks, ascending; at most `?4`. Answered
    /// from the index alone, so that no payload is read for a letter of somebody else.
    fn numbers(&self, condition: &str) -> String {
        let tenant = if self.tenant.is_some() { "tenant = ?2" } else { "?2 IS NULL" };
        let destination = if self.destination.is_some() { "destination = ?3" } else { "?3 IS NULL" };
        format!(
            "SELECT dead_letter FROM dead_letter
             WHERE dead_letter > ?1 AND {tenant} AND {destination} {condition} ORDER BY dead_letter LIMIT ?4"
        )
    }

    fn parameters(&self) -> (Option<&str>, Option<&str>) {
        (self.tenant.as_ref().map(TenantId::as_str), self.destination.as_deref())
    }
}

const COLUMNS: &str =
    "dead_letter, at, tenant, destination, reason, last_status, retry_count, first_row, last_row,
    events, bytes, payload";

impl DeadLetter {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let end = |column| row.get::<_, Option<i64>>(column).map(|end| end.map(i64::unsigned_abs));
        Ok(Self {
            id: row.get(0)?,
            at: Timestamp::from_millis(row.get(1)?),
            tenant: row.get(2)?,
            destination: row.get(3)?,
            reason: row.get(4)?,
            last_status: row.get(5)?,
            retry_count: row.get(6)?,
            rows: end(7)?.zip(end(8)?),
            events: unsigned(row, 9)?,
            bytes: unsigned(row, 10)?,
            payload: row.get(11)?,
        })
    }
}

impl Letters {
    /// Reads what `sql` answers, in [`COLUMNS`], until a bound is reached.
    fn read(db: &Connection, sql: &str, parameters: &[&dyn ToSql], limit: usize) -> rusqlite::Result<Self> {
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        let (mut page, mut bytes) = (Self::default(), 0);
        while let Some(row) = rows.next()? {
            bytes += unsigned(row, 10)?;
            page.more = page.letters.len() >= limit || (bytes > MAX_PAGE_BYTES && !page.letters.is_empty());
            if page.more {
                break;
            }
            page.letters.push(DeadLetter::from_row(row)?);
        }
        Ok(page)
    }
}

/// Writes a letter; answers its number.
fn insert(db: &Connection, letter: &NewLetter<'_>, at_ms: i64) -> rusqlite::Result<i64> {
    let (first, last) = letter.rows.map(|(first, last)| (signed(first), signed(last))).unzip();
    db.prepare_cached(
        "INSERT INTO dead_letter
            (at, tenant, destination, reason, last_status, retry_count, first_row, last_row, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .insert(params![
        at_ms,
        letter.tenant.as_str(),
        letter.destination,
        letter.reason,
        letter.last_status,
        letter.retry_count,
        first,
        last,
        letter.payload
    ])
}

/// Deletes the letters of these numbers; answers how many there were.
fn delete(db: &Connection, ids: impl IntoIterator<Item = i64>) -> rusqlite::Result<u64> {
    let mut statement = db.prepare_cached("DELETE FROM dead_letter WHERE dead_letter = ?1")?;
    ids.into_iter().try_fold(0, |gone, id| Ok(gone + statement.execute([id])? as u64))
}

/// Counts a vain attempt for the letters of these numbers; answers how many there were.
fn bump(db: &Connection, ids: impl IntoIterator<Item = i64>) -> rusqlite::Result<u64> {
    let sql = "UPDATE dead_letter SET retry_count = retry_count + 1 WHERE dead_letter = ?1";
    let mut statement = db.prepare_cached(sql)?;
    ids.into_iter().try_fold(0, |found, id| Ok(found + statement.execute([id])? as u64))
}

/// The sums of all letters, or of one tenant's.
pub(crate) fn sums(db: &Connection, tenant: Option<&TenantId>) -> rusqlite::Result<Vec<DeadLetterSum>> {
    let mut statement = db.prepare_cached(
        "SELECT tenant, destination, letters, events, bytes,
            (SELECT at FROM dead_letter WHERE dead_letter =
                (SELECT min(dead_letter) FROM dead_letter AS first
                 WHERE first.tenant = all_of.tenant AND first.destination = all_of.destination))
         FROM dead_letter_sum AS all_of WHERE ?1 IS NULL OR tenant = ?1 ORDER BY tenant, destination",
    )?;
    let rows = statement.query_map([tenant.map(TenantId::as_str)], |row| {
        Ok(DeadLetterSum {
            tenant: row.get(0)?,
            destination: row.get(1)?,
            letters: unsigned(row, 2)?,
            events: unsigned(row, 3)?,
            bytes: unsigned(row, 4)?,
            oldest: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        })
    })?;
    rows.collect()
}
