//! `GET /v1/admin/dlq/export`: dead letters as NDJSON, in the shape that the former service wrote to files.

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use weir_flow::{TenantId, Timestamp};
use weir_store::DeadLetter;

use super::{after, as_json, selection};
use crate::answer::{Problem, Response, json_bytes};
use crate::api::query;
use crate::route::{Call, Context};

/// Letters in one answer.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=1_000;
const DEFAULT_LIMIT: usize = 1_000;
/// Octets after which an answer takes no further letter: it is made in memory.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Rows that are read for one letter; one that stands for more says how many are missing.
const MAX_ROWS: usize = 5_000;

#[derive(Serialize)]
struct Line<'a> {
    id: i64,
    timestamp: Timestamp,
    tenant_id: &'a str,
    destination: &'a str,
    events_count: u64,
    error: &'a str,
    last_status: Option<u16>,
    retry_count: u32,
}

/// One line for each letter. Where there are more, `Link` names the next page (RFC 8288).
pub(crate) fn export(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let limit = query::number(call.request, "limit", LIMIT, DEFAULT_LIMIT)?;
    let (selection, after) = (selection(call.request)?, after(call.request)?);
    let page = context.ledger.with(|control| control.dead_letters(&selection, after, limit))?;
    let (mut body, mut written, mut last) = (Vec::new(), 0, after);
    for letter in &page.letters {
        if body.len() >= MAX_ANSWER_BYTES {
            break;
        }
        line(context, letter, &mut body)?;
        (written, last) = (written + 1, letter.id);
    }
    let more = page.more || written < page.letters.len();
    let mut response = json_bytes(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let name = "attachment; filename=\"dead-letters.ndjson\"";
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    if more && let Ok(link) = HeaderValue::from_str(&next(call, last, limit)) {
        headers.insert(LINK, link);
    }
    Ok(response)
}

/// The way to the next page, with the other parameters of this one.
fn next(call: &Call<'_>, last: i64, limit: usize) -> String {
    let uri = call.request.uri();
    let rest = uri.query().unwrap_or_default().split('&');
    let rest: String = rest
        .filter(|pair| ["tenant=", "destination="].iter().any(|name| pair.starts_with(name)))
        .map(|pair| format!("&{pair}"))
        .collect();
    format!("<{}?after={last}&limit={limit}{rest}>; rel=\"next\"", uri.path())
}

fn line(context: &mut Context, letter: &DeadLetter, body: &mut Vec<u8>) -> Result<(), Problem> {
    let head = Line {
        id: letter.id,
        timestamp: letter.at,
        tenant_id: &letter.tenant,
        destination: &letter.destination,
        events_count: letter.events,
        error: &letter.reason,
        last_status: letter.last_status,
        retry_count: letter.retry_count,
    };
    let events = events(context, letter)?;
    let missing = letter.events.saturating_sub(events.len() as u64);
    let mut text = serde_json::to_string(&head).unwrap_or_default();
    // Its brace gives way to the events.
    text.pop();
    body.extend_from_slice(text.as_bytes());
    if missing > 0 {
        body.extend_from_slice(format!(",\"events_missing\":{missing}").as_bytes());
    }
    body.extend_from_slice(format!(",\"events\":[{}]}}\n", events.join(",")).as_bytes());
    Ok(())
}

/// The records of a letter; those of an output's that the ring still has.
fn events(context: &mut Context, letter: &DeadLetter) -> Result<Vec<String>, Problem> {
    let Some((first, last)) = letter.rows else { return Ok(vec![as_json(&letter.payload)]) };
    let Some(tenant) = TenantId::parse(&letter.tenant) else { return Ok(Vec::new()) };
    let limit = usize::try_from(letter.events).unwrap_or(MAX_ROWS).min(MAX_ROWS);
    let rows = context.rows.after(&tenant, first.saturating_sub(1), limit)?;
    Ok(rows.into_iter().filter(|row| row.row <= last).map(|row| row.json).collect())
}
