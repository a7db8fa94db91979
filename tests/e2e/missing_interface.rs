//! A mirror port that is not there: the agent starts, says so everywhere, and captures once the port appears.

use std::net::SocketAddr;
use std::time::Duration;

use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::meter::number;
use weir_tests::netns::{MONITOR_PORT, Netns, SENDING_PORT};
use weir_tests::ring;
use weir_tests::sender::{Frames, Sender};

const LIMIT: Duration = Duration::from_secs(20);
const SENT: u64 = 500;

fn capture_part(agent: &Agent) -> serde_json::Value {
    let health = agent.call("GET", "/v1/health", None, None).expect("an answer").json();
    health["parts"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|part| part["name"] == "capture")
        .cloned()
        .expect("a part")
}

fn send(netns: &Netns, second: u8) {
    let frames: Vec<Vec<u8>> = (0..SENT)
        .map(|flow| {
            let [.., high, low] = flow.to_be_bytes();
            let src = SocketAddr::from(([10, second, high, low], 5_000));
            link::ethernet(&transport::udp(src, SocketAddr::from(([198, 18, 0, 1], 53)), b"x"))
        })
        .collect();
    netns.inside(|| Sender::open(SENDING_PORT).send(&Frames(&frames), SENT, 20_000));
}

/// Plugs the port in: a veth pair whose far end sends.
fn plug(netns: &Netns) {
    let pair = format!("link add {SENDING_PORT} type veth peer name {MONITOR_PORT}");
    netns.run("ip", pair.split(' '));
    for port in [SENDING_PORT, MONITOR_PORT] {
        netns.run("ip", ["link", "set", port, "up"]);
    }
}

fn captures(agent: &Agent) -> bool {
    agent.metrics()["capture"]["interfaces"][0]["state"] == "capturing"
}

#[test]
fn an_agent_without_its_interface_starts_says_so_and_captures_when_it_appears() {
    if !weir_tests::is_root() {
        return;
    }
    let netns = Netns::new("late");
    let mut options = Options::arguments(&format!("--interface {MONITOR_PORT} --status-line"));
    options.netns = Some(&netns);
    let mut agent = Agent::start(&options);
    agent.wait_for("a word about the interface", LIMIT, |agent| capture_part(agent)["status"] == "failed");
    let part = capture_part(&agent);
    assert_eq!(part["code"], "interface");
    let detail = part["detail"].as_str().expect("a reason");
    assert!(detail.contains(MONITOR_PORT) && detail.contains("lo"), "{detail}");
    let point = agent.metrics()["capture"]["interfaces"][0].clone();
    assert_eq!(point["state"], "failed");
    assert!(point["reason"].as_str().expect("a reason").contains(MONITOR_PORT), "{point}");
    agent.wait_for("a status line", LIMIT, |agent| {
        agent.log().lines().any(|line| {
            line.contains("state=failed") && line.contains(&format!("no interface {MONITOR_PORT}"))
        })
    });
    plug(&netns);
    agent.wait_for("capture", LIMIT, captures);
    agent.wait_for("a better status line", LIMIT, |agent| {
        agent
            .log()
            .lines()
            .rfind(|line| line.contains(" state="))
            .is_some_and(|line| line.contains("state=ok"))
    });
    send(&netns, 1);
    agent.wait_for("the packets", LIMIT, |agent| number(&agent.metrics()["capture"], "packets") >= SENT);
    // The adapter is pulled and plugged in again.
    netns.run("ip", ["link", "del", MONITOR_PORT]);
    agent.wait_for("a word about the loss", LIMIT, |agent| capture_part(agent)["status"] == "failed");
    plug(&netns);
    agent.wait_for("capture again", LIMIT, captures);
    send(&netns, 2);
    agent.wait_for("the packets", LIMIT, |agent| number(&agent.metrics()["capture"], "packets") >= 2 * SENT);
    agent.stop();
    let records = ring::records(&agent.data_dir);
    let flows = |second: u8| {
        records
            .iter()
            .filter(|record| {
                record["src_ip"].as_str().is_some_and(|ip| ip.starts_with(&format!("10.{second}.")))
            })
            .count()
    };
    assert_eq!((flows(1), flows(2)), (500, 500));
}

#[test]
fn an_agent_that_is_there_before_the_network_captures_when_the_default_route_comes() {
    if !weir_tests::is_root() {
        return;
    }
    let netns = Netns::new("early");
    let options = Options { netns: Some(&netns), ..Options::default() };
    let mut agent = Agent::start(&options);
    agent.wait_for("a word about the route", LIMIT, |agent| capture_part(agent)["status"] == "failed");
    let point = agent.metrics()["capture"]["interfaces"][0].clone();
    assert_eq!(point["interface"], "default route");
    assert!(point["reason"].as_str().expect("a reason").contains("no default route"), "{point}");
    plug(&netns);
    netns.run("ip", ["route", "add", "default", "dev", MONITOR_PORT]);
    agent.wait_for("capture", LIMIT, captures);
    send(&netns, 1);
    agent.wait_for("the packets", LIMIT, |agent| number(&agent.metrics()["capture"], "packets") >= SENT);
    assert_eq!(agent.metrics()["capture"]["interfaces"][0]["interface"], MONITOR_PORT);
    agent.stop();
    let records = ring::records(&agent.data_dir);
    assert!(records.iter().filter(|record| record["observer"] == MONITOR_PORT).count() >= 500);
}
