//! A process that commits is killed again and again: the store opens each time and holds whole transactions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::{Random, all_rows, at, tenant};
use weir_flow::{Batch, Extra, FlowRecord, TenantId};
use weir_store::{Config, Control, MaxRecordBytes, Reader, Selection, Writer, check};

const ROUNDS: u64 = 12;

/// `cargo test` builds examples beside the tests; `cargo test --test kill` alone takes the one built before.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    assert!(built.exists(), "{built:?} is missing: cargo build -p weir-store --examples");
    built
}

#[test]
fn a_writer_killed_at_any_moment_leaves_whole_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(std::process::id().into());
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut child =
            Command::new(example("commit_loop")).arg(dir.path()).arg(round.to_string()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50 + random.below(400)));
        assert_eq!(child.try_wait().unwrap(), None, "it commits until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();

        let writer = Writer::open(dir.path(), &Config::default(), at(0)).unwrap();
        let report = check(dir.path()).unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
        let committed: u64 = writer.bookmark("loop").unwrap().map_or(0, |position| position.parse().unwrap());
        assert!(committed >= before, "round {round}: rows were lost");
        before = committed;
        let reader = Reader::open(dir.path()).unwrap();
        for name in ["a", "b"] {
            let stats = reader.stats(&tenant(name)).unwrap();
            assert_eq!(stats.next_row, committed + 1, "round {round}: tenant {name}");
            let rows = all_rows(&reader, &tenant(name));
            assert_eq!(rows.len() as u64, stats.rows);
            let minutes = reader.minutes(&tenant(name), 0, i64::MAX).unwrap();
            let summed: u64 = minutes.iter().map(|minute| minute.flows).sum();
            assert!(summed >= stats.rows, "round {round}: {summed} in minutes, {} rows", stats.rows);
            assert!(stats.first_row > 1 || summed == stats.rows, "round {round}: tenant {name}");
        }
        writer.close().unwrap();
    }
    assert!(before > 1_000, "only {before} rows in {ROUNDS} rounds");
}

#[test]
fn letters_put_back_by_a_writer_killed_at_any_moment_are_each_there_exactly_once() {
    const LETTERS: u64 = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_record_bytes: MaxRecordBytes::new(4_096).unwrap(), ..Config::default() };
    let mut writer = Writer::open(dir.path(), &config, at(0)).unwrap();
    let large = |number: u64| {
        let extra = Extra::from_iter([("number", Value::from(number)), ("text", "x".repeat(4_096).into())]);
        FlowRecord { extra: Some(Box::new(extra)), ..FlowRecord::default() }
    };
    let batch = Batch { records: (0..LETTERS).map(large).collect(), ..Batch::default() };
    assert_eq!(writer.commit(&[batch], at(0)).unwrap().letters, LETTERS);
    writer.close().unwrap();
    let mut random = Random(std::process::id().into());
    let (mut rows, mut killed_between) = (0, 0);
    for round in 0..40 {
        let mut child =
            Command::new(example("replay_loop")).arg(dir.path()).arg(round.to_string()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(30 + random.below(150)));
        assert_eq!(child.try_wait().unwrap(), None, "it goes on until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();

        Writer::open(dir.path(), &Config::default(), at(0)).unwrap().close().unwrap();
        let seen = everywhere(dir.path());
        assert_eq!(seen.len() as u64, LETTERS, "round {round}: a record is missing");
        assert!(seen.values().all(|&times| times == 1), "round {round}: a record is there twice");
        let before = std::mem::replace(
            &mut rows,
            Reader::open(dir.path()).unwrap().stats(&TenantId::default()).unwrap().rows,
        );
        killed_between += u32::from(rows > before && rows < LETTERS);
        if rows == LETTERS {
            break;
        }
    }
    assert!(killed_between > 1, "killed {killed_between} times between the first letter and the last");
}

/// How often each number is in the store, as a letter or as a row.
fn everywhere(dir: &std::path::Path) -> BTreeMap<u64, u32> {
    let mut seen = BTreeMap::new();
    let mut count = |json: &str| {
        let json: Value = serde_json::from_str(json).unwrap();
        *seen.entry(json["extra"]["number"].as_u64().unwrap()).or_insert(0) += 1;
    };
    let control = Control::open(dir).unwrap();
    let mut after = 0;
    loop {
        let page = control.dead_letters(&Selection::default(), after, 1_000).unwrap();
        page.letters.iter().for_each(|letter| count(&letter.payload));
        let Some(last) = page.letters.last().filter(|_| page.more) else { break };
        after = last.id;
    }
    all_rows(&Reader::open(dir).unwrap(), &TenantId::default()).iter().for_each(|row| count(&row.json));
    seen
}
