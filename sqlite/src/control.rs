//! What is changed beside the ring, on request: outputs, tenants, dead letters.
//!
//! The store thread owns the one [`Writer`](crate::Writer) of the ring; whoever answers an administrator has one of
//! these. Its transactions are short, and wait for a commit to end.

mod cursor;
mod output;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Doing, Error};
use crate::{connection, files};

pub use cursor::Undelivered;

/// A connection to the control tables; each thread has its own.
pub struct Control {
    pub(crate) db: Connection,
    pub(crate) path: PathBuf,
}

impl Control {
    /// Opens the control tables of the store in `dir`, which a writer has made.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::NoPermission`], [`Error::Foreign`], [`Error::Newer`], [`Error::Older`], and what
    /// else the disk answers.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self { db: connection::open_control(dir)?, path: dir.join(files::DATABASE) })
    }

    /// Makes a change in one transaction.
    pub(crate) fn change<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let Self { db, path, .. } = self;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("change", path)?;
        let done = work(&tx).doing("change", path)?;
        tx.commit().doing("change", path)?;
        Ok(done)
    }
}
