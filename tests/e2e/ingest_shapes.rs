//! What `POST /v1/ingest` takes: every shape of body, every way to say time and protocol, and what becomes of it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use weir_tests::agent::Agent;
use weir_tests::ingest::record::{flow, flows, number_of};
use weir_tests::ingest::{
    INGEST, Request, accepted, agent, assert_accepted, assert_refused, body, post, row_of, stored, wait_rows,
};
use weir_tests::meter::{command, finished};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/samples");

/// Checks that `body`, as it is, brings `records` more rows than the agent has.
#[track_caller]
fn brings(agent: &Agent, request: &Request, records: u64, rows: &mut u64) {
    assert_accepted(&request.send(agent), records);
    *rows += records;
    wait_rows(agent, *rows);
}

#[test]
fn a_bare_array_of_records_is_accepted_and_counted() {
    let agent = agent("");
    accepted(&agent, &flows(0..3), 3);
    let numbers: Vec<_> = stored(&agent, 3).iter().map(number_of).collect();
    assert_eq!(numbers, [0, 1, 2], "rows keep the order of the body");
}

#[test]
fn an_envelope_names_its_collector_and_every_row_of_it_says_so() {
    let agent = agent("");
    let envelope = json!({"collector_id": "branch-17", "format": "flows.v1", "records": flows(0..2)});
    accepted(&agent, &envelope, 2);
    for row in stored(&agent, 2) {
        assert_eq!(row["collector_id"], "branch-17", "{row}");
        assert_eq!(row["source"], "api", "{row}");
    }
}

#[test]
fn the_format_may_be_called_type_and_the_members_of_an_envelope_may_come_in_any_order() {
    let agent = agent("");
    let record = r#"{"ts":1790000000,"src_ip":"10.0.0.1","dst_ip":"10.0.0.2","src_port":1,"dst_port":2,"protocol":"tcp"}"#;
    let mut rows = 0;
    for text in [
        format!(r#"{{"type":"flows.v1","collector_id":"a","records":[{record}]}}"#),
        format!(r#"{{"records":[{record}],"format":"flows.v1","collector_id":"a"}}"#),
        format!(r#"{{"collector_id":"a","records":[{record}],"type":"flows"}}"#),
    ] {
        brings(&agent, &Request::post(INGEST, text), 1, &mut rows);
    }
    for row in stored(&agent, rows) {
        assert_eq!((&row["collector_id"], &row["dst_port"]), (&json!("a"), &json!(2)), "{row}");
    }
}

#[test]
fn a_wrapper_without_collector_or_format_is_accepted() {
    let agent = agent("");
    accepted(&agent, &json!({"records": flows(0..2)}), 2);
    for row in stored(&agent, 2) {
        assert_eq!(row.get("collector_id"), None, "nobody said one: {row}");
    }
}

#[test]
fn one_object_is_one_record() {
    let row = row_of(&flow(5));
    assert_eq!(number_of(&row), 5);
}

#[test]
fn lines_of_json_are_records_whatever_type_is_said() {
    let agent = agent("");
    let mut rows = 0;
    let records = [flow(0), flow(1), flow(2)];
    let plain = body::lines(&records);
    for kind in ["application/x-ndjson", "application/json", "text/plain"] {
        brings(&agent, &Request::post(INGEST, plain.clone()).with("Content-Type", kind), 3, &mut rows);
    }
    // Blank lines, CR LF, and a last line without its end.
    let text = records.iter().map(Value::to_string).collect::<Vec<_>>().join("\r\n\r\n");
    brings(&agent, &Request::post(INGEST, text), 3, &mut rows);
}

#[test]
fn a_byte_order_mark_and_space_around_a_body_change_nothing() {
    let agent = agent("");
    let mut rows = 0;
    for text in [format!("\u{feff}{}", flows(0..2)), format!(" \r\n\t{} \n", flows(0..2))] {
        brings(&agent, &Request::post(INGEST, text), 2, &mut rows);
    }
}

#[test]
fn a_body_that_says_it_is_gzip_is_inflated() {
    let agent = agent("");
    let zipped = body::gzip(flows(0..100).to_string().as_bytes());
    assert_accepted(&Request::post(INGEST, zipped).with("Content-Encoding", "gzip").send(&agent), 100);
    wait_rows(&agent, 100);
}

#[test]
fn gzip_is_found_by_its_magic_number_without_a_header() {
    let agent = agent("");
    let zipped = body::gzip(flows(0..100).to_string().as_bytes());
    assert_eq!(zipped[..2], [0x1f, 0x8b]);
    assert_accepted(&Request::post(INGEST, zipped).send(&agent), 100);
    wait_rows(&agent, 100);
}

#[test]
fn gzip_of_several_members_and_zstd_are_inflated() {
    let agent = agent("");
    let mut rows = 0;
    let lines = body::lines(&[flow(0), flow(1)]);
    let members = [body::gzip(&lines[..30]), body::gzip(&lines[30..])].concat();
    brings(&agent, &Request::post(INGEST, members), 2, &mut rows);
    let packed = body::zstd(&lines);
    brings(&agent, &Request::post(INGEST, packed.clone()).with("Content-Encoding", "zstd"), 2, &mut rows);
    brings(&agent, &Request::post(INGEST, packed), 2, &mut rows);
    brings(&agent, &Request::post(INGEST, lines).with("Content-Encoding", "identity"), 2, &mut rows);
}

#[test]
fn an_unknown_field_stays_with_the_stored_record() {
    let mut record = flow(1);
    record["app"] = json!("dns");
    record["labels"] = json!({"site": "b17", "rack": [1, 2.5, true, null]});
    let row = row_of(&record);
    assert_eq!(row["extra"]["app"], "dns", "{row}");
    assert_eq!(row["extra"]["labels"], record["labels"], "{row}");
    assert_eq!(row.get("service"), None, "an app is no service: {row}");
}

#[test]
fn seconds_milliseconds_and_rfc_3339_text_are_the_same_instant() {
    let agent = agent("");
    let times = [
        ("ts", json!(1_790_000_000.25)),
        ("ts", json!(1_790_000_000_250_u64)),
        ("ts", json!("2026-09-21T14:13:20.250Z")),
        ("time", json!("2026-09-21T16:13:20.25+02:00")),
        ("time", json!(1_790_000_000_250_000_u64)),
        ("@timestamp", json!("2026-09-21T14:13:20.250Z")),
        ("timestamp", json!("1790000000.25")),
        ("timestamp", json!(1_790_000_000_250_u64)),
    ];
    let records: Value = times
        .iter()
        .map(|(name, time)| {
            let mut record = flow(0);
            record.as_object_mut().expect("an object").remove("ts");
            record[*name] = time.clone();
            record
        })
        .collect();
    accepted(&agent, &records, times.len() as u64);
    for (row, said) in stored(&agent, times.len() as u64).iter().zip(times) {
        assert_eq!(row["ts"], "2026-09-21T14:13:20.250Z", "{said:?}");
        assert_eq!(row["ts_ms"], 1_790_000_000_250_u64, "{said:?}");
    }
}

#[test]
fn a_protocol_is_a_name_in_any_case_or_a_number_under_either_member() {
    let agent = agent("");
    let said = [
        ("protocol", json!("udp"), "udp", 17),
        ("protocol", json!("UDP"), "udp", 17),
        ("proto", json!("udp"), "udp", 17),
        ("proto", json!(17), "udp", 17),
        ("protocol", json!("17"), "udp", 17),
        ("protocol", json!(6), "tcp", 6),
        ("proto", json!("TCP"), "tcp", 6),
        ("protocol", json!("icmp"), "icmp", 1),
        ("protocol", json!(47), "gre", 47),
    ];
    let records: Value = said
        .iter()
        .map(|(name, value, ..)| {
            let mut record = flow(0);
            record.as_object_mut().expect("an object").remove("protocol");
            record[*name] = value.clone();
            record
        })
        .collect();
    accepted(&agent, &records, said.len() as u64);
    for (row, (name, value, proto, number)) in stored(&agent, said.len() as u64).iter().zip(said) {
        assert_eq!((&row["proto"], &row["proto_num"]), (&json!(proto), &json!(number)), "{name}: {value}");
        assert_eq!(row.get("protocol"), None, "one name only: {row}");
    }
}

#[test]
fn a_stored_flow_is_enriched_and_says_so_in_the_names_of_the_contract() {
    let mut record = flow(0);
    record["dst_ip"] = json!("8.8.8.8");
    record["dst_port"] = json!(3389);
    let row = row_of(&record);
    assert_eq!(row["dst_geo"]["country"], "US", "{row}");
    assert_eq!((&row["geo"], &row["asn"]), (&row["dst_geo"], &row["dst_asn"]), "the remote side: {row}");
    assert_eq!(row["asn"]["asn"], 15_169, "{row}");
    assert_eq!((&row["bytes"], &row["packets"]), (&json!(1_200), &json!(9)), "{row}");
    assert_eq!((&row["bytes_out"], &row["bytes_in"]), (&json!(1_200), &json!(0)), "{row}");
    assert_eq!(row["risk_score"], 20, "{row}");
    let points = row["risk_reasons"].as_array().expect("a list").iter().map(|reason| &reason["points"]);
    assert_eq!(points.filter_map(Value::as_u64).sum::<u64>(), 20, "{row}");
    assert!(row["id"].as_str().is_some_and(|id| id.ends_with("-1")), "{row}");
}

#[test]
fn an_answer_has_counts_only_and_its_trace_id_is_that_of_the_rows() {
    let agent = agent("");
    let request = Request::post(INGEST, flows(0..2).to_string()).with("X-Request-ID", "job-2026.11-7");
    let answer = request.send(&agent);
    assert_accepted(&answer, 2);
    assert!(answer.head.contains("x-request-id: job-2026.11-7"), "{}", answer.head);
    assert!(answer.head.contains("x-api-version: v1"), "{}", answer.head);
    assert_eq!(answer.json().get("records"), None, "enrichment comes later");
    for row in stored(&agent, 2) {
        assert_eq!(row["trace_id"], "job-2026.11-7", "{row}");
    }
}

#[test]
fn the_samples_that_weir_ships_are_accepted() {
    let agent = agent("");
    let mut rows = 0;
    let mut names: Vec<_> =
        std::fs::read_dir(SAMPLES).expect(SAMPLES).map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    for path in names {
        let answer = Request::post(INGEST, std::fs::read(&path).expect("readable")).send(&agent);
        let accepted = answer.json()["accepted"].as_u64().unwrap_or_default();
        assert!(accepted > 0, "{}: {}", path.display(), answer.json());
        assert_accepted(&answer, accepted);
        rows += accepted;
    }
    for row in stored(&agent, rows) {
        assert!(row["src_ip"].is_string() && row["risk_score"].is_u64(), "{row}");
    }
}

#[test]
fn the_schemas_are_listed_and_each_is_served() {
    let agent = agent("");
    let listed = agent.get("/v1/schema");
    assert_eq!(listed["enriched_schema"], "enriched.v1.schema.json", "{listed}");
    for format in ["flows.v1", "zeek.conn.v1"] {
        assert_eq!(listed["input_schemas"][format], format!("{format}.schema.json"), "{listed}");
    }
    let inputs = listed["input_schemas"].as_object().expect("an object").values();
    for name in inputs.chain([&listed["enriched_schema"]]).filter_map(Value::as_str) {
        let schema = agent.get(&format!("/v1/schema/{name}"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
    }
    let missing = Request::new("GET", "/v1/schema/nobody.v1.schema.json", "").send(&agent);
    assert_refused(&missing, 404, "not_found");
}

/// What a validator of JSON Schema says of `instance`: nothing, or each mistake.
fn mistakes(schema: &Value, instance: &Value) -> String {
    const SCRIPT: &str = "import json, sys, jsonschema\n\
        schema, instance = json.load(sys.stdin)\n\
        kind = jsonschema.Draft202012Validator\n\
        kind.check_schema(schema)\n\
        for error in kind(schema).iter_errors(instance): print(error.json_path, error.message)";
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut python = python.spawn().expect("python3 runs");
    let input =
        python.stdin.take().map(|mut to| to.write_all(json!([schema, instance]).to_string().as_bytes()));
    input.expect("a pipe").expect("it is read");
    let output = python.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "python3-jsonschema is needed: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn samples_and_stored_rows_fit_the_schemas_and_broken_ones_do_not() {
    let agent = agent("");
    let schema = |name: &str| agent.get(&format!("/v1/schema/{name}.schema.json"));
    let sample = |name: &str| -> Value {
        let text = std::fs::read(Path::new(SAMPLES).join(name)).expect(name);
        serde_json::from_slice(&text).expect(name)
    };
    let records =
        |sample: &Value| sample.get("records").unwrap_or(sample).as_array().cloned().expect("a list");
    for (name, file) in [
        ("flows.v1", "flows_v1.json"),
        ("zeek.conn.v1", "zeek_conn.json"),
        ("zeek.conn.v1", "zeek_conn_small.json"),
    ] {
        let (schema, sample) = (schema(name), sample(file));
        for record in records(&sample) {
            assert_eq!(mistakes(&schema, &record), "", "{file}: {record}");
            let mut broken = record.clone();
            broken.as_object_mut().expect("an object").remove("ts");
            assert_ne!(mistakes(&schema, &broken), "", "{file} without a time fits all the same");
        }
        accepted(&agent, &sample, records(&sample).len() as u64);
    }
    accepted(&agent, &flows(0..3), 3);
    let rows = agent.metrics()["ingest"]["records_accepted"].as_u64().unwrap_or_default();
    let enriched = schema("enriched.v1");
    for row in stored(&agent, rows) {
        assert_eq!(mistakes(&enriched, &row), "", "{row}");
    }
    assert_ne!(mistakes(&enriched, &json!({"ts": 1})), "", "anything fits the schema of rows");
}

#[test]
fn what_weir_does_not_do_is_no_setting() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    for section in ["kafka", "qradar", "datadog", "ja3"] {
        std::fs::write(&file, format!("[{section}]\nenabled = true\n")).expect("room");
        let run = finished(command().arg("check").arg(&file));
        assert_eq!(run.code, Some(78), "{section}: {}", run.stderr);
        assert!(run.stderr.contains(section), "{}", run.stderr);
    }
}

#[test]
fn what_comes_in_is_counted_in_the_metrics() {
    let agent = agent("");
    accepted(&agent, &flows(0..7), 7);
    assert_refused(&post(&agent, INGEST, &json!([])), 400, "empty_batch");
    wait_rows(&agent, 7);
    let metrics = agent.metrics();
    assert_eq!(metrics["ingest"]["records_accepted"], 7, "{metrics}");
    assert_eq!(metrics["ingest"]["batches"], 1, "{metrics}");
    assert_eq!(metrics["records_processed"], 7, "{metrics}");
    assert_eq!(
        (&metrics["ingest"]["queue_records"], &metrics["ingest"]["queue_bound"]),
        (&json!(0), &json!(10_000))
    );
}
