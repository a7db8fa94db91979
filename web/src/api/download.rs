//! `GET /v1/download/json`: the newest rows of the ring as a file.

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use weir_store::Order;

use crate::answer::{Problem, Response, json_bytes};
use crate::api::query;
use crate::route::{Call, Context};
use crate::tenant;

/// Rows in one file: more would take the gateway's memory.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=50_000;
const DEFAULT_LIMIT: usize = 10_000;

/// The newest `limit` records, oldest first, one JSON object a line.
pub(crate) fn json(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let limit = query::number(call.request, "limit", LIMIT, DEFAULT_LIMIT)?;
    let tenant = tenant::of(context, call)?;
    let rows = context.rows.recent(&tenant, limit, Order::OldestFirst)?;
    let mut body = Vec::with_capacity(rows.iter().map(|row| row.json.len() + 1).sum());
    for row in rows {
        body.extend_from_slice(row.json.as_bytes());
        body.push(b'\n');
    }
    let mut response = json_bytes(StatusCode::OK, body);
    let name = format!("attachment; filename=telemetry-{}.ndjson", context.intake.now().seconds());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
