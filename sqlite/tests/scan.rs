//! Going through rings record by record.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use support::{Office, at, soon, tenant};
use weir_flow::{Batch, FlowRecord, TenantId};
use weir_store::{Config, Reader, Scanned, Writer};

/// Rings of two tenants, their commits by turns: 5 rows each time.
fn rings(dir: &std::path::Path, commits: u64) -> Vec<FlowRecord> {
    let mut writer = Writer::open(dir, &Config::default(), at(0)).unwrap();
    let mut office = Office::new(7);
    let mut own = Vec::new();
    for commit in 0..commits {
        for (name, rows) in [("default", 5), ("other", 3)] {
            let now = at(i64::try_from(commit).unwrap() * 1_000);
            let records: Vec<_> = (0..rows).map(|_| office.record(now)).collect();
            if name == "default" {
                own.extend(records.iter().cloned());
            }
            let batch = Batch { tenant: tenant(name), records, ..Batch::default() };
            writer.commit(&[batch], now).unwrap();
        }
    }
    writer.close().unwrap();
    own
}

/// A ring of three blocks, each of a commit.
fn large_ring(dir: &std::path::Path) {
    let mut writer = Writer::open(dir, &Config::default(), at(0)).unwrap();
    let mut office = Office::new(7);
    for commit in 0..3 {
        let now = at(commit * 1_000);
        let records = (0..3_000).map(|_| office.record(now)).collect();
        writer.commit(&[Batch { records, ..Batch::default() }], now).unwrap();
    }
    writer.close().unwrap();
}

fn past() -> Instant {
    Instant::now().checked_sub(Duration::from_secs(1)).unwrap()
}

#[test]
fn pieces_that_end_after_each_block_hand_over_every_row_of_the_range_once() {
    let dir = tempfile::tempdir().unwrap();
    let records = rings(dir.path(), 40);
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.tenants().unwrap(), [tenant("default"), tenant("other")]);
    for (from, to) in [(1, 201), (1, 2), (6, 11), (7, 199), (200, 201), (1, 1), (201, 300)] {
        let (mut end, mut seen, mut pieces) = (to, Vec::new(), 0);
        while end > from {
            let deadline = if pieces % 3 == 2 { soon() } else { past() };
            let scanned = reader.scan(&TenantId::default(), from..end, deadline, |row, _, record| {
                seen.push((row, record.src_ip, record.start));
                true
            });
            let Scanned { down_to, damaged } = scanned.unwrap();
            assert!(down_to < end, "{from}..{end}: no progress");
            assert_eq!(damaged, 0);
            (end, pieces) = (down_to, pieces + 1);
        }
        seen.sort_unstable();
        let expected = (from..to).filter_map(|row| {
            let record = records.get(usize::try_from(row).unwrap() - 1)?;
            Some((row, record.src_ip, record.start))
        });
        assert_eq!(seen, expected.collect::<Vec<_>>(), "{from}..{to}");
    }
}

#[test]
fn it_ends_with_the_block_in_which_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    large_ring(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    let mut rows = Vec::new();
    let scanned = reader.scan(&TenantId::default(), 1..9_001, soon(), |row, stored, _| {
        rows.push((row, stored));
        row != 7_000
    });
    assert_eq!(scanned.unwrap(), Scanned { down_to: 6_001, damaged: 0 });
    let expected: Vec<_> = (6_001..9_001).map(|row| (row, at(2_000))).collect();
    assert_eq!(rows, expected);
}

#[test]
fn a_tenant_without_a_ring_has_nothing_to_go_through() {
    let dir = tempfile::tempdir().unwrap();
    rings(dir.path(), 1);
    let reader = Reader::open(dir.path()).unwrap();
    let scanned = reader.scan(&tenant("nobody"), 1..100, soon(), |_, _, _| panic!("a row of nobody"));
    assert_eq!(scanned.unwrap(), Scanned { down_to: 1, damaged: 0 });
}

#[test]
fn a_damaged_block_is_counted_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    large_ring(dir.path());
    let db = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
    let changed = db.execute("UPDATE block SET data = x'00' WHERE first_row = 3001", []).unwrap();
    assert_eq!(changed, 1, "there is a block that starts with row 3,001");
    drop(db);
    let reader = Reader::open(dir.path()).unwrap();
    let mut rows = 0;
    let scanned = reader.scan(&TenantId::default(), 1..9_001, soon(), |_, _, _| {
        rows += 1;
        true
    });
    assert_eq!((scanned.unwrap(), rows), (Scanned { down_to: 1, damaged: 1 }, 6_000));
}
