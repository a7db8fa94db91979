//! A block of the ring before compression, as a damaged disk or a stranger has it, as a search looks at it: what it finds by
//! columns is what the records say, where these can be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_flow::FlowRecord;
use weir_store::Query;
use weir_store::block::{Records, Rows, Scan};

/// Octets before the columns that say how many rows there are.
const ROWS: usize = 2;

fuzz_target!(|input: &[u8]| {
    let Some((rows, columns)) = input.split_first_chunk::<ROWS>() else { return };
    let rows = u16::from_le_bytes(*rows).into();
    let whole = Records::new(columns, rows).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let scan = Scan::new(columns, rows);
    let Ok(scan) = scan else {
        assert!(whole.is_err(), "what can be decoded can be searched");
        return;
    };
    let first = whole.as_ref().ok().and_then(|whole| whole.first()).cloned().unwrap_or_default();
    for query in queries(&first) {
        let mut fits = Rows::of(0..scan.count());
        let narrowed = scan.narrow(&query, &mut fits);
        let mut handed = 0;
        let read = scan.each(&fits, |_, _| {
            handed += 1;
            true
        });
        let Ok(whole) = &whole else { continue };
        assert!(narrowed.is_ok() && read.is_ok() && handed == fits.count());
        let expected = (0..whole.len()).filter(|&place| query.matches(&whole[place]));
        assert!(fits.iter().eq(expected), "{query:?}");
    }
});

/// Searches for what a record has.
fn queries(record: &FlowRecord) -> Vec<Query> {
    let word = |text: &Option<weir_flow::Text>| text.iter().map(ToString::to_string).collect();
    let none = Query::default;
    let matches = record.verdict.iter().flat_map(|verdict| &verdict.matches);
    vec![
        none(),
        Query { ip: record.src_ip.map(Into::into).into_iter().collect(), ..none() },
        Query { dst_ip: record.dst_ip.map(Into::into).into_iter().collect(), ..none() },
        Query { from: Some(record.start), port: record.dst_port.into_iter().collect(), ..none() },
        Query { domain: word(&record.domain), service: word(&record.service), ..none() },
        Query { observer: word(&record.observer), kind: vec![record.kind.clone()], ..none() },
        Query { exporter: record.exported.and_then(|e| e.exporter).into_iter().collect(), ..none() },
        Query { indicator: matches.map(|found| found.indicator.to_string()).collect(), ..none() },
        Query { min_risk: Some(1), threat: Some(false), ..none() },
        Query { country: vec!["DE".into()], ..none() },
        Query { text: vec!["a".into()], direction: record.direction.into_iter().collect(), ..none() },
    ]
}
