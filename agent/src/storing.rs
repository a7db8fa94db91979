//! The body of the store thread: the one writer of the ring.
//!
//! Batches come from the pipeline; a commit takes all that came in the last seconds. A full disk is no end: the
//! batches are kept, the ring makes room or waits, and the links before it fill, where what does not fit is counted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};
use weir_flow::{Batch, TenantId, Timestamp};
use weir_store::{Config, DiskState, Error, Reader, Shortage, Stats, Writer};

use crate::clock::Clock;
use crate::link::{Receiver, Recv};
use crate::metrics::{Metrics, Ring};
use crate::process;
use crate::stop::Stop;
use crate::timesync::{AgeWatch, TimeSync};

/// Between two looks at disk, age and budget.
const CARE: Duration = Duration::from_secs(1);
/// Attempts to store what is left when the disk is full and the agent has been told to stop, one each [`CARE`].
const LAST_ATTEMPTS: u32 = 3;
/// Trims in a row, so that commits never wait long.
const TRIMS: u32 = 8;

/// The store thread before it runs.
pub struct Worker {
    /// Batches from the pipeline.
    pub from: Receiver,
    /// The ring.
    pub writer: Writer,
    /// How often to commit.
    pub config: Config,
    /// The data directory.
    pub dir: PathBuf,
    /// A ring that turns out to be damaged is set aside, so that the next start can begin a new one.
    pub set_damaged_aside: bool,
    /// Where counters go.
    pub metrics: Arc<Metrics>,
    /// Says that the agent is to end.
    pub stop: Stop,
    /// The clocks.
    pub clock: Clock,
}

/// What a look at disk and clock goes by.
struct Watched {
    shortage: Shortage,
    age: AgeWatch,
    age_waits: bool,
}

/// What waits for a commit.
#[derive(Default)]
struct Pending {
    batches: Vec<Batch>,
    records: usize,
    since: Option<Instant>,
}

impl Worker {
    /// Stores until the pipeline has closed its side, then commits what is left and closes the ring.
    ///
    /// # Errors
    /// When the ring cannot be written for another reason than a full disk, or was full until the end.
    pub fn run(self) -> Result<(), String> {
        let aside = self.set_damaged_aside.then(|| self.dir.clone());
        // The ring is closed when this has ended.
        self.store().map_err(|failure| failure.end(aside.as_deref()))
    }

    fn store(mut self) -> Result<(), Failure> {
        let mut pending = Pending::default();
        let mut watched = Watched {
            shortage: Shortage::new(self.config.reserve_bytes),
            age: AgeWatch::new(self.newest(), self.clock.monotonic()),
            age_waits: false,
        };
        let mut cared = self.clock.monotonic();
        self.care(&mut watched, false)?;
        self.publish_working(&watched);
        loop {
            let closed = match self.from.recv_timeout(self.patience(&pending, cared)) {
                Recv::Batch(batch) => {
                    pending.push(batch, self.clock.monotonic());
                    false
                }
                Recv::Timeout => false,
                Recv::Closed => true,
            };
            if (closed || self.is_due(&pending)) && !self.commit(&mut pending, &mut watched)? {
                return self.give_up(&pending);
            }
            if closed {
                return self.close();
            }
            if self.clock.monotonic().duration_since(cared) >= CARE {
                self.care(&mut watched, false)?;
                self.publish_working(&watched);
                cared = self.clock.monotonic();
            }
        }
    }

    /// How long to wait for a batch: until the next commit or the next look.
    fn patience(&self, pending: &Pending, cared: Instant) -> Duration {
        let now = self.clock.monotonic();
        let care = CARE.saturating_sub(now.duration_since(cared));
        let commit =
            pending.since.map_or(CARE, |since| self.interval().saturating_sub(now.duration_since(since)));
        care.min(commit)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.config.commit_seconds.value().into())
    }

    fn is_due(&self, pending: &Pending) -> bool {
        let waited = |since| self.clock.monotonic().duration_since(since) >= self.interval();
        let limit = usize::try_from(self.config.commit_records.value()).unwrap_or(usize::MAX);
        pending.records >= limit || pending.since.is_some_and(waited)
    }

    /// Commits what is pending; waits while that cannot be done. False when a stop was asked for and it still cannot.
    fn commit(&mut self, pending: &mut Pending, watched: &mut Watched) -> Result<bool, Failure> {
        let mut attempts = 0;
        while !pending.batches.is_empty() {
            let now = self.clock.now();
            match self.writer.commit(&pending.batches, now) {
                Ok(done) => {
                    self.metrics.committed(&done, &pending.batches, now);
                    *pending = Pending::default();
                    if attempts > 0 {
                        info!("storing goes on, nothing that waited is lost");
                        self.care(watched, false)?;
                        self.publish_working(watched);
                    }
                }
                Err(error) if may_pass(&error) => {
                    if attempts == 0 {
                        warn!("failed to {error}; records wait meanwhile, capture and page go on");
                    }
                    attempts += u32::from(attempts == 0 || self.stop.is_set());
                    self.publish(&format!("failed to {error}"), true, watched);
                    if attempts > LAST_ATTEMPTS {
                        return Ok(false);
                    }
                    self.care(watched, error.is_full())?;
                    std::thread::sleep(CARE);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Looks at the disk and trims.
    fn care(&mut self, watched: &mut Watched, is_full: bool) -> Result<(), Failure> {
        let before = watched.shortage.state();
        let free = process::free_bytes(&self.dir).unwrap_or(u64::MAX);
        let state = watched.shortage.step(free, is_full);
        if state != before {
            match state {
                DiskState::Short => {
                    warn!(free, "the disk is short of space: the ring keeps its size, the oldest rows go");
                }
                DiskState::Normal => info!(free, "the disk has room again"),
            }
        }
        match self.keep_bounds(state, watched) {
            Err(error) if !may_pass(&error) => return Err(error.into()),
            // The next look tries again.
            _ => {}
        }
        Ok(())
    }

    /// Tells the ring how the disk is, and trims it by age and budget.
    fn keep_bounds(&mut self, state: DiskState, watched: &mut Watched) -> Result<(), Error> {
        self.writer.set_disk(state)?;
        for _ in 0..TRIMS {
            let now = self.clock.now();
            let may_age = watched.age.may_age(now, self.clock.monotonic(), TimeSync::read(now));
            if watched.age_waits == may_age {
                watched.age_waits = !may_age;
                say_of_age(may_age, now);
            }
            let trimmed = self.writer.trim(now, may_age)?;
            self.metrics.trimmed(&trimmed);
            if !trimmed.more {
                break;
            }
        }
        Ok(())
    }

    /// Publishes a ring that is written, with a word about the disk when that is short.
    fn publish_working(&self, watched: &Watched) {
        let short = "the disk is short of space: old rows go early; free space or lower store.budget_bytes";
        let trouble = if watched.shortage.state() == DiskState::Short { short } else { "" };
        self.publish(trouble, false, watched);
    }

    fn publish(&self, trouble: &str, fails: bool, watched: &Watched) {
        let (trouble, age_waits) = (trouble.to_owned(), watched.age_waits);
        let letters = self.writer.dead_letter_stats().unwrap_or_default();
        self.metrics.set_ring(Ring { stats: self.stats(), letters, trouble, fails, age_waits });
    }

    fn stats(&self) -> Option<Stats> {
        Reader::open(&self.dir).and_then(|reader| reader.stats(&TenantId::default())).ok()
    }

    /// When the newest row was stored.
    fn newest(&self) -> Option<Timestamp> {
        self.stats()?.newest_ts
    }

    /// Counts what cannot be stored any more.
    fn give_up(self, pending: &Pending) -> Result<(), Failure> {
        let mut lost = pending.records;
        while let Some(batch) = self.from.recv() {
            lost += batch.records.len();
        }
        self.metrics.lost(lost as u64);
        error!(lost, "the ring still cannot be written: these records are not stored");
        let told = format!("{lost} records could not be stored; the log says why");
        self.close().and(Err(Failure { told, is_damage: false }))
    }

    fn close(self) -> Result<(), Failure> {
        self.writer.close().map_err(Failure::from)
    }
}

/// Why storing ended.
struct Failure {
    told: String,
    /// The ring is not what was written.
    is_damage: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { told: format!("failed to {error}"), is_damage: matches!(error, Error::Corrupt { .. }) }
    }
}

impl Failure {
    /// What to tell, after a damaged ring in `aside` was set aside.
    fn end(self, aside: Option<&Path>) -> String {
        let Self { told, is_damage } = self;
        match aside.filter(|_| is_damage).map(weir_store::set_aside) {
            None => told,
            Some(Ok(to)) => {
                format!("{told}; it is kept as {}, the next start begins a new one", to.display())
            }
            Some(Err(error)) => format!("{told}; it could not be set aside: failed to {error}"),
        }
    }
}

/// True for failures that pass by themselves: a full disk, and another program that holds the database for a moment.
fn may_pass(error: &Error) -> bool {
    error.is_full() || matches!(error, Error::Busy { .. })
}

fn say_of_age(may_age: bool, now: Timestamp) {
    if may_age {
        info!(%now, "the clock is believed: rows past their retention go");
    } else {
        warn!(%now, "the clock is not set, or has jumped forward: rows do not go by age until it is confirmed");
    }
}

impl Pending {
    fn push(&mut self, batch: Batch, now: Instant) {
        self.records += batch.records.len();
        self.since.get_or_insert(now);
        self.batches.push(batch);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use weir_flow::{Batch, FlowRecord, TenantId};
    use weir_store::{Config, Order, Reader, Writer};

    use super::Worker;
    use crate::clock::Clock;
    use crate::link::{self, Receiver};
    use crate::metrics::Metrics;
    use crate::stop::Stop;

    fn worker(dir: &Path, from: Receiver, metrics: &Arc<Metrics>) -> Worker {
        let config = Config::default();
        Worker {
            from,
            writer: Writer::open(dir, &config, Clock.now()).unwrap(),
            config,
            dir: dir.to_owned(),
            set_damaged_aside: true,
            metrics: Arc::clone(metrics),
            stop: Stop::new(),
            clock: Clock,
        }
    }

    #[test]
    fn another_program_that_holds_the_database_for_a_while_costs_nothing_but_time() {
        let dir = tempfile::tempdir().unwrap();
        let (to, from) = link::channel("test", 100_000);
        let metrics = Arc::new(Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), Arc::default()));
        let worker = worker(dir.path(), from, &metrics);
        std::thread::scope(|scope| {
            let stored = scope.spawn(|| worker.run());
            let stranger = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
            stranger.busy_timeout(Duration::from_secs(5)).unwrap();
            stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
            to.push(Batch { records: vec![FlowRecord::default(); 5_000], ..Batch::default() }).unwrap();
            // Longer than the writer waits for a lock, and than it takes to look at the disk again.
            std::thread::sleep(Duration::from_millis(2_500));
            assert!(!stored.is_finished(), "a lock ended the thread");
            assert!(metrics.ring().trouble.contains("another process"), "{}", metrics.ring().trouble);
            stranger.execute_batch("ROLLBACK").unwrap();
            drop(to);
            stored.join().unwrap().unwrap();
        });
        assert_eq!((metrics.totals().rows, metrics.totals().lost), (5_000, 0));
        assert_eq!(metrics.ring().trouble, "");
    }

    #[test]
    fn a_ring_that_turns_out_to_be_damaged_is_set_aside_for_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("weir.db");
        Writer::open(dir.path(), &Config::default(), Clock.now()).unwrap().close().unwrap();
        let root: u64 = rusqlite::Connection::open(&file)
            .unwrap()
            .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'ring'", [], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap()
            .unsigned_abs();
        let page = usize::try_from((root - 1) * 4_096).unwrap();
        let mut damaged = std::fs::read(&file).unwrap();
        damaged[page..page + 4_096].fill(0xa5);
        std::fs::write(&file, damaged).unwrap();
        let (to, from) = link::channel("test", 100_000);
        let metrics = Arc::new(Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), Arc::default()));
        let worker = worker(dir.path(), from, &metrics);
        to.push(Batch { records: vec![FlowRecord::default()], ..Batch::default() }).unwrap();
        drop(to);
        let told = worker.run().unwrap_err();
        assert!(told.contains("damaged") && told.contains("weir.db.aside"), "{told}");
        assert!(dir.path().join("weir.db.aside").is_file() && !file.exists());
    }

    #[test]
    fn a_record_too_large_for_a_row_is_told_as_a_dead_letter_and_not_as_lost() {
        let dir = tempfile::tempdir().unwrap();
        let (to, from) = link::channel("test", 100_000);
        let metrics = Arc::new(Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), Arc::default()));
        let worker = worker(dir.path(), from, &metrics);
        let extra = weir_flow::Extra::from_iter([("text", "x".repeat(weir_store::MAX_RECORD_BYTES))]);
        let large = FlowRecord { extra: Some(Box::new(extra)), ..FlowRecord::default() };
        let records = vec![FlowRecord::default(), large];
        std::thread::scope(|scope| {
            let stored = scope.spawn(|| worker.run());
            to.push(Batch { records, ..Batch::default() }).unwrap();
            let begun = Clock.monotonic();
            while metrics.ring().letters.is_empty() {
                assert!(begun.elapsed() < Duration::from_secs(20), "no letter was told");
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(to);
            stored.join().unwrap().unwrap();
        });
        let totals = metrics.totals();
        assert_eq!((totals.rows, totals.letters_added, totals.refused, totals.lost), (1, 1, 0, 0));
        assert_eq!(metrics.ring().letters[0].letters, 1);
    }

    #[test]
    fn everything_that_was_handed_over_is_stored_before_the_thread_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (to, from) = link::channel("test", 100_000);
        let metrics = Arc::new(Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), Arc::default()));
        let worker = worker(dir.path(), from, &metrics);
        for _ in 0..30 {
            let batch = Batch { records: vec![FlowRecord::default(); 500], ..Batch::default() };
            to.push(batch).unwrap();
        }
        drop(to);
        worker.run().unwrap();
        assert_eq!(metrics.totals().rows, 15_000);
        let reader = Reader::open(dir.path()).unwrap();
        let deadline = Clock.monotonic() + Duration::from_secs(10);
        let rows = reader.recent(&TenantId::default(), 20_000, Order::OldestFirst, deadline).unwrap();
        assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), (1..=15_000).collect::<Vec<_>>());
    }
}
