//! `GET /v1/timeseries`: totals in steps of time, for charts.

use std::time::Instant;

use weir_flow::Timestamp;
use weir_store::{MAX_STEPS, SeriesQuery};

use crate::answer::{Problem, Response};
use crate::api::parameters::Parameters;
use crate::api::query::invalid;
use crate::api::top::{finish, members, stored};
use crate::route::{Call, Context};
use crate::tenant;

const PARAMETERS: [&str; 2] = ["step", "timeout_ms"];
/// Length of a step in minutes: up to a week, which is the shortest time that rows are kept by default.
const STEP_MINUTES: std::ops::RangeInclusive<u32> = 1..=7 * 24 * 60;
/// Steps to choose from where none is named, minutes.
const STEPS: [u32; 6] = [1, 5, 15, 60, 360, 1_440];
/// Points that a chart can show.
const POINTS: i64 = 1_440;
const MINUTE_MS: i64 = 60_000;

/// Totals of the records stored from `from` up to and without `to` that fit the conditions, a step each.
pub(crate) fn timeseries(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let parameters = Parameters::of(call.request, &PARAMETERS)?;
    let (from, to) = stored(&parameters, context.intake.now())?;
    let step_minutes = match parameters.one("step") {
        Some(text) => step(text)?,
        None => fitting(from, to),
    };
    if steps(from, to, step_minutes) > MAX_STEPS as i64 {
        let detail = format!("The range has more than {MAX_STEPS} such steps; take a longer step");
        return Err(invalid(detail));
    }
    let query = SeriesQuery { from, to, step_minutes, only: parameters.conditions()? };
    let timeout = parameters.timeout()?;
    let tenant = tenant::of(context, call)?;
    let begun = Instant::now();
    let series = context.rows.series(&tenant, &query, begun + timeout)?;
    let mut answer = members(&series)?;
    answer.entry("step_minutes").or_insert_with(|| step_minutes.into());
    Ok(finish(answer, (from, to), &series.progress, begun))
}

/// `<number>m`, `h` or `d`, in minutes.
fn step(text: &str) -> Result<u32, Problem> {
    let minutes = |text: &str| -> Option<u32> {
        let unit = match text.as_bytes().last()? {
            b'm' => 1,
            b'h' => 60,
            b'd' => 1_440,
            _ => return None,
        };
        let number = text.get(..text.len() - 1)?;
        let plain = number.bytes().all(|octet| octet.is_ascii_digit());
        plain.then(|| number.parse::<u32>().ok()?.checked_mul(unit)).flatten()
    };
    minutes(text)
        .filter(|minutes| STEP_MINUTES.contains(minutes))
        .ok_or_else(|| invalid("step must be 1m to 7d: a number with m, h or d".to_owned()))
}

/// The shortest of the usual steps of which a chart can show all.
fn fitting(from: Timestamp, to: Timestamp) -> u32 {
    let [.., longest] = STEPS;
    STEPS.into_iter().find(|&minutes| steps(from, to, minutes) <= POINTS).unwrap_or(longest)
}

/// Whole steps in the range.
fn steps(from: Timestamp, to: Timestamp, minutes: u32) -> i64 {
    to.millis().saturating_sub(from.millis()) / (i64::from(minutes) * MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::{fitting, step};

    #[test]
    fn a_step_is_minutes_hours_or_days_up_to_a_week() {
        for (text, minutes) in [("1m", 1), ("5m", 5), ("1h", 60), ("24h", 1_440), ("7d", 10_080)] {
            assert_eq!(step(text).unwrap(), minutes, "{text}");
        }
        for bad in ["", "m", "0m", "1", "1s", "-1m", "+1m", "1.5h", "8d", "99999999999m", "4294967295d", "1é"]
        {
            assert!(step(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_step_that_nobody_named_gives_a_chart_that_can_be_drawn() {
        let hours =
            |hours: i64| fitting(Timestamp::from_millis(0), Timestamp::from_millis(hours * 3_600_000));
        assert_eq!([hours(1), hours(24), hours(25), hours(24 * 7), hours(24 * 3_650)], [1, 1, 5, 15, 1_440]);
    }
}
