//! Real logs of Zeek, all of those in the corpora: as many records as they have, with what they say, and nothing lost.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use weir_flow::{FlowRecord, Kind, Timestamp};
use weir_intake::zeek::{Line, LogReader, log_name};

const NOW: Timestamp = Timestamp::from_micros(1_795_219_200_000_000);

/// The corpora, by `WEIR_CORPORA` or beside the workspace.
fn corpora() -> PathBuf {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora").into();
    std::env::var_os("WEIR_CORPORA").map_or_else(beside, PathBuf::from)
}

/// Expected results; none, with the reason printed, where there are no corpora.
fn expected() -> Vec<Map<String, Value>> {
    let file = corpora().join("zeek_expect.jsonl");
    let Ok(text) = fs::read_to_string(&file) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no corpora: {}", file.display());
        eprintln!("SKIPPED: no {}; set WEIR_CORPORA", file.display());
        return Vec::new();
    };
    let rows: Vec<_> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 376, "the corpora are whole");
    rows
}

/// True where there are no corpora.
fn skipped() -> bool {
    expected().is_empty()
}

/// What could be read of a file, and whether all could.
fn octets(file: &str) -> (Vec<u8>, bool) {
    let octets = fs::read(corpora().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    if !file.ends_with(".gz") {
        return (octets, true);
    }
    let mut out = Vec::new();
    let whole = GzDecoder::new(&octets[..]).read_to_end(&mut out).is_ok();
    (out, whole)
}

#[derive(Default)]
struct Log {
    /// Lines with their records.
    records: Vec<(Vec<u8>, FlowRecord)>,
    bad: u64,
    name: Option<String>,
}

fn read(file: &str, octets: &[u8]) -> Log {
    let mut reader = LogReader::new(log_name(file));
    let mut read = Log::default();
    for line in octets.split(|&octet| octet == b'\n') {
        match reader.line(line, NOW) {
            Line::Record(record) => read.records.push((line.to_vec(), *record)),
            Line::Bad(_) => read.bad += 1,
            Line::Nothing => {}
        }
    }
    read.name = reader.name().map(ToString::to_string);
    read
}

/// A value as TSV has it, without escapes.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "T".to_owned(),
        Value::Bool(false) => "F".to_owned(),
        Value::Null => "-".to_owned(),
        Value::Array(list) if list.is_empty() => "(empty)".to_owned(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn micros(seconds: &str) -> i64 {
    let seconds: f64 = seconds.parse().expect("a number");
    (seconds * 1e6).round() as i64
}

/// What a record says of a field by Zeek's name of it.
fn said(record: &FlowRecord, field: &str) -> Option<String> {
    let extra = record.extra.as_ref().and_then(|extra| extra.get(field)).map(text);
    if extra.is_some() {
        return extra;
    }
    let conn = record.kind == Kind::Flow;
    match field {
        "id.orig_h" | "id_orig_h" | "src" | "client_addr" => record.src_ip.map(|ip| ip.to_string()),
        "id.resp_h" | "id_resp_h" | "dst" | "server_addr" => record.dst_ip.map(|ip| ip.to_string()),
        "id.orig_p" | "id_orig_p" => {
            record.src_port.or(record.icmp.map(|icmp| icmp.kind.into())).map(|p| p.to_string())
        }
        "id.resp_p" | "id_resp_p" | "p" => record.dst_port.map(|port| port.to_string()),
        "tx_hosts" => record.src_ip.map(|ip| ip.to_string()),
        "rx_hosts" => record.dst_ip.map(|ip| ip.to_string()),
        "proto" => record.proto.map(|proto| weir_flow::proto_name(proto).unwrap_or("other").to_owned()),
        "ip_proto" => record.proto.map(|proto| proto.to_string()),
        "service" if conn => record.service.as_ref().map(ToString::to_string),
        "orig_pkts" if !record.uncounted.packets => Some(record.forward.packets.to_string()),
        "resp_pkts" if !record.uncounted.packets => Some(record.reverse.packets.to_string()),
        "orig_ip_bytes" if !record.uncounted.octets => Some(record.forward.octets.to_string()),
        "resp_ip_bytes" if !record.uncounted.octets => Some(record.reverse.octets.to_string()),
        "query" | "server_name" | "host" => record.domain.as_ref().map(ToString::to_string),
        _ => None,
    }
}

/// Compares what a line said with what its record says; `value` is as the log has it, undone of its escapes.
#[track_caller]
fn assert_said(file: &str, record: &FlowRecord, field: &str, value: &Value) {
    let value = text(value);
    let exactly = |said: i64| assert_eq!(said, micros(&value), "{file}: {field}");
    match field {
        "ts" if value.parse::<f64>().is_ok() => return exactly(record.start.micros()),
        "duration" if record.kind == Kind::Flow => {
            let length = record.end.micros_since(record.start);
            assert!((length - micros(&value)).abs() <= 1, "{file}: duration {length} of {value}");
            return;
        }
        "id.resp_p" if record.icmp.is_some() => return,
        // Zeek's word for no port.
        "id.orig_p" | "id.resp_p" if value == "0" && !matches!(record.proto, Some(6 | 17)) => return,
        _ => {}
    }
    let found = said(record, field);
    let found = found.unwrap_or_else(|| panic!("{file}: {field} {value} is lost in {record:?}"));
    let (found, value) = (found.replace(r"\\", r"\"), value.replace(r"\\", r"\"));
    // The reader of JSON that the test has is a bit off.
    let near = |a: f64, b: f64| (a - b).abs() <= a.abs() * 2.0 * f64::EPSILON;
    let equal = |a: &str, b: &str| a == b || a.parse().is_ok_and(|a| b.parse().is_ok_and(|b| near(a, b)));
    let all_equal = || found.split(',').zip(value.split(',')).all(|(a, b)| equal(a, b));
    let same = match field {
        "proto" if value == "icmp" => found == "icmp" || found == "ipv6-icmp",
        "proto" if value == "unknown_transport" => true,
        _ => found.split(',').count() == value.split(',').count() && all_equal(),
    };
    assert!(same, "{file}: {field} is {found:?}, not {value:?}");
}

fn entries(row: &Map<String, Value>, name: &str) -> Map<String, Value> {
    row.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

#[test]
fn every_log_gives_the_records_that_it_has() {
    let mut checked = 0;
    for row in expected() {
        let file = row["file"].as_str().expect("as in the corpora");
        let (octets, whole) = octets(file);
        let read = read(file, &octets);
        if row.contains_key("error") {
            assert!(!whole, "{file}: damaged");
            assert!(!read.records.is_empty(), "{file}: what comes before the damage");
            continue;
        }
        assert_eq!(read.records.len() as u64, row["records"].as_u64().expect("as in the corpora"), "{file}");
        assert_eq!(read.bad, row["bad_lines"].as_u64().expect("as in the corpora"), "{file}");
        if let Some(path) = row.get("path") {
            assert_eq!(read.name.as_deref(), path.as_str(), "{file}");
        }
        for (name, record) in [("first", read.records.first()), ("last", read.records.last())] {
            for (field, value) in entries(&row, name) {
                let record = &record.unwrap_or_else(|| panic!("{file}: has records")).1;
                assert_said(file, record, &field, &value);
                checked += 1;
            }
        }
        let mut sums = BTreeMap::<String, u64>::new();
        for (field, expected) in entries(&row, "sums") {
            for (_, record) in &read.records {
                let value = said(record, &field).and_then(|value| value.parse::<u64>().ok());
                *sums.entry(field.clone()).or_default() += value.unwrap_or(0);
            }
            assert_eq!(sums[&field], expected.as_u64().expect("as in the corpora"), "{file}: sum of {field}");
            checked += 1;
        }
    }
    assert!(checked > 4_000 || skipped(), "{checked} values were compared");
}

/// Values of a line by their names, as a reader that knows nothing of Weir has them.
fn cells(line: &[u8], fields: &[String], separator: &str) -> Vec<(String, Value)> {
    let line = String::from_utf8(line.to_vec()).expect("text");
    let cells = line.split(separator).map(str::to_owned);
    fields.iter().cloned().zip(cells.map(Value::from)).filter(|(_, cell)| cell != "-").collect()
}

fn members(line: &[u8]) -> Vec<(String, Value)> {
    let object: Map<String, Value> = serde_json::from_slice(line).expect("as in the corpora");
    object.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

#[test]
fn nothing_that_a_line_says_is_lost() {
    let mut checked = 0;
    for row in expected().iter().filter(|row| !row.contains_key("error")) {
        let file = row["file"].as_str().expect("as in the corpora");
        let (octets, _) = octets(file);
        let fields: Option<Vec<String>> = row
            .get("fields")
            .map(|fields| serde_json::from_value(fields.clone()).expect("as in the corpora"));
        let separator = row.get("separator").and_then(Value::as_str).unwrap_or("\t");
        // Whose header changes on the way has other fields than the row says.
        if row.get("header_blocks").and_then(Value::as_u64).is_some_and(|blocks| blocks > 1) {
            continue;
        }
        for (line, record) in read(file, &octets).records {
            let values = match &fields {
                Some(fields) => cells(&line, fields, separator),
                None => members(&line),
            };
            for (field, value) in values {
                // Escapes and other marks have tests of their own; here it is enough that the value is there.
                let marked = value.as_str().is_some_and(|text| text.contains('\\') || text == "EMPTY");
                let kept = record.extra.as_ref().is_some_and(|extra| extra.get(&field).is_some());
                if !(marked && kept) {
                    assert_said(file, &record, &field, &value);
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 20_000 || skipped(), "{checked} values were compared");
}

#[test]
fn a_log_gives_the_same_records_from_tsv_and_from_json() {
    let mut pairs = 0;
    for row in expected() {
        let file = row["file"].as_str().expect("as in the corpora");
        let Some(name) = file.strip_prefix("zeek/btest-json-derived/") else { continue };
        let twin = format!("zeek/btest-unmasked/{}", name.replace(".ndjson", ".log"));
        if !corpora().join(&twin).exists() {
            continue;
        }
        let (json, tsv) = (read(file, &octets(file).0).records, read(&twin, &octets(&twin).0).records);
        assert_eq!(json.len(), tsv.len(), "{file}");
        for ((_, json), (_, tsv)) in json.iter().zip(&tsv) {
            let object = |record| -> Value {
                // Who made the JSON left the mark of empty strings and doubled backslashes as they are.
                let text =
                    serde_json::to_string(record).expect("as in the corpora").replace("\"(empty)\"", "\"\"");
                let text = text.replace(r"\\\\", r"\\");
                serde_json::from_str(&text).expect("as in the corpora")
            };
            assert_eq!(object(json), object(tsv), "{file}");
        }
        pairs += 1;
    }
    assert!(pairs == 66 || skipped(), "{pairs}");
}

#[test]
fn a_log_that_is_read_on_in_its_middle_gives_the_same_records() {
    for row in expected() {
        let file = row["file"].as_str().expect("as in the corpora");
        let (octets, _) = octets(file);
        let whole = read(file, &octets).records;
        let mut reader = LogReader::new(log_name(file));
        let mut records = Vec::new();
        for line in octets.split(|&octet| octet == b'\n') {
            let mut next = LogReader::new(log_name(file));
            next.restore(&reader.header());
            assert_eq!(next.header(), reader.header(), "{file}");
            reader = next;
            if let Line::Record(record) = reader.line(line, NOW) {
                records.push(*record);
            }
        }
        let same = records.iter().zip(&whole).all(|(a, (_, b))| format!("{a:?}") == format!("{b:?}"));
        assert!(records.len() == whole.len() && same, "{file}");
    }
}
