//! Bodies without a length, through guard and engine: what becomes of one that breaks off.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use weir_flow::{Batch, FlowRecord, Timestamp};
use weir_store::{Config, Writer};
use weir_web::Refusal;

use crate::support::{KEY, Running, read_head};

/// 2026-11-21T00:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_219_200_000);
const DAY: &str = "/v1/download?date=2026-11-21";
const WEEKS: i64 = 14 * 86_400 * 1_000_000;
/// More than fits into all buffers between store and client.
const ROWS: u32 = 40_000;

fn ring(web: &Running) -> Writer {
    let mut writer = Writer::open(web.dir(), &Config::default(), NOW).unwrap();
    let record = |row: u32| FlowRecord {
        start: NOW,
        src_ip: Some(row.to_be_bytes().into()),
        domain: Some("x".repeat(200).into()),
        ..FlowRecord::default()
    };
    for begin in (0..ROWS).step_by(4_000) {
        let batch = Batch { records: (begin..begin + 4_000).map(record).collect(), ..Batch::default() };
        writer.commit(&[batch], NOW).unwrap();
    }
    writer
}

fn begin(web: &Running, version: &str) -> TcpStream {
    let mut stream = web.connect();
    let request = format!("GET {DAY} {version}\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200"));
    stream
}

fn wait(web: &Running, reason: Refusal) {
    let begun = Instant::now();
    while web.counters.refused(reason) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{reason:?} was never counted");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Trims everything while a client reads slowly, and gives it time to notice.
fn trim(mut writer: Writer) {
    let later = NOW.plus_micros(WEEKS);
    // A slice ends when its time is up and its client has taken a block.
    std::thread::sleep(Duration::from_secs(3));
    while writer.trim(later, true).unwrap().more {}
    writer.close().unwrap();
}

#[test]
fn a_body_that_breaks_off_has_no_last_chunk() {
    let web = Running::start();
    let writer = ring(&web);
    let mut stream = begin(&web, "HTTP/1.1");
    trim(writer);
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    assert!(text.len() > 100_000, "nothing came");
    assert!(!text.ends_with(b"0\r\n\r\n"), "a part passes for the whole");
    assert_eq!(web.counters.refused(Refusal::NoAnswer), 1);
    web.assert_serves();
}

#[test]
fn a_body_that_breaks_off_resets_the_connection_of_a_client_that_knows_no_chunks() {
    let web = Running::start();
    let writer = ring(&web);
    let mut stream = begin(&web, "HTTP/1.0");
    trim(writer);
    let mut text = Vec::new();
    let error = stream.read_to_end(&mut text).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    web.assert_serves();
}

#[test]
fn rows_are_read_on_while_a_client_of_a_download_sleeps() {
    let web = Running::start();
    let mut writer = ring(&web);
    let stream = begin(&web, "HTTP/1.1");
    let begun = Instant::now();
    for _ in 0..20 {
        web.assert_serves();
        let page = web.get("/v1/flows?limit=1", Some(KEY));
        assert_eq!(page.json()["count"], 1);
        // The log of the store is begun anew, which a reader in a transaction would hold up.
        writer.commit(&[Batch { records: vec![FlowRecord::default()], ..Batch::default() }], NOW).unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    drop(stream);
    wait(&web, Refusal::ClientGone);
    assert_eq!(web.counters.refused(Refusal::SlowReader), 0);
}
