//! What the store takes on the disk, and what it may take.

use rusqlite::Connection;

use crate::error::{Doing, Error};
use crate::ring::unsigned;
use crate::writer::Writer;
use crate::{BudgetBytes, DiskState, connection, files};

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
    /// Says how the disk is. While it is short the store keeps its size: new rows replace the oldest.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn set_disk(&mut self, state: DiskState) -> Result<(), Error> {
        let budget = self.config.budget_bytes;
        if state != self.disk {
            let share = connection::file_limit(budget);
            (self.ceiling, self.file_limit) = match state {
                DiskState::Normal => (budget.value(), share),
                DiskState::Short => {
                    let usage = self.usage()?;
                    let file = usage.used.saturating_sub(files::wal_bytes(&self.path));
                    let ceiling = usage.used.clamp(BudgetBytes::MIN, budget.value());
                    (ceiling, file.clamp(connection::LEAST_FILE_BYTES, share))
                }
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
}

/// Bytes of the file, and of its pages that are free.
pub(crate) fn pages(db: &Connection) -> rusqlite::Result<(u64, u64)> {
    db.prepare_cached(
        "SELECT page_count * page_size, freelist_count * page_size
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    )?
    .query_row([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
}
