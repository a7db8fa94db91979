//! Unit tests of the packet decoder; the packets are made here, octet by octet.

mod datagrams;
mod fragments;
mod headers;
mod links;
mod tunnels;

use weir_flow::Timestamp;

use super::{Decoder, LinkType, NotIp, Packet};
use crate::capture::{Frame, VlanTag};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2 without options.
fn v4(proto: u8, payload: &[u8]) -> Vec<u8> {
    v4_with(proto, 0, 0, &[], payload)
}

fn v4_with(proto: u8, id: u16, flags_and_offset: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let mut packet = vec![0x40 | u8::try_from(header / 4).unwrap(), 0xb8];
    packet.extend(u16::try_from(header + payload.len()).unwrap().to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(flags_and_offset.to_be_bytes());
    packet.extend([64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2.
fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x6b, 0x80, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next, 64]);
    for last in [1, 2] {
        packet.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(payload);
    packet
}

/// A UDP header and `payload`.
fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    [&src.to_be_bytes(), &dst.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload].concat()
}

/// A TCP header with `flags`.
fn tcp(src: u16, dst: u16, flags: u8) -> Vec<u8> {
    let mut header = [&src.to_be_bytes()[..], &dst.to_be_bytes(), &[0; 8], &[0x50, flags]].concat();
    header.extend([0; 6]);
    header
}

fn frame(data: &[u8]) -> Frame<'_> {
    let wire_len = u32::try_from(data.len()).unwrap();
    Frame { timestamp: Timestamp::default(), wire_len, data, vlan: None, outgoing: false }
}

/// What a fresh decoder makes of the IP packet `ip`.
fn decode(ip: &[u8]) -> Result<Packet, NotIp> {
    Decoder::new(false).decode(LinkType::RawIp, &frame(ip))
}

fn look_inside(ip: &[u8]) -> Packet {
    Decoder::new(true).decode(LinkType::RawIp, &frame(ip)).unwrap()
}

/// Ports of the sender and of the receiver.
fn ports(packet: &Packet) -> Option<(u16, u16)> {
    packet.key.ports().map(|(a, b)| if packet.from_a { (a, b) } else { (b, a) })
}

fn tag(tci: u16) -> VlanTag {
    VlanTag { tci, tpid: 0x8100 }
}
