//! The interfaces of this host: what there is to capture on, and which addresses are local.
//!
//! From `getifaddrs` (through pnet), /sys/class/net and /proc/net; read on start and when asked, never per packet.

use std::fs;
use std::net::IpAddr;

use pnet::datalink::{self, NetworkInterface};

use super::error::Error;
use super::socket::Socket;

/// How the frames of an interface begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// Ethernet header; also the loopback interface.
    Ethernet,
    /// No link header: IPv4 or IPv6 by the version in the first octet (tunnels, PPP, cellular modems).
    RawIp,
}

/// A network prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// First address, the host bits zero.
    pub network: IpAddr,
    /// Length in bits, to 32 or 128.
    pub length: u8,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name, `eth0`.
    pub name: String,
    /// The kernel's number of it.
    pub index: u32,
    /// Hardware address, where there is one.
    pub mac: Option<[u8; 6]>,
    /// Its addresses, each with the prefix length of its network.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Switched on (`IFF_UP`); there may be no carrier.
    pub up: bool,
    /// The loopback interface.
    pub loopback: bool,
}

/// All interfaces of the network namespace.
#[must_use]
pub fn all() -> Vec<Interface> {
    datalink::interfaces().iter().map(Interface::from).collect()
}

/// The interface called `name`.
///
/// # Errors
/// [`Error::Unknown`], with the names there are.
pub fn find(name: &str) -> Result<Interface, Error> {
    let all = all();
    if let Some(found) = all.iter().find(|one| one.name == name) {
        return Ok(found.clone());
    }
    let known: Vec<_> = all.into_iter().map(|one| one.name).collect();
    Err(Error::Unknown { interface: name.to_owned(), known: known.join(", ") })
}

/// Whether this process may capture on `interface`.
///
/// # Errors
/// [`Error::NoRight`] when it may not, [`Error::Gone`] and [`Error::System`] when that cannot be told.
pub fn may_capture(interface: &str) -> Result<(), Error> {
    Socket::open(interface).map(drop)
}

/// The interface of the default route with the lowest metric, of IPv4 before IPv6.
#[must_use]
pub fn default_route() -> Option<String> {
    let v4 = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let v6 = || fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    default_v4(&v4).or_else(|| default_v6(&v6()))
}

/// The networks that the interfaces, except loopback, are in; each once.
#[must_use]
pub fn local_prefixes() -> Vec<Prefix> {
    let interfaces = all();
    let addresses = interfaces.iter().filter(|one| !one.loopback).flat_map(|one| &one.addresses);
    let mut prefixes: Vec<_> =
        addresses.map(|&(address, length)| Prefix::containing(address, length)).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

/// How the frames of `interface` begin.
///
/// # Errors
/// [`Error::LinkType`] when Weir does not read such frames, [`Error::Gone`] when there is no such interface.
pub fn link_type(interface: &str) -> Result<LinkType, Error> {
    let text = fs::read_to_string(format!("/sys/class/net/{interface}/type"));
    let arphrd = text.ok().and_then(|text| text.trim().parse().ok());
    let arphrd = arphrd.ok_or_else(|| Error::Gone { interface: interface.to_owned() })?;
    of_hardware(arphrd).ok_or_else(|| Error::LinkType { interface: interface.to_owned(), arphrd })
}

/// By the kernel's hardware type (linux/if_arp.h). PPP frames come without their header (ppp_generic.c).
fn of_hardware(arphrd: u16) -> Option<LinkType> {
    match arphrd {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(LinkType::Ethernet),
        libc::ARPHRD_NONE
        | ARPHRD_RAWIP
        | libc::ARPHRD_PPP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT => Some(LinkType::RawIp),
        _ => None,
    }
}

const ARPHRD_RAWIP: u16 = 519;
/// Flags of a route (linux/route.h): it is usable, it rejects.
const RTF_UP: u32 = 0x0001;
const RTF_REJECT: u32 = 0x0200;

fn is_usable(flags: u32) -> bool {
    flags & (RTF_UP | RTF_REJECT) == RTF_UP
}

/// /proc/net/route: Iface Destination Gateway Flags RefCnt Use Metric Mask …, numbers in hexadecimal but the metric.
fn default_v4(table: &str) -> Option<String> {
    let route = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let [name, "00000000", _, flags, _, _, metric, "00000000", ..] = fields[..] else { return None };
        let usable = u32::from_str_radix(flags, 16).is_ok_and(is_usable);
        usable.then(|| metric.parse::<u32>().ok().map(|metric| (metric, name.to_owned()))).flatten()
    };
    table.lines().filter_map(route).min_by_key(|(metric, _)| *metric).map(|(_, name)| name)
}

/// /proc/net/ipv6_route: destination, its length, source, its length, next hop, metric, two counts, flags, name.
fn default_v6(table: &str) -> Option<String> {
    let route = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let [destination, "00", _, _, _, metric, _, _, flags, name] = fields[..] else { return None };
        let usable = u32::from_str_radix(flags, 16).is_ok_and(is_usable);
        let usable = usable && name != "lo" && destination.bytes().all(|digit| digit == b'0');
        usable.then(|| u32::from_str_radix(metric, 16).ok().map(|metric| (metric, name.to_owned()))).flatten()
    };
    table.lines().filter_map(route).min_by_key(|(metric, _)| *metric).map(|(_, name)| name)
}

impl Prefix {
    /// The network of `address`; a length past the address's is cut to it.
    #[must_use]
    pub fn containing(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let length = length.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Self { network: IpAddr::V4((v4.to_bits() & mask).into()), length }
            }
            IpAddr::V6(v6) => {
                let length = length.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Self { network: IpAddr::V6((v6.to_bits() & mask).into()), length }
            }
        }
    }
}

impl From<&NetworkInterface> for Interface {
    fn from(found: &NetworkInterface) -> Self {
        Self {
            name: found.name.clone(),
            index: found.index,
            mac: found.mac.map(|mac| mac.octets()),
            addresses: found.ips.iter().map(|network| (network.ip(), network.prefix())).collect(),
            up: found.is_up(),
            loopback: found.is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests;
