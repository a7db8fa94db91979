//! Tunnels: a frame or a packet inside a packet.

use std::net::{IpAddr, SocketAddr};

use super::Packet;
use super::transport::udp;

/// The port of VXLAN (RFC 7348).
pub const VXLAN_PORT: u16 = 4789;
/// The port of GENEVE (RFC 8926).
pub const GENEVE_PORT: u16 = 6081;

/// An IP packet in IP: protocol 4 (RFC 2003) or 41 (RFC 4213).
#[must_use]
pub fn ip_in_ip(src: IpAddr, dst: IpAddr, inner: &Packet) -> Packet {
    let proto = if inner.src.is_ipv4() { 4 } else { 41 };
    Packet::new(src, dst, proto, inner.bytes())
}

/// An IP packet in GRE (RFC 2784), with a key (RFC 2890) if given.
#[must_use]
pub fn gre(src: IpAddr, dst: IpAddr, key: Option<u32>, inner: &Packet) -> Packet {
    let mut body = vec![if key.is_some() { 0x20 } else { 0 }, 0];
    body.extend(if inner.src.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] });
    body.extend(key.into_iter().flat_map(u32::to_be_bytes));
    body.extend(inner.bytes());
    Packet::new(src, dst, 47, body)
}

/// An Ethernet frame in VXLAN.
#[must_use]
pub fn vxlan(src: SocketAddr, dst: IpAddr, network: u32, frame: &[u8]) -> Packet {
    let mut body = vec![0x08, 0, 0, 0];
    body.extend((network << 8).to_be_bytes());
    body.extend(frame);
    udp(src, SocketAddr::new(dst, VXLAN_PORT), &body)
}

/// An Ethernet frame in GENEVE, with one 4-octet option.
#[must_use]
pub fn geneve(src: SocketAddr, dst: IpAddr, network: u32, frame: &[u8]) -> Packet {
    let mut body = vec![0x02, 0, 0x65, 0x58];
    body.extend((network << 8).to_be_bytes());
    body.extend([0x01, 0x02, 0x03, 1, 0, 0, 0, 42]);
    body.extend(frame);
    udp(src, SocketAddr::new(dst, GENEVE_PORT), &body)
}
