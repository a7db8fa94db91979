//! Who sends flow records: the answer of `GET /v1/sources`.
//!
//! The agent fills it in from its collecting process; `api/sources.rs` answers it. Names of the former service's
//! source row are kept where there is something true to say; what is unknown is null.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use weir_flow::{Source as Version, Timestamp};

/// Exporters and listeners at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sources {
    /// Exporters, those heard from last first.
    pub sources: Vec<Source>,
    /// Exporters known, also when fewer were asked for.
    pub total: usize,
    /// Sockets that exporters send to, in the order of the configuration.
    pub listeners: Vec<UdpListener>,
    /// Sums since the start, also of exporters that are no longer known.
    pub totals: SourceTotals,
}

/// An exporter.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// Name in paths, made of address and port: the same after a restart.
    pub id: String,
    /// How it sends.
    #[serde(rename = "type")]
    pub transport: Transport,
    /// Where it sends from: the address, as text.
    pub origin: String,
    /// What people call it: the address, with the port where ports tell exporters apart.
    pub display_name: String,
    /// Whether it is listened to.
    pub status: Admission,
    /// Whether it is well, by the rule of [`HealthStatus::of`].
    pub health_status: HealthStatus,
    /// Its address.
    pub address: IpAddr,
    /// Its port, where ports tell exporters apart.
    pub port: Option<u16>,
    /// What it speaks, by the names that records have in `source`, in the order of first use.
    pub versions: Vec<Version>,
    /// Observation domains, engines or sub-agents.
    pub domains: usize,
    /// First datagram, by the wall clock.
    pub first_seen: Option<Timestamp>,
    /// Latest datagram, by the wall clock.
    pub last_seen: Option<Timestamp>,
    /// The same, milliseconds since the Unix epoch.
    pub last_seen_ts: Option<i64>,
    /// Seconds since the latest datagram, by a clock that is never set; null before the first one since the start.
    pub silent_seconds: Option<u64>,
    /// Flow records a second, over the last minute.
    pub eps_1m: f64,
    /// The same, under the name that says it.
    pub records_per_second: f64,
    /// Faults of the last minute per 100 datagrams, at most 100; null when there was no datagram.
    pub error_pct_1m: Option<f64>,
    /// Datagrams.
    pub datagrams: u64,
    /// Octets of UDP payload.
    pub octets: u64,
    /// Flow records.
    pub records: u64,
    /// Options records, and counter samples of sFlow.
    pub options_records: u64,
    /// Templates known now, those of options included.
    pub templates: usize,
    /// What its sequence numbers say.
    pub sequence: Sequence,
    /// Octets of data that wait for their template.
    pub parked_bytes: usize,
    /// What could not be decoded.
    pub undecodable: Undecodable,
    /// Milliseconds that its clock is ahead of ours; behind is negative.
    pub clock_offset_ms: Option<i64>,
    /// One of this many packets is sampled, as it said last.
    pub sampling: Option<u32>,
}

/// How a source sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Export datagrams.
    #[default]
    Udp,
}

/// Whether a source is listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// It is.
    #[default]
    Enabled,
}

/// Whether a source is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Heard from, and understood.
    Healthy,
    /// Late, or not understood.
    Degraded,
    /// Silent.
    Stale,
}

impl HealthStatus {
    const HEALTHY: Duration = Duration::from_secs(120);
    const DEGRADED: Duration = Duration::from_secs(300);
    const MAX_ERROR_PCT: f64 = 5.0;

    /// The former service's rule: healthy when heard from less than 120 s ago with less than 5 % of errors, degraded when
    /// less than 300 s ago, else stale. A source that was not heard from at all is stale.
    #[must_use]
    pub fn of(silent: Option<Duration>, error_pct: Option<f64>) -> Self {
        let is_understood = error_pct.is_none_or(|pct| pct < Self::MAX_ERROR_PCT);
        match silent {
            Some(silent) if silent < Self::HEALTHY && is_understood => Self::Healthy,
            Some(silent) if silent < Self::DEGRADED => Self::Degraded,
            _ => Self::Stale,
        }
    }
}

/// What sequence numbers say: lost between the exporter and this host, not by Weir.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sequence {
    /// Missing, in `unit`.
    pub lost: u64,
    /// What `lost` counts.
    pub unit: SequenceUnit,
    /// Times that something was missing.
    pub gaps: u64,
    /// Datagrams that came late, and are not missing.
    pub reordered: u64,
    /// Times that the exporter began again.
    pub restarts: u64,
}

/// What [`Sequence::lost`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SequenceUnit {
    /// Records.
    Records,
    /// Datagrams.
    Datagrams,
}

/// What could not be decoded.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Undecodable {
    /// All together.
    pub total: u64,
    /// By reason, those that occurred.
    pub by_reason: BTreeMap<&'static str, u64>,
}

/// A socket that exporters send to.
#[derive(Clone, Debug, Serialize)]
pub struct UdpListener {
    /// Address and port.
    pub address: SocketAddr,
    /// What it does now.
    pub state: ListenerState,
    /// Why it does not listen, and what to do.
    pub reason: Option<String>,
    /// Datagrams received.
    pub datagrams: u64,
    /// Datagrams that the kernel dropped because the receive buffer was full.
    pub kernel_drops: u64,
    /// Octets of the receive buffer that the kernel granted; null while there is no socket.
    pub receive_buffer_bytes: Option<u64>,
}

/// What a [`UdpListener`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenerState {
    /// Nothing yet.
    Starting,
    /// It receives.
    Listening,
    /// It cannot; the reason says why.
    Failed,
}

/// Sums since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceTotals {
    /// Datagrams.
    pub datagrams: u64,
    /// Octets of UDP payload.
    pub octets: u64,
    /// Flow records.
    pub records: u64,
    /// What could not be decoded, that of unknown senders included.
    pub undecodable: Undecodable,
    /// Exporters that had to make room for others.
    pub displaced: u64,
    /// Octets of data that wait for their template.
    pub parked_bytes: usize,
    /// Octets that templates take.
    pub template_bytes: usize,
}

/// The part `collect` of `GET /v1/metrics`: all exporters together; `GET /v1/sources` has each.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Collect {
    /// Datagrams.
    pub datagrams: u64,
    /// Octets of UDP payload.
    pub octets: u64,
    /// Flow records decoded.
    pub records: u64,
    /// Datagrams and pieces of them that could not be decoded.
    pub undecodable: u64,
    /// Datagrams that the kernel dropped because a receive buffer was full.
    pub kernel_drops: u64,
    /// Exporters known.
    pub exporters: usize,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::HealthStatus::{self, Degraded, Healthy, Stale};

    #[test]
    fn health_follows_the_former_rule() {
        let of = |seconds, pct| HealthStatus::of(Some(Duration::from_secs(seconds)), pct);
        assert_eq!([of(0, None), of(119, Some(0.0)), of(119, Some(4.9))], [Healthy; 3]);
        assert_eq!([of(0, Some(5.0)), of(119, Some(100.0)), of(120, None), of(299, None)], [Degraded; 4]);
        assert_eq!([of(300, None), of(86_400, Some(0.0)), HealthStatus::of(None, None)], [Stale; 3]);
    }
}
