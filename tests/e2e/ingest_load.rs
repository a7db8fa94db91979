//! Many clients at once, slow ones and ones that hang up: each record is stored exactly once, the page answers, and the
//! memory stays within bounds.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use weir_tests::agent::Agent;
use weir_tests::ingest::record::{assert_once, flows, number_of, padded};
use weir_tests::ingest::watch::{Seen, Watch};
use weir_tests::ingest::{INGEST, Request, agent, assert_accepted, bad_client, rows_of, wait_rows};
use weir_tests::ring;

const CLIENTS: u64 = 64;
/// Two megabytes are a large request: here 1,000 records of 2,000 octets.
const RECORDS: u64 = 1_000;
const RECORD_OCTETS: usize = 2_000;
/// Patient with a busy machine; `bench/ingest_rate` is not.
const HEALTH: Duration = Duration::from_millis(250);
const AGAIN: Duration = Duration::from_millis(200);
/// Bodies in flight, records on their way to the ring, and the agent itself.
const MEMORY: u64 = 160 << 20;

fn bodies() -> Vec<Vec<u8>> {
    let body = |client: u64| {
        let numbers = client * RECORDS..(client + 1) * RECORDS;
        let records: Vec<_> = numbers.map(|number| padded(number, RECORD_OCTETS)).collect();
        serde_json::to_vec(&records).expect("JSON")
    };
    (0..CLIENTS).map(body).collect()
}

#[track_caller]
fn assert_calm(seen: &Seen) {
    let ms = |percent| seen.health(percent).as_millis();
    println!(
        "health p50 {} ms, p95 {} ms, most {} ms over {}; RssAnon {} to {} KiB",
        ms(50),
        ms(95),
        ms(100),
        seen.health.len(),
        seen.before >> 10,
        seen.most >> 10
    );
    assert!(seen.health(95) < HEALTH, "p95 of health: {:?}", seen.health(95));
    assert!(seen.most < MEMORY, "RssAnon came to {} octets", seen.most);
}

fn assert_each_once(mut agent: Agent, expected: std::ops::Range<u64>) {
    wait_rows(&agent, expected.end - expected.start);
    agent.stop();
    let mut numbers = Vec::new();
    ring::read(&agent.data_dir, |row| numbers.push(number_of(&row)));
    assert_once(numbers, expected);
}

#[test]
fn sixty_four_clients_with_two_megabytes_each_at_once_are_all_served() {
    let agent = agent("");
    let bodies = bodies();
    assert!(bodies.iter().all(|body| body.len() >= 2_000_000));
    let (watch, key) = (Watch::begin(&agent), agent.key());
    let refused: u32 = std::thread::scope(|scope| {
        let (address, key) = (agent.address, &key);
        let clients: Vec<_> = bodies
            .into_iter()
            .map(|body| {
                scope.spawn(move || {
                    let (answer, refused) = Request::post(INGEST, body).send_until_taken(address, key);
                    assert_accepted(&answer, RECORDS);
                    refused
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).sum()
    });
    println!("429 was answered {refused} times");
    assert_calm(&watch.end());
    assert_each_once(agent, 0..CLIENTS * RECORDS);
}

#[test]
fn slow_clients_hold_up_neither_page_nor_other_clients() {
    let agent = agent("");
    let (watch, key, enough) = (Watch::begin(&agent), agent.key(), AtomicBool::new(false));
    let address = agent.address;
    std::thread::scope(|scope| {
        let slow: Vec<_> =
            (0..32).map(|_| scope.spawn(|| bad_client::drip(address, &key, &enough))).collect();
        std::thread::sleep(Duration::from_secs(2));
        for batch in 0..20 {
            let body = flows(batch * 500..(batch + 1) * 500).to_string();
            let (answer, _) = Request::post(INGEST, body).send_until_taken(address, &key);
            assert_accepted(&answer, 500);
        }
        enough.store(true, Ordering::Relaxed);
        let sent: u32 = slow.into_iter().map(|client| client.join().expect("a client")).sum();
        assert!(sent > 32, "the slow clients sent {sent} octets in all");
    });
    assert_calm(&watch.end());
    assert_each_once(agent, 0..10_000);
}

#[test]
fn clients_that_hang_up_in_mid_body_leave_nothing_behind() {
    let agent = agent("");
    let (watch, key) = (Watch::begin(&agent), agent.key());
    let bodies = bodies();
    std::thread::scope(|scope| {
        for body in &bodies {
            scope.spawn(|| bad_client::hang_up(agent.address, &key, body));
        }
    });
    // The first half of a body is no batch, and its share of the memory is free again: large bodies are taken at once.
    for (batch, body) in (0..).zip(&bodies[..8]) {
        let (answer, _) = Request::post(INGEST, body.clone()).send_until_taken(agent.address, &key);
        assert_accepted(&answer, RECORDS);
        assert!(rows_of(&agent) <= (batch + 1) * RECORDS);
    }
    assert_calm(&watch.end());
    assert_each_once(agent, 0..8 * RECORDS);
}

/// Sends `body` until it is taken, under one key, as a client does that is cut off now and then; how often it was.
fn insist(address: SocketAddr, key: &str, number: usize, body: &[u8]) -> u32 {
    let request = Request::post(INGEST, body).with("Idempotency-Key", &format!("client-{number}"));
    let mut cut_off = 0;
    loop {
        match request.try_send(address, key).map(|answer| (answer.status, answer)) {
            Ok((200, answer)) => {
                assert_accepted(&answer, RECORDS);
                return cut_off;
            }
            // No room, still at it, too slow for the moment, or no answer at all: later.
            Ok((408 | 409 | 429 | 503, _)) => {}
            Ok((_, answer)) => panic!("{}", answer.json()),
            Err(_) => cut_off += 1,
        }
        assert!(cut_off < 100, "client {number} is never served");
        std::thread::sleep(AGAIN);
    }
}

#[test]
fn all_of_it_together_loses_nothing_and_doubles_nothing() {
    let agent = agent("");
    let (watch, key, enough) = (Watch::begin(&agent), agent.key(), AtomicBool::new(false));
    let (address, bodies) = (agent.address, bodies());
    let cut_off: u32 = std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| bad_client::drip(address, &key, &enough));
        }
        let key = &key;
        let clients: Vec<_> = (0..)
            .zip(&bodies)
            .map(|(number, body)| {
                scope.spawn(move || {
                    bad_client::hang_up(address, key, body);
                    insist(address, key, number, body)
                })
            })
            .collect();
        let joined: Vec<_> = clients.into_iter().map(ScopedJoinHandle::join).collect();
        enough.store(true, Ordering::Relaxed);
        joined.into_iter().map(|client| client.expect("a client that was served")).sum()
    });
    println!("clients were cut off {cut_off} times; {}", agent.metrics()["http_dropped_total"]);
    assert_calm(&watch.end());
    assert_each_once(agent, 0..CLIENTS * RECORDS);
}
