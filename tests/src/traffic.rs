//! Mixed traffic with the truth about every flow in it.
//!
//! The idea is that of a benchmark capture: TCP, UDP, ICMP and ESP over IPv4 and IPv6, some of it tagged, packets per
//! flow with a heavy tail, both directions, handshakes and FINs, padding on short frames and now and then an ARP.
//! No flow pauses for more than five seconds, so no sane timeout splits one.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::frames::link::{self, Tag};
use crate::frames::transport::{self, ACK, FIN, PSH, SYN};
use crate::frames::{Packet, tunnel};
use crate::pcap::Capture;
use crate::random::Random;

/// One bidirectional flow as it was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// IP protocol number.
    pub proto: u8,
    /// Originator; port 0 for protocols without ports.
    pub src: SocketAddr,
    /// Responder.
    pub dst: SocketAddr,
    /// VLAN tags, outermost first.
    pub tags: Vec<u16>,
    /// Packets and IP octets, originator → responder.
    pub forward: (u64, u64),
    /// Packets and IP octets, responder → originator.
    pub reverse: (u64, u64),
    /// TCP flags seen each way.
    pub flags: (u8, u8),
    /// First and last packet, microseconds after the start of the capture.
    pub seen: (u64, u64),
}

/// A capture and what is in it.
#[derive(Debug)]
pub struct Traffic {
    /// The frames, in order of time.
    pub capture: Capture,
    /// Every flow.
    pub flows: Vec<Flow>,
    /// Frames without an IP packet.
    pub not_ip: u64,
}

impl Traffic {
    /// IP packets of all flows.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.flows.iter().map(|flow| flow.forward.0 + flow.reverse.0).sum()
    }

    /// IP octets of all flows.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.flows.iter().map(|flow| flow.forward.1 + flow.reverse.1).sum()
    }
}

const LONGEST_PAUSE: u64 = 4_000_000;
const PAYLOADS: [usize; 12] = [0, 0, 0, 0, 0, 0, 0, 536, 536, 536, 536, 1_400];

/// Makes about `packets` packets in `flows` flows over some `seconds`.
#[must_use]
pub fn mixed(seed: u64, packets: u64, flows: u64, seconds: u64) -> Traffic {
    let mut random = Random::new(seed);
    let mut keys = HashSet::new();
    let mut traffic = Traffic { capture: Capture::new(link::ETHERNET), flows: Vec::new(), not_ip: 0 };
    let mean = packets / flows;
    while (traffic.flows.len() as u64) < flows {
        let flow = endpoints(&mut random);
        if keys.insert((flow.proto, flow.src, flow.dst)) {
            // A half of the flows is short, one in twenty has ten times the mean.
            let count = match random.below(20) {
                0 => mean * 10,
                1..=9 => mean.max(1),
                _ => 1 + random.below(mean.max(1)),
            };
            add(&mut traffic, flow, count, seconds * 1_000_000, &mut random);
        }
    }
    for at in 0..packets / 1_000 {
        traffic.capture.push(at * 10_000, link::arp());
        traffic.not_ip += 1;
    }
    traffic.capture.sort();
    traffic
}

fn endpoints(random: &mut Random) -> Flow {
    let proto = match random.below(100) {
        0..72 => 6,
        72..95 => 17,
        95..98 => 1,
        98 => 50,
        _ => 47,
    };
    let (client, server) = (random.below(6_000), random.below(200));
    let v6 = random.chance(20);
    let (src, dst) =
        if v6 { (v6_of(1, client), v6_of(0xffff, server)) } else { (v4_of(10, client), v4_of(45, server)) };
    let (sport, dport) = match proto {
        6 => (random.below(60_000) + 1_024, random.pick(&[443, 443, 443, 80, 22, 993, 445, 3389])),
        17 => (random.below(60_000) + 1_024, random.pick(&[53, 53, 443, 123, 161, 5060])),
        _ => (0, 0),
    };
    let port = |value: u64| u16::try_from(value).expect("a port");
    let tags = match random.below(100) {
        0..10 => vec![port(1 + random.below(4_094))],
        10 => vec![port(100 + random.below(10)), port(1 + random.below(4_094))],
        _ => vec![],
    };
    Flow {
        proto: if proto == 1 && v6 { 58 } else { proto },
        src: SocketAddr::new(src, port(sport)),
        dst: SocketAddr::new(dst, port(dport)),
        tags,
        forward: (0, 0),
        reverse: (0, 0),
        flags: (0, 0),
        seen: (0, 0),
    }
}

fn v4_of(net: u8, host: u64) -> IpAddr {
    let [.., a, b] = (host + 1).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(net, 0, a, b))
}

fn v6_of(net: u16, host: u64) -> IpAddr {
    let low = u16::try_from(host + 1).expect("few hosts");
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, low))
}

fn add(traffic: &mut Traffic, mut flow: Flow, count: u64, span: u64, random: &mut Random) {
    let mut at = random.below(span * 9 / 10);
    flow.seen.0 = at;
    let id = u16::try_from(traffic.flows.len() % 60_000).expect("below 60,000");
    for index in 0..count {
        if index > 0 {
            at += random.below((span / count / 2).clamp(2, LONGEST_PAUSE));
        }
        let step = step(&flow, index, count, random);
        let packet = packet(&flow, &step, id);
        let octets = packet.bytes().len() as u64;
        let (count, flags) = match step.forward {
            true => (&mut flow.forward, &mut flow.flags.0),
            false => (&mut flow.reverse, &mut flow.flags.1),
        };
        *count = (count.0 + 1, count.1 + octets);
        *flags |= step.flags;
        let tags: Vec<Tag> = match flow.tags[..] {
            [outer, inner] => vec![Tag::ad(outer), Tag::q(inner)],
            [inner] => vec![Tag::q(inner)],
            _ => vec![],
        };
        traffic.capture.push(at, link::tagged(&tags, &packet));
    }
    flow.seen.1 = at;
    traffic.flows.push(flow);
}

struct Step {
    forward: bool,
    flags: u8,
    payload: usize,
    sequence: u16,
}

fn step(flow: &Flow, index: u64, count: u64, random: &mut Random) -> Step {
    let mut payload = random.pick(&PAYLOADS);
    let mut forward = index == 0 || random.chance(45);
    let mut flags = 0;
    if flow.proto == 6 {
        flags = match index {
            0 => SYN,
            1 if count >= 4 => SYN | ACK,
            _ if count >= 4 && index + 1 == count => FIN | ACK,
            _ => ACK,
        };
        forward = if count >= 4 && index <= 2 { index != 1 } else { forward };
        payload = if flags == ACK && index > 2 { payload } else { 0 };
        flags |= if payload > 0 { PSH } else { 0 };
    }
    let sequence = u16::try_from(index & 0xffff).expect("16 bits");
    Step { forward, flags, payload, sequence }
}

fn packet(flow: &Flow, step: &Step, id: u16) -> Packet {
    let (src, dst) = if step.forward { (flow.src, flow.dst) } else { (flow.dst, flow.src) };
    let payload = vec![0x5a; step.payload.max(1)];
    match flow.proto {
        6 => transport::tcp(src, dst, step.flags, &payload[..step.payload]),
        17 => transport::udp(src, dst, &payload),
        1 | 58 => transport::echo(src.ip(), dst.ip(), !step.forward, id, step.sequence),
        47 => {
            let inner = transport::udp(src_of_tunnel(), dst_of_tunnel(), &payload);
            tunnel::gre(src.ip(), dst.ip(), None, &inner)
        }
        other => Packet::new(src.ip(), dst.ip(), other, [&[0, 0, 1, 1, 0, 0, 0, 1], &payload[..]].concat()),
    }
}

fn src_of_tunnel() -> SocketAddr {
    SocketAddr::from(([172, 16, 0, 1], 4_000))
}

fn dst_of_tunnel() -> SocketAddr {
    SocketAddr::from(([172, 16, 0, 2], 4_001))
}
