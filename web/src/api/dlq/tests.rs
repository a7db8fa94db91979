use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_flow::{Batch, Extra, FlowRecord, TenantId, Timestamp};
use weir_store::{Config, Control, MaxRecordBytes, NewLetter, Writer};

use crate::NotTaken;
use crate::route::Context;
use crate::testing::{Kept, ask, context};

/// Ten minutes before what the intake says is now.
const THEN: Timestamp = Timestamp::from_micros(1_789_999_400_000_000);
const ADMIN: (&str, Option<&str>) = ("admin", None);

fn large(port: u16) -> FlowRecord {
    let extra = Extra::from_iter([("text", "x".repeat(4_096))]);
    FlowRecord { dst_port: Some(port), extra: Some(Box::new(extra)), ..FlowRecord::default() }
}

/// A store with letters 1 and 2 of the default tenant, 3 of tenant `b`, and 4 of an output for rows 1 to 3.
fn store(dir: &Path) {
    let limit = MaxRecordBytes::new(4_096).unwrap();
    let config = Config { max_record_bytes: limit, ..Config::default() };
    let mut writer = Writer::open(dir, &config, THEN).unwrap();
    let (default, b) = (TenantId::default(), TenantId::parse("b").unwrap());
    let small = (0..3).map(|_| FlowRecord::default());
    let records = small.chain([large(1), large(2)]).collect();
    let batches = [
        Batch { records, ..Batch::default() },
        Batch { tenant: b, records: vec![large(3)], ..Batch::default() },
    ];
    assert_eq!(writer.commit(&batches, THEN).unwrap().letters, 3);
    let letter = NewLetter {
        tenant: &default,
        destination: "splunk_hec",
        reason: "http_503",
        last_status: Some(503),
        retry_count: 3,
        rows: Some((1, 3)),
        payload: "",
    };
    Control::open(dir).unwrap().add_dead_letter(&letter, THEN).unwrap();
    writer.close().unwrap();
}

fn running() -> (tempfile::TempDir, Arc<Kept>, Context) {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    let intake = Arc::<Kept>::default();
    let context = context(dir.path(), intake.clone());
    (dir, intake, context)
}

fn ids(answer: &Value) -> Vec<i64> {
    answer["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[test]
fn letters_are_listed_page_by_page_with_what_they_hold() {
    let (_dir, _, mut context) = running();
    let (status, all, _) = ask(&mut context, ("GET", "/v1/admin/dlq"), ADMIN, "");
    assert_eq!(
        (status, ids(&all), &all["total"], &all["next"]),
        (200, vec![1, 2, 3, 4], &json!(4), &Value::Null)
    );
    let first = &all["items"][0];
    let told = (&first["tenant_id"], &first["destination"], &first["reason"], &first["retry_count"]);
    assert_eq!(told, (&json!("default"), &json!("ring"), &json!("record_too_large"), &json!(0)));
    assert_eq!((&first["record"]["dst_port"], &first["ts"]), (&json!(1), &json!(THEN.to_string())));
    let output = &all["items"][3];
    assert_eq!((&output["rows"], &output["last_status"]), (&json!({"first": 1, "last": 3}), &json!(503)));
    assert!(output.get("record").is_none() && first.get("rows").is_none());

    let (_, page, _) = ask(&mut context, ("GET", "/v1/admin/dlq?limit=2"), ADMIN, "");
    assert_eq!((ids(&page), &page["next"], &page["total"]), (vec![1, 2], &json!(2), &json!(4)));
    let (_, page, _) = ask(&mut context, ("GET", "/v1/admin/dlq?limit=2&after=2"), ADMIN, "");
    assert_eq!((ids(&page), &page["next"]), (vec![3, 4], &Value::Null));
    let (_, page, _) = ask(&mut context, ("GET", "/v1/admin/dlq?tenant=b"), ADMIN, "");
    assert_eq!((ids(&page), &page["total"]), (vec![3], &json!(1)));
    let (_, page, _) = ask(&mut context, ("GET", "/v1/admin/dlq?destination=splunk_hec"), ADMIN, "");
    assert_eq!((ids(&page), &page["total"]), (vec![4], &json!(1)));
    for bad in ["limit=0", "limit=201", "after=x", "after=-1", "tenant=A%20B", "destination="] {
        let (status, told, _) = ask(&mut context, ("GET", &format!("/v1/admin/dlq?{bad}")), ADMIN, "");
        assert_eq!((status, &told["error"]), (422, &json!("validation_failed")), "{bad}");
    }
}

#[test]
fn the_export_has_the_lines_of_the_former_service_and_names_the_next_page() {
    let (_dir, _, mut context) = running();
    let (status, text, headers) = ask(&mut context, ("GET", "/v1/admin/dlq/export"), ADMIN, "");
    assert_eq!((status, &headers["content-type"]), (200, &"application/x-ndjson".parse().unwrap()));
    assert!(headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert!(headers.get("link").is_none());
    let lines: Vec<Value> =
        text.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["error"], &lines[0]["events_count"]), (&json!("record_too_large"), &json!(1)));
    assert_eq!(lines[0]["events"][0]["dst_port"], 1);
    let output = &lines[3];
    assert_eq!((&output["destination"], &output["retry_count"]), (&json!("splunk_hec"), &json!(3)));
    assert_eq!((&output["events_count"], &output["timestamp"]), (&json!(3), &json!(THEN.to_string())));
    assert_eq!(output["events"].as_array().unwrap().len(), 3, "its rows are read from the ring");
    let (_, _, headers) =
        ask(&mut context, ("GET", "/v1/admin/dlq/export?limit=1&destination=ring"), ADMIN, "");
    let next = "</v1/admin/dlq/export?after=1&limit=1&destination=ring>; rel=\"next\"";
    assert_eq!(headers["link"], next);
}

#[test]
fn a_replay_offers_the_records_of_each_tenant_with_their_letters() {
    let (dir, intake, mut context) = running();
    let (status, told, _) = ask(&mut context, ("POST", "/v1/admin/dlq/replay"), ADMIN, r#"{"all":true}"#);
    assert_eq!(
        (status, told),
        (200, json!({"status": "accepted", "replayed": 3, "failed": 0, "remaining": 0}))
    );
    let batches = std::mem::take(&mut *intake.batches.lock().unwrap());
    let offered: Vec<_> =
        batches.iter().map(|b| (b.tenant.as_str(), b.records.len(), b.replayed.clone())).collect();
    assert_eq!(offered, [("b", 1, vec![3]), ("default", 2, vec![1, 2])]);
    assert_eq!(Control::open(dir.path()).unwrap().dead_letters_of(&[1, 2, 3]).unwrap().letters.len(), 3);

    // What was offered vanishes with the commit.
    let mut writer = Writer::open(dir.path(), &Config::default(), THEN).unwrap();
    assert_eq!(writer.commit(&batches, THEN).unwrap().replayed, 3);
    let (_, left, _) = ask(&mut context, ("GET", "/v1/admin/dlq"), ADMIN, "");
    assert_eq!(ids(&left), [4]);
}

#[test]
fn only_the_letters_that_are_named_go_and_those_of_outputs_do_not_go_to_the_ring() {
    let (_dir, intake, mut context) = running();
    let body = r#"{"ids":[4,2,2,99]}"#;
    let (status, told, _) = ask(&mut context, ("POST", "/v1/admin/dlq/replay"), ADMIN, body);
    assert_eq!(
        (status, told),
        (200, json!({"status": "partial", "replayed": 1, "failed": 0, "remaining": 2}))
    );
    assert_eq!(intake.batches.lock().unwrap()[0].replayed, [2]);
    let body = r#"{"all":true,"tenant":"b"}"#;
    let (_, told, _) = ask(&mut context, ("POST", "/v1/admin/dlq/replay"), ADMIN, body);
    assert_eq!(told["replayed"], 1);
    assert_eq!(intake.batches.lock().unwrap()[1].tenant.as_str(), "b");
}

#[test]
fn a_replay_that_finds_no_room_is_told_so_and_everything_stays() {
    let (_dir, intake, mut context) = running();
    *intake.refuse.lock().unwrap() = Some(NotTaken::Full { retry_after_seconds: 7 });
    let replay = ("POST", "/v1/admin/dlq/replay");
    let (status, told, headers) = ask(&mut context, replay, ADMIN, r#"{"all":true}"#);
    assert_eq!((status, &told["error"], &told["retry_after"]), (429, &json!("backpressure"), &json!(7)));
    assert_eq!(headers["retry-after"], "7");
    let (_, left, _) = ask(&mut context, ("GET", "/v1/admin/dlq"), ADMIN, "");
    assert_eq!(left["total"], 4);
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let (_dir, _, mut context) = running();
    let cases = [
        ("{", 400, "invalid_json"),
        (r#"{"every":true}"#, 400, "validation_failed"),
        ("{}", 422, "validation_failed"),
        (r#"{"ids":[],"all":false}"#, 422, "validation_failed"),
        (r#"{"ids":[1],"all":true}"#, 422, "validation_failed"),
        (r#"{"all":true,"destination":"nowhere"}"#, 422, "unknown_destination"),
        (r#"{"all":true,"tenant":"A B"}"#, 422, "validation_failed"),
    ];
    for (body, status, code) in cases {
        let (told, json, _) = ask(&mut context, ("POST", "/v1/admin/dlq/replay"), ADMIN, body);
        assert_eq!((told, json["error"].as_str()), (status, Some(code)), "{body}");
    }
}

#[test]
fn letters_are_deleted_one_by_one_or_all_that_are_meant() {
    let (_dir, _, mut context) = running();
    let mut delete = |path: &str| {
        let (status, told, _) = ask(&mut context, ("DELETE", path), ADMIN, "");
        (status, told["deleted"].as_u64())
    };
    assert_eq!(delete("/v1/admin/dlq/1").0, 200);
    for gone in ["/v1/admin/dlq/1", "/v1/admin/dlq/x"] {
        assert_eq!(delete(gone).0, 404, "{gone}");
    }
    for bad in ["/v1/admin/dlq", "/v1/admin/dlq?before=yesterday", "/v1/admin/dlq?all=yes"] {
        assert_eq!(delete(bad).0, 422, "{bad}");
    }
    assert_eq!(delete("/v1/admin/dlq?all=true&tenant=b"), (200, Some(1)));
    assert_eq!(delete("/v1/admin/dlq?all=true"), (200, Some(2)));
    assert_eq!(delete("/v1/admin/dlq?all=true"), (200, Some(0)));
}
