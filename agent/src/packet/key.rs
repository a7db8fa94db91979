//! What makes packets one flow.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_flow::Vlan;

/// An address as two big-endian words; an IPv4 address is the low half of the second.
pub(super) type Words = [u64; 2];

/// Two ends, protocol and VLAN tags, the same for both directions: end `a` is the lower one.
///
/// Ports are those of TCP, UDP, SCTP, DCCP and UDP-Lite; for ICMP they hold the type and the type that answers
/// it, or type and code of a message that nothing answers (as in Community ID v1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    a: Words,
    b: Words,
    a_port: u16,
    b_port: u16,
    vlan_outer: u16,
    vlan_inner: u16,
    proto: u8,
    form: u8,
}

/// Bits of `form`.
const IPV6: u8 = 1;
/// Ports are not known: a fragment whose first part was not seen.
const PORTLESS: u8 = 2;
/// `a` is the sender whatever the order: ICMP that nothing answers.
const ONE_WAY: u8 = 4;

/// What one packet says of its flow, before the ends are put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// Sender.
    pub src: Words,
    /// Receiver.
    pub dst: Words,
    /// True for IPv6.
    pub ipv6: bool,
    /// VLAN tags, 0 where there is none.
    pub vlan: VlanIds,
    /// IANA protocol number.
    pub proto: u8,
}

/// VLAN identifiers with 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct VlanIds {
    /// Service tag of a QinQ frame.
    pub outer: u16,
    /// The tag next to the payload.
    pub inner: u16,
}

/// How the ports of a packet are to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// Source and destination.
    Both(u16, u16),
    /// Of a message that has no reverse direction.
    OneWay(u16, u16),
    /// Cut off, or a later fragment without its first.
    Unknown,
    /// The protocol has none.
    None,
}

impl Key {
    /// The key of a packet, and whether its sender is end `a`.
    #[inline]
    #[must_use]
    pub(super) fn new(ends: &Ends, ports: Ports) -> (Self, bool) {
        let (src_port, dst_port, bits) = match ports {
            Ports::Both(src, dst) => (src, dst, 0),
            Ports::OneWay(src, dst) => (src, dst, ONE_WAY),
            Ports::Unknown => (0, 0, PORTLESS),
            Ports::None => (0, 0, 0),
        };
        let form = bits | if ends.ipv6 { IPV6 } else { 0 };
        let in_order = form & ONE_WAY != 0 || (ends.src, src_port) <= (ends.dst, dst_port);
        let (a, b, a_port, b_port) = if in_order {
            (ends.src, ends.dst, src_port, dst_port)
        } else {
            (ends.dst, ends.src, dst_port, src_port)
        };
        let VlanIds { outer, inner } = ends.vlan;
        (
            Self { a, b, a_port, b_port, vlan_outer: outer, vlan_inner: inner, proto: ends.proto, form },
            in_order,
        )
    }

    /// IANA protocol number.
    #[must_use]
    pub const fn proto(&self) -> u8 {
        self.proto
    }

    /// True for TCP.
    #[must_use]
    pub const fn is_tcp(&self) -> bool {
        self.proto == 6
    }

    /// Addresses of `a` and `b`.
    #[must_use]
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        (self.address(self.a), self.address(self.b))
    }

    /// Ports of `a` and `b`; none where the protocol has none or they are not known.
    #[must_use]
    pub const fn ports(&self) -> Option<(u16, u16)> {
        let has = matches!(self.proto, 6 | 17 | 33 | 132 | 136) && self.form & PORTLESS == 0;
        if has { Some((self.a_port, self.b_port)) } else { None }
    }

    /// True for ICMP and ICMPv6 whose type is known.
    #[must_use]
    pub const fn has_icmp(&self) -> bool {
        matches!(self.proto, 1 | 58) && self.form & PORTLESS == 0
    }

    /// The VLAN tags.
    #[must_use]
    pub fn vlan(&self) -> Option<Vlan> {
        let outer = (self.vlan_outer != 0).then_some(self.vlan_outer);
        (self.vlan_inner != 0).then_some(Vlan { inner: self.vlan_inner, outer })
    }

    fn address(&self, words: Words) -> IpAddr {
        if self.form & IPV6 == 0 {
            #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address is the low 32 bits")]
            return IpAddr::V4(Ipv4Addr::from_bits(words[1] as u32));
        }
        IpAddr::V6(Ipv6Addr::from_bits(u128::from(words[0]) << 64 | u128::from(words[1])))
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = u64::from(self.a_port) << 48
            | u64::from(self.b_port) << 32
            | u64::from(self.vlan_outer) << 16
            | u64::from(self.vlan_inner);
        if self.form & IPV6 == 0 {
            state.write_u64(self.a[1] << 32 | self.b[1]);
        } else {
            for word in [self.a[0], self.a[1], self.b[0], self.b[1]] {
                state.write_u64(word);
            }
        }
        state.write_u64(ports);
        state.write_u16(u16::from(self.proto) << 8 | u16::from(self.form));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Ends, Key, Ports, VlanIds};

    proptest! {
        #[test]
        fn both_directions_have_one_key(
            src in any::<[u64; 2]>(), dst in any::<[u64; 2]>(),
            ports in any::<(u16, u16)>(), proto in any::<u8>(), inner in 0u16..4095,
        ) {
            let vlan = VlanIds { outer: 0, inner };
            let there = Ends { src, dst, ipv6: true, vlan, proto };
            let back = Ends { src: dst, dst: src, ..there };
            let (key, from_a) = Key::new(&there, Ports::Both(ports.0, ports.1));
            let (same, back_from_a) = Key::new(&back, Ports::Both(ports.1, ports.0));
            prop_assert_eq!(key, same);
            if (src, ports.0) != (dst, ports.1) {
                prop_assert_ne!(from_a, back_from_a);
            }
        }
    }
}
