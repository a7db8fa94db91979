//! `POST /v1/admin/dlq/replay`: dead letters go the way of new records once more.
//!
//! A letter of the ring is removed in the transaction that stores its record, so that it is there exactly once, as a
//! letter or as a row, whenever the power goes. A record that is refused again stays a letter, with one more attempt.

use std::collections::BTreeMap;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use weir_flow::{Batch, FlowRecord, Source, TenantId};
use weir_intake::{Dialect, Reader};
use weir_store::{DeadLetter, Letters, MAX_PAGE_LETTERS, RING, Selection};

use super::list::total;
use super::{named_destination, named_tenant};
use crate::answer::{Problem, Response, json};
use crate::api::export::problem;
use crate::api::query;
use crate::intake::NotTaken;
use crate::route::{Call, Context};

/// Letters that one request puts back: as many as the way in takes at once.
const MAX_LETTERS: u64 = 10_000;
/// Letters about rows that Splunk did not take.
const SPLUNK: &str = "splunk_hec";
/// After this long no further letter is sent: one can take 25 s, and the guard waits 30 s for an answer.
const SENDING_MS: u64 = 2_000;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    ids: Option<Vec<i64>>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    destination: Option<String>,
    #[serde(default)]
    tenant: Option<String>,
}

/// The answer.
#[derive(Debug, Default, Serialize)]
struct Done {
    status: &'static str,
    /// Letters whose records are on their way; they vanish when those are stored.
    replayed: u64,
    /// Letters that hold no record that can be read.
    failed: u64,
    /// Letters that were asked for and are neither.
    remaining: u64,
}

/// Which letters.
enum Wanted {
    Ids(Vec<i64>),
    All(Selection),
}

/// Offers the letters that are asked for to the pipeline, oldest first, as long as it takes them.
pub(crate) fn replay(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let (destination, wanted) = wanted(call.request.body())?;
    match &*destination {
        RING => into_ring(context, &wanted),
        SPLUNK => to_splunk(context, &wanted),
        _ => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unknown_destination",
            "Letters of this destination cannot be replayed; give \"ring\" or \"splunk_hec\"",
        )),
    }
}

fn wanted(body: &[u8]) -> Result<(String, Wanted), Problem> {
    let example = "The body must be JSON like {\"all\":true} or {\"ids\":[1,2]}";
    let asked: Asked = serde_json::from_slice(body).map_err(|error| {
        let code = if error.is_data() { "validation_failed" } else { "invalid_json" };
        Problem::new(StatusCode::BAD_REQUEST, code, format!("{example}: {error}"))
    })?;
    let destination = asked.destination.as_deref().map_or_else(|| Ok(RING.to_owned()), named_destination)?;
    let tenant = asked.tenant.as_deref().map(named_tenant).transpose()?;
    let wanted = match (asked.ids, asked.all) {
        (Some(mut ids), false) if (1..=MAX_PAGE_LETTERS).contains(&ids.len()) => {
            ids.sort_unstable();
            ids.dedup();
            Wanted::Ids(ids)
        }
        (Some(_), false) => {
            return Err(query::invalid(format!("ids must be 1 to {MAX_PAGE_LETTERS} numbers")));
        }
        (None, true) => Wanted::All(Selection { tenant, destination: Some(destination.clone()) }),
        _ => return Err(query::invalid("give either ids or all".to_owned())),
    };
    Ok((destination, wanted))
}

fn into_ring(context: &mut Context, wanted: &Wanted) -> Result<Response, Problem> {
    let mut done = Done::default();
    let asked = match wanted {
        Wanted::Ids(ids) => ids.len() as u64,
        Wanted::All(selection) => total(context, selection)?,
    };
    let mut after = 0;
    loop {
        let page = page(context, wanted, after)?;
        let Some(last) = page.letters.last() else { break };
        after = last.id;
        let of_ring = page.letters.iter().filter(|letter| letter.destination == RING);
        if let Err(refusal) = offer(context, of_ring, &mut done) {
            // What was taken before is on its way, so that this is no failure of the whole.
            if done.replayed == 0 {
                return Err(not_taken(refusal));
            }
            break;
        }
        if !page.more || done.replayed >= MAX_LETTERS {
            break;
        }
    }
    done.remaining = asked.saturating_sub(done.replayed + done.failed);
    done.status = if done.remaining == 0 { "accepted" } else { "partial" };
    Ok(json(&done))
}

/// Sends the rows that letters name once more, oldest first, as long as a request may take; the exporter removes the letters of
/// what it delivers.
fn to_splunk(context: &mut Context, wanted: &Wanted) -> Result<Response, Problem> {
    let (mut done, mut took) = (Done::default(), 0);
    let asked = match wanted {
        Wanted::Ids(ids) => ids.len() as u64,
        Wanted::All(selection) => total(context, selection)?,
    };
    let page = page(context, wanted, 0)?;
    for letter in page.letters.iter().filter(|letter| letter.destination == SPLUNK) {
        let rows = TenantId::parse(&letter.tenant).zip(letter.rows);
        let Some((tenant, (first, last))) = rows else {
            done.failed += 1;
            continue;
        };
        match context.exporter.replay(&tenant, first..=last) {
            Ok(sent) => {
                done.replayed += 1;
                took += sent.latency_ms;
            }
            // What was delivered before is, so that this is no failure of the whole.
            Err(why) if done.replayed == 0 => return Err(problem(why)),
            Err(_) => break,
        }
        if took >= SENDING_MS {
            break;
        }
    }
    done.remaining = asked.saturating_sub(done.replayed + done.failed);
    done.status = if done.remaining == 0 { "accepted" } else { "partial" };
    Ok(json(&done))
}

/// The next letters that are wanted.
fn page(context: &mut Context, wanted: &Wanted, after: i64) -> Result<Letters, Problem> {
    match wanted {
        Wanted::All(selection) => {
            context.ledger.with(|control| control.dead_letters(selection, after, MAX_PAGE_LETTERS))
        }
        Wanted::Ids(ids) => {
            let rest: Vec<i64> = ids.iter().copied().filter(|&id| id > after).collect();
            context.ledger.with(|control| control.dead_letters_of(&rest))
        }
    }
}

/// Records and their letters, by tenant: a batch has one.
type Batches = BTreeMap<TenantId, (Vec<FlowRecord>, Vec<i64>)>;

/// Offers letters in batches of one tenant each. Those that hold no record stay, with one more attempt.
fn offer<'a>(
    context: &mut Context,
    letters: impl Iterator<Item = &'a DeadLetter>,
    done: &mut Done,
) -> Result<(), NotTaken> {
    let (mut reader, now) = (Reader::new(Source::Api), context.intake.now());
    let (mut batches, mut unreadable) = (Batches::new(), Vec::new());
    for letter in letters {
        let record = reader.read(letter.payload.as_bytes(), &Dialect::Own, now);
        match TenantId::parse(&letter.tenant).zip(record.ok()) {
            Some((tenant, record)) => {
                let (records, replayed) = batches.entry(tenant).or_default();
                records.push(record);
                replayed.push(letter.id);
            }
            None => unreadable.push(letter.id),
        }
    }
    for (tenant, (records, replayed)) in batches {
        let count = replayed.len() as u64;
        context.intake.offer(Batch { tenant, records, replayed, ..Batch::default() })?;
        done.replayed += count;
    }
    if !unreadable.is_empty() {
        done.failed += unreadable.len() as u64;
        // Only a count: that it cannot be kept is no reason to fail what was taken.
        let _ = context.ledger.with(|control| control.bump_retries(&unreadable));
    }
    Ok(())
}

fn not_taken(refusal: NotTaken) -> Problem {
    match refusal {
        NotTaken::Full { retry_after_seconds } => {
            let detail = "The way into the ring is full; try again";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "backpressure", detail)
                .with("retry_after", retry_after_seconds)
                .with_header(RETRY_AFTER, HeaderValue::from(retry_after_seconds))
        }
        NotTaken::Stopping => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "The agent stops; try again when it runs",
        ),
    }
}
