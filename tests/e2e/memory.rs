//! How much memory and storage the agent takes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::meter::{self, number};
use weir_tests::netns::{MONITOR_PORT, SENDING_PORT, Wire};
use weir_tests::sender::{Frames, Sender};

const MIB: u64 = 1 << 20;
const AT_REST: u64 = 24 * MIB;
const WITH_FLOWS: u64 = 104 * MIB;
const RING: u64 = 8 * MIB;
const BINARY: u64 = 10 * MIB;
const FLOWS: u64 = 200_000;
const LIMIT: Duration = Duration::from_secs(20);

fn agent(wire: &Wire, config: &str) -> Agent {
    let mut options = Options::arguments(&format!("--interface {MONITOR_PORT}"));
    options.netns = Some(&wire.monitor);
    options.config = Some(config.to_owned());
    let agent = Agent::start(&options);
    agent.wait_for("capture", LIMIT, |agent| {
        agent.metrics()["capture"]["interfaces"][0]["state"] == "capturing"
    });
    agent
}

#[test]
fn an_agent_at_rest_takes_less_than_24_mib() {
    if !weir_tests::is_root() {
        return;
    }
    let wire = Wire::new();
    let agent = agent(&wire, "");
    std::thread::sleep(Duration::from_secs(3));
    let taken = agent.memory("RssAnon");
    println!("at rest: {:.1} MiB", taken as f64 / MIB as f64);
    assert!(taken < AT_REST, "{taken} octets");
}

#[test]
fn capture_rings_and_databases_are_reported_apart() {
    if !weir_tests::is_root() {
        return;
    }
    let wire = Wire::new();
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("../geo/data/default.mmdb");
    let agent = agent(&wire, &format!("[capture]\nring_bytes = {RING}\n[geo]\ncity_db = {database:?}\n"));
    let memory = &agent.metrics()["memory"];
    assert_eq!(number(memory, "ring_bytes"), RING, "{memory}");
    let size = std::fs::metadata(&database).expect("the shipped database").len();
    assert_eq!(number(memory, "mapped_bytes"), size, "{memory}");
    assert!(number(memory, "anon_bytes") < AT_REST, "{memory}");
    let anonymous = agent.memory("RssAnon");
    assert!(
        number(memory, "anon_bytes").abs_diff(anonymous) < 2 * MIB,
        "{memory}, but the kernel says {anonymous}"
    );
}

#[test]
fn two_hundred_thousand_live_flows_take_less_than_104_mib() {
    if !weir_tests::is_root() {
        return;
    }
    let wire = Wire::new();
    let agent = agent(&wire, "");
    let frames: Vec<Vec<u8>> = (0..FLOWS)
        .map(|flow| {
            let [.., a, b, c] = flow.to_be_bytes();
            let (src, dst) =
                (SocketAddr::from(([10, a, b, c], 40_000)), SocketAddr::from(([198, 18, 0, 1], 443)));
            link::ethernet(&transport::tcp(src, dst, transport::SYN, b""))
        })
        .collect();
    wire.sender.inside(|| Sender::open(SENDING_PORT).send(&Frames(&frames), FLOWS, 100_000));
    agent.wait_for("200,000 flows", LIMIT, |agent| agent.metrics()["table"]["flows"].as_u64() >= Some(FLOWS));
    let taken = agent.memory("RssAnon");
    println!("with {FLOWS} flows: {:.1} MiB", taken as f64 / MIB as f64);
    assert!(taken < WITH_FLOWS, "{taken} octets");
}

#[test]
fn the_stripped_program_is_smaller_than_10_mib() {
    let binary = meter::binary();
    if binary.parent().is_some_and(|folder| folder.ends_with("debug")) {
        weir_tests::skip("a debug build says nothing about size");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stripped = folder.path().join("weir");
    let status =
        Command::new("strip").arg("-o").arg(&stripped).arg(&binary).status().expect("strip is there");
    assert!(status.success());
    let size = std::fs::metadata(&stripped).expect("it was written").len();
    println!("stripped: {:.2} MiB", size as f64 / MIB as f64);
    assert!(size < BINARY, "{size} octets");
}
