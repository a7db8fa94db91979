//! Frames made octet by octet, with right lengths and checksums.
//!
//! A [`Packet`] is an IP packet; [`link`] wraps it in a frame of some link layer, [`tunnel`] puts frames into
//! packets again. The frames go into captures (`crate::pcap`) and onto test interfaces (`crate::netns`).

pub mod checksum;
pub mod link;
pub mod transport;
pub mod tunnel;

use std::net::IpAddr;

/// IPv6 extension headers (RFC 8200 §4) that a packet can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Hop-by-hop options, padding only.
    HopByHop,
    /// Routing header of a type for experiments (RFC 3692), which routes nowhere.
    Routing,
    /// Destination options, padding only.
    Destination,
    /// Authentication header (RFC 4302) with a 12-octet value.
    Authentication,
}

impl Extension {
    const fn number(self) -> u8 {
        match self {
            Self::HopByHop => 0,
            Self::Routing => 43,
            Self::Destination => 60,
            Self::Authentication => 51,
        }
    }

    fn bytes(self, next: u8) -> Vec<u8> {
        match self {
            Self::HopByHop | Self::Destination => vec![next, 0, 1, 4, 0, 0, 0, 0],
            Self::Routing => vec![next, 0, 253, 0, 0, 0, 0, 0],
            Self::Authentication => {
                // Length in 4-octet words minus 2 (RFC 4302 §2.2).
                let mut header = vec![next, 4, 0, 0, 0, 0, 0x10, 0x01, 0, 0, 0, 1];
                header.extend([0xa5; 12]);
                header
            }
        }
    }
}

/// An IP packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// Protocol number of `body`.
    pub proto: u8,
    /// What follows the IP header and its extensions.
    pub body: Vec<u8>,
    dscp: u8,
    ttl: u8,
    id: u32,
    options: Vec<u8>,
    extensions: Vec<Extension>,
}

const FRAGMENT_HEADER: u8 = 44;
const MORE_FRAGMENTS: u16 = 0x2000;
const DONT_FRAGMENT: u16 = 0x4000;

impl Packet {
    /// A packet of protocol `proto`.
    #[must_use]
    pub fn new(src: IpAddr, dst: IpAddr, proto: u8, body: Vec<u8>) -> Self {
        assert_eq!(src.is_ipv4(), dst.is_ipv4(), "{src} and {dst} are of two families");
        Self { src, dst, proto, body, dscp: 0, ttl: 64, id: 1, options: Vec::new(), extensions: Vec::new() }
    }

    /// Sets the differentiated services code point, 0 to 63.
    #[must_use]
    pub const fn dscp(mut self, dscp: u8) -> Self {
        self.dscp = dscp;
        self
    }

    /// Sets the identification, of which IPv4 keeps the low 16 bits.
    #[must_use]
    pub const fn id(mut self, id: u32) -> Self {
        self.id = id;
        self
    }

    /// Adds IPv4 options; a multiple of 4 octets, at most 40.
    #[must_use]
    pub fn options(mut self, options: &[u8]) -> Self {
        assert!(options.len().is_multiple_of(4) && options.len() <= 40);
        self.options = options.to_vec();
        self
    }

    /// Adds an IPv6 extension header after those already there.
    #[must_use]
    pub fn extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// The packet's octets.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        if self.src.is_ipv4() { self.v4(DONT_FRAGMENT, &self.body) } else { self.v6(None, &self.body) }
    }

    /// The packet in fragments with at most `room` octets of payload each; `room` is a multiple of 8.
    #[must_use]
    pub fn fragments(&self, room: usize) -> Vec<Vec<u8>> {
        assert!(room > 0 && room.is_multiple_of(8));
        let pieces = self.body.chunks(room).enumerate();
        let of = |(at, piece): (usize, &[u8])| {
            let more = (at + 1) * room < self.body.len();
            let offset = u16::try_from(at * room / 8).expect("a datagram is below 64 KiB");
            if self.src.is_ipv4() {
                self.v4(offset | if more { MORE_FRAGMENTS } else { 0 }, piece)
            } else {
                self.v6(Some(offset << 3 | u16::from(more)), piece)
            }
        };
        pieces.map(of).collect()
    }

    fn v4(&self, fragment: u16, body: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let words = u8::try_from(header / 4).expect("at most 15 words");
        let mut out = vec![0x40 | words, self.dscp << 2];
        out.extend(length(header + body.len()).to_be_bytes());
        out.extend(self.id.to_be_bytes()[2..].iter());
        out.extend(fragment.to_be_bytes());
        out.extend([self.ttl, self.proto, 0, 0]);
        out.extend(checksum::address(self.src));
        out.extend(checksum::address(self.dst));
        out.extend(&self.options);
        let sum = checksum::internet(&[&out]);
        out[10..12].copy_from_slice(&sum.to_be_bytes());
        out.extend(body);
        out
    }

    fn v6(&self, fragment: Option<u16>, body: &[u8]) -> Vec<u8> {
        let mut numbers: Vec<u8> = self.extensions.iter().map(|e| e.number()).collect();
        numbers.extend(fragment.map(|_| FRAGMENT_HEADER));
        numbers.push(self.proto);
        let mut chain = Vec::new();
        for (extension, &next) in self.extensions.iter().zip(&numbers[1..]) {
            chain.extend(extension.bytes(next));
        }
        if let Some(field) = fragment {
            chain.extend([self.proto, 0]);
            chain.extend(field.to_be_bytes());
            chain.extend(self.id.to_be_bytes());
        }
        let mut out = vec![0x60 | self.dscp >> 2, self.dscp << 6, 0, 0];
        out.extend(length(chain.len() + body.len()).to_be_bytes());
        out.extend([numbers[0], self.ttl]);
        out.extend(checksum::address(self.src));
        out.extend(checksum::address(self.dst));
        out.extend(chain);
        out.extend(body);
        out
    }
}

fn length(octets: usize) -> u16 {
    u16::try_from(octets).expect("an IP packet is below 64 KiB")
}

#[cfg(test)]
mod tests {
    use super::{Extension, Packet, checksum};
    use crate::frames::transport::udp;

    #[test]
    fn an_ipv4_header_sums_to_zero() {
        let packet = udp("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap(), b"abc").bytes();
        assert_eq!(packet.len(), 20 + 8 + 3);
        assert_eq!(checksum::internet(&[&packet[..20]]), 0);
    }

    #[test]
    fn fragments_carry_the_whole_body() {
        for (a, b, header) in [("192.0.2.1", "192.0.2.2", 20), ("2001:db8::1", "2001:db8::2", 48)] {
            let body: Vec<u8> = (0..250).collect();
            let packet = Packet::new(a.parse().unwrap(), b.parse().unwrap(), 200, body.clone());
            let pieces = packet.fragments(96);
            assert_eq!(pieces.len(), 3);
            assert_eq!(pieces.iter().flat_map(|piece| piece[header..].to_vec()).collect::<Vec<_>>(), body);
        }
    }

    #[test]
    fn extension_headers_name_the_next_one() {
        let packet = Packet::new("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap(), 59, vec![])
            .extension(Extension::HopByHop)
            .extension(Extension::Authentication)
            .bytes();
        assert_eq!((packet[6], packet[40], packet[48]), (0, 51, 59));
        assert_eq!(packet.len(), 40 + 8 + 24);
    }
}
