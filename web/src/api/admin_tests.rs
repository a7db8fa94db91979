use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_flow::{Batch, FlowRecord, TenantId, Timestamp};
use weir_store::{Config, Control, NewLetter, Writer};

use crate::route::Context;
use crate::testing::{Kept, ask, context};

/// An hour before what the intake says is now.
const THEN: Timestamp = Timestamp::from_micros(1_789_996_400_000_000);
const ADMIN: (&str, Option<&str>) = ("admin", None);
const TENANTS: &str = "/v1/admin/tenants";

fn running() -> (tempfile::TempDir, Context) {
    let dir = tempfile::tempdir().unwrap();
    Writer::open(dir.path(), &Config::default(), THEN).unwrap().close().unwrap();
    let context = context(dir.path(), Arc::<Kept>::default());
    (dir, context)
}

fn store(dir: &Path, tenant: &str, rows: usize) {
    let mut writer = Writer::open(dir, &Config::default(), THEN).unwrap();
    let tenant = TenantId::parse(tenant).unwrap();
    writer
        .commit(&[Batch { tenant, records: vec![FlowRecord::default(); rows], ..Batch::default() }], THEN)
        .unwrap();
}

fn letter(dir: &Path, tenant: &str) {
    let letter = NewLetter {
        tenant: &TenantId::parse(tenant).unwrap(),
        destination: "ring",
        reason: "record_too_large",
        last_status: None,
        retry_count: 0,
        rows: None,
        payload: "{}",
    };
    Control::open(dir).unwrap().add_dead_letter(&letter, THEN).unwrap();
}

#[test]
fn a_tenant_is_added_shown_changed_and_removed() {
    let (dir, mut context) = running();
    let body = r#"{"tenant_id":"branch-7","name":"Branch 7","retention_days":1}"#;
    let (status, told, headers) = ask(&mut context, ("POST", TENANTS), ADMIN, body);
    assert_eq!((status, &headers["location"]), (201, &"/v1/admin/tenants/branch-7".parse().unwrap()));
    assert_eq!((&told["retention_days"], &told["budget_bytes"]), (&json!(1), &Value::Null));
    let (status, told, _) = ask(&mut context, ("POST", TENANTS), ADMIN, body);
    assert_eq!((status, &told["error"]), (409, &json!("tenant_exists")));

    let one = "/v1/admin/tenants/branch-7";
    let change = r#"{"retention_days":null,"budget_bytes":8388608}"#;
    let (status, told, _) = ask(&mut context, ("PATCH", one), ADMIN, change);
    assert_eq!((status, &told["name"], &told["retention_days"]), (200, &json!("Branch 7"), &Value::Null));
    assert_eq!(ask(&mut context, ("GET", one), ADMIN, "").1["budget_bytes"], 8_388_608);
    store(dir.path(), "branch-7", 5);
    let (_, all, _) = ask(&mut context, ("GET", TENANTS), ADMIN, "");
    let ids: Vec<_> =
        all["tenants"].as_array().unwrap().iter().map(|one| one["tenant_id"].as_str().unwrap()).collect();
    assert_eq!((ids, &all["tenants"][0]["rows"]), (vec!["branch-7", "default"], &json!(5)));

    let (status, told, _) = ask(&mut context, ("DELETE", one), ADMIN, "");
    assert_eq!((status, &told["error"], &told["rows"]), (409, &json!("tenant_not_empty"), &json!(5)));
    assert_eq!(ask(&mut context, ("DELETE", &format!("{one}?purge=1")), ADMIN, "").0, 422);
    assert_eq!(ask(&mut context, ("DELETE", &format!("{one}?purge=true")), ADMIN, "").0, 200);
    for method in ["GET", "PATCH", "DELETE"] {
        let (status, told, _) = ask(&mut context, (method, one), ADMIN, "{}");
        assert_eq!((status, &told["error"]), (404, &json!("unknown_tenant")), "{method}");
    }
    let (status, told, _) = ask(&mut context, ("DELETE", "/v1/admin/tenants/default?purge=true"), ADMIN, "");
    assert_eq!((status, &told["error"]), (409, &json!("default_tenant")));
}

#[test]
fn what_is_wrong_with_a_tenant_is_said() {
    let (_dir, mut context) = running();
    let long = format!(r#"{{"tenant_id":"a","name":"{}"}}"#, "x".repeat(129));
    let cases = [
        ("{", 400, "invalid_json"),
        ("{}", 422, "validation_failed"),
        (r#"{"tenant_id":"A B"}"#, 422, "validation_failed"),
        (r#"{"tenant_id":"a","name":""}"#, 422, "validation_failed"),
        (r#"{"tenant_id":"a","name":"a\u0000"}"#, 422, "validation_failed"),
        (r#"{"tenant_id":"a","retention_days":0}"#, 422, "validation_failed"),
        (r#"{"tenant_id":"a","quota":1}"#, 422, "validation_failed"),
        (long.as_str(), 422, "validation_failed"),
    ];
    for (body, status, code) in cases {
        let (told, json, _) = ask(&mut context, ("POST", TENANTS), ADMIN, body);
        assert_eq!((told, json["error"].as_str()), (status, Some(code)), "{body}");
    }
    let (status, told, _) =
        ask(&mut context, ("POST", TENANTS), ADMIN, r#"{"tenant_id":"a","retention_days":0}"#);
    assert_eq!(status, 422);
    assert!(told["detail"].as_str().unwrap().contains("1 to 3650 days"), "{told}");
}

#[test]
fn each_tenant_reads_its_own_ring_and_only_administrators_choose() {
    let (dir, mut context) = running();
    ask(&mut context, ("POST", TENANTS), ADMIN, r#"{"tenant_id":"a"}"#);
    store(dir.path(), "a", 2);
    store(dir.path(), "default", 3);
    let recent = ("GET", "/v1/events/recent");
    let mut count = |key, tenant| {
        let (status, told, _) = ask(&mut context, recent, (key, tenant), "");
        (status, told["count"].as_u64(), told["error"].as_str().map(str::to_owned))
    };
    assert_eq!(count("admin", Some("a")), (200, Some(2), None));
    assert_eq!(count("admin", Some("default")), (200, Some(3), None));
    assert_eq!(count("admin", None), (200, Some(3), None));
    assert_eq!(count("key-read_requests", None), (200, Some(3), None));
    assert_eq!(count("key-read_requests", Some("a")), (403, None, Some("forbidden".into())));
    assert_eq!(count("key-read_requests", Some("default")), (403, None, Some("forbidden".into())));
    assert_eq!(count("admin", Some("nobody")), (404, None, Some("unknown_tenant".into())));
    for bad in ["", "A", "a b", "../a"] {
        assert_eq!(count("admin", Some(bad)), (400, None, Some("invalid_tenant".into())), "{bad:?}");
    }
}

#[test]
fn the_system_tells_dead_letters_by_tenant_and_its_newest_failures() {
    let (dir, mut context) = running();
    letter(dir.path(), "a");
    letter(dir.path(), "a");
    letter(dir.path(), "b");
    let (status, told, _) = ask(&mut context, ("GET", "/v1/system"), ADMIN, "");
    assert_eq!((status, &told["workers"], &told["image"]), (200, &json!(2), &Value::Null));
    let dlq = &told["dlq"];
    assert_eq!((&dlq["total_files"], &dlq["total_events"]), (&json!(0), &json!(3)));
    assert_eq!(
        (&dlq["by_tenant"]["a"]["total_events"], &dlq["by_tenant"]["b"]["total_events"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(dlq["oldest_age_hours"], 1.0);
    assert_eq!(told["idempotency"], json!({"total_entries": 0, "ttl_hours": 24}));
    assert_eq!((&told["backpressure"], &told["last_errors"]), (&json!(false), &json!([])));
    for path in [
        "/version",
        "/git_sha",
        "/uptime_s",
        "/mem_mb",
        "/mem_pct",
        "/cpu_pct",
        "/eps",
        "/queue_depth",
        "/store/rows",
    ] {
        assert!(told.pointer(path).is_some(), "{path}");
    }
    assert_eq!(ask(&mut context, ("GET", "/v1/system"), ("key-read_metrics", None), "").0, 403);
}

#[test]
fn without_a_store_the_system_still_answers_and_names_what_failed() {
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(dir.path(), Arc::<Kept>::default());
    assert_eq!(ask(&mut context, ("GET", "/v1/admin/dlq?tenant=secret"), ADMIN, "").0, 503);
    assert_eq!(ask(&mut context, ("GET", "/v1/nothing"), ADMIN, "").0, 404);
    let (status, told, _) = ask(&mut context, ("GET", "/v1/system"), ADMIN, "");
    assert_eq!((status, &told["dlq"]), (200, &Value::Null));
    let errors = told["last_errors"].as_array().unwrap();
    let error = &errors[0];
    assert_eq!((errors.len(), &error["path"], &error["status"]), (1, &json!("/v1/admin/dlq"), &json!(503)));
    assert_eq!(error["code"], "store_unavailable");
    assert_eq!(error["trace_id"].as_str().unwrap().len(), 32);
}
