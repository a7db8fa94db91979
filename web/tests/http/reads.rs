//! What the API answers from a real ring.

use std::io::Write as _;
use std::time::{Duration, Instant};

use weir_flow::{Batch, FlowRecord, Timestamp};
use weir_store::{Config, Writer};
use weir_web::Refusal;

use crate::support::{KEY, Running};

/// 2026-11-21T00:00:00Z.
const NOW_MS: i64 = 1_795_219_200_000;

fn record(port: u16) -> FlowRecord {
    FlowRecord {
        src_ip: Some([192, 0, 2, 1].into()),
        dst_port: Some(port),
        domain: Some("</script>\"\\\u{202e}".into()),
        ..FlowRecord::default()
    }
}

fn ring(dir: &std::path::Path, ports: std::ops::Range<u16>) {
    let now = Timestamp::from_millis(NOW_MS);
    let mut writer = Writer::open(dir, &Config::default(), now).unwrap();
    let batch = Batch { records: ports.map(record).collect(), ..Batch::default() };
    writer.commit(&[batch], now).unwrap();
    writer.close().unwrap();
}

fn ports(web: &Running, query: &str) -> Vec<u64> {
    let answer = web.get(&format!("/v1/events/recent{query}"), Some(KEY));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let json = answer.json();
    let events = json["events"].as_array().unwrap();
    assert_eq!(json["count"].as_u64().unwrap(), events.len() as u64);
    events.iter().map(|event| event["dst_port"].as_u64().unwrap()).collect()
}

#[test]
fn recent_events_are_the_newest_rows_in_the_order_asked_for() {
    let web = Running::start();
    ring(web.dir(), 1..301);
    assert_eq!(ports(&web, "?limit=3"), [300, 299, 298]);
    assert_eq!(ports(&web, "?limit=3&order=desc"), [300, 299, 298]);
    assert_eq!(ports(&web, "?limit=3&order=asc"), [298, 299, 300]);
    assert_eq!(ports(&web, "").len(), 100);
    assert_eq!(ports(&web, "?limit=1000").len(), 300);
    let answer = web.get("/v1/events/recent?limit=1", Some(KEY)).json();
    let event = &answer["events"][0];
    for key in ["id", "tenant_id", "processed_at"] {
        assert!(event[key].is_string(), "{event}");
    }
    assert_eq!(event["domain"], "</script>\"\\\u{202e}");
}

#[test]
fn the_newest_rows_can_be_had_as_a_file_of_one_object_a_line() {
    let web = Running::start();
    ring(web.dir(), 1..301);
    let answer = web.get("/v1/download/json?limit=3", Some(KEY));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let disposition = answer.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment; filename=telemetry-") && disposition.ends_with(".ndjson"));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.ends_with('\n'));
    let port =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["dst_port"].as_u64().unwrap();
    assert_eq!(text.lines().map(port).collect::<Vec<_>>(), [298, 299, 300]);
    assert_eq!(
        web.get("/v1/download/json", Some(KEY)).body.iter().filter(|&&octet| octet == b'\n').count(),
        300
    );
    for bad in ["limit=0", "limit=50001", "limit=x"] {
        assert_eq!(web.get(&format!("/v1/download/json?{bad}"), Some(KEY)).status, 422, "{bad}");
    }
}

#[test]
fn recent_events_are_paged_and_chosen_by_their_time() {
    let web = Running::start();
    let now = Timestamp::from_millis(NOW_MS);
    let mut writer = Writer::open(web.dir(), &Config::default(), now).unwrap();
    // Not in the order of their times, and in blocks of several sizes.
    for ports in [1..5_u16, 5..6, 6..11] {
        let at = |port: u16| now.plus_micros(i64::from(port * 7 % 10) * 1_000_000);
        let records = ports.map(|port| FlowRecord { start: at(port), ..record(port) }).collect();
        writer.commit(&[Batch { records, ..Batch::default() }], now).unwrap();
    }
    writer.close().unwrap();
    assert_eq!(ports(&web, "?offset=3&limit=3"), [7, 6, 5]);
    assert_eq!(ports(&web, "?offset=3&limit=3&order=asc"), [5, 6, 7]);
    assert_eq!(ports(&web, "?offset=8"), [2, 1]);
    assert_eq!(ports(&web, "?offset=10"), [] as [u64; 0]);
    assert_eq!(ports(&web, "?offset=4000000000"), [] as [u64; 0]);
    // Times by port, in seconds: 7 4 1 8 5 2 9 6 3 0.
    let second = |second: i64| NOW_MS / 1_000 + second;
    assert_eq!(ports(&web, &format!("?after={}", second(6))), [7, 4, 1]);
    assert_eq!(ports(&web, &format!("?after={}&before={}", second(1), second(5))), [9, 6, 2]);
    assert_eq!(ports(&web, &format!("?after={}000&offset=1&limit=1", second(6))), [4]);
    assert_eq!(ports(&web, "?before=2026-11-21T00:00:02Z&order=asc"), [3, 10]);
    assert_eq!(ports(&web, "?before=2026-11-21T01:00:02%2B01:00"), [10, 3]);
    assert_eq!(ports(&web, "?before=2026-11-21T01:00:02+01:00"), [10, 3]);
}

#[test]
fn rows_that_come_later_are_seen_without_a_restart() {
    let web = Running::start();
    assert_eq!(web.get("/v1/events/recent", Some(KEY)).status, 503, "there is no ring yet");
    ring(web.dir(), 1..3);
    assert_eq!(ports(&web, ""), [2, 1]);
    ring(web.dir(), 10..11);
    assert_eq!(ports(&web, ""), [10, 2, 1]);
}

#[test]
fn the_largest_answer_arrives_whole_and_soon() {
    let web = Running::start();
    ring(web.dir(), 1..5_001);
    let begun = Instant::now();
    assert_eq!(ports(&web, "?limit=1000").len(), 1000);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn clients_that_do_not_read_hold_no_worker() {
    let web = Running::start();
    ring(web.dir(), 1..1_001);
    let request =
        format!("GET /v1/events/recent?limit=1000 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\r\n");
    let mut deaf: Vec<_> = (0..8).map(|_| web.connect()).collect();
    let begun = Instant::now();
    for stream in &mut deaf {
        stream.write_all(request.repeat(20).as_bytes()).unwrap();
    }
    while web.get("/v1/health", None).status != 200 || begun.elapsed() < Duration::from_secs(3) {}
    let late = Instant::now();
    web.assert_serves();
    assert!(late.elapsed() < Duration::from_secs(1), "{:?}", late.elapsed());
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "before the guard gives the deaf clients up: {:?}",
        begun.elapsed()
    );
    assert_eq!(web.counters.refused(Refusal::SlowReader), 0);
}

#[test]
fn reading_needs_a_key_with_the_scope() {
    let web = Running::start();
    assert_eq!(web.get("/v1/events/recent", None).status, 401);
    assert_eq!(web.get("/v1/metrics", Some("wrong")).status, 401);
    assert_eq!(web.get("/v1/sources", None).status, 401);
    assert_eq!(web.get("/v1/sources/udp-192.0.2.1", None).status, 401);
    assert_eq!(web.get("/v1/version", None).status, 200);
    assert_eq!(web.get("/v1/nothing", Some(KEY)).status, 404);
}
