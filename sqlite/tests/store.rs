//! What the writer stores, readers find; what must not be opened is left alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use support::{HOUR_MS, Office, all_rows, at, bookmark, soon, tenant};
use weir_flow::{Batch, Extra, FlowRecord, TenantId};
use weir_store::{
    Config, Error, ErrorKind, MAX_BLOCK_ROWS, MAX_RECORD_BYTES, Order, Reader, RetentionDays, Writer, check,
};

fn open(dir: &std::path::Path) -> Writer {
    Writer::open(dir, &Config::default(), at(0)).unwrap()
}

#[test]
fn what_is_committed_is_read_with_its_identity() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let tenant = TenantId::default();
    let batch = Office::new(1).batch(&tenant, 3, at(0));
    let committed = writer.commit(std::slice::from_ref(&batch), at(1_234)).unwrap();
    assert_eq!((committed.rows, committed.blocks, committed.refused), (3, 1, 0));

    let reader = Reader::open(dir.path()).unwrap();
    let rows = reader.recent(&tenant, 10, Order::OldestFirst, soon()).unwrap();
    let stats = reader.stats(&tenant).unwrap();
    let ring_id = stats.ring_id.unwrap();
    assert_eq!(ring_id.len(), 16);
    for (number, (row, record)) in (1..).zip(rows.iter().zip(&batch.records)) {
        assert_eq!((row.row, &row.id), (number, &format!("{ring_id}-{number}")));
        let record = serde_json::to_string(record).unwrap();
        let at = at(1_234);
        let front = format!(r#"{{"id":"{ring_id}-{number}","tenant_id":"default","processed_at":"{at}","#);
        assert_eq!(row.json, front + &record[1..]);
        serde_json::from_str::<Value>(&row.json).unwrap();
    }
    assert_eq!((stats.rows, stats.first_row, stats.next_row), (3, 1, 4));
    assert_eq!((stats.oldest_ts, stats.newest_ts), (Some(at(1_234)), Some(at(1_234))));
    assert_eq!((stats.budget_bytes, stats.retention_days), (1 << 30, 7));
}

#[test]
fn rows_are_read_from_any_row_in_either_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (tenant, mut office) = (TenantId::default(), Office::new(2));
    for _ in 0..5 {
        writer.commit(&[office.batch(&tenant, 7, at(0))], at(0)).unwrap();
    }
    let reader = Reader::open(dir.path()).unwrap();
    let numbers = |rows: Vec<weir_store::StoredRow>| rows.iter().map(|row| row.row).collect::<Vec<_>>();
    let recent = |limit, order| numbers(reader.recent(&tenant, limit, order, soon()).unwrap());
    assert_eq!(recent(9, Order::NewestFirst), (27..=35).rev().collect::<Vec<_>>());
    assert_eq!(recent(9, Order::OldestFirst), (27..=35).collect::<Vec<_>>());
    assert_eq!(recent(0, Order::NewestFirst), [0; 0]);
    assert_eq!(recent(1_000, Order::OldestFirst), (1..=35).collect::<Vec<_>>());
    let after = |row, limit| numbers(reader.rows(&tenant, row, limit, soon()).unwrap());
    for row in [0, 1, 6, 7, 8, 20, 34] {
        assert_eq!(after(row, 10), (row + 1..=35.min(row + 10)).collect::<Vec<_>>(), "after {row}");
    }
    for row in [35, 36, u64::MAX] {
        assert_eq!(after(row, 10), [0; 0], "after {row}");
    }
    assert_eq!(
        numbers(reader.recent(&support::tenant("other"), 5, Order::NewestFirst, soon()).unwrap()),
        [0; 0]
    );
}

#[test]
fn a_commit_of_several_tenants_fills_a_ring_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (a, b) = (tenant("a"), tenant("b"));
    let mut office = Office::new(3);
    let mut batches = [
        office.batch(&a, 2, at(0)),
        office.batch(&b, 5, at(0)),
        office.batch(&a, 3, at(0)),
        Batch { bookmark: bookmark("zeek:x", 1), tenant: tenant("unused"), ..Batch::default() },
    ];
    batches[1].bookmark = bookmark("zeek:conn.log", 42);
    let committed = writer.commit(&batches, at(0)).unwrap();
    assert_eq!((committed.rows, committed.blocks), (10, 2));
    let reader = Reader::open(dir.path()).unwrap();
    let (of_a, of_b) = (all_rows(&reader, &a), all_rows(&reader, &b));
    assert_eq!((of_a.len(), of_b.len()), (5, 5));
    assert_eq!((of_a[0].row, of_b[0].row), (1, 1));
    assert_ne!(of_a[0].id, of_b[0].id);
    assert!(of_a[4].json.contains(r#""tenant_id":"a""#));
    assert_eq!(writer.bookmark("zeek:conn.log").unwrap().as_deref(), Some("42"));
    assert_eq!(writer.bookmark("zeek:x").unwrap().as_deref(), Some("1"));
    assert_eq!(writer.bookmark("zeek:dns.log").unwrap(), None);
    assert_eq!(reader.stats(&tenant("unused")).unwrap().ring_id, None);
}

#[test]
fn bookmarks_are_read_by_the_beginning_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let names = ["zeek:/a/conn.log#1", "zeek:/a/", "zeekx", "other", "ZEEK:/b"];
    let batches = names.map(|name| Batch { bookmark: bookmark(name, 7), ..Batch::default() });
    writer.commit(&batches, at(0)).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let row = |name: &str| (name.to_owned(), "7".to_owned());
    assert_eq!(reader.bookmarks("zeek:").unwrap(), [row("zeek:/a/"), row("zeek:/a/conn.log#1")]);
    assert_eq!(reader.bookmarks("").unwrap().len(), 5);
    assert_eq!(reader.bookmarks("%").unwrap(), []);
}

#[test]
fn a_large_commit_makes_several_blocks_and_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let tenant = TenantId::default();
    let batch = Office::new(4).batch(&tenant, 2 * MAX_BLOCK_ROWS + 1, at(0));
    let committed = writer.commit(&[batch], at(0)).unwrap();
    assert_eq!((committed.rows, committed.blocks), (2 * MAX_BLOCK_ROWS as u64 + 1, 3));
    let report = check(dir.path()).unwrap();
    assert_eq!(report.problems, [""; 0]);
    assert_eq!((report.rings, report.blocks, report.rows), (1, 3, 8_193));
    assert_eq!((report.bytes, committed.sealed_blocks), (committed.bytes, 0));
}

#[test]
fn a_record_of_megabytes_is_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let extra = Extra::from_iter([("x", "y".repeat(MAX_RECORD_BYTES))]);
    let large = FlowRecord { extra: Some(Box::new(extra)), ..FlowRecord::default() };
    let records = vec![FlowRecord::default(), large, FlowRecord::default()];
    let committed = writer.commit(&[Batch { records, ..Batch::default() }], at(0)).unwrap();
    assert_eq!((committed.rows, committed.refused), (2, 1));
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn minutes_sum_up_their_rows_and_point_to_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (tenant, mut office) = (TenantId::default(), Office::new(5));
    let batches: Vec<_> = (0..4).map(|_| office.batch(&tenant, 10, at(0))).collect();
    for (batch, ms) in batches.iter().zip([0, 30_000, 60_000, 180_000]) {
        writer.commit(std::slice::from_ref(batch), at(ms)).unwrap();
    }
    let reader = Reader::open(dir.path()).unwrap();
    let first = at(0).millis() / 60_000;
    let minutes = reader.minutes(&tenant, first, first + 3).unwrap();
    assert_eq!(
        minutes.iter().map(|m| (m.minute - first, m.flows, m.first_row)).collect::<Vec<_>>(),
        [(0, 20, 1), (1, 10, 21)]
    );
    let octets: u64 = batches[..2].iter().flat_map(|b| &b.records).map(FlowRecord::octets).sum();
    assert_eq!(minutes[0].octets, octets);
    assert_eq!((minutes[1].risk_count, minutes[1].risk_sum >= 100), (10, true));
    assert_eq!(reader.minutes(&tenant, first, first + 4).unwrap().len(), 3);
}

#[test]
fn a_clock_that_goes_back_does_not_turn_the_ring_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (tenant, mut office) = (TenantId::default(), Office::new(6));
    writer.commit(&[office.batch(&tenant, 1, at(0))], at(5_000)).unwrap();
    writer.commit(&[office.batch(&tenant, 1, at(0))], at(-100_000_000)).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let rows = all_rows(&reader, &tenant);
    assert!(rows[1].json.contains(&format!(r#""processed_at":"{}""#, at(5_000))));
    assert!(check(dir.path()).unwrap().is_sound());
}

const DAY_MS: i64 = 86_400_000;

#[test]
fn rows_past_their_retention_go_and_their_minutes_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (kept, short) = (tenant("kept"), tenant("short"));
    writer.set_limits(&short, Some(RetentionDays::new(1).unwrap()), None, at(0)).unwrap();
    let mut office = Office::new(7);
    for day in 0..9 {
        let now = at(day * DAY_MS);
        writer.commit(&[office.batch(&kept, 10, now), office.batch(&short, 4, now)], now).unwrap();
    }
    let now = at(8 * DAY_MS + 120_000);
    assert_eq!(writer.trim(now, false).unwrap().rows, 0, "the clock is not known to be set");
    let trimmed = writer.trim(now, true).unwrap();
    assert_eq!((trimmed.rows, trimmed.by_age, trimmed.by_budget, trimmed.more), (20 + 32, 52, 0, false));
    let reader = Reader::open(dir.path()).unwrap();
    let rows = all_rows(&reader, &kept);
    assert_eq!((rows[0].row, rows.len()), (21, 70));
    assert_eq!(all_rows(&reader, &short).len(), 4);
    assert_eq!(reader.stats(&short).unwrap().retention_days, 1);
    let minutes = reader.minutes(&kept, 0, i64::MAX).unwrap();
    assert_eq!(minutes.iter().map(|m| m.flows).sum::<u64>(), 70);
    assert_eq!(minutes[0].first_row, 21);
    assert!(check(dir.path()).unwrap().is_sound());
    writer.trim(at(100 * DAY_MS), true).unwrap();
    assert_eq!(reader.stats(&kept).unwrap().rows, 0);
    writer.commit(&[office.batch(&kept, 1, at(0))], at(100 * DAY_MS)).unwrap();
    assert_eq!(all_rows(&reader, &kept)[0].row, 91, "numbers go on after all rows went");
}

#[test]
fn rows_from_before_the_clock_was_set_do_not_go_when_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (tenant, mut office) = (TenantId::default(), Office::new(8));
    let in_1970 = weir_flow::Timestamp::from_millis(30_000);
    writer.commit(&[office.batch(&tenant, 5, in_1970)], in_1970).unwrap();
    writer.commit(&[office.batch(&tenant, 5, at(0))], at(0)).unwrap();
    assert_eq!(writer.trim(at(60_000), true).unwrap().rows, 0);
    assert_eq!(writer.trim(at(8 * DAY_MS), true).unwrap().rows, 10);
}

#[test]
fn rows_that_a_clock_set_to_the_build_of_the_system_stamped_do_not_go_when_it_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (tenant, mut office) = (TenantId::default(), Office::new(8));
    // 2025-09-17: systemd starts a clock that nothing keeps at the day of its own build.
    let at_boot = weir_flow::Timestamp::from_millis(1_758_100_000_000);
    writer.commit(&[office.batch(&tenant, 5, at_boot)], at_boot).unwrap();
    assert_eq!(writer.trim(at(0), true).unwrap().rows, 0);
    writer.commit(&[office.batch(&tenant, 5, at(0))], at(0)).unwrap();
    assert_eq!(writer.trim(at(60_000), true).unwrap().rows, 0);
    assert_eq!(writer.trim(at(8 * DAY_MS), true).unwrap().rows, 10);
}

#[test]
fn rows_that_follow_a_clock_that_was_decades_ahead_still_go_after_their_retention() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (tenant, mut office) = (TenantId::default(), Office::new(12));
    let ahead = at(30 * 365 * DAY_MS);
    writer.commit(&[office.batch(&tenant, 5, at(0))], at(0)).unwrap();
    writer.commit(&[office.batch(&tenant, 5, ahead)], ahead).unwrap();
    for day in 1..=3 {
        writer.commit(&[office.batch(&tenant, 5, at(day * DAY_MS))], at(day * DAY_MS)).unwrap();
    }
    let rows = |dir: &std::path::Path| Reader::open(dir).unwrap().stats(&tenant).unwrap().rows;
    assert_eq!(writer.trim(at(3 * DAY_MS), true).unwrap().rows, 0);
    // Those of the first day, and those of unknown age between them and the second.
    assert_eq!(writer.trim(at(8 * DAY_MS + 60_000), true).unwrap().by_age, 15);
    assert_eq!(rows(dir.path()), 10);
    assert_eq!(writer.trim(at(11 * DAY_MS), true).unwrap().by_age, 10);
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn a_read_past_its_deadline_is_told_and_the_next_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (tenant, mut office) = (TenantId::default(), Office::new(9));
    writer.commit(&[office.batch(&tenant, 50, at(0))], at(0)).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let past = Instant::now() - Duration::from_millis(1);
    let told = reader.recent(&tenant, 10, Order::NewestFirst, past).unwrap_err();
    assert!(matches!(told, Error::Deadline { .. }), "{told}");
    assert_eq!(reader.recent(&tenant, 10, Order::NewestFirst, soon()).unwrap().len(), 10);
}

#[test]
fn a_store_is_private_and_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deep/data");
    let mut writer = open(&data);
    writer.commit(&[Office::new(1).batch(&TenantId::default(), 1, at(0))], at(0)).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["lock", "reserve", "weir.db", "weir.db-shm", "weir.db-wal"]);
    let told = Writer::open(&data, &Config::default(), at(0)).err().unwrap();
    assert_eq!(told.kind(), ErrorKind::Unavailable, "{told}");
    writer.close().unwrap();
    assert!(!data.join("weir.db-wal").exists());
    open(&data).close().unwrap();
}

#[test]
fn a_file_that_is_not_a_store_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1")
        .unwrap();
    let foreign = fs::read(&path).unwrap();
    for content in [foreign.as_slice(), b"", b"text", &[0; 4_096]] {
        fs::write(&path, content).unwrap();
        let told = Writer::open(dir.path(), &Config::default(), at(0)).err().unwrap();
        assert!(matches!(told, Error::Foreign { .. }), "{told}");
        assert_eq!(told.kind(), ErrorKind::Config);
        assert!(matches!(Reader::open(dir.path()).err().unwrap(), Error::Foreign { .. }));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_newer_store_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close().unwrap();
    let path = dir.path().join("weir.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    let before = fs::read(&path).unwrap();
    let told = Writer::open(dir.path(), &Config::default(), at(0)).err().unwrap();
    assert!(matches!(told, Error::Newer { found: 9, known: 3, .. }), "{told}");
    assert!(matches!(Reader::open(dir.path()).err().unwrap(), Error::Newer { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 0").unwrap();
    assert!(matches!(Reader::open(dir.path()).err().unwrap(), Error::Older { found: 0, .. }));
}

#[test]
fn what_is_missing_or_in_the_way_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let told = Reader::open(dir.path()).err().unwrap();
    assert_eq!(told.kind(), ErrorKind::NoInput, "{told}");
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let told = Writer::open(&path, &Config::default(), at(0)).err().unwrap();
        assert_eq!(told.kind(), ErrorKind::CannotCreate, "{told}");
        assert!(told.to_string().contains(path.to_str().unwrap()), "{told}");
    }
}

#[test]
fn a_store_half_made_at_a_power_cut_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("weir.db.new"), "half").unwrap();
    open(dir.path()).close().unwrap();
    assert!(check(dir.path()).unwrap().is_sound());
    assert!(!dir.path().join("weir.db.new").exists());
}

#[test]
fn a_check_finds_a_gap_a_changed_block_and_a_wrong_sum() {
    let damages = [
        ("DELETE FROM block WHERE first_row = 11", "rows before 21 are missing"),
        ("DELETE FROM block WHERE first_row = 21", "its newest rows are missing"),
        ("DELETE FROM summary WHERE block & 255 = 11", "row 11: its block has no summary"),
        ("UPDATE summary SET count = 9 WHERE block & 255 = 11", "row 11: the summary of its block is wrong"),
        ("DELETE FROM terms WHERE block & 255 = 11", "row 11: the summary of its block is wrong"),
        ("UPDATE block SET data = zeroblob(length(data)) WHERE first_row = 11", "row 11: "),
        ("UPDATE block SET count = 9 WHERE first_row = 11", "10 rows where 9 were packed"),
        ("UPDATE block SET processed_at = 5 WHERE first_row = 11", "row 11 is out of order"),
        ("UPDATE ring SET bytes = bytes + 1", "bytes where it counts"),
        ("PRAGMA foreign_keys = OFF; INSERT INTO minute VALUES (77, 0, 0, 0, 0, 0, 0, 0, 0)", "minute"),
    ];
    for (damage, told) in damages {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path());
        let mut office = Office::new(10);
        for hour in 0..3 {
            let now = at(hour * HOUR_MS);
            writer.commit(&[office.batch(&TenantId::default(), 10, now)], now).unwrap();
        }
        writer.trim(at(3 * HOUR_MS), true).unwrap();
        writer.close().unwrap();
        assert!(check(dir.path()).unwrap().is_sound());
        Connection::open(dir.path().join("weir.db")).unwrap().execute_batch(damage).unwrap();
        let problems = check(dir.path()).unwrap().problems;
        assert!(problems.iter().any(|problem| problem.contains(told)), "{damage}: {problems:?}");
    }
}

#[test]
fn a_damaged_block_is_an_error_for_who_reads_it_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    writer.commit(&[Office::new(11).batch(&TenantId::default(), 10, at(0))], at(0)).unwrap();
    writer.trim(at(HOUR_MS), true).unwrap();
    writer.close().unwrap();
    let db = Connection::open(dir.path().join("weir.db")).unwrap();
    for change in ["raw_bytes = -1", "raw_bytes = 1 << 40", "encoding = 7", "encoding = 300", "data = x'00'"]
    {
        db.execute_batch(&format!("BEGIN; UPDATE block SET {change}; COMMIT")).unwrap();
        let reader = Reader::open(dir.path()).unwrap();
        assert!(reader.recent(&TenantId::default(), 1, Order::NewestFirst, soon()).is_err(), "{change}");
    }
}

#[test]
fn more_tenants_than_there_may_be_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let mut office = Office::new(12);
    let batches = |office: &mut Office, names: std::ops::Range<u32>| {
        names.map(|n| office.batch(&tenant(&format!("t{n}")), 1, at(0))).collect::<Vec<_>>()
    };
    writer.commit(&batches(&mut office, 0..weir_store::MAX_RINGS), at(0)).unwrap();
    let told = writer.commit(&batches(&mut office, 9_000..9_001), at(0)).unwrap_err();
    assert!(matches!(told, Error::TooManyRings { .. }), "{told}");
    writer.commit(&batches(&mut office, 3..4), at(0)).unwrap();
    assert_eq!(check(dir.path()).unwrap().rows, 257);
}
