//! Reading: rows, minute totals and figures of a ring, for the page, the uplink and the command line.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use serde::Serialize;
use weir_flow::{TenantId, Timestamp};

use crate::block::Decoder;
use crate::error::{Doing, Error};
use crate::ring::{Ring, lost_rows, unsigned};
use crate::tail::{Heads, Tail};
use crate::usage::pages;
use crate::walk::{Behind, Opened, Snapshot};
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
    pub(crate) deadline: Arc<Mutex<Option<Instant>>>,
    pub(crate) decoder: RefCell<Decoder>,
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
    /// Rows between its oldest and its newest that were lost with damaged blocks.
    pub lost_rows: u64,
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
            let Some(Snapshot { ring, tail }) = self.snapshot(tenant)? else { return Ok(()) };
            let mut take = |opened: &mut Opened<'_>| {
                let before = answer.rows.len();
                let count = opened.block.count;
                let from = count.saturating_sub(answer.room() as u64);
                opened.lines(from..count, |row, at, line| answer.push(&ring, row, at, line))?;
                answer.rows.get_mut(before..).unwrap_or_default().reverse();
                Ok(!answer.is_full())
            };
            // Of the sealed blocks only those from before: what is sealed meanwhile is in the tail that was read.
            if self.fresh(&tail, Order::NewestFirst, &mut take)? {
                let (low, end) = (ring.key(0), ring.key(ring.next_row));
                self.blocks((low, end - 1), Order::NewestFirst, &mut take)?;
            }
            Ok(())
        })?;
        if order == Order::OldestFirst {
            answer.rows.reverse();
        }
        Ok(answer.rows)
    }

    /// The rows of `tenant` after row `after`, ascending, at most `limit`, [`MAX_READ_ROWS`] and
    /// [`MAX_READ_BYTES`]. They are contiguous; the first is later than `after + 1` when rows were trimmed, or were lost with
    /// a damaged block. An answer ends before lost rows, and the next one begins behind them.
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
            let wanted = after.saturating_add(1);
            let mut next = None;
            let mut take = |opened: &mut Opened<'_>| {
                let block = opened.block;
                if block.end() <= wanted {
                    return Ok(true);
                }
                // What came between was lost, or trimmed since the last block was read.
                if next.is_some_and(|next| next != block.first_row) {
                    return Ok(false);
                }
                next = Some(block.end());
                let from = wanted.saturating_sub(block.first_row);
                let to = block.count.min(from + answer.room() as u64);
                opened.lines(from..to, |row, at, line| answer.push(&ring, row, at, line))?;
                Ok(!answer.is_full())
            };
            let mut low = self.block_from(&ring, wanted)?;
            while let Some(end) = self.blocks((low, ring.keys().1), Order::OldestFirst, &mut take)? {
                match self.behind(tenant, end)? {
                    Behind::Sealed => low = end,
                    Behind::Tail(tail) => {
                        return self.fresh(&tail, Order::OldestFirst, &mut take).map(|_| ());
                    }
                }
            }
            Ok(())
        })?;
        Ok(answer.rows)
    }

    /// The totals of `tenant` from minute `from` up to and without `to`, at most [`MAX_READ_MINUTES`], ascending.
    /// Minutes without rows are left out. A minute is `processed_at` in milliseconds / 60,000.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn minutes(&self, tenant: &TenantId, from: i64, to: i64) -> Result<Vec<MinuteTotal>, Error> {
        self.until(None, || self.totals(tenant, (from, to)).doing("read", &self.path))
    }

    fn totals(&self, tenant: &TenantId, (from, to): (i64, i64)) -> rusqlite::Result<Vec<MinuteTotal>> {
        let tx = self.db.unchecked_transaction()?;
        let Some(ring) = Ring::find(&tx, tenant)? else { return Ok(Vec::new()) };
        let mut totals = MinuteTotal::range(&tx, ring.ring, (from, to), MAX_READ_MINUTES)?;
        let heads = Tail::heads(&tx, &ring)?;
        let fresh = heads.iter().flat_map(|heads| &heads.blocks).map(|fresh| fresh.total);
        for total in fresh.filter(|total| (from..to).contains(&total.minute)) {
            let last = totals.last_mut().filter(|last| last.minute == total.minute);
            if let Some(last) = last {
                last.merge(&total);
            } else if totals.len() < MAX_READ_MINUTES as usize {
                totals.push(total);
            }
        }
        Ok(totals)
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
        let heads = Tail::heads(&tx, &ring)?;
        let newest;
        (stats.next_row, newest) = Heads::newest(heads.as_ref(), &ring);
        stats.first_row = ring.first_row(&tx)?;
        stats.lost_rows = lost_rows(&tx, &ring, stats.first_row)?;
        stats.rows = stats.next_row.saturating_sub(stats.first_row + stats.lost_rows);
        stats.ring_bytes = ring.bytes;
        stats.budget_bytes = ring.budget_bytes.unwrap_or(stats.budget_bytes);
        stats.retention_days = ring.retention_days.unwrap_or(stats.retention_days);
        let sealed = ring.first_processed_at(&tx)?;
        let oldest = sealed.or_else(|| heads.as_ref().and_then(Heads::first_processed_at));
        stats.oldest_ts = oldest.map(Timestamp::from_millis);
        stats.newest_ts = oldest.map(|_| Timestamp::from_millis(newest));
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
