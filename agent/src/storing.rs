//! The body of the store thread: the one writer of the ring.
//!
//! Batches come from the pipeline; a commit takes all that came in the last seconds. A full disk is no end: the
//! batches are kept, the ring makes room or waits, and the links before it fill, where what does not fit is counted.

mod wear;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};
use weir_flow::{Batch, TenantId, Timestamp};
use weir_store::{Committed, Config, DiskState, Error, Reader, Shortage, Stats, Writer};

use crate::clock::Clock;
use crate::link::{Receiver, Recv};
use crate::metrics::{Metrics, Ring};
use crate::process;
use crate::start::place;
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
    meter: wear::Meter,
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
        let clock = self.clock;
        // The ring is closed when this has ended.
        self.store().map_err(|failure| failure.end(aside.as_deref(), clock.now()))
    }

    fn store(mut self) -> Result<(), Failure> {
        let mut pending = Pending::default();
        let mut watched = Watched {
            shortage: Shortage::new(self.config.reserve_bytes),
            age: AgeWatch::new(self.newest(), self.clock.monotonic()),
            age_waits: false,
            meter: wear::Meter::new(self.clock.monotonic()),
        };
        let mut cared = self.clock.monotonic();
        self.metrics.damaged(self.damage().0);
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
                    let stored = pending.batches.get(..done.batches).unwrap_or(&pending.batches);
                    self.metrics.committed(&done, stored, now);
                    pending.settle(&done);
                    if attempts > 0 {
                        info!("storing goes on, nothing that waited is lost");
                        self.care(watched, false)?;
                        self.publish_working(watched);
                    }
                }
                Err(error) if error.may_pass() => {
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
            Err(error) if !error.may_pass() => return Err(error.into()),
            // The next look tries again.
            _ => {}
        }
        let rows = self.metrics.totals().rows;
        if let Some(bytes) = watched.meter.look(self.clock.monotonic(), rows) {
            self.writer.wrote(bytes, self.clock.now());
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

    /// Publishes a ring that is written, with a word about the disk when that is short, and about rows that are lost.
    fn publish_working(&self, watched: &Watched) {
        let short = "the disk is short of space: old rows go early; free space or lower store.budget_bytes";
        let trouble = if watched.shortage.state() == DiskState::Short { short } else { "" };
        self.publish(trouble, false, watched);
    }

    /// Rows that are lost, and what to say of them.
    fn damage(&self) -> (u64, String) {
        let (ranges, rows) = self.writer.damage().unwrap_or_default();
        let Some(first) = ranges.first() else { return (0, String::new()) };
        let more =
            if ranges.len() > 1 { format!(" and {} more ranges", ranges.len() - 1) } else { String::new() };
        let text = format!(
            "{rows} rows could not be read and were set aside ({first}){more}; look at the disk, weir store check lists them"
        );
        (rows, text)
    }

    fn publish(&self, trouble: &str, fails: bool, watched: &Watched) {
        let ((lost_rows, damage), age_waits) = (self.damage(), watched.age_waits);
        let told: Vec<_> = [trouble, &damage].into_iter().filter(|text| !text.is_empty()).collect();
        let trouble = told.join("; ");
        let letters = self.writer.dead_letter_stats().unwrap_or_default();
        let bytes_per_row = watched.meter.per_row(self.clock.monotonic());
        let written = self.writer.written(self.clock.now());
        let ring = Ring {
            stats: self.stats(),
            letters,
            trouble,
            fails,
            lost_rows,
            age_waits,
            written,
            bytes_per_row,
        };
        self.metrics.set_ring(ring);
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
    /// What to tell, after a damaged ring in `dir` was repaired, or set aside where that cannot be done.
    fn end(self, dir: Option<&Path>, now: Timestamp) -> String {
        let Self { told, is_damage } = self;
        let Some(dir) = dir.filter(|_| is_damage) else { return told };
        error!("the ring is repaired, which may take minutes: {told}");
        match weir_store::repair(dir, now) {
            Ok(report) if !report.is_nothing() => {
                return format!("{told}; it was repaired: {}", place::in_words(&report));
            }
            Ok(_) => {}
            Err(error) => error!("the ring could not be repaired: failed to {error}"),
        }
        match weir_store::set_aside(dir) {
            Ok(to) => format!("{told}; it is kept as {}, the next start begins a new one", to.display()),
            Err(error) => format!("{told}; it could not be set aside: failed to {error}"),
        }
    }
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

    /// Forgets what a commit stored; the rest is to be brought again.
    fn settle(&mut self, done: &Committed) {
        self.batches.drain(..done.batches.min(self.batches.len()));
        if let Some(begun) = self.batches.first_mut() {
            begun.records.drain(..done.records.min(begun.records.len()));
            begun.replayed.drain(..done.records.min(begun.replayed.len()));
        }
        self.records = self.batches.iter().map(|batch| batch.records.len()).sum();
        self.since = self.since.filter(|_| !self.batches.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use weir_flow::{Batch, FlowRecord, TenantId};
    use weir_store::{Committed, Config, Order, Reader, Writer};

    use super::{Pending, Worker};
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
    fn of_what_was_stored_in_part_only_the_rest_waits() {
        let mut pending = Pending::default();
        for records in [10, 20, 30] {
            let batch = Batch { records: vec![FlowRecord::default(); records], ..Batch::default() };
            pending.push(batch, Clock.monotonic());
        }
        pending.settle(&Committed { batches: 1, records: 15, ..Committed::default() });
        assert_eq!((pending.batches.len(), pending.records), (2, 35));
        assert_eq!(pending.batches[0].records.len(), 5);
        assert!(pending.since.is_some());
        pending.settle(&Committed { batches: 2, ..Committed::default() });
        assert!(pending.batches.is_empty() && pending.records == 0 && pending.since.is_none());
    }

    #[test]
    fn what_is_written_to_the_device_is_told_and_outlives_the_agent() {
        // What goes to a file system in memory is not counted, and `/tmp` may be one.
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let (to, from) = link::channel("test", 100_000);
        let metrics = Arc::new(Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), Arc::default()));
        let worker = worker(dir.path(), from, &metrics);
        std::thread::scope(|scope| {
            let stored = scope.spawn(|| worker.run());
            to.push(Batch { records: vec![FlowRecord::default(); 4_096], ..Batch::default() }).unwrap();
            let begun = Clock.monotonic();
            while metrics.ring().bytes_per_row.is_none() {
                assert!(begun.elapsed() < Duration::from_secs(20), "nothing was told");
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(to);
            stored.join().unwrap().unwrap();
        });
        let told = metrics.ring().written.today;
        // The reserve alone has 8 MiB.
        assert!(told > 8 << 20, "{told}");
        let days = Reader::open(dir.path()).unwrap().wear().unwrap();
        assert!(days.iter().map(|(_, bytes)| bytes).sum::<u64>() >= told, "{days:?}");
    }

    #[test]
    fn a_ring_that_turns_out_to_be_damaged_is_set_aside_for_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("weir.db");
        Writer::open(dir.path(), &Config::default(), Clock.now()).unwrap().close().unwrap();
        let root: u64 = rusqlite::Connection::open(&file)
            .unwrap()
            .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'bookmark'", [], |row| {
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
