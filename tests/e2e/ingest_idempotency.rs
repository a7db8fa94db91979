//! A request that is repeated under the same key is done once: at once, after a restart, and over kill -9.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use weir_tests::agent::Agent;
use weir_tests::http::Answer;
use weir_tests::ingest::record::{assert_once, flow, flows, number_of};
use weir_tests::ingest::{
    INGEST, Request, agent, assert_accepted, assert_refused, body, options, post, wait_rows,
};
use weir_tests::random::Random;
use weir_tests::ring;

const KEY: &str = "Idempotency-Key";
const KILLS: u64 = 8;

fn keyed(path: &str, key: &str, body: &serde_json::Value) -> Request {
    Request::post(path, body.to_string()).with(KEY, key)
}

#[track_caller]
fn assert_replayed(answer: &Answer, first: &Answer) {
    assert!(answer.head.contains("idempotency-replayed: true"), "{}", answer.head);
    assert_eq!((answer.status, answer.json()), (first.status, first.json()));
}

#[test]
fn a_repeated_request_gets_the_first_answer_and_is_stored_once() {
    let agent = agent("");
    let request = keyed(INGEST, "batch-1", &flows(0..3));
    let first = request.send(&agent);
    assert_accepted(&first, 3);
    assert!(!first.head.contains("idempotency-replayed"), "{}", first.head);
    // At once, while nothing is stored yet, and after the commit.
    assert_replayed(&request.send(&agent), &first);
    wait_rows(&agent, 3);
    assert_replayed(&request.send(&agent), &first);
    assert_accepted(&keyed(INGEST, "batch-2", &flows(0..3)).send(&agent), 3);
    wait_rows(&agent, 6);
    assert_accepted(&post(&agent, INGEST, &flows(0..3)), 3);
    wait_rows(&agent, 9);
    assert_eq!(agent.metrics()["records_processed"], 9);
}

#[test]
fn another_body_under_the_same_key_is_a_conflict_and_stored_nowhere() {
    let agent = agent("");
    assert_accepted(&keyed(INGEST, "batch-1", &flows(0..3)).send(&agent), 3);
    assert_refused(&keyed(INGEST, "batch-1", &flows(0..4)).send(&agent), 409, "idempotency_conflict");
    // The same records, sent in another way, are another body.
    let zipped = Request::post(INGEST, body::gzip(flows(0..3).to_string().as_bytes())).with(KEY, "batch-1");
    assert_refused(&zipped.send(&agent), 409, "idempotency_conflict");
    wait_rows(&agent, 3);
    assert_refused(&keyed(INGEST, "batch-1", &flows(0..4)).send(&agent), 409, "idempotency_conflict");
}

#[test]
fn every_ingest_route_keeps_its_own_keys() {
    let agent = agent("");
    let conn = json!({"ts": 1, "id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2"});
    let flow = json!({"ts": 1, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2"});
    let mut rows = 0;
    for (path, body) in [
        (INGEST, json!([flow])),
        ("/v1/ingest/zeek", json!([conn])),
        ("/v1/ingest/netflow", json!([flow])),
        ("/v1/ingest/bulk", json!({"type": "zeek", "records": [conn]})),
    ] {
        let request = keyed(path, "the-same-key", &body);
        let first = request.send(&agent);
        assert_accepted(&first, 1);
        assert_replayed(&request.send(&agent), &first);
        rows += 1;
    }
    wait_rows(&agent, rows);
}

#[test]
fn a_partial_answer_is_repeated_and_a_refusal_is_not() {
    let agent = agent("");
    let partial = keyed(INGEST, "partial", &json!([flow(0), {"ts": "never"}]));
    let first = partial.send(&agent);
    assert_eq!(first.status, 207, "{}", first.json());
    assert_replayed(&partial.send(&agent), &first);
    wait_rows(&agent, 1);
    // A client that mends its request may use the key that was refused.
    assert_refused(&keyed(INGEST, "mended", &json!([])).send(&agent), 400, "empty_batch");
    assert_accepted(&keyed(INGEST, "mended", &flows(1..2)).send(&agent), 1);
    wait_rows(&agent, 2);
}

#[test]
fn a_key_that_is_none_is_refused() {
    let agent = agent("");
    for key in ["", "k\u{e9}y", &"k".repeat(256)] {
        let answer = keyed(INGEST, key, &flows(0..1)).send(&agent);
        assert_eq!(answer.status, 400, "{key:?}: {}", answer.json());
    }
    assert_accepted(&keyed(INGEST, &"k".repeat(255), &flows(0..1)).send(&agent), 1);
    wait_rows(&agent, 1);
}

#[test]
fn many_clients_that_repeat_one_request_at_once_bring_it_once() {
    let agent = agent("");
    let request = keyed(INGEST, "race", &flows(0..500));
    let key = agent.key();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| request.try_send(agent.address, &key).expect("an answer")))
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let mut brought = 0;
    for answer in &answers {
        match answer.status {
            200 => brought += u32::from(!answer.head.contains("idempotency-replayed")),
            409 => {
                assert_refused(answer, 409, "idempotency_in_progress");
                assert!(answer.head.contains("retry-after:"), "{}", answer.head);
            }
            _ => panic!("{}", answer.json()),
        }
    }
    assert_eq!(brought, 1, "{answers:?}");
    wait_rows(&agent, 500);
    assert_eq!(agent.metrics()["records_processed"], 500);
}

#[test]
fn answers_are_remembered_over_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut options = options("");
    options.data_dir = Some(folder.path().join("data"));
    let request = keyed(INGEST, "batch-1", &flows(0..3));
    let mut agent = Agent::start(&options);
    let first = request.send(&agent);
    assert_accepted(&first, 3);
    agent.stop();
    let agent = Agent::start(&options);
    assert_replayed(&request.send(&agent), &first);
    assert_refused(&keyed(INGEST, "batch-1", &flows(5..6)).send(&agent), 409, "idempotency_conflict");
    wait_rows(&agent, 3);
}

#[test]
fn killed_around_its_commit_a_batch_that_is_repeated_is_stored_exactly_once() {
    const RECORDS: u64 = 2_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    // Each batch is committed by itself, as soon as it comes or a second later.
    let mut options = options("[store]\ncommit_records = 5000\n");
    options.data_dir = Some(data_dir.clone());
    let mut random = Random::new(u64::from(std::process::id()));
    let (mut replayed, mut again) = (0, 0);
    for round in 0..KILLS {
        let numbers = round * RECORDS..(round + 1) * RECORDS;
        let request = keyed(INGEST, &format!("batch-{round}"), &flows(numbers));
        let mut agent = Agent::start(&options);
        assert_accepted(&request.send(&agent), RECORDS);
        // The commit comes about a second after the answer.
        std::thread::sleep(Duration::from_millis(700 + random.below(600)));
        agent.signal(Signal::SIGKILL);
        agent.wait();
        ring::assert_sound(&data_dir);
        let mut agent = Agent::start(&options);
        let answer = request.send(&agent);
        assert_accepted(&answer, RECORDS);
        if answer.head.contains("idempotency-replayed") {
            replayed += 1;
        } else {
            again += 1;
        }
        wait_rows(&agent, (round + 1) * RECORDS);
        agent.stop();
    }
    println!("killed before the commit {again} times, after it {replayed} times");
    let mut numbers = Vec::new();
    ring::read(&data_dir, |row| numbers.push(number_of(&row)));
    assert_once(numbers, 0..KILLS * RECORDS);
}
