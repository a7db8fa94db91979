//! Room on the disk: what a trim does beside removing rows, so that a full disk does not stop the store.

use rusqlite::Connection;

use crate::error::{Doing, Error};
use crate::trim::MARGIN_SHARE;
use crate::writer::Writer;
use crate::{DiskState, connection, files};

/// Pages that one call gives back to the disk at most; each may have to be moved.
const MAX_VACUUM_PAGES: u64 = 1_024;

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
        let usage = self.usage()?;
        if usage.free < usage.used / MARGIN_SHARE {
            self.ceiling = self.ceiling.min(usage.used);
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

    /// A log that readers kept from being reused is started anew, waiting for them as long as for any lock.
    pub(crate) fn shorten_log(&self) -> Result<(), Error> {
        let usual = connection::wal_limit(self.config.budget_bytes);
        if files::wal_bytes(&self.path) <= 2 * usual {
            return Ok(());
        }
        match self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).doing("trim", &self.path) {
            // The file cannot grow: the log stays until there is room.
            Err(error) if error.is_full() => Ok(()),
            other => other,
        }
    }

    /// Gives free pages back to the disk while the file is above the budget; true when there are more.
    pub(crate) fn give_back(&self) -> Result<bool, Error> {
        let usage = self.usage()?;
        let wanted = usage.on_disk.saturating_sub(self.ceiling).min(usage.free) / connection::PAGE_BYTES;
        if wanted == 0 {
            return Ok(false);
        }
        vacuum(&self.db, wanted.min(MAX_VACUUM_PAGES)).doing("trim", &self.path)?;
        Ok(wanted > MAX_VACUUM_PAGES)
    }
}

/// `PRAGMA incremental_vacuum` gives back a page for each step of the statement.
fn vacuum(db: &Connection, pages: u64) -> rusqlite::Result<()> {
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
