//! Transport segments: TCP, UDP, SCTP, ICMP and ICMPv6.

use std::net::{IpAddr, SocketAddr};

use super::{Packet, checksum};

/// TCP FIN (RFC 9293 §3.1).
pub const FIN: u8 = 0x01;
/// TCP SYN.
pub const SYN: u8 = 0x02;
/// TCP RST.
pub const RST: u8 = 0x04;
/// TCP PSH.
pub const PSH: u8 = 0x08;
/// TCP ACK.
pub const ACK: u8 = 0x10;

/// A TCP segment with sequence and acknowledgement numbers of 1.
#[must_use]
pub fn tcp(src: SocketAddr, dst: SocketAddr, flags: u8, payload: &[u8]) -> Packet {
    tcp_at(src, dst, flags, (1, 1), payload)
}

/// A TCP segment; `numbers` are sequence and acknowledgement.
#[must_use]
pub fn tcp_at(src: SocketAddr, dst: SocketAddr, flags: u8, numbers: (u32, u32), payload: &[u8]) -> Packet {
    let mut segment = ports(src, dst);
    segment.extend(numbers.0.to_be_bytes());
    segment.extend(if flags & ACK == 0 { 0 } else { numbers.1 }.to_be_bytes());
    segment.extend([0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    segment.extend(payload);
    sealed(src.ip(), dst.ip(), 6, segment, 16)
}

/// A UDP datagram.
#[must_use]
pub fn udp(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Packet {
    let mut datagram = ports(src, dst);
    let length = u16::try_from(8 + payload.len()).expect("a datagram is below 64 KiB");
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let mut packet = sealed(src.ip(), dst.ip(), 17, datagram, 6);
    if packet.body[6..8] == [0, 0] {
        // Zero would say that there is no checksum (RFC 768).
        packet.body[6..8].fill(0xff);
    }
    packet
}

/// An SCTP packet with one DATA chunk (RFC 9260 §3.3.1).
#[must_use]
pub fn sctp(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Packet {
    let mut packet = ports(src, dst);
    packet.extend([0, 0, 0, 7, 0, 0, 0, 0]);
    let length = u16::try_from(16 + payload.len()).expect("a chunk is below 64 KiB");
    packet.extend([0, 3]);
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend(payload);
    packet.resize(packet.len().next_multiple_of(4), 0);
    let sum = checksum::crc32c(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    Packet::new(src.ip(), dst.ip(), 132, packet)
}

/// An ICMP or ICMPv6 message, by the family of the addresses; `rest` follows the checksum.
#[must_use]
pub fn icmp(src: IpAddr, dst: IpAddr, kind: u8, code: u8, rest: &[u8]) -> Packet {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    if src.is_ipv6() {
        return sealed(src, dst, 58, message, 2);
    }
    let sum = checksum::internet(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Packet::new(src, dst, 1, message)
}

/// An echo request, or its reply.
#[must_use]
pub fn echo(src: IpAddr, dst: IpAddr, reply: bool, id: u16, sequence: u16) -> Packet {
    let kind = match (src.is_ipv6(), reply) {
        (false, false) => 8,
        (false, true) => 0,
        (true, false) => 128,
        (true, true) => 129,
    };
    let mut rest = id.to_be_bytes().to_vec();
    rest.extend(sequence.to_be_bytes());
    rest.extend(0..48);
    icmp(src, dst, kind, 0, &rest)
}

fn ports(src: SocketAddr, dst: SocketAddr) -> Vec<u8> {
    [src.port().to_be_bytes(), dst.port().to_be_bytes()].concat()
}

/// Puts the checksum at `at` of a segment that has zeros there.
fn sealed(src: IpAddr, dst: IpAddr, proto: u8, mut segment: Vec<u8>, at: usize) -> Packet {
    let sum = checksum::transport(src, dst, proto, &segment);
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    Packet::new(src, dst, proto, segment)
}
