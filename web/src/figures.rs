//! Figures of the agent: its half of `GET /v1/metrics`.
//!
//! The agent fills them in from its counters; `api/metrics.rs` adds what the web side counts about requests.

use std::borrow::Cow;

use serde::Serialize;
use weir_flow::Timestamp;

use crate::{Collect, Condition, Hunt, Part, Zeek};

/// Points of a series in [`LastFiveMinutes`]: one each 5 s.
pub const SERIES_POINTS: usize = 60;

/// A point of a series: milliseconds since the Unix epoch, and the value there.
pub type Point = (i64, f64);

/// The agent's half of `GET /v1/metrics`; the web crate adds what it counts about requests itself.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Metrics {
    /// Which agent answers.
    pub agent: About,
    /// When these values were taken, milliseconds since the Unix epoch: the page's clock may differ.
    pub now_ms: i64,
    /// Seconds since the agent started.
    pub uptime_seconds: u64,
    /// Records stored since the start.
    pub records_processed: u64,
    /// Records on their way through the links now.
    pub records_queued: u64,
    /// The same, under the name that the former service used.
    pub queue_depth: u64,
    /// Records a second, over the last 5 s.
    pub eps: f64,
    /// Sums since the start.
    pub totals: Totals,
    /// Rates of the last minute.
    pub rates: Rates,
    /// Time from an input's hand-over to the commit.
    pub queue: Queue,
    /// Series.
    pub timeseries: Timeseries,
    /// Packet capture.
    pub capture: Capture,
    /// Collection from exporters.
    pub collect: Collect,
    /// Zeek's logs; absent when none are followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zeek: Option<Zeek>,
    /// The search of stored rows for new indicators; absent when that is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hunt: Option<Hunt>,
    /// The flow tables, all together.
    pub table: Table,
    /// Every place that lost something, with its reason; a place that lost nothing may be absent.
    pub losses: Vec<Loss>,
    /// The ring.
    pub store: Store,
    /// Records that could not be stored, and rows that an output refused.
    pub dead_letters: DeadLetters,
    /// The wall clock.
    pub clock: Clock,
    /// Parts as `GET /v1/health` tells them: the page shows those that are in trouble.
    pub parts: Vec<Part>,
    /// The process.
    pub process: Process,
    /// Its memory by kind.
    pub memory: Memory,
    /// Outputs; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplink: Option<Uplink>,
}

/// Which agent answers, and where it is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct About {
    /// Version of the agent.
    pub version: Cow<'static, str>,
    /// Random name of the device, 32 hexadecimal digits; null where none can be kept.
    pub device_id: Option<Cow<'static, str>>,
    /// Name of the branch office, where the configuration gives one.
    pub site: Option<Cow<'static, str>>,
}

/// Sums since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Records.
    pub events: u64,
    /// Batches committed.
    pub batches: u64,
    /// Records that an indicator matched.
    pub threat_matches: u64,
    /// Different originators, estimated.
    pub unique_sources: u64,
    /// Sum of the risk scores.
    pub risk_sum: u64,
    /// Records that have a score.
    pub risk_count: u64,
}

/// Rates of the last 60 s, from true sliding windows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rates {
    /// Records a second.
    pub eps_1m: f64,
    /// Records a minute.
    pub epm_1m: f64,
    /// Batches a minute.
    pub bpm_1m: f64,
    /// Bits a second, from interface and exporter counters.
    pub bits_1m: f64,
}

/// Milliseconds from an input's hand-over to the commit, over the last minute.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Queue {
    /// Median.
    pub lag_ms_p50: f64,
    /// 95th percentile.
    pub lag_ms_p95: f64,
    /// 99th percentile.
    pub lag_ms_p99: f64,
}

/// Series by length.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timeseries {
    /// The last five minutes.
    pub last_5m: LastFiveMinutes,
}

/// Series of the last five minutes, oldest first, at most [`SERIES_POINTS`] each.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LastFiveMinutes {
    /// Records a second.
    pub eps: Vec<Point>,
    /// Batches a minute.
    pub bpm: Vec<Point>,
    /// Bits a second, from interface and exporter counters.
    pub bps: Vec<Point>,
    /// Records with a threat match in the 5 s.
    pub threats: Vec<Point>,
    /// Average risk of the records of the 5 s.
    pub avg_risk: Vec<Point>,
    /// What was lost in the 5 s, packets, datagrams and records together.
    pub drops: Vec<Point>,
}

/// Packet capture, all interfaces together and each.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Capture {
    /// Packets read.
    pub packets: u64,
    /// IP octets read.
    pub octets: u64,
    /// Packets that the kernel dropped.
    pub dropped: u64,
    /// Each interface, or each file that is replayed.
    pub interfaces: Vec<Interface>,
}

/// One observation point.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Interface {
    /// Name of the interface or file.
    pub interface: Cow<'static, str>,
    /// What it does now.
    pub state: InterfaceState,
    /// Why it does not capture, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// Packets read.
    pub packets: u64,
    /// IP octets read.
    pub octets: u64,
    /// Packets that the kernel dropped.
    pub kernel_drops: u64,
    /// Threads that read it.
    pub workers: u32,
}

/// What an [`Interface`] does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceState {
    /// Packets are read from it.
    Capturing,
    /// A file is replayed.
    Replaying,
    /// The file was read to its end.
    Finished,
    /// Capture is turned off.
    #[default]
    Off,
    /// The agent lacks the right to capture.
    NoPermission,
    /// It does not work; the reason says why.
    Failed,
}

/// The flow tables.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Flows now.
    pub flows: u64,
    /// Flows that fit.
    pub limit: u64,
    /// Flows ended early because the table was full; they are recorded, not lost.
    pub evicted: u64,
}

/// Something that was lost.
#[derive(Clone, Debug, Serialize)]
pub struct Loss {
    /// Why, for example `kernel_ring_full`.
    pub reason: Cow<'static, str>,
    /// Where, for example `eth0` or `inputs → pipeline`.
    #[serde(rename = "where")]
    pub place: Cow<'static, str>,
    /// How many since the start.
    pub count: u64,
    /// What is counted.
    pub unit: LossUnit,
}

/// What a [`Loss`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LossUnit {
    /// Packets.
    Packets,
    /// Datagrams of exporters.
    Datagrams,
    /// Records.
    Records,
    /// Files.
    Files,
    /// Frames, datagrams, pieces of them, or lines that could not be decoded.
    Undecoded,
}

/// The ring.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Store {
    /// Rows kept.
    pub rows: u64,
    /// Octets on disk.
    pub bytes: u64,
    /// Octets that it may take.
    pub budget_bytes: u64,
    /// Days that rows are kept.
    pub retention_days: u32,
    /// Time of the oldest row's commit.
    pub oldest_ts: Option<Timestamp>,
    /// Time of the newest row's commit.
    pub newest_ts: Option<Timestamp>,
    /// Octets that the whole agent wrote to the device since midnight UTC: what flash wears by.
    pub bytes_written_today: u64,
    /// The same a day, in the mean of the last seven whole days; null on the first day.
    pub bytes_written_per_day: Option<u64>,
    /// The same for each row of the last hour; null without rows, or where the kernel does not count.
    pub bytes_written_per_row: Option<f64>,
    /// Whether it can write.
    pub status: Condition,
    /// What is wrong and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
}

/// Dead letters, of all tenants and destinations.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeadLetters {
    /// Letters kept.
    pub total: u64,
    /// Octets of their payloads.
    pub bytes: u64,
    /// When the oldest was written.
    pub oldest_ts: Option<Timestamp>,
    /// Records that became letters since the start.
    pub added: u64,
    /// Letters that became rows since the start.
    pub replayed: u64,
    /// Letters removed since the start for their age, or for newer ones.
    pub expired: u64,
}

/// The wall clock.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Clock {
    /// `unset`, `free_running`, `unconfirmed` or `synchronised`.
    pub state: Cow<'static, str>,
    /// Whether rows go by age; they do not while the clock cannot be believed.
    pub retention_by_age: bool,
}

/// The process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Process {
    /// Resident set, octets.
    pub rss_bytes: u64,
    /// Percent of one core over the last interval.
    pub cpu_pct: f64,
    /// Memory of the host, octets; null where the system does not tell.
    pub host_memory_bytes: Option<u64>,
}

/// Memory by kind, octets.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Memory {
    /// Anonymous memory.
    pub anon_bytes: u64,
    /// Capture rings, shared with the kernel.
    pub ring_bytes: u64,
    /// Mapped databases.
    pub mapped_bytes: u64,
}

/// Outputs, all together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Uplink {
    /// True when every output is connected.
    pub connected: bool,
    /// Rows not yet acknowledged.
    pub backlog: u64,
    /// Rows acknowledged.
    pub sent: u64,
    /// Attempts that failed.
    pub failed: u64,
}
