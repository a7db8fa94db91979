//! A file that is no capture: its octets, decompressed, as a stream.

use std::path::{Path, PathBuf};

use super::buffer::Buffer;
use super::{Damage, Error, SHOWN_OCTETS};

/// A stream of octets through a window.
pub struct Octets {
    path: PathBuf,
    buffer: Buffer,
}

impl Octets {
    pub(super) const fn new(path: PathBuf, buffer: Buffer) -> Self {
        Self { path, buffer }
    }

    /// What comes next: `want` octets, at most [`super::MAX_FRAME`], or more; fewer only at the end of the file.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn window(&mut self, want: usize) -> Result<&[u8], Error> {
        if let Err(source) = self.buffer.fill(want) {
            return Err(Error::Read { path: self.path.clone(), offset: self.offset(), source });
        }
        Ok(self.buffer.bytes())
    }

    /// Passes over the first `length` octets of the window.
    pub fn advance(&mut self, length: usize) {
        self.buffer.advance(length.min(self.buffer.bytes().len()));
    }

    /// Octets passed over so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.buffer.offset()
    }

    /// As an error: it holds nothing that is collected.
    #[must_use]
    pub fn no_export(&self) -> Error {
        Error::NoExport { path: self.path.clone(), start: self.start() }
    }

    /// As an error: no message begins where the window does.
    #[must_use]
    pub fn no_message(&self) -> Error {
        Error::Damaged { path: self.path.clone(), what: Damage::NoMessage, offset: self.offset() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first octets of the window in hexadecimal, as many as tell formats apart.
    #[must_use]
    pub fn start(&self) -> String {
        self.buffer.bytes().iter().take(SHOWN_OCTETS).map(|octet| format!("{octet:02x}")).collect()
    }
}
