//! When the ring cannot be written: what was taken waits, what does not fit is refused whole, and nothing is lost or
//! stored twice.

use rusqlite::Connection;
use serde_json::json;
use weir_tests::agent::Agent;
use weir_tests::ingest::record::{assert_once, flows, number_of, padded};
use weir_tests::ingest::{
    INGEST, Request, agent, assert_accepted, assert_refused, post, retry_after, rows_of, stored, wait_rows,
};
use weir_tests::meter::number;
use weir_tests::ring;

const BOUND: u64 = 10_000;

/// Holds the write lock of the ring, as a backup program may.
fn hold(agent: &Agent) -> Connection {
    let connection = Connection::open(agent.data_dir.join("weir.db")).expect("the ring is there");
    connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a number");
    connection.execute_batch("BEGIN IMMEDIATE").expect("the lock is free for a moment");
    connection
}

fn release(connection: &Connection) {
    connection.execute_batch("ROLLBACK").expect("it was held");
}

/// Every record of the default tenant, by number.
fn numbers(agent: &mut Agent) -> Vec<u64> {
    agent.stop();
    let mut numbers = Vec::new();
    ring::read(&agent.data_dir, |row| numbers.push(number_of(&row)));
    numbers
}

#[test]
fn a_full_queue_refuses_a_batch_whole_and_a_retry_stores_it_once() {
    let mut agent = agent("");
    let held = hold(&agent);
    assert_accepted(&post(&agent, INGEST, &flows(0..BOUND)), BOUND);
    let load = agent.metrics();
    assert_eq!(
        (number(&load["ingest"], "queue_records"), number(&load["ingest"], "queue_bound")),
        (BOUND, BOUND)
    );
    let one_more = Request::post(INGEST, flows(BOUND..BOUND + 1).to_string());
    let refused = one_more.send(&agent);
    let said = assert_refused(&refused, 429, "backpressure");
    assert!(retry_after(&refused) >= 1, "{}", refused.head);
    assert_eq!(number(&said, "retry_after"), retry_after(&refused), "{said}");
    assert_eq!(agent.call("GET", "/v1/health", None, None).expect("an answer").status, 200);
    assert_eq!(agent.metrics()["http_dropped_total"]["backpressure"], 1);
    release(&held);
    wait_rows(&agent, BOUND);
    assert_eq!(agent.metrics()["records_processed"], BOUND, "nothing of the refused batch was kept");
    assert_accepted(&one_more.send(&agent), 1);
    wait_rows(&agent, BOUND + 1);
    assert_once(numbers(&mut agent), 0..BOUND + 1);
}

#[test]
fn a_batch_that_fits_in_part_is_not_taken_in_part() {
    let mut agent = agent("");
    let held = hold(&agent);
    let first = Request::post(INGEST, flows(0..6_000).to_string());
    let second = Request::post(INGEST, flows(6_000..12_000).to_string());
    let third = Request::post(INGEST, flows(12_000..16_000).to_string());
    assert_accepted(&first.send(&agent), 6_000);
    assert_refused(&second.send(&agent), 429, "backpressure");
    assert_accepted(&third.send(&agent), 4_000);
    release(&held);
    wait_rows(&agent, 10_000);
    assert_accepted(&second.send(&agent), 6_000);
    wait_rows(&agent, 16_000);
    assert_once(numbers(&mut agent), 0..16_000);
}

#[test]
fn every_route_feels_a_full_queue() {
    let agent = agent("");
    let held = hold(&agent);
    assert_accepted(&post(&agent, INGEST, &flows(0..BOUND)), BOUND);
    let conn = json!({"ts": 1, "id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2"});
    let flow = json!({"ts": 1, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2"});
    for (path, body) in [
        ("/v1/ingest/zeek", conn.clone()),
        ("/v1/ingest/netflow", flow.clone()),
        ("/v1/ingest/bulk", json!({"type": "zeek", "records": [conn]})),
        (INGEST, json!({"records": [flow, "bad"]})),
    ] {
        assert_refused(&post(&agent, path, &body), 429, "backpressure");
    }
    release(&held);
    wait_rows(&agent, BOUND);
}

#[test]
fn a_longer_queue_is_a_setting_and_a_shorter_one_than_a_request_is_refused() {
    let agent = agent("[ingest]\nqueue_records = 25000\n");
    let held = hold(&agent);
    for batch in 0..2 {
        assert_accepted(&post(&agent, INGEST, &flows(batch * BOUND..(batch + 1) * BOUND)), BOUND);
    }
    assert_refused(&post(&agent, INGEST, &flows(20_000..25_001)), 429, "backpressure");
    assert_accepted(&post(&agent, INGEST, &flows(20_000..25_000)), 5_000);
    release(&held);
    wait_rows(&agent, 25_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, "[ingest]\nqueue_records = 9999\n").expect("room");
    let run = weir_tests::meter::finished(weir_tests::meter::command().arg("check").arg(&file));
    assert_eq!(run.code, Some(78), "{}", run.stderr);
    assert!(run.stderr.contains("10000"), "{}", run.stderr);
}

#[test]
fn a_stop_stores_what_was_taken_before_it() {
    let mut agent = agent("[store]\ncommit_records = 65536\n");
    assert_accepted(&post(&agent, INGEST, &flows(0..5_000)), 5_000);
    assert_once(numbers(&mut agent), 0..5_000);
}

#[test]
fn a_record_that_cannot_be_kept_harms_neither_the_answer_nor_its_neighbours() {
    let agent = agent("[store]\nmax_record_bytes = 4096\n");
    let batch = json!([padded(0, 300), padded(1, 8_000), padded(2, 300)]);
    assert_accepted(&post(&agent, INGEST, &batch), 3);
    let rows = stored(&agent, 2);
    assert_eq!(rows.iter().map(number_of).collect::<Vec<_>>(), [0, 2]);
    agent.wait_for("a dead letter", weir_tests::ingest::STORED, |agent| {
        agent.metrics()["dead_letters"]["total"] == 1
    });
    assert_accepted(&post(&agent, INGEST, &flows(3..5)), 2);
    wait_rows(&agent, 4);
    assert_eq!(rows_of(&agent), 4);
}
