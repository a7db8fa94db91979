//! A store that cannot be used makes place for a new one, and a directory of stores is held against writers.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Doing, Error};
use crate::files;

/// Name of a store that was set aside.
const ASIDE: &str = "weir.db.aside";
/// What SQLite adds to the name of a store: log, its index, and a journal while the store is made.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Every file that a store leaves in its directory, the lock last.
pub const FILES: [&str; 15] = [
    files::DATABASE,
    "weir.db-wal",
    "weir.db-shm",
    "weir.db-journal",
    files::UNFINISHED,
    "weir.db.new-wal",
    "weir.db.new-shm",
    "weir.db.new-journal",
    files::SALVAGED,
    ASIDE,
    "weir.db.aside-wal",
    "weir.db.aside-shm",
    "weir.db.aside-journal",
    files::RESERVE,
    files::LOCK,
];

/// The right to change a data directory; no writer can have it meanwhile.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

/// Holds `dir`, until the answer is dropped.
///
/// # Errors
/// [`Error::Busy`] while a writer has it, [`Error::Create`] and [`Error::NoPermission`].
pub fn hold(dir: &Path) -> Result<Held, Error> {
    files::lock(dir).map(|lock| Held { _lock: lock })
}

/// Gives the store in `dir` another name, which is answered, so that the next writer begins a new one. One store is
/// kept like this: the one before it is removed.
///
/// # Errors
/// [`Error::Busy`] while a writer has it, and what else the disk answers.
pub fn set_aside(dir: &Path) -> Result<PathBuf, Error> {
    let _held = hold(dir)?;
    move_aside(dir)
}

/// As [`set_aside`], for who holds `dir`.
pub(crate) fn move_aside(dir: &Path) -> Result<PathBuf, Error> {
    let to = dir.join(ASIDE);
    for companion in COMPANIONS {
        // The log belongs to its file: the old one's must not meet the new one's.
        remove(&with(&to, companion))?;
    }
    for companion in ["", "-wal", "-journal"] {
        let from = with(&dir.join(files::DATABASE), companion);
        match fs::rename(&from, with(&to, companion)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.doing("rename", &from)?,
        }
    }
    // An index only; it is made again from the log.
    remove(&with(&dir.join(files::DATABASE), "-shm"))?;
    File::open(dir).and_then(|dir| dir.sync_all()).doing("write", dir)?;
    Ok(to)
}

/// Removes the database `path` and what SQLite keeps beside it.
pub(crate) fn remove_database(path: &Path) -> Result<(), Error> {
    remove(path)?;
    COMPANIONS.iter().try_for_each(|companion| remove(&with(path, companion)))
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.doing("remove", path),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use weir_flow::{Batch, FlowRecord, Timestamp};

    use super::{FILES, hold, set_aside, with};
    use crate::{Config, Error, Writer, check};

    fn now() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000)
    }

    #[test]
    fn a_store_that_was_set_aside_is_whole_and_the_next_writer_begins_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), &Config::default(), now()).unwrap();
        writer
            .commit(&[Batch { records: vec![FlowRecord::default(); 3], ..Batch::default() }], now())
            .unwrap();
        assert!(matches!(set_aside(dir.path()), Err(Error::Busy { .. })));
        // What a crash leaves: the rows are in the log.
        let crashed = tempfile::tempdir().unwrap();
        for name in ["weir.db", "weir.db-wal"] {
            fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
        }
        let aside = set_aside(crashed.path()).unwrap();
        drop(Writer::open(crashed.path(), &Config::default(), now()).unwrap());
        let rows = |dir: &Path| check(dir).unwrap().rows;
        assert_eq!(rows(crashed.path()), 0);
        let old = tempfile::tempdir().unwrap();
        for companion in ["", "-wal"] {
            let to = old.path().join(format!("weir.db{companion}"));
            fs::rename(with(&aside, companion), to).unwrap();
        }
        assert_eq!(rows(old.path()), 3);
    }

    #[test]
    fn every_file_of_a_store_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path(), &Config::default(), now()).unwrap();
        let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let names: BTreeSet<_> = names.map(|name| name.into_string().unwrap()).collect();
        assert!(names.len() > 3 && names.iter().all(|name| FILES.contains(&name.as_str())), "{names:?}");
        assert!(matches!(hold(dir.path()), Err(Error::Busy { .. })));
        drop(writer);
        hold(dir.path()).unwrap();
    }
}
