//! Whatever a block's octets are, a scan does what decoding does, or says that they are damaged.

use ipnetwork::IpNetwork;
use proptest::prelude::*;
use weir_flow::FlowRecord;

use super::{Rows, Scan, Sums};
use crate::block::tests::made::records;
use crate::block::{Encoder, MAX_BLOCK_ROWS, Push, Records};
use crate::{MaxRecordBytes, Query};

/// The columns of `records`.
fn columns(records: &[FlowRecord]) -> Vec<u8> {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    assert!(records.iter().all(|record| encoder.push(record) == Push::Kept));
    encoder.seal().unwrap().raw.to_vec()
}

/// A search of each column, for what `record` has.
fn queries(record: &FlowRecord) -> Vec<Query> {
    let network = |address: Option<std::net::IpAddr>| address.map(IpNetwork::from).into_iter().collect();
    let text = |text: &Option<weir_flow::Text>| text.iter().map(ToString::to_string).collect();
    let place = record.dst_place.as_deref();
    let country = place.and_then(|place| place.geo.as_ref()).and_then(|geo| geo.country.clone());
    let found = record.verdict.as_ref().and_then(|verdict| verdict.matches.first());
    let exporter = record.exported.and_then(|exported| exported.exporter);
    let none = Query::default;
    vec![
        none(),
        Query { from: Some(record.start), ..none() },
        Query { to: Some(record.start), ..none() },
        Query { ip: network(record.src_ip), ..none() },
        Query { dst_ip: network(record.dst_ip), ..none() },
        Query { port: record.dst_port.into_iter().collect(), ..none() },
        Query { proto: record.proto.into_iter().collect(), ..none() },
        Query { country: country.iter().map(ToString::to_string).collect(), ..none() },
        Query {
            asn: place.and_then(|place| place.asn.as_ref()).map(|asn| asn.asn).into_iter().collect(),
            ..none()
        },
        Query { domain: text(&record.domain), ..none() },
        Query { service: text(&record.service), ..none() },
        Query { min_risk: record.risk.map(|risk| risk.score()), ..none() },
        Query { threat: Some(record.is_threat()), ..none() },
        Query { indicator: found.map(|found| found.indicator.to_string()).into_iter().collect(), ..none() },
        Query { category: found.map(|found| found.category.to_string()).into_iter().collect(), ..none() },
        Query { source: vec![record.source], ..none() },
        Query { kind: vec![record.kind.clone()], ..none() },
        Query { direction: record.direction.into_iter().collect(), ..none() },
        Query { exporter: exporter.into_iter().collect(), ..none() },
        Query { observer: text(&record.observer), ..none() },
        Query { text: vec!["u".into()], ..none() },
    ]
}

/// Checks what a scan of `columns` answers against `whole`, their records, where there are all.
fn compare(
    columns: &[u8],
    rows: u64,
    whole: Option<&[FlowRecord]>,
    query: &Query,
) -> Result<(), TestCaseError> {
    let Ok(scan) = Scan::new(columns, rows) else {
        prop_assert!(whole.is_none());
        return Ok(());
    };
    let mut fits = Rows::of(0..scan.count());
    let narrowed = scan.narrow(query, &mut fits).is_ok();
    let mut sums = Sums::default();
    let summed = scan.sum(&fits, &mut sums).is_ok();
    let mut handed = Vec::new();
    let is_read = scan.each(&fits, |place, record| {
        handed.push((place, record));
        true
    });
    let Some(whole) = whole else { return Ok(()) };
    prop_assert!(narrowed && summed && is_read.is_ok(), "{:?} of a whole block", query);
    let expected: Vec<usize> = (0..whole.len()).filter(|&place| query.matches(&whole[place])).collect();
    prop_assert_eq!(fits.iter().collect::<Vec<_>>(), expected, "{:?}", query);
    for (place, record) in handed {
        prop_assert_eq!(json(&record), json(&whole[place]));
    }
    Ok(())
}

fn json(record: &FlowRecord) -> Vec<u8> {
    let mut line = Vec::new();
    record.write_json(&mut line).unwrap();
    line
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_scan_of_a_block_finds_what_its_records_say(records in records()) {
        let columns = columns(&records);
        let ends = [&records[0], &records[records.len() - 1]];
        for query in ends.into_iter().flat_map(queries) {
            compare(&columns, records.len() as u64, Some(&records), &query)?;
        }
    }

    #[test]
    fn a_scan_of_a_block_with_other_octets_does_what_decoding_does(
        records in records(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut columns = columns(&records);
        for (at, octet) in changes {
            let at = at.index(columns.len());
            columns[at] = octet;
        }
        columns.truncate(cut.map_or(columns.len(), |cut| cut.index(columns.len())));
        let rows = records.len() as u64;
        let read = Records::new(&columns, rows).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        for query in queries(&records[0]) {
            compare(&columns, rows, read.as_deref().ok(), &query)?;
        }
    }
}

#[test]
fn rows_are_a_set_of_places_of_a_block() {
    let mut rows = Rows::of(5..9_999);
    assert_eq!(rows.count(), MAX_BLOCK_ROWS - 5);
    rows.retain(|place| place % 1_000 == 0);
    assert_eq!(rows.iter().collect::<Vec<_>>(), [1_000, 2_000, 3_000, 4_000]);
    rows.remove(2_000);
    rows.insert(MAX_BLOCK_ROWS);
    assert_eq!(rows.last(2).iter().collect::<Vec<_>>(), [3_000, 4_000]);
    assert!(rows.contains(1_000) && !rows.contains(2_000) && !rows.contains(MAX_BLOCK_ROWS));
    assert!(Rows::of(0..0).is_empty());
}
