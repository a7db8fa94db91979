//! Networks that honest traffic of a branch office carries.
//!
//! Public lists of unroutable networks (FireHOL level 1, full bogons) hold them too; inside an office they would mark
//! every flow as a threat. Documentation networks are not here: they occur in no honest traffic.

use crate::indicator::{Indicator, mask_v4, mask_v6};

/// IANA IPv4 special-purpose registry, and multicast.
const V4: &[([u8; 4], u8)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 168, 0, 0], 16),
    ([224, 0, 0, 0], 4),
    ([255, 255, 255, 255], 32),
];

/// IANA IPv6 special-purpose registry: unspecified, loopback, mapped and NAT64 (all in ::/8), unique local,
/// link-local with the former site-local, multicast.
const V6: &[(u128, u8)] = &[(0, 8), (0xfc00 << 112, 7), (0xfe80 << 112, 9), (0xff00 << 112, 8)];

/// True when `indicator` lies in a local network or around one.
pub(crate) fn touches_local(indicator: &Indicator) -> bool {
    match *indicator {
        Indicator::V4(start, len) => V4.iter().any(|&(other, other_len)| {
            let common = mask_v4(len.min(other_len));
            start & common == u32::from_be_bytes(other) & common
        }),
        Indicator::V6(start, len) => V6.iter().any(|&(other, other_len)| {
            let common = mask_v6(len.min(other_len));
            start & common == other & common
        }),
        Indicator::Name(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::touches_local;
    use crate::indicator::Indicator;

    #[test]
    fn networks_in_and_around_local_ones_are_local() {
        for text in [
            "0.0.0.0/8",
            "10.1.2.3",
            "8.0.0.0/6",
            "192.0.0.0/8",
            "192.168.4.0/24",
            "224.0.0.0/3",
            "255.255.255.255",
            "100.64.0.0/10",
            "::1",
            "64:ff9b::/96",
            "fd00::/8",
            "fe80::1",
            "fec0::/10",
            "ff02::fb",
            "f000::/4",
        ] {
            assert!(touches_local(&Indicator::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn public_and_documentation_networks_are_not_local() {
        for text in [
            "8.8.8.8",
            "11.0.0.0/8",
            "100.128.0.0/9",
            "172.32.0.0/11",
            "192.0.2.0/24",
            "198.51.100.7",
            "203.0.113.0/25",
            "2001:db8::/32",
            "2a00::/12",
            "domain:lan",
        ] {
            assert!(!touches_local(&Indicator::parse(text).unwrap()), "{text}");
        }
    }
}
