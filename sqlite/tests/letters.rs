//! Dead letters: what cannot be stored is kept within bounds, and goes back into the ring once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Office, all_rows, at, tenant};
use weir_flow::{Batch, Extra, FlowRecord, TenantId};
use weir_store::{
    BudgetBytes, Committed, Config, Control, DeadLetter, DeadLetterBytes, MAX_LETTER_BYTES, MaxRecordBytes,
    NewLetter, RING, Reader, Selection, Writer, check,
};

const DAY_MS: i64 = 86_400_000;
const LIMIT: usize = 4_096;

fn config() -> Config {
    Config { max_record_bytes: MaxRecordBytes::new(LIMIT).unwrap(), ..Config::default() }
}

/// A record that carries `number` and `octets` of text.
fn numbered(number: u64, octets: usize) -> FlowRecord {
    let extra = Extra::from_iter([("number", Value::from(number)), ("text", "x".repeat(octets).into())]);
    FlowRecord { src_port: Some(4_711), extra: Some(Box::new(extra)), ..FlowRecord::default() }
}

fn batch(tenant: &TenantId, records: Vec<FlowRecord>) -> Batch {
    Batch { tenant: tenant.clone(), records, ..Batch::default() }
}

fn replay(tenant: &TenantId, letters: &[(u64, i64)], octets: usize) -> Batch {
    let records = letters.iter().map(|&(number, _)| numbered(number, octets)).collect();
    Batch { replayed: letters.iter().map(|&(_, id)| id).collect(), ..batch(tenant, records) }
}

fn letters(dir: &Path) -> Vec<DeadLetter> {
    Control::open(dir).unwrap().dead_letters(&Selection::default(), 0, 1_000).unwrap().letters
}

fn numbers(dir: &Path, tenant: &TenantId) -> Vec<u64> {
    let rows = all_rows(&Reader::open(dir).unwrap(), tenant);
    let number =
        |json: &str| serde_json::from_str::<Value>(json).unwrap()["extra"]["number"].as_u64().unwrap();
    rows.iter().map(|row| number(&row.json)).collect()
}

#[test]
fn a_record_over_the_limit_becomes_a_letter_with_all_of_its_json() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(), at(0)).unwrap();
    let tenant = tenant("a");
    let records = vec![numbered(1, 10), numbered(2, LIMIT), numbered(3, 10), numbered(4, 2 * LIMIT)];
    let json = serde_json::to_string(&records[1]).unwrap();
    let done = writer.commit(&[batch(&tenant, records)], at(77)).unwrap();
    let (bytes, blocks) = (done.bytes, done.blocks);
    let expected =
        Committed { rows: 2, blocks, bytes, refused: 2, letters: 2, batches: 1, ..Committed::default() };
    assert_eq!(done, expected);
    assert_eq!(numbers(dir.path(), &tenant), [1, 3]);
    let kept = letters(dir.path());
    let letter = DeadLetter {
        id: 1,
        at: at(77),
        tenant: "a".into(),
        destination: RING.into(),
        reason: "record_too_large".into(),
        last_status: None,
        retry_count: 0,
        rows: None,
        events: 1,
        bytes: json.len() as u64,
        payload: json,
    };
    assert_eq!((kept.len(), &kept[0]), (2, &letter));
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn a_record_too_long_for_a_letter_leaves_what_identifies_it_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &Config::default(), at(0)).unwrap();
    let tenant = TenantId::default();
    for octets in [MAX_LETTER_BYTES, 5 * MAX_LETTER_BYTES] {
        writer.commit(&[batch(&tenant, vec![numbered(1, octets)])], at(0)).unwrap();
    }
    for (letter, least) in letters(dir.path()).iter().zip([MAX_LETTER_BYTES, 5 * MAX_LETTER_BYTES]) {
        assert!(letter.bytes < 1_000, "{}", letter.bytes);
        let json: Value = serde_json::from_str(&letter.payload).unwrap();
        assert_eq!(json["src_port"], 4_711);
        assert!(json["extra"]["cut_from_bytes"].as_u64().unwrap() >= least as u64, "{json}");
    }
}

#[test]
fn a_replayed_letter_becomes_a_row_and_is_gone_however_often_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let tenant = tenant("a");
    let mut writer = Writer::open(dir.path(), &config(), at(0)).unwrap();
    let large = (1..=3).map(|number| numbered(number, LIMIT)).collect();
    writer.commit(&[batch(&tenant, large)], at(0)).unwrap();
    writer.close().unwrap();
    let mut writer = Writer::open(dir.path(), &Config::default(), at(0)).unwrap();
    // Twice in one commit, and once more in a later one.
    let both = [replay(&tenant, &[(1, 1), (2, 2)], LIMIT), replay(&tenant, &[(2, 2), (3, 3)], LIMIT)];
    let done = writer.commit(&both, at(1)).unwrap();
    assert_eq!((done.rows, done.replayed, done.refused), (3, 3, 0));
    let again = writer.commit(&both, at(2)).unwrap();
    assert_eq!((again.rows, again.replayed), (0, 0));
    assert_eq!(numbers(dir.path(), &tenant), [1, 2, 3]);
    assert_eq!(letters(dir.path()), []);
    assert_eq!(Control::open(dir.path()).unwrap().dead_letter_stats(None).unwrap(), []);
}

#[test]
fn a_replayed_letter_that_is_refused_again_stays_with_one_more_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let tenant = tenant("a");
    let mut writer = Writer::open(dir.path(), &config(), at(0)).unwrap();
    writer.commit(&[batch(&tenant, vec![numbered(1, LIMIT), numbered(2, LIMIT)])], at(0)).unwrap();
    let mixed =
        Batch { records: vec![numbered(1, LIMIT), numbered(2, 10)], ..replay(&tenant, &[(1, 1), (2, 2)], 0) };
    for (attempt, replayed) in [(1, 1), (2, 0)] {
        let done = writer.commit(std::slice::from_ref(&mixed), at(1)).unwrap();
        assert_eq!((done.refused, done.letters, done.lost, done.replayed), (1, 0, 0, replayed));
        let left = letters(dir.path());
        assert_eq!((left.len(), left[0].id, left[0].retry_count), (1, 1, attempt));
        assert_eq!(numbers(dir.path(), &tenant), [2]);
    }
    Control::open(dir.path()).unwrap().bump_retries(&[1, 99]).unwrap();
    assert_eq!(letters(dir.path())[0].retry_count, 3);
}

#[test]
fn letters_keep_to_their_octets_and_the_newest_stay() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = DeadLetterBytes::new(100 << 10).unwrap();
    let config = Config { dead_letter_bytes: bytes, ..config() };
    let mut writer = Writer::open(dir.path(), &config, at(0)).unwrap();
    let tenant = tenant("a");
    let mut expired = 0;
    for number in 0..100 {
        let done = writer.commit(&[batch(&tenant, vec![numbered(number, LIMIT)])], at(0)).unwrap();
        assert_eq!((done.letters, done.lost), (1, 0));
        expired += done.expired;
        let sums = writer.dead_letter_stats().unwrap();
        assert!(sums[0].bytes <= bytes.value(), "{sums:?}");
        assert_eq!(sums[0].letters, number + 1 - expired);
    }
    let left = letters(dir.path());
    assert!(left.len() > 20 && left.last().unwrap().id == 100, "{}", left.len());
    assert_eq!(
        left.iter().map(|letter| letter.bytes).sum::<u64>(),
        writer.dead_letter_stats().unwrap()[0].bytes
    );
}

#[test]
fn a_lowered_bound_is_kept_by_the_next_trims() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(), at(0)).unwrap();
    let tenant = tenant("a");
    for _ in 0..3 {
        let large = (0..1_000).map(|number| numbered(number, LIMIT)).collect();
        writer.commit(&[batch(&tenant, large)], at(0)).unwrap();
    }
    writer.close().unwrap();
    // An eighth of this budget is half a megabyte.
    let config = Config { budget_bytes: BudgetBytes::new(4 << 20).unwrap(), ..config() };
    let mut writer = Writer::open(dir.path(), &config, at(0)).unwrap();
    let (mut gone, mut calls) = (0, 0);
    loop {
        let done = writer.trim(at(0), true).unwrap();
        (gone, calls) = (gone + done.letters, calls + 1);
        if !done.more {
            break;
        }
    }
    let sums = writer.dead_letter_stats().unwrap();
    assert!(sums[0].bytes <= 512 << 10 && sums[0].bytes > 400 << 10, "{sums:?}");
    assert_eq!(gone + sums[0].letters, 3_000);
    assert!(calls > 2, "each call is a bounded piece of work");
}

#[test]
fn a_letter_for_which_there_is_never_room_is_counted_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { dead_letter_bytes: DeadLetterBytes::new(0).unwrap(), ..config() };
    let mut writer = Writer::open(dir.path(), &config, at(0)).unwrap();
    let records = vec![numbered(1, LIMIT), numbered(2, 10)];
    let done = writer.commit(&[batch(&TenantId::default(), records)], at(0)).unwrap();
    assert_eq!((done.rows, done.refused, done.letters, done.lost), (1, 1, 0, 1));
    assert_eq!(letters(dir.path()), []);
}

#[test]
fn a_flood_of_one_tenant_does_not_push_out_the_letters_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { dead_letter_bytes: DeadLetterBytes::new(100 << 10).unwrap(), ..config() };
    let mut writer = Writer::open(dir.path(), &config, at(0)).unwrap();
    let (quiet, loud) = (tenant("quiet"), tenant("loud"));
    writer.commit(&[batch(&quiet, vec![numbered(1, LIMIT)])], at(0)).unwrap();
    for _ in 0..10 {
        let large = (0..10).map(|number| numbered(number, LIMIT)).collect();
        writer.commit(&[batch(&loud, large)], at(0)).unwrap();
    }
    let control = Control::open(dir.path()).unwrap();
    assert_eq!(control.dead_letter_stats(Some(&quiet)).unwrap()[0].letters, 1);
    let of_loud = control.dead_letter_stats(Some(&loud)).unwrap();
    assert!(of_loud.len() == 1 && of_loud[0].letters < 100, "{of_loud:?}");
    let selection = Selection { tenant: Some(quiet), destination: None };
    let page = control.dead_letters(&selection, 0, 10).unwrap();
    assert_eq!((page.letters.len(), page.letters[0].tenant.as_str(), page.more), (1, "quiet", false));
}

#[test]
fn letters_go_after_a_week_by_a_clock_that_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(), at(0)).unwrap();
    let large = || batch(&TenantId::default(), vec![numbered(1, LIMIT)]);
    // Before the clock was set, on a clock that was years ahead, and on time.
    for ms in [-support::START_MS, 900 * DAY_MS, 0, DAY_MS] {
        writer.commit(&[large()], at(ms)).unwrap();
    }
    assert_eq!(writer.trim(at(7 * DAY_MS + 1), false).unwrap().letters, 0, "the clock is not believed");
    assert_eq!(writer.trim(at(7 * DAY_MS - 1), true).unwrap().letters, 0, "nothing is too old");
    // Those of unknown age go with the first one after them whose age is known.
    assert_eq!(writer.trim(at(7 * DAY_MS + 1), true).unwrap().letters, 3);
    assert_eq!(letters(dir.path())[0].at, at(DAY_MS));
    assert_eq!(writer.trim(at(8 * DAY_MS + 1), true).unwrap().letters, 1);
}

#[test]
fn a_page_of_letters_is_bounded_and_the_next_goes_on_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &Config::default(), at(0)).unwrap();
    for number in 0..10 {
        let record = numbered(number, MAX_LETTER_BYTES - 1_000);
        writer.commit(&[batch(&TenantId::default(), vec![record])], at(0)).unwrap();
    }
    let control = Control::open(dir.path()).unwrap();
    let page = |after, limit| control.dead_letters(&Selection::default(), after, limit).unwrap();
    let ids = |page: &weir_store::Letters| page.letters.iter().map(|letter| letter.id).collect::<Vec<_>>();
    assert_eq!((ids(&page(0, 3)), page(0, 3).more), (vec![1, 2, 3], true));
    assert_eq!((ids(&page(0, 1_000)), page(0, 1_000).more), (vec![1, 2, 3, 4], true), "8 MiB are full");
    assert_eq!((ids(&page(7, 3)), page(7, 3).more), (vec![8, 9, 10], false));
    assert_eq!((ids(&page(10, 3)), page(10, 3).more), (vec![], false));
    assert_eq!(ids(&control.dead_letters_of(&[9, 77, 2]).unwrap()), [2, 9]);
}

#[test]
fn letters_of_outputs_name_rows_and_are_found_by_destination() {
    let dir = tempfile::tempdir().unwrap();
    let tenant = TenantId::default();
    let mut writer = Writer::open(dir.path(), &config(), at(0)).unwrap();
    writer.commit(&[batch(&tenant, vec![numbered(1, LIMIT)])], at(0)).unwrap();
    let mut control = Control::open(dir.path()).unwrap();
    let letter = NewLetter {
        tenant: &tenant,
        destination: "splunk_hec",
        reason: "http_503",
        last_status: Some(503),
        retry_count: 3,
        rows: Some((11, 20)),
        payload: "",
    };
    let id = control.add_dead_letter(&letter, at(5)).unwrap();
    assert_eq!(id, Some(2));
    let selection = Selection { tenant: None, destination: Some("splunk_hec".to_owned()) };
    let found = control.dead_letters(&selection, 0, 10).unwrap().letters;
    assert_eq!(
        (found.len(), found[0].rows, found[0].events, found[0].last_status),
        (1, Some((11, 20)), 10, Some(503))
    );
    let sums = control.dead_letter_stats(None).unwrap();
    let told: Vec<_> =
        sums.iter().map(|sum| (&*sum.destination, sum.letters, sum.events, sum.oldest)).collect();
    assert_eq!(told, [("ring", 1, 1, Some(at(0))), ("splunk_hec", 1, 10, Some(at(5)))]);
    assert_eq!(control.delete_dead_letters_before(&Selection::default(), Some(at(5))).unwrap(), 1);
    assert_eq!(control.delete_dead_letters(&[2, 3]).unwrap(), 1);
    assert_eq!(control.dead_letter_stats(None).unwrap(), []);
    let long = "x".repeat(MAX_LETTER_BYTES + 1);
    assert_eq!(control.add_dead_letter(&NewLetter { payload: &long, ..letter }, at(5)).unwrap(), None);
}

#[test]
fn rows_beside_a_refused_record_are_as_if_it_had_not_been_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), &config(), at(0)).unwrap();
    let (a, b) = (tenant("a"), tenant("b"));
    let mut office = Office::new(1);
    let mut mixed = office.batch(&a, 500, at(0));
    for place in [0, 250, 499] {
        mixed.records[place] = numbered(place as u64, LIMIT);
    }
    let batches = [mixed, batch(&b, vec![numbered(7, LIMIT)]), office.batch(&a, 5, at(0))];
    let done = writer.commit(&batches, at(0)).unwrap();
    assert_eq!((done.rows, done.refused, done.letters), (502, 4, 4));
    let told: Vec<_> = letters(dir.path())
        .iter()
        .map(|letter| (letter.tenant.clone(), serde_json::from_str::<Value>(&letter.payload).unwrap()))
        .map(|(tenant, json)| (tenant, json["extra"]["number"].as_u64().unwrap()))
        .collect();
    let of_a = [0, 250, 499].map(|number| ("a".to_owned(), number));
    assert_eq!(told, [of_a.as_slice(), &[("b".to_owned(), 7)]].concat());
    assert!(check(dir.path()).unwrap().is_sound());
}
