//! One hunt through the rings, slice by slice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};
use weir_flow::{FlowRecord, Kind, TenantId};
use weir_store::{Order, Page, Query, Reader};

use super::budget::Budget;
use super::position::{At, Position};
use super::rings::Ring;
use super::seen::Seen;
use super::sighting::{Original, matches, sighting, summary};
use super::slices::{Slice, Slices};
use super::worker::{Halt, Hunt, Worker};

/// Sightings of one hunt in one ring: an indicator that matches everything must not drive the flows out of their ring.
pub const MAX_SIGHTINGS: u64 = 100_000;
/// Sightings after which a slice ends with its block: they wait for the store in memory.
const SLICE_SIGHTINGS: usize = 4_096;
/// How often the position is written when nothing is found: what is read again after a crash against what the flash bears.
const KEEP: Duration = Duration::from_secs(30);
/// Sightings that are read at a time.
const SEEN_ROWS: usize = 1_000;
/// For reading these: as long as a slice, and longer where that is too short to get on.
const SEEN_SLICE: Duration = Duration::from_millis(50);
const SEEN_LONGEST: Duration = Duration::from_secs(5);

/// A hunt that runs.
pub(super) struct Pursuit<'a> {
    worker: &'a Worker,
    reader: &'a Reader,
    hunt: &'a mut Hunt,
    slices: Slices,
    budget: Budget,
    kept: Instant,
    /// Rows of the rings that are behind.
    scanned: u64,
    /// Most sightings in a ring.
    limit: u64,
    sightings: u64,
    suppressed: u64,
    damaged: u64,
    began: Instant,
}

impl<'a> Pursuit<'a> {
    /// Begins, or goes on, with `hunt` in `rings`.
    pub(super) fn begin(worker: &'a Worker, reader: &'a Reader, hunt: &'a mut Hunt, rings: &[Ring]) -> Self {
        let total: u64 = rings.iter().map(|ring| ring.rows.end - ring.rows.start).sum();
        let mut pursuit = Self {
            slices: Slices::new(&hunt.index, worker.slice, worker.clock),
            budget: Budget::new(worker.config.cpu_percent, worker.clock),
            kept: worker.clock.monotonic(),
            scanned: 0,
            limit: worker.max_sightings,
            sightings: 0,
            suppressed: 0,
            damaged: 0,
            began: worker.clock.monotonic(),
            worker,
            reader,
            hunt,
        };
        pursuit.refresh();
        let (indicators, goes_on) = (pursuit.hunt.index.len(), pursuit.hunt.at.is_some());
        if total > 0 {
            info!(indicators, rows = total, goes_on, "hunting new indicators in what is stored");
        }
        worker.hunting.update(|report| {
            (report.running, report.indicators) = (true, indicators);
            (report.rows_scanned, report.rows_total) = (0, total);
            (report.sightings, report.suppressed, report.damaged) = (0, 0, 0);
            report.trouble.clear();
        });
        pursuit
    }

    /// Looks through a ring, unless that has been done.
    pub(super) fn ring(&mut self, ring: &Ring) -> Result<(), Halt> {
        let rows = ring.rows.end - ring.rows.start;
        if let Some(at) = ring.resume(self.hunt.at.as_ref()) {
            self.through(ring, at)?;
        }
        self.scanned += rows;
        Ok(())
    }

    fn through(&mut self, ring: &Ring, mut at: At) -> Result<(), Halt> {
        let (sightings, suppressed) = (self.sightings, self.suppressed);
        self.slices.begin_ring();
        let mut seen = self.seen(ring, at.below)?;
        while at.below > ring.rows.start && !self.hunt.index.is_empty() {
            if at.below <= seen.floor() {
                seen = self.seen(ring, at.below)?;
            }
            let (found, next) = self.slice(ring, &at, &seen)?;
            at = next;
            (self.sightings, self.suppressed) = (sightings + at.sightings, suppressed + at.suppressed);
            self.keep(ring, found, &at)?;
            self.publish(ring.rows.end - at.below.clamp(ring.rows.start, ring.rows.end));
            self.pause()?;
            self.refresh();
        }
        self.close(ring, at)
    }

    /// Looks at some rows; answers what was found, and where to go on.
    fn slice(&mut self, ring: &Ring, at: &At, seen: &Seen) -> Result<(Vec<FlowRecord>, At), Halt> {
        let knowledge = self.worker.knowledge.current();
        let (index, since, limit) = (Arc::clone(&self.hunt.index), self.hunt.since, self.limit);
        let rows = ring.rows.start.max(seen.floor())..at.below;
        let (mut found, mut next) = (Vec::new(), at.clone());
        let take = |row, processed_at, record: &FlowRecord| {
            let matches = matches(&index, record, |indicator| seen.has(row, indicator));
            if matches.is_empty() {
                return true;
            }
            if next.sightings >= limit {
                next.suppressed += 1;
                return true;
            }
            next.sightings += 1;
            let original = Original { ring_id: &ring.ring_id, row, processed_at, added: since };
            found.push(sighting(record, matches, original, &knowledge.risk));
            found.len() < SLICE_SIGHTINGS
        };
        let Slice { down_to, damaged } = self.slices.next(self.reader, &ring.tenant, rows, take)?;
        self.damaged += damaged;
        next.below = down_to;
        Ok((found, next))
    }

    /// Sends what was found, and now and then the position alone.
    fn keep(&mut self, ring: &Ring, found: Vec<FlowRecord>, at: &At) -> Result<(), Halt> {
        let now = self.worker.clock.monotonic();
        if !found.is_empty() || now.saturating_duration_since(self.kept) >= KEEP {
            self.send(&ring.tenant, found, at)?;
        }
        self.hunt.at = Some(at.clone());
        Ok(())
    }

    fn send(&mut self, tenant: &TenantId, records: Vec<FlowRecord>, at: &At) -> Result<(), Halt> {
        self.kept = self.worker.clock.monotonic();
        let position = Position::hunting(&self.hunt.digest, self.hunt.since, Some(at.clone()));
        self.worker.send(tenant, records, &position)
    }

    /// Ends a ring: tells of what was too much.
    fn close(&mut self, ring: &Ring, at: At) -> Result<(), Halt> {
        let at = At { below: ring.rows.start, ..at };
        if at.suppressed > 0 {
            let (count, limit, tenant) = (at.suppressed, self.limit, ring.tenant.as_str());
            warn!(
                tenant,
                suppressed = count,
                limit,
                "new indicators match too much: the rest is only counted"
            );
            let now = self.worker.clock.now();
            let told = summary(count, limit, self.hunt.since, now);
            // From here on nothing of this ring is suppressed any more: the record is there once.
            let at = At { suppressed: 0, ..at.clone() };
            self.send(&ring.tenant, vec![told], &at)?;
            self.hunt.at = Some(at);
            return Ok(());
        }
        self.hunt.at = Some(at);
        Ok(())
    }

    /// All rings have been looked through.
    pub(super) fn end(self) {
        let Self { worker, scanned, sightings, suppressed, damaged, began, .. } = self;
        let (now, cpu) = (worker.clock.now(), worker.clock.thread_cpu());
        let seconds = worker.clock.monotonic().saturating_duration_since(began).as_secs();
        worker.hunting.update(|report| {
            (report.running, report.rows_scanned, report.cpu) = (false, report.rows_total, cpu);
            if scanned > 0 {
                report.last_finished_at = Some(now);
            }
        });
        if scanned > 0 {
            info!(rows = scanned, sightings, suppressed, seconds, "the hunt for new indicators has ended");
        }
        if damaged > 0 {
            warn!(blocks = damaged, "the hunt passed damaged blocks by; `weir store check` tells which");
        }
    }

    /// What the ring holds of sightings of its rows below `below`.
    fn seen(&mut self, ring: &Ring, below: u64) -> Result<Seen, Halt> {
        let mut seen = Seen::new(&ring.ring_id, below);
        let query = Query { kind: vec![Kind::Sighting], ..Query::default() };
        let (mut after, mut patience) = (None, SEEN_SLICE);
        loop {
            let deadline = self.worker.clock.monotonic() + patience;
            let page = Page { limit: SEEN_ROWS, order: Order::NewestFirst, after, deadline };
            let found = self.reader.search(&ring.tenant, &query, &page)?;
            found.rows.iter().for_each(|row| seen.add(row));
            let reached = if found.progress.complete {
                found.next
            } else {
                found.progress.scanned_to_row.or(found.next).or(after)
            };
            if found.progress.complete && reached.is_none() {
                break;
            }
            patience = if reached == after { (patience * 2).min(SEEN_LONGEST) } else { SEEN_SLICE };
            after = reached;
            self.pause()?;
        }
        seen.close();
        Ok(seen)
    }

    /// Rests as long as the budget asks for. Nothing of the store is held meanwhile.
    fn pause(&mut self) -> Result<(), Halt> {
        let cpu = self.worker.clock.thread_cpu();
        self.worker.hunting.update(|report| report.cpu = cpu);
        if self.worker.stop.wait(self.budget.rest()) {
            return Err(Halt::Stop);
        }
        self.budget.begin();
        Ok(())
    }

    /// Leaves out what is in no list any more.
    fn refresh(&mut self) {
        let now = self.worker.knowledge.current().indicators.index();
        if !self.hunt.compared.as_ref().is_some_and(|compared| Arc::ptr_eq(compared, &now)) {
            self.hunt.index = now.left(&self.hunt.index);
            self.slices = Slices::new(&self.hunt.index, self.worker.slice, self.worker.clock);
            self.hunt.compared = Some(now);
        }
    }

    fn publish(&self, scanned: u64) {
        self.worker.hunting.update(|report| {
            report.rows_scanned = (self.scanned + scanned).min(report.rows_total);
            (report.sightings, report.suppressed) = (self.sightings, self.suppressed);
            report.damaged = self.damaged;
        });
    }
}
