//! A process that commits is killed again and again: the store opens each time and holds whole transactions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::{Random, all_rows, at, example, soon, tenant};
use weir_flow::{Batch, Extra, FlowRecord, TenantId, Timestamp};
use weir_store::{
    BudgetBytes, Config, Control, Dimension, MaxRecordBytes, Measure, Query, Reader, Selection, Top,
    TopQuery, Writer, check,
};

const ROUNDS: u64 = 12;

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

/// The smallest budget: the program's rows reach it within seconds, and are trimmed from then on.
fn small() -> Config {
    Config { budget_bytes: BudgetBytes::new(BudgetBytes::MIN).unwrap(), ..Config::default() }
}

/// Ports by octets, of rows stored in this range: exactly what [`weir_store::Reader::top`] answers, or less by its error.
fn ports_of(rows: &[weir_store::StoredRow], from: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in rows {
        let json: Value = serde_json::from_str(&row.json).unwrap();
        if json["processed_at"].as_str().unwrap() < from {
            continue;
        }
        let Some(port) = json["dst_port"].as_u64() else { continue };
        *sums.entry(port.to_string()).or_insert(0) += json["bytes"].as_u64().unwrap();
    }
    sums
}

/// Whether totals and a recount agree.
fn agree(top: &Top, counted: &BTreeMap<String, u64>) -> bool {
    let listed: BTreeMap<&str, (u64, u64)> =
        top.entries.iter().map(|entry| (entry.key.as_str(), (entry.octets, entry.error))).collect();
    let is_between = |key: &str, value: u64| {
        let (least, error) = listed.get(key).copied().unwrap_or((0, top.error));
        (least..=least + error).contains(&value)
    };
    top.progress.complete
        && listed.keys().all(|&key| is_between(key, counted.get(key).copied().unwrap_or(0)))
        && counted.iter().all(|(key, &value)| is_between(key, value))
}

#[test]
fn totals_of_a_writer_killed_among_seals_and_trims_are_those_of_a_recount() {
    const HOUR_MS: i64 = 3_600_000;
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(std::process::id().into());
    let (mut trimmed, mut compared) = (0, 0);
    for round in 0..ROUNDS / 2 {
        let mut child = Command::new(example("seal_loop"))
            .arg(dir.path())
            .arg(round.to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(100 + random.below(700)));
        assert_eq!(child.try_wait().unwrap(), None, "it commits until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();

        let writer = Writer::open(dir.path(), &small(), at(0)).unwrap();
        let report = check(dir.path()).unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
        let usage = writer.usage().unwrap();
        let reader = Reader::open(dir.path()).unwrap();
        for name in ["a", "b"] {
            let rows = all_rows(&reader, &tenant(name));
            let stats = reader.stats(&tenant(name)).unwrap();
            assert_eq!(rows.len() as u64, stats.rows, "round {round}: tenant {name}");
            trimmed = trimmed.max(stats.first_row - 1);
            let Some(oldest) = stats.oldest_ts else { continue };
            // Where rows were trimmed, the oldest hour may count more than those that are left.
            let whole = (oldest.millis().div_euclid(HOUR_MS) + 1) * HOUR_MS;
            let from = Timestamp::from_millis(if stats.first_row == 1 { oldest.millis() } else { whole });
            let query = TopQuery {
                dimension: Dimension::Ports,
                measure: Measure::Octets,
                from,
                to: Timestamp::from_millis(stats.newest_ts.unwrap().millis() + 1),
                limit: 1_000,
                only: Query::default(),
            };
            let top = reader.top(&tenant(name), &query, soon()).unwrap();
            let counted = ports_of(&rows, &from.to_string());
            compared += u32::from(!counted.is_empty());
            assert!(agree(&top, &counted), "round {round}: {top:?}, counted {counted:?}, {usage:?}");
            let whole = Timestamp::from_millis(from.millis().div_euclid(60_000) * 60_000 + 60_000);
            let minutes = reader.minutes(&tenant(name), whole.millis() / 60_000, i64::MAX).unwrap();
            let summed: u64 = minutes.iter().map(|minute| minute.octets).sum();
            let counted: u64 = ports_of(&rows, &whole.to_string()).values().sum();
            assert_eq!(summed, counted, "round {round}: octets of tenant {name} by the minute");
        }
        writer.close().unwrap();
    }
    assert!(
        trimmed > 0 && compared > 0,
        "{trimmed} rows were trimmed, {compared} times totals were compared"
    );
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
