//! The input of the targets `netflow5`, `netflow9`, `ipfix` and `sflow`: datagrams of one version from a few exporters,
//! and what every collector has to hold to, whatever they say.
//!
//! For each datagram: exporter and seconds since the one before (an octet), length (two octets), and the datagram without
//! its version, which the target puts before it, so that no input is spent on a version that the target is not about.
//! Written by `seeds`, read by [`check`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use weir::collect::{Arrival, Collector, Report, Settings};
use weir_flow::{FlowRecord, Timestamp, write_csv};

/// Exporters that the first octet of a datagram chooses between.
const EXPORTERS: u8 = 4;
/// Of them one is not allowed.
const REFUSED: u8 = 3;
/// Longest pause before a datagram.
const PAUSES: u8 = 64;
/// Datagrams of an input that are read: more cost time only.
const MAX_DATAGRAMS: usize = 256;
/// Octets that one octet of a template may become: its fields, their names and their places in tables.
const GROWTH: usize = 512;
/// Octets that what is kept of one set takes beside its data.
const SHARE: usize = 256;
/// Shortest set: its header.
const SHORTEST_SET: usize = 4;
/// When the first datagram comes: 2026-11-21.
const NOW: i64 = 1_795_219_200_000;

/// A datagram of the input.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Exporter and pause.
    pub from: u8,
    /// The datagram without its version.
    pub data: &'a [u8],
}

/// The datagrams of an input; the last may be cut.
pub fn read(mut input: &[u8]) -> impl Iterator<Item = Step<'_>> {
    std::iter::from_fn(move || {
        let (&[from, high, low], rest) = input.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (data, rest) = rest.split_at(length);
        input = rest;
        Some(Step { from, data })
    })
}

/// Appends a datagram to an input, if it is of this version.
pub fn push(input: &mut Vec<u8>, version: &[u8], from: u8, datagram: &[u8]) {
    let Some(data) = datagram.strip_prefix(version) else { return };
    let Ok(length) = u16::try_from(data.len()) else { return };
    input.push(from);
    input.extend(length.to_be_bytes());
    input.extend(data);
}

/// Decodes an input twice, as `version`.
///
/// # Panics
/// Where a record cannot be written, where there is more than the input can have said or kept than it has room for, and
/// where the second time gives something else than the first.
pub fn check(version: &[u8], input: &[u8]) {
    let first = collect(version, input);
    assert_eq!(first, collect(version, input), "the same datagrams, decoded twice");
}

/// Every record as JSON, and the report.
fn collect(version: &[u8], input: &[u8]) -> (Vec<u8>, String) {
    let address = |from: u8| IpAddr::V4(Ipv4Addr::new(192, 0, 2, from % EXPORTERS));
    let allowed = (0..EXPORTERS).filter(|from| *from != REFUSED).map(|from| address(from).into()).collect();
    let max_exporters = usize::from(EXPORTERS);
    let settings = Settings { allowed, max_exporters, corrects_times: true, ..Settings::default() };
    let mut collector = Collector::new(settings);
    let (mut json, mut records, mut now) = (Vec::new(), 0, 0);
    let (mut datagrams, mut octets) = (0, 0);
    for step in read(input).take(MAX_DATAGRAMS) {
        now += u64::from(step.from / EXPORTERS % PAUSES);
        let wall = i64::try_from(now).ok().map(|seconds| Timestamp::from_millis(NOW + seconds * 1_000));
        let mono = Duration::from_secs(now);
        let from = address(step.from);
        let mut sink = |record: FlowRecord| {
            records += 1;
            assert_ne!(from, address(REFUSED), "a record of an exporter that is not allowed: {record:?}");
            serde_json::to_writer(&mut json, &record).expect("a record is JSON");
            json.push(b'\n');
            write_csv(&record, &mut std::io::sink()).expect("a record is a CSV line");
        };
        let datagram = [version, step.data].concat();
        collector.datagram(SocketAddr::new(from, 2_055), &datagram, Arrival { wall, mono }, &mut sink);
        collector.tick(mono);
        datagrams += 1;
        octets += datagram.len();
        bounded(&collector.report(), datagrams, octets);
    }
    let report = collector.report();
    assert_eq!(report.records, records, "records that were counted and those that were given");
    remembered(&mut collector);
    (json, format!("{report:?}"))
}

/// Nothing is told that was not said, and nothing kept that has no room.
fn bounded(report: &Report, datagrams: u64, octets: usize) {
    assert_eq!((report.datagrams, report.octets), (datagrams, octets as u64), "datagrams");
    assert!(report.exporters.len() < usize::from(EXPORTERS), "an exporter too many: {report:?}");
    // Each record takes an octet at least, of options and of samples too.
    let options: u64 = report.exporters.iter().map(|exporter| exporter.options).sum();
    assert!(report.records + options <= octets as u64, "more records than octets: {report:?}");
    assert!(report.template_bytes <= GROWTH * octets, "templates take too much: {report:?}");
    assert!(
        report.parked_bytes <= octets + SHARE * (octets / SHORTEST_SET + 1),
        "data that waits takes too much: {report:?}"
    );
    let parked: usize = report.exporters.iter().map(|exporter| exporter.parked_bytes).sum();
    assert!(parked <= report.parked_bytes, "exporters keep more than all together: {report:?}");
}

/// What is kept for a restart can be read, and says the same again.
fn remembered(collector: &mut Collector) {
    let kept = collector.keep();
    let mut again = Collector::new(Settings { max_exporters: usize::from(EXPORTERS), ..Settings::default() });
    again.restore(&kept).unwrap_or_else(|e| panic!("what was kept cannot be read: {e}"));
    assert_eq!(again.keep().len(), kept.len(), "what is known after a restart");
}
