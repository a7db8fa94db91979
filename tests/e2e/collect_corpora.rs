//! Exports of real routers, firewalls and probes: every record that they hold is there, with what it says.
//!
//! Expectations come from other decoders; where two disagree, from tshark.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use weir_tests::collect::{Summary, collect};
use weir_tests::exports::corpus::{self, Case};
use weir_tests::meter::{Run, number};
use weir_tests::random::Random;

const UNDECODABLE: i32 = 65;
/// Files with some octets changed, for each expectation.
const DAMAGED: u64 = 4;

/// What differs from the expectation, in words.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, right: bool, what: impl FnOnce() -> String) {
        if !right {
            self.0.push(what());
        }
    }
}

fn is_normal(case: &Case) -> bool {
    case.text("class") == "normal" && case.row["notes"].is_null()
}

fn wrong(case: &Case, run: &Run) -> Vec<String> {
    let mut wrong = Wrong::default();
    let (summary, records) = (Summary::of(run), run.records());
    let codes = if is_normal(case) { &[0][..] } else { &[0, UNDECODABLE] };
    wrong.unless(run.code.is_some_and(|code| codes.contains(&code)), || {
        format!("exit code {:?}, expected one of {codes:?}", run.code)
    });
    wrong.unless(summary.records == records.len() as u64, || {
        format!("the summary counts {} records, of {}", summary.records, records.len())
    });
    // Several datagrams in one file are several.
    if case.text("class") != "concatenated" {
        let expected = case.expected("datagrams");
        wrong.unless(Some(summary.datagrams) == expected, || {
            format!("{} datagrams, expected {expected:?}", summary.datagrams)
        });
    }
    origin(case, &records, &mut wrong);
    counts(case, &summary, &records, &mut wrong);
    contents(case, &records, &mut wrong);
    samples(case, &summary, &records, &mut wrong);
    wrong.0
}

/// What made a record, and who sent it.
fn origin(case: &Case, records: &[Value], wrong: &mut Wrong) {
    let source = match case.text("protocol") {
        "v5" => "netflow5",
        "v7" => "netflow7",
        "v9" => "netflow9",
        other => other,
    };
    // A capture may hold other exports too, and says for itself who sent them.
    let is_capture = case.text("input") == "pcap";
    for record in records.iter().filter(|_| !is_capture) {
        wrong.unless(record["source"] == source, || format!("source {}", record["source"]));
        let right = match record["exporter"].as_str() {
            Some(exporter) => case.exporters.iter().any(|known| known == exporter),
            None => case.exporters.is_empty(),
        };
        wrong.unless(right, || format!("exporter {} is none of {:?}", record["exporter"], case.exporters));
    }
    wrong.0.dedup();
}

/// How many records, and their octets and packets.
fn counts(case: &Case, summary: &Summary, records: &[Value], wrong: &mut Wrong) {
    let Some(expected) = case.expected("expected_records") else { return };
    let mut accepted = vec![case.expected("records_if_data_buffered_until_template").unwrap_or(expected)];
    let others = case.row["accept_records"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    accepted.extend(others);
    let got = records.len() as u64;
    wrong.unless(accepted.contains(&got), || format!("{got} records, expected one of {accepted:?}"));
    let options = case.expected("expected_options_records");
    wrong.unless(Some(summary.options) == options || case.text("class") == "malformed", || {
        format!("{} options records, expected {options:?}", summary.options)
    });
    // The totals are of elements that count what passed since the last record, or since the flow began.
    let other_counters = !case.row["expected_sample"]["init_bytes"].is_null();
    if got == expected && !other_counters {
        for (total, field) in [("bytes", "bytes_out"), ("packets", "packets_out")] {
            let (got, expected) =
                (records.iter().map(|record| number(record, field)).sum::<u64>(), &case.row["totals"][total]);
            wrong.unless(*expected == got, || format!("{got} {field} in all, expected {expected}"));
        }
    }
}

/// The first and the last flow record that is expected.
fn contents(case: &Case, records: &[Value], wrong: &mut Wrong) {
    let place = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
    let (first, last) = (&case.row["expected_sample"], &case.row["expected_last"]);
    let expected = place(case.expected("expected_records")).unwrap_or(0);
    // Options records are counted in the index, and stand beside all flow records.
    let (first_at, last_at) = if expected == records.len() {
        (Some(0), expected.checked_sub(1))
    } else {
        // What was held back for its template comes before what was expected anyway.
        let is_buffered = case.expected("records_if_data_buffered_until_template").is_some();
        let before = if is_buffered { records.len().saturating_sub(expected) } else { 0 };
        let at = |index: &Value| place(index.as_u64()).map(|index| before + index);
        (at(&first["index"]), at(&last["index"]))
    };
    let at = |place: Option<usize>| place.and_then(|place| records.get(place));
    for (expected, record) in [(first, at(first_at)), (last, at(last_at))] {
        let (Some(fields), Some(record)) = (expected.as_object(), record) else { continue };
        for (name, value) in fields {
            let got = compared(name, expected, record);
            wrong.unless(got.iter().any(|got| is_same(got, &wanted(name, value))), || {
                format!("record {}: {name} {got:?}, expected {value}: {record}", expected["index"])
            });
        }
    }
}

/// Samples of sFlow.
fn samples(case: &Case, summary: &Summary, records: &[Value], wrong: &mut Wrong) {
    let Some(expected) = case.row["expected_samples_by_type"].as_object() else { return };
    let mut flows = 0;
    for (name, count) in expected {
        let (what, is_flow) = match &name[..] {
            "Flow sample" => ("flow_sample", true),
            "Expanded flow sample" => ("flow_sample_expanded", true),
            "Counters sample" => ("counters_sample", false),
            "Expanded counters sample" => ("counters_sample_expanded", false),
            other => panic!("{other}"),
        };
        let got = summary.count(&format!("sFlow: {what}"));
        wrong.unless(*count == got, || format!("{got} {what}, expected {count}"));
        flows += if is_flow { got } else { 0 };
    }
    // A sample may be of a frame that is not IP.
    let records = records.iter().filter(|record| record["source"] == "sflow5").count() as u64;
    wrong.unless(records <= flows && (records > 0) == (flows > 0), || {
        format!("{records} records of {flows} sampled packets")
    });
}

/// An expected value in the form in which records have it.
fn wanted(name: &str, value: &Value) -> Value {
    const END_REASONS: [&str; 6] = ["", "idle", "active", "end", "forced", "resources"];
    let unsigned = value.as_u64().unwrap_or(0);
    match name {
        "tos" => json!(unsigned >> 2),
        "tcp_flags" => json!(unsigned & 0xff),
        // Two bits say how it samples.
        "sampling" => json!(unsigned & 0x3fff),
        "end_reason" => json!(END_REASONS[usize::try_from(unsigned).expect("small")]),
        "app_id" => {
            let octets = corpus::octets(value.as_str().expect("hexadecimal digits"));
            let selector = octets[1..].iter().fold(0_u64, |number, &octet| number << 8 | u64::from(octet));
            json!(format!("{}:{selector}", octets[0]))
        }
        _ => value.clone(),
    }
}

/// Where a record may have what an expectation calls `name`. An expectation without such a place is a mistake.
fn compared(name: &str, expected: &Value, record: &Value) -> Vec<Value> {
    let field = |name: &str| vec![record[name].clone()];
    let extra = |name: &str| vec![record["extra"][name].clone()];
    let is_icmp = matches!(expected["proto"].as_u64(), Some(1 | 58));
    let icmp = || {
        let part = |name: &str| record[name].as_u64().unwrap_or(0);
        vec![json!(part("icmp_type") << 8 | part("icmp_code"))]
    };
    // An exporter may give a time in seconds and in milliseconds: expectations may have the former.
    let precise = |field: &str| {
        let millis = record[field].as_u64();
        vec![record[field].clone(), json!(millis.map(|millis| millis / 1_000 * 1_000))]
    };
    match name {
        // Not of the record.
        "index" | "tid" => vec![expected[name].clone()],
        "src" => field("src_ip"),
        "dst" => field("dst_ip"),
        "dst_port" | "icmp_typecode" if is_icmp => icmp(),
        "src_port" | "dst_port" | "icmp_type" | "icmp_code" | "end_reason" | "vlan" | "src_as" | "dst_as"
        | "sampling" => field(name),
        "icmp_typecode" => vec![json!(0)],
        "proto" => field("proto_num"),
        "bytes" if !expected["bytes_total"].is_null() || !expected["init_bytes"].is_null() => {
            vec![expected[name].clone()]
        }
        "packets" if !expected["packets_total"].is_null() => vec![expected[name].clone()],
        "bytes" | "bytes_total" | "init_bytes" => field("bytes_out"),
        "packets" | "packets_total" => field("packets_out"),
        "resp_bytes" | "rev_bytes" => field("bytes_in"),
        "rev_packets" => field("packets_in"),
        "tcp_flags" => field("tcp_flags_out"),
        "tos" => field("dscp"),
        "in_if" => field("ingress_if"),
        "out_if" => field("egress_if"),
        "nexthop" => field("next_hop"),
        "start_ms" => precise("ts_ms"),
        "end_ms" => precise("end_ms"),
        "odid" => field("observation_domain"),
        // When an event ends the flow, its time may be the flow's end.
        "event_ms" => [extra("observation_time_milliseconds"), field("end_ms")].concat(),
        "app_id" => extra("application_id"),
        "direction" => words(extra("flow_direction"), &["ingress", "egress"]),
        "fw_event" => words(extra("firewall_event"), &FIREWALL_EVENTS),
        "nat_src4" => extra("nat_src_ip"),
        "nat_dst4" => extra("nat_dst_ip"),
        "nat_src_port" | "nat_dst_port" | "src_mac" | "dst_mac" => extra(name),
        other => panic!("nothing is known of {other}"),
    }
}

/// IANA's values of `firewallEvent`, from 0 on.
const FIREWALL_EVENTS: [&str; 6] = ["ignored", "created", "deleted", "denied", "alert", "updated"];

/// The numbers that words stand for.
fn words(said: Vec<Value>, words: &[&str]) -> Vec<Value> {
    let number = |value: Value| match words.iter().position(|word| value == *word) {
        Some(number) => number.into(),
        None => value,
    };
    said.into_iter().map(number).collect()
}

/// True when the values are equal; what is absent is zero.
fn is_same(got: &Value, wanted: &Value) -> bool {
    let address = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    let is_zero = |value: &Value| match value {
        Value::Null => true,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => {
            address(value).is_some_and(|ip| ip.is_unspecified()) || text == "00:00:00:00:00:00"
        }
        _ => false,
    };
    got == wanted
        || (is_zero(got) && is_zero(wanted))
        || address(got).is_some_and(|address_got| Some(address_got) == address(wanted))
}

#[test]
fn every_record_of_real_exports_is_there_with_what_it_says() {
    let Some(cases) = corpus::cases() else { return };
    let mut report = Vec::new();
    for case in &cases {
        let run = collect(&case.files);
        run.assert_orderly(case.text("id"));
        let wrong = wrong(case, &run);
        if !wrong.is_empty() {
            let list = wrong.iter().map(|what| format!("    {what}\n")).collect::<String>();
            report.push(format!("{}\n{list}    said: {}", case.text("id"), run.stderr.trim()));
        }
    }
    assert!(report.is_empty(), "{} of {} rows:\n{}", report.len(), cases.len(), report.join("\n"));
}

#[test]
fn a_second_run_over_real_exports_gives_the_same_octets() {
    let Some(cases) = corpus::cases() else { return };
    for case in &cases {
        let (first, second) = (collect(&case.files), collect(&case.files));
        assert!(first.stdout == second.stdout, "{} gives other records the second time", case.text("id"));
        assert_eq!(first.stderr, second.stderr, "{}", case.text("id"));
    }
}

#[test]
fn real_exports_with_changed_octets_end_in_an_orderly_way() {
    let Some(cases) = corpus::cases() else { return };
    let mut random = Random::new(11);
    for case in &cases {
        for _ in 0..DAMAGED {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let damaged = |(at, file): (usize, &PathBuf)| {
                let mut octets = fs::read(file).expect("it can be read");
                for _ in 0..1 + random.below(8) {
                    let at = usize::try_from(random.below(octets.len() as u64)).expect("an index");
                    octets[at] = random.bits().to_le_bytes()[0];
                }
                let path = folder.path().join(at.to_string());
                fs::write(&path, octets).expect("room");
                path
            };
            let files: Vec<_> = case.files.iter().enumerate().map(damaged).collect();
            let run = collect(&files);
            run.assert_orderly(case.text("id"));
            assert!(matches!(run.code, Some(0 | UNDECODABLE)), "{}: {}", case.text("id"), run.stderr);
            // What could be read is still whole records.
            assert_eq!(Summary::of(&run).records, run.records().len() as u64, "{}", case.text("id"));
        }
    }
}
