//! What is changed beside the ring, on request: outputs, tenants, dead letters.
//!
//! The store thread owns the one [`Writer`](crate::Writer) of the ring; whoever answers an administrator has one of
//! these. Its transactions are short, and wait for a commit to end.

mod cursor;
mod output;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use crate::connection::{CONTROL_BUSY, CONTROL_LOG_BYTES};
use crate::error::{Doing, Error};
use crate::{connection, files};

pub use cursor::Undelivered;

/// Between two looks at a log that is too long.
const LOOK: Duration = Duration::from_millis(20);

/// A connection to the control tables; each thread has its own.
pub struct Control {
    pub(crate) db: Connection,
    pub(crate) path: PathBuf,
    /// Bytes that the log may have.
    log: u64,
}

impl Control {
    /// Opens the control tables of the store in `dir`, which a writer has made.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::NoPermission`], [`Error::Foreign`], [`Error::Newer`], [`Error::Older`], and what
    /// else the disk answers.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let (db, path) = (connection::open_control(dir)?, dir.join(files::DATABASE));
        let budget = connection::budget_of(&db).doing("open", &path)?.unwrap_or_default();
        Ok(Self { db, path, log: connection::log_limit(budget) })
    }

    /// Makes a small change in one transaction.
    pub(crate) fn change<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.change_of(0, work)
    }

    /// Makes a change in one transaction that writes `bytes` beside what any change does.
    pub(crate) fn change_of<T>(
        &mut self,
        bytes: u64,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.wait_for_log(bytes)?;
        let Self { db, path, .. } = self;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("change", path)?;
        let done = work(&tx).doing("change", path)?;
        tx.commit().doing("change", path)?;
        Ok(done)
    }

    /// True when a change of `bytes` fits into the log as it is as a rule.
    pub(crate) const fn may_change(&self, bytes: u64) -> bool {
        bytes + CONTROL_LOG_BYTES <= self.log / 2
    }

    /// The writer begins the log anew before it reaches its bound, unless readers hold it.
    pub(crate) fn wait_for_log(&self, bytes: u64) -> Result<(), Error> {
        let begun = Instant::now();
        while files::wal_bytes(&self.path) + bytes + CONTROL_LOG_BYTES > self.log {
            if begun.elapsed() >= CONTROL_BUSY {
                return Err(Error::Held { path: self.path.clone() });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}
