//! `GET /v1/events/recent`: the newest rows of the ring.

use http::StatusCode;
use weir_flow::TenantId;
use weir_store::Order;

use crate::answer::{Problem, Response, json_bytes};
use crate::api::query;
use crate::route::{Call, Context};

/// Rows in one answer: bounds its size and the time that the ring is read.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=1000;
const DEFAULT_LIMIT: usize = 100;

/// The newest `limit` records, newest first unless `order=asc`.
pub(crate) fn recent(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let limit = query::number(call.request, "limit", LIMIT, DEFAULT_LIMIT)?;
    let order = match query::value(call.request, "order").as_deref() {
        None | Some("desc") => Order::NewestFirst,
        Some("asc") => Order::OldestFirst,
        Some(_) => return Err(query::invalid("order must be asc or desc".to_owned())),
    };
    let rows = context.rows.recent(&TenantId::default(), limit, order)?;
    let mut body = b"{\"events\":[".to_vec();
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(row.json.as_bytes());
    }
    body.extend_from_slice(format!("],\"count\":{}}}", rows.len()).as_bytes());
    Ok(json_bytes(StatusCode::OK, body))
}
