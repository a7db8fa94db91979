//! `GET /v1/events/recent`: the newest rows of the ring.

use http::StatusCode;
use weir_store::Order;

use crate::answer::{Problem, Response, json_bytes};
use crate::api::query;
use crate::route::{Call, Context};
use crate::rows::{Found, Wanted};
use crate::tenant;

/// Rows in one answer: bounds its size and the time that the ring is read.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=1000;
const DEFAULT_LIMIT: usize = 100;

/// More than a ring can hold.
const OFFSET: std::ops::RangeInclusive<usize> = 0..=u32::MAX as usize;

/// The newest `limit` records of the caller's tenant whose `ts` is between `after` and `before`, without the newest `offset`
/// of them; newest first unless `order=asc`.
pub(crate) fn recent(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let order = match query::value(call.request, "order").as_deref() {
        None | Some("desc") => Order::NewestFirst,
        Some("asc") => Order::OldestFirst,
        Some(_) => return Err(query::invalid("order must be asc or desc".to_owned())),
    };
    let wanted = Wanted {
        limit: query::number(call.request, "limit", LIMIT, DEFAULT_LIMIT)?,
        offset: query::number(call.request, "offset", OFFSET, 0)?,
        order,
        after: query::instant(call.request, "after")?,
        before: query::instant(call.request, "before")?,
    };
    let tenant = tenant::of(context, call)?;
    let Found { rows, is_cut } = context.rows.search(&tenant, &wanted)?;
    let mut body = b"{\"events\":[".to_vec();
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(row.json.as_bytes());
    }
    let cut = if is_cut { ",\"truncated\":true" } else { "" };
    body.extend_from_slice(format!("],\"count\":{}{cut}}}", rows.len()).as_bytes());
    Ok(json_bytes(StatusCode::OK, body))
}
