//! Counters of interfaces, as the exporter sends them every half minute or so.

use std::net::IpAddr;

use weir_flow::Timestamp;

use super::super::wire::Reader;

/// Data format of the generic interface counters (`if_counters`).
const GENERIC: u32 = 1;

/// One interface as its exporter described it last (`if_counters`, sFlow Version 5 §5; RFC 2863).
///
/// Counters run since a moment that only the exporter knows, wrap, and are `None` where it does not keep them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The agent's own address, where it says one.
    pub agent: Option<IpAddr>,
    /// SNMP index.
    pub index: u32,
    /// When the counters were read: time of arrival, or as for records where that is not known.
    pub at: Timestamp,
    /// Milliseconds since the agent started, when they were sent.
    pub uptime_millis: u32,
    /// Kind of interface (IANA ifType): 6 is Ethernet.
    pub kind: u32,
    /// Bits a second; 0 where that is not known.
    pub speed: u64,
    /// 1 full duplex, 2 half duplex, 3 in only, 4 out only, 0 not known.
    pub duplex: u32,
    /// It is meant to be up.
    pub admin_up: bool,
    /// It is up.
    pub oper_up: bool,
    /// It takes frames for others too; `None` where that is not known.
    pub promiscuous: Option<bool>,
    /// Packets in a protocol that it does not know.
    pub unknown_protocols: Option<u32>,
    /// What came in.
    pub ingress: Traffic,
    /// What went out.
    pub egress: Traffic,
}

/// Counters of one direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Octets with the framing of the link.
    pub octets: Option<u64>,
    /// Packets to one receiver.
    pub unicast: Option<u32>,
    /// Packets to a group.
    pub multicast: Option<u32>,
    /// Packets to all.
    pub broadcast: Option<u32>,
    /// Packets dropped though nothing was wrong with them.
    pub discards: Option<u32>,
    /// Packets with errors.
    pub errors: Option<u32>,
}

impl Interface {
    /// Reads a part of a counter sample: `Ok` with the interface it describes, `Err` when it is cut off, `None` when it
    /// is about something else.
    pub(super) fn read(data_format: u32, mut part: Reader<'_>) -> Option<Result<Self, CutOff>> {
        (data_format == GENERIC).then(|| Self::generic(&mut part).ok_or(CutOff))
    }

    fn generic(part: &mut Reader<'_>) -> Option<Self> {
        let mut interface = Self {
            index: part.u32()?,
            kind: part.u32()?,
            speed: part.u64()?,
            duplex: part.u32()?,
            ..Self::default()
        };
        let status = part.u32()?;
        (interface.admin_up, interface.oper_up) = (status & 1 != 0, status & 2 != 0);
        interface.ingress = traffic(part)?;
        interface.unknown_protocols = counter(part)?;
        interface.egress = traffic(part)?;
        interface.promiscuous = match part.u32()? {
            1 => Some(true),
            2 | 0 => Some(false),
            _ => None,
        };
        Some(interface)
    }
}

/// Counters that end before they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CutOff;

fn traffic(part: &mut Reader<'_>) -> Option<Traffic> {
    Some(Traffic {
        octets: Some(part.u64()?).filter(|&octets| octets != u64::MAX),
        unicast: counter(part)?,
        multicast: counter(part)?,
        broadcast: counter(part)?,
        discards: counter(part)?,
        errors: counter(part)?,
    })
}

/// A counter; all bits set means that it is not kept.
fn counter(part: &mut Reader<'_>) -> Option<Option<u32>> {
    part.u32().map(|count| (count != u32::MAX).then_some(count))
}
