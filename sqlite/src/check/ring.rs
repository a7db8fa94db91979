//! The check of one ring.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::CheckReport;
use crate::MinuteTotal;
use crate::damage::{ranges, uncovered};
use crate::error::{Doing, Error};
use crate::inspect::{Depth, Head, Inspector, Seen, Verdict, add_minutes, heads};
use crate::mend::derived::{agrees, summary_agrees};
use crate::minute::minute_of;
use crate::ring::Ring;
use crate::tail::{TORN, Tail};

/// A ring as one transaction saw it.
struct Snapshot {
    ring: Ring,
    heads: Vec<Head>,
    /// First row, and row after the last, of what is known to be lost.
    lost: Vec<(u64, u64)>,
    minutes: Vec<MinuteTotal>,
    tail: Tail,
}

/// What is known after the blocks were read.
#[derive(Default)]
struct Sums {
    minutes: BTreeMap<i64, MinuteTotal>,
    /// Blocks that were trimmed meanwhile, or cannot be read.
    unread: u64,
    processed_at: Option<i64>,
}

/// Checks the ring that `ring` was read of, as it is now.
pub(super) fn check(
    db: &Connection,
    ring: &Ring,
    inspector: &mut Inspector,
    path: &Path,
    report: &mut CheckReport,
) -> Result<(), Error> {
    let Some(snapshot) = Snapshot::take(db, ring).doing("read", path)? else { return Ok(()) };
    let name = snapshot.ring.ring_id.clone();
    let mut problems = Vec::new();
    snapshot.contiguous(&mut problems);
    let mut sums = Sums::default();
    for head in &snapshot.heads {
        report.blocks += 1;
        report.bytes += head.bytes;
        if head.summary.is_none() {
            report.without_summary += 1;
            problems.push(format!("row {}: its block has no summary", head.first_row()));
        }
        match inspector.look(db, head, Depth::Rows, path)? {
            Verdict::Sound(seen) => {
                report.rows += seen.rows;
                said_of(db, head, &seen, &mut problems).doing("read", path)?;
                sums.add(head, &seen, &mut problems);
            }
            Verdict::Bad(reason) => {
                sums.unread += 1;
                problems.push(format!("row {}: {reason}", head.first_row()));
            }
            Verdict::Gone => sums.unread += 1,
        }
    }
    snapshot.tail(inspector, report, &mut problems);
    snapshot.minutes(&sums, &mut problems);
    problems.into_iter().for_each(|problem| report.problem(format!("ring {name}: {problem}")));
    Ok(())
}

impl Snapshot {
    fn take(db: &Connection, ring: &Ring) -> rusqlite::Result<Option<Self>> {
        let tx = db.unchecked_transaction()?;
        let Some(ring) = Ring::all(&tx)?.into_iter().find(|now| now.ring == ring.ring) else {
            return Ok(None);
        };
        let mut all = Vec::new();
        heads(&tx, ring.keys(), false, |head| {
            all.push(head);
            true
        })?;
        let minutes = MinuteTotal::range(&tx, ring.ring, (i64::MIN, i64::MAX), u32::MAX)?;
        let (lost, tail) = (ranges(&tx, &ring)?, Tail::load(&tx, &ring)?);
        Ok(Some(Self { lost, minutes, tail, heads: all, ring }))
    }

    /// Rows follow each other, and bytes are those of the blocks.
    fn contiguous(&self, problems: &mut Vec<String>) {
        let (mut expected, mut bytes) = (None, 0);
        for head in &self.heads {
            let first = head.first_row();
            let from = expected.unwrap_or(first);
            let gaps = uncovered(&self.lost, from, first);
            if !gaps.is_empty() || first < from || first == 0 {
                problems.push(format!("rows before {first} are missing"));
            }
            expected = Some(head.end().unwrap_or(first));
            bytes += head.bytes;
        }
        let next = self.ring.next_row;
        if expected.is_some_and(|end| end > next || !uncovered(&self.lost, end, next).is_empty()) {
            problems.push("its newest rows are missing".to_owned());
        }
        if bytes != self.ring.bytes {
            problems.push(format!("{bytes} bytes where it counts {}", self.ring.bytes));
        }
        if self.heads.last().is_some_and(|last| last.processed_at > self.ring.processed_at) {
            problems.push("its newest row is later than it says".to_owned());
        }
    }

    fn tail(&self, inspector: &mut Inspector, report: &mut CheckReport, problems: &mut Vec<String>) {
        if self.tail.is_torn() {
            let last = self.tail.blocks().last().map_or(self.ring.next_row, |last| last.block.end());
            problems.push(format!("rows from {last} on: {TORN}"));
        }
        for fresh in self.tail.blocks() {
            let place = (fresh.block.first_row, fresh.block.processed_at);
            match inspector.unpack(self.tail.packed(fresh), place, Depth::Rows) {
                Verdict::Bad(reason) => problems.push(format!("row {}, in the tail: {reason}", place.0)),
                Verdict::Sound(seen) => {
                    report.rows += seen.rows;
                    report.tail_rows += seen.rows;
                    let sum = seen.minutes.values().next();
                    if fresh.starts != seen.starts || sum.is_none_or(|sum| !agrees(&fresh.total, sum, false))
                    {
                        problems.push(format!("row {}, in the tail: its head says other sums", place.0));
                    }
                }
                Verdict::Gone => {}
            }
        }
    }

    /// Minutes are the sums of their rows; those of the oldest block may count rows that were trimmed.
    fn minutes(&self, sums: &Sums, problems: &mut Vec<String>) {
        let oldest = self.heads.first().map_or(i64::MAX, |head| minute_of(head.processed_at));
        let lossy = !self.lost.is_empty() || sums.unread > 0;
        let mut left = sums.minutes.clone();
        for stored in &self.minutes {
            let agreed = match left.remove(&stored.minute) {
                Some(sum) => agrees(stored, &sum, lossy || stored.minute <= oldest),
                None => lossy && stored.minute >= oldest,
            };
            if !agreed {
                problems.push(format!("minute {}: its totals are not those of its rows", stored.minute));
            }
        }
        for minute in left.into_keys() {
            problems.push(format!("minute {minute}: its totals are missing"));
        }
    }
}

impl Sums {
    fn add(&mut self, head: &Head, seen: &Seen, problems: &mut Vec<String>) {
        let (first, last) = seen.processed_at;
        if self.processed_at.is_some_and(|before| first < before) || last != head.processed_at {
            problems.push(format!("row {} is out of order", head.first_row()));
        }
        self.processed_at = Some(last);
        add_minutes(&mut self.minutes, &seen.minutes);
    }
}

/// What is said of a block where it is not read.
fn said_of(db: &Connection, head: &Head, seen: &Seen, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    if head.starts != seen.starts {
        problems
            .push(format!("row {}: the starts of its block's flows are not as it says", head.first_row()));
    }
    if head.summary.is_some() && !summary_agrees(db, head.key, seen)? {
        // Trimmed since the block was copied.
        let is_there =
            db.query_row("SELECT EXISTS (SELECT 1 FROM block WHERE block = ?1)", [head.key], |row| {
                row.get::<_, bool>(0)
            })?;
        if is_there {
            problems.push(format!("row {}: the summary of its block is wrong", head.first_row()));
        }
    }
    Ok(())
}
