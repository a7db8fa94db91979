//! Rankings and series against sums over a plain list of the records.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rusqlite::Connection;
use support::{Office, START_MS, at, soon, tenant};
use weir_flow::{
    Asn, Batch, Counters, Exported, Field, FlowRecord, Geo, IndicatorKind, Kind, Match, Place, TenantId,
    Timestamp, Verdict,
};
use weir_store::{
    Config, Dimension, MAX_STEPS, Measure, Query, Reader, RetentionDays, SeriesQuery, Step, Top, TopQuery,
    Writer,
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// When a record was stored, in milliseconds, and the record.
type Model = Vec<(i64, FlowRecord)>;

/// Octets, packets and flows by key.
type Truth = HashMap<String, [u64; 3]>;

fn measured(of: [u64; 3], measure: Measure) -> u64 {
    match measure {
        Measure::Octets => of[0],
        Measure::Packets => of[1],
        Measure::Flows => of[2],
    }
}

fn keys(dimension: Dimension, record: &FlowRecord) -> BTreeSet<String> {
    let places = || [&record.src_place, &record.dst_place].into_iter().flatten();
    let text = |text: &Option<Arc<str>>| text.iter().map(ToString::to_string).collect();
    match dimension {
        Dimension::Talkers => {
            [record.src_ip, record.dst_ip].iter().flatten().map(ToString::to_string).collect()
        }
        Dimension::Countries => {
            places().filter_map(|place| Some(place.geo.as_ref()?.country.as_ref()?.to_string())).collect()
        }
        Dimension::Asns => places().filter_map(|place| Some(place.asn.as_ref()?.asn.to_string())).collect(),
        Dimension::Ports => record.dst_port.iter().map(ToString::to_string).collect(),
        Dimension::Services => text(&record.service),
        Dimension::Domains => text(&record.domain),
        Dimension::Threats => {
            let matches = record.verdict.iter().flat_map(|verdict| &verdict.matches);
            matches.map(|found| found.indicator.to_string()).collect()
        }
    }
}

/// What the records of `model` that were stored from `from` to `to` have.
fn truth(model: &[(i64, FlowRecord)], dimension: Dimension, from: Timestamp, to: Timestamp) -> Truth {
    let mut truth = Truth::new();
    for (stored, record) in model {
        if !(from.millis()..to.millis()).contains(stored) {
            continue;
        }
        let sampling = record.exported.and_then(|exported| exported.sampling).unwrap_or(1).max(1).into();
        for key in keys(dimension, record) {
            let sums = truth.entry(key).or_default();
            sums[0] = sums[0].saturating_add(record.octets().saturating_mul(sampling));
            sums[1] = sums[1].saturating_add(record.packets().saturating_mul(sampling));
            sums[2] += 1;
        }
    }
    truth
}

/// Checks every promise of the answer against the list.
fn holds(top: &Top, query: &TopQuery, model: &[(i64, FlowRecord)]) {
    assert!(top.progress.complete && top.progress.damaged.is_empty(), "{:?}", top.progress);
    assert!(top.from <= query.from && top.to >= query.to);
    let mut truth = truth(model, query.dimension, top.from, top.to);
    let measures: Vec<_> = truth.values().map(|sums| measured(*sums, query.measure)).collect();
    let mut last = u64::MAX;
    for entry in &top.entries {
        let told = [entry.octets, entry.packets, entry.flows];
        let real = truth.remove(&entry.key).unwrap_or_else(|| panic!("{entry:?} is made up"));
        assert!(told.iter().zip(real).all(|(told, real)| *told <= real), "{entry:?} has {real:?}");
        let (told, real) = (measured(told, query.measure), measured(real, query.measure));
        assert!(real <= told.saturating_add(entry.error), "{entry:?} has {real}");
        assert!(entry.error <= top.error && told <= last, "{entry:?}");
        last = told;
        if top.exact {
            assert_eq!(told, real);
        }
    }
    // Those that are left are not listed, for want of place or because they were dropped.
    let floor = if top.entries.len() == query.limit { last } else { 0 };
    for (key, sums) in truth {
        let real = measured(sums, query.measure);
        assert!(real <= floor.saturating_add(top.error), "{key} has {real}");
    }
    assert_eq!(top.exact, top.error == 0 && top.trimmed_rows == 0);
    if top.exact {
        assert_eq!(top.entries.len(), measures.len().min(query.limit));
    }
}

fn ranking(dimension: Dimension, measure: Measure, from: i64, to: i64) -> TopQuery {
    TopQuery { dimension, measure, from: at(from), to: at(to), limit: 1_000, only: Query::default() }
}

fn all_hold(reader: &Reader, tenant: &TenantId, model: &[(i64, FlowRecord)], from: i64, to: i64) {
    for dimension in Dimension::ALL {
        for measure in [Measure::Octets, Measure::Packets, Measure::Flows] {
            let query = ranking(dimension, measure, from, to);
            holds(&reader.top(tenant, &query, soon()).unwrap(), &query, model);
        }
    }
}

fn place(country: &str, asn: u32) -> Arc<Place> {
    let geo = Geo {
        country: Some(country.into()),
        country_name: Some(format!("Land {country}").into()),
        ..Geo::default()
    };
    Arc::new(Place { geo: Some(geo), asn: Some(Asn { asn, org: Some(format!("Carrier {asn}").into()) }) })
}

/// Flows whose ends can be the same, in the same country or of the same AS, sampled and not, with several matches.
fn odd(office: &mut Office, n: u64, now: Timestamp) -> FlowRecord {
    let mut record = office.record(now);
    let places = [place("DE", 1), place("DE", 2), place("FR", 1), place("DE", 1)];
    record.src_place = (!n.is_multiple_of(3)).then(|| Arc::clone(&places[n as usize % 4]));
    record.dst_place = (!n.is_multiple_of(5)).then(|| Arc::clone(&places[n as usize / 4 % 4]));
    if n.is_multiple_of(7) {
        record.dst_ip = record.src_ip;
    }
    record.domain = (n.is_multiple_of(2)).then(|| format!("host{}.example", n % 50).into());
    if n.is_multiple_of(4) {
        let sampling = Some([0, 1, 100, 4_000_000_000][n as usize / 4 % 4]);
        record.exported = Some(Exported { sampling, ..Exported::default() });
    }
    if n.is_multiple_of(11) {
        let found = |indicator: &str, field| Match {
            indicator: indicator.into(),
            kind: IndicatorKind::Ip,
            category: "botnet".into(),
            confidence: 90,
            source: "list".into(),
            field,
        };
        let matches =
            vec![found("10.0.0.0/8", Field::SrcIp), found("x", Field::Domain), found("x", Field::DstIp)];
        record.verdict = Some(Verdict { matches });
    }
    record
}

fn batch(tenant: &TenantId, records: &[FlowRecord], now: Timestamp) -> Batch {
    Batch { tenant: tenant.clone(), records: records.to_vec(), handed_over: now, ..Batch::default() }
}

/// A store and what is in it.
struct Store {
    dir: tempfile::TempDir,
    config: Config,
    writer: Option<Writer>,
    tenants: Vec<TenantId>,
    models: Vec<Model>,
    now: i64,
    made: u64,
}

impl Store {
    fn new(tenants: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { retention_days: RetentionDays::new(2).unwrap(), ..Config::default() };
        let writer = Some(Writer::open(dir.path(), &config, at(0)).unwrap());
        let tenants: Vec<_> = (0..tenants).map(|n| tenant(&format!("t{n}"))).collect();
        let models = vec![Model::new(); tenants.len()];
        Self { dir, config, writer, tenants, models, now: 0, made: 0 }
    }

    fn writer(&mut self) -> &mut Writer {
        let Self { dir, config, writer, now, .. } = self;
        writer.get_or_insert_with(|| Writer::open(dir.path(), config, at(*now)).unwrap())
    }

    fn reader(&self) -> Reader {
        Reader::open(self.dir.path()).unwrap()
    }

    fn commit(&mut self, records: &[Vec<FlowRecord>]) {
        let now = at(self.now);
        let batches: Vec<_> =
            self.tenants.iter().zip(records).map(|(tenant, records)| batch(tenant, records, now)).collect();
        self.writer().commit(&batches, now).unwrap();
        for (model, records) in self.models.iter_mut().zip(records) {
            let stored = model.last().map_or(i64::MIN, |last| last.0).max(now.millis());
            model.extend(records.iter().map(|record| (stored, record.clone())));
        }
    }

    /// Commits `rows` odd records for each tenant.
    fn odd(&mut self, rows: usize) {
        let (mut office, now) = (Office::new(self.made), at(self.now));
        let mut records = vec![Vec::new(); self.tenants.len()];
        for list in &mut records {
            for _ in 0..rows {
                self.made += 1;
                list.push(odd(&mut office, self.made, now));
            }
        }
        self.commit(&records);
    }

    /// The rows that are left.
    fn left(&self, tenant: usize) -> &[(i64, FlowRecord)] {
        let first = self.reader().stats(&self.tenants[tenant]).unwrap().first_row;
        &self.models[tenant][first as usize - 1..]
    }

    fn sql(&self, change: impl FnOnce(&Connection)) {
        change(&Connection::open(database(self.dir.path())).unwrap());
    }

    fn hour_rows(&self) -> i64 {
        let mut count = 0;
        self.sql(|db| count = db.query_row("SELECT count(*) FROM hour", [], |row| row.get(0)).unwrap());
        count
    }
}

fn database(dir: &Path) -> std::path::PathBuf {
    let mut entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.extension().is_some_and(|end| end == "db")).unwrap()
}

#[derive(Clone, Debug)]
enum Act {
    /// So many rows after so many milliseconds.
    Commit(usize, i64),
    Trim,
    /// In order, or as a power cut leaves it.
    Reopen(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0_usize..60, 0..20 * MINUTE).prop_map(|(rows, ms)| Act::Commit(rows, ms)),
        2 => (0_usize..60, -DAY..DAY).prop_map(|(rows, ms)| Act::Commit(rows, ms)),
        1 => Just(Act::Trim),
        2 => any::<bool>().prop_map(Act::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rankings_are_those_of_a_list_whatever_becomes_of_the_writer(
        acts in prop::collection::vec(act(), 1..25),
        ranges in prop::collection::vec((-DAY..3 * DAY, 0..3 * DAY), 3),
    ) {
        let mut store = Store::new(2);
        for act in acts {
            match act {
                Act::Commit(rows, ms) => {
                    store.now += ms;
                    store.odd(rows);
                }
                Act::Trim => {
                    let now = at(store.now);
                    store.writer().trim(now, true).unwrap();
                }
                Act::Reopen(in_order) => {
                    let writer = store.writer.take();
                    if in_order && let Some(writer) = writer {
                        writer.close().unwrap();
                    }
                }
            }
        }
        let reader = store.reader();
        for (n, tenant) in store.tenants.iter().enumerate() {
            let left = store.left(n);
            all_hold(&reader, tenant, left, -30 * DAY, 30 * DAY);
            for &(from, length) in &ranges {
                all_hold(&reader, tenant, left, from, from + length);
            }
        }
    }
}

#[test]
fn few_keys_are_counted_exactly_over_hours() {
    let mut store = Store::new(1);
    for _ in 0..40 {
        store.now += 7 * MINUTE;
        store.odd(30);
    }
    let reader = store.reader();
    for dimension in
        [Dimension::Countries, Dimension::Asns, Dimension::Ports, Dimension::Services, Dimension::Threats]
    {
        let query = ranking(dimension, Measure::Octets, 0, DAY);
        let top = reader.top(&store.tenants[0], &query, soon()).unwrap();
        assert!(top.exact && !top.entries.is_empty(), "{dimension:?} {top:?}");
        // Most of it is known without looking at the rows.
        assert!(top.progress.blocks_read < 5, "{:?}", top.progress);
        holds(&top, &query, &store.models[0]);
    }
    let countries = reader
        .top(&store.tenants[0], &ranking(Dimension::Countries, Measure::Flows, 0, DAY), soon())
        .unwrap();
    assert_eq!(countries.entries[0].label.as_deref(), Some("Land DE"));
}

#[test]
fn a_scan_of_thousands_of_hosts_leaves_the_bounds_true() {
    let mut store = Store::new(2);
    let mut office = Office::new(3);
    for round in 0..12_u32 {
        store.now += 6 * MINUTE;
        let now = at(store.now);
        let scan = (0..3_000_u32).map(|n| FlowRecord {
            src_ip: Some(IpAddr::from([10, 0, 0, 1])),
            dst_ip: Some(IpAddr::from((0xc612_0000 + round * 3_000 + n).to_be_bytes())),
            dst_port: Some((round * 3_000 + n) as u16),
            domain: Some(format!("{}.{round}.example", n * 7).into()),
            service: Some(format!("{}", n % 700).into()),
            forward: Counters { octets: 40, packets: 1 },
            ..FlowRecord::default()
        });
        let mut records: Vec<_> = scan.collect();
        records.extend((0..500).map(|_| office.record(now)));
        store.commit(&[records, Vec::new()]);
    }
    for in_order in [true, false] {
        let reader = store.reader();
        all_hold(&reader, &store.tenants[0], &store.models[0], 0, 2 * DAY);
        let top = reader
            .top(&store.tenants[0], &ranking(Dimension::Talkers, Measure::Flows, 0, 2 * DAY), soon())
            .unwrap();
        assert_eq!((&*top.entries[0].key, top.entries[0].flows), ("10.0.0.1", 36_000));
        assert!(!top.exact && top.error < 360, "{}", top.error);
        match store.writer.take() {
            Some(writer) if in_order => writer.close().unwrap(),
            writer => drop(writer),
        }
        store.now += MINUTE;
        store.odd(1);
    }
}

#[test]
fn names_as_long_as_a_record_are_bounded_and_cost_no_memory() {
    let mut store = Store::new(1);
    let long: Arc<str> = "x".repeat(10_000).into();
    let records = vec![
        FlowRecord {
            domain: Some(Arc::clone(&long)),
            forward: Counters { octets: 9, packets: 2 },
            ..FlowRecord::default()
        },
        FlowRecord {
            domain: Some("short".into()),
            forward: Counters { octets: 7, packets: 1 },
            ..FlowRecord::default()
        },
    ];
    for _ in 0..3 {
        store.now += 6 * MINUTE;
        store.commit(std::slice::from_ref(&records));
    }
    let query = ranking(Dimension::Domains, Measure::Octets, 0, HOUR);
    let top = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    assert_eq!((top.entries.len(), top.error, top.exact), (1, 27, false));
    assert_eq!((top.entries[0].octets, top.entries[0].error), (21, 0));
}

#[test]
fn sums_stop_at_the_greatest_number() {
    let mut store = Store::new(1);
    let record = FlowRecord {
        dst_port: Some(443),
        forward: Counters { octets: u64::MAX, packets: u64::MAX / 3 },
        exported: Some(Exported { sampling: Some(2), ..Exported::default() }),
        ..FlowRecord::default()
    };
    for _ in 0..3 {
        store.now += 6 * MINUTE;
        store.commit(&[vec![record.clone(), record.clone()]]);
    }
    let top = store
        .reader()
        .top(&store.tenants[0], &ranking(Dimension::Ports, Measure::Octets, 0, HOUR), soon())
        .unwrap();
    assert_eq!(
        (top.entries[0].octets, top.entries[0].packets, top.entries[0].flows),
        (u64::MAX, u64::MAX, 6)
    );
}

/// Five hours with a commit every seven minutes.
fn five_hours() -> Store {
    let mut store = Store::new(1);
    for _ in 0..43 {
        store.now += 7 * MINUTE;
        store.odd(30);
    }
    store
}

#[test]
fn a_damaged_hour_is_counted_from_its_rows() {
    let mut store = five_hours();
    let query = ranking(Dimension::Ports, Measure::Octets, 0, DAY);
    let before = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    for damage in [
        "data = zeroblob(length(data))",
        "data = substr(data, 1, 700)",
        "data = x''",
        "through_row = through_row - 1",
        "through_row = through_row + 1",
        "hour = hour + 1000000",
    ] {
        store.sql(|db| {
            db.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM hour").unwrap();
            for nth in [1, 3] {
                let sql = format!("UPDATE hour SET {damage} WHERE hour = (SELECT hour FROM hour ORDER BY hour LIMIT 1 OFFSET {nth})");
                assert_eq!(db.execute(&sql, []).unwrap(), 1);
            }
            let after = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
            assert_eq!(after.entries, before.entries, "{damage}");
            assert!(after.exact && after.progress.blocks_read > before.progress.blocks_read, "{damage}");
            db.execute_batch("DELETE FROM hour; INSERT INTO hour SELECT * FROM kept").unwrap();
        });
    }
    // The newest one, which the next writer would take up.
    store.writer.take().unwrap().close().unwrap();
    store.sql(|db| {
        db.execute("UPDATE hour SET data = x'01' WHERE hour = (SELECT max(hour) FROM hour)", []).unwrap();
    });
    store.now += MINUTE;
    store.odd(30);
    store.writer.take().unwrap().close().unwrap();
    let top = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    holds(&top, &query, &store.models[0]);
    assert!(top.exact && top.progress.blocks_read == 0, "{:?}", top.progress);
}

#[test]
fn a_store_without_hours_is_counted_from_its_rows_and_then_has_them() {
    let mut store = five_hours();
    store.writer.take().unwrap().close().unwrap();
    store.sql(|db| {
        db.execute("DELETE FROM hour", []).unwrap();
    });
    let query = ranking(Dimension::Asns, Measure::Packets, 0, DAY);
    let top = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    assert!(top.progress.blocks_read > 0, "{:?}", top.progress);
    holds(&top, &query, &store.models[0]);
    store.now += MINUTE;
    store.odd(1);
    store.writer.take().unwrap().close().unwrap();
    let again = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    assert_eq!(again.progress.blocks_read, 0);
    holds(&again, &query, &store.models[0]);
}

#[test]
fn a_reader_beside_the_writer_and_one_after_it_agree() {
    let mut store = five_hours();
    for dimension in Dimension::ALL {
        let query = ranking(dimension, Measure::Octets, 0, DAY);
        let beside = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
        let again = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
        assert_eq!(beside, again);
    }
    let query = ranking(Dimension::Services, Measure::Octets, 0, DAY);
    let beside = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    store.writer.take().unwrap().close().unwrap();
    let after = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    assert_eq!(beside.entries, after.entries);
    assert_eq!(after.progress.blocks_read, 0);
}

#[test]
fn hours_go_with_their_last_row() {
    let mut store = five_hours();
    let hours = store.hour_rows();
    assert!(hours >= 5);
    store.now += 2 * DAY - 2 * HOUR;
    let now = at(store.now);
    store.writer().trim(now, true).unwrap();
    assert!((2..=4).contains(&store.hour_rows()), "{}", store.hour_rows());
    all_hold(&store.reader(), &store.tenants[0], store.left(0), -DAY, 30 * DAY);
    store.now += 3 * DAY;
    let now = at(store.now);
    store.writer().trim(now, true).unwrap();
    assert_eq!(store.hour_rows(), 0);
    store.odd(5);
    store.writer.take().unwrap().close().unwrap();
    all_hold(&store.reader(), &store.tenants[0], store.left(0), -DAY, 30 * DAY);
    let query = ranking(Dimension::Ports, Measure::Flows, -DAY, 30 * DAY);
    let top = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    assert_eq!(top.entries.iter().map(|entry| entry.flows).sum::<u64>(), 5);
}

#[test]
fn a_commit_that_fails_is_not_counted() {
    let mut store = five_hours();
    store.sql(|db| {
        db.execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON bookmark BEGIN SELECT RAISE(ABORT, 'refused'); END",
        )
        .unwrap();
    });
    let refused = {
        let mut office = Office::new(9);
        let now = at(store.now);
        let records: Vec<_> = (0..17).map(|n| odd(&mut office, n, now)).collect();
        let bookmark = support::bookmark("refused", 1);
        Batch { bookmark, ..batch(&store.tenants[0], &records, now) }
    };
    let now = at(store.now);
    assert!(store.writer().commit(std::slice::from_ref(&refused), now).is_err());
    store.now += 6 * MINUTE;
    store.odd(3);
    store.writer.take().unwrap().close().unwrap();
    all_hold(&store.reader(), &store.tenants[0], &store.models[0], 0, DAY);
    let query = ranking(Dimension::Ports, Measure::Flows, 0, DAY);
    let top = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
    assert_eq!(top.entries.iter().map(|entry| entry.flows).sum::<u64>(), 43 * 30 + 3);
}

#[test]
fn with_conditions_only_what_fits_is_ranked() {
    let store = five_hours();
    let only = Query { dst_port: vec![53], ..Query::default() };
    let model: Model = store.models[0].iter().filter(|(_, record)| only.matches(record)).cloned().collect();
    for (from, to) in [(0, DAY), (20 * MINUTE, 80 * MINUTE), (2 * DAY, 3 * DAY)] {
        let query = TopQuery { only: only.clone(), ..ranking(Dimension::Talkers, Measure::Octets, from, to) };
        let top = store.reader().top(&store.tenants[0], &query, soon()).unwrap();
        assert!(top.exact);
        holds(&top, &query, &model);
    }
}

#[test]
fn after_the_deadline_the_answer_says_that_it_is_not_whole() {
    let mut store = Store::new(1);
    store.odd(3_000);
    let query = ranking(Dimension::Ports, Measure::Octets, -HOUR, HOUR);
    let passed = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    let top = store.reader().top(&store.tenants[0], &query, passed).unwrap();
    assert!(!top.progress.complete && !top.exact);
    let truth = truth(&store.models[0], Dimension::Ports, top.from, top.to);
    assert!(top.entries.iter().all(|entry| entry.octets <= truth[&entry.key][0]));
}

#[test]
fn who_has_no_rows_has_an_empty_answer() {
    let store = Store::new(1);
    let query = ranking(Dimension::Ports, Measure::Octets, -HOUR, HOUR);
    let top = store.reader().top(&tenant("nobody"), &query, soon()).unwrap();
    assert!(top.exact && top.entries.is_empty() && top.progress.complete);
    let query = SeriesQuery { from: at(-HOUR), to: at(HOUR), step_minutes: 0, only: Query::default() };
    let series = store.reader().series(&tenant("nobody"), &query, soon()).unwrap();
    assert!(series.steps.is_empty() && series.progress.complete && series.step_minutes == 1);
}

fn steps(model: &[(i64, FlowRecord)], query: &SeriesQuery, step_ms: i64) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (stored, record) in model.iter().filter(|(_, record)| query.only.matches(record)) {
        let (from, to) = (query.from.millis().div_euclid(MINUTE) * MINUTE, query.to.millis());
        if *stored < from || stored.div_euclid(MINUTE) * MINUTE >= to {
            continue;
        }
        let ts_ms = stored.div_euclid(step_ms) * step_ms;
        if steps.last().is_none_or(|last| last.ts_ms != ts_ms) {
            steps.push(Step { ts_ms, ..Step::default() });
        }
        let step = steps.last_mut().unwrap();
        let sampling = record.exported.and_then(|exported| exported.sampling).unwrap_or(1).max(1).into();
        step.flows += u64::from(record.kind == Kind::Flow);
        step.octets = step.octets.saturating_add(record.octets().saturating_mul(sampling));
        step.packets = step.packets.saturating_add(record.packets().saturating_mul(sampling));
        step.threats += u64::from(record.is_threat());
        step.risk_sum += record.risk.map_or(0, |risk| risk.score().into());
        step.risk_count += u64::from(record.risk.is_some());
    }
    steps
}

#[test]
fn series_are_those_of_a_list_with_and_without_conditions() {
    let store = five_hours();
    let ranges = [(-DAY, DAY), (8 * MINUTE + 1, 60 * MINUTE), (30_000, 3 * HOUR - 1), (2 * DAY, 3 * DAY)];
    for only in [
        Query::default(),
        Query { dst_port: vec![53], ..Query::default() },
        Query { threat: Some(true), ..Query::default() },
    ] {
        for (from, to) in ranges {
            for step_minutes in [1, 5, 60, 1_440] {
                let query = SeriesQuery { from: at(from), to: at(to), step_minutes, only: only.clone() };
                let series = store.reader().series(&store.tenants[0], &query, soon()).unwrap();
                assert_eq!(series.steps, steps(&store.models[0], &query, i64::from(step_minutes) * MINUTE));
                assert!(series.progress.complete && series.step_minutes == step_minutes);
            }
        }
    }
}

#[test]
fn a_series_of_ever_has_no_more_steps_than_it_may() {
    let mut store = Store::new(1);
    store.sql(|db| {
        // A year of minutes.
        db.execute_batch(&format!(
            "INSERT INTO ring (tenant, processed_at, created_at) VALUES ('t0', {START_MS}, {START_MS});
             WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 525599)
             INSERT INTO minute (ring, minute, flows, packets, octets, threats, risk_sum, risk_count, first_row)
             SELECT 1, {START_MS} / 60000 - 525600 + n, 1, 2, 3, 0, 0, 0, 1 FROM n"
        ))
        .unwrap();
    });
    store.odd(1);
    let ever = SeriesQuery {
        from: Timestamp::from_millis(0),
        to: at(365 * DAY),
        step_minutes: 1,
        only: Query::default(),
    };
    let series = store.reader().series(&store.tenants[0], &ever, soon()).unwrap();
    assert_eq!(series.step_minutes, 60);
    assert!(series.steps.len() <= MAX_STEPS, "{}", series.steps.len());
    assert_eq!(series.steps.iter().map(|step| step.flows).sum::<u64>(), 525_601);
}

#[test]
fn a_ring_made_after_another_was_removed_begins_with_nothing() {
    let mut store = five_hours();
    let mut control = weir_store::Control::open(store.dir.path()).unwrap();
    control.remove_tenant(&store.tenants[0], true).unwrap();
    let now = at(store.now);
    store.writer().trim(now, true).unwrap();
    assert_eq!(store.hour_rows(), 0);
    store.models[0].clear();
    store.now += MINUTE;
    store.odd(4);
    store.writer.take().unwrap().close().unwrap();
    all_hold(&store.reader(), &store.tenants[0], &store.models[0], -DAY, DAY);
    assert_eq!(store.hour_rows(), 1);
}
