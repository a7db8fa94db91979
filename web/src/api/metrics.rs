//! `GET /v1/metrics` and `/v1/stats`: the agent's counters, and those of the requests themselves.

use serde::Serialize;

use crate::answer::{Problem, Response, json};
use crate::counters::Counters;
use crate::figures::Metrics;
use crate::route::{Call, Context};

#[derive(Serialize)]
struct Answer<'a, R: Serialize, B: Serialize, I: Serialize> {
    requests_total: u64,
    requests_success: u64,
    requests_failed: u64,
    latency_ms_avg: f64,
    status_codes: Classes,
    /// Batches taken over the API.
    http_admitted_total: u64,
    /// Requests and batches that were refused, by reason.
    http_dropped_total: R,
    /// Batches that were refused, by the former service's reasons.
    ingest_reject_total: B,
    ingest: Ingest<I>,
    downloads: Downloads,
    #[serde(flatten)]
    agent: &'a Metrics,
    /// The former service's names for sums of `totals`.
    batches: u64,
}

/// What came over the API.
#[derive(Serialize)]
struct Ingest<I: Serialize> {
    /// Batches taken.
    batches: u64,
    /// Batches that had been taken before and were answered again.
    batches_replayed: u64,
    records_accepted: u64,
    /// Records of taken batches, and of batches with nothing else, that were not taken, by reason.
    records_rejected: I,
    /// Of the bodies, as they were sent.
    octets: u64,
    /// Records taken and not yet stored, and how many may be.
    queue_records: usize,
    queue_bound: usize,
}

/// What went out by `GET /v1/download`.
#[derive(Serialize)]
struct Downloads {
    /// Now under way.
    active: usize,
    started: u64,
    /// Whole when they ended; the others broke off, or are under way.
    completed: u64,
    records: u64,
}

#[derive(Serialize)]
struct Classes {
    #[serde(rename = "2xx")]
    success: u64,
    #[serde(rename = "3xx")]
    redirection: u64,
    #[serde(rename = "4xx")]
    client_error: u64,
    #[serde(rename = "5xx")]
    server_error: u64,
}

/// Counters, rates and series of now.
pub(crate) fn metrics(context: &mut Context, _: &Call<'_>) -> Result<Response, Problem> {
    let agent = context.status.metrics();
    let counters: &Counters = &context.counters;
    let failed = counters.class(4) + counters.class(5);
    let total = counters.total();
    let [batches, batches_replayed, records_accepted, octets] = counters.ingest();
    let [records, started, completed] = counters.downloads();
    let load = context.intake.load();
    Ok(json(&Answer {
        requests_total: total,
        requests_success: total - failed.min(total),
        requests_failed: failed,
        latency_ms_avg: counters.mean_ms(),
        status_codes: Classes {
            success: counters.class(2),
            redirection: counters.class(3),
            client_error: counters.class(4),
            server_error: counters.class(5),
        },
        http_admitted_total: batches,
        http_dropped_total: counters.refusals(),
        ingest_reject_total: counters.rejects(),
        ingest: Ingest {
            batches,
            batches_replayed,
            records_accepted,
            records_rejected: counters.rejected(),
            octets,
            queue_records: load.records,
            queue_bound: load.bound,
        },
        downloads: Downloads { active: context.downloads.active(), started, completed, records },
        batches: agent.totals.batches,
        agent: &agent,
    }))
}
