//! The tail of a ring: small commits in place, sealed together later, and never a row missing or doubled.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use support::{HOUR_MS, Office, all_rows, at, soon, tenant};
use weir_flow::{Batch, TenantId};
use weir_store::{
    BudgetBytes, Committed, Config, Control, Error, Limits, MAX_RINGS, Order, Reader, RetentionDays, Writer,
    check,
};

const MIB: u64 = 1 << 20;
/// A page in the log: 4,096 octets and a head of 24 (SQLite's file format, section 4.1).
const FRAME: u64 = 4_096 + 24;

fn open(dir: &Path) -> Writer {
    Writer::open(dir, &Config::default(), at(0)).unwrap()
}

fn small(budget: u64) -> Config {
    Config { budget_bytes: BudgetBytes::new(budget).unwrap(), ..Config::default() }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// What SQL answers about the file.
fn number(dir: &Path, sql: &str) -> u64 {
    let db = Connection::open(dir.join("weir.db")).unwrap();
    db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
}

/// Compares the rows of a ring with what was committed.
fn assert_rows(dir: &Path, tenant: &TenantId, batches: &[Batch]) {
    let rows = all_rows(&Reader::open(dir).unwrap(), tenant);
    let records: Vec<_> = batches.iter().flat_map(|batch| &batch.records).collect();
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(records) {
        assert!(row.json.ends_with(&serde_json::to_string(record).unwrap()[1..]), "row {}", row.row);
    }
    let report = check(dir).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.rows, rows.len() as u64);
}

#[test]
fn a_small_commit_writes_a_few_pages_of_the_tail_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (log, file) = (dir.path().join("weir.db-wal"), dir.path().join("weir.db"));
    let (tenant, mut office) = (TenantId::default(), Office::new(1));
    let mut writer = open(dir.path());
    writer.commit(&[office.batch(&tenant, 100, at(0))], at(0)).unwrap();
    let size = length(&file);
    for commit in 1..=30 {
        let before = length(&log);
        writer.commit(&[office.batch(&tenant, 100, at(0))], at(2_000 * commit)).unwrap();
        let pages = (length(&log) - before) / FRAME;
        assert!((1..=3).contains(&pages), "{pages} pages");
        assert_eq!((length(&log) - before) % FRAME, 0);
    }
    assert_eq!((length(&file), number(dir.path(), "SELECT count(*) FROM block")), (size, 0));
    assert_eq!(number(dir.path(), "SELECT next_row FROM ring"), 1, "the ring's row is as it was");
}

#[test]
fn a_tail_is_sealed_when_its_rows_make_a_block() {
    let dir = tempfile::tempdir().unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(2));
    let mut writer = open(dir.path());
    let batches: Vec<_> = (0..9).map(|_| office.batch(&tenant, 1_000, at(0))).collect();
    let mut sealed = Vec::new();
    for (batch, ms) in batches.iter().zip(0..) {
        let done = writer.commit(std::slice::from_ref(batch), at(ms)).unwrap();
        assert_eq!((done.rows, done.blocks), (1_000, 1));
        sealed.push(done.sealed_blocks);
    }
    assert_eq!(sealed, [0, 0, 0, 0, 1, 0, 0, 0, 1]);
    assert_eq!(number(dir.path(), "SELECT sum(count) FROM block"), 8_000);
    let rows = all_rows(&Reader::open(dir.path()).unwrap(), &tenant);
    for row in rows.iter().step_by(333) {
        let stamp = at(((row.row - 1) / 1_000).cast_signed());
        assert!(row.json.contains(&format!(r#""processed_at":"{stamp}""#)), "row {}", row.row);
    }
    assert_rows(dir.path(), &tenant, &batches);
}

#[test]
fn a_tail_without_room_is_sealed_and_a_large_block_goes_past_it() {
    let dir = tempfile::tempdir().unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(3));
    let mut writer = Writer::open(dir.path(), &small(4 * MIB), at(0)).unwrap();
    // The place has 64 KiB; a quarter of that is a large block.
    let mut batches: Vec<_> = (0..12).map(|_| office.bulk(&tenant, 12 << 10, at(0))).collect();
    let mut commit = |batch: &Batch| writer.commit(std::slice::from_ref(batch), at(0)).unwrap();
    let (mut end, mut seals) = (0, 0);
    for batch in &batches {
        let done = commit(batch);
        let has_room = end + 96 + done.bytes + 4 <= 64 << 10;
        assert_eq!(done.sealed_blocks, u64::from(!has_room), "{end} and {}", done.bytes);
        seals += done.sealed_blocks;
        end = if has_room { end } else { 0 } + 96 + done.bytes;
    }
    assert!(seals >= 2 && end > 0);
    let large = office.bulk(&tenant, 20 << 10, at(0));
    let Committed { blocks, sealed_blocks, .. } = commit(&large);
    assert_eq!((blocks, sealed_blocks), (1, 1), "the tail before it, and itself");
    batches.push(large);
    assert_eq!(number(dir.path(), "SELECT count(*) FROM block"), seals + 2);
    assert_rows(dir.path(), &tenant, &batches);
}

#[test]
fn a_tail_is_sealed_an_hour_after_its_oldest_commit() {
    let dir = tempfile::tempdir().unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(4));
    let mut writer = open(dir.path());
    let batches: Vec<_> = (0..3).map(|_| office.batch(&tenant, 10, at(0))).collect();
    let blocks = || number(dir.path(), "SELECT count(*) FROM block");
    writer.commit(&batches[..1], at(0)).unwrap();
    writer.commit(&batches[1..2], at(HOUR_MS - 1)).unwrap();
    writer.trim(at(HOUR_MS - 1), false).unwrap();
    assert_eq!(blocks(), 0);
    writer.trim(at(HOUR_MS), false).unwrap();
    assert_eq!(blocks(), 1);
    // Without a trim in between a commit looks by itself.
    writer.commit(&batches[2..], at(2 * HOUR_MS)).unwrap();
    writer.commit(&[office.batch(&tenant, 0, at(0))], at(4 * HOUR_MS)).unwrap();
    writer.close().unwrap();
    let mut writer = open(dir.path());
    writer.trim(at(3 * HOUR_MS), false).unwrap();
    assert_eq!(blocks(), 2, "what is old is known after a start, too");
    assert_rows(dir.path(), &tenant, &batches);
}

#[test]
fn a_commit_of_many_rows_is_sealed_at_birth_in_even_parts_behind_the_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(5));
    let mut writer = open(dir.path());
    let batches = [2_047, 4_098, 5].map(|rows| office.batch(&tenant, rows, at(0)));
    for batch in &batches {
        writer.commit(std::slice::from_ref(batch), at(0)).unwrap();
    }
    let counts = |sql: &str| number(dir.path(), sql);
    assert_eq!(counts("SELECT count(*) FROM block"), 3);
    assert_eq!(counts("SELECT count(*) FROM block WHERE count = 2047"), 1);
    assert_eq!(counts("SELECT count(*) FROM block WHERE count = 2049"), 2);
    assert_rows(dir.path(), &tenant, &batches);
}

#[test]
fn a_stop_and_a_start_go_on_in_the_same_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(6));
    let batches: Vec<_> = (0..5).map(|_| office.batch(&tenant, 20, at(0))).collect();
    for batch in &batches {
        let mut writer = open(dir.path());
        writer.commit(std::slice::from_ref(batch), at(0)).unwrap();
        writer.close().unwrap();
    }
    assert_eq!(number(dir.path(), "SELECT count(*) FROM block"), 0);
    assert_rows(dir.path(), &tenant, &batches);
}

#[test]
fn tails_of_all_tenants_fit_and_a_commit_that_fails_leaves_them_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let mut office = Office::new(7);
    let mut writer = open(dir.path());
    let all: Vec<_> = (0..MAX_RINGS).map(|n| office.batch(&tenant(&format!("t{n}")), 3, at(0))).collect();
    writer.commit(&all, at(0)).unwrap();
    let one = all[0].clone();
    let failing = [one.clone(), office.batch(&tenant("more"), 3, at(0))];
    for _ in 0..2 {
        let told = writer.commit(&failing, at(1)).unwrap_err();
        assert!(matches!(told, Error::TooManyRings { .. }), "{told}");
    }
    writer.commit(std::slice::from_ref(&one), at(2)).unwrap();
    assert_rows_of(dir.path(), &one.tenant, 6);
    assert_rows_of(dir.path(), &tenant("t255"), 3);
    assert_eq!(number(dir.path(), "SELECT count(*) FROM tail"), u64::from(MAX_RINGS));
    // All of them get old at once: a trim does a piece, and says that there is more.
    let mut trims = 1;
    while writer.trim(at(HOUR_MS + 2), false).unwrap().more {
        trims += 1;
        assert!(trims < 100);
    }
    assert!(trims > 4, "{trims}");
    assert_eq!(number(dir.path(), "SELECT count(*) FROM block"), u64::from(MAX_RINGS));
    assert!(check(dir.path()).unwrap().is_sound());
}

fn assert_rows_of(dir: &Path, tenant: &TenantId, rows: usize) {
    assert_eq!(all_rows(&Reader::open(dir).unwrap(), tenant).len(), rows);
}

#[test]
fn many_tenants_of_a_small_budget_keep_within_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut office = Office::new(8);
    let mut writer = Writer::open(dir.path(), &small(4 * MIB), at(0)).unwrap();
    for round in 0..4 {
        let batches: Vec<_> =
            (0..40).map(|n| office.batch(&tenant(&format!("t{n}")), 20, at(round))).collect();
        writer.commit(&batches, at(round)).unwrap();
        while writer.trim(at(round), true).unwrap().more {}
        let used = writer.usage().unwrap().used;
        assert!(used <= 4 * MIB, "{used}");
    }
    assert_eq!(number(dir.path(), "SELECT count(*) FROM tail"), 8, "an eighth of the budget, 64 KiB each");
    for n in 0..40 {
        assert_rows_of(dir.path(), &tenant(&format!("t{n}")), 80);
    }
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn a_lowered_budget_makes_the_place_of_a_tail_smaller_once_it_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(9));
    let mut batches = vec![office.batch(&tenant, 20, at(0))];
    let mut writer = open(dir.path());
    writer.commit(&batches, at(0)).unwrap();
    writer.close().unwrap();
    let place = || number(dir.path(), "SELECT sum(length(data)) FROM tail");
    assert_eq!(place(), 256 << 10);
    let mut writer = Writer::open(dir.path(), &small(4 * MIB), at(1)).unwrap();
    for ms in [1, HOUR_MS, HOUR_MS] {
        batches.push(office.batch(&tenant, 20, at(ms)));
        writer.commit(&batches[batches.len() - 1..], at(ms)).unwrap();
    }
    assert_eq!(place(), 64 << 10);
    assert_rows(dir.path(), &tenant, &batches);
}

#[test]
fn readers_miss_and_double_nothing_while_rows_are_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(10));
    let mut writer = open(dir.path());
    let batches: Vec<_> = (0..8).map(|_| office.batch(&tenant, 700, at(0))).collect();
    writer.commit(&batches[..1], at(0)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let back = scope.spawn(|| {
            let (reader, mut reads, mut newest) = (Reader::open(dir.path()).unwrap(), 0, 0);
            while !stop.load(Ordering::Relaxed) {
                let rows = reader.recent(&tenant, 6_000, Order::NewestFirst, soon()).unwrap();
                assert!(rows.windows(2).all(|pair| pair[0].row == pair[1].row + 1), "a gap");
                assert!(rows.len() == 6_000 || rows.last().unwrap().row == 1, "rows are missing");
                assert!(rows[0].row >= newest, "rows are gone");
                newest = rows[0].row;
                reads += 1;
            }
            reads
        });
        let forth = scope.spawn(|| {
            let (reader, mut after) = (Reader::open(dir.path()).unwrap(), 0);
            while !stop.load(Ordering::Relaxed) {
                for row in reader.rows(&tenant, after, 5_000, soon()).unwrap() {
                    assert_eq!(row.row, after + 1);
                    after = row.row;
                }
                let stats = reader.stats(&tenant).unwrap();
                assert_eq!((stats.first_row, stats.rows), (1, stats.next_row - 1));
                let minutes = reader.minutes(&tenant, 0, i64::MAX).unwrap();
                let summed: u64 = minutes.iter().map(|minute| minute.flows).sum();
                assert!(summed >= stats.rows && summed.is_multiple_of(700), "{summed} of {}", stats.rows);
            }
            after
        });
        for commit in 1..80 {
            writer.commit(&batches[commit % 8..=commit % 8], at(commit as i64)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let (back, forth) = (back.join().unwrap(), forth.join().unwrap());
        assert!(back > 1 && forth > 700, "{back} reads back, {forth} rows forth");
    });
    assert_eq!(all_rows(&Reader::open(dir.path()).unwrap(), &tenant).len(), 80 * 700);
}

#[test]
fn rows_of_a_tail_that_cannot_be_read_are_noted_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(11));
    let mut writer = open(dir.path());
    let mut before_second = 0;
    for commit in 0..3 {
        let done = writer.commit(&[office.batch(&tenant, 10, at(0))], at(commit)).unwrap();
        before_second += if commit == 0 { 96 + done.bytes } else { 0 };
    }
    writer.close().unwrap();
    let db = Connection::open(dir.path().join("weir.db")).unwrap();
    {
        let mut blob = db.blob_open("main", "tail", "data", 1, false).unwrap();
        blob.write_at(&[0xff; 8], before_second as usize + 96 + 20).unwrap();
    }
    drop(db);
    let reader = Reader::open(dir.path()).unwrap();
    assert!(reader.recent(&tenant, 30, Order::NewestFirst, soon()).is_err(), "it is told");
    assert!(check(dir.path()).unwrap().problems.iter().any(|problem| problem.contains("row 11")));

    let mut writer = open(dir.path());
    writer.commit(&[office.batch(&tenant, 10, at(0))], at(HOUR_MS)).unwrap();
    let numbers = |after| -> Vec<u64> {
        reader.rows(&tenant, after, 100, soon()).unwrap().iter().map(|row| row.row).collect()
    };
    assert_eq!(numbers(0), (1..=10).collect::<Vec<_>>(), "an answer ends before what is lost");
    assert_eq!(numbers(10), (21..=40).collect::<Vec<_>>(), "and the next begins behind it");
    let newest = reader.recent(&tenant, 30, Order::NewestFirst, soon()).unwrap();
    assert_eq!((newest.len(), newest[29].row), (30, 1));
    let stats = reader.stats(&tenant).unwrap();
    assert_eq!((stats.rows, stats.lost_rows, stats.next_row), (30, 10, 41));
    let report = check(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.rows, report.lost_rows), (30, 10));
}

#[test]
fn what_is_known_of_a_block_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { retention_days: RetentionDays::new(1).unwrap(), ..Config::default() };
    let (tenant, mut office) = (TenantId::default(), Office::new(12));
    let mut writer = Writer::open(dir.path(), &config, at(0)).unwrap();
    for hour in 0..30 {
        writer.commit(&[office.batch(&tenant, 10, at(hour * HOUR_MS))], at(hour * HOUR_MS)).unwrap();
    }
    let db = Connection::open(dir.path().join("weir.db")).unwrap();
    let first_hour = at(0).millis() / HOUR_MS;
    db.execute("INSERT INTO damage VALUES ((1 << 48) + 5, 1, 0, '', 3, 0, NULL)", []).unwrap();
    let trimmed = writer.trim(at(30 * HOUR_MS), true).unwrap();
    assert_eq!(trimmed.by_age, 60, "hours 0 to 5");
    for table in ["block", "summary", "terms"] {
        assert_eq!(number(dir.path(), &format!("SELECT count(*) FROM {table}")), 24, "{table}");
    }
    assert_eq!(number(dir.path(), "SELECT count(*) FROM damage"), 0);
    let oldest = number(dir.path(), "SELECT min(hour) - (1 << 48) FROM hour");
    assert_eq!(oldest.cast_signed() - first_hour, 6);
    let report = check(dir.path()).unwrap();
    assert!(report.is_sound() && report.rows == 240, "{report:?}");
}

#[test]
fn a_tenant_with_only_a_tail_is_removed_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let mut control = Control::open(dir.path()).unwrap();
    let (a, mut office) = (tenant("a"), Office::new(13));
    writer.commit(&[office.batch(&a, 10, at(0))], at(0)).unwrap();
    assert_eq!(control.tenant(&a).unwrap().unwrap().rows, 10);
    control.remove_tenant(&a, true).unwrap();
    assert_eq!(writer.trim(at(0), true).unwrap().rows, 10);
    assert_eq!(number(dir.path(), "SELECT count(*) FROM tail"), 0);
    // The number of its ring is another's now, whose tail is another's, too.
    control.add_tenant(&tenant("b"), "B", &Limits::default(), at(0)).unwrap();
    writer.commit(&[office.batch(&tenant("b"), 4, at(0))], at(0)).unwrap();
    assert_rows_of(dir.path(), &tenant("b"), 4);
    assert!(check(dir.path()).unwrap().is_sound());
}
