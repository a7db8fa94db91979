//! What a record costs from the collector's hand to the disk: the threads `pipeline` and `store`, fed with flows as an
//! exporter tells them.
//!
//! `cargo run --release -p weir --example feed_bench -- DIR RECORDS`

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
use weir_flow::{Counters, Exported, FlowRecord, Source, Timestamp};
use weir_geo::Geo;
use weir_store::{Config, Writer};
use weir_ti::Indicators;

/// The bound of the agent's own links.
const LINK_RECORDS: usize = 16_384;
const EXPORTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// What the addresses outside begin with, and their second octets: a network each.
const FAR: [u8; 8] = [23, 34, 52, 93, 104, 142, 151, 185];
const FAR_NETWORKS: u8 = 64;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, records] = args.as_slice() else {
        return Err("usage: feed_bench DIR RECORDS".into());
    };
    let (dir, count) = (PathBuf::from(dir), records.parse()?);
    let (to_pipeline, from) = link::channel("feed", LINK_RECORDS);
    let (to, from_pipeline) = link::channel("store", LINK_RECORDS);
    let metrics = Arc::new(Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), Arc::default()));
    let enricher = Enricher::new(Arc::new(Shared::new(knowledge(&dir)?)));
    let pipeline = pipeline::Worker { from, to, enricher, metrics: Arc::clone(&metrics) };
    let storing = storing::Worker {
        from: from_pipeline,
        writer: Writer::open(&dir, &Config::default(), Clock.now())?,
        config: Config::default(),
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
            ("feed", spawn(scope, "feed", move || feed(batcher, count))?),
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

fn feed(mut batcher: Batcher, count: u64) -> Result<(), String> {
    let mut random = 1;
    for number in 0..count {
        batcher.take(record(number, Clock.now(), &mut random));
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

/// A flow between an office of 2,000 hosts and those of 512 networks outside, as NetFlow v9 tells it.
fn record(number: u64, now: Timestamp, random: &mut u64) -> FlowRecord {
    let [a, b, c, d, e, f, g, h] = bits(random).to_be_bytes();
    let udp = a < 77;
    let packets = 1 + u64::from(b % 40) * if c < 26 { 50 } else { 1 };
    let octets = packets * (40 + 5 * u64::from(d));
    let ended = -1_000 * (u64::from(e) * 8).cast_signed();
    FlowRecord {
        start: now.plus_micros(ended - 230_000 * i64::from(f)),
        end: now.plus_micros(ended),
        source: Source::Netflow9,
        exported: Some(Exported {
            exporter: Some(EXPORTER),
            observation_domain: Some(7),
            ingress_if: Some(u32::from(g % 3)),
            egress_if: Some(10),
            next_hop: Some([10, 20, 0, 1].into()),
            src_as: Some(64_512),
            dst_as: Some(13_000 + u32::from(h % 8)),
            sampling: None,
        }),
        src_ip: Some([10, 20, a % 8, h].into()),
        dst_ip: Some([FAR[usize::from(g % 8)], c % FAR_NETWORKS, d, f].into()),
        src_port: u16::try_from(1_024 + (bits(random) + number) % 64_512).ok(),
        dst_port: Some(if udp { 53 } else { [443, 443, 80, 22, 25, 993, 3_389, 8_080][usize::from(e % 8)] }),
        proto: Some(if udp { 17 } else { 6 }),
        forward: Counters { octets, packets },
        tcp_flags_out: (!udp).then_some([0x1b, 0x1e, 0x02, 0x1f][usize::from(b % 4)]),
        dscp: Some(if h < 64 { 46 } else { 0 }),
        ..FlowRecord::default()
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
