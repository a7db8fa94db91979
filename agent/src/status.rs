//! What the web side is told: the agent's half of the `weir-web` traits.

mod hunt;
mod losses;
mod sources;
mod zeek;

use std::sync::{Arc, Mutex};

use weir_flow::Tags;
use weir_web as web;

use crate::clock::Clock;
use crate::metrics::{Metrics, Point, Ring, State, Totals, held};
use crate::pipeline::{Answer, Enricher};
use crate::process;
use crate::start::Standing;
use crate::timesync::TimeSync;
use crate::window::Window;

/// Name of the service that callers of the former one check for.
const SERVICE: &str = "telemetry-api";
const API_VERSION: &str = "v1";
/// Seconds between two points of a series.
const STEP: u32 = 5;
/// Parts whose trouble is not the whole's: an agent without rights, traffic or a free port still does the rest of what it
/// was started for, and callers wait for `ok`.
const INPUTS: [&str; 3] = ["capture", "collect", "zeek"];

/// Answers for the agent.
pub struct Status {
    metrics: Arc<Metrics>,
    standing: Arc<Standing>,
    enricher: Mutex<Enricher>,
    mapped_bytes: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Memory of this host, octets; it does not change while the agent runs.
    host_memory: Option<u64>,
    clock: Clock,
}

impl Status {
    /// Answers from `metrics` and `standing`; lookups are made with `enricher`.
    #[must_use]
    pub fn new(
        metrics: Arc<Metrics>,
        standing: Arc<Standing>,
        enricher: Enricher,
        mapped_bytes: Box<dyn Fn() -> u64 + Send + Sync>,
        clock: Clock,
    ) -> Self {
        let host_memory = process::host_memory().ok();
        Self { metrics, standing, enricher: Mutex::new(enricher), mapped_bytes, host_memory, clock }
    }

    /// How each part is, in the order of the data path.
    fn parts(&self, ring: &Ring) -> Vec<web::Part> {
        let now = self.clock.now();
        let code = match (ring.fails, ring.lost_rows) {
            (true, _) => "unwritable",
            (false, 0) => "short",
            (false, _) => "damaged",
        };
        let store = web::Part::new("store", store_condition(ring), code, ring.trouble.clone());
        let sync = TimeSync::read(now);
        let clock = web::Part::new("clock", web::Condition::Degraded, sync.as_str(), sync.trouble(now));
        let inputs = [
            capture_part(&self.metrics.points),
            sources::part(&self.metrics.collecting.listeners),
            zeek::part(&self.metrics.following),
        ];
        let hunt = hunt::part(&self.metrics.hunting);
        let parts = inputs.into_iter().chain([store, clock]).chain(hunt);
        parts.chain(self.standing.parts()).collect()
    }

    fn uptime(&self) -> u64 {
        self.clock.monotonic().duration_since(self.metrics.started).as_secs()
    }
}

impl web::Status for Status {
    fn health(&self) -> web::Health {
        let ring = self.metrics.ring();
        let parts = self.parts(&ring);
        web::Health {
            status: whole(&parts),
            service: SERVICE.into(),
            version: API_VERSION.into(),
            uptime_seconds: self.uptime(),
            parts,
        }
    }

    fn version(&self) -> web::Version {
        web::Version {
            service: SERVICE.into(),
            api_version: API_VERSION.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            git_sha: option_env!("WEIR_GIT_SHA").map(Into::into),
            ..web::Version::default()
        }
    }

    fn metrics(&self) -> web::Metrics {
        let now = self.clock.now();
        let (totals, ring) = (self.metrics.totals(), self.metrics.ring());
        let queued = self.metrics.links.iter().map(|link| link.depth_records() as u64).sum();
        let (p50, p95, p99) = self.metrics.lag(now);
        let windows = held(&self.metrics.windows);
        let second = now.seconds();
        let usage = windows.usage.map(|usage| usage.memory).unwrap_or_default();
        web::Metrics {
            agent: self.standing.about(),
            now_ms: now.millis(),
            uptime_seconds: self.uptime(),
            records_processed: totals.rows,
            records_queued: queued,
            queue_depth: queued,
            eps: per_second(&windows.events, second, 5),
            totals: web::Totals {
                events: totals.rows,
                batches: totals.batches,
                threat_matches: totals.threat_matches,
                unique_sources: self.metrics.unique_sources(),
                risk_sum: totals.risk_sum,
                risk_count: totals.risk_count,
            },
            rates: web::Rates {
                eps_1m: per_second(&windows.events, second, 60),
                epm_1m: float(windows.events.sum_last(second, 60)),
                bpm_1m: float(windows.batches.sum_last(second, 60)),
                bits_1m: 8.0 * per_second(&windows.octets, second, 60),
            },
            queue: web::Queue { lag_ms_p50: float(p50), lag_ms_p95: float(p95), lag_ms_p99: float(p99) },
            timeseries: web::Timeseries {
                last_5m: web::LastFiveMinutes {
                    eps: series(&windows.events, second, 1.0),
                    bpm: series(&windows.batches, second, 60.0),
                    bps: series(&windows.octets, second, 8.0),
                    threats: series(&windows.threats, second, f64::from(STEP)),
                    avg_risk: ratio(&windows.risk_sum, &windows.risk_count, second),
                    drops: series(&windows.losses, second, f64::from(STEP)),
                },
            },
            capture: capture(&self.metrics.points),
            collect: sources::collect(&self.metrics.collecting),
            zeek: zeek::figures(&self.metrics.following),
            hunt: hunt::figures(&self.metrics.hunting),
            table: table(&self.metrics.points),
            losses: losses::losses(&self.metrics),
            store: store(&ring),
            dead_letters: dead_letters(&ring, &totals),
            clock: clock(TimeSync::read(now), &ring),
            parts: self.parts(&ring),
            process: web::Process {
                rss_bytes: usage.rss,
                cpu_pct: windows.cpu_percent,
                host_memory_bytes: self.host_memory,
            },
            memory: web::Memory {
                anon_bytes: usage.anon,
                ring_bytes: self.metrics.points.iter().map(|point| point.reading().ring_bytes).sum(),
                mapped_bytes: (self.mapped_bytes)(),
            },
            uplink: None,
        }
    }

    fn sources(&self) -> web::Sources {
        sources::sources(&self.metrics.collecting, self.clock.monotonic())
    }

    fn lookup(&self, target: &web::LookupTarget) -> web::LookupAnswer {
        let mut enricher = held(&self.enricher);
        answer(match target {
            web::LookupTarget::Ip(ip) => enricher.lookup_ip(*ip),
            web::LookupTarget::Domain(name) => enricher.lookup_domain(name),
        })
    }
}

/// A lookup's answer in the web side's terms.
#[must_use]
pub fn answer(answer: Answer) -> web::LookupAnswer {
    let Answer { place, matches, risk } = answer;
    let mut tags = Tags::default();
    if !matches.is_empty() {
        tags.insert(weir_flow::Tag::Ti);
    }
    web::LookupAnswer { place, verdict: weir_flow::Verdict { matches }, risk, tags }
}

/// How well the whole works.
fn whole(parts: &[web::Part]) -> web::Condition {
    let is_sound = |part: &web::Part| part.status == web::Condition::Ok || INPUTS.contains(&&*part.name);
    if parts.iter().all(is_sound) { web::Condition::Ok } else { web::Condition::Degraded }
}

/// Failed when no observation point works, degraded when one of several does not.
fn capture_part(points: &[Arc<Point>]) -> web::Part {
    if points.is_empty() {
        return web::Part { name: "capture".into(), status: web::Condition::Off, code: None, detail: None };
    }
    let broken: Vec<_> = points.iter().filter_map(|point| trouble(point)).collect();
    let condition =
        if broken.len() == points.len() { web::Condition::Failed } else { web::Condition::Degraded };
    let denied = broken.iter().find(|(state, _)| *state == State::NoPermission);
    let (code, detail) = match denied.or(broken.first()) {
        Some((State::NoPermission, reason)) => ("no_permission", reason.clone()),
        Some((_, reason)) => ("interface", reason.clone()),
        None => ("", String::new()),
    };
    web::Part::new("capture", condition, code, detail)
}

/// Why an observation point does not work.
fn trouble(point: &Point) -> Option<(State, String)> {
    let (state, reason) = point.condition();
    matches!(state, State::NoPermission | State::Failed).then_some((state, reason))
}

fn clock(sync: TimeSync, ring: &Ring) -> web::Clock {
    web::Clock { state: sync.as_str().into(), retention_by_age: !ring.age_waits }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn float(count: u64) -> f64 {
    count as f64
}

fn per_second(window: &Window, second: i64, seconds: u32) -> f64 {
    float(window.sum_last(second, seconds)) / f64::from(seconds)
}

fn points() -> u32 {
    u32::try_from(web::SERIES_POINTS).unwrap_or(u32::MAX)
}

/// A window's series of rates per second, each times `factor`.
fn series(window: &Window, second: i64, factor: f64) -> Vec<web::Point> {
    window.series(second, STEP, points()).map(|(ms, rate)| (ms, rate * factor)).collect()
}

/// The mean of `sum` over `count`, where there is one.
fn ratio(sum: &Window, count: &Window, second: i64) -> Vec<web::Point> {
    let both = sum.series(second, STEP, points()).zip(count.series(second, STEP, points()));
    both.map(|((ms, sum), (_, count))| (ms, if count > 0.0 { sum / count } else { 0.0 })).collect()
}

fn capture(points: &[Arc<Point>]) -> web::Capture {
    let mut all = web::Capture::default();
    for point in points {
        let reading = point.reading();
        all.packets += reading.counts.packets;
        all.octets += reading.counts.octets;
        all.dropped += reading.kernel.drops;
        // Several workers of one interface are one line.
        if let Some(same) = all.interfaces.iter_mut().find(|interface| interface.interface == point.name()) {
            same.packets += reading.counts.packets;
            same.octets += reading.counts.octets;
            same.kernel_drops += reading.kernel.drops;
            same.workers += 1;
            continue;
        }
        let (state, reason) = point.condition();
        all.interfaces.push(web::Interface {
            interface: point.name().to_owned().into(),
            state: match state {
                State::Starting => web::InterfaceState::Off,
                State::Capturing => web::InterfaceState::Capturing,
                State::Replaying => web::InterfaceState::Replaying,
                State::Finished => web::InterfaceState::Finished,
                State::NoPermission => web::InterfaceState::NoPermission,
                State::Failed => web::InterfaceState::Failed,
            },
            reason: (!reason.is_empty()).then(|| reason.into()),
            packets: reading.counts.packets,
            octets: reading.counts.octets,
            kernel_drops: reading.kernel.drops,
            workers: 1,
        });
    }
    all
}

fn table(points: &[Arc<Point>]) -> web::Table {
    let mut all = web::Table::default();
    for reading in points.iter().map(|point| point.reading()) {
        all.flows += reading.flows;
        all.limit += reading.flow_limit;
        all.evicted += reading.evicted;
    }
    all
}

const fn store_condition(ring: &Ring) -> web::Condition {
    match (ring.fails, ring.trouble.is_empty()) {
        (true, _) => web::Condition::Failed,
        (false, false) => web::Condition::Degraded,
        (false, true) => web::Condition::Ok,
    }
}

fn store(ring: &Ring) -> web::Store {
    let trouble = (!ring.trouble.is_empty()).then(|| ring.trouble.clone().into());
    let status = store_condition(ring);
    let Some(stats) = &ring.stats else {
        return web::Store { status, detail: trouble, ..web::Store::default() };
    };
    web::Store {
        rows: stats.rows,
        bytes: stats.bytes,
        budget_bytes: stats.budget_bytes,
        retention_days: stats.retention_days,
        oldest_ts: stats.oldest_ts,
        newest_ts: stats.newest_ts,
        bytes_written_today: ring.written.today,
        bytes_written_per_day: ring.written.per_day,
        bytes_written_per_row: ring.bytes_per_row.map(|bytes| (bytes * 10.0).round() / 10.0),
        status,
        detail: trouble,
    }
}

fn dead_letters(ring: &Ring, totals: &Totals) -> web::DeadLetters {
    web::DeadLetters {
        total: ring.letters.iter().map(|sum| sum.letters).sum(),
        bytes: ring.letters.iter().map(|sum| sum.bytes).sum(),
        oldest_ts: ring.letters.iter().filter_map(|sum| sum.oldest).min(),
        added: totals.letters_added,
        replayed: totals.letters_replayed,
        expired: totals.letters_expired,
    }
}

#[cfg(test)]
mod tests;
