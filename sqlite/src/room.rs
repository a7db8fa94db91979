//! Room on the disk: what a trim does beside removing rows, so that a full disk does not stop the store.

use rusqlite::Connection;

use crate::error::{Doing, Error};
use crate::fit::LEAST_ROOM;
use crate::usage::pages;
use crate::writer::Writer;
use crate::{DiskState, connection, files};

/// Pages that one call gives back to the disk at most; each may have to be moved.
const MAX_VACUUM_PAGES: u64 = 1_024;
/// Log pages for each page that is given back: itself, where it is moved to, and who refers to it.
const MOVED_PAGES: u64 = 3;
/// With less than this part of the file free, on a full disk, rows have to make room.
const FREE_SHARE: u64 = 16;

impl Writer {
    /// After a commit failed on a full disk: first the reserve goes, then, if the file has no free pages
    /// either, rows. Rows never go for a shortage that they cannot mend.
    pub(crate) fn make_room(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.was_full) || self.disk == DiskState::Normal {
            return Ok(());
        }
        let released = self.reserve.release();
        self.settle_log()?;
        if released {
            return Ok(());
        }
        let (file, free) = pages(&self.db).doing("trim", &self.path)?;
        if free < file / FREE_SHARE {
            self.file_limit = self.file_limit.min(file - free).saturating_sub(file / FREE_SHARE);
        }
        Ok(())
    }

    /// Copies the log into the file, so that the next transaction begins it anew. SQLite does so after a commit that
    /// made the log long enough; on a full disk that commit may be the very one that the log has no room for.
    /// Passive, so that the log keeps its length and is overwritten in place.
    pub(crate) fn settle_log(&self) -> Result<(), Error> {
        let copied = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        match copied.doing("trim", &self.path) {
            Err(error) if error.is_full() => Ok(()),
            other => other,
        }
    }

    /// A log that readers kept from being reused is cut, waiting for them as long as for any lock.
    pub(crate) fn shorten_log(&self) -> Result<(), Error> {
        let budget = self.config.budget_bytes;
        let long = connection::wal_limit(budget).midpoint(connection::log_limit(budget));
        if files::wal_bytes(&self.path) <= long {
            return Ok(());
        }
        match self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).doing("trim", &self.path) {
            // The file cannot grow: the log stays until there is room.
            Err(error) if error.is_full() => Ok(()),
            other => other,
        }
    }

    /// Gives free pages back to the disk while the file is longer than its share; true when there are more.
    pub(crate) fn give_back(&self) -> Result<bool, Error> {
        let (file, free) = pages(&self.db).doing("trim", &self.path)?;
        let limit = connection::file_limit(self.config.budget_bytes);
        let wanted = file.saturating_sub(limit).min(free) / connection::PAGE_BYTES;
        if wanted == 0 {
            return Ok(false);
        }
        let room = self.room_in_log(self.largest_transaction(), LEAST_ROOM)?;
        let piece = wanted.min(MAX_VACUUM_PAGES).min(room / connection::FRAME_BYTES / MOVED_PAGES);
        let given = vacuum(&self.db, piece).and_then(|()| connection::limit_file(&self.db, limit));
        given.doing("trim", &self.path)?;
        Ok(wanted > piece)
    }
}

/// `PRAGMA incremental_vacuum` gives back a page for each step of the statement.
fn vacuum(db: &Connection, pages: u64) -> rusqlite::Result<()> {
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
