//! Connections to the store and how they are set: the writer's, the readers', and the one that makes the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::{Doing, Error};
use crate::{BudgetBytes, files, schema};

/// As large as a block of flash file systems and the kernel's pages: a small commit rewrites little.
pub(crate) const PAGE_BYTES: u64 = 4_096;
/// Log pages after which they are copied into the file: SQLite's default. Until then a page that changes with
/// every commit (the minute, the ring) costs the file nothing.
const MAX_WAL_PAGES: u64 = 1_000;
/// The log is at most this part of the budget, which counts it.
const WAL_SHARE: u64 = 8;
/// The writer waits this long for a stranger's lock (a backup, `sqlite3`), then the commit fails and is repeated.
const WRITER_BUSY: Duration = Duration::from_millis(500);
/// What an administrator asks for waits for a commit to end, on slow flash too.
const CONTROL_BUSY: Duration = Duration::from_secs(5);
/// Readers meet locks only while a log is recovered.
const READER_BUSY: Duration = Duration::from_millis(500);

/// For every connection: no code from the schema runs, nothing temporary goes to flash, and no map, since a
/// failing flash block under one is a SIGBUS.
const COMMON: &str = "
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA mmap_size = 0;";

/// The page size and incremental vacuum can only be chosen before the first table; incremental, so that a
/// lowered budget gives pages back to the disk in bounded steps. The mode WAL is kept in the file.
/// It comes last: before it every change, the application id too, is in the file itself, where
/// [`files::identify`] looks for it.
fn fill(db: &mut Connection) -> rusqlite::Result<()> {
    db.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES};
        PRAGMA auto_vacuum = INCREMENTAL;
        PRAGMA application_id = {};",
        files::APPLICATION_ID
    ))?;
    schema::create(db)?;
    db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    Ok(())
}

/// The writer's settings.
///
/// - `synchronous = FULL`: a commit is on the disk when it returns. NORMAL would keep the file whole but could
///   lose the last commits in a power cut, after an output delivered their rows: the numbers would be given to
///   other rows and the centre would drop those as repeats. It costs one flush per commit, every two seconds.
/// - `journal_size_limit`: a log that a slow reader made long is cut again, no shorter than it usually is,
///   so that on a full disk it is overwritten in place.
/// - `cache_size` in KiB: the writer only appends; a megabyte holds the ends of all its trees.
/// - `secure_delete` off: trimmed pages are not overwritten, which would double the flash writes.
fn writer_settings(budget: BudgetBytes) -> String {
    let pages = wal_pages(budget);
    format!(
        "{COMMON}
        PRAGMA foreign_keys = ON;
        PRAGMA synchronous = FULL;
        PRAGMA secure_delete = OFF;
        PRAGMA cache_size = -1024;
        PRAGMA wal_autocheckpoint = {pages};
        PRAGMA journal_size_limit = {};",
        pages * PAGE_BYTES
    )
}

/// The length in bytes that the log has as a rule.
pub(crate) const fn wal_limit(budget: BudgetBytes) -> u64 {
    wal_pages(budget) * PAGE_BYTES
}

const fn wal_pages(budget: BudgetBytes) -> u64 {
    let share = budget.value() / WAL_SHARE / PAGE_BYTES;
    if share < MAX_WAL_PAGES { share } else { MAX_WAL_PAGES }
}

/// Opens the store for its one writer; makes it or brings it up to date as needed.
pub(crate) fn open_writer(dir: &Path, budget: BudgetBytes) -> Result<Connection, Error> {
    let path = files::make_database(dir, |unfinished| {
        let mut db = open(unfinished, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        fill(&mut db).doing("create", unfinished)?;
        db.close().map_err(|(_, source)| source).doing("create", unfinished)
    })?;
    files::identify(&path)?;
    refuse_newer(&path)?;
    let mut db = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(WRITER_BUSY).doing("open", &path)?;
    db.execute_batch(&writer_settings(budget)).doing("open", &path)?;
    schema::upgrade(&mut db).doing("upgrade", &path)?;
    Ok(db)
}

/// Opens the store for what is changed beside the ring. The writer keeps the log short: this connection never copies it
/// into the file, so that no request waits for that.
pub(crate) fn open_control(dir: &Path) -> Result<Connection, Error> {
    let path = dir.join(files::DATABASE);
    files::identify(&path)?;
    let db = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(CONTROL_BUSY).doing("open", &path)?;
    let settings = format!(
        "{COMMON} PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;
        PRAGMA cache_size = -128; PRAGMA wal_autocheckpoint = 0;"
    );
    db.execute_batch(&settings).doing("open", &path)?;
    of_this_version(db, path)
}

/// Opens the store for reading.
pub(crate) fn open_reader(dir: &Path) -> Result<Connection, Error> {
    let path = dir.join(files::DATABASE);
    files::identify(&path)?;
    let db = open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(READER_BUSY).doing("open", &path)?;
    let settings = format!("{COMMON} PRAGMA query_only = ON; PRAGMA cache_size = -512;");
    db.execute_batch(&settings).doing("open", &path)?;
    of_this_version(db, path)
}

fn of_this_version(db: Connection, path: PathBuf) -> Result<Connection, Error> {
    match schema::version(&db).doing("read", &path)? {
        found if found > schema::VERSION => Err(Error::Newer { path, found, known: schema::VERSION }),
        found if found < schema::VERSION => Err(Error::Older { path, found }),
        _ => Ok(db),
    }
}

/// Read-only, because closing the last writing connection copies the log into the file.
fn refuse_newer(path: &Path) -> Result<(), Error> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found = schema::version(&db).doing("open", path)?;
    if found > schema::VERSION {
        return Err(Error::Newer { path: path.into(), found, known: schema::VERSION });
    }
    Ok(())
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    // Each connection stays with one thread at a time, which Rust checks.
    Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).doing("open", path)
}
