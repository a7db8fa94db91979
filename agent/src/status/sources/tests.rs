use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_flow::{Source, Timestamp};
use weir_web::Condition;

use super::{collect, id, part, sources};
use crate::clock::Clock;
use crate::collect::report::{Exporter, SequenceUnit};
use crate::collect::{Fault, Faults, Report};
use crate::metrics::testing::exporter;
use crate::metrics::{Collecting, ListenerState};

const ROUTER: [u8; 4] = [192, 0, 2, 1];

fn listening(addresses: &[&str]) -> Collecting {
    Collecting::new(addresses.iter().map(|address| address.parse::<SocketAddr>().unwrap()))
}

/// A process that has just sampled these exporters, and when.
fn heard(exporters: Vec<Exporter>) -> (Collecting, Instant) {
    let (collecting, now) = (listening(&[]), Clock.monotonic());
    collecting.publish(Report { exporters, ..Report::default() });
    collecting.sample(now);
    (collecting, now)
}

fn only(exporter: Exporter, later: Duration) -> Value {
    let (collecting, now) = heard(vec![exporter]);
    serde_json::to_value(&sources(&collecting, now + later).sources[0]).unwrap()
}

fn faults(reasons: &[(Fault, u64)]) -> Faults {
    let mut faults = Faults::default();
    reasons.iter().for_each(|&(fault, times)| faults.add(fault, times));
    faults
}

#[test]
fn an_exporter_is_told_in_full() {
    let seen = Timestamp::from_millis(1_795_219_200_000);
    let router = Exporter {
        port: Some(9_996),
        versions: vec![Source::Netflow9, Source::Ipfix],
        domains: 2,
        first_seen: Some(seen),
        last_seen: Some(seen.plus_micros(5_000_000)),
        datagrams: 1_000,
        octets: 1_400_000,
        records: 24_000,
        options: 60,
        records_per_second: 12.5,
        templates: 7,
        lost: 30,
        lost_unit: SequenceUnit::Datagrams,
        gaps: 3,
        reordered: 2,
        restarts: 1,
        parked_bytes: 512,
        faults: faults(&[(Fault::NoTemplate, 3), (Fault::BadRecord, 1)]),
        clock_offset_ms: Some(-1_200),
        sampling: Some(100),
        ..exporter(ROUTER)
    };
    let expected = json!({
        "id": "udp-192.0.2.1_9996", "type": "udp", "origin": "192.0.2.1", "display_name": "192.0.2.1:9996",
        "status": "enabled", "health_status": "healthy", "address": "192.0.2.1", "port": 9996,
        "versions": ["netflow9", "ipfix"], "domains": 2,
        "first_seen": "2026-11-21T00:00:00.000Z", "last_seen": "2026-11-21T00:00:05.000Z",
        "last_seen_ts": 1_795_219_205_000_i64, "silent_seconds": 7,
        "eps_1m": 12.5, "records_per_second": 12.5, "error_pct_1m": 0.4,
        "datagrams": 1_000, "octets": 1_400_000, "records": 24_000, "options_records": 60, "templates": 7,
        "sequence": {"lost": 30, "unit": "datagrams", "gaps": 3, "reordered": 2, "restarts": 1},
        "parked_bytes": 512, "undecodable": {"total": 4, "by_reason": {"bad_record": 1, "no_template": 3}},
        "clock_offset_ms": -1_200, "sampling": 100,
    });
    assert_eq!(only(router, Duration::from_secs(7)), expected);
}

#[test]
fn what_is_unknown_is_null() {
    let restored = only(exporter(ROUTER), Duration::ZERO);
    for unknown in [
        "port",
        "first_seen",
        "last_seen",
        "last_seen_ts",
        "silent_seconds",
        "error_pct_1m",
        "clock_offset_ms",
        "sampling",
    ] {
        assert_eq!(restored.get(unknown), Some(&Value::Null), "{unknown}");
    }
    assert_eq!(restored["health_status"], "stale", "it has not been heard since the start");
}

#[test]
fn health_goes_by_silence_and_errors_of_the_last_minute() {
    let router = |undecoded| Exporter {
        datagrams: 100,
        // Of a clock that was set back: silence is measured by the other one.
        last_seen: Some(Timestamp::default()),
        faults: faults(&[(Fault::Truncated, undecoded)]),
        ..exporter(ROUTER)
    };
    let health = |undecoded, seconds| {
        let told = only(router(undecoded), Duration::from_secs(seconds));
        told["health_status"].as_str().map(str::to_owned).unwrap()
    };
    assert_eq!([health(4, 0), health(0, 119)], ["healthy"; 2]);
    assert_eq!([health(5, 0), health(0, 120), health(0, 299)], ["degraded"; 3]);
    assert_eq!([health(0, 300), health(900, 7_200)], ["stale"; 2]);
    assert_eq!(only(router(900), Duration::ZERO)["error_pct_1m"], 100.0);
}

#[test]
fn names_differ_as_exporters_do_and_need_no_escaping() {
    let addresses: [IpAddr; 5] =
        ["192.0.2.1", "192.0.2.10", "2001:db8::1", "2001:db8::1:9995", "::ffff:192.0.2.1"]
            .map(|address| address.parse().unwrap());
    let ports = [None, Some(0), Some(9_995), Some(65_535)];
    let names: BTreeSet<_> =
        addresses.iter().flat_map(|&address| ports.map(|port| id(address, port))).collect();
    assert_eq!(names.len(), addresses.len() * ports.len(), "{names:?}");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    assert!(names.iter().all(|name| name.chars().all(is_plain)), "{names:?}");
}

#[test]
fn the_order_of_the_report_stays_and_all_are_counted() {
    let (collecting, now) = heard((1..=200).rev().map(|host| exporter([10, 0, 0, host])).collect());
    let told = sources(&collecting, now);
    assert_eq!((told.total, told.sources.len()), (200, 200));
    assert_eq!((&*told.sources[0].origin, &*told.sources[199].origin), ("10.0.0.200", "10.0.0.1"));
    assert_eq!(collect(&collecting).exporters, 200);
}

#[test]
fn sums_are_those_of_the_process_not_of_the_exporters_that_are_left() {
    let collecting = listening(&["127.0.0.1:2055", "127.0.0.1:6343"]);
    let undecoded = faults(&[(Fault::NotAllowed, 6)]);
    let report = Report {
        datagrams: 9,
        octets: 900,
        records: 40,
        faults: undecoded,
        displaced: 2,
        ..Report::default()
    };
    collecting.publish(Report { parked_bytes: 11, template_bytes: 13, ..report });
    collecting.listeners[0].count(0, 3);
    collecting.listeners[1].count(0, 4);
    let sums = collect(&collecting);
    assert_eq!((sums.datagrams, sums.octets, sums.records), (9, 900, 40));
    assert_eq!((sums.undecodable, sums.kernel_drops, sums.exporters), (6, 7, 0));
    let told = serde_json::to_value(sources(&collecting, Clock.monotonic())).unwrap();
    let expected = json!({
        "datagrams": 9, "octets": 900, "records": 40, "undecodable": {"total": 6, "by_reason": {"not_allowed": 6}},
        "displaced": 2, "parked_bytes": 11, "template_bytes": 13,
    });
    assert_eq!(told["totals"], expected);
}

#[test]
fn listeners_say_what_they_do_and_why_not() {
    let collecting = listening(&["[::1]:2055", "127.0.0.1:6343", "127.0.0.1:9995"]);
    collecting.listeners[0].set_state(ListenerState::Listening);
    collecting.listeners[0].set_receive_buffer(4_194_304);
    collecting.listeners[0].count(5, 0);
    collecting.listeners[1].set_state(ListenerState::Failed("the port is taken".to_owned()));
    let told = serde_json::to_value(sources(&collecting, Clock.monotonic())).unwrap();
    let line = |address: &str, state: &str, reason: Option<&str>, datagrams: u64, buffer: Option<u64>| {
        json!({"address": address, "state": state, "reason": reason, "datagrams": datagrams, "kernel_drops": 0,
            "receive_buffer_bytes": buffer})
    };
    let expected = json!([
        line("[::1]:2055", "listening", None, 5, Some(4_194_304)),
        line("127.0.0.1:6343", "failed", Some("the port is taken"), 0, None),
        line("127.0.0.1:9995", "starting", None, 0, None),
    ]);
    assert_eq!(told["listeners"], expected);
}

#[test]
fn collection_fails_with_its_last_listener_and_is_off_without_any() {
    let collecting = listening(&["127.0.0.1:2055", "127.0.0.1:6343"]);
    assert_eq!(part(&[]).status, Condition::Off);
    assert_eq!(part(&collecting.listeners).status, Condition::Ok, "one that starts is no trouble");
    collecting.listeners[1].set_state(ListenerState::Failed("6343 is taken".to_owned()));
    let some = part(&collecting.listeners);
    assert_eq!(
        (some.status, some.code, some.detail.as_deref()),
        (Condition::Degraded, Some("listener"), Some("6343 is taken"))
    );
    collecting.listeners[0].set_state(ListenerState::Failed("2055 is taken".to_owned()));
    let all = part(&collecting.listeners);
    assert_eq!(
        (all.status, all.detail.as_deref()),
        (Condition::Failed, Some("2055 is taken; 6343 is taken"))
    );
}
