//! Days of an office, simulated: its traffic by day and by night, a clock that is wrong at times, and a look at the ring each hour.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use weir_flow::{Batch, FlowRecord, TenantId, Timestamp};
use weir_store::{
    BudgetBytes, CLOCK_FLOOR, Committed, Config, Reader, RetentionDays, Trimmed, Writer, check,
};

use crate::support::{Office, Random, START_MS, soon, tenant};

type Failure = Box<dyn StdError>;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Rows go by whole minutes and whole blocks, which hold the rows of an hour at most.
const LATE: i64 = 2 * HOUR;
/// Rows that a look reads at each end of a ring.
const SAMPLE: usize = 200;
/// Rows of an hour in tenths of the day's mean: nights are quiet.
const BY_HOUR: [u64; 24] =
    [2, 2, 2, 2, 2, 3, 5, 10, 17, 20, 20, 18, 14, 18, 20, 20, 19, 15, 10, 7, 5, 4, 3, 2];

/// What is to be simulated.
pub(crate) struct Plan {
    pub(crate) days: i64,
    pub(crate) retention_days: u32,
    pub(crate) budget: u64,
    pub(crate) tenants: usize,
    /// Rows a day, and on the days that are busy.
    pub(crate) rows: u64,
    pub(crate) busy_rows: u64,
    pub(crate) busy: Range<i64>,
    /// Bytes of text in each record that do not compress, so that fewer records fill a budget.
    pub(crate) text: usize,
    /// Seconds between commits, from and without.
    pub(crate) pause: Range<u64>,
    /// The writer's time of the last day may differ by so many per cent from that of the first day after rows began to go.
    pub(crate) drift_percent: Option<f64>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) rows: u64,
    pub(crate) by_age: u64,
    pub(crate) by_budget: u64,
    /// The most that file and log took together, in bytes.
    pub(crate) most: u64,
    /// One line for each day.
    pub(crate) table: Vec<String>,
}

/// A ring as it should be.
struct Model {
    tenant: TenantId,
    /// Rows stored so far.
    rows: u64,
    processed_at: i64,
    /// First row and stamp of each commit that may still be there.
    commits: VecDeque<(u64, i64)>,
    /// First row, flows and octets by minute, as far back.
    minutes: VecDeque<(i64, u64, u64, u64)>,
    first_row: u64,
}

struct Simulation<'a> {
    plan: &'a Plan,
    dir: PathBuf,
    writer: Writer,
    reader: Reader,
    office: Office,
    random: Random,
    models: Vec<Model>,
    seen: Seen,
    /// Rows that went for the budget since the last look.
    pushed_out: u64,
    /// Writer's CPU time in nanoseconds and rows, by day since rows began to go.
    days: Vec<(u64, u64)>,
    today: (u64, u64),
    config: Config,
}

/// Simulates `plan` in `dir`; an error says what was not as it should be.
pub(crate) fn simulate(dir: &Path, plan: &Plan) -> Result<Seen, Failure> {
    let config = Config {
        budget_bytes: BudgetBytes::new(plan.budget)?,
        retention_days: RetentionDays::new(plan.retention_days)?,
        ..Config::default()
    };
    let writer = Writer::open(dir, &config, Timestamp::from_millis(0))?;
    let models = (0..plan.tenants).map(|n| Model::new(tenant(&format!("t{n}"))));
    let mut simulation = Simulation {
        plan,
        dir: dir.to_owned(),
        reader: Reader::open(dir)?,
        writer,
        office: Office::new(1),
        random: Random(1),
        models: models.collect(),
        seen: Seen::default(),
        pushed_out: 0,
        days: Vec::new(),
        today: (0, 0),
        config,
    };
    simulation.run()?;
    Ok(simulation.seen)
}

/// The wall clock after `true_ms`, and whether it is believed: not set for the first ten minutes, an hour back for a while on the
/// second day, and a second ahead and back again on the way.
fn wall(true_ms: i64) -> (Timestamp, bool) {
    let right = START_MS + true_ms;
    let (ms, is_set) = match true_ms {
        ..600_000 => (true_ms, false),
        _ if (DAY + 2 * HOUR..DAY + 4 * HOUR).contains(&true_ms) => (right - HOUR, true),
        _ if (DAY / 2..DAY / 2 + HOUR).contains(&true_ms) => (right + SECOND, true),
        _ => (right, true),
    };
    (Timestamp::from_millis(ms), is_set)
}

impl Simulation<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let (mut now, mut looked) = (0, 0);
        while now < self.plan.days * DAY {
            let pause =
                self.plan.pause.start + self.random.below(self.plan.pause.end - self.plan.pause.start);
            now += pause.cast_signed() * SECOND;
            self.commit(now, pause)?;
            if now - looked >= HOUR {
                looked = now - now % HOUR;
                self.look(now).map_err(|told| format!("after {} h: {told}", now / HOUR))?;
                if looked % DAY == 0 {
                    self.end_day(now)?;
                }
            }
        }
        self.drift()
    }

    /// What came in the last `pause` seconds, and a trim.
    fn commit(&mut self, now: i64, pause: u64) -> Result<(), Failure> {
        let (clock, is_set) = wall(now);
        let busy = self.plan.busy.contains(&(now / DAY));
        let a_day = if busy { self.plan.busy_rows } else { self.plan.rows };
        let hour = usize::try_from(now % DAY / HOUR)?;
        let due = a_day * BY_HOUR[hour] * pause / 864_000;
        let mut batches = Vec::new();
        for at in 0..self.models.len() {
            // The first tenant has half of what there is, the next a quarter, and so on.
            let count = (due >> (at + 1)) + self.random.below(2);
            let batch = self.batch(at, usize::try_from(count)?, clock);
            self.models[at].add(&batch, clock.millis());
            self.seen.rows += count;
            batches.push(batch);
        }
        let (before, stored) = (cpu_ns()?, self.writer.commit(&batches, clock)?);
        let mut trimmed = stored.trimmed;
        while self.trim(clock, is_set, &mut trimmed)? {}
        self.today.0 += cpu_ns()?.saturating_sub(before);
        self.today.1 += stored.rows;
        self.take(&stored, &trimmed)
    }

    fn batch(&mut self, tenant: usize, count: usize, clock: Timestamp) -> Batch {
        let mut batch = self.office.batch(&self.models[tenant].tenant, count, clock);
        if self.plan.text > 0 {
            batch.records.iter_mut().for_each(|record| *record = self.office.bulky(clock, self.plan.text));
        }
        batch
    }

    fn trim(&mut self, clock: Timestamp, is_set: bool, sum: &mut Trimmed) -> Result<bool, Failure> {
        let done = self.writer.trim(clock, is_set)?;
        sum.by_age += done.by_age;
        sum.by_budget += done.by_budget;
        Ok(done.more)
    }

    fn take(&mut self, stored: &Committed, trimmed: &Trimmed) -> Result<(), Failure> {
        ensure(stored.lost + stored.refused == 0, || format!("records were lost: {stored:?}"))?;
        self.seen.by_age += trimmed.by_age;
        self.seen.by_budget += trimmed.by_budget;
        self.pushed_out += trimmed.by_budget;
        self.seen.most = self.seen.most.max(self.on_disk());
        let (most, budget) = (self.seen.most, self.plan.budget);
        ensure(most <= budget, || format!("{most} bytes on the disk, of {budget}"))
    }

    /// Bytes of file and log.
    fn on_disk(&self) -> u64 {
        let length = |name: &str| fs::metadata(self.dir.join(name)).map_or(0, |meta| meta.len());
        length("weir.db") + length("weir.db-wal")
    }

    /// Looks whether the ring of each tenant is what it should be.
    fn look(&mut self, now: i64) -> Result<(), Failure> {
        let (clock, _) = wall(now);
        let days = i64::from(self.config.retention_days.value());
        let oldest = clock.millis() - days * DAY;
        let pushed_out = std::mem::take(&mut self.pushed_out) > 0;
        let used = self.on_disk();
        ensure(!pushed_out || used >= self.plan.budget * 3 / 4, || {
            format!("rows went for the budget, of which {used} bytes are used")
        })?;
        for model in &mut self.models {
            model
                .compare(&self.reader, oldest, pushed_out)
                .map_err(|told| format!("{}: {told}", model.tenant.as_str()))?;
        }
        Ok(())
    }

    fn end_day(&mut self, now: i64) -> Result<(), Failure> {
        let report = check(&self.dir)?;
        ensure(report.is_sound(), || format!("{report:?}"))?;
        let (cpu, rows) = std::mem::take(&mut self.today);
        if self.seen.by_age + self.seen.by_budget > 0 {
            self.days.push((cpu, rows));
        }
        self.seen.table.push(format!(
            "| {:>3} | {:>8} | {:>8} | {:>9} | {:>9} | {:>6.1} | {:>6.2} |",
            now / DAY,
            rows,
            report.rows,
            self.seen.by_age,
            self.seen.by_budget,
            mib(self.on_disk()),
            micros(cpu, rows)
        ));
        Ok(())
    }

    /// Whether the last day cost the writer as much for a row as the first one on which rows went; on days of equal load.
    fn drift(&mut self) -> Result<(), Failure> {
        let (Some(limit), [first, .., last]) = (self.plan.drift_percent, self.days.as_slice()) else {
            return Ok(());
        };
        let (first, last) = (micros(first.0, first.1), micros(last.0, last.1));
        let drift = 100.0 * (last - first) / first;
        self.seen.table.push(format!("write time a row: {first:.2} µs, then {last:.2} µs, {drift:+.1} %"));
        ensure(drift <= limit, || format!("the last day cost {drift:.1} % more than the first full one"))
    }
}

impl Model {
    fn new(tenant: TenantId) -> Self {
        let (commits, minutes) = (VecDeque::new(), VecDeque::new());
        Self { tenant, rows: 0, processed_at: i64::MIN, commits, minutes, first_row: 1 }
    }

    fn add(&mut self, batch: &Batch, now_ms: i64) {
        if batch.records.is_empty() {
            return;
        }
        self.processed_at = self.processed_at.max(now_ms);
        let (first, minute) = (self.rows + 1, self.processed_at.div_euclid(MINUTE));
        self.commits.push_back((first, self.processed_at));
        if self.minutes.back().is_none_or(|last| last.0 != minute) {
            self.minutes.push_back((minute, first, 0, 0));
        }
        if let Some(last) = self.minutes.back_mut() {
            last.2 += batch.records.len() as u64;
            last.3 += batch.records.iter().map(FlowRecord::octets).sum::<u64>();
        }
        self.rows += batch.records.len() as u64;
    }

    /// Holds the ring against this; rows before `oldest` should be gone, younger ones only when others `pushed_out` them.
    fn compare(&mut self, reader: &Reader, oldest: i64, pushed_out: bool) -> Result<(), Failure> {
        let stats = reader.stats(&self.tenant)?;
        ensure(stats.next_row == self.rows + 1, || format!("{stats:?} of {} rows", self.rows))?;
        ensure(stats.first_row >= self.first_row, || format!("rows came back: {stats:?}"))?;
        self.forget(stats.first_row, oldest, pushed_out)?;
        // Rows of unknown age go with the first one after them.
        let known = self.commits.iter().find(|(_, at)| *at >= CLOCK_FLOOR.millis());
        ensure(known.is_none_or(|(_, at)| *at >= oldest - LATE), || {
            format!("rows are {} h past their retention", (oldest - known.map_or(0, |known| known.1)) / HOUR)
        })?;
        for after in
            [stats.first_row - 1, stats.next_row.saturating_sub(SAMPLE as u64).max(stats.first_row) - 1]
        {
            let rows = reader.rows(&self.tenant, after, SAMPLE, soon())?;
            let is_whole = rows.iter().zip(after + 1..).all(|(row, number)| row.row == number);
            let due = SAMPLE.min(usize::try_from(self.rows - after)?);
            ensure(is_whole && rows.len() == due, || format!("{} rows after {after}, of {due}", rows.len()))?;
        }
        self.totals(reader)
    }

    /// Forgets commits before `first_row`; none of them may be younger than `oldest`.
    fn forget(&mut self, first_row: u64, oldest: i64, pushed_out: bool) -> Result<(), Failure> {
        let mut youngest = None;
        while self.commits.get(1).map_or(self.rows + 1, |next| next.0) <= first_row
            && let Some((_, at)) = self.commits.pop_front()
        {
            youngest = Some(at);
        }
        self.first_row = first_row;
        let is_due = youngest.is_none_or(|at| at < oldest + HOUR);
        ensure(is_due || pushed_out, || format!("rows before {first_row} went too early"))
    }

    /// Totals of the minutes of which no row is gone.
    fn totals(&mut self, reader: &Reader) -> Result<(), Failure> {
        while self.minutes.front().is_some_and(|minute| minute.1 < self.first_row) {
            self.minutes.pop_front();
        }
        let ends = self.minutes.front().zip(self.minutes.back());
        let Some((&(first, ..), &(last, ..))) = ends else { return Ok(()) };
        for from in [first, (last - 60).max(first)] {
            let told = reader.minutes(&self.tenant, from, (from + 60).min(last + 1))?;
            let told =
                told.iter().map(|minute| (minute.minute, minute.first_row, minute.flows, minute.octets));
            let due = self.minutes.iter().filter(|minute| (from..from + 60).contains(&minute.0)).copied();
            ensure(told.eq(due), || format!("minutes from {from} on have other totals"))?;
        }
        Ok(())
    }
}

fn ensure(holds: bool, told: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(told().into()) }
}

/// CPU time of this thread in nanoseconds, user and system: proc(5), first field of schedstat.
fn cpu_ns() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_ascii_whitespace().next().ok_or("no schedstat")?.parse()?)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn micros(ns: u64, rows: u64) -> f64 {
    ns as f64 / 1_000.0 / rows.max(1) as f64
}
