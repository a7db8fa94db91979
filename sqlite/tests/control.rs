//! Receipts and tenants: what an administrator and the API keep beside the rings.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use support::{Office, all_rows, at, tenant};
use weir_flow::{Batch, Receipt, ReceiptKey, TenantId};
use weir_store::{
    BudgetBytes, Config, Control, Error, Limits, MAX_RECEIPTS, MAX_RINGS, NewLetter, Reader, Removal,
    RetentionDays, TenantChange, Writer, check,
};

const HOUR_MS: i64 = 3_600_000;

fn key(header: &str) -> ReceiptKey {
    let (key_id, route) = ("0a1b".into(), "/v1/ingest".into());
    ReceiptKey { tenant: TenantId::default(), key_id, route, header: header.into() }
}

fn receipt(header: &str, answer: &str, ms: i64) -> Receipt {
    Receipt { key: key(header), body_hash: [7; 32], status: 200, answer: answer.to_owned(), given: at(ms) }
}

fn with_receipt(receipt: Receipt) -> Batch {
    Batch { receipt: Some(Box::new(receipt)), ..Batch::default() }
}

fn open(dir: &Path) -> (Writer, Control) {
    let writer = Writer::open(dir, &Config::default(), at(0)).unwrap();
    (writer, Control::open(dir).unwrap())
}

fn budget(bytes: u64) -> Limits {
    Limits { retention: None, budget: Some(BudgetBytes::new(bytes).unwrap()) }
}

#[test]
fn a_receipt_is_found_for_a_day_and_only_for_its_own_request() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, control) = open(dir.path());
    writer.commit(&[with_receipt(receipt("k1", "{\"accepted\":1}", 0))], at(0)).unwrap();
    let found = control.receipt(&key("k1"), at(24 * HOUR_MS)).unwrap();
    assert_eq!(found, Some(receipt("k1", "{\"accepted\":1}", 0)));
    assert_eq!(control.receipt(&key("k1"), at(24 * HOUR_MS + 1)).unwrap(), None);
    assert_eq!(control.receipt(&key("k2"), at(0)).unwrap(), None);
    let others = [
        ReceiptKey { tenant: tenant("other"), ..key("k1") },
        ReceiptKey { key_id: "other".into(), ..key("k1") },
        ReceiptKey { route: "/v1/ingest/zeek".into(), ..key("k1") },
    ];
    for other in others {
        assert_eq!(control.receipt(&other, at(0)).unwrap(), None, "{other:?}");
    }
    writer.commit(&[with_receipt(receipt("k1", "{}", 5))], at(5)).unwrap();
    assert_eq!(control.receipt(&key("k1"), at(5)).unwrap().unwrap().answer, "{}");
    assert_eq!(control.receipts().unwrap(), 1);
}

#[test]
fn receipts_go_after_a_day_by_a_clock_that_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, control) = open(dir.path());
    for hour in 0..5 {
        let header = format!("k{hour}");
        writer.commit(&[with_receipt(receipt(&header, "", hour * HOUR_MS))], at(0)).unwrap();
    }
    writer.trim(at(26 * HOUR_MS), false).unwrap();
    assert_eq!(control.receipts().unwrap(), 5);
    writer.trim(at(26 * HOUR_MS), true).unwrap();
    assert_eq!(control.receipts().unwrap(), 3);
    assert!(control.receipt(&key("k2"), at(26 * HOUR_MS)).unwrap().is_some());
}

#[test]
fn of_too_many_receipts_the_oldest_go_a_bounded_piece_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, control) = open(dir.path());
    let over = 2_500;
    for chunk in 0..5 {
        let each = (MAX_RECEIPTS + over) / 5;
        let numbers = chunk * each..(chunk + 1) * each;
        let batches: Vec<_> =
            numbers.map(|n| with_receipt(receipt(&format!("k{n}"), "", n.cast_signed()))).collect();
        writer.commit(&batches, at(0)).unwrap();
    }
    let mut calls = 1;
    while writer.trim(at(0), true).unwrap().more {
        calls += 1;
    }
    assert_eq!((control.receipts().unwrap(), calls), (MAX_RECEIPTS, 3));
    assert!(control.receipt(&key("k2499"), at(0)).unwrap().is_none());
    assert!(control.receipt(&key("k2500"), at(0)).unwrap().is_some());
}

#[test]
fn a_commit_that_fails_leaves_no_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, control) = open(dir.path());
    for n in 0..MAX_RINGS {
        writer.set_limits(&tenant(&format!("t{n}")), None, None, at(0)).unwrap();
    }
    let record = Office::new(1).batch(&tenant("one-more"), 1, at(0));
    let batch = Batch { receipt: Some(Box::new(receipt("k", "", 0))), ..record };
    assert!(matches!(writer.commit(&[batch], at(0)), Err(Error::TooManyRings { .. })));
    assert_eq!(control.receipt(&key("k"), at(0)).unwrap(), None);
}

#[test]
fn tenants_are_added_changed_and_listed_with_their_rings() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut control) = open(dir.path());
    let (a, b) = (tenant("branch-a"), tenant("branch-b"));
    assert!(control.add_tenant(&a, "Branch A", &budget(8 << 20), at(3)).unwrap());
    assert!(!control.add_tenant(&a, "Again", &Limits::default(), at(4)).unwrap());
    assert!(!control.add_tenant(&TenantId::default(), "x", &Limits::default(), at(4)).unwrap());
    assert!(control.has_tenant(&a).unwrap() && control.has_tenant(&TenantId::default()).unwrap());
    assert!(!control.has_tenant(&b).unwrap());
    writer.commit(&[Office::new(1).batch(&a, 5, at(4)), Office::new(2).batch(&b, 2, at(4))], at(4)).unwrap();
    let all = control.tenants().unwrap();
    let told: Vec<_> = all.iter().map(|one| (one.tenant.as_str(), &*one.name, one.rows)).collect();
    assert_eq!(told, [("branch-a", "Branch A", 5), ("branch-b", "branch-b", 2), ("default", "Default", 0)]);
    assert_eq!((all[0].created, all[0].limits, all[1].created), (Some(at(3)), budget(8 << 20), None));

    let days = RetentionDays::new(1).unwrap();
    let change = TenantChange { retention: Some(Some(days)), ..TenantChange::default() };
    assert!(control.change_tenant(&a, &change, at(5)).unwrap());
    let limits = control.tenant(&a).unwrap().unwrap().limits;
    assert_eq!(limits, Limits { retention: Some(days), ..budget(8 << 20) });
    let stats = Reader::open(dir.path()).unwrap().stats(&a).unwrap();
    assert_eq!((stats.retention_days, stats.budget_bytes), (1, 8 << 20));
    let change = TenantChange { name: Some("A".into()), retention: Some(None), budget: Some(None) };
    assert!(control.change_tenant(&a, &change, at(5)).unwrap());
    let one = control.tenant(&a).unwrap().unwrap();
    assert_eq!((&*one.name, one.limits, one.rows), ("A", Limits::default(), 5));
    assert!(!control.change_tenant(&tenant("nobody"), &change, at(5)).unwrap());
    assert_eq!(control.tenant(&tenant("nobody")).unwrap(), None);
}

#[test]
fn a_tenant_with_one_day_loses_its_rows_after_that_day_and_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut control) = open(dir.path());
    let short = tenant("short");
    let limits = Limits { retention: Some(RetentionDays::new(1).unwrap()), budget: None };
    control.add_tenant(&short, "Short", &limits, at(0)).unwrap();
    let mut office = Office::new(1);
    let batches = [office.batch(&short, 5, at(0)), office.batch(&TenantId::default(), 5, at(0))];
    writer.commit(&batches, at(0)).unwrap();
    assert_eq!(writer.trim(at(25 * HOUR_MS), true).unwrap().by_age, 5);
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(
        (reader.stats(&short).unwrap().rows, reader.stats(&TenantId::default()).unwrap().rows),
        (0, 5)
    );
}

#[test]
fn a_tenant_with_rows_or_letters_is_removed_only_when_they_are_to_go_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut control) = open(dir.path());
    let (a, mut office) = (tenant("a"), Office::new(1));
    control.add_tenant(&a, "A", &Limits::default(), at(0)).unwrap();
    let mut stored = office.batch(&a, 50, at(0));
    stored.receipt =
        Some(Box::new(Receipt { key: ReceiptKey { tenant: a.clone(), ..key("k") }, ..receipt("k", "", 0) }));
    writer.commit(&[stored, office.batch(&TenantId::default(), 3, at(0))], at(0)).unwrap();
    let letter = NewLetter {
        tenant: &a,
        destination: "ring",
        reason: "record_too_large",
        last_status: None,
        retry_count: 0,
        rows: None,
        payload: "{}",
    };
    control.add_dead_letter(&letter, at(0)).unwrap();
    assert_eq!(control.remove_tenant(&TenantId::default(), true).unwrap(), Removal::Default);
    assert_eq!(control.remove_tenant(&tenant("nobody"), true).unwrap(), Removal::Unknown);
    assert_eq!(control.remove_tenant(&a, false).unwrap(), Removal::Holds { rows: 50, letters: 1 });
    assert_eq!(control.tenant(&a).unwrap().unwrap().rows, 50, "nothing went");

    assert_eq!(control.remove_tenant(&a, true).unwrap(), Removal::Removed);
    assert_eq!(control.dead_letter_stats(None).unwrap(), []);
    assert_eq!(control.receipts().unwrap(), 0);
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(all_rows(&reader, &a), [], "its rows cannot be read any more");
    assert!(control.add_tenant(&a, "Another A", &Limits::default(), at(1)).unwrap());
    writer.commit(&[office.batch(&a, 2, at(1))], at(1)).unwrap();
    assert_eq!(writer.trim(at(1), true).unwrap().by_budget, 50, "they are trimmed away");
    assert_eq!(all_rows(&reader, &a).len(), 2, "another tenant of that name has rows of its own");
    let report = check(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.rings, report.rows), (2, 5));
    assert_eq!(control.tenants().unwrap().len(), 2);
}

#[test]
fn there_are_no_more_tenants_than_rings() {
    let dir = tempfile::tempdir().unwrap();
    let (_writer, mut control) = open(dir.path());
    for n in 0..MAX_RINGS {
        assert!(control.add_tenant(&tenant(&format!("t{n}")), "T", &Limits::default(), at(0)).unwrap());
    }
    let told = control.add_tenant(&tenant("more"), "T", &Limits::default(), at(0)).unwrap_err();
    assert!(matches!(told, Error::TooManyRings { .. }), "{told}");
    assert!(!control.has_tenant(&tenant("more")).unwrap());
}
