//! Checking a store: for `weir store check`, and after a crash.
//!
//! What is known of all blocks is read in one short transaction, then they are unpacked one by one without any, so that an
//! agent that runs is not held up. Blocks that are trimmed meanwhile are passed over.

mod ring;

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use serde::Serialize;

use crate::damage::LostRows;
use crate::error::{Doing, Error};
use crate::inspect::Inspector;
use crate::reader::Reader;
use crate::ring::Ring;
use crate::{connection, damage, files, schema};

/// Problems told at most; more of a damaged file help nobody.
pub const MAX_PROBLEMS: usize = 100;

/// What SQLite is asked, and what its answer means. Indexes are compared with their tables where there are any: the blocks
/// have none.
pub(crate) const PRAGMAS: [(&str, &str); 5] = [
    ("quick_check(100)", "SQLite"),
    ("integrity_check(ring)", "SQLite"),
    ("integrity_check(receipt)", "SQLite"),
    ("integrity_check(dead_letter)", "SQLite"),
    ("foreign_key_check", "a row of no ring in table"),
];

/// What a check saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Rings.
    pub rings: u64,
    /// Sealed blocks of all rings.
    pub blocks: u64,
    /// Rows of all rings, those of the tails among them.
    pub rows: u64,
    /// Of these, rows of the tails.
    pub tail_rows: u64,
    /// Bytes of all sealed blocks.
    pub bytes: u64,
    /// Blocks without a summary, which every search reads.
    pub without_summary: u64,
    /// What is wrong, in words; at most [`MAX_PROBLEMS`].
    pub problems: Vec<String>,
    /// How much is wrong in all.
    pub problem_count: u64,
    /// Rows that were lost before, were told then, and are no problem now; at most
    /// [`MAX_LOST_RANGES`](crate::MAX_LOST_RANGES) ranges.
    pub lost: Vec<LostRows>,
    /// How many rows that are in all.
    pub lost_rows: u64,
}

impl CheckReport {
    /// True when nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    fn problem(&mut self, text: String) {
        self.problem_count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(text);
        }
    }

    /// A part that could not be read at all.
    fn unreadable(&mut self, part: &str, result: Result<(), Error>) -> Result<(), Error> {
        match result {
            Err(Error::Corrupt { detail, .. }) => self.problem(format!("{part}: {detail}")),
            other => return other,
        }
        Ok(())
    }
}

impl Reader {
    /// SQLite's own look at the whole file, without the records: what is wrong, at most [`MAX_PROBLEMS`] problems.
    ///
    /// # Errors
    /// [`Error::Deadline`] when it is not done by then, and what else the disk answers.
    pub fn quick_check(&self, deadline: Instant) -> Result<Vec<String>, Error> {
        self.until(Some(deadline), || {
            let found = || -> rusqlite::Result<Vec<String>> {
                let mut statement = self.db.prepare(&format!("PRAGMA quick_check({MAX_PROBLEMS})"))?;
                let rows = statement.query_map([], |row| row.get(0))?;
                rows.filter(|row| row.as_deref() != Ok("ok")).collect()
            };
            found().doing("read", &self.path)
        })
    }

    /// The version of the schema.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn schema_version(&self) -> Result<u32, Error> {
        schema::version(&self.db).doing("read", &self.path)
    }
}

/// Reads the whole store in `dir`, also while an agent runs: SQLite's own check, the checksum and every row of every block,
/// that the rows of each ring are contiguous up to its next, and what is said of the blocks elsewhere.
///
/// # Errors
/// As [`Reader::open`](crate::Reader::open); damage that can be told is in the report.
pub fn check(dir: &Path) -> Result<CheckReport, Error> {
    let path = dir.join(files::DATABASE);
    let db = connection::open_reader(dir)?;
    let mut report = CheckReport::default();
    let told = sqlite(&db, &mut report).doing("read", &path);
    report.unreadable("the file", told)?;
    let told = rings(&db, &path, &mut report);
    report.unreadable("the rings", told)?;
    Ok(report)
}

fn sqlite(db: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    db.execute_batch("PRAGMA cell_size_check = ON")?;
    for (pragma, what) in PRAGMAS {
        let mut statement = db.prepare(&format!("PRAGMA {pragma}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            if text != "ok" {
                report.problem(format!("{what}: {text}"));
            }
        }
    }
    Ok(())
}

fn rings(db: &Connection, path: &Path, report: &mut CheckReport) -> Result<(), Error> {
    let mut inspector = Inspector::new(path)?;
    (report.lost, report.lost_rows) =
        (damage::all(db).doing("read", path)?, damage::sum(db).doing("read", path)?);
    for ring in Ring::all(db).doing("read", path)? {
        report.rings += 1;
        let told = ring::check(db, &ring, &mut inspector, path, report);
        report.unreadable(&format!("ring {}", ring.ring_id), told)?;
    }
    let strays: i64 = db
        .query_row("SELECT count(*) FROM summary WHERE block NOT IN (SELECT block FROM block)", [], |row| {
            row.get(0)
        })
        .doing("read", path)?;
    if strays > 0 {
        report.problem(format!("{strays} summaries of no block"));
    }
    Ok(())
}
