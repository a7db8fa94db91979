//! Zeek's records over the API: every spelling of their names, every way to put them into a body, and threats in them.

use serde_json::{Value, json};
use weir_tests::agent::Agent;
use weir_tests::ingest::{INGEST, Request, accepted, agent, assert_accepted, body, post, stored, wait_rows};
use weir_tests::meter::number;

const ZEEK: &str = "/v1/ingest/zeek";

/// A line of conn.log as the JSON writer of Zeek makes it.
fn conn() -> Value {
    json!({
        "ts": 1_790_000_000.123_456, "uid": "CHhAvVGS1DHFjwGM9", "id.orig_h": "192.168.1.100", "id.orig_p": 52_134,
        "id.resp_h": "8.8.8.8", "id.resp_p": 53, "proto": "udp", "service": "dns", "duration": 0.25,
        "orig_bytes": 40, "resp_bytes": 120, "conn_state": "SF", "history": "Dd", "orig_pkts": 1,
        "orig_ip_bytes": 68, "resp_pkts": 1, "resp_ip_bytes": 148,
    })
}

fn dns(query: &str) -> Value {
    json!({
        "ts": 1_790_000_001.5, "uid": "CHhAvVGS1DHFjwGM8", "id.orig_h": "192.168.1.100", "id.orig_p": 52_135,
        "id.resp_h": "192.168.1.1", "id.resp_p": 53, "proto": "udp", "trans_id": 7, "query": query, "qtype_name": "A",
        "rcode_name": "NOERROR", "answers": ["198.51.100.9"],
    })
}

/// The same object with `id.orig_h` written `id_orig_h`, or as a member of `id`.
fn respelled(record: &Value, nested: bool) -> Value {
    let mut other = json!({});
    for (name, value) in record.as_object().expect("an object") {
        match name.strip_prefix("id.") {
            Some(end) if nested => other["id"][end] = value.clone(),
            Some(end) => other[format!("id_{end}")] = value.clone(),
            None => other[name] = value.clone(),
        }
    }
    other
}

/// The row without what differs from row to row.
fn meaning(row: &Value) -> Value {
    let mut row = row.clone();
    for name in ["id", "processed_at", "trace_id", "collector_id"] {
        row.as_object_mut().expect("an object").remove(name);
    }
    row
}

#[track_caller]
fn assert_is_conn(row: &Value) {
    assert_eq!((&row["source"], &row["kind"]), (&json!("api"), &json!("flow")), "{row}");
    assert_eq!((&row["src_ip"], &row["src_port"]), (&json!("192.168.1.100"), &json!(52_134)), "{row}");
    assert_eq!((&row["dst_ip"], &row["dst_port"]), (&json!("8.8.8.8"), &json!(53)), "{row}");
    assert_eq!((&row["proto"], &row["service"]), (&json!("udp"), &json!("dns")), "{row}");
    assert_eq!(
        (number(row, "bytes_out"), number(row, "bytes_in")),
        (68, 148),
        "octets of the IP layer: {row}"
    );
    assert_eq!((number(row, "packets_out"), number(row, "packets_in")), (1, 1), "{row}");
    assert_eq!(row["ts"], "2026-09-21T14:13:20.123Z", "{row}");
    assert_eq!(row["dst_geo"]["country"], "US", "not enriched: {row}");
    assert!(row["risk_score"].as_u64() >= Some(10), "{row}");
    assert_eq!(row["extra"]["uid"], "CHhAvVGS1DHFjwGM9", "{row}");
    assert_eq!(number(&row["extra"], "orig_bytes"), 40, "what the log said stays: {row}");
}

#[test]
fn an_envelope_of_zeek_conn_with_underscores_is_accepted_under_every_name_of_its_format() {
    let agent = agent("");
    let record = respelled(&conn(), false);
    assert_eq!(record["id_orig_h"], "192.168.1.100");
    for format in ["zeek.conn.v1", "zeek.conn", "zeek"] {
        accepted(&agent, &json!({"collector_id": "z1", "format": format, "records": [record]}), 1);
    }
    for row in stored(&agent, 3) {
        assert_is_conn(&row);
        assert_eq!(row["collector_id"], "z1", "{row}");
    }
}

#[test]
fn dotted_underscored_and_nested_names_of_zeek_make_equal_rows() {
    let agent = agent("");
    let records = json!([conn(), respelled(&conn(), false), respelled(&conn(), true)]);
    accepted(&agent, &records, 3);
    let rows = stored(&agent, 3);
    assert_is_conn(&rows[0]);
    assert_eq!(meaning(&rows[1]), meaning(&rows[0]));
    assert_eq!(meaning(&rows[2]), meaning(&rows[0]));
}

#[test]
fn the_dotted_names_of_zeek_are_enriched_on_its_own_route() {
    let agent = agent("");
    assert_accepted(&post(&agent, ZEEK, &conn()), 1);
    assert_is_conn(&stored(&agent, 1)[0]);
}

#[test]
fn the_zeek_route_takes_an_array_a_wrapper_one_object_and_lines() {
    let agent = agent("");
    let two = [conn(), dns("www.example.org")];
    let bodies = [
        (json!(two).to_string().into_bytes(), 2),
        (json!({"records": two}).to_string().into_bytes(), 2),
        (conn().to_string().into_bytes(), 1),
        (body::lines(&two), 2),
        (body::gzip(&body::lines(&two)), 2),
    ];
    let mut rows = 0;
    for (body, records) in bodies {
        assert_accepted(&Request::post(ZEEK, body).send(&agent), records);
        rows += records;
        wait_rows(&agent, rows);
    }
}

/// An agent with an indicator list of its own.
fn watchful(list: &std::path::Path) -> Agent {
    std::fs::write(list, "domain:evil-example.com\ndomain:cnc.badco.org\n45.149.3.0/24\n").expect("room");
    agent(&format!("[ti]\nlists = [{list:?}]\n"))
}

fn indicators(row: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let matches = row["ti"]["matches"].as_array().cloned().unwrap_or_default();
    matches.iter().map(|hit| (text(&hit["indicator"]), text(&hit["field"]))).collect()
}

#[test]
fn a_name_that_was_asked_for_is_matched_against_the_indicators() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let agent = watchful(&folder.path().join("list.txt"));
    let plain =
        json!({"ts": 1_790_000_000, "query": "evil-example.com", "src_ip": "10.0.0.5", "dst_ip": "10.0.0.1"});
    accepted(&agent, &json!({"format": "zeek.dns.v1", "records": [dns("evil-example.com")]}), 1);
    wait_rows(&agent, 1);
    accepted(&agent, &json!([dns("Host.CNC.badco.org."), plain, dns("www.example.org")]), 3);
    let rows = stored(&agent, 4);
    for (row, indicator) in rows.iter().zip(["evil-example.com", "cnc.badco.org", "evil-example.com"]) {
        assert_eq!(indicators(row), [(indicator.to_owned(), "domain".to_owned())], "{row}");
        assert!(number(row, "risk_score") >= 70, "{row}");
        assert_eq!(row["kind"], "dns", "{row}");
    }
    assert_eq!(indicators(&rows[3]), [], "{}", rows[3]);
    assert_eq!(agent.metrics()["totals"]["threat_matches"], 3);
}

#[test]
fn the_server_name_of_an_ssl_log_is_a_domain_for_the_indicators() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let agent = watchful(&folder.path().join("list.txt"));
    let ssl = json!({
        "ts": 1_790_000_002.0, "uid": "CHhAvVGS1DHFjwGM7", "id.orig_h": "192.168.1.100", "id.orig_p": 52_136,
        "id.resp_h": "198.51.100.9", "id.resp_p": 443, "version": "TLSv13", "cipher": "TLS_AES_128_GCM_SHA256",
        "server_name": "www.evil-example.com", "resumed": false, "established": true,
    });
    accepted(&agent, &ssl, 1);
    wait_rows(&agent, 1);
    assert_accepted(&post(&agent, ZEEK, &json!([ssl])), 1);
    for row in stored(&agent, 2) {
        assert_eq!((&row["kind"], &row["domain"]), (&json!("tls"), &json!("www.evil-example.com")), "{row}");
        assert_eq!(indicators(&row), [("evil-example.com".to_owned(), "domain".to_owned())], "{row}");
        assert_eq!(row["extra"]["cipher"], "TLS_AES_128_GCM_SHA256", "{row}");
    }
}

#[test]
fn a_batch_of_zeek_with_nothing_usable_says_what_is_missing_in_each_of_the_first_three() {
    let agent = agent("");
    let answer = post(&agent, ZEEK, &json!([{"uid": "a"}, {"uid": "b"}, {"uid": "c"}, {"uid": "d"}]));
    let said = answer.json();
    assert_eq!(answer.status, 207, "{said}");
    assert_eq!(
        (number(&said, "accepted"), number(&said, "rejected"), number(&said, "total")),
        (0, 4, 4),
        "{said}"
    );
    let errors: Vec<_> =
        said["validation_errors"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let told = |at: u32| format!("Record {at}: missing required fields (ts or id.orig_h)");
    assert_eq!(errors, [told(1), told(2), told(3)], "{said}");
    wait_rows(&agent, 0);
}

#[test]
fn a_record_of_zeek_needs_a_time_or_an_originator_and_no_more() {
    let agent = agent("");
    let bare = json!([{"id.orig_h": "192.168.1.100"}, {"ts": 1_790_000_000}]);
    assert_accepted(&post(&agent, ZEEK, &bare), 2);
    let rows = stored(&agent, 2);
    let now = agent.metrics()["now_ms"].as_u64().expect("a time");
    assert!(number(&rows[0], "ts_ms").abs_diff(now) < 60_000, "one without a time is of now: {}", rows[0]);
    assert_eq!(rows[1]["ts"], "2026-09-21T14:13:20.000Z");
    assert_eq!((rows[1].get("bytes"), rows[1].get("src_ip")), (None, None), "no made-up zero: {}", rows[1]);
}

#[test]
fn a_line_of_any_zeek_log_keeps_everything_that_it_said() {
    let agent = agent("");
    let weird = json!({
        "ts": 1_790_000_003.0, "uid": "C1", "id.orig_h": "2001:db8::1", "id.orig_p": 1, "id.resp_h": "2001:db8::2",
        "id.resp_p": 2, "name": "bad_TCP_checksum", "notice": false, "peer": "worker-1", "addl": [1, 2.5, "x"],
    });
    accepted(&agent, &json!({"format": "zeek.weird.v1", "records": [weird]}), 1);
    assert_eq!(post(&agent, INGEST, &json!({"format": "zeek.", "records": [weird]})).status, 400);
    let row = stored(&agent, 1).remove(0);
    assert_eq!((&row["kind"], &row["src_ip"]), (&json!("weird"), &json!("2001:db8::1")), "{row}");
    for name in ["name", "notice", "peer", "addl", "uid"] {
        assert_eq!(row["extra"][name], weird[name], "{name}: {row}");
    }
}
