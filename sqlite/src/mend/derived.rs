//! What follows from the blocks: summaries, starts, minutes. Whatever disagrees with them is computed again.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::Mended;
use super::again::summarize;
use crate::MinuteTotal;
use crate::inspect::{Head, Seen, add_minutes};
use crate::minute::minute_of;
use crate::ring::{Ring, signed};
use crate::seal::Tools;

/// What disagrees with the blocks of a ring.
#[derive(Default)]
pub(super) struct Derived {
    /// Blocks whose summary is missing or wrong.
    summaries: Vec<i64>,
    /// Blocks whose starts are wrong.
    starts: Vec<(i64, (i64, i64))>,
    /// The totals of the sealed blocks.
    sums: BTreeMap<i64, MinuteTotal>,
    /// Minutes to write, and minutes to remove.
    minutes: Vec<MinuteTotal>,
    empty_minutes: Vec<i64>,
    /// When the oldest row was stored.
    oldest: Option<i64>,
}

impl Derived {
    pub(super) fn is_empty(&self) -> bool {
        self.summaries.is_empty()
            && self.starts.is_empty()
            && self.minutes.is_empty()
            && self.empty_minutes.is_empty()
    }

    /// A summary whose rows are not those of its block.
    pub(super) fn stale_by_count(&mut self, head: &Head) {
        if head.summary.is_some_and(|rows| head.rows().map(signed) != Some(rows)) {
            self.summaries.push(head.key);
        }
    }

    /// Compares what a block's rows say with what is said of it.
    pub(super) fn compare(&mut self, db: &Connection, head: &Head, seen: &Seen) -> rusqlite::Result<()> {
        add_minutes(&mut self.sums, &seen.minutes);
        let first = seen.processed_at.0;
        self.oldest = Some(self.oldest.map_or(first, |oldest| oldest.min(first)));
        if head.starts != seen.starts {
            self.starts.push((head.key, seen.starts));
        }
        if !summary_agrees(db, head.key, seen)? {
            self.summaries.push(head.key);
        }
        Ok(())
    }

    /// Compares the minutes with the sums. Where rows were lost a total may be more than what is left: it is what came in.
    pub(super) fn minutes_of(&mut self, db: &Connection, ring: &Ring, lossy: bool) -> rusqlite::Result<()> {
        let stored = MinuteTotal::range(db, ring.ring, (i64::MIN, i64::MAX), u32::MAX)?;
        let oldest = self.oldest.map_or(i64::MAX, minute_of);
        let lost = oldest..=minute_of(ring.processed_at);
        let mut sums = self.sums.clone();
        for total in stored {
            let may_exceed = lossy || total.minute == oldest;
            match sums.remove(&total.minute) {
                Some(sum) if agrees(&total, &sum, may_exceed) => {}
                Some(sum) => self.minutes.push(sum),
                None if lossy && lost.contains(&total.minute) => {}
                None => self.empty_minutes.push(total.minute),
            }
        }
        self.minutes.extend(sums.into_values());
        Ok(())
    }

    pub(super) fn apply(
        &self,
        db: &Connection,
        ring: &Ring,
        tenant: &str,
        tools: &mut Tools,
        done: &mut Mended,
    ) -> rusqlite::Result<()> {
        for key in &self.summaries {
            summarize(db, *key, tools)?;
        }
        for (key, (min, max)) in &self.starts {
            db.prepare_cached("UPDATE block SET min_ts = ?2, max_ts = ?3 WHERE block = ?1")?
                .execute(params![key, min, max])?;
        }
        for total in &self.minutes {
            total.save(db, ring.ring)?;
        }
        for minute in &self.empty_minutes {
            db.prepare_cached("DELETE FROM minute WHERE ring = ?1 AND minute = ?2")?
                .execute([ring.ring, *minute])?;
        }
        let told = [
            (self.summaries.len(), "summaries"),
            (self.starts.len(), "earliest and latest starts"),
            (self.minutes.len() + self.empty_minutes.len(), "minutes"),
        ];
        for (count, what) in told.into_iter().filter(|(count, _)| *count > 0) {
            done.correct(format!("ring of tenant {tenant}: {count} {what}"));
        }
        Ok(())
    }

    /// Removes what belongs to no block, and the totals by the hour, which the writer makes again.
    pub(super) fn sweep(db: &Connection, done: &mut Mended) -> rusqlite::Result<()> {
        for table in ["summary", "terms"] {
            let sql = format!("DELETE FROM {table} WHERE block NOT IN (SELECT block FROM block)");
            let removed = db.execute(&sql, [])?;
            if removed > 0 {
                done.correct(format!("{removed} rows of {table} that belong to no block"));
            }
        }
        let tails = db.execute("DELETE FROM tail WHERE ring NOT IN (SELECT ring FROM ring)", [])?;
        if tails > 0 {
            done.correct(format!("{tails} tails of no ring"));
        }
        db.execute("DELETE FROM hour", [])?;
        Ok(())
    }
}

/// True when the summary of a block is there and says what its rows do.
pub(crate) fn summary_agrees(db: &Connection, key: i64, seen: &Seen) -> rusqlite::Result<bool> {
    let found = db
        .prepare_cached(
            "SELECT count, first_processed_at, processed_at, min_ts, max_ts, max_risk, threats
             FROM summary WHERE block = ?1 AND EXISTS (SELECT 1 FROM terms WHERE block = ?1)",
        )?
        .query_row([key], |row| {
            let said: [Option<i64>; 7] = std::array::from_fn(|at| row.get(at).unwrap_or(Some(-1)));
            Ok(said)
        });
    let expected = [
        Some(signed(seen.rows)),
        Some(seen.processed_at.0),
        Some(seen.processed_at.1),
        Some(seen.starts.0),
        Some(seen.starts.1),
        seen.max_risk.map(i64::from),
        Some(signed(seen.threats)),
    ];
    Ok(found.optional()? == Some(expected))
}

/// True when a stored total is that of its rows, or more where it may.
pub(crate) fn agrees(stored: &MinuteTotal, sum: &MinuteTotal, may_exceed: bool) -> bool {
    let fields = |total: &MinuteTotal| {
        [total.flows, total.packets, total.octets, total.threats, total.risk_sum, total.risk_count]
            .map(signed)
    };
    let (stored_sums, sums) = (fields(stored), fields(sum));
    if may_exceed {
        let is_more = stored_sums.iter().zip(&sums).all(|(stored, sum)| stored >= sum);
        return is_more && stored.first_row <= sum.first_row;
    }
    stored_sums == sums && stored.first_row == sum.first_row
}
