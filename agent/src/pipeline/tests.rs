//! Unit tests of the enrichment, with a database and a list that are made here.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use weir_flow::{Counters, Direction, FlowRecord, Reason, Timestamp};
use weir_geo::{Geo, Level, Value, Writer};
use weir_ti::Indicators;

use super::{Enricher, Knowledge, Networks, NetworksConfig, RiskConfig, Shared};

/// 2026-11-21, when the database was built too.
const NOW: i64 = 1_795_240_000;

/// Files and what is made of them.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        // A database that knows private addresses too: they must not be looked up.
        let places = [("8.8.8.0/24", "US"), ("1.1.1.0/24", "AU"), ("10.0.0.0/8", "XX"), ("2a00::/16", "DE")];
        let mut writer = Writer::new("Test-City", "Four networks", 1_000);
        for (network, code) in places {
            let country = Value::Map(vec![("iso_code", Value::Text(code))]);
            let record = writer.add(&Value::Map(vec![("country", country)])).unwrap();
            writer.insert(network.parse().unwrap(), record).unwrap();
        }
        let mut bytes = Vec::new();
        writer.finish(NOW.unsigned_abs(), &mut bytes).unwrap();
        fs::write(bench.path("places.mmdb"), bytes).unwrap();
        bench.list("1.1.1.1\n8.8.8.0/24\ndomain:bad.test\n");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn list(&self, text: &str) {
        fs::write(self.path("list.txt"), text).unwrap();
    }

    fn knowledge(&self) -> Knowledge {
        let now = Timestamp::from_micros(NOW * 1_000_000);
        let city_db = Some(self.path("places.mmdb"));
        let (geo, notices) = Geo::open(&weir_geo::Config { city_db, ..Default::default() }, None, now);
        assert!(notices.iter().all(|notice| notice.level == Level::Info), "{notices:?}");
        Knowledge {
            geo: Arc::new(geo),
            indicators: Arc::new(indicators(&self.path("list.txt"))),
            networks: Networks::new(NetworksConfig::default().local),
            risk: RiskConfig::default(),
        }
    }

    fn enricher(&self) -> Enricher {
        Enricher::new(Arc::new(Shared::new(self.knowledge())))
    }
}

fn indicators(path: &Path) -> Indicators {
    let lists = vec![path.to_owned()];
    let (indicators, notices) = Indicators::load(&weir_ti::Config { lists, ..Default::default() });
    assert!(notices.is_empty(), "{notices:?}");
    indicators
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn flow(src: &str, dst: &str) -> FlowRecord {
    FlowRecord { src_ip: Some(ip(src)), dst_ip: Some(ip(dst)), ..FlowRecord::default() }
}

fn enriched(enricher: &mut Enricher, mut record: FlowRecord) -> FlowRecord {
    enricher.enrich(&mut record);
    record
}

fn country(record: &FlowRecord, key: &str) -> Option<String> {
    let json = serde_json::to_value(record).unwrap();
    json.get(key).map(|geo| geo["country"].as_str().unwrap().to_owned())
}

#[test]
fn the_direction_is_that_over_the_border_and_the_remote_side_has_the_place() {
    let bench = Bench::new();
    let mut enricher = bench.enricher();
    let cases = [
        ("10.0.0.1", "8.8.8.8", Direction::Out, [None, Some("US"), Some("US")]),
        ("8.8.8.8", "10.0.0.1", Direction::In, [Some("US"), None, Some("US")]),
        ("1.1.1.1", "8.8.8.8", Direction::Transit, [Some("AU"), Some("US"), Some("US")]),
        ("10.0.0.1", "192.168.0.1", Direction::Internal, [None, None, None]),
        ("fe80::1", "2a00::1", Direction::Out, [None, Some("DE"), Some("DE")]),
        ("2a00::1", "10.0.0.1", Direction::In, [Some("DE"), None, Some("DE")]),
        ("9.9.9.9", "10.0.0.1", Direction::In, [None, None, None]),
        ("1.1.1.1", "9.9.9.9", Direction::Transit, [Some("AU"), None, None]),
        ("::ffff:10.0.0.1", "::ffff:8.8.8.8", Direction::Out, [None, Some("US"), Some("US")]),
    ];
    for (src, dst, direction, countries) in cases {
        let record = enriched(&mut enricher, flow(src, dst));
        assert_eq!(record.direction, Some(direction), "{src} to {dst}");
        let named = ["src_geo", "dst_geo", "geo"].map(|key| country(&record, key));
        assert_eq!(named.each_ref().map(Option::as_deref), countries, "{src} to {dst}");
    }
}

#[test]
fn without_both_ends_there_is_no_direction() {
    let bench = Bench::new();
    let mut enricher = bench.enricher();
    let record = FlowRecord { src_ip: None, ..flow("10.0.0.1", "8.8.8.8") };
    let record = enriched(&mut enricher, record);
    assert_eq!((record.direction, country(&record, "geo")), (None, Some("US".to_owned())));
    let record = enriched(&mut enricher, FlowRecord::default());
    assert!(record.direction.is_none() && record.verdict.is_some() && record.risk.is_some());
}

#[test]
fn local_networks_are_those_of_the_configuration() {
    let bench = Bench::new();
    let networks = Networks::new(["8.8.8.0/24".parse().unwrap()]);
    let mut enricher = Enricher::new(Arc::new(Shared::new(Knowledge { networks, ..bench.knowledge() })));
    let record = enriched(&mut enricher, flow("10.0.0.1", "8.8.8.8"));
    assert_eq!(record.direction, Some(Direction::In));
    assert_eq!(country(&record, "geo").as_deref(), Some("XX"));
}

#[test]
fn tags_and_risk_say_what_was_found() {
    let bench = Bench::new();
    let mut enricher = bench.enricher();
    let large = Counters { octets: 600_000, packets: 600 };
    let worst = FlowRecord {
        src_port: Some(40_000),
        dst_port: Some(3_389),
        forward: large,
        reverse: large,
        ..flow("10.0.0.1", "8.8.8.8")
    };
    let cases = [
        (flow("10.0.0.1", "9.9.9.9"), vec![], 10),
        (flow("10.0.0.1", "8.8.8.8"), vec!["ti"], 70),
        (flow("8.8.8.8", "10.0.0.1"), vec!["ti"], 70),
        (FlowRecord { domain: Some("www.BAD.test".into()), ..FlowRecord::default() }, vec!["ti"], 70),
        (FlowRecord { dst_port: Some(23), ..flow("10.0.0.1", "9.9.9.9") }, vec!["risky_port"], 20),
        (FlowRecord { src_port: Some(23), ..flow("10.0.0.1", "9.9.9.9") }, vec![], 10),
        (FlowRecord { dst_port: Some(443), ..worst.clone() }, vec!["ti", "large_transfer"], 80),
        (FlowRecord { src_port: Some(80), ..worst.clone() }, vec!["ti", "risky_port"], 80),
        (worst, vec!["ti", "risky_port", "large_transfer"], 90),
    ];
    for (record, tags, score) in cases {
        let record = enriched(&mut enricher, record);
        let risk = record.risk.unwrap();
        assert_eq!((record.tags.names().collect::<Vec<_>>(), risk.score()), (tags, score), "{record:?}");
        assert_eq!(risk.reasons().iter().map(|&(_, points)| points).sum::<u8>(), score);
        assert_eq!(risk.reasons()[0], (Reason::Base, 10));
        assert_eq!(record.is_threat(), score >= 70);
    }
}

#[test]
fn both_ends_that_match_are_two_matches_of_one_threat() {
    let bench = Bench::new();
    let record = enriched(&mut bench.enricher(), flow("1.1.1.1", "8.8.8.8"));
    let matches = record.verdict.unwrap().matches;
    let named: Vec<_> = matches.iter().map(|found| (&*found.indicator, &*found.source)).collect();
    assert_eq!(named, [("1.1.1.1", "list"), ("8.8.8.0/24", "list")]);
    assert_eq!(record.risk.unwrap().score(), 70);
}

#[test]
fn what_replaces_the_knowledge_counts_from_the_next_record() {
    let bench = Bench::new();
    let shared = Arc::new(Shared::new(bench.knowledge()));
    let (mut one, mut two) = (Enricher::new(Arc::clone(&shared)), Enricher::new(Arc::clone(&shared)));
    assert!(enriched(&mut one, flow("10.0.0.1", "8.8.8.8")).is_threat());

    bench.list("9.9.9.9\n");
    let networks = Networks::new(["8.8.8.0/24".parse().unwrap()]);
    shared.replace(Knowledge { networks, ..bench.knowledge() });
    for enricher in [&mut one, &mut two] {
        let record = enriched(enricher, flow("10.0.0.1", "8.8.8.8"));
        assert_eq!((record.is_threat(), record.direction), (false, Some(Direction::In)));
        assert!(enriched(enricher, flow("10.0.0.1", "9.9.9.9")).is_threat());
        assert!(!enricher.lookup_domain("bad.test").matches.iter().any(|_| true));
    }
}

#[test]
fn a_list_that_was_read_again_counts_from_the_next_record() {
    let bench = Bench::new();
    let knowledge = bench.knowledge();
    let lists = Arc::clone(&knowledge.indicators);
    let mut enricher = Enricher::new(Arc::new(Shared::new(knowledge)));
    assert!(!enriched(&mut enricher, flow("10.0.0.1", "9.9.9.9")).is_threat());
    bench.list("9.9.9.9\n9.9.9.10\n203.0.113.77\n");
    lists.refresh();
    assert!(enriched(&mut enricher, flow("10.0.0.1", "9.9.9.9")).is_threat());
    assert!(!enriched(&mut enricher, flow("10.0.0.1", "8.8.8.8")).is_threat());
}

#[test]
fn a_look_up_answers_what_a_flow_there_would_get() {
    let bench = Bench::new();
    let mut enricher = bench.enricher();
    let answer = enricher.lookup_ip(ip("8.8.8.8"));
    assert_eq!(answer.geo().unwrap().country.as_deref(), Some("US"));
    assert_eq!((answer.matches.len(), answer.risk.score()), (1, 70));
    let local = enricher.lookup_ip(ip("10.1.2.3"));
    assert!(local.geo().is_none() && local.matches.is_empty());
    assert_eq!(local.risk.score(), 10);
    let name = enricher.lookup_domain("cdn.bad.test");
    assert_eq!((name.matches.len(), name.risk.score(), name.geo().is_none()), (1, 70, true));
    assert!(enricher.lookup_domain("notbad.test").matches.is_empty());
}
