//! What the file says of itself is made to agree: at every start by the heads of the blocks alone, after an end that was not in
//! order with the newest data too, and in a repair with all of it.
//!
//! What cannot be read is set aside (`damage.rs`), what follows from the rest is computed again. First everything is looked
//! at, then it is changed in one transaction, and told.

mod again;
pub(crate) mod derived;
mod survey;
mod tail;

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use weir_flow::Timestamp;

use crate::MaxRecordBytes;
use crate::damage::{self, Fault, LostRows, MAX_LOST_RANGES};
use crate::error::{Doing, Error};
use crate::inspect::Inspector;
use crate::ring::{Ring, first_row_of};
use crate::seal::Tools;
use derived::Derived;
use survey::Survey;

/// Octets of blocks that are unpacked after an end that was not in order: what can be torn is what was written since the log was
/// last copied into the file, 4 MiB at most. More of it catches flash that loses what it had confirmed, and takes a gateway
/// two seconds.
const NEWEST_BYTES: u64 = 64 << 20;
/// The same for each ring, where there are many: all of it may have been in the log.
const NEWEST_BYTES_OF_RING: u64 = 4 << 20;
/// Corrections that are told at most.
const MAX_CORRECTIONS: usize = 100;

/// What was found and put in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Rows that are gone since now; at most [`MAX_LOST_RANGES`] ranges.
    pub lost: Vec<LostRows>,
    /// How many rows that are in all.
    pub lost_rows: u64,
    /// What was computed again, in words; at most a hundred.
    pub corrections: Vec<String>,
}

impl Mended {
    /// True when everything was in order.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.lost.is_empty() && self.corrections.is_empty()
    }

    pub(crate) fn correct(&mut self, text: String) {
        if self.corrections.len() < MAX_CORRECTIONS {
            self.corrections.push(text);
        }
    }

    fn lose(&mut self, ring: Option<&Ring>, tenant: &str, fault: &Fault, now_ms: i64) {
        self.lost_rows = self.lost_rows.saturating_add(fault.count);
        if self.lost.len() < MAX_LOST_RANGES {
            let first_row = first_row_of(fault.key);
            self.lost.push(LostRows {
                tenant: tenant.to_owned(),
                ring_id: ring.map(|ring| ring.ring_id.clone()).unwrap_or_default(),
                first_row,
                last_row: first_row.saturating_add(fault.count).saturating_sub(1),
                found_at: Timestamp::from_millis(now_ms),
                reason: fault.reason.clone(),
                kept: false,
            });
        }
    }
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The heads of all blocks.
    Heads,
    /// These, and the content of the newest and of the tail.
    Newest,
    /// The content of everything.
    All,
}

/// Puts the store behind `db` in order, whose writer the caller is.
///
/// # Errors
/// [`Error::Corrupt`] when SQLite cannot read the file, and what else the disk answers; nothing is changed then.
pub(crate) fn mend(db: &mut Connection, path: &Path, extent: Extent, now_ms: i64) -> Result<Mended, Error> {
    let mut inspector = Inspector::new(path)?;
    let rings = Ring::all(db).doing("read", path)?;
    let share = (NEWEST_BYTES / (rings.len() as u64).max(1)).max(NEWEST_BYTES_OF_RING);
    let mut surveys = Vec::new();
    for ring in rings {
        let survey = Survey::of(db, ring, extent, share, &mut inspector, path)?;
        if !survey.is_in_order() {
            surveys.push(survey);
        }
    }
    let strays = if extent == Extent::Heads { Vec::new() } else { survey::strays(db).doing("read", path)? };
    let mut done = Mended::default();
    if surveys.is_empty() && strays.is_empty() && extent != Extent::All {
        return Ok(done);
    }
    let mut tools = Tools::new(MaxRecordBytes::default()).doing("repair", path)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("repair", path)?;
    for survey in &surveys {
        survey.apply(&tx, &mut tools, now_ms, &mut done).doing("repair", path)?;
    }
    for fault in &strays {
        damage::set_aside(&tx, fault, now_ms).doing("repair", path)?;
        done.lose(None, "", fault, now_ms);
    }
    if extent == Extent::All {
        Derived::sweep(&tx, &mut done).doing("repair", path)?;
    }
    tx.commit().doing("repair", path)?;
    Ok(done)
}
