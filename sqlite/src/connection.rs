//! Connections to the store and how they are set: the writer's, the readers', and the one that makes the file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::error::{Doing, Error};
use crate::ring::unsigned;
use crate::{BudgetBytes, files, schema};

/// As large as a block of flash file systems and the kernel's pages: a small commit rewrites little. What other sizes cost is
/// measured by `examples/page_sizes.rs`.
pub(crate) const PAGE_BYTES: u64 = 4_096;
/// What a page takes in the log: SQLite's "WAL-mode File Format", §2.1, puts a header of 24 octets before it.
pub(crate) const FRAME_BYTES: u64 = PAGE_BYTES + 24;
/// Log pages after which they are copied into the file: SQLite's default. Until then a page that changes with
/// every commit (the minute, the ring) costs the file nothing.
const MAX_WAL_PAGES: u64 = 1_000;
/// The log may grow to this part of the budget, which counts it, while readers hold it or a large transaction needs it.
const LOG_SHARE: u64 = 8;
/// The log may always grow to this: a record as large as a small budget allows, and the sealing of a tail with it.
const MIN_LOG_BYTES: u64 = 1 << 20;
/// What that leaves for the file of the least budget.
pub(crate) const LEAST_FILE_BYTES: u64 = BudgetBytes::MIN - MIN_LOG_BYTES;
/// And never beyond this: no commit needs more, and a budget is for rows.
const MAX_LOG_BYTES: u64 = 32 << 20;
/// Part of the log's bound that it has as a rule; the rest is for large transactions and for readers of the moment.
const USUAL_SHARE: u64 = 2;
/// Part of the log's bound that the writer leaves to what is changed on request meanwhile.
pub(crate) const CONTROL_LOG_BYTES: u64 = 128 << 10;
/// The writer waits this long for a stranger's lock (a backup, `sqlite3`), then the commit fails and is repeated.
const WRITER_BUSY: Duration = Duration::from_millis(500);
/// What an administrator asks for waits for a commit to end, on slow flash too.
pub(crate) const CONTROL_BUSY: Duration = Duration::from_secs(5);
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
/// - `cache_spill` off: a transaction that turns out to be larger than the log may become is given up before the log
///   has grown. Its pages are in memory until then, no more than its records were.
/// - `secure_delete` off: trimmed pages are not overwritten, which would double the flash writes.
fn writer_settings(budget: BudgetBytes) -> String {
    let pages = wal_pages(budget);
    format!(
        "{COMMON}
        PRAGMA foreign_keys = ON;
        PRAGMA synchronous = FULL;
        PRAGMA secure_delete = OFF;
        PRAGMA cache_size = -1024;
        PRAGMA cache_spill = OFF;
        PRAGMA wal_autocheckpoint = {pages};
        PRAGMA journal_size_limit = {};",
        pages * FRAME_BYTES
    )
}

/// The length in bytes that the log has as a rule.
pub(crate) const fn wal_limit(budget: BudgetBytes) -> u64 {
    wal_pages(budget) * FRAME_BYTES
}

const fn wal_pages(budget: BudgetBytes) -> u64 {
    let share = log_limit(budget) / USUAL_SHARE / FRAME_BYTES;
    if share < MAX_WAL_PAGES { share } else { MAX_WAL_PAGES }
}

/// The length in bytes that the log never exceeds.
pub(crate) const fn log_limit(budget: BudgetBytes) -> u64 {
    let share = budget.value() / LOG_SHARE;
    match share {
        ..MIN_LOG_BYTES => MIN_LOG_BYTES,
        MAX_LOG_BYTES.. => MAX_LOG_BYTES,
        _ => share,
    }
}

/// The length in bytes that the file never exceeds: what the log leaves of the budget, in whole pages.
pub(crate) const fn file_limit(budget: BudgetBytes) -> u64 {
    (budget.value() - log_limit(budget)) / PAGE_BYTES * PAGE_BYTES
}

/// Has SQLite refuse pages beyond `bytes`, before anything is written. A file that is longer already keeps its length.
pub(crate) fn limit_file(db: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let sql = format!("PRAGMA max_page_count = {}", bytes / PAGE_BYTES);
    db.query_row(&sql, [], |_| Ok(()))
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
    limit_file(&db, file_limit(budget)).doing("open", &path)?;
    Ok(db)
}

/// Makes a store at `path`, an empty private file, for what is saved from another. Nothing of it is on the disk before
/// [`finish_salvage`]: until then the other is there.
pub(crate) fn open_salvage(path: &Path) -> Result<Connection, Error> {
    let mut db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    fill(&mut db).doing("create", path)?;
    db.execute_batch(&format!(
        "{COMMON} PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1024;"
    ))
    .doing("create", path)?;
    Ok(db)
}

/// Closes what [`open_salvage`] opened, whole and on the disk.
pub(crate) fn finish_salvage(db: Connection, path: &Path) -> Result<(), Error> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).doing("write", path)?;
    db.close().map_err(|(_, source)| source).doing("write", path)?;
    File::open(path).and_then(|file| file.sync_all()).doing("write", path)
}

/// Opens a store that may be damaged, for reading whatever can be read of it, of whatever version. With `writable_schema`
/// SQLite reads a file that is shorter than its first page says; nothing is written.
pub(crate) fn open_damaged(path: &Path) -> Result<Connection, Error> {
    files::identify(path)?;
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(READER_BUSY).doing("open", path)?;
    let settings = format!(
        "PRAGMA writable_schema = ON; {COMMON} PRAGMA query_only = ON; PRAGMA cache_size = -1024;
        PRAGMA cell_size_check = ON;"
    );
    db.execute_batch(&settings).doing("open", path)?;
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
    let db = of_this_version(db, path.clone())?;
    if let Some(budget) = budget_of(&db).doing("open", &path)? {
        limit_file(&db, file_limit(budget)).doing("open", &path)?;
    }
    Ok(db)
}

/// The budget that the last writer was told.
pub(crate) fn budget_of(db: &Connection) -> rusqlite::Result<Option<BudgetBytes>> {
    let found = db.query_row("SELECT budget_bytes FROM store", [], |row| unsigned(row, 0)).optional()?;
    Ok(found.and_then(|bytes| BudgetBytes::new(bytes).ok()))
}

/// Opens the store for reading. In a directory that may not be written SQLite cannot keep the index of a log; where there is no
/// log it needs none, and nobody can write.
pub(crate) fn open_reader(dir: &Path) -> Result<Connection, Error> {
    let path = dir.join(files::DATABASE);
    files::identify(&path)?;
    let db = match reader_of(|| Connection::open_with_flags(&path, READING)) {
        Err(error) if is_denied(&error) && files::wal_bytes(&path) == 0 => {
            let flags = READING | OpenFlags::SQLITE_OPEN_URI;
            reader_of(|| Connection::open_with_flags(still_uri(&path), flags)).doing("open", &path)?
        }
        Err(error) if is_denied(&error) => return Err(Error::NoPermission { path }),
        other => other.doing("open", &path)?,
    };
    of_this_version(db, path)
}

const READING: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

fn reader_of(open: impl FnOnce() -> rusqlite::Result<Connection>) -> rusqlite::Result<Connection> {
    let db = open()?;
    db.busy_timeout(READER_BUSY)?;
    db.execute_batch(&format!("{COMMON} PRAGMA query_only = ON; PRAGMA cache_size = -512;"))?;
    // The first read is what fails.
    schema::version(&db)?;
    Ok(db)
}

fn is_denied(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    matches!(error.sqlite_error_code(), Some(Code::CannotOpen | Code::ReadOnly | Code::PermissionDenied))
}

/// The name of a file that nobody changes (SQLite, "Uniform Resource Identifiers", `immutable`).
fn still_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for &octet in path.as_os_str().as_encoded_bytes() {
        if octet.is_ascii_alphanumeric() || b"/-_.~".contains(&octet) {
            uri.push(char::from(octet));
        } else {
            uri += &format!("%{octet:02X}");
        }
    }
    uri + "?immutable=1"
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
