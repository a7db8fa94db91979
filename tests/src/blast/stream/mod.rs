//! What flow exporters send: NetFlow v5, v9, IPFIX and sFlow v5 datagrams with the flows of an office, without end.
//!
//! Datagrams are made once and patched as they go: header, times, and the originator's port, so that no flow comes twice
//! and a sender costs little beside the collector that it measures.

mod layout;
mod netflow;
mod sflow;

use std::collections::HashSet;
use std::net::IpAddr;

use crate::exports::{Flow, UPTIME};
use crate::random::Random;
use layout::{Layout, put};

/// Data datagrams that are made beforehand: a hundred thousand flows, more than a processor's cache holds.
const POOL: usize = 4_096;
/// Data datagrams between two of templates, as exporters that count datagrams do it.
const TEMPLATE_EVERY: u64 = 512;
/// Ports from which clients speak.
const FIRST_PORT: u64 = 1_024;
const PORTS: u64 = 65_536 - FIRST_PORT;
/// Ports that a flow's originator is moved on by, each time that its datagram is sent again; shares no factor with
/// [`PORTS`].
const PORT_STEP: u64 = 7_919;

/// What an exporter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// NetFlow v5, 30 records a datagram.
    V5,
    /// NetFlow v9 (RFC 3954), 24 records a datagram.
    V9,
    /// IPFIX (RFC 7011), 24 records a datagram.
    Ipfix,
    /// sFlow v5, 9 samples a datagram.
    Sflow,
}

impl Version {
    /// The version of a name on a command line: `v5`, `v9`, `ipfix` or `sflow`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "v5" => Self::V5,
            "v9" => Self::V9,
            "ipfix" => Self::Ipfix,
            "sflow" => Self::Sflow,
            _ => return None,
        })
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Flow records, or samples.
    pub records: u64,
    /// IP-layer octets that the records count; of samples, the sampled packets' own.
    pub octets: u64,
    /// Packets that the records count; of samples, one each.
    pub packets: u64,
    /// Datagrams, those with templates alone too.
    pub datagrams: u64,
}

impl Totals {
    /// Adds `other`.
    pub const fn add(&mut self, other: Self) {
        self.records += other.records;
        self.octets += other.octets;
        self.packets += other.packets;
        self.datagrams += other.datagrams;
    }
}

/// A datagram that only lacks what changes each time.
struct Prepared {
    octets: Vec<u8>,
    /// Of each record, what is patched from: the originator's port, and [`Flow::seen`].
    patched: Vec<(u16, (u32, u32))>,
    totals: Totals,
}

/// An exporter's datagrams.
pub struct Stream {
    layout: &'static Layout,
    templates: Vec<u8>,
    pool: Vec<Prepared>,
    sent: u64,
    sequence: u32,
    began_ms: u64,
    templates_are_due: bool,
}

impl Stream {
    /// The datagrams of an exporter whose flows follow from `seed`, beginning at `now_ms`, milliseconds since 1970.
    #[must_use]
    pub fn new(version: Version, seed: u64, now_ms: u64) -> Self {
        let (layout, templates) = match version {
            Version::V5 => (&netflow::V5, Vec::new()),
            Version::V9 => (&netflow::V9, netflow::v9_templates()),
            Version::Ipfix => (&netflow::IPFIX, netflow::ipfix_templates()),
            Version::Sflow => (&sflow::SFLOW, Vec::new()),
        };
        let (mut random, mut taken) = (Random::new(seed), HashSet::new());
        let pool = (0..POOL).map(|_| {
            let flows: Vec<_> = (0..layout.records).map(|_| unique(&mut random, &mut taken)).collect();
            let sum = |count: fn(&Flow) -> u32| flows.iter().map(|flow| u64::from(count(flow))).sum();
            let totals = Totals {
                records: flows.len() as u64,
                octets: sum(layout.octets_of),
                packets: sum(layout.packets_of),
                datagrams: 1,
            };
            let patched = flows.iter().map(|flow| (flow.src.1, flow.seen)).collect();
            Prepared { octets: (layout.write)(&flows), patched, totals }
        });
        let templates_are_due = !templates.is_empty();
        Self {
            layout,
            templates,
            pool: pool.collect(),
            sent: 0,
            sequence: 0,
            began_ms: now_ms,
            templates_are_due,
        }
    }

    /// The next datagram, in place of what `out` held, exported at `now_ms`.
    ///
    /// # Panics
    /// Never: the pool is not empty.
    pub fn next(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Totals {
        let up_ms = now_ms.saturating_sub(self.began_ms);
        out.clear();
        if self.templates_are_due {
            self.templates_are_due = false;
            out.extend(&self.templates);
            (self.layout.header)(out, now_ms, up_ms, self.sequence);
            self.sequence += u32::from(self.layout.counts_datagrams);
            return Totals { datagrams: 1, ..Totals::default() };
        }
        let at = usize::try_from(self.sent % POOL as u64).expect("below a length");
        let prepared = &self.pool[at];
        out.extend(&prepared.octets);
        (self.layout.header)(out, now_ms, up_ms, self.sequence);
        let shift = self.sent / POOL as u64 * PORT_STEP;
        let mut from = self.layout.first_record;
        for &(src_port, seen) in &prepared.patched {
            let port = FIRST_PORT + (u64::from(src_port) - FIRST_PORT + shift) % PORTS;
            put(out, from + self.layout.src_port, &u16::try_from(port).expect("a port").to_be_bytes());
            (self.layout.times)(&mut out[from..from + self.layout.record_octets], seen, now_ms, up_ms);
            from += self.layout.record_octets;
        }
        self.sent += 1;
        self.templates_are_due = !self.templates.is_empty() && self.sent.is_multiple_of(TEMPLATE_EVERY);
        let counted = if self.layout.counts_datagrams { 1 } else { prepared.patched.len() };
        self.sequence = self.sequence.wrapping_add(u32::try_from(counted).expect("a few"));
        prepared.totals
    }
}

/// A flow whose ends, protocol and service no other flow of the pool has.
fn unique(random: &mut Random, taken: &mut HashSet<(IpAddr, (IpAddr, u16), u8)>) -> Flow {
    loop {
        let flow = flow(random);
        if taken.insert((flow.src.0, flow.dst, flow.proto)) {
            return flow;
        }
    }
}

/// A flow of an office: mostly web and names, mostly small, some large.
fn flow(random: &mut Random) -> Flow {
    let [.., a, b, c, d] = random.bits().to_be_bytes();
    let web = random.chance(70);
    let (proto, dst_port, tcp_flags) = if web {
        (
            6,
            random.pick(&[443, 443, 443, 80, 22, 25, 993, 3_389, 8_080]),
            random.pick(&[0x1b, 0x1e, 0x02, 0x1f]),
        )
    } else {
        (17, random.pick(&[53, 53, 53, 123, 443, 161, 514, 4_500]), 0)
    };
    let most = if random.chance(10) { 2_000 } else { 40 };
    let packets = 1 + random.below(most);
    let size = 40 + random.below(1_400);
    let ended = random.below(2_000);
    let small = |value: u64| u32::try_from(value).expect("a small number");
    let before_export = |age: u64| UPTIME - small(age);
    // Networks that databases know.
    let network = random.pick(&[23, 34, 52, 93, 104, 142, 151, 185]);
    let src_port = u16::try_from(FIRST_PORT + random.below(PORTS)).expect("a port");
    Flow {
        src: ([10, 20, a % 8, b].into(), src_port),
        dst: ([network, c % 64, d, a].into(), dst_port),
        proto,
        tcp_flags,
        tos: random.pick(&[0, 0, 0, 0x28, 0xb8]),
        octets: small(packets * size),
        packets: small(packets),
        interfaces: (random.pick(&[1, 2, 3]), random.pick(&[10, 11])),
        systems: (64_512, 13_000 + u16::from(network)),
        seen: (before_export(ended + random.below(60_000)), before_export(ended)),
    }
}

#[cfg(test)]
mod tests;
