//! Listeners for flow exports: what comes in is counted to the last datagram, and a port that cannot be had is told, does
//! not end the agent, and is had once it is free.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::Value;
use weir_tests::agent::{Agent, Options};
use weir_tests::meter::{command, finished, number};
use weir_tests::netns::Netns;

const LIMIT: Duration = Duration::from_secs(20);
/// What every export begins with; a version that there is not.
const EXPORT: [u8; 24] = [0; 24];

/// Free ports on `ips`, held until the sockets are dropped.
fn ports(ips: &[&str]) -> Vec<(SocketAddr, UdpSocket)> {
    let bound = ips.iter().map(|ip| UdpSocket::bind((*ip, 0)).expect("a free port"));
    bound.map(|socket| (socket.local_addr().expect("it has an address"), socket)).collect()
}

fn config(listen: &[SocketAddr]) -> String {
    let listen: Vec<_> = listen.iter().map(ToString::to_string).collect();
    format!("[capture]\nenabled = false\n[collect]\nlisten = {listen:?}\n")
}

fn agent(listen: &[SocketAddr]) -> Agent {
    Agent::start(&Options { config: Some(config(listen)), ..Options::default() })
}

fn health(agent: &Agent) -> Value {
    agent.call("GET", "/v1/health", None, None).expect("an answer").json()
}

fn collect_part(agent: &Agent) -> Value {
    let health = health(agent);
    let parts = health["parts"].as_array().expect("a list");
    parts.iter().find(|part| part["name"] == "collect").cloned().expect("a part")
}

fn listens(agent: &Agent) -> bool {
    collect_part(agent)["status"] == "ok" && agent.log().contains("listening for flow exports")
}

fn send(count: usize, to: SocketAddr) {
    let local = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let sender = UdpSocket::bind(local).expect("a free port");
    for _ in 0..count {
        sender.send_to(&EXPORT, to).expect("the datagram is sent");
    }
}

/// What the agent said at its end: datagrams that came in, and those that the kernel dropped.
fn counted(agent: &Agent) -> (u64, u64) {
    let log = agent.log();
    let line = log.lines().find(|line| line.contains("collection of flow exports ends"));
    let line = line.unwrap_or_else(|| panic!("no word about the end in\n{log}"));
    let said: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    (number(&said, "datagrams"), number(&said, "kernel_drops"))
}

#[test]
fn a_stop_right_after_a_burst_counts_all_of_it_on_every_listener() {
    let held = ports(&["127.0.0.1", "127.0.0.1", "::1"]);
    let listen: Vec<_> = held.iter().map(|(address, _)| *address).collect();
    drop(held);
    let mut agent = agent(&listen);
    let listening = |agent: &Agent| agent.log().matches("listening for flow exports").count() == 3;
    agent.wait_for("three listeners", LIMIT, listening);
    assert_eq!(collect_part(&agent)["status"], "ok");
    for (at, address) in listen.iter().enumerate() {
        send(100 * (at + 1), *address);
    }
    agent.stop();
    let (datagrams, dropped) = counted(&agent);
    assert_eq!(datagrams + dropped, 600, "{datagrams} came and {dropped} were dropped");
    assert!(datagrams >= 300, "only {datagrams} came");
}

#[test]
fn a_port_that_is_taken_is_told_everywhere_and_had_once_it_is_free() {
    let mut held = ports(&["127.0.0.1", "127.0.0.1"]);
    let (free, unheld) = held.remove(1);
    drop(unheld);
    let (taken, holder) = held.remove(0);
    let mut agent = agent(&[taken, free]);
    agent.wait_for("the other listener", LIMIT, |agent| agent.log().contains("listening for flow exports"));
    agent.wait_for("a word about the port", LIMIT, |agent| collect_part(agent)["status"] == "degraded");
    assert_eq!(health(&agent)["status"], "ok", "the agent does its work");
    let part = collect_part(&agent);
    let detail = part["detail"].as_str().expect("a reason");
    assert_eq!(part["code"], "listener");
    assert!(detail.contains(&taken.to_string()) && detail.contains("ss -lunp"), "{detail}");
    assert!(agent.log().contains("another program has the port"), "{}", agent.log());
    send(5, free);
    drop(holder);
    agent.wait_for("the port", LIMIT, listens);
    send(7, taken);
    agent.stop();
    assert_eq!(counted(&agent), (12, 0));
}

#[test]
fn an_address_that_comes_later_is_listened_to_then() {
    if !weir_tests::is_root() {
        return;
    }
    let netns = Netns::new("collect");
    let address: SocketAddr = "192.0.2.9:2055".parse().expect("an address");
    let mut agent = Agent::start(&Options {
        config: Some(config(&[address])),
        netns: Some(&netns),
        ..Options::default()
    });
    agent.wait_for("a word about the address", LIMIT, |agent| collect_part(agent)["status"] == "failed");
    let part = collect_part(&agent);
    assert!(part["detail"].as_str().expect("a reason").contains("no interface has the address"), "{part}");
    netns.run("ip", ["addr", "add", "192.0.2.9/32", "dev", "lo"]);
    agent.wait_for("the listener", LIMIT, listens);
    netns.inside(|| send(3, address));
    agent.stop();
    assert_eq!(counted(&agent), (3, 0));
}

#[test]
fn a_port_that_only_root_may_have_is_told_with_the_remedy() {
    if !weir_tests::is_root() {
        return;
    }
    let netns = Netns::new("low");
    netns.run("sysctl", ["-qw", "net.ipv4.ip_unprivileged_port_start=1024"]);
    let address = SocketAddr::from(([127, 0, 0, 1], 514));
    let options = Options { config: Some(config(&[address])), netns: Some(&netns), ..Options::default() };
    let agent = Agent::start(&options);
    agent.wait_for("a word about the right", LIMIT, |agent| collect_part(agent)["status"] == "failed");
    let part = collect_part(&agent);
    let detail = part["detail"].as_str().expect("a reason");
    assert!(detail.contains("127.0.0.1:514") && detail.contains("below 1024"), "{detail}");
}

#[test]
fn a_listener_that_takes_flows_from_everyone_is_advised_against_and_not_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    let check = |allow: &str| {
        let text = format!("[collect]\nlisten = [\"0.0.0.0:2055\"]\nallow = [{allow}]\n");
        fs::write(&file, text).expect("room");
        finished(command().arg("check").arg(&file))
    };
    let open = check("");
    assert_eq!(open.code, Some(0), "{}", open.stderr);
    assert!(open.stderr.contains("0.0.0.0:2055") && open.stderr.contains("collect.allow"), "{}", open.stderr);
    let closed = check("\"10.0.0.0/8\"");
    assert_eq!((closed.code, closed.stderr.as_str()), (Some(0), ""));
}

#[test]
fn without_a_configuration_both_usual_ports_listen_on_loopback_alone() {
    if !weir_tests::is_root() {
        return;
    }
    let netns = Netns::new("usual");
    let agent = Agent::start(&Options { netns: Some(&netns), ..Options::default() });
    agent.wait_for("the listeners", LIMIT, |agent| {
        agent.log().matches("listening for flow exports").count() == 2
    });
    // Addresses and ports as the kernel shows them: 127.0.0.1 in the byte order of this machine.
    let loopback = u32::from_ne_bytes([127, 0, 0, 1]);
    let sockets = fs::read_to_string(format!("/proc/{}/net/udp", agent.pid())).expect("the agent runs");
    let mut locals: Vec<_> =
        sockets.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    locals.sort_unstable();
    let expected = [2_055, 6_343].map(|port: u16| format!("{loopback:08X}:{port:04X}"));
    assert_eq!(locals, expected);
}

#[test]
fn a_replay_listens_to_nobody() {
    let held = ports(&["127.0.0.1"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = folder.path().join("empty.pcap");
    let header =
        b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00";
    fs::write(&capture, header).expect("room");
    let options = Options {
        config: Some(config(&[held[0].0])),
        ..Options::arguments(&format!("--replay {}", capture.display()))
    };
    let agent = Agent::start(&options);
    assert_eq!(collect_part(&agent)["status"], "off");
}

#[test]
fn the_self_test_tells_a_port_of_the_agent_from_one_that_another_program_has() {
    let mut held = ports(&["127.0.0.1", "127.0.0.1"]);
    let (own, unheld) = held.remove(1);
    drop(unheld);
    let (taken, _holder) = held.remove(0);
    let agent = agent(&[own, taken]);
    agent.wait_for("a word about the port", LIMIT, |agent| collect_part(agent)["status"] == "degraded");
    agent.wait_for("the other listener", LIMIT, |agent| agent.log().contains("listening for flow exports"));
    let run = finished(
        command()
            .args(["selftest", "--format", "json", "--listen", &agent.address.to_string(), "--config"])
            .arg(agent.config_file())
            .arg("--data-dir")
            .arg(&agent.data_dir),
    );
    let report: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stderr));
    let state = |address: SocketAddr| {
        let checks = report["checks"].as_array().expect("a list");
        let name = format!("exports {address}");
        checks.iter().find(|check| check["name"] == name.as_str()).map(|check| check["state"].clone())
    };
    assert_eq!(state(own), Some("ok".into()), "{report:#}");
    assert_eq!(state(taken), Some("failed".into()), "{report:#}");
}
