//! What is wrong with a request is told: by code for programs, in a sentence for people, and never with what is inside.

use serde_json::{Value, json};
use weir_tests::agent::Agent;
use weir_tests::http::Answer;
use weir_tests::ingest::record::{flow, flows};
use weir_tests::ingest::{
    INGEST, Request, accepted, agent, assert_accepted, assert_refused, body, post, stored, wait_rows,
};
use weir_tests::meter::number;

const ROUTES: [&str; 4] = [INGEST, "/v1/ingest/zeek", "/v1/ingest/netflow", "/v1/ingest/bulk"];

fn raw(agent: &Agent, body: impl Into<Vec<u8>>) -> Answer {
    Request::post(INGEST, body).send(agent)
}

#[test]
fn a_batch_without_any_time_is_refused_with_the_names_that_a_time_may_have() {
    let agent = agent("");
    let mut record = flow(0);
    record.as_object_mut().expect("an object").remove("ts");
    for body in [json!(record), json!([record]), json!([record, record]), json!({"records": [record]})] {
        let said = assert_refused(&post(&agent, INGEST, &body), 400, "validation_failed");
        let detail = said["detail"].as_str().expect("a sentence");
        for name in ["ts", "time", "@timestamp", "timestamp"] {
            assert!(detail.contains(name), "{name} is not named: {said}");
        }
    }
    wait_rows(&agent, 0);
}

#[test]
fn of_a_batch_that_is_bad_in_parts_the_good_records_are_kept_and_the_first_three_bad_ones_told() {
    let agent = agent("");
    let bad = |value: Value| {
        let mut record = flow(9);
        record["dst_ip"] = value;
        record
    };
    let answer = post(&agent, INGEST, &json!([flow(0), bad(json!("no address"))]));
    let said = answer.json();
    assert_eq!(answer.status, 207, "{said}");
    assert_eq!(said["status"], "partial", "{said}");
    assert_eq!(
        (number(&said, "accepted"), number(&said, "rejected"), number(&said, "total")),
        (1, 1, 2),
        "{said}"
    );
    let errors = said["validation_errors"].as_array().expect("a list");
    assert_eq!(errors.len(), 1, "{said}");
    assert!(
        errors[0].as_str().is_some_and(|told| told.starts_with("Record 2: ") && told.contains("dst_ip")),
        "{said}"
    );
    wait_rows(&agent, 1);
    let mixed = json!([
        bad(json!("999.1.1.1")), flow(1), 5, flow(2), {"ts": "yesterday"}, {"ts": 1, "src_port": 70_000}, {"ts": 1, "protocol": "nothing"},
        {"ts": 1, "bytes": -4}, null, "text", []
    ]);
    let said = post(&agent, INGEST, &mixed).json();
    assert_eq!(
        (number(&said, "accepted"), number(&said, "rejected"), number(&said, "total")),
        (2, 9, 11),
        "{said}"
    );
    let errors: Vec<_> =
        said["validation_errors"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(errors.len(), 3, "{said}");
    for (error, record) in errors.iter().zip(["Record 1: ", "Record 3: ", "Record 5: "]) {
        assert!(error.starts_with(record), "{error}");
    }
    wait_rows(&agent, 3);
    let reasons = &agent.metrics()["ingest"]["records_rejected"];
    for (reason, count) in [
        ("bad_address", 2),
        ("not_an_object", 4),
        ("bad_time", 1),
        ("bad_port", 1),
        ("bad_protocol", 1),
        ("bad_number", 1),
    ] {
        assert_eq!(reasons[reason], count, "{reason} in {reasons}");
    }
}

#[test]
fn an_empty_batch_is_refused_in_every_shape() {
    let agent = agent("");
    for body in ["[]", " [ ] ", r#"{"records":[]}"#, "", "\n\n", "\u{feff}"] {
        assert_refused(&raw(&agent, body), 400, "empty_batch");
    }
    assert_refused(&raw(&agent, body::gzip(b"[]")), 400, "empty_batch");
    assert_refused(
        &post(&agent, "/v1/ingest/bulk", &json!({"type": "zeek", "records": []})),
        400,
        "empty_batch",
    );
}

#[test]
fn json_of_another_kind_is_refused_with_a_hint() {
    let agent = agent("");
    for body in [
        r#""text""#,
        "42",
        "null",
        "true",
        r#"{"records":5}"#,
        r#"{"records":{"ts":1}}"#,
        r#"{"records":null}"#,
    ] {
        let said = assert_refused(&raw(&agent, body), 400, "bad_batch_shape");
        assert!(said["hint"].as_str().is_some_and(|hint| hint.contains("array")), "{body}: {said}");
    }
}

#[test]
fn an_array_of_what_are_no_objects_is_the_clients_fault() {
    let agent = agent("");
    let said = assert_refused(&raw(&agent, "[1,2]"), 400, "validation_failed");
    assert_eq!((number(&said, "rejected"), number(&said, "total")), (2, 2), "{said}");
    for body in ["[[]]", "[null]", r#"["a"]"#, "[true,[{}]]"] {
        assert_refused(&raw(&agent, body), 400, "validation_failed");
    }
}

#[test]
fn text_that_is_not_json_is_refused_whole() {
    let agent = agent("");
    let whole = flows(0..3).to_string();
    let cut = &whole[..whole.len() - 5];
    for body in [
        cut,
        "[",
        "{",
        "]",
        "[{]",
        r#"{"records":[{"ts":1}"#,
        r#"[{"ts":1},]"#,
        r#"[{"ts":1}{"ts":2}]"#,
        r#"[{"ts":1}] trailing"#,
        r#"[{"ts":1}][{"ts":1}]"#,
        "ts=1&src_ip=10.0.0.1",
        "<flow/>",
    ] {
        assert_refused(&raw(&agent, body), 400, "invalid_json");
    }
    wait_rows(&agent, 0);
}

#[test]
fn octets_that_are_not_utf_8_are_refused() {
    let agent = agent("");
    for octets in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"caf\xe9"] {
        let body = [br#"[{"ts":1790000000,"src_ip":"10.0.0.1","name":""#, octets, br#""}]"#].concat();
        assert_refused(&raw(&agent, body), 400, "invalid_encoding");
    }
    wait_rows(&agent, 0);
    let mut proper = flow(0);
    proper["name"] = json!("café 東京 \u{1f980}");
    accepted(&agent, &proper, 1);
    assert_eq!(stored(&agent, 1)[0]["extra"]["name"], proper["name"]);
}

#[test]
fn gzip_that_is_damaged_cut_or_none_is_the_clients_fault() {
    let agent = agent("");
    let whole = body::gzip(flows(0..100).to_string().as_bytes());
    let mut wrong_sum = whole.clone();
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    for body in
        [wrong_sum, whole[..whole.len() / 2].to_vec(), whole[..5].to_vec(), b"\x1f\x8bnonsense".to_vec()]
    {
        assert_refused(&raw(&agent, body), 400, "decompress_failed");
    }
    // Damage in the middle inflates to other text, which may be no JSON before the sum shows it.
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0xa5);
    let answer = raw(&agent, damaged);
    let error = answer.json()["error"].clone();
    assert_refused(&answer, 400, if error == "invalid_json" { "invalid_json" } else { "decompress_failed" });
    let plain = Request::post(INGEST, flows(0..1).to_string()).with("Content-Encoding", "gzip").send(&agent);
    assert_refused(&plain, 400, "decompress_failed");
    wait_rows(&agent, 0);
}

#[test]
fn an_encoding_that_weir_does_not_know_is_named_with_those_that_it_knows() {
    let agent = agent("");
    for encoding in ["br", "deflate", "gzip, gzip", "rot13"] {
        let answer =
            Request::post(INGEST, flows(0..1).to_string()).with("Content-Encoding", encoding).send(&agent);
        let said = assert_refused(&answer, 415, "unsupported_encoding");
        assert!(said["detail"].as_str().is_some_and(|detail| detail.contains("gzip")), "{said}");
    }
}

#[test]
fn a_format_that_weir_does_not_know_is_refused_with_those_that_it_knows() {
    let agent = agent("");
    for envelope in [
        json!({"format": "syslog.v1", "records": flows(0..1)}),
        json!({"type": "flows.v9", "records": flows(0..1)}),
    ] {
        let said = assert_refused(&post(&agent, INGEST, &envelope), 400, "unknown_format");
        let detail = said["detail"].as_str().expect("a sentence");
        assert!(detail.contains("flows.v1") && detail.contains("zeek.conn.v1"), "{said}");
    }
    wait_rows(&agent, 0);
}

#[test]
fn without_a_key_nothing_is_taken_and_a_wrong_key_is_told_from_none() {
    let agent = agent("");
    for path in ROUTES {
        let none = agent.call("POST", path, None, Some(&flows(0..1))).expect("an answer");
        assert_refused(&none, 401, "unauthorized");
        let wrong = agent.call("POST", path, Some("TEST_KEY"), Some(&flows(0..1))).expect("an answer");
        assert_refused(&wrong, 401, "unauthorized");
        assert_ne!(none.json()["detail"], wrong.json()["detail"]);
        assert_refused(&Request::new("GET", path, "").send(&agent), 405, "method_not_allowed");
    }
    wait_rows(&agent, 0);
}

#[test]
fn every_refusal_is_counted_by_its_reason() {
    let agent = agent("");
    let requests = [
        ("invalid_json", raw(&agent, "[")),
        ("invalid_format", post(&agent, INGEST, &json!({"format": "x", "records": [{}]}))),
        ("no_records", raw(&agent, "[]")),
        ("too_many_records", raw(&agent, flows(0..10_001).to_string())),
        ("over_size", raw(&agent, vec![b' '; 5 * 1_048_576 + 1])),
        ("missing_fields", raw(&agent, r#"[{"src_ip":"10.0.0.1"}]"#)),
    ];
    let dropped = &agent.metrics()["http_dropped_total"];
    for (reason, answer) in requests {
        assert!(answer.status >= 400, "{reason}");
        assert_eq!(dropped[reason], 1, "{reason} in {dropped}");
    }
}

#[test]
fn bad_parameters_of_a_search_are_named_without_a_trace_of_the_inside() {
    let agent = agent("");
    for (query, named) in [
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1;drop", "limit"),
        ("offset=-1", "offset"),
        ("offset=x", "offset"),
        ("after=x", "after"),
        ("before=2026-13-45", "before"),
        ("after=%27%20OR%201=1--", "after"),
        ("order=sideways", "order"),
    ] {
        let answer = Request::new("GET", &format!("/v1/events/recent?{query}"), "").send(&agent);
        let said = assert_refused(&answer, 422, "validation_failed");
        assert!(said["detail"].as_str().is_some_and(|detail| detail.contains(named)), "{query}: {said}");
    }
}

#[test]
fn a_search_is_paged_and_bounded_in_time() {
    let agent = agent("");
    accepted(&agent, &flows(0..130), 130);
    wait_rows(&agent, 130);
    let page = |query: &str| -> Vec<u64> {
        let answer = agent.get(&format!("/v1/events/recent?{query}"));
        let events = answer["events"].as_array().expect("a list");
        assert_eq!(number(&answer, "count"), events.len() as u64, "{answer}");
        events.iter().map(weir_tests::ingest::record::number_of).collect()
    };
    assert_eq!(page("limit=50"), (80..130).rev().collect::<Vec<_>>(), "the newest first");
    assert_eq!(page("limit=50&offset=50"), (30..80).rev().collect::<Vec<_>>());
    assert_eq!(page("limit=50&offset=100"), (0..30).rev().collect::<Vec<_>>());
    assert_eq!(page("offset=130"), Vec::<u64>::new());
    // The flow with number n starts n milliseconds after the first.
    let after = "2026-09-21T14:13:20.100Z";
    let late = page(&format!("after={after}&limit=1000"));
    assert!(late.len() >= 29 && late.iter().all(|&number| number >= 100), "{late:?}");
    let early = page(&format!("before={after}&limit=1000"));
    assert!(early.len() >= 100 && early.iter().all(|&number| number <= 100), "{early:?}");
}

#[test]
fn a_failure_inside_is_told_by_a_trace_id_alone() {
    let agent = agent("");
    let (file, aside) = (agent.data_dir.join("weir.db"), agent.data_dir.join("elsewhere"));
    // The store has its file open; whoever opens it anew, as a first search does, finds none.
    std::fs::rename(&file, &aside).expect("it is there");
    let request = Request::new("GET", "/v1/events/recent", "").with("X-Request-ID", "who-reads-this");
    let answer = request.send(&agent);
    std::fs::rename(&aside, &file).expect("it is there");
    let said = assert_refused(&answer, 503, "store_unavailable");
    assert_eq!(said["trace_id"], "who-reads-this", "{said}");
    let folder = agent.data_dir.to_str().expect("UTF-8");
    assert!(!said.to_string().contains(folder), "{said}");
    let log = agent.log();
    assert!(
        log.lines().any(|line| line.contains("who-reads-this") && line.contains("weir.db")),
        "the log says why:\n{log}"
    );
    assert_accepted(&raw(&agent, flows(0..1).to_string()), 1);
    wait_rows(&agent, 1);
}
