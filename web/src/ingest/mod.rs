//! `POST /v1/ingest`, `/v1/ingest/zeek`, `/v1/ingest/netflow` and `/v1/ingest/bulk`: records from clients.
//!
//! A body goes through once, from its octets to the borders of its records; what they say is read by
//! [`weir_intake::Reader`]. The batch goes to the agent's [`Intake`](crate::Intake) whole or not at all.

mod coding;
mod fault;
mod first;
mod format;
mod once;
mod reply;
mod scan;
mod shape;
mod text;
mod tray;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use weir_flow::{Batch, FlowRecord, Origin, ReceiptKey, TenantId, Timestamp};

pub(crate) use self::coding::Coding;
pub(crate) use self::fault::too_large;
use self::fault::{Fault, Refusal, bad_shape, empty, not_taken, unsupported_encoding};
use self::format::{Envelope, Route};
pub(crate) use self::once::Receipts;
use self::once::{Known, Place};
use self::reply::Reply;
use self::text::Text;
use self::tray::{Rejections, Tray};
use crate::answer::{Problem, Response, json_bytes};
use crate::counters::Counters;
use crate::route::{Call, Context};
use crate::tenant;
use crate::trace::Ids;

/// No collector's name is longer: it is stored with every record.
const MAX_COLLECTOR_ID: usize = 256;
/// Marks an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Takes a batch in.
pub(crate) fn take(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let counters = Arc::clone(&context.counters);
    answer(context, call).map_err(|fault| {
        counters.refuse(fault.counted);
        fault.problem
    })
}

fn answer(context: &mut Context, call: &Call<'_>) -> Result<Response, Fault> {
    let now = context.intake.now();
    let tenant =
        tenant::of(context, call).map_err(|problem| Fault { counted: Refusal::BadTenant, problem })?;
    let Some(header) = once::key_of(call.request.headers())? else {
        return batch(context, call, (tenant, now), None);
    };
    let caller = call.caller.as_ref().map(|caller| Arc::clone(&caller.key_id));
    let key = ReceiptKey {
        tenant: tenant.clone(),
        key_id: caller.unwrap_or_default(),
        route: call.request.uri().path().into(),
        header: header.into(),
    };
    let receipts = Arc::clone(&context.receipts);
    match receipts.look_up(&key, call.request.body(), &mut context.ledger, now)? {
        Known::New(place) => batch(context, call, (tenant, now), Some(place)),
        Known::Done(receipt) => {
            context.counters.replayed();
            let status = StatusCode::from_u16(receipt.status).unwrap_or(StatusCode::OK);
            let mut response = json_bytes(status, receipt.answer.into_bytes());
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}

/// Reads the batch, hands it over, and answers.
fn batch(
    context: &mut Context,
    call: &Call<'_>,
    (tenant, now): (TenantId, Timestamp),
    place: Option<Place<'_>>,
) -> Result<Response, Fault> {
    let route = Route::at(call.request.uri().path());
    let body = call.request.body();
    let coding = Coding::of(call.request.headers(), body).ok_or_else(unsupported_encoding)?;
    let mut tray = Tray::new(&mut context.reader, route, now, text_length(body, coding));
    let said = read(body, coding, &mut tray)?;
    let Tray { mut records, rejections, .. } = tray;
    let reply = Reply::new(records.len(), &rejections);
    if records.is_empty() {
        count(&context.counters, &rejections);
        return match reply::all_bad(route, &rejections) {
            Some(fault) => Err(fault),
            None => Ok(json_bytes(reply.code(), reply.text().into_bytes())),
        };
    }
    let accepted = records.len();
    mark(&mut records, &Arc::new(origin(said, call)));
    let (code, text) = (reply.code(), reply.text());
    let receipt = place.as_ref().and_then(|place| place.receipt(code, text.clone(), now));
    let batch = Batch { tenant, records, receipt: receipt.clone(), ..Batch::default() };
    context.intake.offer(batch).map_err(not_taken)?;
    if let (Some(place), Some(receipt)) = (place, receipt) {
        place.keep(*receipt);
    }
    count(&context.counters, &rejections);
    context.counters.ingested(accepted, body.len());
    Ok(json_bytes(code, text.into_bytes()))
}

fn count(counters: &Counters, rejections: &Rejections) {
    rejections.by_reason().for_each(|(reason, records)| counters.reject(reason, records));
}

/// Puts the records of `body` into `tray`; answers what its envelope says.
fn read(body: &[u8], coding: Coding, tray: &mut Tray<'_>) -> Result<Envelope, Fault> {
    let mut said = shape::read(&mut Text::new(body, coding)?, tray, Envelope::default())?;
    tray.finish()?;
    if tray.seen() == 0 {
        return Err(empty());
    }
    if !tray.agrees(&said)? {
        // The format came after the records: now it is known.
        tray.clear();
        said = shape::read(&mut Text::new(body, coding)?, tray, said)?;
    }
    if said.collector_id.as_ref().is_some_and(|id| id.len() > MAX_COLLECTOR_ID) {
        return Err(bad_shape("`collector_id` has more than 256 octets"));
    }
    Ok(said)
}

/// About how much text a body has.
fn text_length(body: &[u8], coding: Coding) -> usize {
    /// How often its own length, as a rule.
    const USUAL_RATIO: usize = 10;
    if coding == Coding::Identity { body.len() } else { body.len() * USUAL_RATIO }
}

/// Marks records as coming from `origin`, each with the collector that it names itself.
fn mark(records: &mut [FlowRecord], origin: &Arc<Origin>) {
    let mut last = Arc::clone(origin);
    for record in records {
        let own = record.origin.take().and_then(|own| own.collector_id.clone());
        let shared = match own {
            None => origin,
            Some(_) => {
                if last.collector_id != own {
                    last = Arc::new(Origin { collector_id: own, trace_id: origin.trace_id.clone() });
                }
                &last
            }
        };
        record.origin = Some(Arc::clone(shared));
    }
}

fn origin(said: Envelope, call: &Call<'_>) -> Origin {
    let trace = Ids::passed(call.request.headers()).trace;
    let collector_id = said.collector_id.filter(|id| !id.is_empty());
    Origin { collector_id: collector_id.map(Into::into), trace_id: Some(trace.into()) }
}
