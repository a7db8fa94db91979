use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use weir_flow::{FlowRecord, Origin, Timestamp};
use weir_store::{Config, Writer};

use super::tray::MAX_RECORDS;
use super::value::MAX_RECORD;
use crate::NotTaken;
use crate::answer::{Request, Response};
use crate::route::{Context, answer};
use crate::testing::{self, Kept};

const FLOW: &str = r#"{"ts":1790000000,"src_ip":"192.0.2.1","dst_ip":"198.51.100.7","src_port":40000,"dst_port":443,"protocol":"tcp","bytes":1200}"#;
const CONN: &str = r#"{"ts":1790000000.5,"uid":"C1","id.orig_h":"192.0.2.1","id.orig_p":40000,"id.resp_h":"198.51.100.7","id.resp_p":443,"proto":"tcp"}"#;

/// A web side without threads, and what came in.
struct Desk {
    context: Context,
    kept: Arc<Kept>,
    _dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Writer::open(dir.path(), &Config::default(), Timestamp::default()).unwrap().close().unwrap();
        let kept = Arc::<Kept>::default();
        let context = testing::context(dir.path(), Arc::clone(&kept) as Arc<_>);
        Self { context, kept, _dir: dir }
    }

    fn send(&mut self, path: &str, fields: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Response {
        let mut request = Request::new(body.into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().unwrap();
        for (name, value) in [("x-api-key", "admin")].iter().chain(fields) {
            request
                .headers_mut()
                .append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        answer(&mut self.context, &request)
    }

    fn post(&mut self, path: &str, body: impl Into<Vec<u8>>) -> (u16, Value) {
        told(&self.send(path, &[], body))
    }

    /// Records taken so far.
    fn records(&self) -> usize {
        self.kept.batches.lock().unwrap().iter().map(|batch| batch.records.len()).sum()
    }

    fn collector(&self) -> Option<String> {
        let batches = self.kept.batches.lock().unwrap();
        let origin = batches.last().unwrap().records[0].origin.clone().unwrap();
        assert!(origin.trace_id.is_some());
        origin.collector_id.as_deref().map(str::to_owned)
    }
}

fn told(response: &Response) -> (u16, Value) {
    (response.status().as_u16(), serde_json::from_slice(response.body().as_ref()).unwrap())
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn list(records: usize) -> String {
    format!("[{}]", vec![FLOW; records].join(","))
}

#[test]
fn every_shape_of_a_batch_is_taken() {
    let spread = FLOW.replace(',', ",\r\n  ");
    for (body, records) in [
        (format!("[{FLOW}, {FLOW}]"), 2),
        (format!(" \n[{FLOW}]\n\n"), 1),
        (format!(r#"{{"records":[{FLOW},{FLOW},{FLOW}]}}"#), 3),
        (format!(r#"{{"collector_id":"c","format":"flows.v1","records":[{FLOW}]}}"#), 1),
        (format!(r#"{{"records":[{FLOW}],"meta":{{"a":[1,"]"]}},"format":"flows"}}"#), 1),
        (FLOW.to_owned(), 1),
        (spread.clone(), 1),
        (format!("{FLOW}\n{FLOW}"), 2),
        (format!("{FLOW}\r\n\r\n  \n{FLOW}\r\n{FLOW}\n"), 3),
        (format!("{spread}\n{spread}"), 2),
        (format!("{FLOW}{FLOW}"), 2),
        (format!("\u{feff}[{FLOW}]"), 1),
        (format!("\u{feff}{FLOW}\n{FLOW}"), 2),
    ] {
        let mut desk = Desk::new();
        let (status, answer) = desk.post("/v1/ingest", body.clone());
        let members = json!({
            "status": "accepted", "accepted": records, "rejected": 0, "total": records, "queued": records,
            "records_processed": records,
        });
        assert_eq!((status, answer), (200, members), "{body}");
        assert_eq!(desk.records(), records, "{body}");
        assert_eq!(desk.kept.batches.lock().unwrap().len(), 1, "a batch goes in whole: {body}");
    }
}

#[test]
fn packed_bodies_are_taken_by_header_and_by_their_first_octets() {
    let body = list(3);
    let zstd = zstd::bulk::compress(body.as_bytes(), 3).unwrap();
    let two = [gzip(&body.as_bytes()[..100]), gzip(&body.as_bytes()[100..])].concat();
    for (coding, packed) in [
        (Some("gzip"), gzip(body.as_bytes())),
        (Some("x-gzip"), gzip(body.as_bytes())),
        (None, gzip(body.as_bytes())),
        (Some("gzip"), two),
        (Some("zstd"), zstd.clone()),
        (None, zstd),
        (Some("identity"), body.clone().into_bytes()),
    ] {
        let mut desk = Desk::new();
        let fields: Vec<_> = coding.map(|coding| ("content-encoding", coding)).into_iter().collect();
        let (status, answer) = told(&desk.send("/v1/ingest", &fields, packed));
        assert_eq!((status, answer["accepted"].as_u64()), (200, Some(3)), "{coding:?}: {answer}");
        assert_eq!(desk.records(), 3);
    }
}

#[test]
fn text_that_is_unpacked_in_pieces_reads_as_it_does_whole() {
    let record =
        format!(r#"{{"ts":1790000000,"note":"{}\"}}","src_ip":"192.0.2.1"}}"#, "é\\\\".repeat(5_000));
    for body in [
        format!("[{}]", vec![record.as_str(); 40].join(" ,\n")),
        vec![record.as_str(); 40].join("\n"),
        format!(r#"{{"x":{record},"records":[{}],"collector_id":"c"}}"#, vec![record.as_str(); 40].join(",")),
    ] {
        let mut desk = Desk::new();
        for packed in [gzip(body.as_bytes()), body.clone().into_bytes()] {
            let (status, answer) = desk.post("/v1/ingest", packed);
            assert_eq!((status, answer["accepted"].as_u64()), (200, Some(40)), "{answer}");
        }
    }
}

#[test]
fn what_is_no_batch_is_told_why_and_counted() {
    let mut bad_utf8 = list(2).into_bytes();
    bad_utf8[20] = 0xff;
    let cut = gzip(list(50).as_bytes());
    let mut damaged = gzip(list(50).as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    for (body, code, counted) in [
        (b"".to_vec(), "empty_batch", "no_records"),
        (b" \r\n\xef".to_vec(), "invalid_encoding", "invalid_encoding"),
        (b"[]".to_vec(), "empty_batch", "no_records"),
        (br#"{"records":[ ]}"#.to_vec(), "empty_batch", "no_records"),
        (br#""text""#.to_vec(), "bad_batch_shape", "bad_batch_shape"),
        (b"12.5".to_vec(), "bad_batch_shape", "bad_batch_shape"),
        (b"null".to_vec(), "bad_batch_shape", "bad_batch_shape"),
        (br#"{"records":{}}"#.to_vec(), "bad_batch_shape", "bad_batch_shape"),
        (br#"{"records":"x"}"#.to_vec(), "bad_batch_shape", "bad_batch_shape"),
        (b"nothing".to_vec(), "invalid_json", "invalid_json"),
        (b"{".to_vec(), "invalid_json", "invalid_json"),
        (b"[{\"ts\":1},".to_vec(), "invalid_json", "invalid_json"),
        (b"[{\"ts\":1} {\"ts\":1}]".to_vec(), "invalid_json", "invalid_json"),
        (b"[{\"ts\":1},]".to_vec(), "invalid_json", "invalid_json"),
        (b"[,]".to_vec(), "invalid_json", "invalid_json"),
        (b"[}".to_vec(), "invalid_json", "invalid_json"),
        (b"[x]".to_vec(), "invalid_json", "invalid_json"),
        (b"[{\"ts\":1}] []".to_vec(), "invalid_json", "invalid_json"),
        (b"{\"ts\":1} x".to_vec(), "invalid_json", "invalid_json"),
        (b"{\"ts\":\"1\n\"}".to_vec(), "invalid_json", "invalid_json"),
        (b"{\"a\":,\"records\":[{\"ts\":1}]}".to_vec(), "invalid_json", "invalid_json"),
        (b"{\"records\":[{\"ts\":1}]".to_vec(), "invalid_json", "invalid_json"),
        (b"{\"records\":[{\"ts\":1}]} {\"ts\":1}".to_vec(), "invalid_json", "invalid_json"),
        (b"{\"records\":[{\"ts\":1}],\"records\":[]}".to_vec(), "bad_batch_shape", "bad_batch_shape"),
        (b"[".repeat(100_000), "invalid_json", "invalid_json"),
        (b"{\"a\":".repeat(100_000), "invalid_json", "invalid_json"),
        (bad_utf8, "invalid_encoding", "invalid_encoding"),
        (cut[..cut.len() - 9].to_vec(), "decompress_failed", "decompress_failed"),
        (cut[..20].to_vec(), "decompress_failed", "decompress_failed"),
        (damaged, "decompress_failed", "decompress_failed"),
        (br#"{"format":"nflow","records":[{"ts":1}]}"#.to_vec(), "unknown_format", "invalid_format"),
    ] {
        let mut desk = Desk::new();
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (status, answer) = desk.post("/v1/ingest", body);
        assert_eq!((status, answer["error"].as_str()), (400, Some(code)), "{shown}: {answer}");
        assert!(answer["detail"].as_str().is_some_and(|text| text.len() > 10), "{shown}: {answer}");
        assert_eq!(answer["hint"].is_string(), code == "bad_batch_shape", "{shown}: {answer}");
        let dropped = serde_json::to_value(desk.context.counters.refusals()).unwrap();
        assert_eq!(dropped, json!({ counted: 1 }), "{shown}");
        assert_eq!(desk.records(), 0, "{shown}");
    }
}

#[test]
fn a_coding_that_is_not_known_is_refused_with_those_that_are() {
    let mut desk = Desk::new();
    for coding in ["br", "deflate", "gzip, gzip"] {
        let response = desk.send("/v1/ingest", &[("content-encoding", coding)], list(1));
        assert_eq!(response.headers()["accept-encoding"], "gzip, zstd, identity");
        assert_eq!(told(&response).1["error"], "unsupported_encoding");
        assert_eq!(response.status(), 415);
    }
}

#[test]
fn ten_thousand_records_are_taken_and_one_more_is_counted_and_refused() {
    let mut desk = Desk::new();
    let (status, answer) = desk.post("/v1/ingest", gzip(list(MAX_RECORDS).as_bytes()));
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(10_000)));
    for more in [1, 2_345] {
        let (status, answer) = desk.post("/v1/ingest", list(MAX_RECORDS + more));
        assert_eq!((status, answer["error"].as_str()), (413, Some("too_many_records")));
        assert_eq!(answer["limit"], 10_000);
        assert_eq!(answer["observed"], 10_000 + more);
    }
    assert_eq!(desk.records(), 10_000);
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let mut desk = Desk::new();
    let mut bomb = b"[".to_vec();
    bomb.resize(12_000_000, b' ');
    let bomb = gzip(&bomb);
    let free = 5 * 1024 * 1024;
    assert!(bomb.len() * 100 < free, "the ratio matters");
    let (status, answer) = desk.post("/v1/ingest", bomb);
    assert_eq!((status, answer["error"].as_str()), (413, Some("batch_too_large")), "{answer}");
    assert_eq!(answer["content_encoding"], "gzip");
    let (limit, actual) = (answer["limit_bytes"].as_u64().unwrap(), answer["actual_bytes"].as_u64().unwrap());
    assert_eq!(limit, free as u64);
    assert!(actual > limit && actual < limit + 100_000, "{actual}");
    let zeros = zstd::bulk::compress(&vec![b' '; 12_000_000], 3).unwrap();
    let (status, answer) = desk.post("/v1/ingest", zeros);
    assert_eq!((status, answer["content_encoding"].as_str()), (413, Some("zstd")), "{answer}");
}

#[test]
fn a_record_over_a_mebibyte_is_rejected_and_those_around_it_are_taken() {
    let large = format!(r#"{{"ts":1,"x":"{}"}}"#, "x".repeat(MAX_RECORD));
    for body in [
        format!("[{FLOW},{large},{FLOW}]"),
        format!("{FLOW}\n{large}\n{FLOW}"),
        format!("{large}\n{FLOW}\n{FLOW}"),
    ] {
        let mut desk = Desk::new();
        for body in [body.clone().into_bytes(), zstd::bulk::compress(body.as_bytes(), 1).unwrap()] {
            let (status, answer) = desk.post("/v1/ingest", body);
            assert_eq!(
                (status, answer["accepted"].as_u64(), answer["rejected"].as_u64()),
                (207, Some(2), Some(1))
            );
            let error = answer["validation_errors"][0].as_str().unwrap();
            assert!(error.starts_with("Record ") && error.contains("larger"), "{error}");
        }
        let rejected = serde_json::to_value(desk.context.counters.rejected()).unwrap();
        assert_eq!(rejected, json!({ "record_too_large": 2 }));
    }
}

#[test]
fn bad_records_are_told_and_good_ones_taken() {
    let mut desk = Desk::new();
    let (status, answer) = desk.post("/v1/ingest", format!("[{FLOW},1,\"x\",[{{}}],null,{FLOW}]"));
    assert_eq!(
        (status, &answer),
        (
            207,
            &json!({
                "status": "partial", "accepted": 2, "rejected": 4, "total": 6, "queued": 2,
                "records_processed": 2,
                "validation_errors":
                    ["Record 2: not a JSON object", "Record 3: not a JSON object", "Record 4: not a JSON object"],
            })
        )
    );
    let (status, answer) =
        desk.post("/v1/ingest", format!("{FLOW}\n{{\"a\":\"cut\n{FLOW}\nnoise\n{FLOW} x\n7\n"));
    assert_eq!((status, answer["accepted"].as_u64(), answer["rejected"].as_u64()), (207, Some(2), Some(4)));
    assert_eq!(answer["validation_errors"][0], "Record 2: not valid JSON");
    assert_eq!(desk.records(), 4);
}

#[test]
fn a_batch_of_nothing_but_bad_records_is_refused() {
    let mut desk = Desk::new();
    let (status, answer) = desk.post("/v1/ingest", "[1,2]");
    assert_eq!((status, answer["error"].as_str()), (400, Some("validation_failed")));
    assert_eq!((answer["accepted"].as_u64(), answer["rejected"].as_u64()), (Some(0), Some(2)));
    assert_eq!(answer["validation_errors"][1], "Record 2: not a JSON object");
    let (status, answer) = desk.post("/v1/ingest/zeek", "[1,2]");
    assert_eq!((status, answer["status"].as_str()), (207, Some("rejected")));
    assert_eq!((answer["accepted"].as_u64(), answer["total"].as_u64()), (Some(0), Some(2)));
    assert_eq!(desk.records(), 0);
}

#[test]
fn the_collector_names_itself_wherever_it_does() {
    let mut desk = Desk::new();
    for (body, name) in [
        (format!(r#"{{"collector_id":"gw-1","records":[{FLOW}]}}"#), Some("gw-1")),
        (format!(r#"{{"records":[{FLOW}],"collector_id":"gw-2"}}"#), Some("gw-2")),
        (format!(r#"{{"records":[{FLOW}],"collector_id":"gw-3","format":"flows"}}"#), Some("gw-3")),
        (format!(r#"{{"collector_id":null,"records":[{FLOW}]}}"#), None),
        (format!(r#"{{"collector_id":"","records":[{FLOW}]}}"#), None),
        (list(1), None),
    ] {
        assert_eq!(desk.post("/v1/ingest", body.clone()).0, 200, "{body}");
        assert_eq!(desk.collector().as_deref(), name, "{body}");
    }
    let long = format!(r#"{{"collector_id":"{}","records":[{FLOW}]}}"#, "c".repeat(300));
    assert_eq!(desk.post("/v1/ingest", long).1["error"], "bad_batch_shape");
}

#[test]
fn a_record_that_names_its_own_collector_keeps_it() {
    let origin = |collector: Option<&str>| {
        Arc::new(Origin { collector_id: collector.map(Into::into), trace_id: Some("t".into()) })
    };
    let record =
        |own: Option<&str>| FlowRecord { origin: own.map(|own| origin(Some(own))), ..FlowRecord::default() };
    let mut records = [record(None), record(Some("a")), record(Some("a")), record(None), record(Some("b"))];
    super::mark(&mut records, &origin(Some("envelope")));
    let named = records.each_ref().map(|record| record.origin.clone().unwrap());
    let names = named.each_ref().map(|origin| origin.collector_id.clone().unwrap());
    assert_eq!(names.each_ref().map(|name| &**name), ["envelope", "a", "a", "envelope", "b"]);
    assert!(named.iter().all(|origin| origin.trace_id.as_deref() == Some("t")));
    assert!(Arc::ptr_eq(&named[1], &named[2]), "neighbours share it");
}

#[test]
fn a_format_is_known_wherever_it_stands() {
    let mut desk = Desk::new();
    for body in [
        format!(r#"{{"format":"zeek.conn.v1","records":[{CONN}]}}"#),
        format!(r#"{{"records":[{CONN}],"format":"zeek.conn.v1"}}"#),
        format!(r#"{{"records":[{CONN}],"type":"zeek"}}"#),
    ] {
        assert_eq!(desk.post("/v1/ingest", body.clone()).0, 200, "{body}");
    }
    assert_eq!(desk.records(), 3, "a batch that is read twice is taken once");
    let late = format!(r#"{{"records":[{CONN}],"format":"zeek/conn"}}"#);
    let (status, answer) = desk.post("/v1/ingest", late);
    assert_eq!((status, answer["error"].as_str()), (400, Some("unknown_format")));
    assert!(answer["detail"].as_str().unwrap().contains("flows.v1"), "{answer}");
}

#[test]
fn the_route_for_bulks_needs_a_type() {
    let mut desk = Desk::new();
    for body in [
        format!(r#"{{"type":"zeek","records":[{CONN},{CONN}]}}"#),
        format!(r#"{{"records":[{CONN},{CONN}],"type":"zeek"}}"#),
        format!(r#"{{"type":"netflow","records":[{FLOW},{FLOW}]}}"#),
    ] {
        let (status, answer) = desk.post("/v1/ingest/bulk", body.clone());
        assert_eq!((status, answer["accepted"].as_u64()), (200, Some(2)), "{body}");
    }
    for body in [
        format!(r#"{{"type":"syslog","records":[{FLOW}]}}"#),
        format!(r#"{{"records":[{FLOW}]}}"#),
        format!(r#"{{"records":[{FLOW}],"type":7}}"#),
        list(1),
        FLOW.to_owned(),
        format!("{FLOW}\n{FLOW}"),
    ] {
        let (status, answer) = desk.post("/v1/ingest/bulk", body.clone());
        assert_eq!(
            (status, answer["detail"].as_str()),
            (400, Some("Type must be 'zeek' or 'netflow'")),
            "{body}"
        );
    }
    assert_eq!(desk.records(), 6);
}

#[test]
fn the_samples_are_taken() {
    for (path, sample, records) in [
        ("/v1/ingest", include_str!("../../samples/flows_v1.json"), 1),
        ("/v1/ingest", include_str!("../../samples/zeek_conn.json"), 1),
        ("/v1/ingest/zeek", include_str!("../../samples/zeek_conn_small.json"), 2),
    ] {
        let (status, answer) = Desk::new().post(path, sample);
        assert_eq!((status, answer["accepted"].as_u64()), (200, Some(records)), "{answer}");
    }
}

#[test]
fn typed_routes_take_every_shape() {
    for (path, record) in [("/v1/ingest/zeek", CONN), ("/v1/ingest/netflow", FLOW)] {
        let mut desk = Desk::new();
        for body in [
            format!("{record}\n{record}\n"),
            format!("[{record},{record}]"),
            format!(r#"{{"records":[{record},{record}]}}"#),
        ] {
            let (status, answer) = desk.post(path, body.clone());
            assert_eq!((status, answer["accepted"].as_u64()), (200, Some(2)), "{path} {body}");
        }
        assert_eq!(desk.post(path, record).1["accepted"], 1);
    }
}

#[test]
fn a_full_queue_and_a_stop_are_told_with_a_time_to_come_again() {
    let mut desk = Desk::new();
    let refuse = |desk: &Desk, why| *desk.kept.refuse.lock().unwrap() = Some(why);
    refuse(&desk, NotTaken::Full { retry_after_seconds: 3 });
    let response = desk.send("/v1/ingest", &[], list(2));
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &HeaderValue::from(3))
    );
    let answer = told(&response).1;
    assert_eq!((answer["error"].as_str(), answer["retry_after"].as_u64()), (Some("backpressure"), Some(3)));
    refuse(&desk, NotTaken::Stopping);
    let response = desk.send("/v1/ingest", &[], list(2));
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(desk.records(), 0);
    let dropped = serde_json::to_value(desk.context.counters.refusals()).unwrap();
    assert_eq!(dropped, json!({ "backpressure": 1, "stopping": 1 }));
}

#[test]
fn the_same_request_is_done_once() {
    let mut desk = Desk::new();
    let key = [("idempotency-key", "batch-1")];
    let partial = format!("[{FLOW},1]");
    let first = desk.send("/v1/ingest", &key, partial.clone());
    assert_eq!((first.status().as_u16(), first.headers().get("idempotency-replayed")), (207, None));
    for _ in 0..2 {
        let again = desk.send("/v1/ingest", &key, partial.clone());
        assert_eq!(
            (again.status(), &again.headers()["idempotency-replayed"]),
            (first.status(), &HeaderValue::from_static("true"))
        );
        assert_eq!(again.body().as_ref(), first.body().as_ref());
    }
    assert_eq!(desk.records(), 1);
    let receipt = desk.kept.batches.lock().unwrap()[0].receipt.clone().unwrap();
    assert_eq!(receipt.answer.as_bytes(), first.body().as_ref(), "it goes with the records");
    let other = told(&desk.send("/v1/ingest", &key, list(1)));
    assert_eq!((other.0, other.1["error"].as_str()), (409, Some("idempotency_conflict")));
    let elsewhere = desk.send("/v1/ingest/netflow", &key, list(1));
    assert_eq!(elsewhere.status(), 200, "another route is another request");
    assert_eq!(desk.records(), 2);
}

#[test]
fn what_was_not_taken_may_be_sent_again_under_the_same_key() {
    let mut desk = Desk::new();
    let key = [("idempotency-key", "k")];
    *desk.kept.refuse.lock().unwrap() = Some(NotTaken::Full { retry_after_seconds: 1 });
    assert_eq!(desk.send("/v1/ingest", &key, list(1)).status(), 429);
    assert_eq!(desk.send("/v1/ingest", &key, "[").status(), 400);
    *desk.kept.refuse.lock().unwrap() = None;
    let done = desk.send("/v1/ingest", &key, list(1));
    assert_eq!((done.status().as_u16(), done.headers().get("idempotency-replayed")), (200, None));
}

#[test]
fn an_idempotency_key_is_one_short_word() {
    let mut desk = Desk::new();
    let long = "k".repeat(256);
    for bad in ["", "two words", long.as_str()] {
        let answer = told(&desk.send("/v1/ingest", &[("idempotency-key", bad)], list(1)));
        assert_eq!((answer.0, answer.1["error"].as_str()), (400, Some("bad_idempotency_key")), "{bad}");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    assert_eq!(desk.send("/v1/ingest", &twice, list(1)).status(), 400);
    assert_eq!(desk.send("/v1/ingest", &[("idempotency-key", &long[1..])], list(1)).status(), 200);
}

#[test]
fn what_was_taken_is_counted() {
    let mut desk = Desk::new();
    let body = list(3);
    desk.post("/v1/ingest", body.clone());
    desk.send("/v1/ingest", &[("idempotency-key", "k")], body.clone());
    desk.send("/v1/ingest", &[("idempotency-key", "k")], body.clone());
    let octets = u64::try_from(2 * body.len()).unwrap();
    assert_eq!(desk.context.counters.ingest(), [2, 1, 6, octets]);
}
