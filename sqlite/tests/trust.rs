//! What flash, power cuts and people do to the file is found and told, and costs no row that can still be read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use support::{HOUR_MS, Office, Random, at, soon, tenant};
use weir_flow::TenantId;
use weir_store::{
    BudgetBytes, Config, Error, LostRows, Order, Page, Query, Reader, RetentionDays, Writer, check, repair,
    set_aside,
};

const TENANTS: [&str; 2] = ["a", "default"];

/// With a small reserve, which is written each time.
fn open(dir: &Path) -> Writer {
    let budget_bytes = BudgetBytes::new(BudgetBytes::MIN).unwrap();
    Writer::open(dir, &Config { budget_bytes, ..Config::default() }, at(0)).unwrap()
}

/// Seals the tails: an hour after `ms` what was stored then is old. Nothing is trimmed by a clock that is not set.
fn seal(writer: &mut Writer, ms: i64) {
    writer.trim(at(ms + HOUR_MS), false).unwrap();
}

/// A store of three sealed blocks of ten rows, closed in order.
fn three_blocks(dir: &Path) {
    let mut writer = open(dir);
    let mut office = Office::new(10);
    for _ in 0..3 {
        writer.commit(&[office.batch(&TenantId::default(), 10, at(0))], at(0)).unwrap();
        seal(&mut writer, 0);
    }
    writer.close().unwrap();
}

fn change(dir: &Path, sql: &str) {
    Connection::open(dir.join("weir.db")).unwrap().execute_batch(sql).unwrap();
}

/// What a record says, without where it is kept.
fn content(json: &str) -> String {
    json.split_once(r#","ts":"#).map(|(_, rest)| rest.to_owned()).unwrap()
}

/// All rows that can be read, by their numbers.
fn rows(dir: &Path, tenant: &TenantId) -> Result<BTreeMap<u64, String>, Error> {
    let reader = Reader::open(dir)?;
    let (mut all, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = reader.rows(tenant, after, 10_000, soon())?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.row;
        for row in page {
            assert!(all.insert(row.row, content(&row.json)).is_none(), "row {} comes twice", row.row);
        }
    }
}

fn numbers(dir: &Path) -> Vec<u64> {
    rows(dir, &TenantId::default()).unwrap().into_keys().collect()
}

fn ranges(lost: &[LostRows]) -> Vec<(u64, u64)> {
    lost.iter().map(|lost| (lost.first_row, lost.last_row)).collect()
}

fn without(gone: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    (1..=30).filter(|row| !gone.contains(row)).collect()
}

#[test]
fn a_block_that_a_power_cut_tore_is_set_aside_at_the_next_start_and_told_with_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    three_blocks(dir.path());
    change(
        dir.path(),
        "UPDATE store SET closed = 0; UPDATE block SET data = zeroblob(length(data)) WHERE first_row = 11",
    );
    let mut writer = open(dir.path());
    let mended = writer.mended().clone();
    assert_eq!((ranges(&mended.lost), mended.lost_rows), (vec![(11, 20)], 10));
    assert_eq!(mended.lost[0].tenant, TenantId::DEFAULT);
    let (known, sum) = writer.damage().unwrap();
    assert_eq!((ranges(&known), sum, known[0].kept), (vec![(11, 20)], 10, true));
    assert_eq!(numbers(dir.path()), without(11..=20));
    assert_eq!(Reader::open(dir.path()).unwrap().stats(&TenantId::default()).unwrap().rows, 20);
    let batch = Office::new(11).batch(&TenantId::default(), 1, at(0));
    writer.commit(&[batch], at(0)).unwrap();
    writer.close().unwrap();
    assert_eq!(numbers(dir.path()).last(), Some(&31), "no number is given twice");
    let report = check(dir.path()).unwrap();
    assert_eq!((report.problems, ranges(&report.lost)), (vec![], vec![(11, 20)]));
    assert!(open(dir.path()).mended().is_nothing(), "it is found once");
}

#[test]
fn after_an_end_in_order_the_heads_of_the_blocks_are_looked_at_all_the_same() {
    let damages = [
        ("DELETE FROM block WHERE first_row = 11", 11..=20),
        ("DELETE FROM block WHERE first_row = 21", 21..=30),
        ("UPDATE block SET count = 9 WHERE first_row = 11", 11..=20),
        ("UPDATE block SET count = 11 WHERE first_row = 11", 11..=20),
        ("UPDATE block SET count = 4000000 WHERE first_row = 21", 21..=30),
        ("UPDATE block SET block = block + 5 WHERE first_row = 11", 11..=20),
    ];
    for (damage, gone) in damages {
        let dir = tempfile::tempdir().unwrap();
        three_blocks(dir.path());
        change(dir.path(), damage);
        let writer = open(dir.path());
        let lost = ranges(&writer.mended().lost);
        let read = numbers(dir.path());
        let told: Vec<u64> = lost.iter().flat_map(|(first, last)| *first..=*last).collect();
        assert!(gone.clone().all(|row| told.contains(&row)), "{damage}: {lost:?}");
        assert!(
            (1..=30).all(|row| told.contains(&row) != read.contains(&row)),
            "{damage}: {lost:?} {read:?}"
        );
        drop(writer);
        assert_eq!(check(dir.path()).unwrap().problems, [""; 0], "{damage}");
    }
}

#[test]
fn a_ring_that_counts_too_few_rows_never_gives_a_number_twice() {
    let dir = tempfile::tempdir().unwrap();
    three_blocks(dir.path());
    change(dir.path(), "UPDATE ring SET next_row = 15, bytes = 1");
    let mut writer = open(dir.path());
    assert_eq!(writer.mended().lost, []);
    assert_eq!(writer.mended().corrections.len(), 2, "{:?}", writer.mended());
    writer.commit(&[Office::new(1).batch(&TenantId::default(), 2, at(0))], at(0)).unwrap();
    writer.close().unwrap();
    assert_eq!(numbers(dir.path()), (1..=32).collect::<Vec<_>>());
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn lost_rows_are_forgotten_when_trimming_passes_them() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { retention_days: RetentionDays::new(2).unwrap(), ..Config::default() };
    let day = 86_400_000;
    let mut writer = Writer::open(dir.path(), &config, at(0)).unwrap();
    let mut office = Office::new(3);
    for at_day in 0..4 {
        let now = at(at_day * day);
        writer.commit(&[office.batch(&TenantId::default(), 10, now)], now).unwrap();
        seal(&mut writer, at_day * day);
    }
    writer.close().unwrap();
    change(
        dir.path(),
        "UPDATE block SET data = x'00' WHERE first_row IN (11, 31); UPDATE store SET closed = 0",
    );
    let mut writer = Writer::open(dir.path(), &config, at(3 * day)).unwrap();
    assert_eq!(ranges(&writer.damage().unwrap().0), [(11, 20), (31, 40)]);
    writer.trim(at(3 * day), true).unwrap();
    assert_eq!(ranges(&writer.damage().unwrap().0), [(11, 20), (31, 40)], "row 21 is still there");
    writer.trim(at(5 * day), true).unwrap();
    assert_eq!(ranges(&writer.damage().unwrap().0), [(31, 40)]);
    writer.trim(at(6 * day), true).unwrap();
    assert_eq!(writer.damage().unwrap(), (vec![], 0), "found longer ago than rows stay");
}

#[test]
fn a_repair_puts_in_order_what_a_check_finds() {
    let damages = [
        ("DELETE FROM block WHERE first_row = 11", vec![(11, 20)]),
        ("UPDATE block SET data = zeroblob(length(data)) WHERE first_row = 11", vec![(11, 20)]),
        ("UPDATE block SET encoding = 99 WHERE first_row = 1", vec![(1, 10)]),
        ("UPDATE block SET raw_bytes = -1 WHERE first_row = 21", vec![(21, 30)]),
        ("UPDATE block SET min_ts = 5, max_ts = 4 WHERE first_row = 11", vec![]),
        ("UPDATE ring SET bytes = bytes + 1", vec![]),
        ("UPDATE minute SET octets = octets + 1, flows = 0", vec![]),
        ("DELETE FROM minute", vec![]),
        ("INSERT INTO minute VALUES (1, 99, 1, 1, 1, 0, 0, 0, 1)", vec![]),
        ("INSERT INTO summary VALUES (77, 1, 1, 1, 1, 1, 1, 1, x'00')", vec![]),
        (
            "REPLACE INTO summary SELECT block, 9, 1, 1, 1, 1, 1, 1, x'00' FROM block WHERE first_row = 11",
            vec![],
        ),
        ("DELETE FROM summary WHERE block & 255 = 11", vec![]),
        ("DELETE FROM terms", vec![]),
    ];
    for (damage, lost) in damages {
        let dir = tempfile::tempdir().unwrap();
        three_blocks(dir.path());
        change(dir.path(), damage);
        assert!(!check(dir.path()).unwrap().is_sound(), "{damage}");
        let report = repair(dir.path(), at(60_000)).unwrap();
        assert_eq!((ranges(&report.lost), report.aside), (lost.clone(), None), "{damage}");
        let gone: u64 = lost.iter().map(|(first, last)| last - first + 1).sum();
        assert_eq!((report.rows, report.lost_rows), (30 - gone, gone), "{damage}");
        assert_eq!(check(dir.path()).unwrap().problems, [""; 0], "{damage}");
        assert!(repair(dir.path(), at(60_000)).unwrap().is_nothing(), "{damage}");
        assert_eq!(check(dir.path()).unwrap().without_summary, 0);
    }
}

/// Octets of a head in a tail.
const HEAD: usize = 96;

/// Fills the tail of the store that [`three_blocks`] made: rows 31 to 45, in three blocks.
fn tail_of_three_blocks(dir: &Path) {
    let mut writer = open(dir);
    let mut office = Office::new(8);
    for _ in 0..3 {
        writer.commit(&[office.batch(&TenantId::default(), 5, at(0))], at(0)).unwrap();
    }
    writer.close().unwrap();
}

fn tail(dir: &Path) -> Vec<u8> {
    let db = Connection::open(dir.join("weir.db")).unwrap();
    db.query_row("SELECT data FROM tail WHERE ring = 1", [], |row| row.get(0)).unwrap()
}

fn set_tail(dir: &Path, data: &[u8]) {
    let db = Connection::open(dir.join("weir.db")).unwrap();
    assert_eq!(db.execute("UPDATE tail SET data = ?1 WHERE ring = 1", [data]).unwrap(), 1);
}

/// Where the head after the one at `at` is.
fn next_head(data: &[u8], at: usize) -> usize {
    at + HEAD + u32::from_le_bytes(data[at..at + 4].try_into().unwrap()) as usize
}

#[test]
fn a_tail_with_a_block_that_cannot_be_read_keeps_the_others_and_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    three_blocks(dir.path());
    tail_of_three_blocks(dir.path());
    let report = check(dir.path()).unwrap();
    assert_eq!((report.problems, report.tail_rows), (vec![], 15));
    let mut data = tail(dir.path());
    // In the middle of the second block.
    let second = next_head(&data, 0);
    let middle = (second + HEAD + next_head(&data, second)) / 2;
    data[middle] ^= 0x10;
    set_tail(dir.path(), &data);
    assert!(!check(dir.path()).unwrap().is_sound());
    change(dir.path(), "UPDATE store SET closed = 0");
    let writer = open(dir.path());
    assert_eq!(ranges(&writer.mended().lost), [(36, 40)]);
    drop(writer);
    let expected: Vec<u64> = (1..=45).filter(|row| !(36..=40).contains(row)).collect();
    assert_eq!(numbers(dir.path()), expected);
    assert_eq!(check(dir.path()).unwrap().problems, [""; 0]);
}

#[test]
fn a_tail_that_flash_changed_anywhere_loses_no_row_untold_and_gives_no_number_twice() {
    let made = tempfile::tempdir().unwrap();
    three_blocks(made.path());
    tail_of_three_blocks(made.path());
    let stored = BTreeMap::from([("default", rows(made.path(), &TenantId::default()).unwrap())]);
    let sound = tail(made.path());
    let heads = [0, next_head(&sound, 0), next_head(&sound, next_head(&sound, 0))];
    let end = next_head(&sound, heads[2]);
    // Of each head other octets, so that each field has its turn.
    let flips = heads.iter().flat_map(|at| *at..at + HEAD).step_by(5).chain(end..end + 4);
    let flips = flips.map(|at| (at..at + 1, 1 << (at % 8)));
    let pages = [0, 0xff].into_iter().flat_map(|fill| [(0..HEAD, fill), (heads[1]..end, fill)]);
    for (place, change) in flips.chain(pages) {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(made.path().join("weir.db"), dir.path().join("weir.db")).unwrap();
        let mut data = sound.clone();
        for octet in &mut data[place.clone()] {
            *octet = if place.len() == 1 { *octet ^ change } else { change };
        }
        set_tail(dir.path(), &data);
        assert!(!check(dir.path()).unwrap().is_sound(), "{place:?}");
        let writer = open(dir.path());
        assert!(!writer.mended().is_nothing(), "{place:?}: also after an end in order");
        drop(writer);
        assert_eq!(check(dir.path()).unwrap().problems, [""; 0], "{place:?}");
        assert_all_is_told(dir.path(), &stored, &format!("{place:?}"));
        let read = numbers(dir.path());
        let is_length = |at: &&usize| place.len() == 1 && (**at..**at + 4).contains(&place.start);
        let kept = if place.len() == 1 && !heads.iter().any(|at| is_length(&at)) { 40 } else { 30 };
        assert!(read.len() >= kept, "{place:?}: {read:?}");
    }
}

#[test]
fn a_head_of_a_tail_that_changes_while_the_agent_runs_costs_rows_that_are_told_and_no_number_twice() {
    let dir = tempfile::tempdir().unwrap();
    three_blocks(dir.path());
    tail_of_three_blocks(dir.path());
    let mut writer = open(dir.path());
    let mut office = Office::new(9);
    writer.commit(&[office.batch(&TenantId::default(), 5, at(0))], at(0)).unwrap();
    let mut data = tail(dir.path());
    let second = next_head(&data, 0);
    data[second + 20] ^= 1;
    set_tail(dir.path(), &data);
    writer.commit(&[office.batch(&TenantId::default(), 5, at(0))], at(0)).unwrap();
    seal(&mut writer, 0);
    assert_eq!(ranges(&writer.damage().unwrap().0), [(36, 55)]);
    writer.commit(&[office.batch(&TenantId::default(), 1, at(0))], at(0)).unwrap();
    writer.close().unwrap();
    assert_eq!(numbers(dir.path()), (1..=35).chain([56]).collect::<Vec<_>>());
    assert_eq!(check(dir.path()).unwrap().problems, [""; 0]);
}

#[test]
fn a_block_that_is_where_the_rows_of_the_tail_are_costs_none_of_these() {
    for moved in [3, 9, 12, 200] {
        let dir = tempfile::tempdir().unwrap();
        three_blocks(dir.path());
        tail_of_three_blocks(dir.path());
        let stored = BTreeMap::from([("default", rows(dir.path(), &TenantId::default()).unwrap())]);
        change(dir.path(), &format!("UPDATE block SET block = block + {moved} WHERE first_row = 21"));
        let writer = open(dir.path());
        assert_eq!(writer.mended().lost.iter().map(LostRows::rows).sum::<u64>(), 10, "{moved}");
        drop(writer);
        let expected: Vec<u64> = (1..=20).chain(31..=45).collect();
        assert_eq!(numbers(dir.path()), expected, "{moved}");
        repair(dir.path(), at(0)).unwrap();
        assert_eq!(check(dir.path()).unwrap().problems, [""; 0], "{moved}");
        assert_all_is_told(dir.path(), &stored, &format!("{moved}"));
    }
}

/// Two tenants with blocks of all sizes, the newest two in their tails, closed in order; the rows of each.
fn store_of_all_sizes(dir: &Path) -> BTreeMap<&'static str, BTreeMap<u64, String>> {
    let mut writer = open(dir);
    let mut office = Office::new(7);
    for round in 0..8_i64 {
        let batches = TENANTS.map(|name| {
            let count = if round == 5 { 300 } else { 20 + 3 * usize::try_from(round).unwrap() };
            let mut batch = office.batch(&tenant(name), count, at(round * 30_000));
            batch.bookmark = support::bookmark("zeek:conn.log", 42);
            batch
        });
        writer.commit(&batches, at(round * 30_000)).unwrap();
        if round < 6 {
            seal(&mut writer, round * 30_000);
        }
    }
    writer.close().unwrap();
    TENANTS.map(|name| (name, rows(dir, &tenant(name)).unwrap())).into()
}

/// Every row is what was stored, or is told to be lost, and never both.
fn assert_all_is_told(dir: &Path, stored: &BTreeMap<&str, BTreeMap<u64, String>>, what: &str) {
    let mut writer = open(dir);
    assert!(writer.mended().is_nothing(), "{what}: {:?}", writer.mended());
    let (lost, _) = writer.damage().unwrap();
    for (name, expected) in stored {
        let read = rows(dir, &tenant(name)).unwrap();
        for (row, record) in expected {
            let is_lost = lost
                .iter()
                .any(|lost| lost.tenant == *name && (lost.first_row..=lost.last_row).contains(row));
            let found = read.get(row);
            assert!(found.is_none_or(|found| found == record), "{what}: row {row} of {name} differs");
            assert_ne!(found.is_some(), is_lost, "{what}: row {row} of {name}; lost: {lost:?}");
        }
        assert!(read.keys().all(|row| expected.contains_key(row)), "{what}: rows that never were");
        let last = *expected.keys().last().unwrap();
        writer.commit(&[Office::new(1).batch(&tenant(name), 1, at(0))], at(0)).unwrap();
        let next = *rows(dir, &tenant(name)).unwrap().keys().last().unwrap();
        assert!(next > last, "{what}: a number is given twice");
    }
}

/// The list of tables, if it can be read.
fn tables_of(dir: &Path) -> Option<String> {
    let db = Connection::open(dir.join("weir.db")).unwrap();
    let sql = "SELECT group_concat(concat_ws('|', type, name, rootpage, sql)) FROM sqlite_schema";
    db.query_row(sql, [], |row| row.get(0)).ok()
}

/// Rows of [`store_of_all_sizes`] that are in the tails: those of the last two rounds.
const IN_TAILS: u64 = 2 * (38 + 41);

/// Places all over the file at which octets are changed.
const PLACES: u64 = 208;

/// Changes octets in one of four parts of the file, place by place; how many places cost rows, and at how many nothing could be
/// saved.
fn change_octets_in(part: u64) -> (usize, usize) {
    let made = tempfile::tempdir().unwrap();
    let stored = store_of_all_sizes(made.path());
    let sound = fs::read(made.path().join("weir.db")).unwrap();
    let mut random = Random(0x5eed + part);
    let (mut refused, mut hurt) = (0, 0);
    let span = sound.len() as u64 / PLACES;
    for place in (part * PLACES / 4)..((part + 1) * PLACES / 4) {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = sound.clone();
        let at_octet = usize::try_from(place * span + random.below(span)).unwrap();
        // An octet, or as flash loses it, a whole page.
        if place % 8 == 7 {
            let page = at_octet / 4_096 * 4_096;
            bytes[page..page + 4_096].fill([0, 0xff][usize::try_from(random.below(2)).unwrap()]);
        } else {
            bytes[at_octet] ^= 1 << random.below(8);
        }
        let what = format!("place {place}, octet {at_octet}");
        fs::write(dir.path().join("weir.db"), &bytes).unwrap();
        let found = check(dir.path());
        let tables = tables_of(dir.path());
        for (name, expected) in &stored {
            let Ok(reader) = Reader::open(dir.path()) else { continue };
            let order = [Order::NewestFirst, Order::OldestFirst][usize::try_from(place % 2).unwrap()];
            let page = Page { limit: 100, order, after: None, deadline: soon() };
            let _ = reader.search(&tenant(name), &Query::default(), &page);
            for row in reader.recent(&tenant(name), 10_000, Order::NewestFirst, soon()).unwrap_or_default() {
                let known = expected.get(&row.row);
                let is_sound = known.is_none_or(|known| *known == content(&row.json));
                assert!(is_sound, "{what}: row {} of {name} differs", row.row);
            }
        }
        match repair(dir.path(), at(600_000)) {
            Ok(report) => {
                let is_told = !found.as_ref().is_ok_and(weir_store::CheckReport::is_sound);
                assert!(report.lost.is_empty() || is_told, "{what}: the check saw nothing");
                hurt += usize::from(!report.lost.is_empty());
                assert_eq!(check(dir.path()).unwrap().problems, [""; 0], "{what}");
                if tables == tables_of(made.path()) || report.aside.is_none() {
                    assert_all_is_told(dir.path(), &stored, &what);
                } else {
                    // A column of which nobody knows the name: tenants may get other names, which is told.
                    assert!(!report.corrections.is_empty(), "{what}: {report:?}");
                }
            }
            Err(error) => {
                refused += 1;
                // Without its own list of tables nobody knows what the pages are.
                assert_ne!(tables_of(dir.path()), tables_of(made.path()), "{what}: {error}");
                assert!(dir.path().join("weir.db").is_file(), "{what}: it is left alone");
            }
        }
    }
    (hurt, refused)
}

#[test]
fn octets_that_flash_changed_in_the_first_part_of_the_file_are_found_and_cost_only_what_they_hit() {
    let (_, refused) = change_octets_in(0);
    assert!(refused < 20, "{refused}: only the list of tables cannot be done without");
}

#[test]
fn octets_that_flash_changed_in_the_second_part_of_the_file_are_found_and_cost_only_what_they_hit() {
    let (_, refused) = change_octets_in(1);
    assert!(refused < 20, "{refused}: only the list of tables cannot be done without");
}

#[test]
fn octets_that_flash_changed_in_the_third_part_of_the_file_are_found_and_cost_only_what_they_hit() {
    let (hurt, refused) = change_octets_in(2);
    assert!(hurt > 5 && refused < 10, "{hurt} {refused}");
}

#[test]
fn octets_that_flash_changed_in_the_last_part_of_the_file_are_found_and_cost_only_what_they_hit() {
    let (hurt, refused) = change_octets_in(3);
    assert!(hurt > 10 && refused < 10, "{hurt} {refused}");
}

#[test]
fn a_page_of_any_table_that_is_ruined_costs_no_row_of_another() {
    let made = tempfile::tempdir().unwrap();
    let stored = store_of_all_sizes(made.path());
    let sound = fs::read(made.path().join("weir.db")).unwrap();
    let roots: Vec<(String, i64)> = {
        let db = Connection::open(made.path().join("weir.db")).unwrap();
        let mut statement =
            db.prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0 ORDER BY 2").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    for (name, root) in roots {
        let dir = tempfile::tempdir().unwrap();
        let page = usize::try_from(root - 1).unwrap() * 4_096;
        let mut bytes = sound.clone();
        bytes[page..page + 4_096].fill(0xa5);
        fs::write(dir.path().join("weir.db"), &bytes).unwrap();
        let found = check(dir.path());
        assert!(!found.is_ok_and(|report| report.is_sound()), "{name}");
        let result = repair(dir.path(), at(600_000));
        let report = result.unwrap();
        if name == "block" {
            // The page that leads to all others.
            let all: usize = stored.values().map(BTreeMap::len).sum();
            assert_eq!(report.lost_rows, all as u64 - IN_TAILS);
        }
        assert!(report.aside.as_ref().is_some_and(|aside| aside.is_file()), "{name}");
        assert_eq!(check(dir.path()).unwrap().problems, [""; 0], "{name}");
        if name == "ring" {
            assert!(report.corrections.iter().any(|text| text.contains("ids are kept")), "{report:?}");
        }
        assert_all_is_told(dir.path(), &stored, &name);
    }
}

#[test]
fn a_file_that_was_cut_keeps_what_is_before_the_cut() {
    let made = tempfile::tempdir().unwrap();
    let stored = store_of_all_sizes(made.path());
    let sound = fs::read(made.path().join("weir.db")).unwrap();
    for length in [sound.len() - 1, sound.len() - 4_096, sound.len() * 3 / 4 + 17, sound.len() * 4 / 5] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("weir.db"), &sound[..length]).unwrap();
        let is_told = !check(dir.path()).is_ok_and(|report| report.is_sound());
        // The last octet may be one that means nothing.
        assert!(is_told || length == sound.len() - 1, "{length}");
        match repair(dir.path(), at(600_000)) {
            Ok(report) => {
                assert!(report.lost.is_empty() || is_told, "{length}: {report:?}");
                assert_all_is_told(dir.path(), &stored, &format!("{length} octets"));
            }
            Err(error) => panic!("{length} of {}: {error}", sound.len()),
        }
    }
}

#[test]
fn a_repair_that_a_power_cut_ended_between_its_steps_is_finished_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    three_blocks(dir.path());
    fs::rename(dir.path().join("weir.db"), dir.path().join("weir.db.salvaged")).unwrap();
    drop(open(dir.path()));
    assert_eq!(numbers(dir.path()).len(), 30);
    assert!(!dir.path().join("weir.db.salvaged").exists());
    // Before its steps: the old one is there, and what was half made goes.
    fs::write(dir.path().join("weir.db.new"), "half").unwrap();
    assert!(repair(dir.path(), at(0)).is_ok());
    assert_eq!(numbers(dir.path()).len(), 30);
}

#[test]
fn what_is_no_store_of_this_version_is_left_untouched() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(repair(dir.path(), at(0)), Err(Error::Absent { .. })));
    assert!(matches!(check(dir.path()), Err(Error::Absent { .. })));
    let path = dir.path().join("weir.db");
    let foreign = tempfile::tempdir().unwrap();
    Connection::open(foreign.path().join("x")).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let foreign = fs::read(foreign.path().join("x")).unwrap();
    for content in [&foreign[..], b"", b"no database", &[0; 8_192]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(repair(dir.path(), at(0)), Err(Error::Foreign { .. })));
        assert!(matches!(check(dir.path()), Err(Error::Foreign { .. })));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    three_blocks(dir.path());
    change(dir.path(), "PRAGMA user_version = 99");
    let before = fs::read(&path).unwrap();
    assert!(matches!(repair(dir.path(), at(0)), Err(Error::Newer { found: 99, .. })));
    assert!(matches!(check(dir.path()), Err(Error::Newer { found: 99, .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_agent_that_runs_is_never_repaired_and_a_store_aside_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let writer = open(dir.path());
    assert!(matches!(repair(dir.path(), at(0)), Err(Error::Busy { .. })));
    assert!(check(dir.path()).unwrap().is_sound());
    drop(writer);
    set_aside(dir.path()).unwrap();
    assert!(matches!(repair(dir.path(), at(0)), Err(Error::Absent { .. })));
}

#[test]
fn an_overview_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let stored = store_of_all_sizes(dir.path());
    change(
        dir.path(),
        "INSERT INTO wear VALUES (20000, 5), (20001, 7);
        UPDATE store SET closed = 0; UPDATE block SET data = x'00' WHERE first_row = 1 AND ring = 1",
    );
    drop(open(dir.path()));
    let all = Reader::open(dir.path()).unwrap().overview().unwrap();
    assert_eq!((all.schema_version, all.closed, all.rings.len(), all.lost_rows), (3, false, 2, 20));
    assert_eq!(all.wear.iter().map(|day| day.bytes).collect::<Vec<_>>(), [7, 5]);
    let rows: u64 = all.rings.iter().map(|ring| ring.rows).sum();
    assert_eq!(rows + all.lost_rows, stored.values().map(|rows| rows.len() as u64).sum::<u64>());
    assert!(all.rings.iter().all(|ring| ring.bytes_per_row.is_some_and(|bytes| bytes > 1.0)));
}
