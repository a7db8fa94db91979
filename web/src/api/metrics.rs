//! `GET /v1/metrics` and `/v1/stats`: the agent's counters, and those of the requests themselves.

use serde::Serialize;

use crate::answer::{Problem, Response, json};
use crate::counters::Counters;
use crate::figures::Metrics;
use crate::route::{Call, Context};

#[derive(Serialize)]
struct Answer<'a, R: Serialize> {
    requests_total: u64,
    requests_success: u64,
    requests_failed: u64,
    latency_ms_avg: f64,
    status_codes: Classes,
    /// Refusals of the guard by reason.
    http_dropped_total: R,
    #[serde(flatten)]
    agent: &'a Metrics,
    /// The former service's names for sums of `totals`.
    batches: u64,
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
        http_dropped_total: counters.refusals(),
        batches: agent.totals.batches,
        agent: &agent,
    }))
}
