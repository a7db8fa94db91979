//! The packet that was sampled: its first octets, or what the exporter read in them.

use std::net::IpAddr;

use weir_flow::{Counters, Timestamp};

use super::super::wire::Reader;
use super::super::{Fault, Faults};
use super::draft::{Draft, Known};
use super::xdr;
use crate::capture::Frame;
use crate::packet::{Decoder, LinkType, NotIp};

/// Longest packet that is believed where only the exporter's word gives its length: Linux's `GSO_MAX_SIZE`. Stops one
/// sample from counting as 4 GiB.
const MAX_PACKET: u32 = 524_280;
/// Labels that a stack may have. Stops a crafted header from costing time.
const MAX_LABELS: usize = 16;
/// Protocols whose records have ports.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// Reads the raw header of a packet (`sampled_header`); `None` when it is cut off.
pub(super) fn raw(
    part: &mut Reader<'_>,
    at: Timestamp,
    packets: &mut Decoder,
    draft: &mut Draft,
    faults: &mut Faults,
) -> Option<()> {
    let (protocol, frame_length, stripped) = (part.u32()?, part.u32()?, part.u32()?);
    let data = xdr::opaque(part)?;
    let Some((link, data)) = link(protocol, data) else {
        faults.count(Fault::UnknownSample);
        draft.learn(Known::Unreadable);
        return Some(());
    };
    let captured = u32::try_from(data.len()).unwrap_or(u32::MAX);
    // The frame's length has the check sequence in it, which counts as stripped.
    let wire_len = frame_length.saturating_sub(stripped).max(captured);
    let frame = Frame { timestamp: at, wire_len, data, vlan: None, outgoing: false };
    match packets.decode(link, &frame) {
        Ok(packet) => draft.describe(&packet),
        Err(why) => unread(why, draft, faults),
    }
    Some(())
}

fn unread(why: NotIp, draft: &mut Draft, faults: &mut Faults) {
    if why.is_undecodable() {
        faults.count(Fault::BadSample);
        draft.learn(Known::Unreadable);
    } else {
        draft.learn(Known::NotIp);
    }
}

/// How to read a header of protocol `protocol` (`header_protocol`), and where it begins.
fn link(protocol: u32, data: &[u8]) -> Option<(LinkType, &[u8])> {
    Some(match protocol {
        1 => (LinkType::Ethernet, data),
        // PPP, and packets over SONET.
        7 | 14 => (LinkType::Ppp, data),
        // IPv4 and IPv6, and IP straight over AAL5.
        10..=12 => (LinkType::RawIp, data),
        13 => (LinkType::RawIp, under_labels(data)),
        _ => return None,
    })
}

/// What follows the label stack (RFC 3032 §2.1); nothing when the stack does not end.
fn under_labels(data: &[u8]) -> &[u8] {
    let mut rest = data;
    for _ in 0..MAX_LABELS {
        match rest {
            [_, _, bottom, _, inner @ ..] if bottom & 1 == 1 => return inner,
            [_, _, _, _, more @ ..] => rest = more,
            _ => break,
        }
    }
    &[]
}

/// Reads what the exporter says of the frame (`sampled_ethernet`): alone it names no packet.
pub(super) fn ethernet(part: &mut Reader<'_>, draft: &mut Draft) -> Option<()> {
    // Length, and two addresses with their padding.
    part.take(4 + 8 + 8)?;
    part.u32()?;
    draft.learn(Known::NotIp);
    Some(())
}

/// Addresses and ports as the exporter read them (`sampled_ipv4`, `sampled_ipv6`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    length: u32,
    protocol: u32,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    src_port: u32,
    dst_port: u32,
    tcp_flags: u32,
    traffic_class: u32,
}

impl Fields {
    pub(super) fn read(part: &mut Reader<'_>, ipv6: bool) -> Option<Self> {
        let address = if ipv6 { xdr::v6 } else { xdr::v4 };
        Some(Self {
            length: part.u32()?,
            protocol: part.u32()?,
            src: address(part)?,
            dst: address(part)?,
            src_port: part.u32()?,
            dst_port: part.u32()?,
            tcp_flags: part.u32()?,
            traffic_class: part.u32()?,
        })
    }

    /// Puts them into the record, unless the header said more. ICMP types are left out: exporters do not agree on which
    /// port holds them.
    pub(super) fn describe(self, draft: &mut Draft, faults: &mut Faults) {
        let Ok(proto) = u8::try_from(self.protocol) else {
            faults.count(Fault::BadSample);
            draft.learn(Known::Unreadable);
            return;
        };
        if self.length > MAX_PACKET {
            faults.count(Fault::BadSample);
            draft.learn(Known::Unreadable);
            return;
        }
        if !draft.learn(Known::Fields) {
            return;
        }
        let ports = u16::try_from(self.src_port).ok().zip(u16::try_from(self.dst_port).ok());
        let record = &mut draft.record;
        (record.src_ip, record.dst_ip) = (Some(self.src), Some(self.dst));
        (record.src_port, record.dst_port) = ports.filter(|_| WITH_PORTS.contains(&proto)).unzip();
        record.proto = Some(proto);
        record.forward = Counters { octets: self.length.into(), packets: 1 };
        record.tcp_flags_out = (proto == 6).then_some(self.tcp_flags.to_be_bytes()[3]);
        record.dscp = Some(self.traffic_class.to_be_bytes()[3] >> 2);
    }
}
