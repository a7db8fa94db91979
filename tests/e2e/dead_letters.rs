//! Records that cannot be stored are kept as dead letters, told, handed out, replayed, and go when they are old.

use std::time::Duration;

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::{Value, json};
use weir_tests::agent::{Agent, Options};
use weir_tests::http::Answer;
use weir_tests::ingest::record::{flow, number_of, padded};
use weir_tests::ingest::{
    INGEST, Request, agent, assert_accepted, assert_refused, options, post, stored, wait_rows,
};
use weir_tests::meter::number;
use weir_tests::ring;

const LIMIT: Duration = Duration::from_secs(20);
/// Records above it become letters.
const TIGHT: &str = "[store]\nmax_record_bytes = 4096\n";
const DAY_MS: i64 = 86_400_000;

/// A batch with `letters` records that are too long, from number 100 on, and two that are not.
fn batch(letters: u64) -> Value {
    let large = (100..100 + letters).map(|number| padded(number, 8_000));
    [flow(0), flow(1)].into_iter().chain(large).collect()
}

#[track_caller]
fn wait_letters(agent: &Agent, letters: u64) {
    agent.wait_for(&format!("{letters} dead letters"), LIMIT, |agent| {
        agent.metrics()["dead_letters"]["total"].as_u64() == Some(letters)
    });
}

fn items(agent: &Agent, query: &str) -> Vec<Value> {
    let answer = agent.get(&format!("/v1/admin/dlq?limit=100{query}"));
    let items = answer["items"].as_array().cloned().unwrap_or_else(|| panic!("no list in {answer}"));
    assert_eq!(number(&answer, "total"), items.len() as u64, "{answer}");
    items
}

fn replay(agent: &Agent, body: &Value) -> Answer {
    post(agent, "/v1/admin/dlq/replay", body)
}

/// Options of agents that follow each other in one data directory.
fn kept(folder: &tempfile::TempDir, more: &str) -> Options<'static> {
    Options { data_dir: Some(folder.path().join("data")), ..options(more) }
}

#[test]
fn a_record_that_cannot_be_stored_becomes_a_letter_that_says_why() {
    let agent = agent(TIGHT);
    assert_accepted(&post(&agent, INGEST, &batch(1)), 3);
    wait_rows(&agent, 2);
    wait_letters(&agent, 1);
    let letter = items(&agent, "").remove(0);
    assert_eq!(
        (&letter["destination"], &letter["reason"]),
        (&json!("ring"), &json!("record_too_large")),
        "{letter}"
    );
    assert_eq!((&letter["tenant_id"], number(&letter, "retry_count")), (&json!("default"), 0), "{letter}");
    assert!(number(&letter, "bytes") > 8_000, "{letter}");
    let metrics = agent.metrics();
    assert_eq!(metrics["dead_letters"]["added"], 1, "{metrics}");
    let lost = metrics["losses"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|loss| loss["reason"] == "record_too_large");
    assert!(lost.is_none_or(|loss| loss["count"] == 0), "what is kept is not lost: {lost:?}");
}

#[test]
fn letters_are_handed_out_as_lines_in_the_shape_of_the_former_service() {
    let agent = agent(TIGHT);
    assert_accepted(&post(&agent, INGEST, &batch(3)), 5);
    wait_letters(&agent, 3);
    let answer = Request::new("GET", "/v1/admin/dlq/export", "").send(&agent);
    assert_eq!(answer.status, 200);
    for field in ["content-type: application/x-ndjson", "content-disposition: attachment"] {
        assert!(answer.head.contains(field), "{}", answer.head);
    }
    let text = String::from_utf8(answer.body).expect("UTF-8");
    let mut numbers = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for name in
            ["timestamp", "destination", "events_count", "error", "last_status", "retry_count", "events"]
        {
            assert!(line.as_object().is_some_and(|line| line.contains_key(name)), "{name} in {line}");
        }
        let events = line["events"].as_array().expect("a list");
        assert_eq!(number(&line, "events_count"), events.len() as u64);
        numbers.extend(events.iter().map(number_of));
    }
    assert_eq!(numbers, [100, 101, 102]);
}

#[test]
fn the_state_of_dead_letters_is_part_of_the_system_answer() {
    let agent = agent(TIGHT);
    let before = agent.get("/v1/system");
    assert_eq!(before["dlq"]["total_events"], 0, "{before}");
    assert_accepted(&post(&agent, INGEST, &batch(2)), 4);
    wait_letters(&agent, 2);
    let system = agent.get("/v1/system");
    let letters = &system["dlq"];
    assert_eq!(letters["total_events"], 2, "{system}");
    assert!(letters["total_size_mb"].as_f64().is_some_and(|size| size > 0.01 && size < 1.0), "{system}");
    assert!(letters["oldest_age_hours"].as_f64().is_some_and(|age| (0.0..1.0).contains(&age)), "{system}");
    assert_eq!(letters["total_files"], 0, "{system}");
    assert_eq!(system["backpressure"], false, "{system}");
    let resident = agent.memory("VmRSS") as f64 / f64::from(1 << 20);
    let told = system["mem_mb"].as_f64().expect("a number");
    assert!((told - resident).abs() < 0.1 * resident + 2.0, "{told} MB told, {resident} MB resident");
}

#[test]
fn letters_are_replayed_once_what_was_in_their_way_is_gone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut tight = Agent::start(&kept(&folder, TIGHT));
    assert_accepted(&post(&tight, INGEST, &batch(3)), 5);
    wait_letters(&tight, 3);
    // While the limit is what it is, they come back, and the attempt is counted.
    let said = replay(&tight, &json!({"all": true})).json();
    assert_eq!(number(&said, "replayed"), 3, "{said}");
    tight.wait_for("letters that came back", LIMIT, |agent| {
        let letters = items(agent, "");
        letters.len() == 3 && letters.iter().all(|letter| letter["retry_count"] == 1)
    });
    wait_rows(&tight, 2);
    tight.stop();
    let mut wide = Agent::start(&kept(&folder, "[store]\nmax_record_bytes = 65536\n"));
    wait_letters(&wide, 3);
    let answer = replay(&wide, &json!({"all": true}));
    let said = answer.json();
    assert_eq!((answer.status, number(&said, "replayed"), number(&said, "failed")), (200, 3, 0), "{said}");
    let rows = stored(&wide, 5);
    assert_eq!(rows.iter().map(number_of).collect::<Vec<_>>(), [0, 1, 100, 101, 102]);
    assert_eq!(rows[2]["ts"], "2026-09-21T14:13:20.100Z", "a replayed record is what it was: {}", rows[2]);
    assert!(rows[2]["risk_score"].is_u64(), "{}", rows[2]);
    wait_letters(&wide, 0);
    assert_eq!(wide.metrics()["dead_letters"]["replayed"], 3);
    let said = replay(&wide, &json!({"all": true})).json();
    assert_eq!((number(&said, "replayed"), number(&said, "remaining")), (0, 0), "{said}");
    wait_rows(&wide, 5);
    wide.stop();
}

#[test]
fn chosen_letters_are_replayed_or_removed_and_the_others_stay() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut tight = Agent::start(&kept(&folder, TIGHT));
    assert_accepted(&post(&tight, INGEST, &batch(3)), 5);
    wait_letters(&tight, 3);
    tight.stop();
    let wide = Agent::start(&kept(&folder, ""));
    let ids: Vec<_> = items(&wide, "").iter().map(|letter| letter["id"].clone()).collect();
    let removed = Request::new("DELETE", &format!("/v1/admin/dlq/{}", ids[1]), "").send(&wide);
    assert!((200..300).contains(&removed.status), "{}", String::from_utf8_lossy(&removed.body));
    let again = Request::new("DELETE", &format!("/v1/admin/dlq/{}", ids[1]), "").send(&wide);
    assert_refused(&again, 404, "not_found");
    let said = replay(&wide, &json!({"ids": [ids[2]]})).json();
    assert_eq!((number(&said, "replayed"), number(&said, "remaining")), (1, 0), "{said}");
    let rows = stored(&wide, 3);
    assert_eq!(number_of(&rows[2]), 102);
    wait_letters(&wide, 1);
    assert_eq!(items(&wide, "")[0]["id"], ids[0]);
}

#[test]
fn replayed_several_times_before_the_commit_each_letter_is_stored_exactly_once() {
    const LETTERS: u64 = 40;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut tight = Agent::start(&kept(&folder, TIGHT));
    assert_accepted(&post(&tight, INGEST, &batch(LETTERS)), LETTERS + 2);
    wait_letters(&tight, LETTERS);
    tight.stop();
    let mut wide = Agent::start(&kept(&folder, ""));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = replay(&wide, &json!({"all": true}));
                assert!(matches!(answer.status, 200 | 409 | 429), "{}", answer.json());
            });
        }
    });
    wait_letters(&wide, 0);
    wide.stop();
    let mut numbers = Vec::new();
    ring::read(&wide.data_dir, |row| numbers.push(number_of(&row)));
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1].into_iter().chain(100..100 + LETTERS).collect::<Vec<_>>());
}

#[test]
fn killed_in_mid_replay_each_letter_is_stored_exactly_once() {
    const LETTERS: u64 = 60;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    let mut tight = Agent::start(&kept(&folder, TIGHT));
    assert_accepted(&post(&tight, INGEST, &batch(LETTERS)), LETTERS + 2);
    wait_letters(&tight, LETTERS);
    tight.stop();
    for round in 0..5 {
        let mut agent = Agent::start(&kept(&folder, ""));
        let answer = replay(&agent, &json!({"all": true}));
        assert_eq!(answer.status, 200, "{}", answer.json());
        // The commit comes about a second after the answer.
        std::thread::sleep(Duration::from_millis(800 + 80 * round));
        agent.signal(Signal::SIGKILL);
        agent.wait();
        ring::assert_sound(&data_dir);
    }
    let mut agent = Agent::start(&kept(&folder, ""));
    assert_eq!(replay(&agent, &json!({"all": true})).status, 200);
    wait_letters(&agent, 0);
    agent.stop();
    let mut numbers = Vec::new();
    ring::read(&data_dir, |row| numbers.push(number_of(&row)));
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1].into_iter().chain(100..100 + LETTERS).collect::<Vec<_>>());
}

#[test]
fn letters_older_than_their_days_go() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut agent = Agent::start(&kept(&folder, TIGHT));
    assert_accepted(&post(&agent, INGEST, &batch(3)), 5);
    wait_letters(&agent, 3);
    agent.stop();
    let ring = Connection::open(agent.data_dir.join("weir.db")).expect("the ring");
    // Eight days old, six days old, and of today.
    let aged = |days: i64, letter: i64| {
        ring.execute("UPDATE dead_letter SET at = at - ?1 WHERE dead_letter = ?2", [days * DAY_MS, letter])
            .expect("a change")
    };
    assert_eq!((aged(8, 1), aged(6, 2)), (1, 1));
    drop(ring);
    let agent = Agent::start(&kept(&folder, TIGHT));
    wait_letters(&agent, 2);
    assert_eq!(agent.metrics()["dead_letters"]["expired"], 1);
    let left: Vec<_> = items(&agent, "").iter().map(|letter| number(letter, "id")).collect();
    assert_eq!(left, [2, 3]);
    let system = agent.get("/v1/system");
    assert!(
        system["dlq"]["oldest_age_hours"].as_f64().is_some_and(|age| (143.0..145.0).contains(&age)),
        "{system}"
    );
    wait_rows(&agent, 2);
}

#[test]
fn each_tenant_has_letters_of_its_own() {
    let agent = agent(TIGHT);
    for (tenant, letters) in [("branch-a", 1), ("branch-b", 2)] {
        let made = post(
            &agent,
            "/v1/admin/tenants",
            &json!({"tenant_id": tenant, "name": "A branch", "retention_days": 3}),
        );
        assert_eq!(made.status, 201, "{}", made.json());
        let request = Request::post(INGEST, batch(letters).to_string()).with("X-Tenant-ID", tenant);
        assert_accepted(&request.send(&agent), letters + 2);
    }
    wait_letters(&agent, 3);
    for (tenant, letters) in [("branch-a", 1), ("branch-b", 2), ("default", 0)] {
        let told = items(&agent, &format!("&tenant={tenant}"));
        assert_eq!(told.len(), letters, "{tenant}: {told:?}");
        assert!(told.iter().all(|letter| letter["tenant_id"] == tenant), "{told:?}");
        let recent =
            Request::new("GET", "/v1/events/recent", "").with("X-Tenant-ID", tenant).send(&agent).json();
        let rows = if tenant == "default" { 0 } else { 2 };
        assert_eq!(number(&recent, "count"), rows, "{tenant}: {recent}");
    }
    let nobody = Request::post(INGEST, batch(0).to_string()).with("X-Tenant-ID", "branch-c").send(&agent);
    assert_refused(&nobody, 404, "unknown_tenant");
}
