//! Conditions by their names, as the command line and the API give them.

use std::net::IpAddr;
use std::str::FromStr;

use ipnetwork::IpNetwork;
use weir_flow::{Direction, Kind, Source, Tag, proto_number};

use super::query::canonical;
use super::{EventId, Query};

/// Values of one condition: more would make every row's test slow.
const MAX_VALUES: usize = 64;
/// Octets of a value.
const MAX_VALUE_BYTES: usize = 255;

/// Names of the conditions but `from` and `to`, and what a value is.
pub const FILTERS: &[(&str, &str)] = &[
    ("id", "id of an event, 16 hexadecimal digits, a hyphen and its row"),
    ("ip", "address or network in CIDR notation of either end"),
    ("src_ip", "address or network of the originator"),
    ("dst_ip", "address or network of the responder"),
    ("port", "port of either end"),
    ("src_port", "port of the originator"),
    ("dst_port", "port of the responder"),
    ("proto", "IP protocol, name or number"),
    ("country", "country of either end, two letters"),
    ("asn", "autonomous system of either end"),
    ("domain", "name; names below it fit too"),
    ("service", "service"),
    ("min_risk", "least risk score, 0 to 100"),
    ("threat", "true or false: whether an indicator matched"),
    ("indicator", "indicator that matched"),
    ("category", "category of an indicator that matched"),
    ("source", "capture, netflow5, netflow7, netflow9, ipfix, sflow5, zeek or api"),
    ("kind", "flow, dns, tls, http, alert, sighting, detection, aggregate, device, or a Zeek log"),
    ("direction", "in, out, internal or transit"),
    ("exporter", "address of the exporter"),
    ("observer", "interface or log path"),
    ("tag", "ti, risky_port or large_transfer"),
    ("text", "text in a name or value of extra; each one given must be there"),
];

/// A condition that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// No condition has this name.
    #[error("there is no filter {0}")]
    Unknown(String),
    /// The value is not one of the condition's.
    #[error("{name} must be {expected}, not {value:?}")]
    Value {
        /// The condition.
        name: &'static str,
        /// What a value is.
        expected: &'static str,
        /// What was given, cut.
        value: String,
    },
    /// There are more values than a condition may have.
    #[error("{0} has more than {MAX_VALUES} values")]
    TooMany(&'static str),
}

impl Query {
    /// Adds a value, or several with commas between them, to the condition `name` of [`FILTERS`].
    ///
    /// # Errors
    /// Says what is expected.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadFilter> {
        let known = FILTERS.iter().find(|(known, _)| *known == name);
        let &(name, expected) = known.ok_or_else(|| BadFilter::Unknown(name.chars().take(64).collect()))?;
        // A comma is part of a text.
        let values: Vec<&str> =
            if name == "text" { vec![value] } else { value.split(',').map(str::trim).collect() };
        for value in values {
            let bad = || BadFilter::Value { name, expected, value: value.chars().take(64).collect() };
            if value.is_empty() || value.len() > MAX_VALUE_BYTES {
                return Err(bad());
            }
            let length = self.add(name, value).ok_or_else(bad)?;
            if length > MAX_VALUES {
                return Err(BadFilter::TooMany(name));
            }
        }
        Ok(())
    }

    /// How many values the condition has then.
    fn add(&mut self, name: &str, value: &str) -> Option<usize> {
        match name {
            "id" => push(&mut self.id, EventId::parse(value)),
            "ip" => push(&mut self.ip, network(value)),
            "src_ip" => push(&mut self.src_ip, network(value)),
            "dst_ip" => push(&mut self.dst_ip, network(value)),
            "port" => push(&mut self.port, number(value)),
            "src_port" => push(&mut self.src_port, number(value)),
            "dst_port" => push(&mut self.dst_port, number(value)),
            "proto" => {
                push(&mut self.proto, number(value).or_else(|| proto_number(&value.to_ascii_lowercase())))
            }
            "country" => push(&mut self.country, country(value)),
            "asn" => push(&mut self.asn, number(value.trim_start_matches(['A', 'S', 'a', 's']))),
            "domain" => push(&mut self.domain, domain(value)),
            "service" => push(&mut self.service, Some(value.to_lowercase())),
            "min_risk" => {
                self.min_risk = Some(number(value).filter(|&risk: &u8| risk <= 100)?);
                Some(1)
            }
            "threat" => {
                self.threat = Some(value.parse().ok()?);
                Some(1)
            }
            "indicator" => push(&mut self.indicator, Some(value.to_lowercase())),
            "category" => push(&mut self.category, Some(value.to_lowercase())),
            "source" => push(&mut self.source, Source::parse(value)),
            "kind" => push(&mut self.kind, Some(Kind::named(value))),
            "direction" => push(&mut self.direction, Direction::parse(value)),
            "exporter" => push(&mut self.exporter, value.parse::<IpAddr>().ok()),
            "observer" => push(&mut self.observer, Some(value.to_owned())),
            "tag" => push(&mut self.tag, Tag::parse(value)),
            "text" => push(&mut self.text, Some(value.to_lowercase())),
            _ => None,
        }
    }
}

fn push<T>(list: &mut Vec<T>, value: Option<T>) -> Option<usize> {
    list.push(value?);
    Some(list.len())
}

/// Digits alone: `+5` is no port.
fn number<T: FromStr>(value: &str) -> Option<T> {
    value.bytes().all(|octet| octet.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

fn network(value: &str) -> Option<IpNetwork> {
    value.parse().ok().map(canonical)
}

impl EventId {
    /// The id of that text; none when it is no id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ring_id, row) = text.split_once('-')?;
        let is_ring =
            ring_id.len() == RING_ID_DIGITS && ring_id.bytes().all(|digit| digit.is_ascii_hexdigit());
        let row = number(row).filter(|&row: &u64| row > 0)?;
        is_ring.then(|| Self { ring_id: ring_id.to_ascii_lowercase(), row })
    }
}

/// Digits of a ring's id: 8 random octets.
const RING_ID_DIGITS: usize = 16;

fn country(value: &str) -> Option<String> {
    let is_code = value.len() == 2 && value.bytes().all(|octet| octet.is_ascii_alphabetic());
    is_code.then(|| value.to_ascii_uppercase())
}

fn domain(value: &str) -> Option<String> {
    let name = value.trim_start_matches("*.").trim_matches('.').to_lowercase();
    (!name.is_empty()).then_some(name)
}
