//! Exporters of the made-up agent.

use std::net::{IpAddr, SocketAddr};

use weir_flow::Source as Version;
use weir_web::{
    Admission, Collect, Condition, HealthStatus, ListenerState, Part, Sequence, SequenceUnit, Source,
    SourceTotals, Sources, Transport, UdpListener, Undecodable,
};

use crate::now;
use crate::scene::Scene;

/// More than the page shows.
const MANY: u8 = 120;

fn source(address: impl Into<IpAddr>, versions: &[Version], silent: u64) -> Source {
    let (address, silent_ms) = (address.into(), i64::try_from(silent).unwrap_or(0) * 1_000);
    let last_seen = now().plus_micros(-silent_ms * 1_000);
    Source {
        id: format!("udp-{}", address.to_string().replace(':', "-")),
        transport: Transport::Udp,
        origin: address.to_string(),
        display_name: address.to_string(),
        status: Admission::Enabled,
        health_status: HealthStatus::of(Some(std::time::Duration::from_secs(silent)), None),
        address,
        port: None,
        versions: versions.to_vec(),
        domains: 1,
        first_seen: Some(now().plus_micros(-93_000_000_000)),
        last_seen: Some(last_seen),
        last_seen_ts: Some(last_seen.millis()),
        silent_seconds: Some(silent),
        eps_1m: 0.0,
        records_per_second: 0.0,
        error_pct_1m: (silent < 60).then_some(0.0),
        datagrams: 48_000,
        octets: 61_440_000,
        records: 1_104_000,
        options_records: 310,
        templates: 0,
        sequence: Sequence { lost: 0, unit: SequenceUnit::Datagrams, gaps: 0, reordered: 0, restarts: 0 },
        parked_bytes: 0,
        undecodable: Undecodable::default(),
        clock_offset_ms: Some(12),
        sampling: None,
    }
}

fn undecodable(reasons: &[(&'static str, u64)]) -> Undecodable {
    Undecodable {
        total: reasons.iter().map(|(_, count)| count).sum(),
        by_reason: reasons.iter().copied().collect(),
    }
}

fn busy() -> Vec<Source> {
    let router = Source {
        records_per_second: 312.4,
        templates: 8,
        domains: 2,
        ..source([10, 20, 0, 1], &[Version::Netflow9], 0)
    };
    let core = Source {
        records_per_second: 1_845.0,
        templates: 14,
        sequence: Sequence { lost: 12_904, unit: SequenceUnit::Records, gaps: 31, reordered: 4, restarts: 1 },
        sampling: Some(512),
        ..source([0x2001, 0xdb8, 0x10, 0, 0, 0, 0, 1], &[Version::Ipfix, Version::Netflow9], 1)
    };
    let firewall = Source {
        port: Some(9_995),
        display_name: "203.0.113.4:9995".to_owned(),
        id: "udp-203.0.113.4_9995".to_owned(),
        records_per_second: 41.2,
        parked_bytes: 48_210,
        undecodable: undecodable(&[("no_template", 1_204), ("bad_record", 3)]),
        error_pct_1m: Some(22.5),
        health_status: HealthStatus::Degraded,
        ..source([203, 0, 113, 4], &[Version::Netflow9], 2)
    };
    let switch = Source {
        records_per_second: 88.0,
        sampling: Some(2_048),
        clock_offset_ms: None,
        sequence: Sequence { lost: 7, unit: SequenceUnit::Datagrams, gaps: 2, reordered: 0, restarts: 0 },
        ..source([10, 20, 0, 2], &[Version::Sflow5], 0)
    };
    let old = Source {
        records_per_second: 3.1,
        clock_offset_ms: Some(-31_536_000_000),
        ..source([10, 20, 0, 9], &[Version::Netflow5], 4)
    };
    let gone = source([10, 20, 0, 77], &[Version::Netflow7], 4_210);
    vec![router, switch, core, firewall, old, gone]
}

fn listener(
    address: impl Into<SocketAddr>,
    reason: Option<&str>,
    datagrams: u64,
    kernel_drops: u64,
) -> UdpListener {
    UdpListener {
        address: address.into(),
        state: if reason.is_some() { ListenerState::Failed } else { ListenerState::Listening },
        reason: reason.map(str::to_owned),
        datagrams,
        kernel_drops,
        receive_buffer_bytes: reason.is_none().then_some(4_194_304),
    }
}

/// Who exports in this scene, and to where.
pub(crate) fn sources(scene: Scene) -> Sources {
    let many = || (0..MANY).map(|host| source([10, 30, host / 40, host], &[Version::Netflow9], 0)).collect();
    let sources = match scene {
        Scene::Busy => busy(),
        Scene::Hostile => many(),
        Scene::Denied | Scene::Silent => Vec::new(),
    };
    let taken = "127.0.0.1:6343 is taken by another program: `ss -lunp` names it; or set `collect.listen`";
    let listeners = match scene {
        Scene::Busy | Scene::Hostile => vec![
            listener(([0, 0, 0, 0], 2_055), None, 220_000, 0),
            listener(([0, 0, 0, 0], 6_343), None, 48_000, 214),
        ],
        Scene::Denied => vec![
            listener(([127, 0, 0, 1], 2_055), None, 0, 0),
            listener(([127, 0, 0, 1], 6_343), Some(taken), 0, 0),
        ],
        Scene::Silent => {
            vec![listener(([127, 0, 0, 1], 2_055), None, 0, 0), listener(([127, 0, 0, 1], 6_343), None, 0, 0)]
        }
    };
    let sum = |of: fn(&Source) -> u64| sources.iter().map(of).sum();
    Sources {
        total: sources.len(),
        listeners,
        totals: SourceTotals {
            datagrams: sum(|source| source.datagrams),
            octets: sum(|source| source.octets),
            records: sum(|source| source.records),
            undecodable: undecodable(if sources.is_empty() {
                &[]
            } else {
                &[("no_template", 1_204), ("bad_record", 3)]
            }),
            displaced: 0,
            parked_bytes: sources.iter().map(|source| source.parked_bytes).sum(),
            template_bytes: 44_000,
        },
        sources,
    }
}

/// How well that works.
pub(crate) fn parts(scene: Scene) -> Vec<Part> {
    let broken = sources(scene).listeners.into_iter().filter_map(|listener| listener.reason);
    vec![Part::new("collect", Condition::Degraded, "listener", broken.collect())]
}

/// The same as sums.
pub(crate) fn collect(scene: Scene) -> Collect {
    let Sources { totals, listeners, total, .. } = sources(scene);
    Collect {
        datagrams: totals.datagrams,
        octets: totals.octets,
        records: totals.records,
        undecodable: totals.undecodable.total,
        kernel_drops: listeners.iter().map(|listener| listener.kernel_drops).sum(),
        exporters: total,
    }
}
