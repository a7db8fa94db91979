//! Which addresses are on this side of the gateway.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// Networks that never are remote: private, link-local, loopback, multicast, broadcast and unspecified addresses.
const DEFAULT_LOCAL: &[&str] = &[
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "0.0.0.0/32",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
    "::/127",
];

/// Section `[networks]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Networks on the local side; by default RFC 1918, unique local, link-local, loopback and multicast.
    pub local: Vec<IpNetwork>,
    /// Count the prefixes of this host's interfaces as local too, while the agent runs.
    pub interfaces_are_local: bool,
}

impl Default for Config {
    fn default() -> Self {
        let local = DEFAULT_LOCAL.iter().filter_map(|network| network.parse().ok()).collect();
        Self { local, interfaces_are_local: true }
    }
}

/// A set of networks, as ranges of 128-bit addresses in order, without overlap.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    ranges: Vec<(u128, u128)>,
}

impl Networks {
    /// The union of `networks`.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = IpNetwork>) -> Self {
        let mut ranges: Vec<_> = networks.into_iter().map(range).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self { ranges: merged }
    }

    /// True when `ip` is in one of them; an IPv4-mapped address is taken as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let address = mapped(ip);
        let after = self.ranges.partition_point(|&(first, _)| first <= address);
        after > 0 && address <= self.ranges[after - 1].1
    }
}

/// An address in the space of IPv6, where IPv4 has `::ffff:0:0/96` (RFC 4291 §2.5.5.2).
fn mapped(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn range(network: IpNetwork) -> (u128, u128) {
    let (width, prefix) = match network {
        IpNetwork::V4(v4) => (32, v4.prefix()),
        IpNetwork::V6(v6) => (128, v6.prefix()),
    };
    let first = mapped(network.network());
    let hosts = u128::MAX.checked_shr(128 - (width - u32::from(prefix))).unwrap_or(0);
    (first, first | hosts)
}

#[cfg(test)]
mod tests {
    use super::{Config, Networks};

    #[test]
    fn holds_what_its_networks_hold() {
        let networks = Networks::new(Config::default().local);
        let held =
            ["10.255.255.255", "192.168.0.0", "::ffff:10.1.2.3", "fe80::1", "fdff::1", "::1", "239.1.1.1"];
        let not = ["11.0.0.0", "9.255.255.255", "172.32.0.1", "2001:db8::1", "8.8.8.8", "::2"];
        for ip in held {
            assert!(networks.contains(ip.parse().unwrap()), "{ip}");
        }
        for ip in not {
            assert!(!networks.contains(ip.parse().unwrap()), "{ip}");
        }
        assert_eq!(Config::default().local.len(), super::DEFAULT_LOCAL.len(), "a default does not parse");
    }

    #[test]
    fn a_default_route_holds_everything_of_its_family() {
        let networks = Networks::new(["0.0.0.0/0".parse().unwrap()]);
        assert!(networks.contains("255.255.255.255".parse().unwrap()));
        assert!(!networks.contains("2001:db8::1".parse().unwrap()));
    }
}
