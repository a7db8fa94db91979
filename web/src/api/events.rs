//! `GET /v1/events/recent`: the newest rows of the ring.

use weir_flow::Timestamp;
use weir_store::{Order, Query};

use crate::answer::{Problem, Response};
use crate::api::query;
use crate::api::shape::{self, Rest};
use crate::route::{Call, Context};
use crate::rows::{Newest, Wanted};
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
    // Both bounds are exclusive, to the millisecond that a row says.
    let after = |at: Timestamp| Timestamp::from_millis(at.millis().saturating_add(1));
    let before = |at: Timestamp| Timestamp::from_millis(at.millis());
    let wanted = Wanted {
        limit: query::number(call.request, "limit", LIMIT, DEFAULT_LIMIT)?,
        offset: query::number(call.request, "offset", OFFSET, 0)?,
        order,
        query: Query {
            from: query::instant(call.request, "after")?.map(after),
            to: query::instant(call.request, "before")?.map(before),
            ..Query::default()
        },
    };
    let tenant = tenant::of(context, call)?;
    let Newest { rows, is_cut } = context.rows.newest(&tenant, &wanted)?;
    let mut rest = Rest::new();
    rest.insert("count".to_owned(), rows.len().into());
    if is_cut {
        rest.insert("truncated".to_owned(), true.into());
    }
    Ok(shape::rows("events", &rows, &rest))
}
