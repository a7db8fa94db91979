//! Real JSON of nfdump, pmacct and goflow2, held against what it says itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use weir_flow::{FlowRecord, Source, Timestamp};
use weir_intake::{Dialect, Reader};

/// The folder of the real exports; `None`, said aloud, where the machine has none.
fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let folder = std::env::var_os("WEIR_CORPORA").map_or_else(beside, PathBuf::from).join("flowjson");
    if folder.is_dir() {
        return Some(folder);
    }
    let missing = format!("no corpora at {}; set WEIR_CORPORA", folder.display());
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}

/// All files below the folder of one tool.
fn files(folder: &Path, tool: &str) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder.join(tool)).unwrap_or_else(|e| panic!("{tool}: {e}"));
    let mut files: Vec<_> = listed.map(|entry| entry.expect("an entry of the folder").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no files of {tool}");
    files
}

/// The objects of a file: of a list, or one on each line.
fn objects(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    match serde_json::from_str(&text) {
        Ok(Value::Array(list)) => list,
        _ => text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect(),
    }
}

fn read(objects: &[Value], dialect: &Dialect) -> Vec<FlowRecord> {
    let mut reader = Reader::new(Source::Api);
    let mut one = |object: &Value| reader.read(object.to_string().as_bytes(), dialect, Timestamp::default());
    objects.iter().map(|object| one(object).unwrap_or_else(|e| panic!("{e}: {object}"))).collect()
}

/// Sum of one member over all objects.
fn sum(objects: &[Value], name: &str) -> u64 {
    objects.iter().filter_map(|object| object.get(name)).map(|value| value.as_u64().expect("a count")).sum()
}

#[test]
fn every_real_record_is_read_and_nothing_is_counted_twice() {
    let Some(folder) = folder() else { return };
    let mut all = 0;
    for (tool, octets, packets) in [
        ("nfdump-1.7.1", ["in_bytes", "out_bytes"], ["in_packets", "out_packets"]),
        ("pmacct-1.7.7-print", ["bytes", ""], ["packets", ""]),
        ("goflow2", ["bytes", ""], ["packets", ""]),
    ] {
        for file in files(&folder, tool) {
            let objects = objects(&file);
            for dialect in [Dialect::Any, Dialect::Flow, Dialect::Netflow] {
                let records = read(&objects, &dialect);
                let name = file.display();
                assert_eq!(records.len(), objects.len(), "{name}");
                let said = |names: [&str; 2]| names.map(|name| sum(&objects, name));
                let counted = |side: fn(&FlowRecord) -> u64| records.iter().map(side).sum::<u64>();
                let of_octets = [counted(|r| r.forward.octets), counted(|r| r.reverse.octets)];
                let of_packets = [counted(|r| r.forward.packets), counted(|r| r.reverse.packets)];
                assert_eq!((of_octets, of_packets), (said(octets), said(packets)), "{name}");
                assert!(
                    records.iter().all(|record| record.src_ip.is_some() && record.proto.is_some()),
                    "{name}"
                );
            }
            all += objects.len();
        }
    }
    assert!(all > 2_000, "{all} records");
}

/// What two collectors have to agree on to the last bit: addresses, ports or ICMP type, protocol, counters, flags.
fn essence(record: &FlowRecord) -> String {
    let ends = (record.src_ip, record.src_port, record.dst_ip, record.dst_port, record.proto);
    let counts = (record.forward, record.reverse, record.uncounted, record.tcp_flags_out, record.dscp);
    format!("{ends:?} {counts:?}")
}

/// pmacct rounds the times of NetFlow v5 to whole seconds.
fn is_same_second(one: Timestamp, other: Timestamp) -> bool {
    one.micros_since(other).abs() < 1_000_000
}

#[test]
fn the_same_export_gives_the_same_flows_through_nfdump_and_pmacct() {
    let Some(folder) = folder() else { return };
    for (nfdump, pmacct, least) in [
        ("generated_softflowd_v9", "softflowd_v9", 400),
        ("generated_softflowd_v10", "softflowd_v10", 400),
        ("logstash_Netflow5_mikrotik", "logstash_v5_mikrotik", 30),
    ] {
        let read = |file: String| read(&objects(&folder.join(file)), &Dialect::Any);
        let mut others = BTreeMap::<String, Vec<FlowRecord>>::new();
        for record in read(format!("pmacct-1.7.7-print/{pmacct}.json")) {
            others.entry(essence(&record)).or_default().push(record);
        }
        // The collection has the first flows of nfdump and all of pmacct.
        let flows = read(format!("nfdump-1.7.1/{nfdump}.json"));
        assert!(flows.len() >= least, "{} flows of {nfdump}", flows.len());
        for flow in flows {
            let same = others.get_mut(&essence(&flow)).unwrap_or_else(|| panic!("not of pmacct: {flow:?}"));
            let is_same = |other: &FlowRecord| {
                is_same_second(other.start, flow.start) && is_same_second(other.end, flow.end)
            };
            let at = same.iter().position(is_same).unwrap_or_else(|| panic!("{flow:?} is not in {same:?}"));
            same.swap_remove(at);
        }
    }
}

#[track_caller]
fn reads(object: &Value, fields: Value) {
    let read = serde_json::to_value(&read(std::slice::from_ref(object), &Dialect::Any)[0])
        .expect("a record is JSON");
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    for (name, value) in fields {
        assert_eq!(read.get(&name).unwrap_or(&Value::Null), &value, "{name} of {read}");
    }
}

#[test]
fn the_first_record_of_each_tool_is_what_its_people_would_say() {
    let Some(folder) = folder() else { return };
    let first = |file: &str| objects(&folder.join(file)).swap_remove(0);
    let softflowd = json!({
        "ts": "2023-11-14T22:15:32.000Z", "end_ms": 1_700_000_155_881_i64, "src_ip": "127.0.0.1", "src_port": 21,
        "dst_ip": "127.0.0.1", "dst_port": 40_284, "proto": "tcp", "bytes_out": 5_598, "packets_out": 44, "bytes_in": 0,
        "tcp_flags_out": 31, "dscp": 0, "exporter": "127.0.0.1", "ingress_if": null, "vlan": null, "kind": "flow", "source": "api",
    });
    reads(&first("nfdump-1.7.1/generated_softflowd_v9.json"), softflowd.clone());
    reads(&first("pmacct-1.7.7-print/softflowd_v9.json"), softflowd);
    reads(
        &first("goflow2/readme_sflow.json"),
        json!({
            "ts": "2023-04-15T18:28:15.157Z", "end_ms": 1_681_583_295_157_i64, "src_ip": "fd01::1", "src_port": 443, "dst_ip": "fd01::2",
            "dst_port": 50_001, "proto": "tcp", "bytes": 1_500, "packets": 1, "exporter": "192.168.0.1", "sampling": 100,
            "extra": {"type": "SFLOW_5", "sequence_num": 2_999, "etype": "IPv6"},
        }),
    );
    let none = json!({"ts": "1970-01-01T00:00:00.000Z", "bytes": 0, "uncounted": null, "src_ip": "10.236.5.4", "ingress_if": 35_233});
    reads(&first("nfdump-1.7.1/logstash_IPFIX_Barracuda_extended_uniflow_template_256.json"), none);
}
