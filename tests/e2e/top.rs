//! Who and what had most of the traffic, and charts of it: they are sums over the rows.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_tests::agent::Agent;
use weir_tests::ingest::record::flow;
use weir_tests::ingest::{Request, accepted, agent, assert_refused, wait_rows};
use weir_tests::meter::number;

const RECORDS: u64 = 200;

fn filled() -> (Agent, Vec<Value>) {
    let peers = ["198.51.100.7", "8.8.8.8", "1.1.1.1", "9.9.9.9"];
    let make = |at: u64| {
        let mut record = flow(at);
        record["src_ip"] = json!(format!("10.0.0.{}", at % 9 + 1));
        record["dst_ip"] = json!(peers[(at * at) as usize % peers.len()]);
        record["dst_port"] = json!(1 + at % 13);
        record["service"] = json!(["https", "dns", "ssh"][at as usize % 3]);
        record["domain"] = json!(format!("host{}.example.org", at % 5));
        record["bytes"] = json!(1_000 + at * at);
        record
    };
    let agent = agent("");
    accepted(&agent, &(0..RECORDS).map(make).collect(), RECORDS);
    wait_rows(&agent, RECORDS);
    let rows = agent.get("/v1/events/recent?limit=1000")["events"].as_array().cloned().expect("a list");
    (agent, rows)
}

/// What a row counts for.
fn keys(dimension: &str, row: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let pointers: &[&str] = match dimension {
        "talkers" => &["/src_ip", "/dst_ip"],
        "countries" => &["/src_geo/country", "/dst_geo/country"],
        "asns" => &["/src_asn/asn", "/dst_asn/asn"],
        "ports" => &["/dst_port"],
        "services" => &["/service"],
        "domains" => &["/domain"],
        _ => &["/ti/matches/0/indicator"],
    };
    let mut keys: Vec<_> = pointers.iter().filter_map(|at| text(row.pointer(at)?)).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn ranked(rows: &[Value], dimension: &str, measure: &str) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::<String, u64>::new();
    for row in rows {
        let value = match measure {
            "octets" => number(row, "bytes"),
            "packets" => number(row, "packets"),
            _ => 1,
        };
        for key in keys(dimension, row) {
            *sums.entry(key).or_default() += value;
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sums
}

#[test]
fn every_dimension_is_ranked_by_every_measure_as_the_rows_add_up() {
    let (agent, rows) = filled();
    for dimension in ["talkers", "countries", "asns", "ports", "services", "domains", "threats"] {
        for measure in ["octets", "packets", "flows"] {
            let answer = agent.get(&format!("/v1/top?dimension={dimension}&by={measure}&limit=7"));
            assert_eq!((&answer["exact"], &answer["error"]), (&json!(true), &json!(0)), "{answer}");
            assert_eq!(
                (&answer["dimension"], &answer["by"]),
                (&json!(dimension), &json!(measure)),
                "{answer}"
            );
            assert_eq!(answer["complete"], true, "{answer}");
            let mut expected = ranked(&rows, dimension, measure);
            assert!(dimension == "threats" || !expected.is_empty(), "{dimension} is tried on nothing");
            let all = expected.clone();
            expected.truncate(7);
            let entries = answer["entries"].as_array().expect("a list");
            let told: Vec<_> = entries
                .iter()
                .map(|entry| (entry["key"].as_str().expect("a key").to_owned(), number(entry, measure)))
                .collect();
            // Of equals none is before the other.
            let values = |list: &[(String, u64)]| list.iter().map(|entry| entry.1).collect::<Vec<_>>();
            assert_eq!(values(&told), values(&expected), "{dimension} by {measure}");
            assert!(told.iter().all(|entry| all.contains(entry)), "{dimension} by {measure}: {told:?}");
        }
    }
}

#[test]
fn a_ranking_may_be_of_rows_that_fit_conditions() {
    let (agent, rows) = filled();
    let fitting: Vec<_> = rows.into_iter().filter(|row| row["dst_ip"] == "8.8.8.8").collect();
    let answer = agent.get("/v1/top?dimension=ports&by=flows&limit=1000&dst_ip=8.8.8.8");
    let entries = answer["entries"].as_array().expect("a list");
    let expected = ranked(&fitting, "ports", "flows");
    assert!(expected.len() > 3);
    assert_eq!(entries.len(), expected.len(), "{answer}");
    assert_eq!(entries.iter().map(|entry| number(entry, "flows")).sum::<u64>(), fitting.len() as u64);
}

#[test]
fn a_series_adds_up_to_the_rows_of_the_last_day() {
    let (agent, rows) = filled();
    for (step, minutes) in [("", 1), ("&step=5m", 5), ("&step=1h", 60), ("&step=1d", 1_440)] {
        let answer = agent.get(&format!("/v1/timeseries?timeout_ms=9000{step}"));
        assert_eq!(
            (&answer["step_minutes"], &answer["complete"]),
            (&json!(minutes), &json!(true)),
            "{answer}"
        );
        let steps = answer["steps"].as_array().expect("a list");
        assert!(!steps.is_empty(), "{answer}");
        for name in ["flows", "packets", "octets"] {
            let expected = match name {
                "flows" => RECORDS,
                "packets" => rows.iter().map(|row| number(row, "packets")).sum(),
                _ => rows.iter().map(|row| number(row, "bytes")).sum(),
            };
            assert_eq!(
                steps.iter().map(|step| number(step, name)).sum::<u64>(),
                expected,
                "{name}: {answer}"
            );
        }
        for at in steps.iter().map(|step| number(step, "ts_ms")) {
            assert_eq!(at % (minutes * 60_000), 0, "{answer}");
        }
        assert!(answer["from"].is_string() && answer["to"].is_string(), "{answer}");
    }
    let old = agent.get("/v1/timeseries?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z");
    assert_eq!(old["steps"], json!([]), "{old}");
}

#[test]
fn what_cannot_be_ranked_or_drawn_is_refused() {
    let agent = agent("");
    for (path, says) in [
        ("/v1/top", "dimension"),
        ("/v1/top?dimension=colours", "talkers"),
        ("/v1/top?dimension=ports&by=weight", "octets"),
        ("/v1/top?dimension=ports&limit=1001", "limit"),
        ("/v1/top?dimension=ports&step=1m", "step"),
        ("/v1/top?dimension=ports&from=2100-01-01T00:00:00Z", "from"),
        ("/v1/timeseries?step=0m", "step"),
        ("/v1/timeseries?step=1w", "step"),
        ("/v1/timeseries?from=0&to=1790000000&step=1m", "longer step"),
        ("/v1/timeseries?dimension=ports", "dimension"),
    ] {
        let said = assert_refused(&Request::new("GET", path, "").send(&agent), 422, "validation_failed");
        assert!(said["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{path}: {said}");
    }
}
