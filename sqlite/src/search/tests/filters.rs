//! What is in a block is never hidden by its filters.

use proptest::prelude::*;
use weir_flow::FlowRecord;

use super::ask::asked;
use super::stored::Row;
use crate::block::tests::made::record;
use crate::block::{Encoder, Push};
use crate::search::plan::{Plan, may_hold};
use crate::{MaxRecordBytes, Query};

/// The filters of a block of `records`.
pub(super) fn filters(records: &[FlowRecord]) -> (Vec<u8>, Vec<u8>) {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    assert!(records.iter().all(|record| encoder.push(record) == Push::Kept));
    let sealed = encoder.seal().unwrap();
    (sealed.addresses.to_vec(), sealed.terms.to_vec())
}

fn hides((addresses, terms): &(Vec<u8>, Vec<u8>), query: &Query) -> bool {
    let plan = Plan::new(query);
    !may_hold(&plan.addresses, addresses) || !may_hold(&plan.terms, terms)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_that_fits_is_never_hidden(records in prop::collection::vec(record(), 1..8), asked in asked()) {
        let rows: Vec<Row> =
            (1..).zip(&records).map(|(row, record)| Row { row, at: 0, record: record.clone() }).collect();
        let query = asked.query(&records, "0123456789abcdef", &rows);
        let filters = filters(&records);
        if records.iter().any(|record| query.matches(record)) {
            prop_assert!(!hides(&filters, &query), "{:?}", query);
        }
    }
}

#[test]
fn a_name_of_any_depth_is_found_by_every_name_above_it() {
    let deep = (0..60).map(|n| format!("l{n}")).collect::<Vec<_>>().join(".");
    for domain in [deep.clone(), format!("{deep}."), deep.to_uppercase(), "..a..".into(), ".".into()] {
        let record = FlowRecord { domain: Some(domain.as_str().into()), ..FlowRecord::default() };
        let filters = filters(std::slice::from_ref(&record));
        let mut fitting = 0;
        for at in 0..=domain.len() {
            let name = domain[at..].strip_suffix('.').unwrap_or(&domain[at..]).to_owned();
            let query = Query { domain: vec![name], ..Query::default() };
            if query.matches(&record) {
                fitting += 1;
                assert!(!hides(&filters, &query), "{query:?}");
            }
        }
        assert!(fitting > 0);
    }
}

#[test]
fn networks_that_are_wider_than_any_filter_has_hide_nothing() {
    let record = FlowRecord {
        src_ip: Some([10, 1, 2, 3].into()),
        dst_ip: Some("2001:db8::1".parse().unwrap()),
        ..FlowRecord::default()
    };
    let filters = filters(&[record]);
    let hides = |value: &str| {
        let mut query = Query::default();
        query.set("ip", value).unwrap();
        hides(&filters, &query)
    };
    for fits in [
        "0.0.0.0/0",
        "8.0.0.0/5",
        "10.0.0.0/8",
        "10.1.0.0/15",
        "10.1.2.0/31",
        "10.1.2.3",
        "::/0",
        "2001:db8::/33",
    ] {
        assert!(!hides(fits), "{fits}");
    }
    for other in ["11.0.0.0/8", "10.2.0.0/16", "10.1.3.0/30", "10.1.2.4", "2001:db9::/32", "2001:db8::2"] {
        assert!(hides(other), "{other}");
    }
    assert!(!hides("12.0.0.0/7"), "it is too wide to say");
}

#[test]
fn ports_that_hosts_pick_for_themselves_hide_nothing() {
    let record = FlowRecord { src_port: Some(40_000), dst_port: Some(443), ..FlowRecord::default() };
    let filters = filters(&[record]);
    for (port, is_hidden) in [(443, false), (80, true), (40_000, false), (50_000, false)] {
        let query = Query { port: vec![port], ..Query::default() };
        assert_eq!(hides(&filters, &query), is_hidden, "{port}");
    }
}
