//! What is wrong with one ring, found without changing it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;

use super::derived::Derived;
use super::tail::Loose;
use super::{Extent, Mended};
use crate::damage::{self, Fault, missing, uncovered};
use crate::error::{Doing, Error};
use crate::inspect::{Depth, Head, Inspector, Verdict, heads};
use crate::ring::{Ring, first_row_of, signed};
use crate::seal::Tools;
use crate::tail::Tail;

/// Why rows are lost that no block holds.
const MISSING: &str = "the block that held them is missing";

/// A ring, and what has to be done with it.
pub(super) struct Survey {
    ring: Ring,
    tenant: String,
    faults: Vec<Fault>,
    /// Bytes of all its blocks, those at fault among them.
    bytes: u64,
    next_row: u64,
    processed_at: i64,
    derived: Derived,
    /// The tail has rows, which begin where the ring says.
    is_followed: bool,
    /// Blocks at places that belong to the tail; where they should be is a gap.
    astray: Vec<i64>,
    loose: Option<Loose>,
}

/// What a first look at the heads gives.
#[derive(Default)]
struct Look {
    /// Blocks that may be to blame for what does not agree.
    suspects: BTreeSet<i64>,
    /// Blocks that are where another one's rows are, and leave a gap where theirs should be.
    moved: BTreeSet<i64>,
    bytes: u64,
    last: Option<Head>,
    broken: bool,
}

impl Survey {
    pub(super) fn of(
        db: &Connection,
        ring: Ring,
        extent: Extent,
        share: u64,
        inspector: &mut Inspector,
        path: &Path,
    ) -> Result<Self, Error> {
        let known = damage::ranges(db, &ring).doing("read", path)?;
        let tail = Tail::heads(db, &ring).doing("read", path)?;
        let is_torn = tail.as_ref().is_some_and(|tail| tail.is_torn);
        let is_followed = tail.is_some_and(|tail| !tail.blocks.is_empty());
        let look = Look::at(db, &ring, &known, is_followed).doing("read", path)?;
        let depth = if extent == Extent::All { Depth::Rows } else { Depth::Checksum };
        let wanted = wanted(db, &ring, extent, share, &look.suspects).doing("read", path)?;
        let (bad, derived) = look.unpacked(db, &wanted, depth, inspector, path)?;
        let tenant = tenant_of(db, &ring).doing("read", path)?;
        let mut survey = Self {
            tenant,
            faults: Vec::new(),
            bytes: look.bytes,
            next_row: ring.next_row,
            processed_at: ring.processed_at.max(look.last.map_or(i64::MIN, |last| last.processed_at)),
            derived,
            is_followed,
            astray: Vec::new(),
            loose: None,
            ring,
        };
        if look.broken || !bad.is_empty() {
            survey.place_faults(db, &known, &bad).doing("read", path)?;
        }
        if extent != Extent::Heads || is_torn {
            let ring = Ring { next_row: survey.next_row, ..survey.ring.clone() };
            survey.loose = Loose::of(db, &ring, depth, inspector, path)?;
        }
        if extent == Extent::All {
            let lossy = !known.is_empty() || !survey.faults.is_empty() || survey.loose.is_some();
            survey.derived.minutes_of(db, &survey.ring, lossy).doing("read", path)?;
        }
        Ok(survey)
    }

    /// Which rows are gone with what is `bad`, and which have no block.
    fn place_faults(
        &mut self,
        db: &Connection,
        known: &[(u64, u64)],
        bad: &BTreeMap<i64, String>,
    ) -> rusqlite::Result<()> {
        let (mut expected, mut open): (Option<u64>, Option<(i64, String)>) = (None, None);
        let Self { ring, faults, next_row, astray, is_followed, .. } = self;
        heads(db, ring.keys(), false, |head| {
            let first = head.first_row();
            if *is_followed && first >= ring.next_row {
                astray.push(head.key);
                return true;
            }
            if let Some((key, reason)) = open.take() {
                let count = first.saturating_sub(first_row_of(key)).max(1);
                faults.push(Fault { key, count, reason });
                expected = Some(first);
            }
            let from = expected.unwrap_or(first);
            faults.extend(uncovered(known, from, first).into_iter().map(|gap| missing(ring, gap, MISSING)));
            let overlap = (first < from).then(|| "rows that the block before it has too".to_owned());
            match (bad.get(&head.key).cloned().or(overlap), head.end()) {
                (None, Some(end)) => expected = Some(end),
                (reason, _) => open = Some((head.key, reason.unwrap_or_default())),
            }
            true
        })?;
        if let Some((key, reason)) = open {
            let first = first_row_of(key);
            let end = (*next_row).max(first.saturating_add(1));
            faults.push(Fault { key, count: end - first, reason });
            expected = Some(end);
        }
        if let Some(end) = expected {
            let gaps = uncovered(known, end, *next_row);
            faults.extend(gaps.into_iter().map(|gap| missing(ring, gap, MISSING)));
            *next_row = (*next_row).max(end);
        }
        Ok(())
    }

    pub(super) fn is_in_order(&self) -> bool {
        let Self { ring, faults, bytes, next_row, processed_at, derived, loose, .. } = self;
        let is_same = (ring.bytes, ring.next_row, ring.processed_at) == (*bytes, *next_row, *processed_at);
        faults.is_empty() && loose.is_none() && derived.is_empty() && is_same
    }

    /// Changes what was found. The ring's row is last: with it a tail whose blocks were moved is empty.
    pub(super) fn apply(
        &self,
        db: &Connection,
        tools: &mut Tools,
        now_ms: i64,
        done: &mut Mended,
    ) -> rusqlite::Result<()> {
        let mut ring = Ring { next_row: self.next_row, processed_at: self.processed_at, ..self.ring.clone() };
        for fault in &self.faults {
            damage::set_aside(db, fault, now_ms)?;
            done.lose(Some(&ring), &self.tenant, fault, now_ms);
        }
        for key in &self.astray {
            damage::remove(db, *key)?;
        }
        let corrected = [
            (self.ring.next_row != self.next_row, "its newest row"),
            (self.ring.processed_at != self.processed_at, "when its newest row was stored"),
            (self.ring.bytes != self.bytes, "the bytes of its blocks"),
        ];
        for (_, what) in corrected.into_iter().filter(|(differs, _)| *differs) {
            done.correct(format!("ring of tenant {}: {what}", self.tenant));
        }
        // Before the tail, which adds to the minutes.
        self.derived.apply(db, &ring, &self.tenant, tools, done)?;
        if let Some(loose) = &self.loose {
            for fault in loose.apply(db, &mut ring, tools)? {
                damage::set_aside(db, &fault, now_ms)?;
                done.lose(Some(&ring), &self.tenant, &fault, now_ms);
            }
            done.correct(format!("tail of tenant {}: its blocks were moved", self.tenant));
        }
        ring.bytes = bytes_of(db, &ring)?;
        ring.save(db)
    }
}

impl Look {
    /// Unpacks what is `wanted`: which blocks cannot be read, or are where they should not be, and what disagrees with the others.
    fn unpacked(
        &self,
        db: &Connection,
        wanted: &[Head],
        depth: Depth,
        inspector: &mut Inspector,
        path: &Path,
    ) -> Result<(BTreeMap<i64, String>, Derived), Error> {
        let moved = "rows that the block after it has too";
        let mut bad: BTreeMap<_, _> = self.moved.iter().map(|key| (*key, moved.to_owned())).collect();
        let mut derived = Derived::default();
        for head in wanted {
            match inspector.look(db, head, depth, path)? {
                Verdict::Bad(reason) => drop(bad.insert(head.key, reason)),
                Verdict::Sound(_) if bad.contains_key(&head.key) => {}
                Verdict::Sound(seen) if depth == Depth::Rows => {
                    derived.compare(db, head, &seen).doing("read", path)?;
                }
                Verdict::Sound(_) => derived.stale_by_count(head),
                Verdict::Gone => {}
            }
        }
        Ok((bad, derived))
    }

    /// By the heads alone: rows follow each other up to the ring's next, but for those that are `known` to be lost.
    /// A ring that `is_followed` by its tail ends where that begins.
    fn at(db: &Connection, ring: &Ring, known: &[(u64, u64)], is_followed: bool) -> rusqlite::Result<Self> {
        let mut look = Self::default();
        let mut after_gap = false;
        heads(db, ring.keys(), false, |head| {
            look.bytes += head.bytes;
            let expected = look.last.and_then(|last| last.end());
            let follows = match (look.last, expected) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(_), Some(end)) => {
                    end <= head.first_row() && uncovered(known, end, head.first_row()).is_empty()
                }
            };
            if !follows || head.end().is_none() || head.first_row() == 0 {
                look.suspects.extend(look.last.iter().map(|last| last.key).chain([head.key]));
                look.broken = true;
            }
            let overlaps = expected.is_some_and(|end| end > head.first_row());
            if overlaps && after_gap {
                look.moved.extend(look.last.iter().map(|last| last.key));
            }
            after_gap = !follows && !overlaps;
            if head.summary.is_some_and(|rows| head.rows().map(signed) != Some(rows)) {
                look.suspects.insert(head.key);
            }
            look.last = Some(head);
            true
        })?;
        if let Some(last) = look.last {
            let end = last.end().unwrap_or(u64::MAX);
            if end > ring.next_row || !uncovered(known, end, ring.next_row).is_empty() {
                look.suspects.insert(last.key);
                look.broken = true;
            }
            if is_followed && end > ring.next_row {
                look.moved.insert(last.key);
            }
        }
        Ok(look)
    }
}

/// The heads of the blocks that are to be unpacked, the newest among them up to `share` octets.
fn wanted(
    db: &Connection,
    ring: &Ring,
    extent: Extent,
    share: u64,
    suspects: &BTreeSet<i64>,
) -> rusqlite::Result<Vec<Head>> {
    let (mut wanted, mut bytes) = (Vec::new(), 0_u64);
    if extent == Extent::Heads && suspects.is_empty() {
        return Ok(wanted);
    }
    heads(db, ring.keys(), true, |head| {
        let is_new = extent == Extent::All || (extent == Extent::Newest && bytes < share);
        bytes = bytes.saturating_add(head.bytes);
        if is_new || suspects.contains(&head.key) {
            wanted.push(head);
        }
        is_new || !suspects.is_empty()
    })?;
    Ok(wanted)
}

/// Blocks that belong to no ring.
pub(super) fn strays(db: &Connection) -> rusqlite::Result<Vec<Fault>> {
    let mut statement = db.prepare(
        "SELECT block, max(count, 1) FROM block WHERE (block >> 48) NOT IN (SELECT ring FROM ring)",
    )?;
    let rows = statement.query_map([], |row| {
        let count: i64 = row.get(1)?;
        Ok(Fault { key: row.get(0)?, count: count.unsigned_abs(), reason: "a block of no ring".to_owned() })
    })?;
    rows.collect()
}

fn tenant_of(db: &Connection, ring: &Ring) -> rusqlite::Result<String> {
    db.prepare_cached("SELECT tenant FROM ring WHERE ring = ?1")?.query_row([ring.ring], |row| row.get(0))
}

/// Bytes of the blocks of `ring`.
pub(crate) fn bytes_of(db: &Connection, ring: &Ring) -> rusqlite::Result<u64> {
    let (low, high) = ring.keys();
    db.prepare_cached("SELECT coalesce(sum(length(data)), 0) FROM block WHERE block BETWEEN ?1 AND ?2")?
        .query_row([low, high], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}
