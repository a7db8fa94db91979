//! What the collector keeps of many exporters, and within which bounds.

use std::time::Duration;

use super::testing::{Bench, FIVE_TUPLE, five_tuple, ipfix, set, template};
use super::{Arrival, Fault, Settings};

fn complete(host: u8) -> Vec<u8> {
    ipfix(1, 0, &[set(2, &[template(256, &FIVE_TUPLE)]), set(256, &[five_tuple(host, 5)])])
}

fn at(bench: &mut Bench, seconds: u64) {
    bench.at = Arrival { mono: Duration::from_secs(seconds), ..bench.at };
}

#[test]
fn what_is_kept_lets_a_new_collector_decode_at_once() {
    let mut bench = Bench::new();
    bench.take(&complete(1));
    assert!(!bench.collector.has_changed(), "nothing is kept of one that sent a single datagram");
    bench.take(&complete(2));
    assert!(bench.collector.has_changed());
    let kept = bench.collector.keep();
    bench.take(&complete(3));
    assert!(!bench.collector.has_changed(), "the same template again is no change");
    let mut again = Bench::new();
    again.collector.restore(&kept).unwrap();
    assert!(!again.collector.has_changed(), "what was read need not be written");
    assert_eq!(again.collector.keep(), kept);
    again.take(&ipfix(1, 0, &[set(256, &[five_tuple(1, 5)])]));
    assert_eq!((again.records.len(), again.exporter().faults.total()), (1, 0));
    let forged = String::from_utf8(kept.clone()).unwrap().replace("[\"0100", "[\"\\n\\u00070100");
    for damaged in
        [&kept[..kept.len() - 9], b"{}", b"{\"form\":2,\"exporters\":[]}", b"\xff", forged.as_bytes()]
    {
        let told = Bench::new().collector.restore(damaged).unwrap_err();
        assert!(!told.contains(char::is_control), "{told:?}");
    }
}

#[test]
fn only_exporters_that_are_allowed_are_listened_to() {
    let allowed = vec!["203.0.113.0/28".parse().unwrap()];
    let mut bench = Bench::with(Settings { allowed, max_exporters: 4, ..Settings::default() });
    bench.take_from("203.0.113.3:1", &complete(1));
    bench.take_from("203.0.113.16:1", &complete(2));
    let report = bench.collector.report();
    assert_eq!((bench.records.len(), report.exporters.len(), report.datagrams), (1, 1, 2));
    assert_eq!(report.faults.iter().collect::<Vec<_>>(), [(Fault::NotAllowed, 1)]);
}

#[test]
fn ports_tell_exporters_apart_where_that_is_wanted() {
    let mut bench = Bench::with(Settings { by_port: true, max_exporters: 4, ..Settings::default() });
    bench.take_from("203.0.113.1:1000", &complete(1));
    bench.take_from("203.0.113.1:2000", &ipfix(1, 0, &[set(256, &[five_tuple(1, 5)])]));
    assert_eq!(bench.records.len(), 1);
    assert_eq!(bench.collector.report().exporters.len(), 2);
}

#[test]
fn a_flood_of_senders_displaces_no_exporter_at_work_and_no_number_is_lost() {
    let mut bench = Bench::with(Settings { max_exporters: 8, ..Settings::default() });
    bench.take_from("203.0.113.1:1", &complete(1));
    for second in 0..20 {
        at(&mut bench, second);
        bench.take_from("203.0.113.1:1", &complete(1));
        for host in 0..=255 {
            bench.take_from(&format!("198.51.{second}.{host}:9"), &complete(2));
        }
    }
    let report = bench.collector.report();
    let honest = report.exporters.iter().find(|one| one.address.to_string() == "203.0.113.1").unwrap();
    assert_eq!((honest.records, honest.templates), (21, 1));
    assert!(report.exporters.len() <= 8 + 64, "{}", report.exporters.len());
    assert_eq!(report.records, 1 + 20 * 257);
    assert_eq!(report.faults.of(Fault::ExporterLimit), report.displaced);
    assert_eq!(bench.records.len(), 1 + 20 * 257, "all of them were decoded all the same");
    assert!(report.displaced > 5_000);
}

#[test]
fn a_new_exporter_finds_room_once_another_is_silent() {
    let mut bench = Bench::with(Settings { max_exporters: 1, ..Settings::default() });
    bench.take_from("203.0.113.1:1", &complete(1));
    bench.take_from("203.0.113.1:1", &complete(1));
    for second in 0..200 {
        at(&mut bench, second);
        bench.take_from("203.0.113.2:1", &complete(1));
    }
    let addresses: Vec<_> =
        bench.collector.report().exporters.iter().map(|one| one.address.to_string()).collect();
    assert_eq!(addresses, ["203.0.113.2"]);
}

#[test]
fn templates_and_waiting_data_of_one_exporter_stay_within_bounds() {
    let mut bench = Bench::new();
    for number in 0..20_000_u32 {
        let id = 256 + u16::try_from(number % 60_000).unwrap();
        bench.take(&ipfix(number / 1_000, 0, &[set(2, &[template(id, &FIVE_TUPLE)])]));
        bench.take(&ipfix(5_000, 0, &[set(256, &[vec![7; 1_000]])]));
    }
    let exporter = bench.exporter();
    assert!(exporter.templates <= 512, "{}", exporter.templates);
    let report = bench.collector.report();
    assert!(report.template_bytes <= 2 << 20 && report.parked_bytes <= 2 << 20, "{report:?}");
    assert!(
        exporter.faults.of(Fault::TemplateLimit) > 19_000 && exporter.faults.of(Fault::NoTemplate) > 17_000
    );
    at(&mut bench, 1_801);
    bench.collector.tick(bench.at.mono);
    assert_eq!(bench.collector.report().parked_bytes, 0, "nothing waits for ever");
}

#[test]
fn whoever_parks_most_gives_way_first() {
    let mut bench = Bench::with(Settings { max_exporters: 256, ..Settings::default() });
    let early = |size: usize| ipfix(1, 0, &[set(256, &[vec![7; size]])]);
    bench.take_from("203.0.113.1:1", &early(500));
    for _ in 0..400 {
        for host in 1..=20 {
            bench.take_from(&format!("198.51.100.{host}:1"), &early(1_400));
        }
    }
    let report = bench.collector.report();
    assert!(report.parked_bytes <= 8 << 20);
    let honest = report.exporters.iter().find(|one| one.address.to_string() == "203.0.113.1").unwrap();
    assert!(honest.parked_bytes > 0 && honest.faults.total() == 0);
}

#[test]
fn no_octets_whatever_do_harm() {
    use proptest::prelude::*;
    let versions = [[0, 5], [0, 7], [0, 9], [0, 10], [0, 0]];
    let datagrams = prop::collection::vec((0..5_usize, prop::collection::vec(any::<u8>(), 0..200)), 1..30);
    let mut runner = proptest::test_runner::TestRunner::default();
    let outcome = runner.run(&datagrams, |datagrams| {
        let mut bench = Bench::new();
        for (version, rest) in datagrams {
            bench.take(&[&versions[version][..], &rest].concat());
        }
        bench.collector.tick(bench.at.mono);
        bench.collector.end();
        prop_assert_eq!(bench.records.len() as u64, bench.collector.report().records);
        Ok(())
    });
    outcome.unwrap();
}
