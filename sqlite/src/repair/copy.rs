//! Rows of a damaged file, as many as can be read, into a sound one.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::mend::Mended;

/// The tables whose rows are taken over as they are. What follows from the blocks is made again.
const TABLES: [&str; 11] = [
    "store",
    "ring",
    "tenant",
    "cursor",
    "bookmark",
    "output",
    "dead_letter",
    "receipt",
    "minute",
    "wear",
    "damage",
];

/// Copies the tables; what could not be read of one is told.
pub(super) fn tables(from: &Connection, to: &Connection, done: &mut Mended) -> rusqlite::Result<()> {
    for table in TABLES {
        let columns = common(from, to, table)?;
        if columns.is_empty() {
            done.correct(format!("table {table} could not be read"));
            continue;
        }
        let (forward, whole) = copy(from, to, table, &columns, "")?;
        if whole {
            continue;
        }
        // From the other end, up to what cannot be read.
        let key = keys(to, table)?.iter().map(|key| format!("{key} DESC")).collect::<Vec<_>>().join(", ");
        let (backward, _) = copy(from, to, table, &columns, &format!("ORDER BY {key}"))?;
        done.correct(format!("table {table}: {} rows kept, others could not be read", forward + backward));
    }
    Ok(())
}

/// Copies rows until one cannot be read: how many were new, and whether that were all.
fn copy(
    from: &Connection,
    to: &Connection,
    table: &str,
    columns: &[String],
    order: &str,
) -> rusqlite::Result<(u64, bool)> {
    let names = columns.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = to.prepare(&format!("INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})"))?;
    let Ok(mut read) = from.prepare(&format!("SELECT {names} FROM {table} {order}")) else {
        return Ok((0, false));
    };
    let Ok(mut rows) = read.query([]) else { return Ok((0, false)) };
    let mut copied = 0;
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok((copied, true)),
            Err(_) => return Ok((copied, false)),
        };
        let values: rusqlite::Result<Vec<Value>> = (0..columns.len()).map(|at| row.get(at)).collect();
        let Ok(values) = values else { continue };
        match insert.execute(params_from_iter(values)) {
            Ok(count) => copied += count as u64,
            // A value that no writer stores: a type or a range that the schema refuses.
            Err(error) if is_of_the_row(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// True when the row is to blame, and not the disk.
fn is_of_the_row(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    matches!(error.sqlite_error_code(), Some(Code::ConstraintViolation | Code::TypeMismatch | Code::TooBig))
}

/// The columns that both files have, but those that are computed.
fn common(from: &Connection, to: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let names = |db: &Connection| -> rusqlite::Result<Vec<String>> {
        let mut statement = db.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let rows = statement.query_map([table], |row| row.get(0))?;
        rows.collect()
    };
    let theirs = names(from).unwrap_or_default();
    Ok(names(to)?.into_iter().filter(|name| theirs.contains(name)).collect())
}

fn keys(db: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    let rows = statement.query_map([table], |row| row.get(0))?;
    rows.collect()
}

/// The tail of `ring` as the damaged file has it; none where that cannot be read.
pub(super) fn tail(from: &Connection, ring: i64) -> Option<Vec<u8>> {
    let mut statement = from.prepare("SELECT data FROM tail WHERE ring = ?1").ok()?;
    statement.query_row([ring], |row| row.get(0)).optional().ok().flatten()
}

/// True when `from` may have had a tail for `ring`: it has one, or nobody can say.
pub(super) fn may_have_tail(from: &Connection, ring: i64) -> bool {
    let found = from.query_row("SELECT 1 FROM tail WHERE ring = ?1", [ring], |_| Ok(())).optional();
    !matches!(found, Ok(None))
}
