//! `DELETE /v1/admin/dlq` and `/v1/admin/dlq/{id}`: dead letters that nobody wants back.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json as value;
use weir_flow::Timestamp;
use weir_intake::{Said, timestamp};

use super::selection;
use crate::answer::{Problem, Request, Response, json};
use crate::api::query;
use crate::route::{Call, Context};

/// A request deletes no longer than this: the guard gives an answer up that takes much longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes one letter.
pub(crate) fn one(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let id: Option<i64> = call.segments.first().and_then(|id| id.parse().ok());
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "not_found", "No dead letter has this id");
    let id = id.ok_or_else(unknown)?;
    match context.ledger.with(|control| control.delete_dead_letters(&[id]))? {
        0 => Err(unknown()),
        _ => Ok(json(&value!({"status": "deleted", "id": id}))),
    }
}

/// Deletes the letters that were written before `before`, or all that the query means with `all=true`: one of both must
/// be there, so that a parameter that got lost on the way deletes nothing. `partial` asks for another request.
pub(crate) fn before(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let before = bound(call.request)?;
    let selection = selection(call.request)?;
    let (mut deleted, begun) = (0, Instant::now());
    while begun.elapsed() < PATIENCE {
        match context.ledger.with(|control| control.delete_dead_letters_before(&selection, before))? {
            0 => return Ok(json(&value!({"status": "deleted", "deleted": deleted}))),
            piece => deleted += piece,
        }
    }
    Ok(json(&value!({"status": "partial", "deleted": deleted})))
}

/// The instant before which letters go; none for all of them.
fn bound(request: &Request) -> Result<Option<Timestamp>, Problem> {
    let all = query::value(request, "all").is_some_and(|all| all == "true");
    let Some(text) = query::value(request, "before") else {
        let missing = "give before, an RFC 3339 time or milliseconds since 1970, or all=true";
        return if all { Ok(None) } else { Err(query::invalid(missing.to_owned())) };
    };
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let said = if number { Said::Number(&text) } else { Said::Text(text.clone()) };
    let invalid = || query::invalid("before must be an RFC 3339 time or milliseconds since 1970".to_owned());
    timestamp(&said).map(Some).ok_or_else(invalid)
}
