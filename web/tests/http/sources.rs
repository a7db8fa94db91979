//! What `/v1/sources` answers.

use std::net::IpAddr;

use serde_json::Value;
use weir_flow::{Source as Version, Timestamp};
use weir_web::{
    Admission, HealthStatus, ListenerState, Sequence, SequenceUnit, Source, SourceTotals, Sources, Transport,
    UdpListener, Undecodable,
};

use crate::support::{KEY, Running};

/// The answer for [`sources`], which the tests of the page show too.
const ANSWER: &str = include_str!("sources.json");
/// 2026-11-21T00:00:00Z.
const NOW_MS: i64 = 1_795_219_200_000;

fn source(id: &str, address: &str, versions: &[Version], silent_seconds: Option<u64>) -> Source {
    let address: IpAddr = address.parse().unwrap();
    let last_seen =
        silent_seconds.map(|silent| Timestamp::from_millis(NOW_MS - i64::try_from(silent).unwrap() * 1_000));
    Source {
        id: id.to_owned(),
        transport: Transport::Udp,
        origin: address.to_string(),
        display_name: address.to_string(),
        status: Admission::Enabled,
        health_status: HealthStatus::Healthy,
        address,
        port: None,
        versions: versions.to_vec(),
        domains: 1,
        first_seen: last_seen.map(|_| Timestamp::from_millis(NOW_MS - 86_400_000)),
        last_seen,
        last_seen_ts: last_seen.map(Timestamp::millis),
        silent_seconds,
        eps_1m: 0.0,
        records_per_second: 0.0,
        error_pct_1m: silent_seconds.filter(|&silent| silent < 60).map(|_| 0.0),
        datagrams: 0,
        octets: 0,
        records: 0,
        options_records: 0,
        templates: 0,
        sequence: Sequence { lost: 0, unit: SequenceUnit::Records, gaps: 0, reordered: 0, restarts: 0 },
        parked_bytes: 0,
        undecodable: Undecodable::default(),
        clock_offset_ms: None,
        sampling: None,
    }
}

/// A router that is well, a firewall that is not, and a switch that was only remembered.
pub(crate) fn sources() -> Sources {
    let undecodable = |reasons: &[(&'static str, u64)]| Undecodable {
        total: reasons.iter().map(|(_, count)| count).sum(),
        by_reason: reasons.iter().copied().collect(),
    };
    let router = Source {
        records_per_second: 412.5,
        eps_1m: 412.5,
        datagrams: 90_000,
        octets: 118_000_000,
        records: 2_400_000,
        options_records: 1_440,
        templates: 6,
        sequence: Sequence { lost: 1_290, unit: SequenceUnit::Datagrams, gaps: 4, reordered: 2, restarts: 1 },
        clock_offset_ms: Some(-140),
        sampling: Some(100),
        ..source("udp-192.0.2.1", "192.0.2.1", &[Version::Netflow9], Some(1))
    };
    let firewall = Source {
        port: Some(4_739),
        display_name: "[2001:db8::20]:4739".to_owned(),
        health_status: HealthStatus::Degraded,
        domains: 2,
        error_pct_1m: Some(40.0),
        datagrams: 500,
        octets: 320_000,
        records: 4_100,
        parked_bytes: 65_536,
        undecodable: undecodable(&[("no_template", 210), ("bad_record", 1)]),
        clock_offset_ms: Some(3_600_000),
        ..source("udp-2001-db8--20_4739", "2001:db8::20", &[Version::Ipfix, Version::Netflow5], Some(12))
    };
    let switch = Source {
        health_status: HealthStatus::Stale,
        templates: 2,
        ..source("udp-192.0.2.77", "192.0.2.77", &[Version::Sflow5], None)
    };
    let listener = |address: &str, state, reason: Option<&str>, datagrams, kernel_drops| UdpListener {
        address: address.parse().unwrap(),
        state,
        reason: reason.map(str::to_owned),
        datagrams,
        kernel_drops,
        receive_buffer_bytes: reason.is_none().then_some(4_194_304),
    };
    Sources {
        sources: vec![router, firewall, switch],
        total: 3,
        listeners: vec![
            listener("0.0.0.0:2055", ListenerState::Listening, None, 90_500, 17),
            listener("[::]:6343", ListenerState::Failed, Some("[::]:6343 is taken: `ss -lunp`"), 0, 0),
        ],
        totals: SourceTotals {
            datagrams: 90_800,
            octets: 118_400_000,
            records: 2_404_100,
            undecodable: undecodable(&[("no_template", 210), ("bad_record", 1), ("not_allowed", 300)]),
            displaced: 0,
            parked_bytes: 65_536,
            template_bytes: 9_400,
        },
    }
}

fn answer(web: &Running, path: &str) -> Value {
    let answer = web.get(path, Some(KEY));
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[test]
fn sources_are_answered_with_listeners_and_sums() {
    let expected: Value = serde_json::from_str(ANSWER).unwrap();
    let told = answer(&Running::start(), "/v1/sources");
    assert_eq!(told, expected, "{}", serde_json::to_string_pretty(&told).unwrap());
}

#[test]
fn a_limit_leaves_out_those_heard_from_longest_ago_and_says_how_many_there_are() {
    let web = Running::start();
    let told = answer(&web, "/v1/sources?limit=2");
    let names: Vec<_> = told["sources"].as_array().unwrap().iter().map(|source| &source["id"]).collect();
    assert_eq!(names, ["udp-192.0.2.1", "udp-2001-db8--20_4739"]);
    assert_eq!(told["total"], 3);
    for wrong in ["0", "4097", "all", ""] {
        assert_eq!(web.get(&format!("/v1/sources?limit={wrong}"), Some(KEY)).status, 422, "{wrong}");
    }
}

#[test]
fn one_source_is_answered_by_its_name_and_an_unknown_name_is_not_found() {
    let web = Running::start();
    for source in answer(&web, "/v1/sources")["sources"].as_array().unwrap() {
        let path = format!("/v1/sources/{}", source["id"].as_str().unwrap());
        assert_eq!(&answer(&web, &path), source);
    }
    for unknown in ["udp-192.0.2.2", "192.0.2.1", "udp-192.0.2.1_2055", "%00"] {
        let answer = web.get(&format!("/v1/sources/{unknown}"), Some(KEY));
        assert_eq!((answer.status, &answer.json()["error"]), (404, &"not_found".into()), "{unknown}");
    }
    assert_eq!(web.get("/v1/sources/", Some(KEY)).status, 404);
}
