//! What the agent wrote to the device, by the day: flash bears so much in its life, and no more.
//!
//! The agent reads from its kernel how many bytes its process caused to be written ([`Writer::wrote`]). They are added up in
//! memory and go to the table `wear` with a commit that comes anyway: counting must not wear what it counts.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use serde::Serialize;
use weir_flow::Timestamp;

use crate::error::{Doing, Error};
use crate::reader::Reader;
use crate::ring::{signed, unsigned};
use crate::trim::{CLOCK_FLOOR, DAY_MS};
use crate::writer::Writer;

/// Days that are kept, the newest: a year and the month that one compares with.
pub const WEAR_DAYS: u32 = 400;
/// Between two times that the sums go with a commit; what a power cut can leave out.
const SAVE_MS: i64 = 5 * 60 * 1_000;
/// Whole days of which the mean is told.
const MEAN_DAYS: i64 = 7;

/// What was written to the device, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Since midnight UTC.
    pub today: u64,
    /// A day, in the mean of the last seven whole days, or of as many as there were; none on the first day.
    pub per_day: Option<u64>,
}

/// The sums in memory.
#[derive(Debug, Default)]
pub(crate) struct Wear {
    /// Bytes by days since 1970, as they will be in the table; at most [`WEAR_DAYS`].
    days: BTreeMap<i64, u64>,
    /// Days that the table does not know so.
    changed: BTreeSet<i64>,
    /// Written while the clock was not set: it belongs to the first day that is known.
    undated: u64,
    saved_at: Option<i64>,
}

/// That the sums went with a transaction, to be told when that is committed.
#[must_use]
pub(crate) struct Saved(Option<i64>);

impl Wear {
    /// The sums in the table.
    pub(crate) fn load(db: &Connection) -> rusqlite::Result<Self> {
        Ok(Self { days: read(db)?.into_iter().collect(), ..Self::default() })
    }

    fn add(&mut self, bytes: u64, now: Timestamp) {
        self.undated = self.undated.saturating_add(bytes);
        if now < CLOCK_FLOOR || self.undated == 0 {
            return;
        }
        let day = day_of(now.millis());
        let sum = self.days.entry(day).or_default();
        *sum = sum.saturating_add(std::mem::take(&mut self.undated));
        self.changed.insert(day);
        while self.days.len() > WEAR_DAYS as usize
            && let Some((day, _)) = self.days.pop_first()
        {
            self.changed.remove(&day);
        }
    }

    /// Adds the sums to a transaction, when it is time.
    pub(crate) fn save(&self, tx: &Connection, now_ms: i64) -> rusqlite::Result<Saved> {
        let waits = self.saved_at.is_some_and(|at| (at..at + SAVE_MS).contains(&now_ms));
        if waits || self.changed.is_empty() {
            return Ok(Saved(None));
        }
        self.write(tx)?;
        Ok(Saved(Some(now_ms)))
    }

    pub(crate) fn saved(&mut self, saved: &Saved) {
        if saved.0.is_some() {
            self.saved_at = saved.0;
            self.changed.clear();
        }
    }

    fn write(&self, tx: &Connection) -> rusqlite::Result<()> {
        let mut statement = tx.prepare_cached("REPLACE INTO wear (day, bytes) VALUES (?1, ?2)")?;
        for day in &self.changed {
            statement.execute([*day, signed(self.days.get(day).copied().unwrap_or_default())])?;
        }
        // By number and not by age: one day that a wrong clock made up must not remove all others.
        tx.prepare_cached(
            "DELETE FROM wear WHERE day < (SELECT day FROM wear ORDER BY day DESC LIMIT 1 OFFSET ?1)",
        )?
        .execute(params![WEAR_DAYS - 1])?;
        Ok(())
    }

    fn written(&self, now: Timestamp) -> Written {
        let today = day_of(now.millis());
        let first = self.days.keys().next().copied().unwrap_or(today).max(today - MEAN_DAYS);
        let whole: u64 = self.days.range(first.min(today)..today).map(|(_, bytes)| bytes).sum();
        Written {
            today: self.days.get(&today).copied().unwrap_or_default(),
            per_day: u64::try_from(today - first).ok().and_then(|days| whole.checked_div(days)),
        }
    }
}

impl Writer {
    /// Counts bytes that were written to the device since the last call.
    pub fn wrote(&mut self, bytes: u64, now: Timestamp) {
        self.wear.add(bytes, now);
    }

    /// What was written to the device.
    #[must_use]
    pub fn written(&self, now: Timestamp) -> Written {
        self.wear.written(now)
    }

    /// Writes the sums, when the store is closed.
    pub(crate) fn save_wear(&self) -> rusqlite::Result<()> {
        if self.wear.changed.is_empty() {
            return Ok(());
        }
        let tx = self.db.unchecked_transaction()?;
        self.wear.write(&tx)?;
        tx.commit()
    }
}

impl Reader {
    /// Bytes that the agent wrote to the device: days since 1970, ascending, at most [`WEAR_DAYS`], and the bytes of each. What
    /// was written in the last minutes may be missing.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn wear(&self) -> Result<Vec<(i64, u64)>, Error> {
        self.until(None, || read(&self.db).doing("read", &self.path))
    }
}

fn read(db: &Connection) -> rusqlite::Result<Vec<(i64, u64)>> {
    let sql = "SELECT day, bytes FROM (SELECT day, bytes FROM wear ORDER BY day DESC LIMIT ?1) ORDER BY day";
    let mut statement = db.prepare_cached(sql)?;
    let days = statement.query_map([WEAR_DAYS], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?;
    days.collect()
}

const fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use weir_flow::{Batch, FlowRecord, Timestamp};

    use super::{DAY_MS, WEAR_DAYS, Wear, Written, day_of};
    use crate::{Config, Reader, Writer};

    const START_MS: i64 = 20_800 * DAY_MS;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_millis(START_MS + day * DAY_MS + 1_000)
    }

    #[test]
    fn the_mean_is_that_of_the_last_seven_whole_days() {
        let mut wear = Wear::default();
        wear.add(100, at(0));
        assert_eq!(wear.written(at(0)), Written { today: 100, per_day: None });
        (1..10).for_each(|day| wear.add(70, at(day)));
        assert_eq!(wear.written(at(3)), Written { today: 70, per_day: Some(80) });
        assert_eq!(wear.written(at(9)), Written { today: 70, per_day: Some(70) });
        // The agent did not run on the days between.
        assert_eq!(wear.written(at(14)), Written { today: 0, per_day: Some(30) });
    }

    #[test]
    fn what_is_written_before_the_clock_is_set_belongs_to_the_first_day_that_is_known() {
        let mut wear = Wear::default();
        wear.add(500, Timestamp::from_millis(12_000));
        assert!(wear.days.is_empty() && wear.changed.is_empty());
        wear.add(7, at(0));
        assert_eq!(wear.written(at(0)).today, 507);
    }

    #[test]
    fn sums_go_with_a_commit_each_five_minutes_and_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let batch = [Batch { records: vec![FlowRecord::default()], ..Batch::default() }];
        let mut writer = Writer::open(dir.path(), &Config::default(), at(0)).unwrap();
        let reader = Reader::open(dir.path()).unwrap();
        let day = day_of(at(0).millis());
        writer.wrote(1_000, at(0));
        assert_eq!(reader.wear().unwrap(), []);
        writer.commit(&batch, at(0)).unwrap();
        assert_eq!(reader.wear().unwrap(), [(day, 1_000)]);
        for (second, told) in [(1, 1_000), (299, 1_000), (300, 1_030)] {
            writer.wrote(10, at(0).plus_micros(second * 1_000_000));
            writer.commit(&batch, at(0).plus_micros(second * 1_000_000)).unwrap();
            assert_eq!(reader.wear().unwrap(), [(day, told)], "{second}");
        }
        writer.wrote(5, at(1));
        writer.close().unwrap();
        let writer = Writer::open(dir.path(), &Config::default(), at(1)).unwrap();
        assert_eq!(writer.written(at(1)), Written { today: 5, per_day: Some(1_030) });
    }

    #[test]
    fn the_newest_days_are_kept_and_one_day_of_a_wrong_clock_removes_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), &Config::default(), at(0)).unwrap();
        (0..450).for_each(|day| writer.wrote(1, at(day)));
        writer.wrote(1, at(100_000));
        writer.close().unwrap();
        let days = Reader::open(dir.path()).unwrap().wear().unwrap();
        let first = day_of(at(51).millis());
        assert_eq!((days.len(), days[0]), (WEAR_DAYS as usize, (first, 1)));
        assert_eq!(days[399].0, day_of(at(100_000).millis()));
        assert_eq!(days[398].0, day_of(at(449).millis()));
    }
}
