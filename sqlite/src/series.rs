//! Totals of a range in steps of time, for charts.

use std::ops::Range;
use std::time::Instant;

use serde::Serialize;
use weir_flow::{TenantId, Timestamp};

use crate::error::{Doing, Error};
use crate::hour::rows::View;
use crate::minute::MINUTE_MS;
use crate::search::{self, Progress, Query};
use crate::top::Span;
use crate::{MAX_READ_MINUTES, MinuteTotal, Order, Reader};

/// Steps that an answer has at most.
pub const MAX_STEPS: usize = 10_080;
/// Lengths of steps in minutes. The longest is a day, of which there are enough for 27 years.
const LENGTHS: [i64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440];
const MAX_LENGTH: i64 = 1_440;

/// What to add up.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// Records stored in the minute of this time or later.
    pub from: Timestamp,
    /// Records stored before this time, which is rounded up to a minute.
    pub to: Timestamp,
    /// Length of a step in minutes, 1 to 1,440. Steps begin at its multiples since 1970.
    pub step_minutes: u32,
    /// Only records that fit; with conditions every record of the range is looked at.
    pub only: Query,
}

/// The totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Series {
    /// Length of a step in minutes: what was asked for, or the shortest longer one with which there are no more than
    /// [`MAX_STEPS`] between the first and the last record of the range.
    pub step_minutes: u32,
    /// The steps in which there were records, ascending; at most [`MAX_STEPS`].
    pub steps: Vec<Step>,
    /// How the search went, where conditions asked for one.
    pub progress: Progress,
}

/// Totals of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When it begins, milliseconds since 1970.
    pub ts_ms: i64,
    /// Records of kind `flow`.
    pub flows: u64,
    /// Packets of all records, each times its sampling.
    pub packets: u64,
    /// IP-layer octets of all records, each times its sampling.
    pub octets: u64,
    /// Records that an indicator matched.
    pub threats: u64,
    /// Sum of the risk scores.
    pub risk_sum: u64,
    /// Records that have a risk score.
    pub risk_count: u64,
}

/// A step, and the first row that was stored in it.
struct Begun {
    total: MinuteTotal,
    first_row: u64,
    /// A record of it belongs to the answer.
    is_found: bool,
}

impl Reader {
    /// Adds up what the records of `tenant` have, from minute totals where there are no conditions.
    ///
    /// # Errors
    /// What the disk answers. A passed deadline is no error, see [`Progress::complete`].
    pub fn series(&self, tenant: &TenantId, query: &SeriesQuery, deadline: Instant) -> Result<Series, Error> {
        let asked = i64::from(query.step_minutes).clamp(1, MAX_LENGTH);
        let mut series =
            Series { progress: Progress { complete: true, ..Progress::default() }, ..Series::default() };
        let whole = Span::minutes_of(query.from, query.to);
        let known = self.view(tenant, &whole)?;
        let (minutes, rows) = match known {
            Some((view, rows)) => (self.stored_minutes(&view, &whole)?, rows),
            None => (0..0, 0..0),
        };
        let step = step_for(asked, &minutes);
        series.step_minutes = u32::try_from(step).unwrap_or_default();
        if rows.is_empty() {
            return Ok(series);
        }
        let (mut begun, complete) = self.steps(tenant, minutes, step, deadline)?;
        series.progress.complete = complete;
        if complete && query.only != Query::default() {
            for step in &mut begun {
                step.total = MinuteTotal { minute: step.total.minute, ..MinuteTotal::default() };
                step.is_found = false;
            }
            series.progress = self.add_fitting(tenant, query, &rows, &mut begun, deadline)?;
        }
        let found = begun.into_iter().filter(|step| step.is_found);
        series.steps = found.map(|step| Step::of(&step.total)).collect();
        Ok(series)
    }

    /// The minutes of `span` from the first to the last that has rows.
    fn stored_minutes(&self, view: &View, span: &Span) -> Result<Range<i64>, Error> {
        let (from, to) = span.minutes();
        let stored = view.minutes(&self.db).doing("read", &self.path)?;
        Ok(stored.map_or(0..0, |(first, last)| from.max(first)..to.min(last.saturating_add(1))))
    }

    /// The totals of `minutes` by steps; and whether that was all of them before the deadline.
    fn steps(
        &self,
        tenant: &TenantId,
        mut minutes: Range<i64>,
        step: i64,
        deadline: Instant,
    ) -> Result<(Vec<Begun>, bool), Error> {
        let mut steps: Vec<Begun> = Vec::new();
        while !minutes.is_empty() {
            let totals = self.minutes(tenant, minutes.start, minutes.end)?;
            let Some(last) = totals.last() else { break };
            minutes.start = last.minute + 1;
            let is_last = totals.len() < MAX_READ_MINUTES as usize;
            for total in totals {
                let minute = total.minute.div_euclid(step) * step;
                match steps.last_mut().filter(|begun| begun.total.minute == minute) {
                    Some(begun) => begun.total.merge(&total),
                    None => steps.push(Begun {
                        first_row: total.first_row,
                        total: MinuteTotal { minute, ..total },
                        is_found: true,
                    }),
                }
            }
            if is_last {
                break;
            }
            if Instant::now() >= deadline {
                return Ok((steps, false));
            }
        }
        Ok((steps, true))
    }

    /// Adds the records of `rows` that fit to the steps in which they were stored.
    fn add_fitting(
        &self,
        tenant: &TenantId,
        query: &SeriesQuery,
        rows: &Range<u64>,
        steps: &mut [Begun],
        deadline: Instant,
    ) -> Result<Progress, Error> {
        let only = query.only.within(rows);
        let span = search::Span { order: Order::NewestFirst, after: None, stored: None, deadline };
        self.each_record(tenant, &only, &span, |row, _, record| {
            let after = steps.partition_point(|step| step.first_row <= row);
            if let Some(step) = after.checked_sub(1).and_then(|at| steps.get_mut(at)) {
                step.total.add(record);
                step.is_found = true;
            }
            true
        })
    }
}

impl Step {
    const fn of(total: &MinuteTotal) -> Self {
        Self {
            ts_ms: total.minute.saturating_mul(MINUTE_MS),
            flows: total.flows,
            packets: total.packets,
            octets: total.octets,
            threats: total.threats,
            risk_sum: total.risk_sum,
            risk_count: total.risk_count,
        }
    }
}

/// The length of a step that makes no more than [`MAX_STEPS`] of `minutes`, `asked` at least.
fn step_for(asked: i64, minutes: &Range<i64>) -> i64 {
    let fits = |&step: &i64| {
        let steps = minutes.end.div_euclid(step).saturating_sub(minutes.start.div_euclid(step)) + 1;
        usize::try_from(steps.max(0)).is_ok_and(|steps| steps <= MAX_STEPS)
    };
    let longer = LENGTHS.into_iter().filter(|&step| step > asked);
    let mut lengths = std::iter::once(asked).chain(longer);
    lengths.find(fits).unwrap_or(MAX_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::step_for;

    #[test]
    fn a_range_with_too_many_steps_gets_the_next_longer_one() {
        assert_eq!(step_for(1, &(0..10_079)), 1);
        assert_eq!(step_for(1, &(0..10_080)), 2);
        assert_eq!(step_for(7, &(0..8 * 10_080)), 10);
        assert_eq!(step_for(5, &(0..1_440 * 365)), 60);
        assert_eq!(step_for(1_440, &(0..60)), 1_440);
        let none = std::ops::Range { start: 9_000, end: 60 };
        assert_eq!(step_for(3, &none), 3);
        assert_eq!(step_for(1, &(i64::MIN / 60_000..i64::MAX / 60_000)), 1_440);
    }
}
