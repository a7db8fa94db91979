//! Signals: a stop loses nothing that was accepted, a reload changes what is known.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::meter::number;
use weir_tests::netns::{MONITOR_PORT, SENDING_PORT, Wire};
use weir_tests::sender::{Frames, Sender};
use weir_tests::{ring, traffic};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_stop_keeps_every_flow_that_was_open() {
    let made = traffic::mixed(4, 20_000, 2_000, 60);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mixed.pcap");
    made.capture.write(&file);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut agent =
            Agent::start(&Options::arguments(&format!("--replay {} --speed max", file.display())));
        agent.wait_for("the end of the file", LIMIT, |agent| {
            agent.metrics()["capture"]["packets"].as_u64() == Some(made.packets())
        });
        agent.signal(signal);
        let status = agent.wait();
        assert!(status.success(), "{signal} ended it with {status}:\n{}", agent.log());
        let sums = ring::read(&agent.data_dir, |_| ());
        assert_eq!((sums.packets, sums.octets), (made.packets(), made.octets()), "{signal}");
    }
}

#[test]
fn a_stop_during_a_replay_keeps_what_was_read() {
    let made = traffic::mixed(5, 20_000, 2_000, 60);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mixed.pcap");
    made.capture.write(&file);
    let mut agent = Agent::start(&Options::arguments(&format!("--replay {} --speed 20", file.display())));
    agent.wait_for("some packets", LIMIT, |agent| {
        agent.metrics()["capture"]["packets"].as_u64() > Some(2_000)
    });
    let read = number(&agent.metrics()["capture"], "packets");
    agent.stop();
    let sums = ring::read(&agent.data_dir, |_| ());
    assert!(sums.packets >= read, "{read} packets were read, {} are stored", sums.packets);
    assert!(sums.packets < made.packets(), "the stop waited for the end of the file");
}

#[test]
fn a_stop_right_after_a_burst_keeps_the_burst() {
    const SENT: u64 = 20_000;
    if !weir_tests::is_root() {
        return;
    }
    let wire = Wire::new();
    let mut options = Options::arguments(&format!("--interface {MONITOR_PORT}"));
    options.netns = Some(&wire.monitor);
    let mut agent = Agent::start(&options);
    agent.wait_for("capture", LIMIT, |agent| {
        agent.metrics()["capture"]["interfaces"][0]["state"] == "capturing"
    });
    let frames: Vec<Vec<u8>> = (0..SENT)
        .map(|flow| {
            let [.., high, low] = flow.to_be_bytes();
            let src = SocketAddr::from(([10, 0, high, low], 5_000));
            link::ethernet(&transport::udp(src, SocketAddr::from(([10, 1, 0, 1], 53)), b"x"))
        })
        .collect();
    wire.sender.inside(|| Sender::open(SENDING_PORT).send(&Frames(&frames), SENT, 100_000));
    agent.stop();
    let sums = ring::read(&agent.data_dir, |_| ());
    assert_eq!((sums.rows, sums.packets), (SENT, SENT));
}

fn lookup(agent: &Agent, ip: &str) -> Value {
    let answer = agent.call("POST", "/v1/lookup", Some(&agent.key()), Some(&json!({ "ip": ip })));
    answer.expect("an answer").json()
}

#[test]
fn a_reload_takes_a_changed_indicator_list() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("bad.txt");
    fs::write(&list, "198.18.5.0/24\n").expect("room");
    let config = format!("[ti]\nlists = [{:?}]\nreload_seconds = 3600\n[capture]\nenabled = false\n", list);
    let mut agent = Agent::start(&Options { config: Some(config), ..Options::default() });
    assert_eq!(lookup(&agent, "198.18.5.1")["ti"]["matched"], true);
    assert_eq!(lookup(&agent, "198.18.6.1")["ti"]["matched"], false);
    fs::write(&list, "198.18.6.0/24\n198.18.7.1\n").expect("room");
    agent.signal(Signal::SIGHUP);
    agent.wait_for("the new list", LIMIT, |agent| lookup(agent, "198.18.6.1")["ti"]["matched"] == true);
    assert_eq!(lookup(&agent, "198.18.5.1")["ti"]["matched"], false);
    agent.stop();
}

#[test]
fn a_reload_of_a_wrong_configuration_changes_nothing_and_says_so() {
    let config = "[capture]\nenabled = false\n".to_owned();
    let mut agent = Agent::start(&Options { config: Some(config), ..Options::default() });
    fs::write(agent.config_file(), "[capture]\nsnaplen = 3\nenabled = false\n").expect("room");
    agent.signal(Signal::SIGHUP);
    agent.wait_for("a complaint", LIMIT, |agent| agent.log().contains("snaplen"));
    assert_eq!(agent.call("GET", "/v1/health", None, None).expect("an answer").status, 200);
    agent.stop();
}
