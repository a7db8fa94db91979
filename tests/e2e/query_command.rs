//! `weir query`: the records that fit, for people and for programs, also while the agent runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use weir_flow::{Batch, Counters, Exported, FlowRecord, Risk, Text, Timestamp};
use weir_store::{Config, Writer};
use weir_tests::agent::{Agent, Options};
use weir_tests::meter::{Run, command, finished};

const USAGE: i32 = 64;
const DATA: i32 = 65;
const NO_INPUT: i32 = 66;
/// 2026-11-21T06:00:00Z.
const START_MS: i64 = 1_795_240_800_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + ms)
}

/// `rows` flows, one a second, of two networks; every tenth is risky.
fn fill(dir: &Path, rows: u32) {
    let mut writer = Writer::open(dir, &Config::default(), at(0)).expect("a fresh store");
    let record = |row: u32| {
        let mut risk = Risk::default();
        risk.add(weir_flow::Reason::Base, if row.is_multiple_of(10) { 60 } else { 5 });
        FlowRecord {
            start: at(i64::from(row) * 1_000),
            end: at(i64::from(row) * 1_000 + 500),
            src_ip: Some(std::net::IpAddr::from([10, 0, u8::from(row.is_multiple_of(2)), 1])),
            dst_ip: Some(std::net::IpAddr::from([198, 51, 100, u8::try_from(row % 200).expect("small")])),
            src_port: Some(50_000),
            dst_port: Some(if row.is_multiple_of(4) { 53 } else { 443 }),
            proto: Some(if row.is_multiple_of(4) { 17 } else { 6 }),
            forward: Counters { octets: 1_500, packets: 2 },
            domain: row.is_multiple_of(3).then(|| Text::from("host\u{1b}[2J.example.com")),
            exported: Some(Exported { sampling: Some(1), ..Exported::default() }),
            risk: Some(risk),
            ..FlowRecord::default()
        }
    };
    for chunk in (0..rows).collect::<Vec<_>>().chunks(500) {
        let records = chunk.iter().map(|row| record(*row)).collect();
        writer.commit(&[Batch { records, ..Batch::default() }], at(0)).expect("room");
        // What is an hour old is sealed; no row goes while the clock is not set.
        writer.trim(at(3_600_000), false).expect("room");
    }
    writer.close().expect("room");
}

fn query(dir: &Path, words: &str) -> Run {
    let mut command = command();
    command.arg("query").args(words.split_whitespace()).arg("--data-dir").arg(dir);
    finished(&mut command)
}

#[track_caller]
fn expect(run: &Run, code: i32, words: &[&str]) {
    run.assert_orderly("weir query");
    let all = format!("{}{}", String::from_utf8_lossy(&run.stdout), run.stderr);
    assert_eq!(run.code, Some(code), "{all}");
    for word in words {
        assert!(all.contains(word), "no {word:?} in {all}");
    }
}

fn count(dir: &Path, words: &str) -> usize {
    let run = query(dir, &format!("{words} --format ndjson --limit 0"));
    assert_eq!(run.code, Some(0), "{words}: {}", run.stderr);
    run.records().len()
}

#[test]
fn every_kind_of_filter_finds_what_fits_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 400);
    let dir = folder.path();
    for (words, expected) in [
        ("", 400),
        ("--src-ip 10.0.1.0/24", 200),
        ("--ip 198.51.100.7", 2),
        ("--ip 198.51.100.7,198.51.100.8", 4),
        ("--ip 198.51.100.7 --ip 198.51.100.8", 4),
        ("--dst-port 53 --proto udp", 100),
        ("--dst-port 53 --proto tcp", 0),
        ("--min-risk 50", 40),
        ("--domain example.com", 134),
        ("--from 2026-11-21T06:00:10Z --to 2026-11-21T06:00:20Z", 10),
        ("--from 1795240810 --to 1795240820000", 10),
        ("--to 2026-11-21", 0),
        ("--from 1 --to 9999-12-31T23:59:59Z", 400),
        ("--tenant other", 0),
    ] {
        assert_eq!(count(dir, words), expected, "{words}");
    }
}

#[test]
fn the_newest_hundred_come_first_unless_something_else_is_asked_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 2_500);
    let ids = |words: &str| -> Vec<u64> {
        let records = query(folder.path(), &format!("{words} --format ndjson")).records();
        let row = |id: &str| id.rsplit_once('-').and_then(|(_, row)| row.parse().ok());
        records.iter().map(|record| record["id"].as_str().and_then(row).expect("an id")).collect()
    };
    assert_eq!(ids(""), (2_401..=2_500).rev().collect::<Vec<_>>());
    assert_eq!(ids("--limit 3 --order oldest"), [1, 2, 3]);
    assert_eq!(ids("--limit 2200"), (301..=2_500).rev().collect::<Vec<_>>());
    assert_eq!(ids("--limit 0 --order oldest"), (1..=2_500).collect::<Vec<_>>());
}

#[test]
fn a_table_is_aligned_and_cannot_speak_to_the_terminal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 40);
    let run = query(folder.path(), "--limit 12");
    expect(
        &run,
        0,
        &["start (UTC)", "2026-11-21 06:00:39", "10.0.0.1:50000", "1.5 kB", "12 records", "complete"],
    );
    assert!(!run.stdout.contains(&0x1b), "an escape reached the terminal");
    let text = String::from_utf8(run.stdout).expect("UTF-8");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 13);
    let from = lines[0].find("from").expect("a column");
    assert!(lines[1..].iter().all(|line| line[from..].starts_with("10.0.")), "{text}");
}

#[test]
fn csv_has_the_columns_of_the_other_commands() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 4);
    let run = query(folder.path(), "--format csv --order oldest");
    let text = String::from_utf8(run.stdout).expect("UTF-8");
    assert!(text.starts_with(weir_flow::CSV_HEADER), "{text}");
    let columns = text.lines().next().expect("a header").matches(',').count();
    assert!(text.lines().skip(1).all(|line| line.matches(',').count() == columns), "{text}");
    assert_eq!(text.lines().count(), 5);
}

#[test]
fn sums_and_rankings_add_up_to_the_records() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 400);
    let sums = query(folder.path(), "--count --dst-port 53 --format ndjson").records();
    assert_eq!((&sums[0]["rows"], &sums[0]["octets"]), (&100.into(), &150_000.into()));
    expect(&query(folder.path(), "--count"), 0, &["400", "600000"]);
    let top = query(folder.path(), "--top ports --by flows --format ndjson").records();
    assert_eq!((&top[0]["key"], &top[0]["flows"]), (&"443".into(), &300.into()));
    assert_eq!((&top[1]["key"], &top[1]["flows"]), (&"53".into(), &100.into()));
    expect(&query(folder.path(), "--top talkers --limit 2"), 0, &["10.0.1.1", "300000", "2 entries"]);
    expect(&query(folder.path(), "--top talkers --format csv"), 0, &["key,label,octets"]);
    expect(&query(folder.path(), "--top everything"), USAGE, &["talkers, countries"]);
}

#[test]
fn what_cannot_be_understood_is_said_with_what_is_expected() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 1);
    for (words, told) in [
        ("--src-ip 300.1.2.3", "--src-ip"),
        ("--port 70000", "port of either end"),
        ("--min-risk 101", "0 to 100"),
        ("--source nowhere", "netflow5"),
        ("--from never", "RFC 3339"),
        ("--last 7", "24h"),
        ("--from 2026-11-22 --to 2026-11-21", "empty"),
        ("--nonsense 1", "--nonsense"),
        ("--timeout 0", "--timeout"),
        ("--count --top ports", "--count"),
        ("--last 1h --from 2026-11-21", "--last"),
    ] {
        expect(&query(folder.path(), words), USAGE, &[told]);
    }
    let many = vec!["10.0.0.1"; 100].join(",");
    expect(&query(folder.path(), &format!("--ip {many}")), USAGE, &["more than 64 values"]);
    let empty = tempfile::tempdir().expect("a temporary folder");
    expect(&query(empty.path(), ""), NO_INPUT, &["there is no store", "start the agent once"]);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 5_000);
    for format in ["table", "ndjson", "csv"] {
        let mut command = command();
        command.args(["query", "--limit", "0", "--format", format, "--data-dir"]).arg(folder.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(!first.is_empty() && !told.contains("panicked") && !told.contains("Broken pipe"), "{told}");
    }
}

#[test]
fn it_reads_while_the_agent_runs_and_tells_of_damage() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    fill(&data, 1_500);
    let options = Options {
        data_dir: Some(data.clone()),
        config: Some("[capture]\nenabled = false\n[store]\nretention_days = 90\n".to_owned()),
        ..Options::default()
    };
    let mut agent = Agent::start(&options);
    assert_eq!(count(&data, "--src-ip 10.0.1.1"), 750);
    agent.stop();
    let db = rusqlite::Connection::open(data.join("weir.db")).expect("a store");
    db.execute_batch("UPDATE block SET data = zeroblob(length(data)) WHERE first_row = 501")
        .expect("it is ours");
    drop(db);
    let run = query(&data, "--limit 0 --format ndjson");
    expect(&run, DATA, &["the store is damaged"]);
    assert!(fs::metadata(data.join("weir.db")).is_ok_and(|meta| meta.len() > 0), "it is left alone");
}
