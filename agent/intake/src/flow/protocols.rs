//! Protocols by name, and what is told of ICMP, VLANs and the type of service.

use weir_flow::{IcmpKind, Vlan, proto_number};

use super::value::{self, put};
use crate::Said;

pub(super) const TCP: u8 = 6;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMPV6: u8 = 58;
/// Protocols with ports at the place of TCP's: TCP, UDP, DCCP, SCTP, UDP-Lite.
pub(super) const WITH_PORTS: [u8; 5] = [TCP, 17, 33, 132, 136];
/// The last VLAN identifier (IEEE 802.1Q).
const MAX_VLAN: u16 = 4_094;

/// Names that tools print and Weir does not: IANA "Assigned Internet Protocol Numbers", `/etc/protocols`, pmacct, goflow2.
const NAMES: &[(&str, u8)] = &[
    ("ip", 0),
    ("ggp", 3),
    ("ipv4", 4),
    ("ipencap", 4),
    ("ip-encap", 4),
    ("st", 5),
    ("cbt", 7),
    ("bbn-rcc-mon", 10),
    ("nvp-ii", 11),
    ("pup", 12),
    ("argus", 13),
    ("emcon", 14),
    ("xnet", 15),
    ("chaos", 16),
    ("mux", 18),
    ("dcn-meas", 19),
    ("hmp", 20),
    ("prm", 21),
    ("xns-idp", 22),
    ("trunk-1", 23),
    ("trunk-2", 24),
    ("leaf-1", 25),
    ("leaf-2", 26),
    ("rdp", 27),
    ("irtp", 28),
    ("iso-tp4", 29),
    ("netblt", 30),
    ("mfe-nsp", 31),
    ("merit-inp", 32),
    ("3pc", 34),
    ("idpr", 35),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("tp++", 39),
    ("il", 40),
    ("sdrp", 42),
    ("idrp", 45),
    ("dsr", 48),
    ("bna", 49),
    ("ipsec-esp", 50),
    ("ipsec-ah", 51),
    ("i-nlsp", 52),
    ("swipe", 53),
    ("narp", 54),
    ("mobile", 55),
    ("tlsp", 56),
    ("skip", 57),
    ("icmpv6", ICMPV6),
    ("icmp6", ICMPV6),
    ("cftp", 62),
    ("sat-expak", 64),
    ("kryptolan", 65),
    ("rvd", 66),
    ("ippc", 67),
    ("sat-mon", 69),
    ("visa", 70),
    ("ipcv", 71),
    ("cpnx", 72),
    ("cphb", 73),
    ("wsn", 74),
    ("pvp", 75),
    ("br-sat-mon", 76),
    ("sun-nd", 77),
    ("wb-mon", 78),
    ("wb-expak", 79),
    ("iso-ip", 80),
    ("vmtp", 81),
    ("secure-vmtp", 82),
    ("vines", 83),
    ("ttp", 84),
    ("iptm", 84),
    ("nsfnet-igp", 85),
    ("dgp", 86),
    ("tcf", 87),
    ("ospfigp", 89),
    ("ospf-igp", 89),
    ("sprite-rpc", 90),
    ("larp", 91),
    ("mtp", 92),
    ("ax.25", 93),
    ("micp", 95),
    ("scc-sp", 96),
    ("gmtp", 100),
    ("ifmp", 101),
    ("pnni", 102),
    ("aris", 104),
    ("scps", 105),
    ("qnx", 106),
    ("a/n", 107),
    ("snp", 109),
    ("compaq-peer", 110),
    ("ipx-in-ip", 111),
    ("carp", 112),
    ("pgm", 113),
    ("ddx", 116),
    ("iatp", 117),
    ("stp", 118),
    ("srp", 119),
    ("uti", 120),
    ("smp", 121),
    ("sm", 122),
    ("ptp", 123),
    ("fire", 125),
    ("crtp", 126),
    ("crudp", 127),
    ("sscopmce", 128),
    ("iplt", 129),
    ("sps", 130),
    ("pipe", 131),
    ("fc", 133),
    ("rsvp-e2e-ignore", 134),
    ("mobility header", 135),
    ("mobility-header", 135),
    ("udp-lite", 136),
    ("manet", 138),
    ("wesp", 141),
    ("rohc", 142),
    ("ethernet", 143),
];

/// A protocol by its name in any case, or its number, also as text.
pub(super) fn number(said: &Said<'_>) -> Option<u8> {
    let Said::Text(text) = said else { return value::number(said) };
    match text.trim() {
        "tcp" => Some(TCP),
        "udp" => Some(17),
        name => proto_number(name).or_else(|| {
            NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, number)| number)
        }),
    }
}

/// Takes in a VLAN identifier; 0 is a frame without one (IEEE 802.1Q §9.6).
pub(super) fn vlan(place: &mut Option<Vlan>, said: &Said<'_>) -> bool {
    match value::number(said) {
        Some(0) => true,
        Some(inner @ 1..=MAX_VLAN) => put(place, Vlan { inner, outer: None }, |_| false),
        _ => false,
    }
}

/// Takes in the octet of the type of service; false where its lower two bits, which say that there is congestion (RFC 3168),
/// have to be kept elsewhere.
pub(super) fn tos(place: &mut Option<u8>, said: &Said<'_>) -> bool {
    let is_taken = |tos: u8| put(place, tos >> 2, |&dscp| dscp == 0) && tos & 3 == 0;
    value::number(said).is_some_and(is_taken)
}

/// Takes in type × 256 + code; zero is what many write that do not know.
pub(super) fn icmp_both(kind: &mut Option<u16>, code: &mut Option<u8>, said: &Said<'_>) -> bool {
    let Some(both) = value::number::<u16>(said) else { return false };
    let [high, low] = both.to_be_bytes();
    put(kind, high.into(), |&kind| kind == 0) && put(code, low, |&code| code == 0)
}

/// Type and code: as they were said, or in the destination port.
///
/// NetFlow v9 has both in its field `ICMP_TYPE` (RFC 3954 §8), which tools hand on as the type: one above 255 is both.
pub(super) fn icmp(kind: Option<u16>, code: Option<u8>, port: Option<u16>) -> Option<IcmpKind> {
    let said = kind.map(|kind| match u8::try_from(kind) {
        Ok(kind) => [kind, code.unwrap_or(0)],
        Err(_) => kind.to_be_bytes(),
    });
    let in_port = port.filter(|&port| port != 0).map(u16::to_be_bytes);
    let [kind, code] = said.filter(|both| *both != [0, 0]).or(in_port).or(said)?;
    Some(IcmpKind { kind, code })
}

#[cfg(test)]
mod tests {
    use weir_flow::{IcmpKind, proto_name};

    use super::{NAMES, icmp, number, tos, vlan};
    use crate::Said;

    #[test]
    fn protocols_are_names_in_any_case_or_numbers() {
        for (text, protocol) in [
            ("TCP", 6),
            ("udp", 17),
            ("IPv6-ICMP", 58),
            ("icmpv6", 58),
            ("17", 17),
            (" gre ", 47),
            ("IPv4", 4),
        ] {
            assert_eq!(number(&Said::Text(text.into())), Some(protocol), "{text}");
        }
        assert_eq!(number(&Said::Number("255")), Some(255));
        assert_eq!(number(&Said::Number("6.0")), Some(6));
        for said in [
            Said::Number("256"),
            Said::Number("-1"),
            Said::Text("256".into()),
            Said::Text("any".into()),
            Said::Bool(true),
        ] {
            assert_eq!(number(&said), None, "{said:?}");
        }
        for &(name, protocol) in NAMES {
            assert_ne!(proto_name(protocol), Some(name), "known twice");
        }
    }

    #[test]
    fn type_and_code_come_from_where_they_are_said() {
        let both = |kind, code| Some(IcmpKind { kind, code });
        assert_eq!(icmp(Some(8), None, None), both(8, 0));
        assert_eq!(icmp(Some(3), Some(1), Some(9)), both(3, 1));
        assert_eq!(icmp(Some(769), None, None), both(3, 1));
        assert_eq!(icmp(Some(0), Some(0), Some(2048)), both(8, 0));
        assert_eq!(icmp(Some(0), Some(0), Some(0)), both(0, 0));
        assert_eq!(icmp(None, None, Some(771)), both(3, 3));
        assert_eq!(icmp(None, None, Some(0)), None);
    }

    #[test]
    fn what_is_out_of_range_is_not_taken() {
        let (mut tag, mut dscp) = (None, None);
        assert!(vlan(&mut tag, &Said::Number("0")) && tag.is_none());
        assert!(!vlan(&mut tag, &Said::Number("4095")) && tag.is_none());
        assert!(vlan(&mut tag, &Said::Number("7")) && tag.is_some_and(|tag| tag.inner == 7));
        assert!(!vlan(&mut tag, &Said::Number("8")), "another one");
        assert!(tos(&mut dscp, &Said::Number("184")) && dscp == Some(46));
        assert!(!tos(&mut dscp, &Said::Number("185")), "congestion");
        assert!(!tos(&mut dscp, &Said::Number("256")));
    }
}
