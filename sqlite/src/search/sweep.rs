//! Going over a ring from block to block: what can be passed by is, what cannot is copied, unpacked and narrowed.
//!
//! What a ring consists of is looked at once, at the begin: the tail is held from then on, and sealed blocks are those that there
//! were. No transaction is open while a block is unpacked or handed over.

use std::ops::Range;
use std::time::Instant;

use rusqlite::OptionalExtension;
use weir_flow::{TenantId, Timestamp};

use super::heads::{Head, Heads, State};
use super::matched::Matched;
use super::plan::{Frontier, Plan, Stretch, named_rows, places};
use super::snapshot::{Snapshot, oldest};
use super::{Progress, Query};
use crate::block::{Damage, Decoder, Packed, Rows};
use crate::error::{Doing, Error};
use crate::ring::{Ring, first_row_of, unsigned};
use crate::{Order, Reader};

/// Where to look, and for how long.
#[derive(Clone, Debug)]
pub struct Span {
    /// In which order blocks are looked at.
    pub order: Order,
    /// Only rows below this one when the newest come first, else above it.
    pub after: Option<u64>,
    /// Only rows that were stored from the first instant up to and without the second; milliseconds count.
    pub stored: Option<Range<Timestamp>>,
    /// When to give up.
    pub deadline: Instant,
}

/// How a sweep ended.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) progress: Progress,
    /// From where another can go on; none when nothing can follow.
    pub(super) next: Option<u64>,
}

/// What is done with the rows of a block: the last row that was taken, when no more are wanted.
pub(super) type Take<'t> = dyn FnMut(&Matched<'_>) -> Result<Option<u64>, Damage> + 't;

pub(super) struct Sweep<'r, 't> {
    reader: &'r Reader,
    query: &'r Query,
    span: &'r Span,
    plan: Plan,
    decoder: Decoder,
    copy: Vec<u8>,
    /// Rows that are named one by one.
    named: Option<Vec<u64>>,
    ring_id: String,
    progress: Progress,
    take: &'t mut Take<'t>,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// The time is over.
    Late,
    /// Nothing behind it can fit.
    Through,
    /// No row after this one is wanted.
    Full(u64),
}

/// Looks at the ring of `tenant`, and hands what fits to `take`.
pub(super) fn sweep<'r, 't>(
    reader: &'r Reader,
    tenant: &TenantId,
    query: &'r Query,
    span: &'r Span,
    take: &'t mut Take<'t>,
) -> Result<Outcome, Error> {
    let nothing = || Outcome { progress: Progress { complete: true, ..Progress::default() }, next: None };
    let Some(snapshot) = Snapshot::load(&reader.db, tenant).doing("read", &reader.path)? else {
        return Ok(nothing());
    };
    let named = named_rows(query, &snapshot.ring.ring_id);
    let frontier = snapshot.frontier(query, span, named.as_deref());
    let plan = Plan::new(query);
    if plan.is_void || frontier.is_empty() {
        return Ok(nothing());
    }
    let ring_id = snapshot.ring.ring_id.clone();
    let decoder = Decoder::new().doing("read", &reader.path)?;
    let (progress, copy) = (Progress::default(), Vec::new());
    let mut sweep = Sweep { reader, query, span, plan, decoder, copy, named, ring_id, progress, take };
    let flow = sweep.run(&snapshot, frontier)?;
    Ok(sweep.outcome(flow, frontier))
}

impl Sweep<'_, '_> {
    fn run(&mut self, snapshot: &Snapshot, frontier: Frontier) -> Result<Flow, Error> {
        let sealed_end = snapshot.ring.next_row.saturating_sub(1);
        let sealed = Frontier { high: frontier.high.min(sealed_end), ..frontier };
        let flow = if frontier.is_descending {
            self.tail(snapshot, frontier)
        } else {
            self.sealed(snapshot, sealed)?
        };
        match flow {
            Flow::On if frontier.is_descending => self.sealed(snapshot, sealed),
            Flow::On => Ok(self.tail(snapshot, frontier)),
            end => Ok(end),
        }
    }

    fn tail(&mut self, snapshot: &Snapshot, frontier: Frontier) -> Flow {
        let blocks = snapshot.tail.blocks();
        for at in 0..blocks.len() {
            let at = if frontier.is_descending { blocks.len() - 1 - at } else { at };
            let Some(fresh) = blocks.get(at) else { break };
            let Some(rows) = frontier.clip((fresh.block.first_row, fresh.block.end() - 1)) else { continue };
            if self.is_late() {
                return Flow::Late;
            }
            self.progress.blocks += 1;
            let stored = fresh.block.processed_at;
            let is_open = self.plan.admits_starts(fresh.starts) && self.is_stored_within((stored, stored));
            let flow = if is_open {
                let packed = snapshot.tail.packed(fresh);
                self.look(rows, fresh.block.first_row, packed)
            } else {
                Flow::On
            };
            if flow != Flow::On {
                return flow;
            }
            self.reach(rows, (stored, stored));
        }
        Flow::On
    }

    fn sealed(&mut self, snapshot: &Snapshot, mut left: Frontier) -> Result<Flow, Error> {
        let reader = self.reader;
        while !left.is_empty() {
            if self.is_late() {
                return Ok(Flow::Late);
            }
            let batch = Heads { reader, ring: &snapshot.ring, plan: &self.plan }.batch(left)?;
            for head in batch {
                let flow = self.head(&snapshot.ring, &head)?;
                if flow != Flow::On {
                    return Ok(flow);
                }
                left.pass(head.rows);
            }
        }
        Ok(Flow::On)
    }

    fn head(&mut self, ring: &Ring, head: &Head) -> Result<Flow, Error> {
        let Some(stored) = head.stored else {
            self.lose(ring, head.rows)?;
            return Ok(Flow::On);
        };
        if self.is_beyond(stored) {
            return Ok(Flow::Through);
        }
        if head.state == State::Open && self.is_stored_within(stored) && self.names_one_of(head.rows) {
            if self.is_late() {
                return Ok(Flow::Late);
            }
            let flow = self.read(ring, head)?;
            if flow != Flow::On {
                self.progress.blocks += 1;
                return Ok(flow);
            }
        }
        self.progress.blocks += 1;
        self.reach(head.rows, stored);
        Ok(Flow::On)
    }

    /// Reads a sealed block and looks at it.
    fn read(&mut self, ring: &Ring, head: &Head) -> Result<Flow, Error> {
        let mut copy = std::mem::take(&mut self.copy);
        let flow = match self.copied(head.key, &mut copy) {
            Ok(Some((encoding, raw_bytes, rows))) => {
                let packed = Packed { encoding, raw_bytes, rows, data: &copy };
                self.look(head.rows, first_row_of(head.key), packed)
            }
            Ok(None) | Err(Error::Corrupt { .. }) => {
                self.lose(ring, head.rows)?;
                Flow::On
            }
            Err(error) => return Err(error),
        };
        self.copy = copy;
        Ok(flow)
    }

    /// Encoding, length and rows of a block, its data in `copy`.
    fn copied(&self, key: i64, copy: &mut Vec<u8>) -> Result<Option<(u8, u64, u64)>, Error> {
        let sql = "SELECT encoding, raw_bytes, count, data FROM block WHERE block = ?1";
        let mut read = || {
            let mut statement = self.reader.db.prepare_cached(sql)?;
            let found = statement.query_row([key], |row| {
                copy.clear();
                copy.extend_from_slice(row.get_ref(3)?.as_blob()?);
                Ok((row.get(0)?, unsigned(row, 1)?, unsigned(row, 2)?))
            });
            found.optional()
        };
        read().doing("read", &self.reader.path)
    }

    /// Unpacks a block and hands over what fits of `rows`. A block that is damaged is told of.
    fn look(&mut self, rows: Stretch, first_row: u64, packed: Packed<'_>) -> Flow {
        self.progress.blocks_read += 1;
        let Self { decoder, query, span, ring_id, take, progress, named, .. } = self;
        let mut found = || {
            let scan = &decoder.scan(packed)?;
            let end = rows.1.saturating_add(1);
            let mut matched = Matched { scan, rows: Rows::none(), first_row, end, ring_id };
            let places = places(rows, first_row);
            matched.rows = Rows::of(places.start..places.end.min(scan.count()));
            if let Some(named) = named {
                matched.rows.retain(|place| named.binary_search(&(first_row + place as u64)).is_ok());
            }
            scan.narrow(query, &mut matched.rows)?;
            if let Some(stored) = &span.stored {
                matched.keep_stored(stored);
            }
            let last = if matched.rows.is_empty() { None } else { take(&matched)? };
            Ok(last.map(|last| {
                progress.scanned_to_row = Some(last);
                progress.scanned_to = Some(matched.stored_at(matched.place(last)));
                Flow::Full(last)
            }))
        };
        match found() {
            Ok(flow) => flow.unwrap_or(Flow::On),
            Err::<_, Damage>(_) => {
                self.add_damage(rows);
                Flow::On
            }
        }
    }

    /// Rows that are not there: they were trimmed since the sweep began, or are lost.
    fn lose(&mut self, ring: &Ring, (first, last): Stretch) -> Result<(), Error> {
        let oldest = oldest(&self.reader.db, ring).doing("read", &self.reader.path)?;
        if last >= oldest {
            self.add_damage((first.max(oldest), last));
        }
        Ok(())
    }

    fn add_damage(&mut self, (first, last): Stretch) {
        let joins = |range: &std::ops::RangeInclusive<u64>| {
            range.end().saturating_add(1) == first || last.saturating_add(1) == *range.start()
        };
        match self.progress.damaged.last_mut() {
            Some(range) if joins(range) => *range = first.min(*range.start())..=last.max(*range.end()),
            _ => self.progress.damaged.push(first..=last),
        }
    }

    /// Says that `rows` were looked at.
    fn reach(&mut self, rows: Stretch, stored: (i64, i64)) {
        let is_descending = self.span.order == Order::NewestFirst;
        self.progress.scanned_to_row = Some(if is_descending { rows.0 } else { rows.1 });
        let at = if is_descending && stored.0 != i64::MIN { stored.0 } else { stored.1 };
        self.progress.scanned_to = Some(Timestamp::from_millis(at));
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.span.deadline
    }

    fn is_stored_within(&self, (first, last): (i64, i64)) -> bool {
        let Some(stored) = &self.span.stored else { return true };
        last >= stored.start.millis() && first < stored.end.millis()
    }

    /// True when no row behind these was stored in time, since that never decreases.
    fn is_beyond(&self, (first, last): (i64, i64)) -> bool {
        let Some(stored) = &self.span.stored else { return false };
        match self.span.order {
            Order::NewestFirst => last < stored.start.millis(),
            Order::OldestFirst => first >= stored.end.millis(),
        }
    }

    fn names_one_of(&self, (first, last): Stretch) -> bool {
        let Some(named) = &self.named else { return true };
        let at = named.partition_point(|&row| row < first);
        named.get(at).is_some_and(|&row| row <= last)
    }

    fn outcome(mut self, flow: Flow, frontier: Frontier) -> Outcome {
        self.progress.complete = flow != Flow::Late;
        let next = match flow {
            Flow::Late => {
                let start =
                    if frontier.is_descending { frontier.high.saturating_add(1) } else { frontier.low - 1 };
                Some(self.progress.scanned_to_row.unwrap_or(start))
            }
            Flow::Full(last) => {
                let is_more = if frontier.is_descending { last > frontier.low } else { last < frontier.high };
                is_more.then_some(last)
            }
            Flow::On | Flow::Through => None,
        };
        Outcome { progress: self.progress, next }
    }
}
