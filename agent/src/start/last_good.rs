//! The configuration that worked last, kept for the day on which the given one does not.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracing::{debug, warn};
use weir_flow::Timestamp;

use super::atomic;
use crate::settings::MAX_BYTES;

/// Name of the file in the data directory: what all configuration files said together, without the variables.
pub const LAST_GOOD_FILE: &str = "last-good.toml";
/// A configuration may hold passwords.
const MODE: u32 = 0o600;

/// The last good configuration of a data directory.
#[derive(Clone, Debug)]
pub struct LastGood {
    dir: PathBuf,
}

impl LastGood {
    /// That of the data directory `dir`.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Where it is kept.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(LAST_GOOD_FILE)
    }

    /// When it was kept; none when there is none.
    #[must_use]
    pub fn kept_at(&self) -> Option<Timestamp> {
        let modified = fs::symlink_metadata(self.path()).ok()?.mtime();
        Some(Timestamp::from_millis(modified.saturating_mul(1_000)))
    }

    /// Keeps `text`, if the configuration can be written as one. A text that is kept already is not written again, for the
    /// flash's sake.
    pub fn keep(&self, text: Option<&str>) {
        let kept = text
            .map_or_else(|| Err(io::Error::other("a number in it is too large")), |text| self.try_keep(text));
        match kept {
            Ok(true) => debug!(file = %self.path().display(), "kept this configuration as the last good one"),
            Ok(false) => {}
            Err(error) => warn!(
                "cannot keep this configuration as the last good one in {}: {error}; the next start with mistakes in it falls back to an older one",
                self.path().display()
            ),
        }
    }

    fn try_keep(&self, text: &str) -> io::Result<bool> {
        if atomic::read(&self.path(), MAX_BYTES).is_ok_and(|kept| kept == text) {
            return Ok(false);
        }
        atomic::write(&self.dir, LAST_GOOD_FILE, MODE, text.as_bytes())?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::LastGood;

    #[test]
    fn what_is_kept_already_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let last = LastGood::of(dir.path());
        assert!(last.kept_at().is_none());
        let file = || fs::metadata(last.path()).unwrap().ino();
        last.keep(Some("[flow]\n"));
        let first = file();
        last.keep(Some("[flow]\n"));
        assert_eq!(file(), first);
        last.keep(Some("[capture]\n"));
        assert_ne!(file(), first);
        last.keep(None);
        assert_eq!(fs::read_to_string(last.path()).unwrap(), "[capture]\n");
        assert!(last.kept_at().unwrap().seconds() > 1_700_000_000);
    }
}
