//! Records as a branch office makes them, from a seed.
#![allow(dead_code, reason = "each test and example uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_flow::{
    Asn, Batch, Bookmark, Counters, Direction, EndReason, Extra, Field, FlowRecord, Geo, IndicatorKind,
    Match, Place, Reason, Risk, Tag, TenantId, Text, Timestamp, Verdict,
};
use weir_store::{Order, Reader, StoredRow};

/// 2026-11-21T06:00Z in milliseconds.
pub(crate) const START_MS: i64 = 1_795_240_800_000;

/// Instants are given in milliseconds after [`START_MS`].
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + ms)
}

/// Far enough for any read.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// SplitMix64 (S. Vigna).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Makes flows between 200 hosts of an office and 4,000 outside.
pub(crate) struct Office {
    random: Random,
    places: Vec<Arc<Place>>,
    observer: Text,
}

impl Office {
    pub(crate) fn new(seed: u64) -> Self {
        let countries = [("DE", "Germany"), ("US", "United States"), ("NL", "Netherlands"), ("JP", "Japan")];
        let places = (0..400_u32).map(|n| {
            let (country, name) = countries[n as usize % countries.len()];
            Arc::new(Place {
                geo: Some(Geo {
                    country: Some(country.into()),
                    country_name: Some(name.into()),
                    city: Some(format!("City {n}").into()),
                    lat: Some(f64::from(n) / 8.0),
                    lon: Some(f64::from(n) / 4.0),
                }),
                asn: Some(Asn { asn: 64_500 + n, org: Some(format!("Carrier {n} AG").into()) }),
            })
        });
        Self { random: Random(seed), places: places.collect(), observer: "eth0".into() }
    }

    pub(crate) fn record(&mut self, now: Timestamp) -> FlowRecord {
        let r = &mut self.random;
        let host = r.below(200) as u8;
        let far = r.below(4_000);
        let lasted = r.below(90_000_000) as i64;
        let packets = 1 + r.below(40) * r.below(40);
        let (port, service) = [(443, Some("tls")), (53, Some("dns")), (80, Some("http")), (8_291, None)]
            [[0, 0, 0, 0, 1, 1, 1, 2, 2, 3][r.below(10) as usize]];
        let tcp = port != 53;
        let threat = r.below(500) == 0;
        let mut risk = Risk::default();
        risk.add(Reason::Base, 10);
        let mut record = FlowRecord {
            start: now.plus_micros(-lasted - 1_000_000),
            end: now.plus_micros(-1_000_000),
            observer: Some(Arc::clone(&self.observer)),
            src_ip: Some(IpAddr::from([10, 20, 1, host])),
            dst_ip: Some(IpAddr::from([93, (far % 7) as u8, (far >> 8) as u8, far as u8])),
            src_port: Some(32_768 + r.below(28_000) as u16),
            dst_port: Some(port),
            proto: Some(if tcp { 6 } else { 17 }),
            forward: Counters { octets: packets * (60 + r.below(400)), packets },
            reverse: Counters { octets: packets * (60 + r.below(1_300)), packets },
            tcp_flags_out: tcp.then_some(0x1b),
            tcp_flags_in: tcp.then_some(0x1b),
            end_reason: Some(if tcp { EndReason::End } else { EndReason::Idle }),
            service: service.map(Into::into),
            dst_place: Some(Arc::clone(&self.places[far as usize / 10])),
            direction: Some(Direction::Out),
            verdict: Some(Verdict::default()),
            ..FlowRecord::default()
        };
        if threat {
            risk.add(Reason::ThreatMatch, 60);
            record.tags.insert(Tag::Ti);
            record.verdict = Some(Verdict { matches: vec![listed(&record)] });
        }
        record.risk = Some(risk);
        record
    }

    /// A record that takes about `bytes` on the disk: its text does not compress below that.
    pub(crate) fn bulky(&mut self, now: Timestamp, bytes: usize) -> FlowRecord {
        let digits = (0..bytes / 8).map(|_| format!("{:016x}", self.random.below(u64::MAX)));
        let extra = Extra::from_iter([("text", digits.collect::<String>())]);
        FlowRecord { extra: Some(Box::new(extra)), ..self.record(now) }
    }

    /// A batch of 8 records that takes about `bytes` on the disk.
    pub(crate) fn bulk(&mut self, tenant: &TenantId, bytes: usize, now: Timestamp) -> Batch {
        let records = (0..8).map(|_| self.bulky(now, bytes / 8)).collect();
        Batch { tenant: tenant.clone(), records, handed_over: now, ..Batch::default() }
    }

    pub(crate) fn batch(&mut self, tenant: &TenantId, count: usize, now: Timestamp) -> Batch {
        let records = (0..count).map(|_| self.record(now)).collect();
        Batch { tenant: tenant.clone(), records, handed_over: now, ..Batch::default() }
    }
}

fn listed(record: &FlowRecord) -> Match {
    Match {
        indicator: record.dst_ip.map(|ip| ip.to_string()).unwrap_or_default().into(),
        kind: IndicatorKind::Ip,
        category: "botnet".into(),
        confidence: 90,
        source: "list".into(),
        field: Field::DstIp,
    }
}

/// Later than this the oldest commit of a tail is old.
pub(crate) const HOUR_MS: i64 = 3_600_000;

pub(crate) fn bookmark(input: &str, position: u64) -> Option<Bookmark> {
    Some(Bookmark { input: input.into(), position: position.to_string().into() })
}

/// All rows of a tenant, read page by page; checks that they are contiguous.
pub(crate) fn all_rows(reader: &Reader, tenant: &TenantId) -> Vec<StoredRow> {
    let mut rows: Vec<StoredRow> = Vec::new();
    let mut after = 0;
    loop {
        let page = reader.rows(tenant, after, 1_000, soon()).unwrap();
        let Some(last) = page.last() else { break };
        after = last.row;
        rows.extend(page);
    }
    assert!(rows.windows(2).all(|pair| pair[0].row + 1 == pair[1].row), "rows have a gap");
    let newest = reader.recent(tenant, 1, Order::NewestFirst, soon()).unwrap();
    assert_eq!(newest.first(), rows.last());
    rows
}

/// `cargo test` builds examples beside the tests; `cargo test --test kill` alone takes the one built before.
pub(crate) fn example(name: &str) -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    assert!(built.exists(), "{built:?} is missing: cargo build -p weir-store --examples");
    built
}

/// Says loudly that a test did not run, and why: on stderr and, where `WEIR_SKIPPED` names a file, at the end of it.
/// With `CI=true` that is a failure.
pub(crate) fn skip(reason: &str) {
    use std::io::Write;
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI runs every test, but: {reason}");
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(path) = std::env::var_os("WEIR_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "SKIPPED {test}: {reason}").unwrap();
    }
}
