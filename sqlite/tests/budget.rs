//! The byte budget: whatever is written, the store does not grow beyond it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::{Office, all_rows, at, soon, tenant};
use weir_flow::TenantId;
use weir_store::{BudgetBytes, Config, Order, Reader, Writer, check};

const MIB: u64 = 1 << 20;

fn config(budget: u64) -> Config {
    Config { budget_bytes: BudgetBytes::new(budget).unwrap(), ..Config::default() }
}

/// Bytes of the file and its log, as `ls` shows them.
fn on_disk(dir: &Path) -> u64 {
    ["weir.db", "weir.db-wal"]
        .map(|name| fs::metadata(dir.join(name)).map_or(0, |meta| meta.len()))
        .iter()
        .sum()
}

#[test]
fn ten_times_the_budget_leaves_the_newest_rows_within_it() {
    let (budget, commit) = (4 * MIB, 100 << 10);
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(budget), at(0)).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(1));
    let (mut written, mut trimmed, mut largest) = (0, 0, 0);
    while written < 10 * budget {
        let batch = office.bulk(&tenant, commit, at(0));
        let bytes = writer.commit(&[batch], at(0)).unwrap().bytes;
        written += bytes;
        largest = largest.max(bytes);
        loop {
            let done = writer.trim(at(0), true).unwrap();
            trimmed += done.by_budget;
            if !done.more {
                break;
            }
        }
        assert!(on_disk(dir.path()) <= budget + 2 * largest, "{} after {written}", on_disk(dir.path()));
        assert!(writer.usage().unwrap().used <= budget + largest);
    }
    let rows = all_rows(&reader, &tenant);
    let stats = reader.stats(&tenant).unwrap();
    assert_eq!((rows[0].row, stats.next_row - 1), (trimmed + 1, trimmed + rows.len() as u64));
    // The budget is used, not only kept: the log and the margin take an eighth and a sixteenth.
    assert!(stats.ring_bytes > budget * 3 / 4 - 2 * largest, "{} of {budget}", stats.ring_bytes);
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn a_lowered_budget_gives_the_space_back_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut office = Office::new(2);
    let mut writer = Writer::open(dir.path(), &config(64 * MIB), at(0)).unwrap();
    for _ in 0..30 {
        writer.commit(&[office.bulk(&TenantId::default(), MIB as usize, at(0))], at(0)).unwrap();
    }
    writer.close().unwrap();
    assert!(on_disk(dir.path()) > 30 * MIB);
    let mut writer = Writer::open(dir.path(), &config(8 * MIB), at(0)).unwrap();
    let mut calls = 0;
    while writer.trim(at(0), true).unwrap().more {
        calls += 1;
        assert!(calls < 100, "it does not come to an end");
    }
    assert!(calls > 2, "each call is a bounded piece of work");
    writer.close().unwrap();
    assert!(on_disk(dir.path()) <= 8 * MIB, "{}", on_disk(dir.path()));
    assert!(check(dir.path()).unwrap().is_sound());
    let rows = all_rows(&Reader::open(dir.path()).unwrap(), &TenantId::default());
    assert_eq!(rows.last().unwrap().row, 240);
}

#[test]
fn a_flood_in_one_tenant_does_not_push_out_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(4 * MIB), at(0)).unwrap();
    let (quiet, flooded) = (tenant("quiet"), tenant("flooded"));
    let mut office = Office::new(3);
    for _ in 0..5 {
        writer.commit(&[office.bulk(&quiet, 100 << 10, at(0))], at(0)).unwrap();
    }
    for _ in 0..60 {
        writer.commit(&[office.bulk(&flooded, 200 << 10, at(0))], at(0)).unwrap();
        while writer.trim(at(0), true).unwrap().more {}
    }
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.stats(&quiet).unwrap().rows, 40);
    assert!(reader.stats(&flooded).unwrap().first_row > 1);
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn a_tenant_with_a_budget_of_its_own_keeps_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &Config::default(), at(0)).unwrap();
    let (small, large) = (tenant("small"), tenant("large"));
    writer.set_limits(&small, None, Some(BudgetBytes::new(4 * MIB).unwrap()), at(0)).unwrap();
    let mut office = Office::new(4);
    for _ in 0..20 {
        let batches = [office.bulk(&small, 400 << 10, at(0)), office.bulk(&large, 400 << 10, at(0))];
        writer.commit(&batches, at(0)).unwrap();
        while writer.trim(at(0), true).unwrap().more {}
    }
    let reader = Reader::open(dir.path()).unwrap();
    let (of_small, of_large) = (reader.stats(&small).unwrap(), reader.stats(&large).unwrap());
    assert!((3 * MIB..=4 * MIB).contains(&of_small.ring_bytes), "{of_small:?}");
    assert_eq!((of_small.budget_bytes, of_large.budget_bytes), (4 * MIB, 1_024 * MIB));
    assert_eq!((of_large.rows, of_large.first_row), (160, 1));
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn readers_that_never_pause_do_not_let_the_log_grow() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(4 * MIB), at(0)).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(5));
    writer.commit(&[office.bulk(&tenant, 100 << 10, at(0))], at(0)).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut longest = 0;
    std::thread::scope(|scope| {
        let reading = || {
            let reader = Reader::open(dir.path()).unwrap();
            let mut reads = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert!(!reader.recent(&tenant, 20, Order::NewestFirst, soon()).unwrap().is_empty());
                reads += 1;
            }
            reads
        };
        let readers = [scope.spawn(reading), scope.spawn(reading)];
        for _ in 0..150 {
            writer.commit(&[office.bulk(&tenant, 100 << 10, at(0))], at(0)).unwrap();
            writer.trim(at(0), true).unwrap();
            longest = longest.max(fs::metadata(dir.path().join("weir.db-wal")).unwrap().len());
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    // Usually half a megabyte for this budget; at twice that the writer waits for the readers of the moment.
    assert!(longest <= 2 * MIB, "{longest}");
    assert!(check(dir.path()).unwrap().is_sound());
}
