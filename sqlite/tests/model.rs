//! The ring against plain lists: whatever is done to a store, it answers what the lists say.
//!
//! Each case has a seed, from which its steps, its clock and its questions come. `WEIR_MODEL_CASES` sets how many cases there
//! are, `WEIR_MODEL_SEED` the seed of the first. A case that fails is told with its seed and the least number of steps.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "model/records.rs"]
mod records;
#[path = "model/ring.rs"]
mod ring;
mod support;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use records::Maker;
use ring::{HOUR_MS, MINUTE_MS, Outcome, Ring, ensure, told};
use rusqlite::{Connection, OptionalExtension};
use support::{START_MS, at, bookmark, tenant};
use weir_flow::{Batch, FlowRecord};
use weir_store::{BudgetBytes, Config, MaxRecordBytes, Reader, RetentionDays, Writer, check};

const CASES: u64 = 64;
const DAYS: u32 = 2;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The clock is never set back further: a day is what the ring takes for a clock that was ahead, which other tests try.
const BACK_MS: i64 = 20 * HOUR_MS;
/// A record with a longer text is refused.
const OVERSIZE: usize = 70_000;
/// Nothing goes for the budget below this part of it, in hundredths.
const NEVER_TRIMMED: u64 = 75;

/// What a case is about: how many rows its commits have.
#[derive(Clone, Copy)]
enum Flavour {
    /// A few: many commits, which are put together by age.
    Few,
    /// Hundreds: put together by count.
    Many,
    /// Thousands at once among few.
    Floods,
    /// Records that do not compress: put together by size, and trimmed by the budget.
    Bulk,
}

/// A store, and what should be in it.
struct Case<'a> {
    dir: &'a Path,
    config: Config,
    writer: Option<Writer>,
    rings: [Ring; 2],
    maker: Maker,
    flavour: Flavour,
    now_ms: i64,
    /// The latest that the clock ever said.
    latest_ms: i64,
    commits: u64,
    refused: u64,
    /// Of the blocks that a case damages.
    damaged: bool,
}

fn config() -> Config {
    Config {
        retention_days: RetentionDays::new(DAYS).unwrap(),
        budget_bytes: BudgetBytes::new(BudgetBytes::MIN).unwrap(),
        max_record_bytes: MaxRecordBytes::new(OVERSIZE - 1_000).unwrap(),
        ..Config::default()
    }
}

impl<'a> Case<'a> {
    fn new(seed: u64, dir: &'a Path) -> Result<Self, String> {
        let mut maker = Maker::new(seed);
        let flavours = [Flavour::Few, Flavour::Few, Flavour::Many, Flavour::Floods, Flavour::Bulk];
        let flavour = flavours[maker.below(5) as usize];
        Ok(Self {
            writer: Some(Writer::open(dir, &config(), at(0)).map_err(told)?),
            rings: ["a", "b"].map(|name| Ring::new(tenant(name))),
            dir,
            config: config(),
            maker,
            flavour,
            now_ms: 0,
            latest_ms: 0,
            commits: 0,
            refused: 0,
            damaged: false,
        })
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().unwrap()
    }

    fn step(&mut self) -> Outcome {
        self.pass_time();
        match self.maker.below(20) {
            0..13 => self.commit(),
            13..16 => self.trim(),
            16 => self.close(),
            17 => self.drop(),
            _ => self.look(),
        }
    }

    fn pass_time(&mut self) {
        let within = |maker: &mut Maker, ms: i64| maker.below(ms.unsigned_abs()).cast_signed();
        self.now_ms += match self.maker.below(10) {
            0 => within(&mut self.maker, DAY_MS),
            1 | 2 => within(&mut self.maker, 2 * HOUR_MS),
            3 => -within(&mut self.maker, 3 * HOUR_MS),
            4 => -within(&mut self.maker, BACK_MS),
            _ => within(&mut self.maker, 2 * MINUTE_MS),
        };
        self.now_ms = self.now_ms.max(self.latest_ms - BACK_MS);
        self.latest_ms = self.latest_ms.max(self.now_ms);
    }

    fn batch(&mut self, ring: usize) -> Batch {
        let now = at(self.now_ms);
        let maker = &mut self.maker;
        let mut records: Vec<FlowRecord> = match self.flavour {
            Flavour::Bulk => {
                let bytes = [200, 2_000, 30_000][maker.below(3) as usize];
                let count = 1 + maker.below(400_000 / bytes as u64 / 4);
                (0..count).map(|_| maker.office.bulky(now, bytes)).collect()
            }
            Flavour::Floods if maker.below(8) == 0 => {
                let flow = |maker: &mut Maker| FlowRecord {
                    start: now,
                    dst_port: Some(maker.below(9) as u16),
                    ..FlowRecord::default()
                };
                (0..1_900 + maker.below(400) * maker.below(6)).map(|_| flow(maker)).collect()
            }
            Flavour::Many => (0..200 + maker.below(300)).map(|_| maker.record(now)).collect(),
            Flavour::Few | Flavour::Floods => (0..maker.below(40)).map(|_| maker.record(now)).collect(),
        };
        if maker.below(12) == 0 {
            let place = maker.below(records.len() as u64 + 1) as usize;
            records.insert(place, maker.office.bulky(now, OVERSIZE));
        }
        Batch { tenant: self.rings[ring].tenant.clone(), records, handed_over: now, ..Batch::default() }
    }

    fn commit(&mut self) -> Outcome {
        let rings: &[usize] = [&[0][..], &[0, 1], &[1, 0], &[0, 1, 0]][self.maker.below(4) as usize];
        let mut batches: Vec<Batch> = rings.iter().map(|&ring| self.batch(ring)).collect();
        self.commits += 1;
        batches[0].bookmark = bookmark("input", self.commits);
        let now = at(self.now_ms);
        let done = self.writer().commit(&batches, now).map_err(told)?;
        let is_oversize = |record: &FlowRecord| {
            record.extra.as_ref().is_some_and(|extra| {
                extra.iter().any(|(_, value)| value.as_str().is_some_and(|text| text.len() >= OVERSIZE))
            })
        };
        let mut rows = 0;
        for (&ring, batch) in rings.iter().zip(batches) {
            let before = self.rings[ring].rows.len();
            self.refused += batch.records.iter().filter(|record| is_oversize(record)).count() as u64;
            let kept = batch.records.into_iter().filter(|record| !is_oversize(record));
            self.rings[ring].append(kept, START_MS + self.now_ms);
            rows += (self.rings[ring].rows.len() - before) as u64;
        }
        ensure!(done.lost == 0 && done.batches == rings.len(), "{done:?}");
        self.refused -= done.expired;
        ensure!(done.rows == rows, "{} rows were stored, not {rows}", done.rows);
        let position = self.writer().bookmark("input").map_err(told)?;
        ensure!(position == Some(self.commits.to_string()), "the bookmark is {position:?}");
        self.figures()
    }

    /// What trims must not have changed.
    fn figures(&mut self) -> Outcome {
        let reader = Reader::open(self.dir).map_err(told)?;
        for ring in &mut self.rings {
            let stats = reader.stats(&ring.tenant).map_err(told)?;
            let next = ring.rows.len() as u64 + 1;
            ensure!(stats.next_row == next, "{} is the next row, not {next}", stats.next_row);
            let gone = stats.first_row as usize - 1;
            ensure!(gone == ring.gone, "{gone} rows are gone, not {}", ring.gone);
        }
        Ok(())
    }

    /// Twice, since what the first puts together only the second can remove.
    fn trim(&mut self) -> Outcome {
        let oldest = (START_MS + self.now_ms - i64::from(DAYS) * DAY_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
        let (used, mut by_budget, now) = (self.writer().usage().map_err(told)?.used, 0, at(self.now_ms));
        for _ in 0..2 {
            loop {
                let done = self.writer().trim(now, true).map_err(told)?;
                by_budget += done.by_budget;
                self.refused -= done.letters;
                if !done.more {
                    break;
                }
            }
        }
        let usage = self.writer().usage().map_err(told)?;
        ensure!(usage.used <= usage.ceiling, "{usage:?} after a trim");
        let is_large = used * 100 >= self.config.budget_bytes.value() * NEVER_TRIMMED;
        ensure!(by_budget == 0 || is_large, "{by_budget} rows made room where {used} bytes were used");
        let reader = Reader::open(self.dir).map_err(told)?;
        for ring in &mut self.rings {
            let stats = reader.stats(&ring.tenant).map_err(told)?;
            let gone = stats.first_row as usize - 1;
            ensure!(gone >= ring.gone && gone <= ring.rows.len(), "{gone} rows gone, {} before", ring.gone);
            let young = ring.rows[ring.gone..gone].iter().find(|row| row.0 >= oldest);
            ensure!(young.is_none() || by_budget > 0, "a row of {young:?} is gone, {oldest} is the oldest");
            ring.gone = gone;
            let stays = ring.rows.iter().position(|row| row.0 >= oldest).unwrap_or(ring.rows.len());
            if gone < stays {
                let end = end_of_block(self.dir, ring.tenant.as_str(), stats.first_row)?;
                ensure!(
                    end.is_some_and(|end| end as usize > stays + 1) && stays < ring.rows.len(),
                    "row {} is past its retention and in no block with row {}, which stays",
                    gone + 1,
                    stays + 1
                );
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Outcome {
        if let Some(writer) = self.writer.take() {
            writer.close().map_err(told)?;
        }
        self.reopen()
    }

    fn drop(&mut self) -> Outcome {
        self.writer = None;
        self.reopen()
    }

    fn reopen(&mut self) -> Outcome {
        self.writer = Some(Writer::open(self.dir, &self.config, at(self.now_ms)).map_err(told)?);
        self.figures()
    }

    fn look(&mut self) -> Outcome {
        let reader = Reader::open(self.dir).map_err(told)?;
        self.rings.iter().try_for_each(|ring| ring.look(&reader, &mut self.maker))
    }

    /// The end of a case: everything once more, before and after a restart, and then with a damaged block.
    fn end(&mut self) -> Outcome {
        self.look()?;
        let letters: u64 =
            self.writer().dead_letter_stats().map_err(told)?.iter().map(|sum| sum.letters).sum();
        ensure!(letters == self.refused, "{letters} dead letters, not {}", self.refused);
        let report = check(self.dir).map_err(told)?;
        ensure!(report.is_sound(), "{:?}", report.problems);
        if self.maker.below(2) == 0 { self.close() } else { self.drop() }?;
        self.look()?;
        let ring = self.maker.below(2) as usize;
        self.rings[ring].damaged = damage(self.dir, &self.rings[ring], &mut self.maker)?;
        self.damaged = self.rings[ring].damaged.is_some();
        if self.damaged {
            let report = check(self.dir).map_err(told)?;
            ensure!(!report.is_sound(), "a damaged block went unnoticed");
            self.look()?;
        }
        Ok(())
    }
}

fn sqlite(dir: &Path) -> Result<Connection, String> {
    let db = Connection::open(dir.join("weir.db")).map_err(|error| error.to_string())?;
    db.busy_timeout(std::time::Duration::from_secs(5)).map_err(|error| error.to_string())?;
    Ok(db)
}

/// The row after the last of the block that begins with `first_row`.
fn end_of_block(dir: &Path, tenant: &str, first_row: u64) -> Result<Option<i64>, String> {
    let sql = "SELECT first_row + count FROM block
        WHERE ring = (SELECT ring FROM ring WHERE tenant = ?1) AND first_row = ?2";
    let found = sqlite(dir)?.query_row(sql, (tenant, first_row.cast_signed()), |row| row.get(0)).optional();
    found.map_err(|error| error.to_string())
}

/// Turns a bit of a block's data round; answers its rows, if there is a block.
fn damage(
    dir: &Path,
    ring: &Ring,
    maker: &mut Maker,
) -> Result<Option<std::ops::RangeInclusive<u64>>, String> {
    let work = |maker: &mut Maker| -> rusqlite::Result<Option<std::ops::RangeInclusive<u64>>> {
        let db = Connection::open(dir.join("weir.db"))?;
        let sql = "SELECT block, first_row, count, data FROM block
            WHERE ring = (SELECT ring FROM ring WHERE tenant = ?1) ORDER BY block";
        let mut statement = db.prepare(sql)?;
        let blocks = statement.query_map([ring.tenant.as_str()], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, Vec<u8>>(3)?,
            ))
        })?;
        let mut blocks = blocks.collect::<rusqlite::Result<Vec<_>>>()?;
        if blocks.is_empty() {
            return Ok(None);
        }
        let (block, first, count, mut data) = blocks.swap_remove(maker.below(blocks.len() as u64) as usize);
        // Behind the head of a zstd frame, which has a bit without meaning.
        let place = data.len() / 2 + maker.below((data.len() - data.len() / 2) as u64) as usize;
        data[place] ^= 1 << maker.below(8);
        db.execute("UPDATE block SET data = ?2 WHERE block = ?1", (block, data))?;
        Ok(Some(first.unsigned_abs()..=(first + count - 1).unsigned_abs()))
    };
    work(maker).map_err(|error| error.to_string())
}

/// A case up to `steps` of its steps; answers whether there was a block to damage.
fn run(seed: u64, steps: u64) -> Result<bool, String> {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut case = Case::new(seed, dir.path())?;
    for step in 0..steps {
        case.step().map_err(|error| format!("step {step}: {error}"))?;
    }
    case.end().map_err(|error| format!("at the end: {error}"))?;
    Ok(case.damaged)
}

/// How many steps a case has: few in most.
fn steps(seed: u64) -> u64 {
    support::Random(seed ^ 0x5eed).below(20) + 3
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn a_ring_is_a_list_that_loses_its_oldest_rows() {
    let (cases, first) = (setting("WEIR_MODEL_CASES", CASES), setting("WEIR_MODEL_SEED", 1));
    eprintln!("seeds {first} to {}", first + cases - 1);
    let (next, damaged) = (AtomicU64::new(first), AtomicU64::new(0));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + cases {
                break;
            }
            match run(seed, steps(seed)) {
                Ok(was_damaged) => {
                    damaged.fetch_add(u64::from(was_damaged), Ordering::Relaxed);
                }
                Err(error) => {
                    let least = (0..steps(seed)).find(|&steps| run(seed, steps).is_err());
                    panic!("WEIR_MODEL_SEED={seed} WEIR_MODEL_CASES=1, {least:?} steps are enough: {error}");
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    assert!(damaged.into_inner() > cases / 8 || cases < CASES, "hardly a block was damaged");
}
