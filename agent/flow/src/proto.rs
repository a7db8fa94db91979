//! Names of IP protocol numbers.

/// IANA "Assigned Internet Protocol Numbers", the ones that are seen, lower case.
const NAMES: &[(u8, &str)] = &[
    (0, "hopopt"),
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipip"),
    (6, "tcp"),
    (8, "egp"),
    (9, "igp"),
    (17, "udp"),
    (33, "dccp"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (88, "eigrp"),
    (89, "ospf"),
    (94, "ipip-encap"),
    (97, "etherip"),
    (98, "encap"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis"),
    (132, "sctp"),
    (135, "mobility"),
    (136, "udplite"),
    (137, "mpls-in-ip"),
    (139, "hip"),
    (140, "shim6"),
];

/// The lower-case name of protocol `number`; none for one without a well-known name.
#[must_use]
pub fn proto_name(number: u8) -> Option<&'static str> {
    NAMES.binary_search_by_key(&number, |&(n, _)| n).ok().map(|at| NAMES[at].1)
}

/// The number of a protocol given by name (any case, `icmp6` and `icmpv6` too) or as digits.
#[must_use]
pub fn proto_number(name: &str) -> Option<u8> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    if name.eq_ignore_ascii_case("icmp6") || name.eq_ignore_ascii_case("icmpv6") {
        return Some(58);
    }
    NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|&(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::{NAMES, proto_name, proto_number};

    #[test]
    fn names_are_sorted_so_that_the_search_finds_each() {
        for &(number, name) in NAMES {
            assert_eq!(proto_name(number), Some(name));
            assert_eq!(proto_number(name), Some(number));
        }
        assert_eq!(proto_name(253), None);
        assert_eq!(proto_number("ICMPv6"), Some(58));
        assert_eq!(proto_number("253"), Some(253));
    }
}
