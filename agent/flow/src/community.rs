//! Community ID v1, seed 0 (github.com/corelight/community-id-spec).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use serde::{Serialize, Serializer};

use crate::IcmpKind;

const SEED: [u8; 2] = [0, 0];
/// Both addresses, protocol, pad, both ports, after the seed.
const LONGEST_INPUT: usize = 2 + 16 + 16 + 2 + 4;
/// `1:` and 20 octets in base64.
const LENGTH: usize = 2 + 28;

/// Pairs of ICMP types that ask and answer, both ways.
const ICMP_PAIRS: &[(u8, u8)] = &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];
const ICMPV6_PAIRS: &[(u8, u8)] = &[(128, 129), (133, 134), (135, 136), (130, 131), (139, 140), (144, 145)];

/// A Community ID as text, without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunityId([u8; LENGTH]);

impl CommunityId {
    /// `1:` and 28 characters of base64.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Serialize for CommunityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The type that answers (or asks) `kind`, if ICMP protocol `proto` has one.
#[must_use]
pub fn icmp_counterpart(proto: u8, kind: u8) -> Option<u8> {
    let pairs = if proto == 58 { ICMPV6_PAIRS } else { ICMP_PAIRS };
    pairs.iter().find_map(|&(ask, answer)| match kind {
        k if k == ask => Some(answer),
        k if k == answer => Some(ask),
        _ => None,
    })
}

/// The Community ID of a flow: `1:` and the base64 of a SHA-1.
///
/// `ports` for protocols with ports, `icmp` for ICMP and ICMPv6; `None` when the addresses are of two families.
#[must_use]
pub fn community_id(
    src: IpAddr,
    dst: IpAddr,
    proto: u8,
    ports: Option<(u16, u16)>,
    icmp: Option<IcmpKind>,
) -> Option<CommunityId> {
    let (ports, one_way) = match icmp {
        Some(IcmpKind { kind, code }) => match icmp_counterpart(proto, kind) {
            Some(other) => (Some((u16::from(kind), u16::from(other))), false),
            None => (Some((u16::from(kind), u16::from(code))), true),
        },
        None => (ports, false),
    };
    let mut input = Input { bytes: [0; LONGEST_INPUT], len: 0 };
    input.push(&SEED);
    let (a, b) = ports.unwrap_or_default();
    let ((first, first_port), (second, second_port)) =
        if one_way || (src, a) <= (dst, b) { ((src, a), (dst, b)) } else { ((dst, b), (src, a)) };
    match (first, second) {
        (IpAddr::V4(x), IpAddr::V4(y)) => {
            input.push(&x.octets());
            input.push(&y.octets());
        }
        (IpAddr::V6(x), IpAddr::V6(y)) => {
            input.push(&x.octets());
            input.push(&y.octets());
        }
        _ => return None,
    }
    input.push(&[proto, 0]);
    if ports.is_some() {
        input.push(&first_port.to_be_bytes());
        input.push(&second_port.to_be_bytes());
    }
    let mut text = [b'='; LENGTH];
    text[..2].copy_from_slice(b"1:");
    STANDARD.encode_slice(Sha1::digest(input.bytes()), &mut text[2..]).ok()?;
    Some(CommunityId(text))
}

struct Input {
    bytes: [u8; LONGEST_INPUT],
    len: usize,
}

impl Input {
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::community_id;
    use crate::IcmpKind;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Values from the baseline of the specification's reference implementation.
    #[test]
    fn matches_the_reference_implementation() {
        let tcp = community_id(ip("128.232.110.120"), ip("66.35.250.204"), 6, Some((34855, 80)), None);
        assert_eq!(tcp.unwrap().as_str(), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        let back = community_id(ip("66.35.250.204"), ip("128.232.110.120"), 6, Some((80, 34855)), None);
        assert_eq!(back, tcp);
        let udp = community_id(ip("192.168.1.52"), ip("8.8.8.8"), 17, Some((54585, 53)), None);
        assert_eq!(udp.unwrap().as_str(), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        let echo =
            community_id(ip("192.168.0.89"), ip("192.168.0.1"), 1, None, Some(IcmpKind { kind: 8, code: 0 }));
        assert_eq!(echo.unwrap().as_str(), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        let sctp = community_id(ip("192.168.170.8"), ip("192.168.170.56"), 132, Some((7, 7)), None);
        assert_eq!(sctp.unwrap().as_str(), "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=");
    }

    #[test]
    fn needs_one_family() {
        assert_eq!(community_id(ip("1.2.3.4"), ip("::1"), 6, Some((1, 2)), None), None);
    }
}
