//! What decoding exports costs: the datagrams of captures, decoded over and over from memory.
//!
//! `cargo run --release -p weir --example decode_bench -- SECONDS FILE.pcap…`
//!
//! Captures with many records are made by `export_blaster FILE.pcap v9 1000000x1` of `weir-tests`.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use weir::capture::file::CaptureFile;
use weir::clock::Clock;
use weir::collect::{Arrival, Collector, Settings};
use weir_flow::FlowRecord;

/// Processor time is read after as many datagrams.
const LOOK_EVERY: usize = 4_096;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [seconds, files @ ..] = args.as_slice() else {
        return Err("usage: decode_bench SECONDS FILE.pcap…".into());
    };
    let seconds = seconds.parse()?;
    println!("| capture | datagrams | records/s of CPU time | datagrams/s | MB/s | faults |");
    println!("|---|---|---|---|---|---|");
    for file in files {
        measure(file, &datagrams(Path::new(file))?, seconds)?;
    }
    Ok(())
}

type Datagram = (SocketAddr, Vec<u8>);

/// The payloads of all UDP datagrams of a capture of Ethernet frames.
fn datagrams(path: &Path) -> Result<Vec<Datagram>, Failure> {
    let mut found = Vec::new();
    let mut file = CaptureFile::open(path)?;
    while let Some((frame, _)) = file.next()? {
        let Ok(packet) = SlicedPacket::from_ethernet(frame.data) else { continue };
        let Some(TransportSlice::Udp(udp)) = &packet.transport else { continue };
        let from: IpAddr = match &packet.net {
            Some(NetSlice::Ipv4(v4)) => v4.header().source_addr().into(),
            Some(NetSlice::Ipv6(v6)) => v6.header().source_addr().into(),
            _ => continue,
        };
        found.push((SocketAddr::new(from, udp.source_port()), udp.payload().to_vec()));
    }
    if found.is_empty() {
        return Err(
            format!("{} holds no UDP datagram; give a capture of Ethernet frames", path.display()).into()
        );
    }
    Ok(found)
}

fn measure(name: &str, datagrams: &[Datagram], seconds: u64) -> Result<(), Failure> {
    let mut collector = Collector::new(Settings { max_exporters: 256, ..Settings::default() });
    let (mut records, mut octets, mut done, mut checksum) = (0_u64, 0, 0_u64, 0_u64);
    let start = Instant::now();
    let mut spent = cpu_seconds()?;
    let before = spent;
    let limit = Duration::from_secs(seconds).as_secs_f64();
    let mut round = datagrams.iter().cycle();
    while spent - before < limit {
        let at = Arrival { wall: Some(Clock.now()), mono: start.elapsed() };
        for (from, payload) in round.by_ref().take(LOOK_EVERY) {
            // The sum keeps the compiler from leaving fields out that nobody reads.
            let mut sink = |record: FlowRecord| {
                records += 1;
                checksum = checksum.wrapping_add(record.octets());
            };
            collector.datagram(*from, payload, at, &mut sink);
            octets += payload.len();
            done += 1;
        }
        collector.tick(at.mono);
        spent = cpu_seconds()?;
    }
    let each = |count: f64| count / (spent - before);
    println!(
        "| {name} | {} | {:.0} | {:.0} | {:.0} | {} |",
        datagrams.len(),
        each(records as f64),
        each(done as f64),
        each(octets as f64 / 1e6),
        collector.report().faults.total()
    );
    eprintln!("{records} records, sum {checksum:x}");
    Ok(())
}

/// User and system time of this process: proc(5), fields 14 and 15 of stat, in ticks of 10 ms.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |at: usize| fields.get(at).ok_or("no time in /proc/self/stat")?.parse::<f64>().map_err(Failure::from);
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
