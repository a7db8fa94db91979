//! Names of hosts.

use std::net::IpAddr;

use weir_flow::Text;

/// `name` as records have it: lower case, without the dot of the root. None for the root and for no name.
pub(super) fn domain(name: &str) -> Option<Text> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return Some(name.to_ascii_lowercase().into());
    }
    Some(name.into())
}

/// The name in a `Host` of HTTP (RFC 9110 §7.2), without its port; none when it is an address.
pub(super) fn of_authority(host: &str) -> Option<&str> {
    let host = host.trim();
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    (name.parse::<IpAddr>().is_err()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{domain, of_authority};

    #[test]
    fn names_are_lower_case_and_end_without_a_dot() {
        for (said, name) in [
            ("WWW.Example.COM.", Some("www.example.com")),
            ("a.example", Some("a.example")),
            (".", None),
            ("", None),
        ] {
            assert_eq!(domain(said).as_deref(), name, "{said}");
        }
    }

    #[test]
    fn a_host_is_named_without_its_port_unless_it_is_an_address() {
        for (host, name) in [
            ("example.com:8080", Some("example.com")),
            ("example.com", Some("example.com")),
            ("192.0.2.1:80", None),
            ("192.0.2.1", None),
            ("[2001:db8::1]:80", None),
            ("2001:db8::1", None),
            ("a:b", Some("a:b")),
        ] {
            assert_eq!(of_authority(host), name, "{host}");
        }
    }
}
