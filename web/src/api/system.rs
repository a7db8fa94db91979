//! `GET /v1/system`: the agent on one screen, for whoever looks after it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use weir_flow::Timestamp;
use weir_store::{DeadLetterSum, RECEIPT_HOURS};

use crate::answer::{Problem, Response, json};
use crate::figures::Store;
use crate::intake::Load;
use crate::route::{Call, Context};

/// Records in the links above which clients should slow down.
const MAX_QUEUE: u64 = 5_000;
/// Dead letters, counted in records, above which something is wrong for long.
const MAX_DEAD_EVENTS: u64 = 10_000;
const MIB: f64 = 1_048_576.0;
const HOUR_MICROS: f64 = 3.6e9;

#[derive(Serialize)]
struct Answer {
    version: Cow<'static, str>,
    git_sha: Option<Cow<'static, str>>,
    /// No container runs on a device.
    image: Option<Cow<'static, str>>,
    uptime_s: u64,
    workers: u8,
    mem_mb: f64,
    /// Of the host's memory; null where that is not known.
    mem_pct: Option<f64>,
    cpu_pct: f64,
    eps: f64,
    queue_depth: u64,
    backpressure: bool,
    /// Null while the store cannot be read.
    dlq: Option<Dlq>,
    idempotency: Idempotency,
    store: Store,
    last_errors: Vec<LastError>,
}

#[derive(Serialize)]
struct Dlq {
    /// The former service kept files; there are none.
    total_files: u64,
    #[serde(flatten)]
    all: Letters,
    by_tenant: BTreeMap<String, Letters>,
}

/// Dead letters of one tenant, or of all.
#[derive(Default, Serialize)]
struct Letters {
    total_events: u64,
    total_letters: u64,
    total_size_mb: f64,
    oldest_age_hours: f64,
    by_destination: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Idempotency {
    /// Null while the store cannot be read.
    total_entries: Option<u64>,
    ttl_hours: u32,
}

#[derive(Serialize)]
struct LastError {
    ts: Timestamp,
    path: String,
    status: u16,
    code: &'static str,
    trace_id: String,
}

/// Version, resources, queues, dead letters, the ring, and the newest failures.
pub(crate) fn system(context: &mut Context, _: &Call<'_>) -> Result<Response, Problem> {
    let (agent, version, now) = (context.status.metrics(), context.status.version(), context.intake.now());
    // A store that cannot be read is what this answer may be asked for.
    let sums = context.ledger.with(|control| control.dead_letter_stats(None)).ok();
    let receipts = context.ledger.with(|control| control.receipts()).ok();
    let dlq = sums.map(|sums| dlq(&sums, now));
    let dead_events = dlq.as_ref().map_or(0, |dlq| dlq.all.total_events);
    let share = |host: u64| rounded(100.0 * float(agent.process.rss_bytes) / float(host.max(1)));
    Ok(json(&Answer {
        version: version.version,
        git_sha: version.git_sha,
        image: version.image,
        uptime_s: agent.uptime_seconds,
        workers: context.workers,
        mem_mb: rounded(float(agent.process.rss_bytes) / MIB),
        mem_pct: agent.process.host_memory_bytes.map(share),
        cpu_pct: rounded(agent.process.cpu_pct),
        eps: agent.eps,
        queue_depth: agent.queue_depth,
        backpressure: backpressure(agent.queue_depth, context.intake.load(), dead_events),
        dlq,
        idempotency: Idempotency { total_entries: receipts, ttl_hours: RECEIPT_HOURS },
        store: agent.store,
        last_errors: last_errors(context, now),
    }))
}

/// True when clients should slow down: the links or the way in are half full, or dead letters pile up.
fn backpressure(queue_depth: u64, load: Load, dead_events: u64) -> bool {
    queue_depth > MAX_QUEUE || load.records > load.bound / 2 || dead_events > MAX_DEAD_EVENTS
}

fn dlq(sums: &[DeadLetterSum], now: Timestamp) -> Dlq {
    let mut dlq = Dlq { total_files: 0, all: Letters::default(), by_tenant: BTreeMap::new() };
    for sum in sums {
        dlq.all.add(sum, now);
        dlq.by_tenant.entry(sum.tenant.clone()).or_default().add(sum, now);
    }
    dlq
}

impl Letters {
    fn add(&mut self, sum: &DeadLetterSum, now: Timestamp) {
        self.total_events += sum.events;
        self.total_letters += sum.letters;
        self.total_size_mb += float(sum.bytes) / MIB;
        *self.by_destination.entry(sum.destination.clone()).or_default() += sum.events;
        let age = sum.oldest.map_or(0, |oldest| now.micros_since(oldest)).max(0).unsigned_abs();
        self.oldest_age_hours = self.oldest_age_hours.max(float(age) / HOUR_MICROS);
    }
}

fn last_errors(context: &Context, now: Timestamp) -> Vec<LastError> {
    let told = |failure: crate::failures::Failure| {
        let ago = i64::try_from(failure.at.elapsed().as_micros()).unwrap_or(i64::MAX);
        let ts = now.plus_micros(ago.saturating_neg());
        let crate::failures::Failure { path, status, code, trace, .. } = failure;
        LastError { ts, path, status, code, trace_id: trace }
    };
    context.counters.failures.newest().into_iter().map(told).collect()
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn float(count: u64) -> f64 {
    count as f64
}

/// To two digits.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::backpressure;
    use crate::intake::Load;

    #[test]
    fn clients_are_told_to_slow_down_by_any_of_the_three_queues() {
        let load = |records| Load { records, bound: 10_000 };
        assert!(!backpressure(5_000, load(5_000), 10_000));
        assert!(backpressure(5_001, load(0), 0));
        assert!(backpressure(0, load(5_001), 0));
        assert!(backpressure(0, load(0), 10_001));
    }
}
