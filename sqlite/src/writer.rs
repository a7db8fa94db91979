//! The one writer: batches from the pipeline go in, a transaction each time.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use weir_flow::{Batch, Bookmark, TenantId, Timestamp};

use crate::append::Append;
use crate::dead_letter::bound::Bound;
use crate::dead_letter::keep::{Kept, Replays};
use crate::error::{Doing, Error};
use crate::fit::Room;
use crate::hour::Hours;
use crate::mend::{self, Extent, Mended};
use crate::reserve::Reserve;
use crate::ring::{MAX_RINGS, Ring, signed};
use crate::seal::Tools;
use crate::tail::Places;
use crate::wear::Wear;
use crate::{
    BudgetBytes, Committed, Config, DeadLetterSum, DiskState, MaxRecordBytes, RetentionDays, connection,
    dead_letter, files, receipt,
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
    /// What the file may have in use of it.
    pub(crate) file_limit: u64,
    /// What was written to the device.
    pub(crate) wear: Wear,
    /// A commit failed for want of space since the last trim.
    pub(crate) was_full: bool,
    /// Receipts came since a trim last found that there are not too many.
    pub(crate) receipts_grew: bool,
    pub(crate) tools: Tools,
    pub(crate) places: Places,
    /// Who and what has most of the traffic in the hour at hand.
    pub(crate) hours: Hours,
    /// What was found wrong when the store was opened.
    pub(crate) mended: Mended,
    _lock: File,
}

impl Writer {
    /// Opens the store in `dir`, which is made (mode 0700) when it is missing, and brings its schema up to date. After an
    /// end that was not in order it looks at what may be torn; see
    /// [`Writer::mended`].
    ///
    /// # Errors
    /// [`Error::Create`], [`Error::NoPermission`], [`Error::Foreign`] and [`Error::Newer`] (the file stays as it
    /// is), [`Error::Busy`] while another writer has it, [`Error::Corrupt`], [`Error::Full`], and what else the
    /// disk answers.
    pub fn open(dir: &Path, config: &Config, now: Timestamp) -> Result<Self, Error> {
        files::make_dir(dir)?;
        let lock = files::lock(dir)?;
        let reserve = Reserve::new(dir, config.budget_bytes);
        let (db, mended) = match prepare(dir, config, now) {
            // The reserve is there so that a full disk does not keep the agent from starting.
            Err(Error::Full { .. }) if reserve.release() => prepare(dir, config, now)?,
            Err(error) => return Err(error),
            Ok(prepared) => {
                reserve.restore()?;
                prepared
            }
        };
        let path = dir.join(files::DATABASE);
        let writer = Self {
            config: config.clone(),
            reserve,
            disk: DiskState::Normal,
            ceiling: config.budget_bytes.value(),
            file_limit: connection::file_limit(config.budget_bytes),
            wear: Wear::load(&db).doing("open", &path)?,
            was_full: false,
            receipts_grew: true,
            tools: Tools::new(longest_record(config)).doing("open", &path)?,
            places: Places::default(),
            hours: Hours::new().doing("open", &path)?,
            db,
            path,
            mended,
            _lock: lock,
        };
        writer.shorten_log()?;
        Ok(writer)
    }

    /// Stores all `batches` in one transaction, each in the ring of its tenant, with minute totals, bookmarks and
    /// receipts. Records that are too large become dead letters; letters that its records were are removed.
    /// On the disk when it returns. Old rows make room where the byte budget asks for it. Batches that are larger than the log
    /// may become are stored in several transactions, and [`Committed::batches`] says how many of them are stored.
    ///
    /// # Errors
    /// Nothing is stored then, and the same batches can be committed later: [`Error::Full`], [`Error::NoRoom`],
    /// [`Error::TooManyRings`], [`Error::Busy`], [`Error::Held`], and what else the disk answers.
    pub fn commit(&mut self, batches: &[Batch], now: Timestamp) -> Result<Committed, Error> {
        let result = self.commit_within(batches, now.millis());
        self.was_full |= result.as_ref().is_err_and(Error::is_full);
        self.receipts_grew |= batches.iter().any(|batch| batch.receipt.is_some());
        result
    }

    /// One transaction for `batches`, which writes nothing if it does not fit into `room`.
    pub(crate) fn try_commit(
        &mut self,
        batches: &[Batch],
        now_ms: i64,
        bound: Option<Bound>,
        room: &mut Room,
        done: &mut Committed,
    ) -> Result<(), Error> {
        let Self { db, path, tools, places, hours, config, wear, .. } = self;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("commit to", path)?;
        room.begin();
        let mut replays = Replays::claim(&tx, batches).doing("commit to", path)?;
        let mut kept = Kept::default();
        for (at, batch) in batches.iter().enumerate() {
            let is_first = !batches[..at].iter().any(|other| other.tenant == batch.tenant);
            if is_first && replays.records(batches, at).next().is_some() {
                let ring = ring_of(&tx, &batch.tenant, now_ms, path)?;
                let place = places.of(&tx, &ring, now_ms).doing("commit to", path)?;
                let records = || replays.records(batches, at).map(|item| item.record);
                let (count, budget) = (records().count(), config.budget_bytes);
                let append = Append { db: &tx, path, tools, hours, ring, place, budget, now_ms, done };
                let (refused, ring, place) = append.records(records(), count)?;
                places.set(&ring, place);
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
        hours.save_due(&tx, now_ms).doing("commit to", path)?;
        let told = wear.save(&tx, now_ms).doing("commit to", path)?;
        room.admit(&tx, batches, done.bytes + done.sealed_bytes + kept.bytes, path)?;
        tx.commit().doing("commit to", path)?;
        wear.saved(&told);
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

    /// Writes the totals of the hour at hand, copies the log into the file and closes it.
    ///
    /// # Errors
    /// What the disk answers; what was committed is safe all the same.
    pub fn close(self) -> Result<(), Error> {
        let told = self.save_wear().doing("close", &self.path);
        let Self { mut db, path, mut hours, .. } = self;
        // Without them the next start counts again.
        let counted = save_hours(&mut db, &mut hours).doing("close", &path);
        // Where that cannot be written the next start looks more closely, and no more.
        let _ = db.execute("UPDATE store SET closed = 1", []);
        let copied = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).doing("close", &path);
        db.close().map_err(|(_, source)| source).doing("close", &path)?;
        match told.and(counted).and(copied) {
            // The rows stay in the log, from which the next start reads them.
            Err(error) if error.is_full() => Ok(()),
            other => other,
        }
    }
}

fn save_hours(db: &mut Connection, hours: &mut Hours) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    hours.save_all(&tx)?;
    tx.commit()
}

fn prepare(dir: &Path, config: &Config, now: Timestamp) -> Result<(Connection, Mended), Error> {
    let path = dir.join(files::DATABASE);
    let mut db = connection::open_writer(dir, config.budget_bytes)?;
    let closed: Option<bool> =
        db.query_row("SELECT closed FROM store", [], |row| row.get(0)).optional().doing("read", &path)?;
    // A store that no writer had has nothing that could be torn.
    let extent = if closed.unwrap_or(true) { Extent::Heads } else { Extent::Newest };
    let mended = mend::mend(&mut db, &path, extent, now.millis())?;
    db.execute(
        "REPLACE INTO store (store, opened_at, retention_days, budget_bytes, closed) VALUES (1, ?1, ?2, ?3, 0)",
        params![now.millis(), config.retention_days.value(), signed(config.budget_bytes.value())],
    )
    .doing("write", &path)?;
    Ok((db, mended))
}

/// What a record may have so that one always fits into a transaction, with half of the log for what else is written.
fn longest_record(config: &Config) -> MaxRecordBytes {
    let share = usize::try_from(connection::log_limit(config.budget_bytes) / 2).unwrap_or(usize::MAX);
    MaxRecordBytes::new(share).map_or(config.max_record_bytes, |share| share.min(config.max_record_bytes))
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
