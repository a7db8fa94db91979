//! The files of a data directory: who may open them, and whether they are Weir's.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Doing, Error};

/// The store.
pub(crate) const DATABASE: &str = "weir.db";
/// A store that is being made: it takes its name when it is whole.
pub(crate) const UNFINISHED: &str = "weir.db.new";
/// Held by the one writer.
pub(crate) const LOCK: &str = "lock";
/// See [`crate::reserve`].
pub(crate) const RESERVE: &str = "reserve";

/// `PRAGMA application_id` of a store: "Weir".
pub(crate) const APPLICATION_ID: i32 = 0x5765_6972;

/// SQLite's "Database File Format", §1.3: the header string, and the application id at 68.
const HEADER_STRING: &[u8; 16] = b"SQLite format 3\0";
const HEADER_LENGTH: usize = 100;
const APPLICATION_ID_AT: usize = 68;

/// Makes the data directory when it is missing: records say who talks to whom, so only the owner reads them.
pub(crate) fn make_dir(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| Error::create(dir, source))
}

/// Opens a file for writing that only its owner reads; emptied when it is there.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Takes the writer's lock, which the kernel lets go with the process, however it ends.
pub(crate) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(LOCK);
    let file = create_private(&path).map_err(|source| Error::create(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path }),
        Err(TryLockError::Error(source)) => Err(Error::Io { doing: "lock", path, source }),
    }
}

/// Makes the store when it is missing: `fill` gets an empty private file, which takes its name once it is
/// whole, so that a power cut leaves a store or none.
pub(crate) fn make_database(
    dir: &Path,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let path = dir.join(DATABASE);
    if path.exists() {
        return Ok(path);
    }
    let unfinished = dir.join(UNFINISHED);
    create_private(&unfinished).map_err(|source| Error::create(&unfinished, source))?;
    fill(&unfinished)?;
    fs::rename(&unfinished, &path).map_err(|source| Error::create(&path, source))?;
    File::open(dir).and_then(|dir| dir.sync_all()).doing("write", dir)?;
    Ok(path)
}

/// Refuses a file that is not a store, without opening it as a database: that alone can change one.
pub(crate) fn identify(path: &Path) -> Result<(), Error> {
    let mut header = Vec::with_capacity(HEADER_LENGTH);
    match File::open(path) {
        Ok(file) => file.take(HEADER_LENGTH as u64).read_to_end(&mut header).doing("read", path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Absent { path: path.into() });
        }
        Err(error) => return Err(error).doing("open", path),
    };
    let id = header.get(APPLICATION_ID_AT..APPLICATION_ID_AT + 4);
    if header.starts_with(HEADER_STRING) && id == Some(&APPLICATION_ID.to_be_bytes()) {
        return Ok(());
    }
    Err(Error::Foreign { path: path.into() })
}

/// Length of the store's write-ahead log in bytes; 0 when there is none.
pub(crate) fn wal_bytes(database: &Path) -> u64 {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    fs::metadata(name).map_or(0, |meta| meta.len())
}
