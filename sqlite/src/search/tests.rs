//! A search answers what [`Query::matches`] says, wherever the rows are.

mod ask;
mod filters;
mod stored;
mod words;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rusqlite::params;
use weir_flow::{FlowRecord, Reason, Risk, TenantId, Timestamp};

use crate::block::tests::made::record;
use crate::{EventId, Order, Page, Query, Span};
use ask::asked;
use stored::{Place, Store};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

fn page(limit: usize, order: Order, after: Option<u64>) -> Page {
    Page { limit, order, after, deadline: soon() }
}

fn span(order: Order) -> Span {
    Span { order, after: None, stored: None, deadline: soon() }
}

/// Rows of a search, page after page.
fn pages(store: &Store, query: &Query, limit: usize, order: Order) -> Vec<(u64, String)> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let found = store.reader.search(&TenantId::default(), query, &page(limit, order, after)).unwrap();
        assert!(found.progress.complete && found.progress.damaged.is_empty(), "{:?}", found.progress);
        assert!(found.rows.len() <= limit);
        assert!(found.next.is_none() || found.rows.len() == limit);
        rows.extend(found.rows.into_iter().map(|row| {
            assert_eq!(row.id, format!("{}-{}", store.ring_id, row.row));
            (row.row, row.json)
        }));
        after = found.next;
        if after.is_none() {
            return rows;
        }
    }
}

fn flow(host: u8) -> FlowRecord {
    FlowRecord { dst_ip: Some([192, 0, 2, host].into()), ..FlowRecord::default() }
}

/// As many blocks of ten flows, each to a host of its own.
fn ten_each(blocks: u8, place: Place) -> Store {
    let block = |n| (vec![flow(n); 10], place);
    Store::new((0..blocks).map(block).collect())
}

fn to_host(host: u8) -> Query {
    let mut query = Query::default();
    query.set("dst_ip", &format!("192.0.2.{host}")).unwrap();
    query
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![4 => Just(Place::Sealed), 1 => Just(Place::Plain), 1 => Just(Place::Unfiltered)]
}

/// Blocks of records of few kinds, the last of them in the tail.
fn blocks() -> impl Strategy<Value = (Vec<FlowRecord>, Vec<(Vec<usize>, Place)>)> {
    let kinds = prop::collection::vec(record(), 2..8);
    let block = (prop::collection::vec(any::<prop::sample::Index>(), 1..20), place());
    (kinds, prop::collection::vec(block, 1..7), 0..4_usize).prop_map(|(kinds, blocks, tail)| {
        let count = blocks.len();
        let placed = blocks.into_iter().enumerate().map(|(n, (rows, place))| {
            let place = if n + tail >= count { Place::Tail } else { place };
            (rows.into_iter().map(|row| row.index(kinds.len())).collect(), place)
        });
        let placed = placed.collect();
        (kinds, placed)
    })
}

fn build((kinds, blocks): &(Vec<FlowRecord>, Vec<(Vec<usize>, Place)>)) -> Store {
    let records = |rows: &Vec<usize>| rows.iter().map(|&row| kinds[row].clone()).collect();
    Store::new(blocks.iter().map(|(rows, place)| (records(rows), *place)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_fits_in_pages_of_any_size_and_in_both_orders(
        made in blocks(),
        asked in asked(),
        limit in 1_usize..30,
    ) {
        let store = build(&made);
        let query = asked.query(&made.0, &store.ring_id, &store.rows);
        let mut expected = store.fitting(&query);
        prop_assert_eq!(&pages(&store, &query, limit, Order::OldestFirst), &expected, "{:?}", query);
        let mut streamed = Vec::new();
        let tenant = TenantId::default();
        store.reader.each(&tenant, &query, &page(usize::MAX, Order::OldestFirst, None), |row, json| {
            streamed.push((row, json.to_owned()));
            ControlFlow::Continue(())
        }).unwrap();
        prop_assert_eq!(&streamed, &expected);
        expected.reverse();
        prop_assert_eq!(&pages(&store, &query, limit, Order::NewestFirst), &expected, "{:?}", query);
    }

    #[test]
    fn counts_and_records_are_those_of_the_rows_that_fit(made in blocks(), asked in asked(), stop in 0_usize..40) {
        let store = build(&made);
        let query = asked.query(&made.0, &store.ring_id, &store.rows);
        let expected = store.fitting(&query);
        let count = store.reader.count(&TenantId::default(), &query, soon()).unwrap();
        let (packets, octets) = store.sums(&query);
        prop_assert_eq!((count.rows, count.packets, count.octets), (expected.len() as u64, packets, octets));
        prop_assert!(count.progress.complete);

        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let mut left = stop + 1;
            let span = Span { after, ..span(Order::OldestFirst) };
            let progress = store.reader.each_record(&TenantId::default(), &query, &span, |row, at, record| {
                rows.push((row, store.json(row, at.millis(), record)));
                left -= 1;
                left > 0
            }).unwrap();
            if left > 0 {
                break;
            }
            after = progress.scanned_to_row;
        }
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn rows_are_told_apart_by_when_they_were_stored(made in blocks(), from in -1_i64..8, length in 0_i64..8) {
        let store = build(&made);
        let (from, to) = (store.time_of_block(from), store.time_of_block(from + length));
        let expected: Vec<u64> =
            store.rows.iter().filter(|row| (from..to).contains(&row.at)).map(|row| row.row).collect();
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let stored = Some(Timestamp::from_millis(from)..Timestamp::from_millis(to));
            let mut rows = Vec::new();
            let span = Span { stored, ..span(order) };
            let progress = store.reader.each_record(&TenantId::default(), &Query::default(), &span, |row, _, _| {
                rows.push(row);
                true
            }).unwrap();
            rows.sort_unstable();
            prop_assert!(progress.complete);
            prop_assert_eq!(&rows, &expected);
        }
    }
}

#[test]
fn blocks_that_cannot_hold_an_address_are_passed_by() {
    let store = ten_each(30, Place::Sealed);
    let found = store.search(&to_host(7), 100);
    assert_eq!(found.rows.len(), 10);
    assert_eq!((found.progress.blocks, found.progress.blocks_read), (30, 1));
    assert_eq!((found.progress.complete, found.next), (true, None));
    assert_eq!(found.progress.scanned_to_row, Some(1));
}

#[test]
fn a_page_that_is_full_ends_within_its_block() {
    let store = ten_each(3, Place::Sealed);
    let found = store.search(&Query::default(), 13);
    assert_eq!((found.next, found.progress.scanned_to_row), (Some(18), Some(18)));
    assert!(found.progress.complete);
    assert_eq!((found.progress.blocks, found.progress.blocks_read), (2, 2));
}

#[test]
fn a_page_that_ends_with_the_last_row_has_no_next_one() {
    let store = ten_each(3, Place::Sealed);
    assert_eq!(store.search(&Query::default(), 30).next, None);
    assert_eq!(store.search(&Query::default(), 29).next, Some(2));
}

#[test]
fn an_event_is_found_by_its_id_and_one_block_is_read_for_it() {
    let store = ten_each(200, Place::Sealed);
    let mut query = Query::default();
    query.set("id", &format!("{}-1234", store.ring_id)).unwrap();
    let found = store.search(&query, 10);
    assert_eq!(found.rows.iter().map(|row| row.row).collect::<Vec<_>>(), [1_234]);
    assert_eq!(found.progress.blocks_read, 1);
    assert_eq!(found.next, None);
    query.id = vec![EventId { ring_id: "0123456789abcdef".into(), row: 1_234 }];
    assert!(store.search(&query, 10).rows.is_empty());
    query.id = vec![EventId { ring_id: store.ring_id.clone(), row: 99_999 }];
    assert!(store.search(&query, 10).rows.is_empty());
}

#[test]
fn rows_from_number_to_number_are_found() {
    let store = ten_each(4, Place::Sealed);
    let query = Query { rows: Some(8..=22), ..Query::default() };
    let rows: Vec<_> = pages(&store, &query, 4, Order::OldestFirst).into_iter().map(|row| row.0).collect();
    assert_eq!(rows, (8..=22).collect::<Vec<_>>());
}

#[test]
fn a_deadline_that_has_passed_says_where_to_go_on() {
    let store = ten_each(4, Place::Sealed);
    for (order, start) in [(Order::NewestFirst, 41), (Order::OldestFirst, 0)] {
        let past = Page { deadline: Instant::now(), ..page(10, order, None) };
        let found = store.reader.search(&TenantId::default(), &Query::default(), &past).unwrap();
        assert!(found.rows.is_empty() && !found.progress.complete);
        assert_eq!((found.next, found.progress.blocks), (Some(start), 0));
        let rest = store
            .reader
            .search(&TenantId::default(), &Query::default(), &page(100, order, found.next))
            .unwrap();
        assert_eq!(rest.rows.len(), 40);
    }
}

#[test]
fn what_contradicts_itself_is_answered_without_a_look() {
    let store = ten_each(4, Place::Plain);
    let at = Timestamp::from_millis;
    let contradictions = [
        Query { from: Some(at(5)), to: Some(at(5)), ..Query::default() },
        Query { min_risk: Some(101), ..Query::default() },
        Query { threat: Some(false), category: vec!["botnet".into()], ..Query::default() },
        #[expect(clippy::reversed_empty_ranges, reason = "it contradicts itself")]
        Query { rows: Some(9..=8), ..Query::default() },
    ];
    for query in contradictions {
        let found = store.search(&query, 10);
        assert!(found.rows.is_empty() && found.progress.complete && found.next.is_none());
        assert_eq!(found.progress.blocks, 0, "{query:?}");
    }
}

#[test]
fn a_damaged_block_is_passed_over_and_told_of() {
    let store = ten_each(5, Place::Sealed);
    for broken in ["data = x'00'", "data = zeroblob(100)", "raw_bytes = 1", "encoding = 1", "count = 9"] {
        store.change(&format!("UPDATE block SET {broken} WHERE block & 0xffffffffffff = 21"));
        let found = store.search(&Query::default(), 100);
        assert_eq!(found.rows.len(), 40, "{broken}");
        assert_eq!(found.progress.damaged, [21..=30]);
        assert!(found.progress.complete);
    }
    let found = store.search(&to_host(1), 100);
    assert_eq!((found.rows.len(), found.progress.damaged.len()), (10, 0), "it is not even read");
}

#[test]
fn blocks_that_are_gone_are_told_of_as_one_range() {
    let store = ten_each(6, Place::Sealed);
    store.change("DELETE FROM summary WHERE block & 0xffffffffffff IN (21, 41)");
    store.change("DELETE FROM block WHERE block & 0xffffffffffff IN (21, 31, 41)");
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let found =
            store.reader.search(&TenantId::default(), &Query::default(), &page(100, order, None)).unwrap();
        assert_eq!((found.rows.len(), &found.progress.damaged[..]), (30, &[21..=50][..]));
    }
}

#[test]
fn rows_that_were_set_aside_before_the_oldest_block_are_told_of_and_trimmed_ones_are_not() {
    let store = ten_each(4, Place::Sealed);
    store.change("DELETE FROM summary WHERE block & 0xffffffffffff <= 11");
    store.change("DELETE FROM block WHERE block & 0xffffffffffff <= 11");
    assert_eq!(store.search(&Query::default(), 100).progress.damaged, []);
    let key = store.key(11);
    store.change(&format!("INSERT INTO damage VALUES ({key}, 10, 0, 'test', 2, 100, NULL)"));
    assert_eq!(store.search(&Query::default(), 100).progress.damaged, [11..=20]);
}

#[test]
fn a_block_that_is_trimmed_while_a_search_goes_on_is_no_damage() {
    let store = ten_each(8, Place::Sealed);
    let (mut rows, mut is_first) = (0, true);
    let progress = store
        .reader
        .each(&TenantId::default(), &Query::default(), &page(1_000, Order::NewestFirst, None), |_, _| {
            if std::mem::take(&mut is_first) {
                store.change("DELETE FROM summary WHERE block & 0xffffffffffff <= 31");
                store.change("DELETE FROM block WHERE block & 0xffffffffffff <= 31");
            }
            rows += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((rows, progress.damaged), (40, vec![]));
}

#[test]
fn summaries_that_lie_about_their_rows_give_no_row_twice() {
    for lie in ["count = 1", "count = 0", "count = 4000", "count = 9000000000000000"] {
        let store = ten_each(4, Place::Sealed);
        store.change(&format!("UPDATE summary SET {lie}"));
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let found = store
                .reader
                .search(&TenantId::default(), &Query::default(), &page(100, order, None))
                .unwrap();
            let mut rows: Vec<_> = found.rows.iter().map(|row| row.row).collect();
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), found.rows.len(), "{lie}");
        }
    }
}

#[test]
fn filters_that_make_no_sense_hide_nothing() {
    for odd in ["x''", "x'01'", "x'0108'", "x'000800'", "x'010000'", "x'01ff00'", "zeroblob(100000)"] {
        let store = ten_each(3, Place::Sealed);
        store.change(&format!("UPDATE summary SET addresses = {odd}"));
        assert_eq!(store.search(&to_host(1), 100).rows.len(), 10, "{odd}");
    }
}

#[test]
fn what_the_summary_says_of_risk_and_threats_passes_blocks_by() {
    let mut risky = flow(1);
    let mut risk = Risk::default();
    risk.add(Reason::Base, 40);
    risky.risk = Some(risk);
    let mut all = vec![(vec![flow(0); 5], Place::Sealed); 9];
    all.push((vec![risky; 5], Place::Sealed));
    let store = Store::new(all);
    let found = store.search(&Query { min_risk: Some(40), ..Query::default() }, 100);
    assert_eq!((found.rows.len(), found.progress.blocks_read), (5, 1));
    let found = store.search(&Query { threat: Some(true), ..Query::default() }, 100);
    assert_eq!((found.rows.len(), found.progress.blocks_read), (0, 0));
}

#[test]
fn a_page_ends_when_it_has_its_share_of_bytes() {
    let bulky = |n: u8| {
        let text: String = std::iter::repeat_n(char::from(b'a' + n % 26), 900_000).collect();
        let extra = weir_flow::Extra::from_iter([("text", text)]);
        FlowRecord { extra: Some(Box::new(extra)), ..flow(n) }
    };
    let store = Store::new(vec![((0..4).map(bulky).collect(), Place::Sealed); 6]);
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let found =
            store.reader.search(&TenantId::default(), &Query::default(), &page(100, order, None)).unwrap();
        assert_eq!(found.rows.len(), 10);
        assert!(found.progress.complete && found.next.is_some());
        assert_eq!(pages_of_any(&store, order), 24);
    }
}

/// Rows of all pages.
fn pages_of_any(store: &Store, order: Order) -> usize {
    let (mut rows, mut after) = (0, None);
    loop {
        let found =
            store.reader.search(&TenantId::default(), &Query::default(), &page(100, order, after)).unwrap();
        rows += found.rows.len();
        after = found.next;
        if after.is_none() {
            return rows;
        }
    }
}

#[test]
fn a_tenant_without_rows_is_searched_at_once() {
    let store = ten_each(1, Place::Sealed);
    let other = TenantId::parse("other").unwrap();
    let found = store.reader.search(&other, &Query::default(), &page(10, Order::NewestFirst, None)).unwrap();
    assert_eq!((found.rows.len(), found.next, found.progress.complete), (0, None, true));
    store.db.execute("UPDATE ring SET tenant = ?1", params!["other"]).unwrap();
    let found = store.reader.search(&other, &Query::default(), &page(10, Order::NewestFirst, None)).unwrap();
    assert_eq!(found.rows.len(), 10);
}
