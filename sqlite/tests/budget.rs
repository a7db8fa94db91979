//! The byte budget: whatever is written, the store does not grow beyond it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{Office, Random, all_rows, at, soon, tenant};
use weir_flow::{Batch, TenantId};
use weir_store::{
    BudgetBytes, Committed, Config, Control, Error, Order, Reader, Selection, Trimmed, Writer, check,
};

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

/// Ends the threads beside a test, also when that fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks at the files as fast as it can while `write` runs: the most that they took together, how often it looked, and what
/// `write` answered.
fn watched<T>(dir: &Path, write: impl FnOnce() -> T) -> (u64, u64, T) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut most, mut looks) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                most = most.max(on_disk(dir));
                looks += 1;
            }
            (most, looks)
        });
        let ending = Ending(&stop);
        let answer = write();
        drop(ending);
        let (most, looks) = watch.join().unwrap();
        (most, looks, answer)
    })
}

/// Commits as fast as it can what takes `amount` on the disk; a reader that holds the log is waited for.
fn commit_all(writer: &mut Writer, amount: u64, mut next: impl FnMut() -> Vec<Batch>) -> Committed {
    let mut sum = Committed::default();
    while sum.bytes < amount {
        let batches = next();
        let done = loop {
            match writer.commit(&batches, at(0)) {
                Err(Error::Held { .. }) => {}
                done => break done.unwrap(),
            }
        };
        assert_eq!((done.batches, done.records), (batches.len(), 0));
        sum = Committed {
            rows: sum.rows + done.rows,
            bytes: sum.bytes + done.bytes,
            letters: sum.letters + done.letters,
            lost: sum.lost + done.lost,
            trimmed: Trimmed {
                by_budget: sum.trimmed.by_budget + done.trimmed.by_budget,
                ..Trimmed::default()
            },
            ..sum
        };
    }
    sum
}

/// Holds the log for a moment, again and again: a transaction that reads and takes its time.
fn hold_for_moments(dir: &Path, stop: &AtomicBool) -> u64 {
    let db = rusqlite::Connection::open(dir.join("weir.db")).unwrap();
    let mut held = 0;
    while !stop.load(Ordering::Relaxed) {
        db.execute_batch("BEGIN").unwrap();
        db.query_row("SELECT count(*) FROM ring", [], |row| row.get::<_, i64>(0)).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        db.execute_batch("COMMIT").unwrap();
        std::thread::sleep(Duration::from_millis(2));
        held += 1;
    }
    held
}

#[test]
fn many_times_the_budget_never_takes_more_than_the_budget() {
    for (budget, times) in [(4 * MIB, 10), (64 * MIB, 2)] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), &config(budget), at(0)).unwrap();
        let reader = Reader::open(dir.path()).unwrap();
        let (tenant, mut office) = (TenantId::default(), Office::new(1));
        let prepared: Vec<_> = (1..=16).map(|n| office.bulk(&tenant, n * (20 << 10), at(0))).collect();
        let mut n = 0;
        let (most, looks, done) = watched(dir.path(), || {
            commit_all(&mut writer, times * budget, || {
                n += 1;
                prepared[n % 16..=n % 16].to_vec()
            })
        });
        assert!(most <= budget, "{most} of {budget}");
        assert!(looks > 1_000, "{looks}");
        let (rows, stats) = (all_rows(&reader, &tenant), reader.stats(&tenant).unwrap());
        assert_eq!(rows[0].row, done.trimmed.by_budget + 1);
        assert_eq!(stats.next_row - 1, done.trimmed.by_budget + rows.len() as u64);
        assert!(on_disk(dir.path()) >= budget * 3 / 4, "{} of {budget}", on_disk(dir.path()));
        assert!(stats.ring_bytes > budget * 3 / 5, "{} of {budget}", stats.ring_bytes);
        assert!(check(dir.path()).unwrap().is_sound());
    }
}

#[test]
fn readers_that_hold_the_log_for_moments_do_not_make_it_exceed_the_budget() {
    for budget in [4 * MIB, 12 * MIB] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), &config(budget), at(0)).unwrap();
        let (tenant, mut office) = (TenantId::default(), Office::new(6));
        let batch = vec![office.bulk(&tenant, 100 << 10, at(0))];
        writer.commit(&batch, at(0)).unwrap();
        let stop = AtomicBool::new(false);
        let (most, looks, held) = watched(dir.path(), || {
            std::thread::scope(|scope| {
                let holding = [(); 2].map(|()| scope.spawn(|| hold_for_moments(dir.path(), &stop)));
                let ending = Ending(&stop);
                commit_all(&mut writer, 4 * budget, || batch.clone());
                drop(ending);
                holding.map(|thread| thread.join().unwrap())
            })
        });
        assert!(most <= budget, "{most} of {budget}");
        assert!(looks > 1_000 && held.iter().all(|&times| times > 3), "{looks} {held:?}");
        assert!(check(dir.path()).unwrap().is_sound());
    }
}

#[test]
fn a_reader_that_never_ends_is_told_and_nothing_is_lost_when_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(4 * MIB), at(0)).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(7));
    let batch = [office.bulk(&tenant, 100 << 10, at(0))];
    writer.commit(&batch, at(0)).unwrap();
    let stranger = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
    stranger.execute_batch("BEGIN; SELECT count(*) FROM ring;").unwrap();
    let mut stored = 8;
    let told = loop {
        match writer.commit(&batch, at(0)) {
            Ok(done) => stored += done.rows,
            Err(error) => break error,
        }
        assert!(stored < 1_000, "the log grows without end");
    };
    assert!(matches!(told, Error::Held { .. }) && told.may_pass(), "{told}");
    assert!(on_disk(dir.path()) <= 4 * MIB);
    stranger.execute_batch("COMMIT").unwrap();
    writer.commit(&batch, at(0)).unwrap();
    let rows = all_rows(&Reader::open(dir.path()).unwrap(), &tenant);
    assert_eq!(rows.last().unwrap().row, stored + 8);
}

#[test]
fn eight_tenants_with_letters_and_floods_stay_within_the_budget() {
    let budget = 4 * MIB;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(budget), at(0)).unwrap();
    let (mut office, mut random) = (Office::new(8), Random(8));
    let tenants: Vec<_> = (0..8).map(|n| tenant(&format!("t{n}"))).collect();
    let (most, _, done) = watched(dir.path(), || {
        commit_all(&mut writer, 3 * budget, || {
            let mut batches: Vec<_> = tenants.iter().map(|tenant| office.batch(tenant, 50, at(0))).collect();
            let flooded = &tenants[random.below(3) as usize];
            batches.push(office.bulk(flooded, 150 << 10, at(0)));
            if random.below(4) == 0 {
                batches[0].records.push(office.bulky(at(0), 700 << 10));
            }
            batches
        })
    });
    assert!(most <= budget, "{most} of {budget}");
    assert!(done.letters > 3, "{done:?}");
    let reader = Reader::open(dir.path()).unwrap();
    for tenant in &tenants {
        all_rows(&reader, tenant);
    }
    assert!(reader.stats(&tenants[7]).unwrap().rows > reader.stats(&tenants[0]).unwrap().rows);
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn what_is_larger_than_the_log_may_become_is_stored_in_several_commits() {
    let budget = 4 * MIB;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(budget), at(0)).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(9));
    let small = office.batch(&tenant, 20, at(0));
    let many: Vec<_> = (0..9).map(|_| office.bulk(&tenant, 200 << 10, at(0))).collect();
    let mut whole = office.bulk(&tenant, 12 * (128 << 10), at(0));
    whole.bookmark = support::bookmark("input", 28);
    let batches: Vec<_> = [small].into_iter().chain(many).chain([whole]).collect();
    let (most, _, done) = watched(dir.path(), || writer.commit(&batches, at(0)).unwrap());
    assert!(most <= budget, "{most}");
    assert_eq!((done.rows, done.lost, done.batches, done.records), (20 + 9 * 8 + 8, 0, 11, 0));
    assert_eq!(writer.bookmark("input").unwrap().as_deref(), Some("28"));
    let rows = all_rows(&Reader::open(dir.path()).unwrap(), &tenant);
    assert_eq!(rows.last().unwrap().row, 100);
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn a_record_that_no_commit_has_room_for_is_a_letter_that_says_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(4 * MIB), at(0)).unwrap();
    let mut office = Office::new(10);
    let records = vec![office.record(at(0)), office.bulky(at(0), 1_000_000), office.record(at(0))];
    let done = writer.commit(&[Batch { records, ..Batch::default() }], at(0)).unwrap();
    assert_eq!((done.rows, done.refused, done.letters, done.lost), (2, 1, 1, 0));
    let letters = Control::open(dir.path()).unwrap().dead_letters(&Selection::default(), 0, 10).unwrap();
    assert!(letters.letters[0].payload.contains("\"cut_from_bytes\":2"), "{}", letters.letters[0].payload);
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
    let stop = AtomicBool::new(false);
    let mut longest = 0;
    std::thread::scope(|scope| {
        let reading = || {
            let reader = Reader::open(dir.path()).unwrap();
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
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
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    // Usually half a megabyte for this budget; at twice that the writer waits for the readers of the moment.
    assert!(longest <= 2 * MIB, "{longest}");
    assert!(check(dir.path()).unwrap().is_sound());
}
