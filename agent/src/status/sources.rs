//! The collecting process in the web side's terms: exporters, listeners, sums, and how well it works.

use std::net::IpAddr;
use std::time::Instant;

use weir_web as web;

use crate::collect::Faults;
use crate::collect::report::{Exporter, SequenceUnit};
use crate::metrics::{Collecting, Listener, ListenerState, Recently};

/// Every exporter and every listener.
pub(super) fn sources(collecting: &Collecting, now: Instant) -> web::Sources {
    let report = collecting.report();
    let source =
        |exporter: &Exporter| source(exporter, collecting.recently(exporter.address, exporter.port, now));
    web::Sources {
        sources: report.exporters.iter().map(source).collect(),
        total: report.exporters.len(),
        listeners: collecting.listeners.iter().map(listener).collect(),
        totals: web::SourceTotals {
            datagrams: report.datagrams,
            octets: report.octets,
            records: report.records,
            undecodable: undecodable(&report.faults),
            displaced: report.displaced,
            parked_bytes: report.parked_bytes,
            template_bytes: report.template_bytes,
        },
    }
}

/// Sums for the metrics.
pub(super) fn collect(collecting: &Collecting) -> web::Collect {
    let report = collecting.report();
    web::Collect {
        datagrams: report.datagrams,
        octets: report.octets,
        records: report.records,
        undecodable: report.faults.total(),
        kernel_drops: collecting.kernel_drops(),
        exporters: report.exporters.len(),
    }
}

/// Failed when no listener can receive, degraded when one of several cannot.
pub(super) fn part(listeners: &[Listener]) -> web::Part {
    if listeners.is_empty() {
        return web::Part { name: "collect".into(), status: web::Condition::Off, code: None, detail: None };
    }
    let mut broken: Vec<_> = listeners.iter().filter_map(Listener::trouble).collect();
    let condition =
        if broken.len() == listeners.len() { web::Condition::Failed } else { web::Condition::Degraded };
    // Two listeners that share a cause say the same.
    broken.dedup();
    web::Part::new("collect", condition, "listener", broken.join("; "))
}

/// A name that stays the same, of characters that no path has to escape (RFC 3986 §2.3).
///
/// Different exporters have different names: an address as text has no `-` and no `_`.
fn id(address: IpAddr, port: Option<u16>) -> String {
    let address = address.to_string().replace(':', "-");
    port.map_or_else(|| format!("udp-{address}"), |port| format!("udp-{address}_{port}"))
}

fn source(exporter: &Exporter, lately: Option<Recently>) -> web::Source {
    let (silent, error_pct) = (lately.and_then(|lately| lately.silent), lately.and_then(error_pct));
    web::Source {
        id: id(exporter.address, exporter.port),
        transport: web::Transport::Udp,
        origin: exporter.address.to_string(),
        display_name: exporter.port.map_or_else(
            || exporter.address.to_string(),
            |port| std::net::SocketAddr::new(exporter.address, port).to_string(),
        ),
        status: web::Admission::Enabled,
        health_status: web::HealthStatus::of(silent, error_pct),
        address: exporter.address,
        port: exporter.port,
        versions: exporter.versions.clone(),
        domains: exporter.domains,
        first_seen: exporter.first_seen,
        last_seen: exporter.last_seen,
        last_seen_ts: exporter.last_seen.map(weir_flow::Timestamp::millis),
        silent_seconds: silent.map(|silent| silent.as_secs()),
        eps_1m: exporter.records_per_second,
        records_per_second: exporter.records_per_second,
        error_pct_1m: error_pct,
        datagrams: exporter.datagrams,
        octets: exporter.octets,
        records: exporter.records,
        options_records: exporter.options,
        templates: exporter.templates,
        sequence: sequence(exporter),
        parked_bytes: exporter.parked_bytes,
        undecodable: undecodable(&exporter.faults),
        clock_offset_ms: exporter.clock_offset_ms,
        sampling: exporter.sampling,
    }
}

const fn sequence(exporter: &Exporter) -> web::Sequence {
    web::Sequence {
        lost: exporter.lost,
        unit: match exporter.lost_unit {
            SequenceUnit::Records => web::SequenceUnit::Records,
            SequenceUnit::Datagrams => web::SequenceUnit::Datagrams,
        },
        gaps: exporter.gaps,
        reordered: exporter.reordered,
        restarts: exporter.restarts,
    }
}

/// Faults per 100 datagrams of the last minute; a datagram can have several, so that they could be more than 100.
#[expect(clippy::cast_precision_loss, reason = "a share for display")]
fn error_pct(lately: Recently) -> Option<f64> {
    (lately.datagrams > 0).then(|| (100.0 * lately.faults as f64 / lately.datagrams as f64).min(100.0))
}

fn undecodable(faults: &Faults) -> web::Undecodable {
    let by_reason = faults.iter().map(|(fault, count)| (fault.as_str(), count)).collect();
    web::Undecodable { total: faults.total(), by_reason }
}

fn listener(listener: &Listener) -> web::UdpListener {
    let (state, reason) = match listener.state() {
        ListenerState::Starting => (web::ListenerState::Starting, None),
        ListenerState::Listening => (web::ListenerState::Listening, None),
        ListenerState::Failed(reason) => (web::ListenerState::Failed, Some(reason)),
    };
    let granted = listener.receive_buffer();
    web::UdpListener {
        address: listener.address,
        state,
        reason,
        datagrams: listener.datagrams(),
        kernel_drops: listener.kernel_drops(),
        receive_buffer_bytes: (granted > 0).then_some(granted),
    }
}

#[cfg(test)]
mod tests;
