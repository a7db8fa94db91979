//! What a record costs from the collector's hand to the disk: the threads `pipeline` and `store`, fed with flows as an
//! exporter tells them, or with those and six values in `extra`, as Zeek tells connections.
//!
//! `cargo run --release -p weir --example feed_bench -- DIR RECORDS [RECORDS_PER_COMMIT [flow|zeek]]`

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Instant;

use weir::batcher::{Batcher, Policy};
use weir::clock::Clock;
use weir::link;
use weir::metrics::Metrics;
use weir::pipeline::{self, Enricher, Knowledge, Networks, NetworksConfig, RiskConfig, Shared};
use weir::stop::Stop;
use weir::storing;
use weir::table::Sink as _;
use weir_flow::{Counters, Exported, Extra, FlowRecord, Source, Text, Timestamp};
use weir_geo::Geo;
use weir_store::{CommitRecords, Config, Writer};
use weir_ti::Indicators;

/// The bound of the agent's own links.
const LINK_RECORDS: usize = 16_384;
const EXPORTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// What the addresses outside begin with, and their second octets: a network each.
const FAR: [u8; 8] = [23, 34, 52, 93, 104, 142, 151, 185];
const FAR_NETWORKS: u8 = 250;
/// Hosts of the office, and outside.
const NEAR_HOSTS: u64 = 2_000;
const FAR_HOSTS: u64 = 200_000;
/// Ports of responders over TCP, the usual ones more often.
const PORTS: [u16; 8] = [443, 443, 443, 80, 22, 25, 993, 8_080];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, count, per_commit, says) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [dir, count] => (dir, count, "4096", "flow"),
        [dir, count, per_commit] => (dir, count, per_commit, "flow"),
        [dir, count, per_commit, says @ ("flow" | "zeek")] => (dir, count, per_commit, says),
        _ => return Err("usage: feed_bench DIR RECORDS [RECORDS_PER_COMMIT [flow|zeek]]".into()),
    };
    let (dir, count, per_commit) = (PathBuf::from(dir), count.parse()?, per_commit.parse()?);
    let config = Config { commit_records: CommitRecords::new(per_commit)?, ..Config::default() };
    let office = Office::new(says == "zeek");
    let (to_pipeline, from) = link::channel("feed", LINK_RECORDS);
    let (to, from_pipeline) = link::channel("store", LINK_RECORDS);
    let metrics = Arc::new(Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), Arc::default()));
    let enricher = Enricher::new(Arc::new(Shared::new(knowledge(&dir)?)));
    let pipeline = pipeline::Worker { from, to, enricher, metrics: Arc::clone(&metrics) };
    let storing = storing::Worker {
        from: from_pipeline,
        writer: Writer::open(&dir, &config, Clock.now())?,
        config,
        dir: dir.clone(),
        set_damaged_aside: false,
        metrics: Arc::clone(&metrics),
        stop: Stop::new(),
        clock: Clock,
    };
    let start = Instant::now();
    let batcher = Batcher::new(to_pipeline, Policy::Push, "bench", Clock);
    let spent = std::thread::scope(|scope| -> Result<_, Failure> {
        let workers = [
            ("feed", spawn(scope, "feed", move || feed(batcher, &office, count, per_commit))?),
            ("pipeline", spawn(scope, "pipeline", move || pipeline.run().map_err(str::to_owned))?),
            ("store", spawn(scope, "store", move || storing.run())?),
        ];
        let join = |(name, worker): (_, ScopedJoinHandle<'_, Result<f64, String>>)| {
            Ok((name, worker.join().map_err(|_| format!("{name} panicked"))??))
        };
        workers.into_iter().map(join).collect::<Result<Vec<_>, Failure>>()
    })?;
    report(&metrics, start, &spent, &dir)
}

/// A thread that answers with the seconds of processor time that it took.
fn spawn<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    name: &str,
    body: impl FnOnce() -> Result<(), String> + Send + 'scope,
) -> std::io::Result<ScopedJoinHandle<'scope, Result<f64, String>>> {
    Builder::new().name(name.to_owned()).spawn_scoped(scope, || {
        body()?;
        // The first number: nanoseconds on a processor.
        let spent = fs::read_to_string("/proc/thread-self/schedstat").map_err(|e| e.to_string())?;
        let nanos = spent.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
        nanos.map(|nanos| nanos / 1e9).ok_or_else(|| format!("{spent:?} is no schedstat"))
    })
}

/// What a gateway with a database of countries and carriers knows.
fn knowledge(dir: &Path) -> Result<Knowledge, Failure> {
    let networks = FAR.iter().flat_map(|first| (0..FAR_NETWORKS).map(move |second| (first, second)));
    let line = |(first, second): (&u8, u8)| {
        let country = ["DE", "US", "NL", "JP"][usize::from(second % 4)];
        format!(
            "{first}.{second}.0.0/16,{country},{},Carrier {first} {second} AG",
            13_000 + u32::from(second)
        )
    };
    let list = networks.map(line).collect::<Vec<_>>().join("\n");
    fs::create_dir_all(dir)?;
    let database = dir.join("places.mmdb");
    weir_geo::build_from_csv(&database, &list, "bench", 0, &mut fs::File::create(&database)?)?;
    let geo = weir_geo::Config { city_db: Some(database), ..weir_geo::Config::default() };
    Ok(Knowledge {
        geo: Arc::new(Geo::open(&geo, None, Clock.now()).0),
        indicators: Arc::new(Indicators::load(&weir_ti::Config::default()).0),
        networks: Networks::new(NetworksConfig::default().local),
        risk: RiskConfig::default(),
    })
}

fn feed(mut batcher: Batcher, office: &Office, count: u64, per_commit: u32) -> Result<(), String> {
    let mut random = 1;
    for number in 1..=count {
        batcher.take(office.record(Clock.now(), &mut random));
        if number % u64::from(per_commit) == 0 {
            batcher.flush();
        }
    }
    batcher.flush();
    Ok(())
}

/// SplitMix64 (S. Vigna).
fn bits(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One of `hosts`, each as often as its rank says (Zipf's law).
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank is below 2^32")]
fn ranked(hosts: u64, random: &mut u64) -> u32 {
    let share = (bits(random) >> 11) as f64 / (1_u64 << 53) as f64;
    (hosts as f64).powf(share) as u32 - 1
}

/// Flows between an office and the hosts of 2,000 networks outside.
struct Office {
    is_zeek: bool,
    services: [Text; 3],
}

impl Office {
    fn new(is_zeek: bool) -> Self {
        Self { is_zeek, services: ["dns".into(), "ssl".into(), "http".into()] }
    }

    fn record(&self, now: Timestamp, random: &mut u64) -> FlowRecord {
        let flow = self.exported(now, random);
        if self.is_zeek { as_zeek(flow, random) } else { flow }
    }

    /// As NetFlow v9 tells it, to the millisecond, each direction by itself.
    fn exported(&self, now: Timestamp, random: &mut u64) -> FlowRecord {
        let [a, b, c, d, e, f, g, h] = bits(random).to_be_bytes();
        let (near, far) = (ranked(NEAR_HOSTS, random), ranked(FAR_HOSTS, random).wrapping_mul(0x9e37_79b1));
        let [first, second, third, fourth] = far.to_be_bytes();
        let near = IpAddr::from([10, 20, (near >> 8) as u8, near as u8]);
        let far = IpAddr::from([FAR[usize::from(first % 8)], second % FAR_NETWORKS, third, fourth]);
        let udp = a < 77;
        let packets = 1 + u64::from(b % 40) * if c < 26 { 50 } else { 1 };
        let port = if udp { 53 } else { PORTS[usize::from(e % 8)] };
        let ephemeral = u16::try_from(32_768 + bits(random) % 28_232).ok();
        let ended = now.millis() - i64::from(d) * 8;
        let mut flow = FlowRecord {
            start: Timestamp::from_millis(ended - i64::from(f) * i64::from(h)),
            end: Timestamp::from_millis(ended),
            source: Source::Netflow9,
            exported: Some(Exported {
                exporter: Some(EXPORTER),
                observation_domain: Some(7),
                ingress_if: Some(u32::from(g % 3)),
                egress_if: Some(10),
                next_hop: Some([10, 20, 0, 1].into()),
                src_as: Some(64_512),
                dst_as: Some(13_000 + u32::from(second % FAR_NETWORKS)),
                sampling: None,
            }),
            src_ip: Some(near),
            dst_ip: Some(far),
            src_port: ephemeral,
            dst_port: Some(port),
            proto: Some(if udp { 17 } else { 6 }),
            forward: Counters { octets: packets * (40 + 5 * u64::from(d)), packets },
            tcp_flags_out: (!udp).then_some([0x1b, 0x1e, 0x02, 0x1f][usize::from(b % 4)]),
            dscp: Some(if h < 64 { 46 } else { 0 }),
            service: [(53, 0), (443, 1), (80, 2)]
                .iter()
                .find_map(|&(known, at)| (known == port).then(|| self.services[at].clone())),
            ..FlowRecord::default()
        };
        if c % 2 == 0 && !self.is_zeek {
            std::mem::swap(&mut flow.src_ip, &mut flow.dst_ip);
            std::mem::swap(&mut flow.src_port, &mut flow.dst_port);
        }
        flow
    }
}

/// The same traffic as a line of Zeek's `conn.log`: both directions, to the microsecond, and what has no field.
fn as_zeek(flow: FlowRecord, random: &mut u64) -> FlowRecord {
    let [a, b, c, d, ..] = bits(random).to_be_bytes();
    let (id, lasted) = (bits(random), flow.end.micros_since(flow.start));
    let state = ["SF", "SF", "SF", "S0", "RSTO", "REJ", "S1", "OTH"][usize::from(a % 8)];
    let history = ["ShADadFf", "ShADadfF", "Dd", "S", "ShADadR", "Sr"][usize::from(b % 6)];
    let entries = [
        ("uid", serde_json::Value::from(format!("C{id:016x}"))),
        ("conn_state", state.into()),
        ("history", history.into()),
        ("local_orig", true.into()),
        ("local_resp", false.into()),
        ("missed_bytes", (if c < 5 { u32::from(d) } else { 0 }).into()),
    ];
    let start = flow.start.plus_micros(i64::from(c) * 3 + i64::from(d));
    let packets = flow.forward.packets + u64::from(b % 8);
    FlowRecord {
        start,
        end: start.plus_micros(lasted + i64::from(a)),
        source: Source::Zeek,
        exported: None,
        tcp_flags_out: None,
        dscp: None,
        reverse: Counters { octets: packets * (40 + 5 * u64::from(a)), packets },
        extra: Some(Box::new(Extra::from_iter(entries))),
        ..flow
    }
}

fn report(metrics: &Metrics, start: Instant, spent: &[(&str, f64)], dir: &Path) -> Result<(), Failure> {
    let rows = metrics.totals().rows as f64;
    println!("{rows} rows, {:.0} a second", rows / start.elapsed().as_secs_f64());
    for (name, seconds) in spent {
        println!("{name:<9} {:.3} CPU s per million records", seconds / rows * 1e6);
    }
    let all: f64 = spent.iter().filter(|(name, _)| *name != "feed").map(|(_, seconds)| seconds).sum();
    println!("together  {:.0} records per CPU second, without feed", rows / all);
    let octets: u64 =
        fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.metadata().ok()).map(|file| file.len()).sum();
    println!("{:.1} octets a row on the disk", octets as f64 / rows);
    Ok(())
}
