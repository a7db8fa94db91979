//! What the collecting process tells of itself: one line for each exporter.

use std::net::IpAddr;

use weir_flow::{Source, Timestamp};

use super::Faults;

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Exporters, those heard from last first.
    pub exporters: Vec<Exporter>,
    /// Everything of all exporters since the start, also of those no longer in the list.
    pub datagrams: u64,
    /// Octets of UDP payload.
    pub octets: u64,
    /// Flow records decoded.
    pub records: u64,
    /// What could not be decoded.
    pub faults: Faults,
    /// Exporters that had to make room for others.
    pub displaced: u64,
    /// Octets that templates, and names that options told, take.
    pub template_bytes: usize,
    /// Octets of data that wait for their template.
    pub parked_bytes: usize,
}

/// One exporter.
#[derive(Clone, Debug)]
pub struct Exporter {
    /// Its address.
    pub address: IpAddr,
    /// Its port, where ports tell exporters apart.
    pub port: Option<u16>,
    /// What it speaks, in the order of first use.
    pub versions: Vec<Source>,
    /// Observation domains, engines or sub-agents.
    pub domains: usize,
    /// First datagram, if times of arrival are known.
    pub first_seen: Option<Timestamp>,
    /// Latest datagram.
    pub last_seen: Option<Timestamp>,
    /// Datagrams.
    pub datagrams: u64,
    /// Octets of UDP payload.
    pub octets: u64,
    /// Flow records.
    pub records: u64,
    /// Options records, and counter samples of sFlow.
    pub options: u64,
    /// Flow records a second, over the last minute.
    pub records_per_second: f64,
    /// Templates known now, those of options included.
    pub templates: usize,
    /// What sequence numbers say is missing, in `lost_unit`.
    pub lost: u64,
    /// What it counts.
    pub lost_unit: SequenceUnit,
    /// Times that something was missing.
    pub gaps: u64,
    /// Datagrams that came late, and are not missing.
    pub reordered: u64,
    /// Times that its sequence or its uptime began again.
    pub restarts: u64,
    /// Octets of data that wait for their template.
    pub parked_bytes: usize,
    /// What could not be decoded.
    pub faults: Faults,
    /// Milliseconds that its clock is ahead of ours, if both are known; behind is negative.
    pub clock_offset_ms: Option<i64>,
    /// One of this many packets is sampled, as it said last; 1 or unknown is `None`.
    pub sampling: Option<u32>,
}

/// What an exporter's sequence number counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SequenceUnit {
    /// Flow records (v5, v7), data records (IPFIX).
    #[default]
    Records,
    /// Datagrams (v9, sFlow).
    Datagrams,
}
