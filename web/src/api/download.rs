//! `GET /v1/download`: the records of a day or a range as a file of any size. `GET /v1/download/json`: the newest ones.

mod format;
mod pour;
mod wanted;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use weir_store::{Order, Span};

use self::pour::Pour;
use self::wanted::Wanted;
use crate::answer::{Body, Problem, Request, Response, json_bytes};
use crate::api::query;
use crate::counters::Refusal;
use crate::guard::{PEER, network};
use crate::ingest::Coding;
use crate::route::{Call, Context};
use crate::tenant;

/// Rows in one file of the newest: more would take the gateway's memory.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=50_000;
const DEFAULT_LIMIT: usize = 10_000;
/// How long is looked for a first record, without which there is no file.
const FIRST: Duration = Duration::from_secs(5);

/// The records of a day, which are those of the flows that started in it (UTC), or of a range, that fit the conditions;
/// oldest first, in the memory of a few blocks whatever their number. 404 where there is none.
pub(crate) fn records(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let wanted = Wanted::of(call.request, context.intake.now())?;
    let coding = coding(call.request.headers(), &wanted)?;
    let tenant = tenant::of(context, call)?;
    let place = context
        .downloads
        .begin(network(peer(call.request)))
        .inspect_err(|_| context.counters.refuse(Refusal::Downloads))?;
    let stats = context.rows.stats(&tenant)?;
    let first =
        Span { order: Order::OldestFirst, after: None, stored: None, deadline: Instant::now() + FIRST };
    let mut is_some = false;
    let progress = context.rows.each(&tenant, &wanted.query, &first, |_, _, _| {
        is_some = true;
        false
    })?;
    // What could not be looked through in time may hold some.
    if !is_some && progress.complete {
        return Err(wanted.nothing());
    }
    let mut response = Response::new(Body::Owned(Vec::new()));
    head(response.headers_mut(), &wanted, coding);
    *response.body_mut() = if call.request.method() == Method::HEAD {
        // Whoever only asks must not be in the way of the download itself.
        drop(place);
        Body::Stream(Box::new(|_, _| Ok(())))
    } else {
        let pour = Pour::new(tenant, wanted, stats, place);
        Body::Stream(Box::new(move |context, to| pour.run(context, coding, to)))
    };
    Ok(response)
}

/// How the file is packed on its way; a file that is packed itself is not packed again.
fn coding(headers: &HeaderMap, wanted: &Wanted) -> Result<Coding, Problem> {
    if wanted.format.packing != Coding::Identity {
        return Ok(Coding::Identity);
    }
    Coding::accepted(headers).ok_or_else(|| {
        let detail = "Accept-Encoding must allow one of identity, gzip and zstd";
        Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    })
}

fn head(headers: &mut HeaderMap, wanted: &Wanted, coding: Coding) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(wanted.format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if coding != Coding::Identity {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    }
    attachment(headers, &format!("events-{}.{}", wanted.name, wanted.format.extension()));
}

fn attachment(headers: &mut HeaderMap, name: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename={name}")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
}

/// The client's address, as the guard says it.
fn peer(request: &Request) -> IpAddr {
    let said = request.headers().get(PEER).and_then(|value| value.to_str().ok());
    said.and_then(|text| text.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

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
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    attachment(headers, &format!("telemetry-{}.ndjson", context.intake.now().seconds()));
    Ok(response)
}
