//! The one writer: batches from the pipeline go in, a transaction each time.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use weir_flow::{Batch, Bookmark, FlowRecord, TenantId, Timestamp};

use crate::block::{Encoder, Push};
use crate::dead_letter::bound::Bound;
use crate::dead_letter::keep::{Kept, Replays};
use crate::error::{Doing, Error};
use crate::minute::{MinuteTotal, minute_of};
use crate::reserve::Reserve;
use crate::ring::{MAX_RINGS, Ring, signed};
use crate::{
    BudgetBytes, Config, DeadLetterSum, DiskState, RetentionDays, connection, dead_letter, files, receipt,
};

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
    /// Receipts came since a trim last found that there are not too many.
    pub(crate) receipts_grew: bool,
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
    /// Records left out because they are larger than `max_record_bytes` or nested too deep.
    pub refused: u64,
    /// Dead letters that they became.
    pub letters: u64,
    /// Dead letters whose records are rows now.
    pub replayed: u64,
    /// Dead letters that made room for newer ones.
    pub expired: u64,
    /// Of the records left out, those for which there was no room as dead letters either.
    pub lost: u64,
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
            receipts_grew: true,
            encoder: Encoder::new(config.max_record_bytes).doing("open", &path)?,
            path,
            _lock: lock,
        })
    }

    /// Stores all `batches` in one transaction, each in the ring of its tenant, with minute totals, bookmarks and
    /// receipts. Records that are too large become dead letters; letters that its records were are removed.
    /// On the disk when it returns.
    ///
    /// # Errors
    /// Nothing is stored then, and the same batches can be committed later: [`Error::Full`],
    /// [`Error::TooManyRings`], [`Error::Busy`], and what else the disk answers.
    pub fn commit(&mut self, batches: &[Batch], now: Timestamp) -> Result<Committed, Error> {
        let bound = Bound::new(self.config.dead_letter_bytes.value(), self.ceiling);
        let mut done = Committed::default();
        let mut result = self.try_commit(batches, now.millis(), Some(bound), &mut done);
        if done.letters > 0 && result.as_ref().is_err_and(Error::is_full) {
            // Rows do not wait for letters that a full disk may never have room for.
            self.encoder.clear();
            done = Committed::default();
            result = self.try_commit(batches, now.millis(), None, &mut done);
        }
        self.encoder.clear();
        self.was_full |= result.as_ref().is_err_and(Error::is_full);
        self.receipts_grew |= batches.iter().any(|batch| batch.receipt.is_some());
        result.map(|()| done)
    }

    fn try_commit(
        &mut self,
        batches: &[Batch],
        now_ms: i64,
        bound: Option<Bound>,
        done: &mut Committed,
    ) -> Result<(), Error> {
        let Self { db, path, encoder, .. } = self;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("commit to", path)?;
        let mut replays = Replays::claim(&tx, batches).doing("commit to", path)?;
        let mut kept = Kept::default();
        for (at, batch) in batches.iter().enumerate() {
            let is_first = !batches[..at].iter().any(|other| other.tenant == batch.tenant);
            if is_first && replays.records(batches, at).next().is_some() {
                let ring = ring_of(&tx, &batch.tenant, now_ms, path)?;
                let records = replays.records(batches, at).map(|item| item.record);
                let refused = Append { db: &tx, path, encoder, ring, done }.records(records, now_ms)?;
                if !refused.is_empty() {
                    let keeping = replays.keep(&tx, batches, at, &refused, (bound, now_ms), &mut kept);
                    done.letters = kept.added;
                    keeping.doing("commit to", path)?;
                }
            }
            if let Some(bookmark) = &batch.bookmark {
                save_bookmark(&tx, bookmark, now_ms).doing("commit to", path)?;
            }
            if let Some(receipt) = &batch.receipt {
                receipt::save(&tx, receipt).doing("commit to", path)?;
            }
        }
        replays.settle(&tx, batches, &mut kept).doing("commit to", path)?;
        tx.commit().doing("commit to", path)?;
        (done.replayed, done.expired, done.lost) = (kept.replayed, kept.expired, kept.lost);
        Ok(())
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
        ring.set_limits(&tx, retention, budget).and_then(|()| tx.commit()).doing("change", path)
    }

    /// How many dead letters there are, by tenant and destination.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn dead_letter_stats(&self) -> Result<Vec<DeadLetterSum>, Error> {
        dead_letter::sums(&self.db, None).doing("read", &self.path)
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
    /// Appends `records`; answers the places, from 0, of those that are refused.
    fn records<'r>(
        mut self,
        records: impl Iterator<Item = &'r FlowRecord>,
        now_ms: i64,
    ) -> Result<Vec<usize>, Error> {
        // The clock may be set back; the order of rows, minutes and retention may not.
        self.ring.processed_at = self.ring.processed_at.max(now_ms);
        let minute = minute_of(self.ring.processed_at);
        let total = MinuteTotal::load(self.db, self.ring.ring, minute, self.ring.next_row);
        let mut total = total.doing("commit to", self.path)?;
        let first_row = self.ring.next_row;
        let mut refused = Vec::new();
        for (at, record) in records.enumerate() {
            let mut fate = self.encoder.push(record);
            if fate == Push::Full {
                self.seal()?;
                fate = self.encoder.push(record);
            }
            if fate == Push::Kept {
                total.add(record);
            } else {
                refused.push(at);
            }
        }
        self.seal()?;
        self.done.refused += refused.len() as u64;
        if self.ring.next_row == first_row {
            return Ok(refused);
        }
        self.done.rows += self.ring.next_row - first_row;
        let saved = total.save(self.db, self.ring.ring).and_then(|()| self.ring.save(self.db));
        saved.doing("commit to", self.path).map(|()| refused)
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
