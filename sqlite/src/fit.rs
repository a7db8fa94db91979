//! Commits within the byte budget: file and log together are never longer, not even while a commit runs.
//!
//! The budget is shared between them once and for all ([`connection::log_limit`], [`connection::file_limit`]). SQLite itself refuses
//! pages beyond the file's share; old rows go before a commit needs their room. The log has no such limit: a commit begins
//! only when what it writes fits, and is given up before it writes when it turns out to be larger. Then the batches are stored
//! in several commits, each of them whole.

use std::slice;

use weir_flow::{Batch, Extra};

use crate::connection::{CONTROL_LOG_BYTES, FRAME_BYTES, PAGE_BYTES};
use crate::dead_letter::bound::Bound;
use crate::error::{Doing, Error};
use crate::trim::Trimmed;
use crate::usage::pages;
use crate::writer::Writer;
use crate::{Committed, connection, files};

/// What a record without texts of its own takes at most, encoded: twice the mean of flows in small blocks.
const RECORD_BYTES: u64 = 64;
/// Room that is there before any transaction: the trees, and what is written beside the rows.
pub(crate) const LEAST_ROOM: u64 = 64 << 10;
/// A commit that the file had no room for is tried again with this many times as much.
const ROOM_GROWTH: u64 = 4;
/// Calls of the trim before one commit, so that it does not wait for long when the budget was lowered.
const MAX_TRIMS: u32 = 8;
/// Pages that a commit changes beside those of its blocks: roots and branches of the trees, lists, the header, the totals of
/// an hour.
const FIXED_PAGES: u64 = 32;
/// And for each of its batches: the ends of its ring's trees, and the pages of its tail that begin and end a block.
const BATCH_PAGES: u64 = 4;
/// Letters that are removed together lie together: pages are changed for so many at once, at least.
const LETTERS_PER_PAGE: u64 = 8;

/// What a transaction may write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Bytes of the log.
    log: u64,
    /// Bytes of the file in use when it began.
    used: u64,
    /// How far the transaction came.
    stage: Stage,
}

/// How far a transaction came: between its begin and its end nothing is written, so that a lack of room is that of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Begun,
    Writing,
}

/// Why a commit did not come about.
enum Miss {
    /// It has to be divided.
    TooLarge,
    Failed(Error),
}

impl From<Error> for Miss {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Room {
    const fn new(log: u64, used: u64) -> Self {
        Self { log, used, stage: Stage::New }
    }

    /// To be told when the transaction has begun.
    pub(crate) fn begin(&mut self) {
        self.stage = Stage::Begun;
    }

    /// To be asked when all is done but the writing. Refuses what the log has no room for.
    pub(crate) fn admit(
        &mut self,
        tx: &rusqlite::Connection,
        batches: &[Batch],
        written: u64,
        path: &std::path::Path,
    ) -> Result<(), Error> {
        let (file, free) = pages(tx).doing("commit to", path)?;
        let grown = (file - free).saturating_sub(self.used);
        let replayed: u64 = batches.iter().map(|batch| batch.replayed.len() as u64).sum();
        let beside = FIXED_PAGES + BATCH_PAGES * batches.len() as u64 + replayed / LETTERS_PER_PAGE;
        // What was freed and taken again within the transaction does not show in its growth.
        let data = grown.max(written + written / 8) / PAGE_BYTES + 1;
        if (data + beside) * FRAME_BYTES > self.log {
            return Err(Error::NoRoom { doing: "commit to", path: path.into() });
        }
        self.stage = Stage::Writing;
        Ok(())
    }
}

impl Writer {
    /// Stores `batches`, in several commits where one would be too large. An error only when nothing was stored; what is
    /// left after a later one is for the caller to bring again ([`Committed::batches`], [`Committed::records`]).
    pub(crate) fn commit_within(&mut self, batches: &[Batch], now_ms: i64) -> Result<Committed, Error> {
        let (mut done, mut at_once) = (Committed::default(), batches.len().max(1));
        let mut rest = batches;
        loop {
            let (part, after) = rest.split_at(at_once.min(rest.len()));
            let stored = match self.commit_part(part, now_ms) {
                Err(Miss::TooLarge) if part.len() > 1 => {
                    at_once = part.len() / 2;
                    continue;
                }
                Err(Miss::TooLarge) => self.commit_in_pieces(part, now_ms),
                Err(Miss::Failed(error)) => Err(error),
                Ok(stored) => Ok(stored),
            };
            match stored {
                Ok(stored) => done.add(&stored),
                Err(error) if done == Committed::default() => return Err(error),
                Err(_) => return Ok(done),
            }
            if after.is_empty() || done.records > 0 {
                return Ok(done);
            }
            rest = after;
        }
    }

    /// Stores a batch that is too large for one commit: its bookmark and its receipt come with the last of its records.
    fn commit_in_pieces(&mut self, part: &[Batch], now_ms: i64) -> Result<Committed, Error> {
        let Some(batch) = part.first() else { return Ok(Committed::default()) };
        let (mut done, mut at, all) = (Committed::default(), 0, batch.records.len());
        let mut at_once = all.div_ceil(2);
        loop {
            let end = (at + at_once).min(all);
            let mut piece = piece(batch, at, end);
            let mut stored = self.commit_part(slice::from_ref(&piece), now_ms);
            if matches!(stored, Err(Miss::TooLarge)) && end - at > 1 {
                at_once = (end - at) / 2;
                continue;
            }
            let is_refused = matches!(stored, Err(Miss::TooLarge)) && end > at;
            if is_refused {
                piece.records.clear();
                piece.replayed.clear();
                stored = self.commit_part(slice::from_ref(&piece), now_ms);
            }
            match stored {
                Ok(stored) => done.add(&stored),
                Err(Miss::TooLarge) => return self.after(done, at, self.no_room()),
                Err(Miss::Failed(error)) => return self.after(done, at, error),
            }
            done.refused += u64::from(is_refused);
            done.lost += u64::from(is_refused);
            at = end;
            if at == all {
                return Ok(Committed { batches: 1, records: 0, ..done });
            }
        }
    }

    /// What was stored of a batch before `error`.
    #[expect(clippy::unused_self, reason = "reads as the other ends of a commit")]
    fn after(&self, done: Committed, records: usize, error: Error) -> Result<Committed, Error> {
        if records == 0 { Err(error) } else { Ok(Committed { batches: 0, records, ..done }) }
    }

    fn no_room(&self) -> Error {
        Error::NoRoom { doing: "commit to", path: self.path.clone() }
    }

    /// Stores `part` in one transaction, as soon as there is room for it.
    fn commit_part(&mut self, part: &[Batch], now_ms: i64) -> Result<Committed, Miss> {
        let (mut trimmed, mut with_letters) = (Trimmed::default(), true);
        let largest = self.largest_transaction();
        let mut file = guess(part).min(largest);
        let (mut log, mut least) = (file, LEAST_ROOM);
        loop {
            let used = self.room_in_file(file, &mut trimmed)?;
            let mut room = Room::new(self.room_in_log(log, least)?, used);
            let bound = Bound::new(self.config.dead_letter_bytes.value(), self.ceiling);
            let bound = with_letters.then_some(bound);
            let mut done = Committed::default();
            let result = self.try_commit(part, now_ms, bound, &mut room, &mut done);
            self.tools.encoder.clear();
            if result.is_err() {
                self.places.forget();
                self.hours.rollback();
            }
            match result {
                Ok(()) => {
                    self.hours.committed(now_ms);
                    return Ok(Committed { trimmed, batches: part.len(), ..done });
                }
                Err(Error::NoRoom { .. }) if least < largest => (log, least) = (largest, largest),
                Err(Error::NoRoom { .. }) => return Err(Miss::TooLarge),
                Err(error) if error.is_full() && room.stage == Stage::Begun => {
                    if file == largest {
                        return Err(self.too_large_for_file(part));
                    }
                    file = (file * ROOM_GROWTH).min(largest);
                }
                // Rows do not wait for letters that a full disk may never have room for.
                Err(error) if error.is_full() && with_letters && done.letters > 0 => with_letters = false,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What becomes of `part`, which the file has no room for though old rows were removed.
    fn too_large_for_file(&self, part: &[Batch]) -> Miss {
        let is_divisible = part.len() > 1 || part.iter().any(|batch| batch.records.len() > 1);
        match pages(&self.db).doing("read", &self.path) {
            Err(error) => error.into(),
            Ok((file, free)) => {
                let room = self.file_limit.saturating_sub(file - free);
                let is_large = is_divisible || room >= self.largest_transaction();
                if is_large { Miss::TooLarge } else { self.no_room().into() }
            }
        }
    }

    /// Bytes that the log may take for one transaction at most.
    pub(crate) fn largest_transaction(&self) -> u64 {
        connection::log_limit(self.config.budget_bytes) - CONTROL_LOG_BYTES
    }

    /// Removes old rows until the file has room for `wanted` bytes, or there are no more of them; answers the bytes in use.
    fn room_in_file(&mut self, wanted: u64, trimmed: &mut Trimmed) -> Result<u64, Error> {
        for _ in 0..MAX_TRIMS {
            let (file, free) = pages(&self.db).doing("commit to", &self.path)?;
            let used = file - free;
            if self.file_limit.saturating_sub(used) >= wanted {
                return Ok(used);
            }
            let done = self.remove(None, None, wanted)?;
            trimmed.add(&done);
            if done.rows == 0 && !done.more {
                break;
            }
        }
        let (file, free) = pages(&self.db).doing("commit to", &self.path)?;
        Ok(file - free)
    }

    /// Bytes that the next transaction may write to the log. One that is too long for `wanted` is begun anew, which waits
    /// for readers of the moment; where that cannot be, what is left must be `least` at least.
    pub(crate) fn room_in_log(&self, wanted: u64, least: u64) -> Result<u64, Error> {
        let limit = self.largest_transaction();
        let room = limit.saturating_sub(files::wal_bytes(&self.path));
        if wanted <= room {
            return Ok(room);
        }
        let busy = self.db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, bool>(0));
        match busy.doing("commit to", &self.path) {
            Ok(false) => Ok(limit),
            // Readers hold the log, or the disk has no room for the file.
            Ok(true) | Err(Error::Busy { .. } | Error::Full { .. }) if room >= least => Ok(room),
            Ok(true) | Err(Error::Busy { .. }) => Err(Error::Held { path: self.path.clone() }),
            Err(error) => Err(error),
        }
    }
}

/// Room that `batches` need as a rule; their receipts and bookmarks too.
fn guess(batches: &[Batch]) -> u64 {
    let record = |extra: Option<&Extra>| RECORD_BYTES + extra.map_or(0, |extra| extra.bytes() as u64);
    let of = |batch: &Batch| -> u64 {
        let records: u64 = batch.records.iter().map(|flow| record(flow.extra.as_deref())).sum();
        let receipt = batch.receipt.as_ref().map_or(0, |receipt| receipt.answer.len());
        let bookmark = batch.bookmark.as_ref().map_or(0, |bookmark| bookmark.position.len());
        records + (receipt + bookmark) as u64
    };
    LEAST_ROOM + batches.iter().map(of).sum::<u64>()
}

/// The records of `batch` from place to place, as a batch of their own.
fn piece(batch: &Batch, from: usize, to: usize) -> Batch {
    let is_last = to == batch.records.len();
    Batch {
        tenant: batch.tenant.clone(),
        records: batch.records.get(from..to).unwrap_or_default().to_vec(),
        replayed: batch.replayed.get(from..to).unwrap_or_default().to_vec(),
        bookmark: batch.bookmark.clone().filter(|_| is_last),
        receipt: batch.receipt.clone().filter(|_| is_last),
        handed_over: batch.handed_over,
        ..Batch::default()
    }
}
