//! How much one request may bring, and what bodies that are made to fill the memory come to.

use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::agent::Agent;
use weir_tests::ingest::record::{flow, flows, padded};
use weir_tests::ingest::watch::Watch;
use weir_tests::ingest::{INGEST, Request, agent, assert_accepted, assert_refused, body, wait_rows};
use weir_tests::meter::number;
use weir_tests::random::Random;

const MIB: usize = 1 << 20;
/// Octets of a body as it is sent.
const MAX_BODY: usize = 5 * MIB;
/// Records of one request.
const MAX_RECORDS: u64 = 10_000;
/// What sixteen bodies and the pieces that two workers inflate may take; the bombs would come to three gigabytes.
const FLAT: u64 = 48 << 20;

fn post(agent: &Agent, body: impl Into<Vec<u8>>) -> weir_tests::http::Answer {
    Request::post(INGEST, body).send(agent)
}

/// One record and as many spaces that all is `octets` long.
fn spaced(octets: usize) -> Vec<u8> {
    let mut body = json!([flow(0)]).to_string().into_bytes();
    body.resize(octets, b' ');
    body
}

#[test]
fn a_body_of_5_mib_is_accepted_and_one_octet_more_is_too_much() {
    let agent = agent("");
    assert_accepted(&post(&agent, spaced(MAX_BODY)), 1);
    let said = assert_refused(&post(&agent, spaced(MAX_BODY + 1)), 413, "batch_too_large");
    assert_eq!(
        (&said["limit_bytes"], &said["actual_bytes"]),
        (&json!(MAX_BODY), &json!(MAX_BODY + 1)),
        "{said}"
    );
    assert!(said.as_object().expect("an object").contains_key("content_encoding"), "{said}");
    for path in ["/v1/ingest/zeek", "/v1/ingest/netflow", "/v1/ingest/bulk"] {
        let zipped = Request::post(path, spaced(MAX_BODY + 1)).with("Content-Encoding", "gzip").send(&agent);
        let said = assert_refused(&zipped, 413, "batch_too_large");
        assert_eq!(said["content_encoding"], "gzip", "{path}: {said}");
    }
    wait_rows(&agent, 1);
}

#[test]
fn a_huge_length_is_refused_before_a_single_octet_of_the_body() {
    let agent = agent("");
    let said = Request::post(INGEST, "").with("Content-Length", "9000000000000000000").send(&agent);
    assert_refused(&said, 413, "batch_too_large");
}

#[test]
fn ten_thousand_records_fit_in_a_request_and_one_more_refuses_it_whole() {
    let agent = agent("");
    for body in [
        flows(0..MAX_RECORDS + 1).to_string().into_bytes(),
        json!({"records": flows(0..MAX_RECORDS + 1)}).to_string().into_bytes(),
        body::lines(flows(0..MAX_RECORDS + 1).as_array().expect("a list")),
        body::gzip(flows(0..MAX_RECORDS + 1).to_string().as_bytes()),
    ] {
        let said = assert_refused(&post(&agent, body), 413, "too_many_records");
        assert_eq!(number(&said, "limit"), MAX_RECORDS, "{said}");
        assert!(number(&said, "observed") > MAX_RECORDS, "{said}");
    }
    assert_accepted(&post(&agent, flows(0..MAX_RECORDS).to_string()), MAX_RECORDS);
    wait_rows(&agent, MAX_RECORDS);
}

#[test]
fn a_chunked_body_is_told_to_name_its_length() {
    let agent = agent("");
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", json!([flow(0)]).to_string().len(), json!([flow(0)]));
    let answer = Request::post(INGEST, body).with("Transfer-Encoding", "chunked").send(&agent);
    assert_refused(&answer, 411, "length_required");
    wait_rows(&agent, 0);
}

/// Posts `bodies` at once; each is refused with `status`, the memory stays flat, and the page answers.
#[track_caller]
fn harmless(agent: &Agent, bodies: &[Vec<u8>], statuses: &[u16]) {
    let watch = Watch::begin(agent);
    std::thread::scope(|scope| {
        for body in bodies {
            scope.spawn(|| {
                let (answer, _) =
                    Request::post(INGEST, body.clone()).send_until_taken(agent.address, &agent.key());
                let said = String::from_utf8_lossy(&answer.body);
                assert!(statuses.contains(&answer.status), "{} octets: {} {said}", body.len(), answer.status);
            });
        }
    });
    let seen = watch.end();
    println!("{} bodies: RssAnon {} + {} KiB", bodies.len(), seen.before >> 10, seen.growth() >> 10);
    assert!(seen.growth() < FLAT, "{seen:?}");
    assert!(seen.health(95) < Duration::from_millis(500), "{seen:?}");
    wait_rows(agent, 0);
}

#[test]
fn two_hundred_kilobytes_that_inflate_to_200_mb_are_refused_with_flat_memory() {
    let agent = agent("");
    let bomb = body::gzip_bomb(200_000_000);
    assert!(bomb.len() < 220_000, "{} octets", bomb.len());
    let said = assert_refused(&post(&agent, bomb.clone()), 413, "batch_too_large");
    assert_eq!(said["content_encoding"], "gzip", "{said}");
    harmless(&agent, &vec![bomb; 16], &[413]);
}

#[test]
fn zstd_bombs_are_refused_with_flat_memory() {
    let agent = agent("");
    let bomb = body::zstd_bomb(200_000_000);
    assert!(bomb.len() < 40_000, "{} octets", bomb.len());
    assert_refused(&post(&agent, bomb.clone()), 413, "batch_too_large");
    harmless(&agent, &vec![bomb; 16], &[413]);
}

#[test]
fn a_zstd_frame_that_asks_for_a_window_of_two_gigabytes_gets_none() {
    // RFC 8878 §3.1.1: magic number, no flags, a window of 2^31, one raw block that is the last.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3];
    let record = json!([flow(0)]).to_string();
    let block = u32::try_from(record.len()).expect("short") << 3 | 1;
    frame.extend(&block.to_le_bytes()[..3]);
    frame.extend(record.as_bytes());
    harmless(&agent(""), &vec![frame; 16], &[400, 413]);
}

#[test]
fn what_grows_a_hundredfold_is_refused_once_it_is_large_and_not_while_it_is_small() {
    let agent = agent("");
    let small = vec![json!({"ts": 1_790_000_000, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2"}); 9_000];
    let plain = body::lines(&small);
    let packed = body::zstd(&plain);
    assert!(plain.len() > 100 * packed.len() && plain.len() < 5 * MIB, "{} to {}", plain.len(), packed.len());
    assert_accepted(&post(&agent, packed), 9_000);
    let large = body::zstd(&spaced(10 * MIB));
    assert_refused(&post(&agent, large), 413, "batch_too_large");
    wait_rows(&agent, 9_000);
}

#[test]
fn more_than_64_mib_of_inflated_text_are_refused_however_honestly_they_are_packed() {
    let agent = agent("");
    let mut random = Random::new(64);
    let mut plain = b"[".to_vec();
    for number in 0..9_000 {
        if number > 0 {
            plain.push(b',');
        }
        let mut record = flow(number);
        let noise: String = (0..40).map(|_| format!("{:016x}", random.bits())).collect();
        record["noise"] = Value::from(noise);
        plain.extend(record.to_string().as_bytes());
        plain.resize(plain.len() + 7_400, b' ');
    }
    plain.push(b']');
    let packed = body::zstd(&plain);
    assert!(
        plain.len() > 65 * MIB && plain.len() < 100 * packed.len(),
        "{} to {}",
        plain.len(),
        packed.len()
    );
    let said = assert_refused(&post(&agent, packed), 413, "batch_too_large");
    assert!(
        said["detail"].as_str().is_some_and(|detail| detail.contains("67108864")),
        "no word of the limit: {said}"
    );
    wait_rows(&agent, 0);
}

#[test]
fn a_hundred_thousand_brackets_harm_nobody() {
    let agent = agent("");
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let deep = format!("{open}{close}");
    let bodies = [
        open.clone(),
        deep.clone(),
        "{\"a\":".repeat(100_000),
        format!("{{\"records\":{deep}}}"),
        format!(r#"[{{"ts":1,"src_ip":"10.0.0.1","x":{deep}}}]"#),
        format!(r#"{{"x":{deep},"records":[]}}"#),
    ];
    let bodies: Vec<_> = bodies.map(String::into_bytes).into();
    harmless(&agent, &bodies, &[400]);
}

#[test]
fn a_record_of_more_than_a_mebibyte_is_refused_alone() {
    let agent = agent("");
    let body = json!([flow(0), padded(1, MIB + 100), flow(2)]);
    let answer = post(&agent, body.to_string());
    let said = answer.json();
    assert_eq!(answer.status, 207, "{said}");
    assert_eq!((number(&said, "accepted"), number(&said, "rejected")), (2, 1), "{said}");
    assert!(
        said["validation_errors"][0].as_str().is_some_and(|told| told.starts_with("Record 2: ")),
        "{said}"
    );
    wait_rows(&agent, 2);
}

#[test]
fn a_record_of_a_million_members_costs_no_memory() {
    let agent = agent("");
    let mut text = String::from(r#"[{"ts":1790000000"#);
    for member in 0..60_000 {
        text += &format!(r#","m{member}":1"#);
    }
    harmless(&agent, &vec![(text + "}]").into_bytes(); 8], &[400]);
}
