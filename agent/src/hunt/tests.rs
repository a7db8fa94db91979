//! The hunt against a store: what it finds, once however often it is killed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use weir_flow::{Batch, Counters, FlowRecord, TenantId, Text, Timestamp};
use weir_geo::Geo;
use weir_store::{Config as StoreConfig, Order, Reader, Writer};
use weir_ti::Indicators;

use super::config::CpuPercent;
use super::position::{BOOKMARK, Position};
use super::{Config, MAX_SIGHTINGS, News, SLICE, Worker};
use crate::clock::Clock;
use crate::link::{self, Receiver, Recv};
use crate::metrics::{HuntReport, Hunting, Metrics};
use crate::pipeline::{Enricher, Knowledge, Networks, RiskConfig, Shared};
use crate::stop::Stop;

const LONG: Duration = Duration::from_secs(60);
/// 2026-11-21T06:00Z.
const START_MS: i64 = 1_795_240_800_000;

/// A data directory, a list, and what the agent would know of it.
struct Bench {
    dir: TempDir,
    shared: Arc<Shared>,
    indicators: Arc<Indicators>,
    news: Arc<News>,
    max_sightings: u64,
    cpu_percent: u32,
    slice: Duration,
}

/// A hunt that runs, and what it sends.
struct Running {
    thread: JoinHandle<Result<(), &'static str>>,
    on_the_way: Receiver,
    to_store: Receiver,
    hunting: Arc<Hunting>,
    stop: Stop,
}

impl Bench {
    /// A store of nothing, and a list of `indicators`.
    fn new(indicators: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("list.txt"), indicators).unwrap();
        let shared = Arc::new(Shared::new(knowledge(dir.path())));
        Self {
            indicators: Arc::clone(&shared.current().indicators),
            news: Arc::new(News::new(shared.current().indicators.digest())),
            shared,
            dir,
            max_sightings: MAX_SIGHTINGS,
            cpu_percent: 100,
            slice: Duration::ZERO,
        }
    }

    /// The agent starts: lists are read, and all that is known of them is the digest that the ring has.
    fn restart(&mut self) {
        self.shared = Arc::new(Shared::new(knowledge(self.dir.path())));
        self.indicators = Arc::clone(&self.shared.current().indicators);
        self.news = Arc::new(News::new(self.indicators.digest()));
    }

    fn list_file(&self) -> PathBuf {
        self.dir.path().join("list.txt")
    }

    /// The list is replaced while the agent runs.
    fn list(&self, indicators: &str) {
        let before = self.indicators.index();
        // A new file each time: a change within one tick of the file system's clock is seen by its number.
        let new = self.dir.path().join("list.new");
        std::fs::write(&new, indicators).unwrap();
        std::fs::rename(&new, self.list_file()).unwrap();
        self.indicators.refresh();
        let after = self.indicators.index();
        assert!(!Arc::ptr_eq(&before, &after), "the list was not read again");
        self.news.changed(&before, &after, self.indicators.digest(), Timestamp::from_millis(START_MS + 1));
    }

    fn writer(&self) -> Writer {
        Writer::open(self.dir.path(), &StoreConfig::default(), Clock.now()).unwrap()
    }

    /// Stores flows to these addresses, matched with the indicators of now; a commit for every `rows`.
    fn store(&self, tenant: &str, addresses: &[&str], rows: usize) {
        let (mut writer, mut enricher) = (self.writer(), Enricher::new(Arc::clone(&self.shared)));
        for addresses in addresses.chunks(rows) {
            let mut records: Vec<_> = addresses.iter().map(|address| flow(address)).collect();
            records.iter_mut().for_each(|record| enricher.enrich(record));
            let batch = Batch { tenant: TenantId::parse(tenant).unwrap(), records, ..Batch::default() };
            writer.commit(&[batch], Clock.now()).unwrap();
        }
        writer.close().unwrap();
    }

    fn matched(&self, mut record: FlowRecord) -> FlowRecord {
        Enricher::new(Arc::clone(&self.shared)).enrich(&mut record);
        record
    }

    fn start(&self) -> Running {
        let (to_pipeline, on_the_way) = link::channel("way", 10);
        let (to_store, from_hunt) = link::channel("store", 100_000);
        let hunting = Arc::new(Hunting::new());
        let stop = Stop::new();
        let worker = Worker {
            config: Config { enabled: true, cpu_percent: CpuPercent::try_from(self.cpu_percent).unwrap() },
            dir: self.dir.path().to_owned(),
            knowledge: Arc::clone(&self.shared),
            news: Arc::clone(&self.news),
            to_pipeline,
            to_store,
            slice: self.slice,
            max_sightings: self.max_sightings,
            hunting: Arc::clone(&hunting),
            metrics: Arc::new(Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), Arc::default())),
            stop: stop.clone(),
            clock: Clock,
        };
        let thread = thread::Builder::new().name("hunt".into()).spawn(move || worker.run()).unwrap();
        Running { thread, on_the_way, to_store: from_hunt, hunting, stop }
    }

    /// Runs a hunt until it has hunted all, with every batch stored as it comes; what is loaded then is nothing new.
    fn hunt(&mut self) -> HuntReport {
        let running = self.start();
        let mut writer = self.writer();
        while self.done().as_ref() != Some(&self.indicators.digest().to_string()) {
            writer.commit(&[running.batch()], Clock.now()).unwrap();
        }
        writer.close().unwrap();
        self.news = Arc::new(News::new(self.indicators.digest()));
        running.end()
    }

    /// The digest of the lists that were hunted, by the ring.
    fn done(&self) -> Option<String> {
        let reader = Reader::open(self.dir.path()).unwrap();
        let kept = reader.bookmarks(BOOKMARK).unwrap().pop()?;
        match Position::parse(&kept.1).unwrap() {
            Position::Done { digest } => Some(digest),
            Position::Hunting { .. } => None,
        }
    }

    fn rows(&self, tenant: &str) -> Vec<Value> {
        let reader = Reader::open(self.dir.path()).unwrap();
        let tenant = TenantId::parse(tenant).unwrap();
        let rows = reader.recent(&tenant, 50_000, Order::OldestFirst, Clock.monotonic() + LONG).unwrap();
        rows.iter().map(|row| serde_json::from_str(&row.json).unwrap()).collect()
    }

    fn sightings(&self, tenant: &str) -> Vec<Value> {
        self.rows(tenant).into_iter().filter(|row| row["kind"] == "sighting").collect()
    }

    /// How often each row was sighted, by its number.
    fn sighted(&self, tenant: &str) -> BTreeMap<u64, usize> {
        let mut sighted = BTreeMap::new();
        for row in self.sightings(tenant) {
            if let Some(id) = row["extra"]["sighted_id"].as_str() {
                *sighted.entry(id.rsplit_once('-').unwrap().1.parse().unwrap()).or_default() += 1;
            }
        }
        sighted
    }
}

impl Running {
    /// Every record on its way is stored at once.
    fn nothing_on_the_way(&self) {
        drop(self.on_the_way.recv().expect("the hunt runs"));
    }

    /// The next batch for the store.
    fn batch(&self) -> Batch {
        let limit = Instant::now() + LONG;
        while Instant::now() < limit {
            // A further hunt asks again.
            let _ = self.on_the_way.recv_timeout(Duration::from_millis(1));
            if let Recv::Batch(batch) = self.to_store.recv_timeout(Duration::from_millis(20)) {
                return batch;
            }
        }
        panic!("no batch came: {:?}", self.hunting.report());
    }

    fn end(self) -> HuntReport {
        self.stop.set();
        drop(self.on_the_way);
        self.thread.join().unwrap().unwrap();
        self.hunting.report()
    }
}

fn knowledge(dir: &Path) -> Knowledge {
    let lists = vec![dir.join("list.txt")];
    let config = weir_ti::Config { lists, allow_private: true, ..weir_ti::Config::default() };
    let (indicators, _) = Indicators::load(&config);
    let off = weir_geo::Config { enabled: false, ..weir_geo::Config::default() };
    let (geo, _) = Geo::open(&off, None, Timestamp::from_millis(START_MS));
    let risk = RiskConfig::default();
    Knowledge {
        geo: Arc::new(geo),
        indicators: Arc::new(indicators),
        networks: Networks::new(["10.0.0.0/8".parse().unwrap()]),
        risk,
    }
}

fn flow(address: &str) -> FlowRecord {
    let start = Timestamp::from_millis(START_MS);
    let name: Option<Text> = address.parse::<IpAddr>().is_err().then(|| address.into());
    FlowRecord {
        start,
        end: start.plus_micros(5_000_000),
        src_ip: Some("10.0.0.7".parse().unwrap()),
        dst_ip: Some(address.parse().unwrap_or([198, 51, 100, 9].into())),
        src_port: Some(40_000),
        dst_port: Some(3_389),
        proto: Some(6),
        forward: Counters { octets: 2_000_000, packets: 2_000 },
        service: Some("rdp".into()),
        domain: name,
        ..FlowRecord::default()
    }
}

#[test]
fn a_stored_row_that_a_new_indicator_matches_is_sighted_with_all_that_its_original_says() {
    let mut bench = Bench::new("192.0.2.99\n");
    bench.slice = SLICE;
    bench.hunt_of_nothing();
    bench.store("default", &["192.0.2.1", "192.0.2.2", "evil.example", "192.0.2.99"], 2);
    bench.list("192.0.2.99\n192.0.2.2\ndomain:example\n192.0.3.0/24\n");
    let report = bench.hunt();
    assert_eq!((report.indicators, report.sightings, report.suppressed), (3, 2, 0));
    assert_eq!((report.rows_scanned, report.rows_total, report.running), (4, 4, false));
    assert!(report.last_finished_at.is_some());
    let rows = bench.rows("default");
    let [first, second] = &bench.sightings("default")[..] else { panic!("{rows:#?}") };
    let (named, sighting) = if first["domain"].is_null() { (second, first) } else { (first, second) };
    assert_eq!(named["extra"]["sighted_id"], rows[2]["id"]);
    assert_eq!(named["ti"]["matches"][0]["indicator"], "example");
    let original = &rows[1];
    assert_eq!(sighting["extra"]["sighted_id"], original["id"]);
    assert_eq!(sighting["extra"]["sighted_processed_at"], original["processed_at"]);
    assert_eq!(sighting["extra"]["sighted_kind"], "flow");
    assert_eq!(sighting["extra"]["indicator_added_at"], "2026-11-21T06:00:00.001Z");
    for same in ["ts", "end_ms", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "service", "direction"]
    {
        assert_eq!(sighting[same], original[same], "{same}");
        assert!(!sighting[same].is_null(), "{same}");
    }
    assert_eq!(sighting["community_id"], original["community_id"]);
    assert_eq!((&sighting["bytes"], &sighting["packets"]), (&Value::Null, &Value::Null));
    assert_eq!(sighting["ti"]["matches"][0]["indicator"], "192.0.2.2");
    assert_eq!(sighting["tags"], serde_json::json!(["ti", "risky_port", "large_transfer"]));
    assert_eq!((&original["risk_score"], &sighting["risk_score"]), (&30.into(), &90.into()));
}

impl Bench {
    /// What is loaded counts as hunted from here on.
    fn hunt_of_nothing(&mut self) {
        drop(self.writer());
        self.hunt();
        assert!(self.rows("default").is_empty());
    }
}

#[test]
fn totals_count_a_sighting_as_a_threat_and_not_as_traffic() {
    let mut bench = Bench::new("");
    bench.hunt_of_nothing();
    bench.store("default", &["192.0.2.1"], 1);
    bench.list("192.0.2.1\n");
    bench.hunt();
    let reader = Reader::open(bench.dir.path()).unwrap();
    let minutes = reader.minutes(&TenantId::default(), 0, i64::MAX).unwrap();
    let sum = |of: fn(&weir_store::MinuteTotal) -> u64| minutes.iter().map(of).sum::<u64>();
    assert_eq!((sum(|m| m.flows), sum(|m| m.octets), sum(|m| m.packets)), (1, 2_000_000, 2_000));
    assert_eq!((sum(|m| m.threats), sum(|m| m.risk_count)), (1, 2));
}

#[test]
fn what_the_row_has_itself_what_is_removed_and_what_was_sighted_before_is_no_sighting() {
    let mut bench = Bench::new("192.0.2.1\n192.0.2.2\n");
    bench.hunt_of_nothing();
    bench.store("default", &["192.0.2.1", "192.0.2.2", "192.0.2.3"], 3);
    bench.list("192.0.2.1\n");
    bench.hunt();
    assert!(bench.sightings("default").is_empty(), "a removal finds nothing");
    bench.list("192.0.2.1\n192.0.2.2\n192.0.2.3\n");
    let report = bench.hunt();
    assert_eq!((report.indicators, report.sightings), (2, 1), "row 2 has its indicator itself");
    assert_eq!(bench.sighted("default"), BTreeMap::from([(3, 1)]));
    bench.list("192.0.2.1\n");
    bench.hunt();
    bench.list("192.0.2.1\n192.0.2.3\n192.0.2.0/25\n");
    let report = bench.hunt();
    assert_eq!(report.indicators, 2, "what was removed and came again is new");
    // The network is news to all three; it is told of the most specific indicator of its list where that is new too.
    assert_eq!(bench.sighted("default"), BTreeMap::from([(1, 1), (2, 1), (3, 1)]));
}

#[test]
fn killed_after_every_batch_each_row_is_sighted_once_in_its_own_ring() {
    let mut bench = Bench::new("");
    bench.hunt_of_nothing();
    let addresses: Vec<String> = (0..60).map(|n| format!("192.0.2.{}", n % 6)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    bench.store("default", &addresses, 4);
    bench.store("other", &addresses[..30], 3);
    std::fs::write(bench.list_file(), "192.0.2.2\n192.0.2.4/31\n").unwrap();
    let mut kills = 0;
    loop {
        bench.restart();
        if bench.done() == Some(bench.indicators.digest().to_string()) {
            break;
        }
        let running = bench.start();
        running.nothing_on_the_way();
        let mut writer = bench.writer();
        writer.commit(&[running.batch()], Clock.now()).unwrap();
        drop(writer);
        // What else it sent is lost, as with a kill.
        running.end();
        kills += 1;
        assert!(kills < 200, "{:?}", bench.sighted("other"));
    }
    assert!(kills > 15, "{kills} kills");
    for (tenant, rows) in [("default", 60), ("other", 30)] {
        let expected: BTreeMap<u64, usize> =
            (1..=rows).filter(|row| [2, 4, 5].contains(&((row - 1) % 6))).map(|row| (row, 1)).collect();
        assert_eq!(bench.sighted(tenant), expected, "{tenant}");
    }
}

#[test]
fn a_position_that_was_lost_sights_no_row_again() {
    let mut bench = Bench::new("");
    bench.hunt_of_nothing();
    bench.store("default", &["192.0.2.1", "192.0.2.2", "192.0.2.1"], 1);
    bench.list("192.0.2.1\n");
    bench.hunt();
    let db = rusqlite::Connection::open(bench.dir.path().join("weir.db")).unwrap();
    db.execute("DELETE FROM bookmark", []).unwrap();
    drop(db);
    bench.restart();
    let report = bench.hunt();
    assert_eq!((report.sightings, report.rows_total), (0, 5));
    assert_eq!(bench.sighted("default"), BTreeMap::from([(1, 1), (3, 1)]));
}

#[test]
fn lists_that_changed_while_the_agent_was_off_are_hunted_at_the_start_and_others_are_not() {
    let mut bench = Bench::new("192.0.2.1\n");
    bench.hunt_of_nothing();
    bench.store("default", &["192.0.2.2", "192.0.2.1"], 1);
    bench.restart();
    let running = bench.start();
    thread::sleep(Duration::from_millis(200));
    assert!(matches!(running.to_store.recv_timeout(Duration::ZERO), Recv::Timeout), "nothing changed");
    running.end();
    std::fs::write(bench.list_file(), "192.0.2.2\n192.0.2.1\n").unwrap();
    bench.restart();
    assert_eq!(bench.hunt().sightings, 1);
    assert_eq!(bench.sighted("default"), BTreeMap::from([(1, 1)]));
}

#[test]
fn rows_on_their_way_when_the_list_changes_are_waited_for() {
    let mut bench = Bench::new("");
    bench.hunt_of_nothing();
    bench.store("default", &["192.0.2.1"], 1);
    // Matched with the indicators of before, and not yet stored.
    let late = bench.matched(flow("192.0.2.1"));
    bench.list("192.0.2.1\n");
    let running = bench.start();
    let on_the_way = running.on_the_way.recv().unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(!running.hunting.report().running, "it began before the rows were stored");
    let mut writer = bench.writer();
    writer.commit(&[Batch { records: vec![late], ..Batch::default() }, on_the_way], Clock.now()).unwrap();
    // Matched with those of now: it has the indicator itself.
    let new = bench.matched(flow("192.0.2.1"));
    writer.commit(&[Batch { records: vec![new], ..Batch::default() }], Clock.now()).unwrap();
    while bench.done() != Some(bench.indicators.digest().to_string()) {
        writer.commit(&[running.batch()], Clock.now()).unwrap();
    }
    running.end();
    assert_eq!(bench.sighted("default"), BTreeMap::from([(1, 1), (2, 1)]));
}

#[test]
fn news_during_a_hunt_are_hunted_after_it_and_what_is_removed_meanwhile_is_hunted_no_more() {
    let mut bench = Bench::new("");
    bench.hunt_of_nothing();
    let addresses: Vec<String> = (0..90).map(|n| format!("192.0.2.{}", n % 3)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    bench.store("default", &addresses, 10);
    bench.list("192.0.2.0\n192.0.2.1\n");
    let running = bench.start();
    running.nothing_on_the_way();
    let mut writer = bench.writer();
    let first = running.batch();
    assert!(!first.records.is_empty() && first.records.len() < 60, "{}", first.records.len());
    bench.list("192.0.2.1\n192.0.2.2\n");
    writer.commit(&[first], Clock.now()).unwrap();
    while bench.done() != Some(bench.indicators.digest().to_string()) {
        writer.commit(&[running.batch()], Clock.now()).unwrap();
    }
    running.end();
    let sighted = bench.sighted("default");
    assert!(sighted.values().all(|&times| times == 1), "{sighted:?}");
    let of = |n: u64| sighted.keys().filter(|&&row| (row - 1) % 3 == n).count();
    assert_eq!((of(1), of(2)), (30, 30));
    // The hunt may have been ahead of its first batch by some slices.
    assert!(of(0) >= 3, "{} rows of the indicator that was removed", of(0));
}

#[test]
fn beyond_the_bound_of_a_ring_matches_are_counted_and_told_once_however_the_hunt_is_killed() {
    let mut bench = Bench::new("");
    bench.hunt_of_nothing();
    let addresses = vec!["192.0.2.1"; 50];
    bench.store("default", &addresses, 5);
    bench.max_sightings = 7;
    std::fs::write(bench.list_file(), "128.0.0.0/1\n").unwrap();
    for _ in 0..100 {
        bench.restart();
        if bench.done() == Some(bench.indicators.digest().to_string()) {
            break;
        }
        let running = bench.start();
        running.nothing_on_the_way();
        let mut writer = bench.writer();
        writer.commit(&[running.batch()], Clock.now()).unwrap();
        drop(writer);
        running.end();
    }
    let rows = bench.sightings("default");
    let (told, sighted): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["extra"]["sighted_id"].is_null());
    assert_eq!((sighted.len(), told.len()), (7, 1));
    assert_eq!(told[0]["extra"]["sightings_suppressed"], 43);
    assert!(told[0]["extra"]["reason"].as_str().unwrap().contains("43 more"), "{}", told[0]);
    let rows: Vec<_> = bench.sighted("default").keys().copied().collect();
    assert_eq!(rows, [41, 42, 46, 47, 48, 49, 50], "newest block first");
}

#[test]
fn a_hunt_uses_its_share_of_a_core_and_stops_at_once() {
    let mut bench = Bench::new("");
    bench.hunt_of_nothing();
    bench.store("default", &vec!["192.0.2.1"; 60_000], 4_000);
    // Too wide to be searched for: every record is read.
    bench.list("64.0.0.0/2\n");
    (bench.cpu_percent, bench.slice) = (20, SLICE);
    let running = bench.start();
    running.nothing_on_the_way();
    let begun = Clock.monotonic();
    thread::sleep(Duration::from_secs(3));
    let report = running.hunting.report();
    let share = report.cpu.as_secs_f64() / begun.elapsed().as_secs_f64();
    println!("{report:?}, {:.1} % of a core", 100.0 * share);
    let stopped = Clock.monotonic();
    running.end();
    assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
    if report.running {
        assert!((0.10..0.30).contains(&share), "{share}");
    } else {
        assert!(share < 0.30, "{share}");
    }
    assert!(report.rows_scanned > 0);
}
