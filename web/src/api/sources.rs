//! `GET /v1/sources` and `/v1/sources/{id}`: the exporters that send flow records.

use http::StatusCode;

use crate::answer::{Problem, Response, json};
use crate::api::query;
use crate::route::{Call, Context};

/// Sources in one answer; without the parameter all of them, since the agent's table of exporters is bounded itself.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=4_096;

/// All sources, or the `limit` heard from last.
pub(crate) fn all(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let limit = query::number(call.request, "limit", LIMIT, usize::MAX)?;
    let mut answer = context.status.sources();
    answer.sources.truncate(limit);
    Ok(json(&answer))
}

/// One source.
pub(crate) fn one(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let sources = context.status.sources().sources;
    let source = sources.iter().find(|source| call.segments.contains(&source.id.as_str()));
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "not_found", "No source has this id");
    source.map(json).ok_or_else(unknown)
}
