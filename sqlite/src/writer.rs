//! The one writer: batches from the pipeline go in, a transaction each time.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use weir_flow::{Batch, Bookmark, FlowRecord, TenantId, Timestamp};

use crate::block::{Effort, Encoder, Push};
use crate::error::{Doing, Error};
use crate::minute::{MinuteTotal, minute_of};
use crate::reserve::Reserve;
use crate::ring::{MAX_RINGS, Ring, signed};
use crate::{BudgetBytes, Config, DiskState, RetentionDays, connection, files};

/// The store, open for writing; at most one in a data directory.
pub struct Writer {
    pub(crate) db: Connection,
    pub(crate) path: PathBuf,
    pub(crate) config: Config,
    pub(crate) reserve: Reserve,
    pub(crate) disk: DiskState,
    /// What the store may take now: the budget, or what it took when the disk became short.
    pub(crate) ceiling: u64,
    /// A commit failed for want of space since the last trim.
    pub(crate) was_full: bool,
    encoder: Encoder,
    _lock: File,
}

/// What a commit stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Rows.
    pub rows: u64,
    /// Blocks that hold them.
    pub blocks: u64,
    /// Bytes of the blocks, compressed.
    pub bytes: u64,
    /// Records left out because they are larger than [`MAX_RECORD_BYTES`](crate::MAX_RECORD_BYTES).
    pub refused: u64,
}

/// What the store takes on the disk, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What counts against the budget: pages in use and the write-ahead log.
    pub used: u64,
    /// Pages of the file that the next rows will use.
    pub free: u64,
    /// The file and the write-ahead log as they are.
    pub on_disk: u64,
    /// The reserve file beside them.
    pub reserve: u64,
    /// What `used` may grow to at present.
    pub ceiling: u64,
}

impl Writer {
    /// Opens the store in `dir`, which is made (mode 0700) when it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error::Create`], [`Error::NoPermission`], [`Error::Foreign`] and [`Error::Newer`] (the file stays as it
    /// is), [`Error::Busy`] while another writer has it, [`Error::Corrupt`], [`Error::Full`], and what else the
    /// disk answers.
    pub fn open(dir: &Path, config: &Config, now: Timestamp) -> Result<Self, Error> {
        files::make_dir(dir)?;
        let lock = files::lock(dir)?;
        let reserve = Reserve::new(dir, config.budget_bytes);
        let db = match prepare(dir, config, now) {
            // The reserve is there so that a full disk does not keep the agent from starting.
            Err(Error::Full { .. }) if reserve.release() => prepare(dir, config, now)?,
            Err(error) => return Err(error),
            Ok(db) => {
                reserve.restore()?;
                db
            }
        };
        let path = dir.join(files::DATABASE);
        Ok(Self {
            db,
            config: config.clone(),
            reserve,
            disk: DiskState::Normal,
            ceiling: config.budget_bytes.value(),
            was_full: false,
            encoder: Encoder::new().doing("open", &path)?,
            path,
            _lock: lock,
        })
    }

    /// Stores all `batches` in one transaction, each in the ring of its tenant, with minute totals and bookmarks.
    /// On the disk when it returns.
    ///
    /// # Errors
    /// Nothing is stored then, and the same batches can be committed later: [`Error::Full`],
    /// [`Error::TooManyRings`], [`Error::Busy`], and what else the disk answers.
    pub fn commit(&mut self, batches: &[Batch], now: Timestamp) -> Result<Committed, Error> {
        let result = self.try_commit(batches, now.millis());
        self.encoder.clear();
        self.was_full |= result.as_ref().is_err_and(Error::is_full);
        result
    }

    fn try_commit(&mut self, batches: &[Batch], now_ms: i64) -> Result<Committed, Error> {
        let Self { db, path, encoder, .. } = self;
        let mut done = Committed::default();
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("commit to", path)?;
        for (at, batch) in batches.iter().enumerate() {
            let same = |other: &&Batch| other.tenant == batch.tenant;
            if !batches[..at].iter().any(|other| same(&other)) {
                let records = || batches[at..].iter().filter(same).flat_map(|batch| &batch.records);
                if records().next().is_some() {
                    let ring = ring_of(&tx, &batch.tenant, now_ms, path)?;
                    Append { db: &tx, path, encoder, ring, done: &mut done }.records(records(), now_ms)?;
                }
            }
            if let Some(bookmark) = &batch.bookmark {
                save_bookmark(&tx, bookmark, now_ms).doing("commit to", path)?;
            }
        }
        tx.commit().doing("commit to", path)?;
        Ok(done)
    }

    /// How much work the next commits put into making rows small: less while they come faster than that can be done.
    ///
    /// # Errors
    /// zstd refuses, which it does not.
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), Error> {
        self.encoder.set_effort(effort).doing("commit to", &self.path)
    }

    /// How far `input` had read when the last of its rows was committed.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn bookmark(&self, input: &str) -> Result<Option<String>, Error> {
        self.db
            .query_row("SELECT position FROM bookmark WHERE input = ?1", [input], |row| row.get(0))
            .optional()
            .doing("read", &self.path)
    }

    /// Gives a tenant limits of its own; `None` means those of the store.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn set_limits(
        &mut self,
        tenant: &TenantId,
        retention: Option<RetentionDays>,
        budget: Option<BudgetBytes>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Self { db, path, .. } = self;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("change", path)?;
        let ring = ring_of(&tx, tenant, now.millis(), path)?;
        let budget = budget.map(|budget| signed(budget.value()));
        tx.execute(
            "UPDATE ring SET retention_days = ?2, budget_bytes = ?3 WHERE ring = ?1",
            params![ring.ring, retention.map(RetentionDays::value), budget],
        )
        .and_then(|_| tx.commit())
        .doing("change", path)
    }

    /// Says how the disk is. While it is short the store keeps its size: new rows replace the oldest.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn set_disk(&mut self, state: DiskState) -> Result<(), Error> {
        let budget = self.config.budget_bytes.value();
        if state != self.disk {
            self.ceiling = match state {
                DiskState::Normal => budget,
                DiskState::Short => self.usage()?.used.clamp(BudgetBytes::MIN, budget),
            };
            self.disk = state;
        }
        Ok(())
    }

    /// What the store takes on the disk.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn usage(&self) -> Result<Usage, Error> {
        let (file, free) = pages(&self.db).doing("read", &self.path)?;
        let wal = files::wal_bytes(&self.path);
        Ok(Usage {
            used: file - free + wal,
            free,
            on_disk: file + wal,
            reserve: self.reserve.bytes(),
            ceiling: self.ceiling,
        })
    }

    /// Copies the log into the file and closes it.
    ///
    /// # Errors
    /// What the disk answers; what was committed is safe all the same.
    pub fn close(self) -> Result<(), Error> {
        let Self { db, path, .. } = self;
        let copied = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).doing("close", &path);
        db.close().map_err(|(_, source)| source).doing("close", &path)?;
        match copied {
            // The rows stay in the log, from which the next start reads them.
            Err(error) if error.is_full() => Ok(()),
            other => other,
        }
    }
}

fn prepare(dir: &Path, config: &Config, now: Timestamp) -> Result<Connection, Error> {
    let db = connection::open_writer(dir, config.budget_bytes)?;
    db.execute(
        "REPLACE INTO store (store, opened_at, retention_days, budget_bytes) VALUES (1, ?1, ?2, ?3)",
        params![now.millis(), config.retention_days.value(), signed(config.budget_bytes.value())],
    )
    .doing("write", &dir.join(files::DATABASE))?;
    Ok(db)
}

/// Bytes of the file, and of its pages that are free.
pub(crate) fn pages(db: &Connection) -> rusqlite::Result<(u64, u64)> {
    db.prepare_cached(
        "SELECT page_count * page_size, freelist_count * page_size
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    )?
    .query_row([], |row| Ok((crate::ring::unsigned(row, 0)?, crate::ring::unsigned(row, 1)?)))
}

fn ring_of(db: &Connection, tenant: &TenantId, now_ms: i64, path: &Path) -> Result<Ring, Error> {
    if let Some(ring) = Ring::find(db, tenant).doing("commit to", path)? {
        return Ok(ring);
    }
    let made = Ring::create(db, tenant, now_ms).doing("commit to", path)?;
    made.ok_or_else(|| Error::TooManyRings { path: path.into(), limit: MAX_RINGS })
}

fn save_bookmark(db: &Connection, bookmark: &Bookmark, now_ms: i64) -> rusqlite::Result<()> {
    db.prepare_cached("REPLACE INTO bookmark (input, position, updated_at) VALUES (?1, ?2, ?3)")?
        .execute(params![&*bookmark.input, &*bookmark.position, now_ms])?;
    Ok(())
}

/// The records of one commit on their way into one ring.
struct Append<'a> {
    db: &'a Connection,
    path: &'a Path,
    encoder: &'a mut Encoder,
    ring: Ring,
    done: &'a mut Committed,
}

impl Append<'_> {
    fn records<'r>(
        mut self,
        records: impl Iterator<Item = &'r FlowRecord>,
        now_ms: i64,
    ) -> Result<(), Error> {
        // The clock may be set back; the order of rows, minutes and retention may not.
        self.ring.processed_at = self.ring.processed_at.max(now_ms);
        let minute = minute_of(self.ring.processed_at);
        let total = MinuteTotal::load(self.db, self.ring.ring, minute, self.ring.next_row);
        let mut total = total.doing("commit to", self.path)?;
        let first_row = self.ring.next_row;
        for record in records {
            let mut fate = self.encoder.push(record);
            if fate == Push::Full {
                self.seal()?;
                fate = self.encoder.push(record);
            }
            if fate == Push::Kept {
                total.add(record);
            } else {
                self.done.refused += 1;
            }
        }
        self.seal()?;
        if self.ring.next_row == first_row {
            return Ok(());
        }
        self.done.rows += self.ring.next_row - first_row;
        let saved = total.save(self.db, self.ring.ring).and_then(|()| self.ring.save(self.db));
        saved.doing("commit to", self.path)
    }

    fn seal(&mut self) -> Result<(), Error> {
        if self.encoder.is_empty() {
            return Ok(());
        }
        let block = self.encoder.seal().doing("commit to", self.path)?;
        self.ring.append(self.db, &block).doing("commit to", self.path)?;
        self.done.blocks += 1;
        self.done.bytes += block.data.len() as u64;
        Ok(())
    }
}
