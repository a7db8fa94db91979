//! A file in memory, for readers that want a path.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::memfd::{MFdFlags, memfd_create};

/// A file that is written anew for every input and ends with the process.
#[derive(Debug)]
pub struct Scratch {
    file: File,
    path: PathBuf,
    filled: AtomicU64,
}

impl Scratch {
    /// An empty file.
    ///
    /// # Panics
    /// Without memory for it.
    #[must_use]
    pub fn new() -> Self {
        let file = File::from(memfd_create("fuzz", MFdFlags::MFD_CLOEXEC).expect("a file in memory"));
        let path = format!("/proc/self/fd/{}", file.as_raw_fd()).into();
        Self { file, path, filled: AtomicU64::new(0) }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `content` all that is in the file. Its time is another one each time: those who watch it see the change.
    ///
    /// # Panics
    /// Without memory for it.
    pub fn fill(&self, content: &[u8]) {
        self.file.set_len(0).expect("the file can be emptied");
        self.file.write_all_at(content, 0).expect("the file can be written");
        let time = UNIX_EPOCH + Duration::from_secs(1 + self.filled.fetch_add(1, Ordering::Relaxed));
        self.file.set_modified(time).expect("the file has a time");
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
