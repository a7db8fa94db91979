//! Section `[web]` of the configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::Error;

/// Threads that answer requests.
const WORKERS: std::ops::RangeInclusive<u8> = 1..=8;

/// Where the API and the page are served, and to whom.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether they are served at all.
    pub enabled: bool,
    /// Address and port; a loopback address.
    #[serde(deserialize_with = "loopback")]
    pub listen: SocketAddr,
    /// Names, besides those of loopback, that a browser may know this host by. Others are refused, so that a
    /// hostile page cannot reach the API by DNS rebinding.
    #[serde(deserialize_with = "names")]
    pub hosts: Vec<String>,
    /// Threads that answer requests, 1 to 8.
    pub workers: Workers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            hosts: Vec::new(),
            workers: Workers(2),
        }
    }
}

impl Config {
    /// Checks that `listen` may be served without encryption.
    ///
    /// # Errors
    /// [`Error::NotLoopback`] for an address that other hosts can reach.
    pub fn check_listen(listen: SocketAddr) -> Result<(), Error> {
        if listen.ip().to_canonical().is_loopback() { Ok(()) } else { Err(Error::NotLoopback(listen)) }
    }
}

fn loopback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let listen = SocketAddr::deserialize(deserializer)?;
    Config::check_listen(listen).map_err(de::Error::custom)?;
    Ok(listen)
}

/// Names without scheme, port and path: others could never match.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let fits = |name: &String| {
        let plain = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        plain || name.parse::<IpAddr>().is_ok()
    };
    match names.iter().find(|name| !fits(name)) {
        Some(name) => Err(de::Error::custom(format_args!(
            "{name:?} is no host name; give it without scheme and port, for example gateway.branch.example"
        ))),
        None => Ok(names),
    }
}

/// Number of threads that answer requests, 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Workers(u8);

impl Workers {
    /// Checks a number; `None` when it is not 1 to 8.
    #[must_use]
    pub fn new(count: u8) -> Option<Self> {
        WORKERS.contains(&count).then_some(Self(count))
    }

    /// The number.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = i64::deserialize(deserializer)?;
        u8::try_from(count)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| de::Error::custom(format_args!("{count} is not 1 to 8")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Config;

    #[test]
    fn the_default_is_loopback_with_two_workers() {
        let config: Config = serde_json::from_value(json!({})).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.workers.count(), 2);
        assert!(config.enabled);
    }

    #[test]
    fn an_address_that_others_reach_is_refused_with_the_way_out() {
        for listen in ["0.0.0.0:8080", "192.168.1.1:80", "[::]:8080"] {
            let error =
                serde_json::from_value::<Config>(json!({ "listen": listen })).unwrap_err().to_string();
            assert!(error.contains("TLS") && error.contains("127.0.0.1"), "{error}");
        }
        for listen in ["127.0.0.2:80", "[::1]:8080", "[::ffff:127.0.0.1]:1"] {
            serde_json::from_value::<Config>(json!({ "listen": listen })).unwrap();
        }
    }

    #[test]
    fn workers_are_one_to_eight() {
        for count in [0, 9, -1, 300] {
            let error =
                serde_json::from_value::<Config>(json!({ "workers": count })).unwrap_err().to_string();
            assert!(error.contains("1 to 8"), "{error}");
        }
        assert_eq!(serde_json::from_value::<Config>(json!({"workers": 8})).unwrap().workers.count(), 8);
    }

    #[test]
    fn hosts_are_names_or_addresses_only() {
        for name in ["http://gateway", "gateway:8080", "", "a b"] {
            let error = serde_json::from_value::<Config>(json!({ "hosts": [name] })).unwrap_err().to_string();
            assert!(error.contains("without scheme"), "{error}");
        }
        serde_json::from_value::<Config>(json!({"hosts": ["gateway.branch.example", "10.0.0.1", "fd00::1"]}))
            .unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_value::<Config>(json!({"liste": "127.0.0.1:1"})).is_err());
    }
}
