//! Reading: rows, minute totals and figures of a ring, for the page, the uplink and the command line.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, Row, Statement, params};
use serde::Serialize;
use weir_flow::{TenantId, Timestamp};

use crate::block::{Decoder, Packed};
use crate::error::{Doing, Error};
use crate::ring::{Ring, first_row_of, unsigned};
use crate::usage::pages;
use crate::{MinuteTotal, connection, files};

/// Rows that one read answers at most.
pub const MAX_READ_ROWS: usize = 50_000;
/// JSON bytes after which a read unpacks no further block: a page request must not take the gateway's memory.
pub const MAX_READ_BYTES: usize = 32 << 20;
/// Minutes that one read answers at most: 31 days.
pub const MAX_READ_MINUTES: u32 = 31 * 24 * 60;

/// SQLite's virtual machine looks at the deadline after this many of its instructions: well under a millisecond.
const DEADLINE_CHECK_OPS: i32 = 1_000;

/// A read-only connection; each thread has its own. No read changes the store or delays its writer.
pub struct Reader {
    pub(crate) db: Connection,
    pub(crate) path: PathBuf,
    deadline: Arc<Mutex<Option<Instant>>>,
    decoder: RefCell<Decoder>,
}

/// In which order rows are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Descending rows.
    #[default]
    NewestFirst,
    /// Ascending rows.
    OldestFirst,
}

/// A row of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The event id, `<ring id>-<row>`.
    pub id: String,
    /// Its number in the ring, from 1.
    pub row: u64,
    /// The record as one JSON object, with `id`, `tenant_id` and `processed_at` (RFC 3339, milliseconds) first.
    pub json: String,
}

/// Figures of a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// First half of its event ids; none before its first commit.
    pub ring_id: Option<String>,
    /// Rows that it holds.
    pub rows: u64,
    /// The oldest row; `next_row` when it holds none.
    pub first_row: u64,
    /// The number that the next row gets.
    pub next_row: u64,
    /// Bytes of the whole store on the disk: file and write-ahead log.
    pub bytes: u64,
    /// Bytes of this ring's blocks.
    pub ring_bytes: u64,
    /// When its oldest row was stored.
    pub oldest_ts: Option<Timestamp>,
    /// When its newest row was stored.
    pub newest_ts: Option<Timestamp>,
    /// Its byte budget, which is the store's unless the tenant has one.
    pub budget_bytes: u64,
    /// Its retention, which is the store's unless the tenant has one.
    pub retention_days: u32,
}

impl Reader {
    /// Opens the store in `dir`, also while a writer has it.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::NoPermission`], [`Error::Foreign`], [`Error::Newer`], [`Error::Older`], and what
    /// else the disk answers.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(files::DATABASE);
        let mut db = connection::open_reader(dir)?;
        let deadline: Arc<Mutex<Option<Instant>>> = Arc::default();
        let watched = Arc::clone(&deadline);
        let passed = move || {
            watched.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| Instant::now() >= at)
        };
        db.progress_handler(DEADLINE_CHECK_OPS, Some(passed)).doing("open", &path)?;
        let decoder = RefCell::new(Decoder::new().doing("open", &path)?);
        Ok(Self { db, path, deadline, decoder })
    }

    /// The newest `limit` rows of `tenant`, at most [`MAX_READ_ROWS`] and [`MAX_READ_BYTES`].
    ///
    /// # Errors
    /// [`Error::Deadline`], [`Error::Corrupt`], and what else the disk answers.
    pub fn recent(
        &self,
        tenant: &TenantId,
        limit: usize,
        order: Order,
        deadline: Instant,
    ) -> Result<Vec<StoredRow>, Error> {
        let mut answer = Answer::new(tenant, limit);
        self.until(Some(deadline), || {
            let Some(ring) = self.ring(tenant)? else { return Ok(()) };
            self.blocks(ring.keys(), Order::NewestFirst, |block, opened| {
                let before = answer.rows.len();
                let from = block.count.saturating_sub(answer.room() as u64);
                opened.lines(from..block.count, |row, line| {
                    answer.push(&ring, row, block.processed_at, line);
                })?;
                answer.rows.get_mut(before..).unwrap_or_default().reverse();
                Ok(!answer.is_full())
            })
        })?;
        if order == Order::OldestFirst {
            answer.rows.reverse();
        }
        Ok(answer.rows)
    }

    /// The rows of `tenant` after row `after`, ascending, at most `limit`, [`MAX_READ_ROWS`] and
    /// [`MAX_READ_BYTES`]. They are contiguous; the first is later than `after + 1` when rows were trimmed.
    ///
    /// # Errors
    /// As [`Reader::recent`].
    pub fn rows(
        &self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<StoredRow>, Error> {
        let mut answer = Answer::new(tenant, limit);
        self.until(Some(deadline), || {
            let Some(ring) = self.ring(tenant)? else { return Ok(()) };
            let (low, high) = ring.keys();
            let begin = self.block_of(low, ring.key(after.saturating_add(1)))?;
            let mut next = None;
            self.blocks((begin, high), Order::OldestFirst, |block, opened| {
                // What came between was trimmed since the last block was read.
                if next.is_some_and(|next| next != block.first_row) {
                    return Ok(false);
                }
                next = Some(block.end());
                let from = (after.saturating_add(1)).saturating_sub(block.first_row).min(block.count);
                let to = block.count.min(from + answer.room() as u64);
                opened.lines(from..to, |row, line| answer.push(&ring, row, block.processed_at, line))?;
                Ok(!answer.is_full())
            })
        })?;
        Ok(answer.rows)
    }

    /// The totals of `tenant` from minute `from` up to and without `to`, at most [`MAX_READ_MINUTES`], ascending.
    /// Minutes without rows are left out. A minute is `processed_at` in milliseconds / 60,000.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn minutes(&self, tenant: &TenantId, from: i64, to: i64) -> Result<Vec<MinuteTotal>, Error> {
        self.until(None, || {
            let Some(ring) = self.ring(tenant)? else { return Ok(Vec::new()) };
            MinuteTotal::range(&self.db, ring.ring, (from, to), MAX_READ_MINUTES).doing("read", &self.path)
        })
    }

    /// Figures of the ring of `tenant`; all from one instant.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn stats(&self, tenant: &TenantId) -> Result<Stats, Error> {
        self.until(None, || self.figures(tenant).doing("read", &self.path))
    }

    /// How far inputs had read when the last of their rows was committed: name and position of each bookmark whose name
    /// begins with `prefix`, in the order of their names.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn bookmarks(&self, prefix: &str) -> Result<Vec<(String, String)>, Error> {
        let read = || {
            let mut statement = self.db.prepare_cached(
                "SELECT input, position FROM bookmark WHERE substr(input, 1, length(?1)) = ?1 ORDER BY input",
            )?;
            let rows = statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.until(None, || read().doing("read", &self.path))
    }

    fn figures(&self, tenant: &TenantId) -> rusqlite::Result<Stats> {
        let tx = self.db.unchecked_transaction()?;
        let (file, _) = pages(&tx)?;
        let mut stats = tx.query_row("SELECT budget_bytes, retention_days FROM store", [], |row| {
            let (budget_bytes, retention_days) = (unsigned(row, 0)?, row.get(1)?);
            Ok(Stats { budget_bytes, retention_days, first_row: 1, next_row: 1, ..Stats::default() })
        })?;
        stats.bytes = file + files::wal_bytes(&self.path);
        let Some(ring) = Ring::find(&tx, tenant)? else { return Ok(stats) };
        stats.first_row = ring.first_row(&tx)?;
        stats.next_row = ring.next_row;
        stats.rows = ring.next_row - stats.first_row;
        stats.ring_bytes = ring.bytes;
        stats.budget_bytes = ring.budget_bytes.unwrap_or(stats.budget_bytes);
        stats.retention_days = ring.retention_days.unwrap_or(stats.retention_days);
        let (low, high) = ring.keys();
        let ends = tx.query_row(
            "SELECT (SELECT processed_at FROM block WHERE block BETWEEN ?1 AND ?2 ORDER BY block LIMIT 1),
                (SELECT processed_at FROM block WHERE block BETWEEN ?1 AND ?2 ORDER BY block DESC LIMIT 1)",
            params![low, high],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        let (oldest, newest): (Option<i64>, Option<i64>) = ends?;
        stats.oldest_ts = oldest.map(Timestamp::from_millis);
        stats.newest_ts = newest.map(Timestamp::from_millis);
        stats.ring_id = Some(ring.ring_id);
        Ok(stats)
    }

    fn ring(&self, tenant: &TenantId) -> Result<Option<Ring>, Error> {
        Ring::find(&self.db, tenant).doing("read", &self.path)
    }

    /// Runs `read` with a deadline in force.
    pub(crate) fn until<T>(
        &self,
        deadline: Option<Instant>,
        read: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let set = |at| *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = at;
        set(deadline);
        let result = read();
        set(None);
        result
    }

    /// Key of the block that holds the row whose own key would be `start`, or of the first one after `low`.
    fn block_of(&self, low: i64, start: i64) -> Result<i64, Error> {
        let found = self
            .db
            .prepare_cached("SELECT max(block) FROM block WHERE block BETWEEN ?1 AND ?2")
            .and_then(|mut statement| statement.query_row([low, start], |row| row.get::<_, Option<i64>>(0)));
        Ok(found.doing("read", &self.path)?.unwrap_or(low))
    }

    /// Hands each block from key to key to `take`, in `order`, until that says false. A block is copied before it is unpacked,
    /// which takes a hundred times as long: meanwhile the log must not be held.
    fn blocks(
        &self,
        (mut low, mut high): (i64, i64),
        order: Order,
        mut take: impl FnMut(Block, &mut Opened<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let by = if order == Order::NewestFirst { "DESC" } else { "" };
        let sql = format!("{BLOCKS} WHERE block BETWEEN ?1 AND ?2 ORDER BY block {by} LIMIT 1");
        let mut statement = self.db.prepare_cached(&sql).doing("read", &self.path)?;
        let mut decoder = self.decoder.borrow_mut();
        let mut copy = Vec::new();
        while let Some((key, block, encoding, raw_bytes)) =
            self.copied(&mut statement, (low, high), &mut copy)?
        {
            let packed = Packed { encoding, raw_bytes, rows: block.count, data: &copy };
            let is_last =
                !take(block, &mut Opened { block, packed, decoder: &mut decoder, path: &self.path })?;
            let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
            if deadline.is_some_and(|at| Instant::now() >= at) {
                return Err(Error::Deadline { path: self.path.clone() });
            }
            if is_last {
                break;
            }
            match order {
                Order::NewestFirst => high = key - 1,
                Order::OldestFirst => low = key + 1,
            }
        }
        Ok(())
    }

    /// The next block, its data in `copy`; the statement is at its end then, and with it the reading transaction.
    fn copied(
        &self,
        statement: &mut Statement<'_>,
        (low, high): (i64, i64),
        copy: &mut Vec<u8>,
    ) -> Result<Option<(i64, Block, u8, u64)>, Error> {
        let found = statement.query_row([low, high], |row| {
            copy.clear();
            copy.extend_from_slice(row.get_ref(5)?.as_blob()?);
            Ok((row.get(0)?, Block::from_row(row)?, row.get(3)?, unsigned(row, 4)?))
        });
        found.optional().doing("read", &self.path)
    }
}

/// The columns of [`Block`], the encoding and the data.
pub(crate) const BLOCKS: &str = "SELECT block, count, processed_at, encoding, raw_bytes, data FROM block";

/// Where a block's rows belong.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) first_row: u64,
    pub(crate) count: u64,
    pub(crate) processed_at: i64,
}

impl Block {
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let first_row = first_row_of(row.get(0)?);
        Ok(Self { first_row, count: unsigned(row, 1)?, processed_at: row.get(2)? })
    }

    /// The row after its last.
    pub(crate) const fn end(&self) -> u64 {
        self.first_row + self.count
    }
}

/// A block, and what it takes to read it.
pub(crate) struct Opened<'a> {
    pub(crate) block: Block,
    pub(crate) packed: Packed<'a>,
    pub(crate) decoder: &'a mut Decoder,
    pub(crate) path: &'a Path,
}

impl Opened<'_> {
    /// Hands the rows whose places in the block, from 0, are `wanted` to `take`, ascending: number and JSON object.
    pub(crate) fn lines(&mut self, wanted: Range<u64>, mut take: impl FnMut(u64, &str)) -> Result<(), Error> {
        let Self { block, packed, path, .. } = self;
        self.decoder
            .lines(*packed, wanted, |place, line| take(block.first_row + place, line))
            .map_err(|damage| Error::corrupt(path, &format!("row {}: {damage}", block.first_row)))
    }
}

/// Rows on their way to whoever asked.
struct Answer<'a> {
    tenant: &'a TenantId,
    limit: usize,
    bytes: usize,
    rows: Vec<StoredRow>,
}

impl<'a> Answer<'a> {
    fn new(tenant: &'a TenantId, limit: usize) -> Self {
        Self { tenant, limit: limit.min(MAX_READ_ROWS), bytes: 0, rows: Vec::new() }
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.limit || self.bytes >= MAX_READ_BYTES
    }

    /// Rows that it still takes.
    fn room(&self) -> usize {
        self.limit - self.rows.len()
    }

    /// Adds a row.
    fn push(&mut self, ring: &Ring, row: u64, processed_at: i64, line: &str) {
        let id = format!("{}-{row}", ring.ring_id);
        let (tenant, at) = (self.tenant.as_str(), Timestamp::from_millis(processed_at));
        // Every line is an object with members: its brace gives way to ours.
        let members = line.strip_prefix('{').unwrap_or(line);
        let json = format!(r#"{{"id":"{id}","tenant_id":"{tenant}","processed_at":"{at}",{members}"#);
        self.bytes += json.len();
        self.rows.push(StoredRow { id, row, json });
    }
}
