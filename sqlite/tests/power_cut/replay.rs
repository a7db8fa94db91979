//! What must be true of a store whose power was cut, and whether it is.

use std::path::Path;

use weir_flow::{Batch, FlowRecord, Timestamp};
use weir_store::{Control, MaxRecordBytes, Order, Reader, StoredRow, Writer, check};

use crate::facts::{Facts, RingFacts};
use crate::plan::{INPUT, Plan, Step, TENANTS, config};
use crate::support::{all_rows, at, bookmark, soon, tenant};

/// The newest rows, which are looked at each time.
const NEWEST: usize = 40;
/// Rows of each tenant that the store has to take afterwards.
const MORE: u64 = 3;

/// What the steps of a plan put into the rings.
pub(crate) struct Expected {
    rows: [Vec<String>; 2],
    end: Timestamp,
}

impl Expected {
    pub(crate) fn of(seed: u64, steps: usize) -> Self {
        let mut plan = Plan::new(seed);
        let mut expected = Self { rows: [Vec::new(), Vec::new()], end: at(0) };
        for _ in 0..steps {
            match plan.step() {
                Step::Commit(batches, now) => expected.add(&batches, now),
                Step::Replay(batch, now) => expected.add(&[batch], now),
                Step::Trim(now) | Step::Close(now, _) | Step::Drop(now) => expected.end = now,
            }
        }
        expected
    }

    fn add(&mut self, batches: &[Batch], now: Timestamp) {
        self.end = now;
        for batch in batches {
            let ring = usize::from(batch.tenant.as_str() != TENANTS[0]);
            self.rows[ring].extend(batch.records.iter().filter(|record| fits(record)).map(line));
        }
    }

    /// Whether these are the rows that were committed under their numbers.
    fn are(&self, ring: usize, id: &str, rows: &[StoredRow]) -> Result<(), String> {
        for row in rows {
            let line = usize::try_from(row.row - 1).ok().and_then(|place| self.rows[ring].get(place));
            let line =
                line.ok_or_else(|| format!("row {} of {} was never committed", row.row, TENANTS[ring]))?;
            let name = format!("{id}-{}", row.row);
            if row.id != name || !row.json.ends_with(&line[1..]) || !row.json.contains(&name) {
                return Err(format!("row {} of {} is another one: {}", row.row, TENANTS[ring], row.json));
            }
        }
        Ok(())
    }
}

/// What a store holds that was just made.
pub(crate) fn fresh() -> Facts {
    let ring = RingFacts { id: "-".into(), first_row: 1, next_row: 1 };
    Facts { rings: [ring.clone(), ring], ..Facts::default() }
}

/// What may be there: what was safe, or what came next, and nothing between.
pub(crate) struct Allowed {
    pub(crate) safe: Facts,
    pub(crate) next: Option<Facts>,
}

impl Allowed {
    fn fits(&self, found: &Facts) -> bool {
        let next = self.next.as_ref().unwrap_or(&self.safe);
        let either = [&self.safe, next];
        let rings = found.rings.iter().enumerate().all(|(ring, facts)| {
            (self.safe.rings[ring].first_row..=next.rings[ring].first_row).contains(&facts.first_row)
        });
        // A commit is there as a whole: rows of both rings, bookmark, receipts and dead letters.
        let is_commit = self.safe.commits != next.commits;
        let whole = either.into_iter().any(|whole| {
            let rows = |facts: &Facts| facts.rings.clone().map(|ring| (ring.id, ring.next_row));
            rows(whole) == rows(found)
                && whole.commits == found.commits
                && (!is_commit || (whole.receipts, whole.letters) == (found.receipts, found.letters))
        });
        rings
            && whole
            && either.iter().any(|facts| facts.receipts == found.receipts)
            && either.iter().any(|facts| facts.letters == found.letters)
    }
}

/// Opens the store in `dir` and looks at it; `thorough` reads all of it.
pub(crate) fn examine(
    dir: &Path,
    allowed: &Allowed,
    expected: &Expected,
    thorough: bool,
) -> Result<(), String> {
    let told = |error: weir_store::Error| format!("failed to {error}");
    let mut writer = Writer::open(dir, &config(), expected.end).map_err(told)?;
    let reader = Reader::open(dir).map_err(told)?;
    let control = Control::open(dir).map_err(told)?;
    let facts = Facts::seen(&reader, &control).map_err(told)?;
    if !allowed.fits(&facts) {
        return Err(format!("it holds {facts}, safe was {}, next {:?}", allowed.safe, allowed.next));
    }
    for (ring, name) in TENANTS.iter().enumerate() {
        let found = &facts.rings[ring];
        let rows = reader.recent(&tenant(name), NEWEST, Order::NewestFirst, soon()).map_err(told)?;
        expected.are(ring, &found.id, &rows)?;
        let wanted = (found.first_row..found.next_row).rev().take(NEWEST);
        if !rows.iter().map(|row| row.row).eq(wanted) {
            return Err(format!("the newest rows of {name} are not contiguous"));
        }
    }
    if thorough {
        whole(dir, &reader, &facts, expected)?;
    }
    goes_on(&mut writer, &facts, expected.end)?;
    let after = Facts::seen(&reader, &control).map_err(told)?;
    if !has_gone_on(&facts, &after) {
        return Err(format!("after {facts} and another commit it holds {after}"));
    }
    drop((reader, control));
    writer.close().map_err(told)
}

fn sound(dir: &Path) -> Result<(), String> {
    let report = check(dir).map_err(|error| format!("failed to {error}"))?;
    if report.is_sound() { Ok(()) } else { Err(format!("the check says {:?}", report.problems)) }
}

/// Every row is there, and the minutes say of them what is true.
fn whole(dir: &Path, reader: &Reader, facts: &Facts, expected: &Expected) -> Result<(), String> {
    sound(dir)?;
    for (ring, name) in TENANTS.iter().enumerate() {
        let found = &facts.rings[ring];
        let rows = all_rows(reader, &tenant(name));
        expected.are(ring, &found.id, &rows)?;
        if rows.len() as u64 != found.next_row - found.first_row {
            return Err(format!("{name} has {} rows: {facts}", rows.len()));
        }
        let minutes = reader.minutes(&tenant(name), 0, i64::MAX).map_err(|error| error.to_string())?;
        let flows: u64 = minutes.iter().map(|minute| minute.flows).sum();
        // The oldest minute may count rows of it that are trimmed already.
        if flows < rows.len() as u64 || (found.first_row == 1 && flows != rows.len() as u64) {
            return Err(format!("{flows} flows in the minutes of {name}, which has {} rows", rows.len()));
        }
    }
    Ok(())
}

/// The store takes what comes next.
fn goes_on(writer: &mut Writer, before: &Facts, now: Timestamp) -> Result<(), String> {
    let told = |error: weir_store::Error| format!("it does not go on: failed to {error}");
    let mut batches = TENANTS.map(|name| Batch {
        tenant: tenant(name),
        records: vec![FlowRecord::default(); MORE as usize],
        ..Batch::default()
    });
    batches[1].bookmark = bookmark(INPUT, before.commits + 1);
    writer.commit(&batches, now).map_err(told)?;
    writer.trim(now, true).map(|_| ()).map_err(told)
}

/// With the numbers that follow.
fn has_gone_on(before: &Facts, after: &Facts) -> bool {
    let rings = before.rings.iter().zip(&after.rings);
    after.commits == before.commits + 1
        && rings.into_iter().all(|(before, after)| {
            after.next_row == before.next_row + MORE && (after.id == before.id || before.id == "-")
        })
}

/// True for a record that is stored; others become dead letters.
fn fits(record: &FlowRecord) -> bool {
    line(record).len() <= MaxRecordBytes::MIN
}

/// The record as the ring has it.
fn line(record: &FlowRecord) -> String {
    let mut line = Vec::new();
    record.write_json(&mut line).unwrap();
    String::from_utf8(line).unwrap()
}
