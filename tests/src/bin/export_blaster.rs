//! Sends flow exports at a chosen rate: `export_blaster TARGET VERSION PHASE… [--seed N]`.
//!
//! TARGET is `ADDRESS:PORT`, or a file that ends in `.pcap`, which gets the same datagrams; VERSION is `v5`, `v9`, `ipfix`
//! or `sflow`; a PHASE is `RATExSECONDS` in records (rate 0: as fast as it goes). The last line on stdout is what was
//! sent, as JSON.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use weir_tests::blast::{Blaster, Phase, Stream, Totals, Version};
use weir_tests::clock;
use weir_tests::frames::{link, transport};
use weir_tests::pcap::Capture;

const USAGE: &str = "usage: export_blaster ADDRESS:PORT|FILE.pcap v5|v9|ipfix|sflow RATExSECONDS… [--seed N]";

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let seed = match words.iter().position(|word| word == "--seed") {
        Some(at) => words.drain(at..).nth(1).and_then(|seed| seed.parse().ok()).expect(USAGE),
        None => 1,
    };
    let [target, version, phases @ ..] = &words[..] else { panic!("{USAGE}") };
    let phases: Vec<_> = phases.iter().map(|word| Phase::parse(word).expect(USAGE)).collect();
    assert!(!phases.is_empty(), "{USAGE}");
    let mut stream = Stream::new(Version::parse(version).expect(USAGE), seed, clock::millis());
    let mut sent = Totals::default();
    let mut took = Duration::ZERO;
    if target.ends_with(".pcap") {
        sent = write(&mut stream, &phases, Path::new(target));
    } else {
        let mut blaster = Blaster::new(target.parse().expect(USAGE));
        for phase in phases {
            let (more, lasted) = blaster.run(&mut stream, phase);
            sent.add(more);
            took += lasted;
        }
    }
    let rate = sent.records as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
    let line = json!({
        "records": sent.records,
        "octets": sent.octets,
        "packets": sent.packets,
        "datagrams": sent.datagrams,
        "seconds": took.as_secs_f64(),
        "rate": if took.is_zero() { 0.0 } else { rate.round() },
    });
    println!("{line}");
}

/// As many datagrams as the phases would send, in a capture.
fn write(stream: &mut Stream, phases: &[Phase], path: &Path) -> Totals {
    let wanted: u64 = phases.iter().map(|phase| phase.rate * phase.seconds).sum();
    let (exporter, collector) =
        (SocketAddr::from(([127, 0, 0, 1], 40_000)), SocketAddr::from(([127, 0, 0, 1], 2_055)));
    let (mut capture, mut sent, mut payload) = (Capture::new(link::ETHERNET), Totals::default(), Vec::new());
    while sent.records < wanted {
        sent.add(stream.next(clock::millis(), &mut payload));
        capture.push(sent.datagrams, link::ethernet(&transport::udp(exporter, collector, &payload)));
    }
    capture.write(path);
    sent
}
