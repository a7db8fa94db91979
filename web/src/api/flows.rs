//! `GET /v1/flows` and `GET /v1/flows/{id}`: the rows of the ring that fit conditions, page by page, and one by its id.

use std::time::Instant;

use http::StatusCode;
use weir_store::{Count, Found, Page};

use crate::answer::{Problem, Response, json_bytes};
use crate::api::cursor::{Cursor, ring_number};
use crate::api::parameters::Parameters;
use crate::api::shape;
use crate::route::{Call, Context};
use crate::tenant;

/// Rows of a page: bounds the size of the answer.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=1_000;
const DEFAULT_LIMIT: usize = 100;
const PARAMETERS: [&str; 5] = ["limit", "order", "cursor", "timeout_ms", "count"];

/// A page of the caller's tenant's flows that started from `from` up to and without `to` and fit the conditions.
///
/// `next` is the cursor of the next page, null at the end. `complete` is false when `timeout_ms` was used up: then the page
/// holds what was found by then, and `next` goes on from there.
pub(crate) fn search(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let parameters = Parameters::of(call.request, &PARAMETERS)?;
    let (query, order) = (parameters.query()?, parameters.order()?);
    let limit = parameters.number("limit", LIMIT, DEFAULT_LIMIT)?;
    let (timeout, is_counted) = (parameters.timeout()?, parameters.flag("count")?);
    let tenant = tenant::of(context, call)?;
    let begun = Instant::now();
    let ring = ring_number(context.rows.stats(&tenant)?.ring_id.as_deref());
    let here = Cursor { ring, order, conditions: parameters.fingerprint(), row: 0 };
    let after = parameters.one("cursor").map(|text| here.row_of(text)).transpose()?;
    let page = Page { limit, order, after, deadline: begun + timeout };
    let Found { rows, next, progress } = context.rows.search(&tenant, &query, &page)?;
    let mut rest = shape::progress(&progress);
    rest.insert("count".to_owned(), rows.len().into());
    rest.insert("next".to_owned(), next.map(|row| Cursor { row, ..here }.text()).into());
    if is_counted {
        let Count { rows, packets, octets, progress } = context.rows.count(&tenant, &query, page.deadline)?;
        let mut total = shape::progress(&progress);
        for (name, sum) in [("rows", rows), ("packets", packets), ("octets", octets)] {
            total.insert(name.to_owned(), sum.into());
        }
        rest.insert("total".to_owned(), total.into());
    }
    shape::took(&mut rest, begun);
    Ok(shape::rows("flows", &rows, &rest))
}

/// One flow by its id, `<ring id>-<row>`.
pub(crate) fn one(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    Parameters::none(call.request)?;
    let tenant = tenant::of(context, call)?;
    let (ring, row) = call.segments.first().and_then(|id| parts(id)).ok_or_else(gone)?;
    if context.rows.stats(&tenant)?.ring_id.as_deref() != Some(ring) {
        return Err(gone());
    }
    let rows = context.rows.after(&tenant, row - 1, 1)?;
    let found = rows.into_iter().find(|found| found.row == row).ok_or_else(gone)?;
    Ok(json_bytes(StatusCode::OK, found.json.into_bytes()))
}

/// Ring id and row, 1 at least.
fn parts(id: &str) -> Option<(&str, u64)> {
    let (ring, row) = id.split_once('-')?;
    // As it is written: `+1` and `01` are no rows.
    let number: u64 = row.parse().ok()?;
    (number > 0 && number.to_string() == row).then_some((ring, number))
}

fn gone() -> Problem {
    let detail = "No flow has this id; it may have been trimmed, which GET /v1/flows never lists";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn an_id_is_a_ring_and_a_row_from_one() {
        assert_eq!(parts("00ff-7"), Some(("00ff", 7)));
        for bad in [
            "",
            "-",
            "00ff",
            "00ff-",
            "00ff-0",
            "00ff-+1",
            "00ff-01",
            "00ff-1-2",
            "00ff-99999999999999999999",
        ] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
