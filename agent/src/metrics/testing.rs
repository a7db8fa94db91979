//! Exporters for tests.

use std::net::IpAddr;

use crate::collect::Faults;
use crate::collect::report::{Exporter, SequenceUnit};

/// An exporter that has said nothing.
pub(crate) fn exporter(address: impl Into<IpAddr>) -> Exporter {
    Exporter {
        address: address.into(),
        port: None,
        versions: Vec::new(),
        domains: 0,
        first_seen: None,
        last_seen: None,
        datagrams: 0,
        octets: 0,
        records: 0,
        options: 0,
        records_per_second: 0.0,
        templates: 0,
        lost: 0,
        lost_unit: SequenceUnit::Records,
        gaps: 0,
        reordered: 0,
        restarts: 0,
        parked_bytes: 0,
        faults: Faults::default(),
        clock_offset_ms: None,
        sampling: None,
    }
}
