//! A flow record while the parts of its sample are read.

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::Value;
use weir_flow::{Counters, Exported, Extra, FlowRecord, IcmpKind, Kind, Source, Timestamp, Vlan};

use crate::packet::Packet;

/// VLAN identifiers that name one (IEEE 802.1Q §9.6).
const VLANS: std::ops::RangeInclusive<u32> = 1..=4_094;

/// What is known of the sampled packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// No part described it.
    #[default]
    Nothing,
    /// It could not be read.
    Unreadable,
    /// It is not IP.
    NotIp,
    /// Addresses and ports, by the exporter's own reading.
    Fields,
    /// Its header was read.
    Header,
}

/// The record in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) known: Known,
    pub(super) record: FlowRecord,
    pub(super) exported: Exported,
    /// VLAN by the switch that the packet came in on.
    pub(super) vlan_in: Option<u16>,
    /// VLAN that it left on.
    pub(super) vlan_out: Option<u16>,
    /// Service tag that was taken off before sampling.
    pub(super) vlan_stripped: Option<u16>,
    /// Next hop by BGP or MPLS, where the route's own is not said.
    pub(super) other_next_hop: Option<IpAddr>,
    extra: Extra,
}

impl Draft {
    pub(super) fn new(at: Timestamp, exported: Exported) -> Self {
        let record = FlowRecord {
            start: at,
            end: at,
            source: Source::Sflow5,
            kind: Kind::Flow,
            ..FlowRecord::default()
        };
        Self { record, exported, ..Self::default() }
    }

    /// Keeps the better of what is known and `known`; true when `known` is it.
    pub(super) fn learn(&mut self, known: Known) -> bool {
        let better = known > self.known;
        if better {
            self.known = known;
        }
        better
    }

    /// Takes what the header of the packet says.
    pub(super) fn describe(&mut self, packet: &Packet) {
        if !self.learn(Known::Header) {
            return;
        }
        let Packet { key, from_a, octets, tcp_flags, dscp, icmp } = packet;
        let ends = |(a, b)| if *from_a { (a, b) } else { (b, a) };
        let (src, dst) = ends(key.addresses());
        let ports = key.ports().map(|(a, b)| if *from_a { (a, b) } else { (b, a) });
        let record = &mut self.record;
        (record.src_ip, record.dst_ip) = (Some(src), Some(dst));
        (record.src_port, record.dst_port) = ports.unzip();
        record.proto = Some(key.proto());
        record.forward = Counters { octets: u64::from(*octets), packets: 1 };
        // A header that ends before its ports has no flags either.
        record.tcp_flags_out = ports.filter(|_| key.is_tcp()).map(|_| *tcp_flags);
        record.vlan = key.vlan();
        record.icmp = key.has_icmp().then_some(IcmpKind { kind: icmp.0, code: icmp.1 });
        record.dscp = Some(*dscp);
    }

    /// Adds something that the record has no field for.
    pub(super) fn add(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        self.extra.insert(name, value);
    }

    /// Adds an address, if there is one.
    pub(super) fn add_address(&mut self, name: &'static str, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.add(name, address.to_string());
        }
    }

    /// The record, if the packet is known.
    pub(super) fn finish(mut self) -> Option<FlowRecord> {
        if self.known < Known::Fields {
            return None;
        }
        let tags = self.record.vlan;
        let inner = tags.map(|vlan| vlan.inner).or(self.vlan_in);
        let outer = tags.and_then(|vlan| vlan.outer).or(self.vlan_stripped);
        self.record.vlan = match (inner, outer) {
            (Some(inner), outer) => Some(Vlan { inner, outer }),
            (None, Some(only)) => Some(Vlan { inner: only, outer: None }),
            (None, None) => None,
        };
        if let Some(out) = self.vlan_out.filter(|&out| Some(out) != inner) {
            self.add("post_vlan_id", out);
        }
        self.exported.next_hop = self.exported.next_hop.or(self.other_next_hop);
        self.record.exported = Some(self.exported);
        self.record.extra = (!self.extra.is_empty()).then(|| Box::new(self.extra));
        Some(self.record)
    }
}

/// A VLAN identifier that names a VLAN.
pub(super) fn vlan(number: u32) -> Option<u16> {
    if VLANS.contains(&number) { u16::try_from(number).ok() } else { None }
}
