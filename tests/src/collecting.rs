//! A running agent that collects from exporters and captures nothing, and what it says of them.
//!
//! The command that reads exports from files is in [`collect`](mod@crate::collect).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Agent, Options};
use crate::meter::number;

/// Within this time a test machine under load has decoded what was sent.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A running agent and the address that it collects on.
#[derive(Debug)]
pub struct Collecting {
    /// The agent.
    pub agent: Agent,
    /// Where exporters send to.
    pub port: SocketAddr,
}

impl Collecting {
    /// Starts an agent; `settings` are further lines of its section `[collect]`.
    #[must_use]
    pub fn start(settings: &str) -> Self {
        Self::start_in(None, free_port(), settings)
    }

    /// Starts an agent on a data directory and a port of the caller's, so that it can be started there again.
    #[must_use]
    pub fn start_in(data_dir: Option<&Path>, port: SocketAddr, settings: &str) -> Self {
        let config =
            format!("[capture]\nenabled = false\n[collect]\nlisten = [{:?}]\n{settings}", port.to_string());
        let data_dir = data_dir.map(Path::to_owned);
        let agent = Agent::start(&Options { config: Some(config), data_dir, ..Options::default() });
        agent.wait_for("a socket to send to", LIMIT, |_| queue(port).is_some());
        Self { agent, port }
    }

    /// Everything in `/v1/sources`.
    #[must_use]
    pub fn report(&self) -> Value {
        self.agent.get("/v1/sources")
    }

    /// What is said of the exporter at `address`; null where it is not listed.
    #[must_use]
    pub fn source(&self, address: &str) -> Value {
        let report = self.report();
        let all = report["sources"].as_array().unwrap_or_else(|| panic!("no list of sources in {report}"));
        all.iter().find(|source| source["address"] == address).cloned().unwrap_or_default()
    }

    /// Waits until `count` datagrams of the exporter at `address` were decoded, and answers what is said of it.
    ///
    /// # Panics
    /// Where that takes longer than [`LIMIT`].
    #[must_use]
    pub fn heard(&self, address: &str, count: u64) -> Value {
        let mut source = Value::Null;
        self.agent.wait_for(&format!("{count} datagrams of {address}"), LIMIT, |_| {
            source = self.source(address);
            source["datagrams"].as_u64() >= Some(count)
        });
        source
    }
}

/// Checks that everything of `source` was decoded.
///
/// # Panics
/// Where something was not.
pub fn assert_decoded(source: &Value) {
    assert_eq!(source["undecodable"]["total"], 0, "{source:#}");
}

/// Checks that neither loss nor disorder is told of `source`.
///
/// # Panics
/// Where it is.
pub fn assert_in_sequence(source: &Value) {
    let sequence = &source["sequence"];
    for what in ["lost", "gaps", "reordered"] {
        assert_eq!(number(sequence, what), 0, "{what}: {source:#}");
    }
}

/// How often something happened by `/v1/sources`: the largest number of that name, which is the total where the report
/// tells both of one exporter and of all.
#[must_use]
pub fn counted(report: &Value, name: &str) -> u64 {
    let inner = match report {
        Value::Object(fields) => fields.values().map(|value| counted(value, name)).max(),
        Value::Array(items) => items.iter().map(|item| counted(item, name)).max(),
        _ => None,
    };
    report[name].as_u64().max(inner).unwrap_or(0)
}

/// A UDP port of 127.0.0.1 that nobody has.
///
/// # Panics
/// Without one.
#[must_use]
pub fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.local_addr().expect("it has an address")
}

/// What the kernel says of the socket that is bound to a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Octets that wait to be read, with the kernel's own share.
    pub waiting: u64,
    /// Datagrams that had no room.
    pub dropped: u64,
}

/// Sums over the sockets bound to `port` of this namespace; `None` where there is none.
///
/// # Panics
/// Where `/proc/net/udp` is not as the kernel documents it.
#[must_use]
pub fn queue(port: SocketAddr) -> Option<Queue> {
    // A table that is read while sockets come and go may leave some out.
    (0..5).find_map(|_| listed(port))
}

fn listed(port: SocketAddr) -> Option<Queue> {
    let table = fs::read_to_string("/proc/net/udp").expect("Linux has it");
    let ending = format!(":{:04X}", port.port());
    let mut sum = None;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        if columns.get(1).is_some_and(|local| local.ends_with(&ending)) {
            let waiting = columns.get(4).and_then(|queues| queues.split_once(':'));
            let waiting = waiting.and_then(|(_, receive)| u64::from_str_radix(receive, 16).ok());
            let dropped = columns.last().and_then(|count| count.parse::<u64>().ok());
            let (waiting, dropped) = waiting.zip(dropped).unwrap_or_else(|| panic!("not a socket: {line}"));
            let before: Queue = sum.unwrap_or_default();
            sum = Some(Queue { waiting: before.waiting + waiting, dropped: before.dropped + dropped });
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{UdpSocket, counted, free_port, queue};

    #[test]
    fn a_count_is_found_wherever_it_is_told() {
        let report =
            json!({ "sources": [{ "by_reason": { "no_template": 3 } }, {}], "all": { "no_template": 5 } });
        assert_eq!((counted(&report, "no_template"), counted(&report, "truncated")), (5, 0));
    }

    #[test]
    fn the_queue_of_a_socket_is_what_was_sent_to_it_and_not_read() {
        let port = free_port();
        assert_eq!(queue(port), None);
        let socket = UdpSocket::bind(port).unwrap();
        assert_eq!(queue(port), Some(super::Queue::default()));
        socket.send_to(&[0; 1_000], port).unwrap();
        assert!(queue(port).unwrap().waiting >= 1_000);
        socket.recv(&mut [0; 2_000]).unwrap();
        assert_eq!(queue(port), Some(super::Queue::default()));
    }
}
