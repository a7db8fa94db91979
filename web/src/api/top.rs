//! `GET /v1/top`: who and what had most of the traffic.

use std::time::{Duration, Instant};

use serde_json::Value;
use weir_flow::Timestamp;
use weir_store::{Dimension, MAX_TOP, Measure, TopQuery};

use crate::answer::{Problem, Response, json};
use crate::api::parameters::Parameters;
use crate::api::query::invalid;
use crate::api::shape::{self, Rest};
use crate::route::{Call, Context};
use crate::tenant;

const PARAMETERS: [&str; 4] = ["dimension", "by", "limit", "timeout_ms"];
const LIMIT: std::ops::RangeInclusive<usize> = 1..=MAX_TOP;
const DEFAULT_LIMIT: usize = 10;
/// The range of who names none.
const LAST: Duration = Duration::from_secs(24 * 3_600);

const MEASURES: [(&str, Measure); 3] =
    [("octets", Measure::Octets), ("packets", Measure::Packets), ("flows", Measure::Flows)];

/// The greatest of `dimension`, of the records stored from `from` up to and without `to` that fit the conditions.
pub(crate) fn top(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let parameters = Parameters::of(call.request, &PARAMETERS)?;
    let dimension = parameters.choice("dimension", &Dimension::NAMED)?.ok_or_else(|| {
        let names: Vec<_> = Dimension::NAMED.iter().map(|(name, _)| *name).collect();
        invalid(format!("dimension is missing: one of {}", names.join(", ")))
    })?;
    let measure = parameters.choice("by", &MEASURES)?.unwrap_or_default();
    let (from, to) = stored(&parameters, context.intake.now())?;
    let limit = parameters.number("limit", LIMIT, DEFAULT_LIMIT)?;
    let query = TopQuery { dimension, measure, from, to, limit, only: parameters.conditions()? };
    let timeout = parameters.timeout()?;
    let tenant = tenant::of(context, call)?;
    let begun = Instant::now();
    let top = context.rows.top(&tenant, &query, begun + timeout)?;
    let mut answer = members(&top)?;
    answer.extend([("dimension".to_owned(), told(&dimension)), ("by".to_owned(), told(&measure))]);
    Ok(finish(answer, (from, to), &top.progress, begun))
}

/// The range of a route that asks for what was stored then; the last 24 hours where nothing is said.
pub(super) fn stored(parameters: &Parameters<'_>, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let (from, to) = parameters.range()?;
    // What is stored in this millisecond belongs to it.
    let to = to.unwrap_or_else(|| Timestamp::from_millis(now.millis().saturating_add(1)));
    let last = i64::try_from(LAST.as_micros()).unwrap_or(i64::MAX);
    let from = from.unwrap_or_else(|| Timestamp::from_micros(to.micros().saturating_sub(last)));
    if from > to {
        return Err(invalid("from must not be later than to, which is now where it is not given".to_owned()));
    }
    Ok((from, to))
}

/// What the store told, without how it went.
pub(super) fn members(value: &impl serde::Serialize) -> Result<Rest, Problem> {
    match serde_json::to_value(value) {
        Ok(Value::Object(mut members)) => {
            members.remove("progress");
            Ok(members)
        }
        _ => {
            let detail = "The answer could not be written";
            Err(Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, "internal", detail))
        }
    }
}

fn told(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The answer with the range that it is about and how the search went.
pub(super) fn finish(
    mut answer: Rest,
    (from, to): (Timestamp, Timestamp),
    progress: &weir_store::Progress,
    begun: Instant,
) -> Response {
    // The store knows better which range it covers, where it says so.
    answer.entry("from").or_insert_with(|| told(&from));
    answer.entry("to").or_insert_with(|| told(&to));
    answer.extend(shape::progress(progress));
    shape::took(&mut answer, begun);
    json(&answer)
}
