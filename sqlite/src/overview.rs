//! Figures of a whole store, for `weir store stats`: every ring, what they take, and what is known to be lost.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, Row};
use serde::Serialize;
use weir_flow::Timestamp;

use crate::damage::{self, LostRows};
use crate::error::{Doing, Error};
use crate::ring::{Ring, unsigned};
use crate::tail::Tail;
use crate::trim::DAY_MS;
use crate::usage::pages;
use crate::{Reader, files, schema};

/// Days of wear that are told: those of a month.
const WEAR_DAYS: u32 = 31;

/// A store at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Overview {
    /// The version of its schema.
    pub schema_version: u32,
    /// Since when the last writer had it.
    pub opened_at: Option<Timestamp>,
    /// Whether that writer closed it in order; false while an agent runs.
    pub closed: bool,
    /// Bytes that it may take.
    pub budget_bytes: u64,
    /// Days that rows stay.
    pub retention_days: u32,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Of these, bytes of pages that the next rows will use.
    pub free_bytes: u64,
    /// Bytes of the write-ahead log.
    pub log_bytes: u64,
    /// Bytes of the reserve.
    pub reserve_bytes: u64,
    /// Bytes of a store that was set aside, with its log.
    pub aside_bytes: u64,
    /// Its rings, in the order in which they were made.
    pub rings: Vec<RingFigures>,
    /// Bytes written, by day, the newest first; those of the last month.
    pub wear: Vec<WearOfDay>,
    /// Rows that are gone without having been trimmed; at most [`MAX_LOST_RANGES`](crate::MAX_LOST_RANGES) ranges.
    pub lost: Vec<LostRows>,
    /// How many rows that are in all.
    pub lost_rows: u64,
}

/// A ring at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RingFigures {
    /// Whose it is.
    pub tenant: String,
    /// First half of its event ids.
    pub ring_id: String,
    /// Rows that can be read.
    pub rows: u64,
    /// The oldest of them; `next_row` when there is none.
    pub first_row: u64,
    /// The number that the next row gets.
    pub next_row: u64,
    /// When the oldest row was stored.
    pub oldest_ts: Option<Timestamp>,
    /// When the newest row was stored.
    pub newest_ts: Option<Timestamp>,
    /// Sealed blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of a sealed row; none without one.
    pub bytes_per_row: Option<f64>,
    /// Rows of the tail: the newest, which are sealed together later.
    pub tail_rows: u64,
    /// Its own byte budget.
    pub budget_bytes: Option<u64>,
    /// Its own retention.
    pub retention_days: Option<u32>,
}

/// What was written to the device on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WearOfDay {
    /// Its first instant.
    pub day: Timestamp,
    /// Bytes.
    pub bytes: u64,
}

impl Reader {
    /// Figures of the whole store; all from one instant.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn overview(&self) -> Result<Overview, Error> {
        self.until(None, || overview(&self.db, &self.path).doing("read", &self.path))
    }
}

fn overview(db: &Connection, path: &Path) -> rusqlite::Result<Overview> {
    let tx = db.unchecked_transaction()?;
    let (file_bytes, free_bytes) = pages(&tx)?;
    let mut all =
        tx.query_row("SELECT opened_at, closed, budget_bytes, retention_days FROM store", [], |row| {
            Ok(Overview {
                opened_at: Some(Timestamp::from_millis(row.get(0)?)),
                closed: row.get(1)?,
                budget_bytes: unsigned(row, 2)?,
                retention_days: row.get(3)?,
                ..Overview::default()
            })
        })?;
    let beside = |name: &str| fs::metadata(path.with_file_name(name)).map_or(0, |meta| meta.len());
    all.schema_version = schema::version(&tx)?;
    (all.file_bytes, all.free_bytes, all.log_bytes) = (file_bytes, free_bytes, files::wal_bytes(path));
    all.reserve_bytes = beside(files::RESERVE);
    all.aside_bytes = beside("weir.db.aside") + beside("weir.db.aside-wal");
    for ring in Ring::all(&tx)? {
        all.rings.push(figures(&tx, &ring)?);
    }
    let mut statement =
        tx.prepare(&format!("SELECT day, bytes FROM wear ORDER BY day DESC LIMIT {WEAR_DAYS}"))?;
    let wear = statement.query_map([], |row| {
        let day: i64 = row.get(0)?;
        let day = Timestamp::from_millis(day.saturating_mul(DAY_MS));
        Ok(WearOfDay { day, bytes: unsigned(row, 1)? })
    })?;
    all.wear = wear.collect::<rusqlite::Result<_>>()?;
    (all.lost, all.lost_rows) = (damage::all(&tx)?, damage::sum(&tx)?);
    Ok(all)
}

fn figures(db: &Connection, ring: &Ring) -> rusqlite::Result<RingFigures> {
    let (low, high) = ring.keys();
    let sums = |row: &Row<'_>| Ok((unsigned(row, 0)?, unsigned(row, 1)?, row.get(2)?));
    let (blocks, sealed, newest): (u64, u64, Option<i64>) = db
        .prepare_cached(
            "SELECT count(*), coalesce(sum(count), 0), max(processed_at) FROM block
             WHERE block BETWEEN ?1 AND ?2",
        )?
        .query_row([low, high], sums)?;
    let tenant = db.query_row("SELECT tenant FROM ring WHERE ring = ?1", [ring.ring], |row| row.get(0))?;
    let tail = Tail::load(db, ring)?;
    let tail_rows = tail.blocks().iter().map(|fresh| fresh.block.count).sum::<u64>();
    let ends = [tail.blocks().first(), tail.blocks().last()].map(|fresh| Some(fresh?.block.processed_at));
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let bytes_per_row = (sealed > 0).then(|| ring.bytes as f64 / sealed as f64);
    Ok(RingFigures {
        tenant,
        ring_id: ring.ring_id.clone(),
        rows: sealed + tail_rows,
        first_row: ring.first_row(db)?,
        next_row: ring.next_row + tail_rows,
        oldest_ts: ring.first_processed_at(db)?.or(ends[0]).map(Timestamp::from_millis),
        newest_ts: ends[1].or(newest).map(Timestamp::from_millis),
        blocks,
        bytes: ring.bytes,
        bytes_per_row,
        tail_rows,
        budget_bytes: ring.budget_bytes,
        retention_days: ring.retention_days,
    })
}
