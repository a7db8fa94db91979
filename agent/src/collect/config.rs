//! Where exports are received, and from whom.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::Settings;

/// Listeners at most: NetFlow and sFlow on each of eight addresses. Each has a socket with a buffer of its own.
pub const MAX_LISTENERS: usize = 16;
/// Networks in `allow` at most: each datagram is held against all of them.
pub const MAX_ALLOWED: usize = 256;
/// Exporters that can be kept apart at most; a forged source address costs an attacker nothing and us an entry.
const MOST_EXPORTERS: usize = 4_096;
/// Bounds of a receive buffer: room for one datagram of the largest size, and a memory that a gateway can spare.
const LEAST_BUFFER: usize = 128 << 10;
const MOST_BUFFER: usize = 64 << 20;
/// Where exporters send NetFlow and IPFIX by custom (IANA has 4739 for IPFIX alone), and sFlow (IANA: sflow, 6343).
const DEFAULT_LISTEN: [&str; 2] = ["127.0.0.1:2055", "127.0.0.1:6343"];

/// Section `[collect]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Receive exports at all.
    pub enabled: bool,
    /// UDP addresses and ports; each takes every version.
    pub listen: Listeners,
    /// Addresses and networks of the exporters that are listened to; all, when empty.
    pub allow: Allowed,
    /// Whether the source port tells exporters apart.
    pub source_ports: SourcePorts,
    /// Exporters that are kept apart at a time, 1 to 4,096.
    pub max_exporters: MaxExporters,
    /// Octets that the kernel holds for each listener, 128 KiB to 64 MiB.
    pub receive_buffer_bytes: ReceiveBuffer,
}

impl Default for Config {
    fn default() -> Self {
        let listen = DEFAULT_LISTEN.iter().filter_map(|text| text.parse().ok()).map(ListenAddress);
        Self {
            enabled: true,
            listen: Listeners(listen.collect()),
            allow: Allowed::default(),
            source_ports: SourcePorts::Ignore,
            max_exporters: MaxExporters(256),
            receive_buffer_bytes: ReceiveBuffer(4 << 20),
        }
    }
}

impl Config {
    /// What the collecting process has to know of it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            by_port: self.source_ports == SourcePorts::Separate,
            allowed: self.allow.0.iter().map(|network| network.0).collect(),
            max_exporters: self.max_exporters.0,
            corrects_times: true,
        }
    }

    /// What is allowed but seldom meant; a sentence each.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let open = self.listen.addresses().find(|address| !address.ip().is_loopback());
        let open = open.filter(|_| self.enabled && self.allow.0.is_empty())?;
        Some(format!(
            "collect.listen: {open} takes flows from everyone who reaches it, since exports carry no proof of their \
             sender; name the exporters in collect.allow"
        ))
    }
}

/// Where to listen: at most [`MAX_LISTENERS`] different addresses, none inside another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<ListenAddress>")]
pub struct Listeners(Vec<ListenAddress>);

impl Listeners {
    /// The addresses, in the order of the configuration.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.0.iter().map(|address| address.0)
    }
}

impl TryFrom<Vec<ListenAddress>> for Listeners {
    type Error = String;

    fn try_from(addresses: Vec<ListenAddress>) -> Result<Self, String> {
        if addresses.len() > MAX_LISTENERS {
            return Err(format!("{} listeners are too many; name at most {MAX_LISTENERS}", addresses.len()));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = addresses.iter().find(|address| !seen.insert(address.0)) {
            return Err(format!("{twice} is named twice"));
        }
        let covers = |all: &SocketAddr, one: &SocketAddr| {
            all != one
                && all.ip().is_unspecified()
                && all.is_ipv4() == one.is_ipv4()
                && all.port() == one.port()
        };
        for all in &addresses {
            if let Some(one) = addresses.iter().find(|one| covers(&all.0, &one.0)) {
                return Err(format!("{all} takes already what is sent to {one}; name one of them"));
            }
        }
        Ok(Self(addresses))
    }
}

/// A UDP address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress(SocketAddr);

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Ok(address) = text.parse::<SocketAddr>() else {
            return Err(format!(
                "`{text}` is no address with a port; write it like 192.0.2.1:2055 or [2001:db8::1]:2055, or 0.0.0.0:2055 \
                 for all IPv4 addresses of this host"
            ));
        };
        if address.port() == 0 {
            return Err(format!(
                "{address} has no port to tell exporters; NetFlow and IPFIX use 2055, sFlow 6343"
            ));
        }
        if address.ip().is_multicast() {
            return Err(format!("{address} is a multicast group, and Weir joins none; export to an address"));
        }
        if let IpAddr::V6(v6) = address.ip()
            && let Some(v4) = v6.to_ipv4_mapped()
        {
            return Err(format!("{address} is an IPv4 address; write {v4}:{}", address.port()));
        }
        Ok(Self(address))
    }
}

/// Networks whose hosts are listened to, at most [`MAX_ALLOWED`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<Network>")]
pub struct Allowed(Vec<Network>);

impl TryFrom<Vec<Network>> for Allowed {
    type Error = String;

    fn try_from(networks: Vec<Network>) -> Result<Self, String> {
        match networks.len() {
            0..=MAX_ALLOWED => Ok(Self(networks)),
            count => {
                Err(format!("{count} networks are too many; name at most {MAX_ALLOWED}, and larger ones"))
            }
        }
    }
}

/// An address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNetwork);

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let network = text.parse().map(Self);
        network
            .map_err(|_| format!("`{text}` is no network; write it like 192.0.2.7, 10.0.0.0/8 or fd00::/8"))
    }
}

/// What the source port of a datagram says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourcePorts {
    /// Nothing: one exporter may send templates and data from different ports.
    #[default]
    Ignore,
    /// Another exporter: several share an address behind a NAT.
    Separate,
}

/// Exporters that are kept apart at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct MaxExporters(usize);

/// Octets that the kernel holds for a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct ReceiveBuffer(usize);

impl ReceiveBuffer {
    /// The number of octets.
    #[must_use]
    pub const fn octets(self) -> usize {
        self.0
    }
}

fn within(value: u64, low: usize, high: usize, what: &str) -> Result<usize, String> {
    match usize::try_from(value) {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(format!("{value} is not {what}; choose {low} to {high}")),
    }
}

impl TryFrom<u64> for MaxExporters {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        within(value, 1, MOST_EXPORTERS, "a number of exporters").map(Self)
    }
}

impl TryFrom<u64> for ReceiveBuffer {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        within(value, LEAST_BUFFER, MOST_BUFFER, "a size of a receive buffer").map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, DEFAULT_LISTEN, MAX_ALLOWED, MAX_LISTENERS};
    use crate::settings;

    fn read(text: &str) -> Result<Config, Vec<String>> {
        let told = |problems: Vec<settings::Problem>| problems.iter().map(ToString::to_string).collect();
        settings::load(text, "f", &[], &[]).map(|loaded| loaded.value).map_err(told)
    }

    fn refused(text: &str) -> String {
        read(text).unwrap_err().join("\n")
    }

    #[test]
    fn by_default_both_usual_ports_listen_on_loopback() {
        let config = Config::default();
        assert_eq!(config.listen.addresses().len(), DEFAULT_LISTEN.len(), "a default does not parse");
        assert!(config.listen.addresses().all(|address| address.ip().is_loopback()));
        assert_eq!(config.settings().max_exporters, 256);
        assert!(!config.settings().by_port && config.settings().allowed.is_empty());
        assert_eq!(config.advice(), None);
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = "listen = [\n\"2055\",\n\"127.0.0.1:0\",\n\"239.1.1.1:6343\",\n\"[::ffff:10.0.0.1]:2055\",\n]\n\
                    allow = [\"10.0.0.0/33\"]\nsource_ports = \"both\"\nmax_exporters = 0\nreceive_buffer_bytes = 1\n";
        let told = read(text).unwrap_err();
        for (start, part) in [
            ("f:2: listen: ", "no address with a port"),
            ("f:3: listen: ", "has no port"),
            ("f:4: listen: ", "multicast"),
            ("f:5: listen: ", "write 10.0.0.1:2055"),
            ("f:7: allow: ", "`10.0.0.0/33` is no network"),
            ("f:8: source_ports: ", "`ignore` or `separate`"),
            ("f:9: max_exporters: ", "1 to 4096"),
            ("f:10: receive_buffer_bytes: ", "131072 to 67108864"),
        ] {
            assert!(
                told.iter().any(|line| line.starts_with(start) && line.contains(part)),
                "{start} {told:#?}"
            );
        }
        assert_eq!(told.len(), 8, "{told:#?}");
    }

    #[test]
    fn a_listener_is_named_once_and_by_one_name() {
        assert!(refused("listen = [\"[::1]:1\", \"[::1]:1\"]").contains("[::1]:1 is named twice"));
        let inside = refused("listen = [\"127.0.0.1:1\", \"0.0.0.0:1\"]");
        assert!(inside.contains("0.0.0.0:1 takes already what is sent to 127.0.0.1:1"), "{inside}");
        let apart = "listen = [\"127.0.0.1:1\", \"0.0.0.0:2\", \"[::]:1\", \"[::]:2\"]";
        assert_eq!(read(apart).unwrap().listen.addresses().len(), 4);
        assert_eq!(read("listen = []").unwrap().listen.addresses().len(), 0);
    }

    #[test]
    fn lists_have_an_end() {
        let ports = |count| (1..=count).map(|port| format!("\"127.0.0.1:{port}\",")).collect::<String>();
        assert!(read(&format!("listen = [{}]", ports(MAX_LISTENERS))).is_ok());
        assert!(refused(&format!("listen = [{}]", ports(MAX_LISTENERS + 1))).contains("at most 16"));
        let networks = |count| "\"10.0.0.1\",".repeat(count);
        assert!(read(&format!("allow = [{}]", networks(MAX_ALLOWED))).is_ok());
        assert!(refused(&format!("allow = [{}]", networks(MAX_ALLOWED + 1))).contains("at most 256"));
    }

    #[test]
    fn a_listener_that_is_open_to_all_is_advised_against() {
        let open = "listen = [\"127.0.0.1:1\", \"192.0.2.1:2055\"]\n";
        let advice = read(open).unwrap().advice().unwrap();
        assert!(advice.contains("192.0.2.1:2055") && advice.contains("collect.allow"), "{advice}");
        assert_eq!(read(&format!("{open}allow = [\"192.0.2.0/24\"]")).unwrap().advice(), None);
        assert_eq!(read(&format!("{open}enabled = false")).unwrap().advice(), None);
    }
}
