//! What the workers count, and the windows that are made of it once a second.
//!
//! Workers write atomics, a few times a second and never per packet; [`Sampler`], which `main` runs each second, turns
//! them into rates; the web side reads both. Nothing here is waited for by a worker.

mod collecting;
mod hunting;
mod point;
mod recent;
mod sampler;
#[cfg(test)]
pub(crate) mod testing;
mod zeek;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use weir_flow::{Batch, Timestamp};
use weir_store::{Committed, DeadLetterSum, Stats, Trimmed, Written};

use crate::link::LinkStats;
use crate::window::{Distinct, Percentiles};
pub use collecting::{Collecting, Listener, ListenerState};
pub use hunting::{Hunting, Report as HuntReport};
pub use point::{Point, State};
pub use recent::Recently;
pub use sampler::{Sampler, Windows};
pub use zeek::Following;

/// Counters of the whole agent since its start.
pub struct Metrics {
    /// When it started.
    pub started: Instant,
    /// Observation points, in the order in which they were made.
    pub points: Vec<Arc<Point>>,
    /// Links between workers, in the order of the data path.
    pub links: Vec<Arc<LinkStats>>,
    /// Collection from exporters.
    pub collecting: Arc<Collecting>,
    /// Following of Zeek's logs.
    pub following: Arc<Following>,
    /// The retro-hunt.
    pub hunting: Arc<Hunting>,
    threat_matches: AtomicU64,
    risk_sum: AtomicU64,
    risk_count: AtomicU64,
    sources: Mutex<Distinct>,
    store: StoreCounters,
    lag: Mutex<Percentiles>,
    ring: Mutex<Ring>,
    /// Rates and series.
    pub windows: Mutex<Windows>,
}

/// What the store thread counts.
#[derive(Default)]
struct StoreCounters {
    rows: AtomicU64,
    batches: AtomicU64,
    /// Records too large for a row and not kept as dead letters either.
    refused: AtomicU64,
    letters_added: AtomicU64,
    letters_replayed: AtomicU64,
    letters_expired: AtomicU64,
    /// Records that could not be stored at all: the disk was full until the end.
    lost: AtomicU64,
    /// Rows that could not be read any more.
    damaged: AtomicU64,
    trimmed_by_age: AtomicU64,
    trimmed_by_budget: AtomicU64,
}

/// The ring as the store thread last saw it.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// Rows, octets, oldest and newest row.
    pub stats: Option<Stats>,
    /// Dead letters, by tenant and destination.
    pub letters: Vec<DeadLetterSum>,
    /// What is wrong, and what to do; empty when it can write.
    pub trouble: String,
    /// Nothing can be stored at present; without it a trouble is one that the ring lives with.
    pub fails: bool,
    /// Rows that could not be read any more and were set aside, until trimming passes them.
    pub lost_rows: u64,
    /// Rows stay past their retention, since the clock cannot be believed.
    pub age_waits: bool,
    /// What the agent wrote to the device.
    pub written: Written,
    /// The same for each row of the last hour; none without rows, or where the kernel does not count.
    pub bytes_per_row: Option<f64>,
}

/// Sums that the store keeps, read at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Records stored.
    pub rows: u64,
    /// Batches stored.
    pub batches: u64,
    /// Records that an indicator matched.
    pub threat_matches: u64,
    /// Sum of all scores.
    pub risk_sum: u64,
    /// Records with a score.
    pub risk_count: u64,
    /// Records lost because they were too large for a row and there was no room for them as dead letters.
    pub refused: u64,
    /// Records that became dead letters.
    pub letters_added: u64,
    /// Dead letters that became rows.
    pub letters_replayed: u64,
    /// Dead letters removed for their age, or for newer ones.
    pub letters_expired: u64,
    /// Records lost because the disk was full until the end.
    pub lost: u64,
    /// Rows that could not be read any more when the ring was opened.
    pub damaged: u64,
    /// Rows trimmed by age.
    pub trimmed_by_age: u64,
    /// Rows trimmed by the byte budget.
    pub trimmed_by_budget: u64,
}

/// A guard that is there even after a panic elsewhere: counters do not break.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Counters of an agent with these observation points, links and listeners.
    #[must_use]
    pub fn new(
        started: Instant,
        points: Vec<Arc<Point>>,
        links: Vec<Arc<LinkStats>>,
        collecting: Arc<Collecting>,
    ) -> Self {
        Self {
            started,
            points,
            links,
            collecting,
            following: Arc::default(),
            hunting: Arc::default(),
            threat_matches: AtomicU64::new(0),
            risk_sum: AtomicU64::new(0),
            risk_count: AtomicU64::new(0),
            sources: Mutex::default(),
            store: StoreCounters::default(),
            lag: Mutex::default(),
            ring: Mutex::default(),
            windows: Mutex::default(),
        }
    }

    /// The same for an agent that follows logs, with their counters.
    #[must_use]
    pub fn with_following(self, following: Arc<Following>) -> Self {
        Self { following, ..self }
    }

    /// The same for an agent that hunts, with the figures of that.
    #[must_use]
    pub fn with_hunting(self, hunting: Arc<Hunting>) -> Self {
        Self { hunting, ..self }
    }

    /// Counts what the pipeline or a hunt found in a batch.
    pub fn enriched(&self, batch: &Batch) {
        let (mut threats, mut risk_sum, mut risk_count) = (0, 0, 0);
        let mut sources = held(&self.sources);
        for record in &batch.records {
            threats += u64::from(record.is_threat());
            if let Some(risk) = record.risk {
                risk_sum += u64::from(risk.score());
                risk_count += 1;
            }
            if let Some(source) = record.src_ip {
                sources.insert(&source);
            }
        }
        drop(sources);
        self.threat_matches.fetch_add(threats, Ordering::Relaxed);
        self.risk_sum.fetch_add(risk_sum, Ordering::Relaxed);
        self.risk_count.fetch_add(risk_count, Ordering::Relaxed);
    }

    /// Counts a commit of `batches` at `now`.
    pub fn committed(&self, done: &Committed, batches: &[Batch], now: Timestamp) {
        self.store.rows.fetch_add(done.rows, Ordering::Relaxed);
        self.store.refused.fetch_add(done.lost, Ordering::Relaxed);
        self.store.letters_added.fetch_add(done.letters, Ordering::Relaxed);
        self.store.letters_replayed.fetch_add(done.replayed, Ordering::Relaxed);
        self.store.letters_expired.fetch_add(done.expired, Ordering::Relaxed);
        self.store.batches.fetch_add(batches.len() as u64, Ordering::Relaxed);
        self.trimmed(&done.trimmed);
        let mut lag = held(&self.lag);
        for batch in batches {
            let waited = now.micros_since(batch.handed_over).max(0).unsigned_abs() / 1_000;
            lag.add(now.seconds(), waited);
        }
    }

    /// Counts rows and dead letters that were trimmed.
    pub fn trimmed(&self, trimmed: &Trimmed) {
        self.store.letters_expired.fetch_add(trimmed.letters, Ordering::Relaxed);
        self.store.trimmed_by_age.fetch_add(trimmed.by_age, Ordering::Relaxed);
        self.store.trimmed_by_budget.fetch_add(trimmed.by_budget, Ordering::Relaxed);
    }

    /// Counts records that could not be stored.
    pub fn lost(&self, records: u64) {
        self.store.lost.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts rows that could not be read any more.
    pub fn damaged(&self, rows: u64) {
        self.store.damaged.fetch_add(rows, Ordering::Relaxed);
    }

    /// Publishes how the ring is.
    pub fn set_ring(&self, ring: Ring) {
        *held(&self.ring) = ring;
    }

    /// How the ring is.
    #[must_use]
    pub fn ring(&self) -> Ring {
        held(&self.ring).clone()
    }

    /// All sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            rows: read(&self.store.rows),
            batches: read(&self.store.batches),
            threat_matches: read(&self.threat_matches),
            risk_sum: read(&self.risk_sum),
            risk_count: read(&self.risk_count),
            refused: read(&self.store.refused),
            letters_added: read(&self.store.letters_added),
            letters_replayed: read(&self.store.letters_replayed),
            letters_expired: read(&self.store.letters_expired),
            lost: read(&self.store.lost),
            damaged: read(&self.store.damaged),
            trimmed_by_age: read(&self.store.trimmed_by_age),
            trimmed_by_budget: read(&self.store.trimmed_by_budget),
        }
    }

    /// Different originators, estimated.
    #[must_use]
    pub fn unique_sources(&self) -> u64 {
        held(&self.sources).estimate()
    }

    /// Milliseconds from hand-over to commit over the last minute: median, 95th and 99th percentile.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> (u64, u64, u64) {
        held(&self.lag).summary(now.seconds()).map_or((0, 0, 0), |lag| (lag.p50, lag.p95, lag.p99))
    }
}
