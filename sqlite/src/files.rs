//! The files of a data directory: who may open them, and whether they are Weir's.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek};
use std::ops::RangeInclusive;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Doing, Error};

/// The store.
pub(crate) const DATABASE: &str = "weir.db";
/// A store that is being made: it takes its name when it is whole.
pub(crate) const UNFINISHED: &str = "weir.db.new";
/// A store that was saved from a damaged one and is whole: it takes its name once that was moved away.
pub(crate) const SALVAGED: &str = "weir.db.salvaged";
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

/// The same, §4.1: octets of a log's header, its magic number without the bit that tells the order of checksums, octets of a
/// frame's header before its page, and how large pages can be.
const LOG_HEADER: usize = 32;
const LOG_MAGIC: u32 = 0x377f_0682;
const FRAME_HEADER: usize = 24;
const PAGE_BYTES: RangeInclusive<u32> = 512..=65_536;

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
/// whole, so that a power cut leaves a store or none, and none that is there is in a directory that goes with the next one.
pub(crate) fn make_database(
    dir: &Path,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let path = dir.join(DATABASE);
    if path.exists() {
        return Ok(path);
    }
    // The power went between the two steps of a repair.
    let salvaged = dir.join(SALVAGED);
    if salvaged.exists() {
        rename(dir, &salvaged, &path)?;
        return Ok(path);
    }
    let unfinished = dir.join(UNFINISHED);
    create_private(&unfinished).map_err(|source| Error::create(&unfinished, source))?;
    fill(&unfinished)?;
    sync_parents(dir).doing("write", dir)?;
    rename(dir, &unfinished, &path)?;
    Ok(path)
}

/// Makes the names of `dir` and of the directories above it safe: a new directory is in its parent only when that was synced,
/// and nothing that is synced within it helps.
fn sync_parents(dir: &Path) -> io::Result<()> {
    for parent in dir.canonicalize()?.ancestors().skip(1) {
        // One that cannot be read was not made here.
        if let Ok(parent) = File::open(parent) {
            // Nor was one on a file system that cannot sync directories, of which nothing more can be had.
            let _ = parent.sync_all();
        }
    }
    Ok(())
}

/// Gives the file `from` in `dir` the name `to`; on the disk when it returns.
pub(crate) fn rename(dir: &Path, from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::create(to, source))?;
    File::open(dir).and_then(|dir| dir.sync_all()).doing("write", dir)
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
    if is_weirs(&header) || log_has_header(path).unwrap_or(false) {
        return Ok(());
    }
    Err(Error::Foreign { path: path.into() })
}

fn is_weirs(header: &[u8]) -> bool {
    let id = header.get(APPLICATION_ID_AT..APPLICATION_ID_AT + 4);
    header.starts_with(HEADER_STRING) && id == Some(&APPLICATION_ID.to_be_bytes())
}

/// Whether the log has the file's first page, with the header of a store. A power cut while the log was being copied can leave
/// anything where that page was written; SQLite takes it from the log then, and so must whoever asks what the file is.
fn log_has_header(path: &Path) -> io::Result<bool> {
    let mut log = File::open(log_of(path))?;
    let mut head = [0; LOG_HEADER];
    log.read_exact(&mut head)?;
    let [magic, _, page_bytes, ..] = words(&head);
    if magic & !1 != LOG_MAGIC || !PAGE_BYTES.contains(&page_bytes) {
        return Ok(false);
    }
    let mut head = [0; FRAME_HEADER];
    let mut page = [0; HEADER_LENGTH];
    // The end of the log ends it too.
    loop {
        log.read_exact(&mut head)?;
        let [number, ..] = words(&head);
        let mut rest = i64::from(page_bytes);
        if number == 1 {
            log.read_exact(&mut page)?;
            if is_weirs(&page) {
                return Ok(true);
            }
            rest -= page.len() as i64;
        }
        log.seek_relative(rest)?;
    }
}

/// The big-endian numbers at the beginning of a header.
fn words(head: &[u8]) -> [u32; 3] {
    let mut numbers = head.chunks_exact(4).filter_map(|four| Some(u32::from_be_bytes(four.try_into().ok()?)));
    [(); 3].map(|()| numbers.next().unwrap_or_default())
}

fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Length of the store's write-ahead log in bytes; 0 when there is none.
pub(crate) fn wal_bytes(database: &Path) -> u64 {
    fs::metadata(log_of(database)).map_or(0, |meta| meta.len())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use weir_flow::{Batch, FlowRecord, Timestamp};

    use crate::{Config, Error, Writer};

    #[test]
    fn a_first_page_that_a_power_cut_left_in_pieces_is_taken_from_the_log() {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), &Config::default(), now).unwrap();
        // Enough to make the file grow, which its first page tells.
        let record =
            |n: i64| FlowRecord { start: Timestamp::from_micros(n * n * n * 7_919), ..FlowRecord::default() };
        let batch = Batch { records: (0..2_000).map(record).collect(), ..Batch::default() };
        writer.commit(&[batch], now).unwrap();
        let cut = tempfile::tempdir().unwrap();
        let mut file = fs::read(dir.path().join("weir.db")).unwrap();
        file[..512].fill(0xa5);
        fs::write(cut.path().join("weir.db"), file).unwrap();
        // Without the log nothing tells a torn store from somebody else's file.
        let refused = Writer::open(cut.path(), &Config::default(), now);
        assert!(matches!(refused.map(drop), Err(Error::Foreign { .. })));
        fs::copy(dir.path().join("weir.db-wal"), cut.path().join("weir.db-wal")).unwrap();
        Writer::open(cut.path(), &Config::default(), now).unwrap().close().unwrap();
        assert!(crate::check(cut.path()).unwrap().is_sound());
    }
}
