//! Repair: what cannot be read is set aside, what follows from the rest is computed again; and where SQLite itself cannot read
//! the file, a new one is made of all that can be.

mod copy;
mod salvage;

use std::path::{Path, PathBuf};

use serde::Serialize;
use weir_flow::Timestamp;

use crate::check::PRAGMAS;
use crate::damage::{LostRows, MAX_LOST_RANGES};
use crate::error::{Doing, Error};
use crate::mend::{self, Extent};
use crate::{BudgetBytes, aside, connection, damage, files, schema};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Rows that the store has now.
    pub rows: u64,
    /// Rows that are gone since now; at most [`MAX_LOST_RANGES`] ranges.
    pub lost: Vec<LostRows>,
    /// How many rows that are in all.
    pub lost_rows: u64,
    /// What was computed again or could not be taken over, in words.
    pub corrections: Vec<String>,
    /// Where the old file is kept, when a new one had to be made.
    pub aside: Option<PathBuf>,
}

impl RepairReport {
    /// True when there was nothing to repair.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.lost.is_empty() && self.corrections.is_empty() && self.aside.is_none()
    }
}

/// Repairs the store in `dir`, which no agent may have meanwhile. Row numbers, the ids of rings and the cursors of outputs
/// stay. A power cut leaves the store as it was, or repaired.
///
/// # Errors
/// [`Error::Busy`] while a writer has it, [`Error::Absent`], [`Error::Foreign`] and [`Error::Newer`] (the file stays as it is),
/// [`Error::Corrupt`] when nothing can be read, [`Error::Full`] when there is no room for a second store beside it, and what
/// else the disk answers.
pub fn repair(dir: &Path, now: Timestamp) -> Result<RepairReport, Error> {
    let path = dir.join(files::DATABASE);
    if !path.exists() && !dir.join(files::SALVAGED).exists() {
        return Err(Error::Absent { path });
    }
    let _lock = files::lock(dir)?;
    if path.exists() {
        files::identify(&path)?;
    }
    match in_place(dir, &path, now) {
        Err(Error::Corrupt { .. }) => anew(dir, &path, now),
        other => other,
    }
}

/// Where the file is sound as a database.
fn in_place(dir: &Path, path: &Path, now: Timestamp) -> Result<RepairReport, Error> {
    if path.exists() {
        let db = connection::open_damaged(path)?;
        for (pragma, _) in PRAGMAS.into_iter().filter(|(pragma, _)| pragma.contains("_check(")) {
            let told: String =
                db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).doing("read", path)?;
            if told != "ok" {
                return Err(Error::corrupt(path, &told));
            }
        }
        let found = schema::version(&db).doing("read", path)?;
        if found > schema::VERSION {
            return Err(Error::Newer { path: path.into(), found, known: schema::VERSION });
        }
    }
    let mut db = connection::open_writer(dir, BudgetBytes::default())?;
    let mended = mend::mend(&mut db, path, Extent::All, now.millis())?;
    let rows = rows(&db).doing("read", path)?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).doing("write", path)?;
    db.close().map_err(|(_, source)| source).doing("close", path)?;
    let mend::Mended { lost, lost_rows, corrections } = mended;
    Ok(RepairReport { rows, lost, lost_rows, corrections, aside: None })
}

/// Where it is not: a new file of what can be read, which takes the place of the old one.
fn anew(dir: &Path, path: &Path, now: Timestamp) -> Result<RepairReport, Error> {
    let (unfinished, salvaged) = (dir.join(files::UNFINISHED), dir.join(files::SALVAGED));
    aside::remove_database(&unfinished)?;
    files::create_private(&unfinished).map_err(|source| Error::create(&unfinished, source))?;
    let made = salvage::salvage(path, &unfinished, now.millis());
    let mut report = match made {
        Ok(report) => report,
        Err(error) => {
            aside::remove_database(&unfinished)?;
            return Err(error);
        }
    };
    files::rename(dir, &unfinished, &salvaged)?;
    report.aside = Some(aside::move_aside(dir)?);
    files::rename(dir, &salvaged, path)?;
    Ok(report)
}

/// Rows that can be read.
fn rows(db: &rusqlite::Connection) -> rusqlite::Result<u64> {
    let sealed: i64 = db.query_row("SELECT coalesce(sum(count), 0) FROM block", [], |row| row.get(0))?;
    let mut rows = sealed.unsigned_abs();
    for ring in crate::ring::Ring::all(db)? {
        let tail = crate::tail::Tail::load(db, &ring)?;
        rows += tail.blocks().iter().map(|fresh| fresh.block.count).sum::<u64>();
    }
    Ok(rows)
}

/// The ranges that a fresh store says are lost, and their rows.
fn lost(db: &rusqlite::Connection) -> rusqlite::Result<(Vec<LostRows>, u64)> {
    let mut all = damage::all(db)?;
    all.truncate(MAX_LOST_RANGES);
    Ok((all, damage::sum(db)?))
}
