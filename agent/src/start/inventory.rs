//! Every file that the agent makes in its data directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use weir_web::{PRIVATE_DIR, SOCKET};

use super::identity::{DAMAGED_ID_FILE, ID_FILE};
use super::last_good::LAST_GOOD_FILE;
use crate::collect::kept::FILE as EXPORTERS;
use crate::keys::{DAMAGED_KEY_FILE, KEY_FILE};

/// Directory of private copies of databases.
pub const COPIES: &str = "geo";
/// The imported database, which the agent finds by itself.
pub const IMPORTED: &str = "location.mmdb";
/// Files besides those of the store; the last three are what a power cut can leave.
const FILES: [&str; 10] = [
    KEY_FILE,
    DAMAGED_KEY_FILE,
    ID_FILE,
    DAMAGED_ID_FILE,
    LAST_GOOD_FILE,
    IMPORTED,
    EXPORTERS,
    "device.id.new",
    "last-good.toml.new",
    "exporters.state.new",
];
/// Beginnings of the names of copies, and ends.
const COPY_ROLES: [&str; 2] = ["city-", "asn-"];
const COPY_KINDS: [&str; 2] = [".mmdb", ".part"];

/// What is in a data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The agent's files, links not followed; each before the directory that it is in, the store's lock last.
    pub ours: Vec<PathBuf>,
    /// Directories of the agent that are empty once its files are gone.
    pub directories: Vec<PathBuf>,
    /// What somebody else put there.
    pub others: Vec<PathBuf>,
}

impl Inventory {
    /// Takes stock of `dir`; nothing is in one that is not there.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn take(dir: &Path) -> io::Result<Self> {
        let mut all = Self::default();
        all.directory(dir, is_top_level)?;
        for (name, is_ours) in [(COPIES, is_copy as fn(&str) -> bool), (PRIVATE_DIR, |name| name == SOCKET)] {
            let below = dir.join(name);
            if fs::symlink_metadata(&below).is_ok_and(|meta| meta.is_dir()) {
                all.others.retain(|other| *other != below);
                all.directory(&below, is_ours)?;
                all.directories.push(below);
            }
        }
        // While the lock is there, its holder can be told.
        all.ours.sort_by_key(|path| path.file_name() == weir_store::FILES.last().map(AsRef::as_ref));
        Ok(all)
    }

    fn directory(&mut self, dir: &Path, is_ours: impl Fn(&str) -> bool) -> io::Result<()> {
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_dir = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir());
            let list = if is_ours(&name) && !is_dir { &mut self.ours } else { &mut self.others };
            list.push(path);
        }
        Ok(())
    }
}

fn is_top_level(name: &str) -> bool {
    // What an import left that was ended: `location.mmdb.<process>.part`.
    let is_part = |rest: &str| rest.starts_with('.') && rest.ends_with(".part");
    weir_store::FILES.contains(&name)
        || FILES.contains(&name)
        || name.strip_prefix(IMPORTED).is_some_and(is_part)
}

fn is_copy(name: &str) -> bool {
    COPY_ROLES.iter().any(|role| name.starts_with(role)) && COPY_KINDS.iter().any(|kind| name.ends_with(kind))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Inventory;

    #[test]
    fn what_others_put_there_is_told_apart_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(path("geo")).unwrap();
        symlink(outside.path(), path("guard")).unwrap();
        fs::create_dir(path("admin.key")).unwrap();
        fs::write(outside.path().join("engine.sock"), "").unwrap();
        for name in [
            "weir.db",
            "lock",
            "notes.txt",
            "geo/city-1-2.mmdb",
            "geo/mine.mmdb",
            "location.mmdb.7.part",
            "exporters.state",
            "exporters.state.new",
        ] {
            fs::write(path(name), "").unwrap();
        }
        let found = Inventory::take(dir.path()).unwrap();
        let paths = |names: &[&str]| names.iter().map(|name| path(name)).collect::<Vec<_>>();
        let ours = [
            "exporters.state",
            "exporters.state.new",
            "location.mmdb.7.part",
            "weir.db",
            "geo/city-1-2.mmdb",
            "lock",
        ];
        assert_eq!(found.ours, paths(&ours));
        assert_eq!(found.directories, paths(&["geo"]));
        assert_eq!(found.others, paths(&["admin.key", "guard", "notes.txt", "geo/mine.mmdb"]));
        assert_eq!(Inventory::take(&path("absent")).unwrap(), Inventory::default());
    }
}
