//! One indicator as text: an address, a network or a name.

use std::net::{IpAddr, SocketAddr};

use crate::error::BadLine;

/// Longest name, in its text form without the last dot (RFC 1035 §2.3.4).
pub(crate) const MAX_NAME_BYTES: usize = 253;
/// Longest label (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;
/// IPv6 prefixes up to this length hold all of 2000::/3, the global unicast space (RFC 4291 §2.4).
const WHOLE_IPV6: u8 = 3;
/// Shorter prefixes are legal, and nearly always a mistake.
const WIDE_V4: u8 = 8;
const WIDE_V6: u8 = 16;

/// What a list says is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Indicator {
    /// A network, host bits cleared; one address has the full prefix length.
    V4(u32, u8),
    /// The same for IPv6.
    V6(u128, u8),
    /// A name in lower case without its last dot, and all names below it.
    Name(String),
}

impl Indicator {
    /// Reads an address, a CIDR (host bits allowed), `domain:NAME` or a name of two labels or more.
    pub(crate) fn parse(text: &str) -> Result<Self, BadLine> {
        let text = text.trim();
        if let Some(name) = strip_domain(text) {
            return name_of(name.trim()).map(Self::Name).map_err(|reason| refine(name, reason));
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        match (address.parse(), prefix) {
            (Ok(ip), None) => Ok(Self::host(ip)),
            (Ok(ip), Some(prefix)) if prefix.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
                Self::network(ip, prefix)
            }
            (Ok(_), Some(_)) => Err(refine(text, BadLine::Neither)),
            (Err(_), _) => match name_of(text) {
                Ok(name) if name.contains('.') => Ok(Self::Name(name)),
                Ok(_) => Err(BadLine::SingleLabel),
                Err(reason) => Err(refine(text, reason)),
            },
        }
    }

    fn host(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(u32::from(ip), 32),
            IpAddr::V6(ip) => Self::V6(u128::from(ip), 128),
        }
    }

    fn network(ip: IpAddr, prefix: &str) -> Result<Self, BadLine> {
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let len: u8 = prefix.parse().ok().filter(|&len| len <= longest).ok_or(BadLine::Prefix)?;
        match (ip, ip.to_canonical()) {
            (_, IpAddr::V4(_)) if len == 0 => Err(BadLine::TooWide),
            (_, IpAddr::V6(_)) if len <= WHOLE_IPV6 => Err(BadLine::TooWide),
            (IpAddr::V4(ip), _) => Ok(Self::V4(u32::from(ip) & mask_v4(len), len)),
            // ::ffff:a.b.c.d/n is the IPv4 network a.b.c.d/(n - 96).
            (IpAddr::V6(_), IpAddr::V4(ip)) if len > 96 => {
                Ok(Self::V4(u32::from(ip) & mask_v4(len - 96), len - 96))
            }
            (IpAddr::V6(_), IpAddr::V4(_)) => Err(BadLine::TooWide),
            (IpAddr::V6(ip), _) => Ok(Self::V6(u128::from(ip) & mask_v6(len), len)),
        }
    }

    /// True for what covers so much that it is likely a mistake.
    pub(crate) fn is_wide(&self) -> bool {
        match self {
            Self::V4(_, len) => *len < WIDE_V4,
            Self::V6(_, len) => *len < WIDE_V6,
            Self::Name(name) => !name.contains('.'),
        }
    }
}

/// The first `len` bits set.
pub(crate) const fn mask_v4(len: u8) -> u32 {
    if len == 0 { 0 } else { u32::MAX << (32 - len) }
}

/// The first `len` bits set.
pub(crate) const fn mask_v6(len: u8) -> u128 {
    if len == 0 { 0 } else { u128::MAX << (128 - len) }
}

fn strip_domain(text: &str) -> Option<&str> {
    const PREFIX: &str = "domain:";
    let head = text.get(..PREFIX.len())?;
    head.eq_ignore_ascii_case(PREFIX).then(|| &text[PREFIX.len()..])
}

/// A name in lower case without its last dot. Underscores occur in real names; labels of digits alone do not end one.
fn name_of(text: &str) -> Result<String, BadLine> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_name = !name.split('.').any(str::is_empty)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !last.bytes().all(|b| b.is_ascii_digit());
    if !is_name {
        return Err(BadLine::Neither);
    }
    if name.len() > MAX_NAME_BYTES || name.split('.').any(|label| label.len() > MAX_LABEL_BYTES) {
        return Err(BadLine::NameTooLong);
    }
    Ok(name.to_ascii_lowercase())
}

/// A closer reason for what is no indicator, so that the notice can say what to do.
fn refine(text: &str, reason: BadLine) -> BadLine {
    if reason != BadLine::Neither {
        return reason;
    }
    let defanged = ["[.]", "(.)", "{.}", "[dot]", "[:]", "[:"].iter().any(|mark| text.contains(mark));
    let hxxp = text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("hxxp"));
    if (defanged && text.parse::<SocketAddr>().is_err()) || hxxp {
        BadLine::Defanged
    } else if text.contains("://") {
        BadLine::Url
    } else if text.contains(|c: char| c == ',' || c.is_whitespace()) {
        BadLine::Fields
    } else if text.contains('/') {
        BadLine::Url
    } else if has_port(text) {
        BadLine::Port
    } else if !text.is_ascii() {
        BadLine::NotAscii
    } else {
        BadLine::Neither
    }
}

fn has_port(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            port.parse::<u16>().is_ok() && (host.parse::<IpAddr>().is_ok() || name_of(host).is_ok())
        })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::Indicator;
    use crate::error::BadLine;

    fn v4(text: &str, len: u8) -> Indicator {
        Indicator::V4(text.parse::<Ipv4Addr>().unwrap().into(), len)
    }

    fn v6(text: &str, len: u8) -> Indicator {
        Indicator::V6(text.parse::<Ipv6Addr>().unwrap().into(), len)
    }

    #[test]
    fn addresses_and_networks_lose_host_bits_and_the_mapped_form() {
        let cases = [
            ("45.149.3.7", v4("45.149.3.7", 32)),
            ("45.149.3.7/24", v4("45.149.3.0", 24)),
            ("::ffff:45.149.3.7", v4("45.149.3.7", 32)),
            ("::ffff:45.149.3.7/120", v4("45.149.3.0", 24)),
            ("2001:DB8::1", v6("2001:db8::1", 128)),
            ("2001:db8::1/32", v6("2001:db8::", 32)),
            (" 1.2.3.4/32 ", v4("1.2.3.4", 32)),
        ];
        for (text, indicator) in cases {
            assert_eq!(Indicator::parse(text), Ok(indicator), "{text}");
        }
    }

    #[test]
    fn names_are_lower_cased_and_lose_their_last_dot() {
        for text in ["domain:Evil.Example.COM.", "DOMAIN: evil.example.com", "evil.example.com"] {
            assert_eq!(Indicator::parse(text), Ok(Indicator::Name("evil.example.com".into())), "{text}");
        }
        assert_eq!(Indicator::parse("domain:_x.xn--p1ai"), Ok(Indicator::Name("_x.xn--p1ai".into())));
        assert_eq!(Indicator::parse("domain:zip"), Ok(Indicator::Name("zip".into())));
    }

    #[test]
    fn what_is_no_indicator_is_refused_with_its_reason() {
        let long = format!("{}.com", "a".repeat(64));
        let longer = format!("domain:{}com", "abcdefg.".repeat(40));
        let cases = [
            ("hello world", BadLine::Fields),
            ("1.2.3.4,5,6", BadLine::Fields),
            ("1.2.3", BadLine::Neither),
            ("1.2.3.400", BadLine::Neither),
            ("010.1.1.1", BadLine::Neither),
            ("domain:1.2.3.4", BadLine::Neither),
            ("domain:", BadLine::Neither),
            ("domain:a..b", BadLine::Neither),
            ("*.evil.com", BadLine::Neither),
            ("com", BadLine::SingleLabel),
            ("1.2.3.4/33", BadLine::Prefix),
            ("1.2.3.4/255.255.255.0", BadLine::Prefix),
            ("1.2.3.4/+8", BadLine::Url),
            ("1.2.3.4/gate.php", BadLine::Url),
            ("1.2.3.0/24,1,100", BadLine::Fields),
            ("1.2.3.4/", BadLine::Prefix),
            ("::1/129", BadLine::Prefix),
            ("0.0.0.0/0", BadLine::TooWide),
            ("1.2.3.4/0", BadLine::TooWide),
            ("::/0", BadLine::TooWide),
            ("2000::/3", BadLine::TooWide),
            ("::ffff:0.0.0.0/96", BadLine::TooWide),
            ("1.2.3.4:443", BadLine::Port),
            ("[2001:db8::1]:443", BadLine::Port),
            ("[::1]:443", BadLine::Port),
            ("evil.com:8080", BadLine::Port),
            ("192.0.2[.]1", BadLine::Defanged),
            ("domain:bad[.]example[.]org", BadLine::Defanged),
            ("hXXp://bad.example.org/p", BadLine::Defanged),
            ("http://195.2.92.151", BadLine::Url),
            ("evil.com/a/b", BadLine::Url),
            ("bücher.example", BadLine::NotAscii),
            (long.as_str(), BadLine::NameTooLong),
            (longer.as_str(), BadLine::NameTooLong),
        ];
        for (text, reason) in cases {
            assert_eq!(Indicator::parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn wide_networks_and_whole_top_level_domains_are_recognised() {
        for (text, wide) in [
            ("64.0.0.0/7", true),
            ("64.0.0.0/8", false),
            ("2400::/15", true),
            ("2400::/16", false),
            ("domain:zip", true),
            ("a.zip", false),
        ] {
            assert_eq!(Indicator::parse(text).unwrap().is_wide(), wide, "{text}");
        }
    }
}
