//! `GET /v1/admin/dlq`: a page of dead letters.

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use weir_flow::Timestamp;
use weir_store::{DeadLetter, Selection};

use super::{after, as_json, selection};
use crate::answer::{Problem, Response, json_bytes};
use crate::api::query;
use crate::route::{Call, Context};

/// Letters in one answer; the store bounds its octets.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=200;
const DEFAULT_LIMIT: usize = 50;

/// What an answer tells of a letter, before its content.
#[derive(Serialize)]
struct Item<'a> {
    id: i64,
    ts: Timestamp,
    tenant_id: &'a str,
    destination: &'a str,
    reason: &'a str,
    last_status: Option<u16>,
    retry_count: u32,
    events: u64,
    bytes: u64,
}

/// The letters after `after`, oldest first, with how many there are and where the next page begins.
pub(crate) fn list(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let limit = query::number(call.request, "limit", LIMIT, DEFAULT_LIMIT)?;
    let (selection, after) = (selection(call.request)?, after(call.request)?);
    let page = context.ledger.with(|control| control.dead_letters(&selection, after, limit))?;
    let total = total(context, &selection)?;
    let items: Vec<String> = page.letters.iter().map(item).collect();
    let next = page.letters.last().filter(|_| page.more).map_or(Value::Null, |last| last.id.into());
    let body = format!(r#"{{"items":[{}],"total":{total},"next":{next}}}"#, items.join(","));
    Ok(json_bytes(StatusCode::OK, body.into_bytes()))
}

/// How many letters a selection means.
pub(super) fn total(context: &mut Context, selection: &Selection) -> Result<u64, Problem> {
    let sums = context.ledger.with(|control| control.dead_letter_stats(selection.tenant.as_ref()))?;
    let meant = sums.iter().filter(|sum| selection.holds(&sum.tenant, &sum.destination));
    Ok(meant.map(|sum| sum.letters).sum())
}

fn item(letter: &DeadLetter) -> String {
    let head = Item {
        id: letter.id,
        ts: letter.at,
        tenant_id: &letter.tenant,
        destination: &letter.destination,
        reason: &letter.reason,
        last_status: letter.last_status,
        retry_count: letter.retry_count,
        events: letter.events,
        bytes: letter.bytes,
    };
    let mut text = serde_json::to_string(&head).unwrap_or_default();
    // Its brace gives way to what the letter holds.
    text.pop();
    match letter.rows {
        Some((first, last)) => text.push_str(&format!(r#","rows":{{"first":{first},"last":{last}}}}}"#)),
        None => text.push_str(&format!(r#","record":{}}}"#, as_json(&letter.payload))),
    }
    text
}
