//! Batches of varied flows for the bench of `POST /v1/ingest`: what a gateway of a branch office would report.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::random::Random;

/// Hosts of the office.
const HOSTS: u64 = 2_000;
/// Addresses that they speak to; a few get most of the traffic (Zipf's law, exponent 1).
const PEERS: u32 = 50_000;
/// First octets of addresses that are in use on the Internet and in the built-in location database.
const PUBLIC: [u8; 12] = [1, 8, 13, 20, 34, 52, 104, 140, 142, 151, 172, 199];
const SERVICES: [(u16, &str, &str); 8] = [
    (443, "tcp", "https"),
    (443, "udp", "quic"),
    (53, "udp", "dns"),
    (80, "tcp", "http"),
    (123, "udp", "ntp"),
    (22, "tcp", "ssh"),
    (993, "tcp", "imaps"),
    (3_389, "tcp", "rdp"),
];

/// Makes batches.
#[derive(Debug)]
pub struct Batches {
    random: Random,
    peers: Vec<(f64, Ipv4Addr)>,
    with_extras: bool,
    millis: u64,
}

impl Batches {
    /// Batches of flows that begin at `millis` since 1970; with a few members that Weir has no name for, if wanted.
    #[must_use]
    pub fn new(seed: u64, millis: u64, with_extras: bool) -> Self {
        let mut random = Random::new(seed);
        let mut sum = 0.0;
        let peers = (1..=PEERS)
            .map(|rank| {
                sum += 1.0 / f64::from(rank);
                let [a, b, c, ..] = random.bits().to_le_bytes();
                let first = random.pick(&PUBLIC);
                // 172.16.0.0/12 is nobody's on the Internet.
                let second = if first == 172 { 217 } else { a };
                (sum, Ipv4Addr::new(first, second, b, c))
            })
            .collect();
        Self { random, peers, with_extras, millis }
    }

    /// A JSON array of `records` flows.
    pub fn next(&mut self, records: u64) -> Vec<u8> {
        let mut text = String::from("[");
        for at in 0..records {
            if at > 0 {
                text.push(',');
            }
            self.flow(&mut text);
        }
        text.push(']');
        text.into_bytes()
    }

    fn flow(&mut self, text: &mut String) {
        let random = &mut self.random;
        self.millis += random.below(2);
        let (seconds, rest) = (self.millis / 1_000, self.millis % 1_000);
        let [.., a, b] = random.below(HOSTS).to_be_bytes();
        let (port, protocol, service) = random.pick(&SERVICES);
        let packets = 1 + random.below(40) * random.below(40);
        let octets = packets * (60 + random.below(1_400));
        let (duration, source_port, flags) =
            (random.below(60_000), 32_768 + random.below(28_000), random.below(32));
        let peer = self.peer();
        let written = write!(
            text,
            r#"{{"ts":{seconds}.{rest:03},"duration":{}.{:03},"src_ip":"10.20.{a}.{b}","src_port":{source_port},"#,
            duration / 1_000,
            duration % 1_000
        );
        let written = written.and_then(|()| {
            write!(
                text,
                r#""dst_ip":"{peer}","dst_port":{port},"protocol":"{protocol}","bytes":{octets},"packets":{packets},"tcp_flags":{flags},"service":"{service}""#
            )
        });
        written.expect("memory");
        if self.with_extras {
            let (policy, user) = (self.random.below(300), self.random.below(HOSTS));
            write!(
                text,
                r#","app":"{service}-client","policy_id":{policy},"user":"user{user}","action":"accept""#
            )
            .expect("memory");
        }
        text.push('}');
    }

    fn peer(&mut self) -> Ipv4Addr {
        let all = self.peers.last().map_or(0.0, |&(sum, _)| sum);
        // 53 random bits as a fraction: what a double holds.
        let point = (self.random.bits() >> 11) as f64 / (1_u64 << 53) as f64 * all;
        let at = self.peers.partition_point(|&(sum, _)| sum < point);
        self.peers[at.min(self.peers.len() - 1)].1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::Batches;

    #[test]
    fn batches_are_flows_of_about_200_octets_and_few_peers_get_most_of_them() {
        let batch = Batches::new(1, 1_790_000_000_000, false).next(10_000);
        assert!((1_800_000..2_300_000).contains(&batch.len()), "{} octets", batch.len());
        let records: Vec<Value> = serde_json::from_slice(&batch).unwrap();
        let mut peers = BTreeMap::<&str, u32>::new();
        for record in &records {
            *peers.entry(record["dst_ip"].as_str().unwrap()).or_default() += 1;
        }
        assert_eq!(records.len(), 10_000);
        assert!(peers.len() > 3_000 && peers.values().max() > Some(&400), "{} peers", peers.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_batches_and_extras_come_when_wanted() {
        let make = |extras| Batches::new(7, 0, extras).next(3);
        assert_eq!(make(false), make(false));
        assert!(String::from_utf8(make(true)).unwrap().contains("policy_id"));
    }
}
