//! Checking a store: for `weir store check`, and after a crash.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use serde::Serialize;

use crate::block::{Decoder, Packed};
use crate::error::{Doing, Error};
use crate::reader::{BLOCKS, Block, Opened, Reader};
use crate::ring::{Ring, unsigned};
use crate::{connection, files, schema};

/// Problems told at most; more of a damaged file help nobody.
pub const MAX_PROBLEMS: usize = 100;

/// What a check saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Rings.
    pub rings: u64,
    /// Blocks of all rings.
    pub blocks: u64,
    /// Rows of all rings.
    pub rows: u64,
    /// Bytes of all blocks.
    pub bytes: u64,
    /// What is wrong, in words; at most [`MAX_PROBLEMS`].
    pub problems: Vec<String>,
}

impl CheckReport {
    /// True when nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, text: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(text);
        }
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

/// Reads the whole store in `dir`: SQLite's own check, the checksum and rows of every block, and that the rows of
/// each ring are contiguous up to its next.
///
/// # Errors
/// As [`Reader::open`](crate::Reader::open); damage that can be told is in the report.
pub fn check(dir: &Path) -> Result<CheckReport, Error> {
    let path = dir.join(files::DATABASE);
    let db = connection::open_reader(dir)?;
    let mut report = CheckReport::default();
    let tx = db.unchecked_transaction().doing("read", &path)?;
    sqlite(&tx, &mut report).doing("read", &path)?;
    let mut decoder = Decoder::new().doing("read", &path)?;
    for ring in Ring::all(&tx).doing("read", &path)? {
        report.rings += 1;
        ring_is_whole(&tx, &ring, &mut decoder, &path, &mut report)?;
    }
    Ok(report)
}

fn sqlite(db: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    for pragma in ["PRAGMA quick_check(100)", "PRAGMA foreign_key_check"] {
        let mut statement = db.prepare(pragma)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            if text != "ok" {
                report.problem(format!("{pragma}: {text}"));
            }
        }
    }
    Ok(())
}

fn ring_is_whole(
    db: &Connection,
    ring: &Ring,
    decoder: &mut Decoder,
    path: &Path,
    report: &mut CheckReport,
) -> Result<(), Error> {
    let (low, high) = ring.keys();
    let mut statement =
        db.prepare(&format!("{BLOCKS} WHERE block BETWEEN ?1 AND ?2 ORDER BY block")).doing("read", path)?;
    let mut rows = statement.query([low, high]).doing("read", path)?;
    let (mut expected, mut processed_at, mut bytes) = (None, i64::MIN, 0);
    while let Some(row) = rows.next().doing("read", path)? {
        let block = Block::from_row(row).doing("read", path)?;
        let data = row.get_ref(5).doing("read", path)?;
        let data = data.as_blob().map_err(|error| Error::corrupt(path, &error))?;
        let (encoding, raw_bytes) = (row.get(3).doing("read", path)?, unsigned(row, 4).doing("read", path)?);
        let packed = Packed { encoding, raw_bytes, rows: block.count, data };
        let mut opened = Opened { block, packed, decoder, path };
        if let Err(error) = opened.lines(0..block.count, |_, _| {}) {
            report.problem(error.to_string());
        }
        if expected.is_some_and(|expected| expected != block.first_row) || block.first_row == 0 {
            report.problem(format!("ring {}: rows before {} are missing", ring.ring_id, block.first_row));
        }
        if block.processed_at < processed_at {
            report.problem(format!("ring {}: row {} is out of order", ring.ring_id, block.first_row));
        }
        processed_at = block.processed_at;
        expected = Some(block.end());
        bytes += data.len() as u64;
        report.blocks += 1;
        report.rows += block.count;
    }
    report.bytes += bytes;
    if expected.is_some_and(|end| end != ring.next_row) || ring.processed_at < processed_at {
        report.problem(format!("ring {}: its newest rows are missing", ring.ring_id));
    }
    if bytes != ring.bytes {
        report.problem(format!("ring {}: {bytes} bytes where it counts {}", ring.ring_id, ring.bytes));
    }
    Ok(())
}
