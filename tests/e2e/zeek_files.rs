//! `weir zeek` on logs of which everything is known: where they may lie, what they say of each other, and what is said of
//! what cannot be read.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::Builder;

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_tests::corpora;
use weir_tests::frames::link;
use weir_tests::meter::{Run, command, finished};
use weir_tests::pcap::{self, Capture};

const DATA: i32 = 65;
const NO_INPUT: i32 = 66;

const CONN: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\tconn_state\torig_pkts\t\
orig_ip_bytes\tresp_pkts\tresp_ip_bytes\n\
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tstring\tcount\tcount\tcount\tcount\n";

/// Lines of `conn.log` without a service, their uids `C<number>`.
fn connections(numbers: std::ops::Range<u32>) -> String {
    let mut log = CONN.to_owned();
    for number in numbers {
        writeln!(
            log,
            "1795219200.{number:06}\tC{number}\t10.0.0.1\t{}\t192.0.2.1\t443\ttcp\t-\t2.5\tSF\t3\t300\t4\t4000",
            1_024 + number % 60_000
        )
        .expect("room");
    }
    log
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Writes `files` into `folder`; answers with their paths.
fn written(folder: &TempDir, files: &[(&str, &[u8])]) -> Vec<PathBuf> {
    let write = |&(name, octets): &(&str, &[u8])| {
        let path = folder.path().join(name);
        fs::write(&path, octets).expect("room in the temporary folder");
        path
    };
    files.iter().map(write).collect()
}

/// `weir zeek --no-enrich` on `files`, which has to end with `code`.
#[track_caller]
fn zeek(code: i32, files: &[(&str, &[u8])]) -> Run {
    let folder = folder();
    let run = finished(command().args(["zeek", "--no-enrich"]).args(written(&folder, files)));
    expect(&run, code);
    run
}

#[track_caller]
fn expect(run: &Run, code: i32) {
    run.assert_orderly("weir zeek");
    assert_eq!(run.code, Some(code), "{}", run.stderr);
}

/// The records, but for the file that each is from.
fn records(run: &Run) -> Vec<Value> {
    let mut records = run.records();
    for record in &mut records {
        record.as_object_mut().expect("an object").remove("observer").expect("a file");
    }
    records
}

fn uids(run: &Run) -> Vec<String> {
    run.records().iter().map(|record| record["extra"]["uid"].as_str().expect("a uid").to_owned()).collect()
}

#[track_caller]
fn told(run: &Run, line: &str) {
    assert!(run.stderr.lines().any(|told| told == format!("weir: {line}")), "no {line:?} in {}", run.stderr);
}

#[test]
fn a_log_gives_its_records_and_a_summary() {
    let run = zeek(0, &[("conn.log", connections(0..3).as_bytes())]);
    let records = records(&run);
    let first = json!({
        "ts": "2026-11-21T00:00:00.000Z", "ts_ms": 1_795_219_200_000_u64, "end_ms": 1_795_219_202_500_u64, "duration": 2.5,
        "source": "zeek", "kind": "flow", "src_ip": "10.0.0.1", "src_port": 1_024, "dst_ip": "192.0.2.1",
        "dst_port": 443, "proto": "tcp", "proto_num": 6, "bytes_out": 300, "packets_out": 3, "bytes_in": 4_000,
        "packets_in": 4, "bytes": 4_300, "packets": 7, "end_reason": "end",
    });
    for (name, value) in first.as_object().expect("an object") {
        assert_eq!(&records[0][name], value, "{name} in {}", records[0]);
    }
    assert_eq!(records[0]["extra"], json!({"uid": "C0", "conn_state": "SF"}));
    assert!(records[0]["community_id"].as_str().is_some_and(|id| id.starts_with("1:")));
    told(&run, "3 records, 21 packets, 12900 octets from 10 lines in 1 file(s)");
    told(&run, "log: 3 conn");
    let path = run.records()[0]["observer"].as_str().map(str::to_owned);
    assert!(path.is_some_and(|path| path.ends_with("/conn.log")), "{}", run.records()[0]);
}

#[test]
fn logs_may_be_compressed_or_come_by_standard_input() {
    let log = connections(0..5_000);
    let plain = zeek(0, &[("conn.log", log.as_bytes())]);
    assert_eq!(plain.records().len(), 5_000);
    let files = [("conn.log.gz", pcap::gzip(log.as_bytes())), ("conn.log.zst", pcap::zstd(log.as_bytes()))];
    for (name, octets) in files {
        assert!(records(&zeek(0, &[(name, &octets)])) == records(&plain), "{name}");
        let mut child = command()
            .args(["zeek", "--no-enrich", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("weir starts");
        let mut input = child.stdin.take().expect("a pipe");
        // What it writes is more than a pipe holds.
        let writer = Builder::new().spawn(move || input.write_all(&octets)).expect("a thread");
        let run = Run::from(child.wait_with_output().expect("it ends"));
        writer.join().expect("no panic").expect("it reads all");
        expect(&run, 0);
        assert!(records(&run) == records(&plain), "standard input like {name}");
        assert_eq!(run.records()[0]["observer"], "-");
    }
}

#[test]
fn records_are_written_as_csv_too() {
    let folder = folder();
    let files = written(&folder, &[("conn.log", connections(0..2).as_bytes())]);
    let run = finished(command().args(["zeek", "--no-enrich", "--format", "csv"]).args(files));
    expect(&run, 0);
    let text = String::from_utf8(run.stdout).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("ts,") && lines[1].contains("192.0.2.1"), "{text}");
}

#[test]
fn records_are_enriched_unless_that_is_left_out() {
    let folder = folder();
    let files = written(&folder, &[("conn.log", connections(0..1).as_bytes())]);
    let run = finished(command().arg("zeek").args(files));
    expect(&run, 0);
    let record = &run.records()[0];
    assert_eq!((&record["direction"], record["risk_score"].is_u64()), (&json!("out"), true), "{record}");
    assert_eq!(
        zeek(0, &[("conn.log", connections(0..1).as_bytes())]).records()[0]["risk_score"],
        Value::Null
    );
}

#[test]
fn connections_get_the_names_that_other_logs_say_in_whatever_order_they_are_given() {
    let conn = connections(0..4);
    let dns = r#"{"_path":"dns","ts":1795219200.5,"uid":"C0","query":"A.example","trans_id":1}"#;
    let ssl = "#separator \\x09\n#path\tssl\n#fields\tts\tuid\tserver_name\n1795219200\tC1\tb.example\n";
    let http =
        "{\"ts\":1795219200,\"uid\":\"C2\",\"method\":\"GET\",\"host\":\"c.example:80\",\"uri\":\"/\"}\n";
    let all = [
        ("conn.log", conn.as_bytes()),
        ("x.log", dns.as_bytes()),
        ("ssl.log", ssl.as_bytes()),
        ("y", http.as_bytes()),
    ];
    for turn in 0..all.len() {
        let mut files = all;
        files.rotate_left(turn);
        let run = zeek(0, &files);
        let named: Vec<_> = run
            .records()
            .iter()
            .filter(|record| record["kind"] == "flow")
            .map(|record| [&record["extra"]["uid"], &record["service"], &record["domain"]].map(Value::clone))
            .collect();
        let expected = [
            [json!("C0"), json!("dns"), json!("a.example")],
            [json!("C1"), json!("ssl"), json!("b.example")],
            [json!("C2"), json!("http"), json!("c.example")],
            [json!("C3"), Value::Null, Value::Null],
        ];
        assert_eq!(named, expected, "turned by {turn}");
        let kinds: Vec<_> = run.records().iter().map(|record| record["kind"].clone()).collect();
        let mut order = vec!["flow", "flow", "flow", "flow", "dns", "tls", "http"];
        order.rotate_left(turn + if turn > 0 { 3 } else { 0 });
        assert_eq!(kinds, order, "the order is that of the files");
    }
}

#[test]
fn lines_that_cannot_be_read_are_counted_by_their_reason_and_the_rest_is_written() {
    let long = format!("{{\"ts\":1,\"x\":\"{}\"}}\n", "x".repeat(300_000));
    let bad = "1\t2\n1795219200\tC9\t10.0.0.300\t1\t192.0.2.1\t2\ttcp\t-\t-\tS0\t1\t1\t1\t1\n";
    let (first, last) = (connections(0..2), connections(2..3));
    let log = [first.as_bytes(), bad.as_bytes(), b"\xff\n", long.as_bytes(), last.as_bytes()];
    let run = zeek(DATA, &[("conn.log", &log.concat())]);
    assert_eq!(uids(&run), ["C0", "C1", "C2"]);
    for reason in ["wrong_columns", "bad_address", "bad_utf8", "record_too_large"] {
        told(&run, &format!("undecodable: 1 {reason}"));
    }
}

#[test]
fn a_damaged_archive_gives_what_comes_before_the_damage() {
    let log = connections(0..20_000);
    let mut archive = pcap::gzip(log.as_bytes());
    archive.truncate(archive.len() / 2);
    let run = zeek(DATA, &[("conn.log.gz", &archive), ("last.log", connections(7..8).as_bytes())]);
    let uids = uids(&run);
    let before = uids.len() - 1;
    assert!(before > 1_000, "{before} records");
    assert!(
        uids[..before].iter().enumerate().all(|(at, uid)| *uid == format!("C{at}")),
        "whole lines, in order"
    );
    assert_eq!(uids[before], "C7", "the other file is read");
    assert!(run.stderr.contains("conn.log.gz beyond octet"), "{}", run.stderr);
    assert!(
        !run.stderr.contains("undecodable"),
        "the line that is cut is no fault of its own: {}",
        run.stderr
    );
}

#[test]
fn a_missing_file_is_named_and_the_others_are_read() {
    let folder = folder();
    let mut files = written(&folder, &[("conn.log", connections(0..2).as_bytes())]);
    files.insert(0, folder.path().join("not there.log"));
    let run = finished(command().args(["zeek", "--no-enrich"]).args(&files));
    expect(&run, NO_INPUT);
    assert_eq!(run.records().len(), 2);
    assert!(run.stderr.contains("not there.log"), "{}", run.stderr);
    expect(&finished(command().args(["zeek"]).arg(folder.path())), NO_INPUT);
}

#[test]
fn what_is_no_log_is_named_and_the_others_are_read() {
    let good = connections(0..2);
    let mut capture = Capture::new(link::ETHERNET);
    capture.push(0, vec![0; 60]);
    let text = "Dear all,\nthis is no log.\n".repeat(100_000);
    let octets: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for bad in [&capture.bytes()[..], text.as_bytes(), &octets, b"a,b\n1,2\n"] {
        let run = zeek(DATA, &[("1.log", good.as_bytes()), ("bad.log", bad), ("3.log", good.as_bytes())]);
        assert_eq!(run.records().len(), 4);
        let named = run.stderr.lines().filter(|line| line.contains("bad.log")).collect::<Vec<_>>();
        assert!(named.len() == 1 && named[0].contains("no Zeek log"), "{}", run.stderr);
    }
}

#[test]
fn a_log_without_a_record_is_no_fault() {
    for log in ["", CONN, "#separator \\x09\r\n#path\tconn\r\n#fields\tts\r\n#close\t2026-11-21\r\n"] {
        let run = zeek(0, &[("conn.log", log.as_bytes())]);
        assert_eq!(run.records().len(), 0);
        assert!(run.stderr.contains("0 records, 0 packets, 0 octets"), "{}", run.stderr);
    }
}

#[test]
fn all_real_logs_give_the_records_that_they_have() {
    let Some(folder) = corpora::folder("zeek") else { return };
    let rows = fs::read_to_string(folder.join("../zeek_expect.jsonl")).expect("expected results");
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let whole: Vec<_> = rows.iter().filter(|row| row.get("error").is_none()).collect();
    let paths = whole.iter().map(|row| folder.join("..").join(row["file"].as_str().expect("a name")));
    let run = finished(command().args(["zeek", "--no-enrich"]).args(paths));
    expect(&run, DATA);
    let expected: u64 = whole.iter().map(|row| row["records"].as_u64().expect("a count")).sum();
    assert_eq!(run.records().len() as u64, expected);
    told(&run, "undecodable: 9 wrong_columns");
    told(&run, "undecodable: 11 no_header");
}
