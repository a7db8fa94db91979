//! A file that only takes up room, so that a full disk still has some for trimming.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::BudgetBytes;
use crate::error::{Doing, Error};
use crate::files;

/// The reserve file is never larger: room for the write-ahead log of a few trims and commits.
pub(crate) const MAX_RESERVE_BYTES: u64 = 8 << 20;
/// Nor smaller: less does not hold the log of one trim.
const MIN_RESERVE_BYTES: u64 = 1 << 20;

/// The reserve file of a data directory.
pub(crate) struct Reserve {
    path: PathBuf,
    size: u64,
}

impl Reserve {
    /// An eighth of `budget`, within the bounds; the file is made by [`Reserve::restore`].
    pub(crate) fn new(dir: &Path, budget: BudgetBytes) -> Self {
        let size = (budget.value() / 8).clamp(MIN_RESERVE_BYTES, MAX_RESERVE_BYTES);
        Self { path: dir.join(files::RESERVE), size }
    }

    /// Bytes that the file takes now.
    pub(crate) fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    /// Gives the room back to the disk; false when there was none to give.
    pub(crate) fn release(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }

    /// Makes the file when it is missing or short. A disk without room for it stays without.
    pub(crate) fn restore(&self) -> Result<(), Error> {
        if self.bytes() == self.size {
            return Ok(());
        }
        let result = self.write().doing("write", &self.path);
        if result.is_err() {
            self.release();
        }
        match result {
            Err(error) if error.is_full() => Ok(()),
            other => other,
        }
    }

    /// Written, not only extended: a sparse file takes up no room.
    fn write(&self) -> io::Result<()> {
        let mut file: File = files::create_private(&self.path)?;
        let piece = [0; 64 << 10];
        let mut left = self.size;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(piece.len()).min(piece.len());
            file.write_all(&piece[..length])?;
            left -= length as u64;
        }
        file.sync_all()
    }
}
