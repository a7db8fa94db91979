//! What a search asks for, and whether a record fits.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};

use ipnetwork::IpNetwork;
use serde_json::Value;
use weir_flow::{Asn, Direction, Extra, FlowRecord, Kind, Place, Source, Tag, Timestamp};

/// What a search asks for. Every condition that is given must hold; of several values of one condition, one.
///
/// IPv4 in IPv6 (RFC 4291 §2.5.5.2) is IPv4, in conditions and in records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Numbers of rows. It is about where a record is stored, so that [`Query::matches`] does not look at it.
    pub rows: Option<RangeInclusive<u64>>,
    /// Records, by their event ids; likewise.
    pub id: Vec<EventId>,
    /// The flow started at this time or later.
    pub from: Option<Timestamp>,
    /// The flow started before this time.
    pub to: Option<Timestamp>,
    /// Networks, of which one end is in one.
    pub ip: Vec<IpNetwork>,
    /// Networks of the originator.
    pub src_ip: Vec<IpNetwork>,
    /// Networks of the responder.
    pub dst_ip: Vec<IpNetwork>,
    /// Ports, of which one end has one.
    pub port: Vec<u16>,
    /// Ports of the originator.
    pub src_port: Vec<u16>,
    /// Ports of the responder.
    pub dst_port: Vec<u16>,
    /// IP protocol numbers.
    pub proto: Vec<u8>,
    /// Countries of one end, ISO 3166-1 alpha-2 in upper case.
    pub country: Vec<String>,
    /// Autonomous systems of one end.
    pub asn: Vec<u32>,
    /// Names, in lower case without a last dot: these and all below them.
    pub domain: Vec<String>,
    /// Services, in lower case.
    pub service: Vec<String>,
    /// The least risk score.
    pub min_risk: Option<u8>,
    /// Whether an indicator matched.
    pub threat: Option<bool>,
    /// Indicators that matched, in lower case.
    pub indicator: Vec<String>,
    /// Categories of indicators that matched, in lower case.
    pub category: Vec<String>,
    /// Inputs.
    pub source: Vec<Source>,
    /// Kinds of record.
    pub kind: Vec<Kind>,
    /// Directions.
    pub direction: Vec<Direction>,
    /// Addresses of exporters.
    pub exporter: Vec<IpAddr>,
    /// Interfaces or log paths.
    pub observer: Vec<String>,
    /// Tags.
    pub tag: Vec<Tag>,
    /// Texts, in lower case, each of which is in a name or a value of `extra`.
    pub text: Vec<String>,
}

/// The name of a stored record, `<ring id>-<row>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The ring, 16 hexadecimal digits in lower case.
    pub ring_id: String,
    /// The number of its row, from 1.
    pub row: u64,
}

impl Query {
    /// The same of `rows` alone.
    pub(crate) fn within(&self, rows: &Range<u64>) -> Self {
        let own = self.rows.clone().unwrap_or(0..=u64::MAX);
        // No row has the number 0, so that what begins there and ends before it is empty.
        let last = rows.end.saturating_sub(1).min(*own.end());
        Self { rows: Some(rows.start.max(*own.start())..=last), ..self.clone() }
    }

    /// True when `record` fits.
    #[must_use]
    pub fn matches(&self, record: &FlowRecord) -> bool {
        self.fits_time(record)
            && self.fits_ends(record)
            && self.fits_names(record)
            && self.fits_places(record)
            && self.fits_verdict(record)
            && self.fits_origin(record)
            && self.text.iter().all(|text| is_in_extra(text, record))
    }

    fn fits_time(&self, record: &FlowRecord) -> bool {
        self.from.is_none_or(|from| record.start >= from) && self.to.is_none_or(|to| record.start < to)
    }

    fn fits_ends(&self, record: &FlowRecord) -> bool {
        let within = |networks: &[IpNetwork], address: Option<IpAddr>| {
            address.is_some_and(|address| is_within(networks, address))
        };
        let has = |ports: &[u16], port: Option<u16>| port.is_some_and(|port| ports.contains(&port));
        (self.ip.is_empty() || within(&self.ip, record.src_ip) || within(&self.ip, record.dst_ip))
            && (self.src_ip.is_empty() || within(&self.src_ip, record.src_ip))
            && (self.dst_ip.is_empty() || within(&self.dst_ip, record.dst_ip))
            && (self.port.is_empty() || has(&self.port, record.src_port) || has(&self.port, record.dst_port))
            && (self.src_port.is_empty() || has(&self.src_port, record.src_port))
            && (self.dst_port.is_empty() || has(&self.dst_port, record.dst_port))
            && is_one_of(&self.proto, record.proto.as_ref())
    }

    fn fits_names(&self, record: &FlowRecord) -> bool {
        let fits = |wanted: &[String], own: Option<&str>, test: fn(&[String], &[u8]) -> bool| {
            wanted.is_empty() || own.is_some_and(|own| test(wanted, own.as_bytes()))
        };
        fits(&self.domain, record.domain.as_deref(), is_below_one)
            && fits(&self.service, record.service.as_deref(), is_like_one)
    }

    fn fits_places(&self, record: &FlowRecord) -> bool {
        let places = || [&record.src_place, &record.dst_place].into_iter().flatten();
        (self.country.is_empty()
            || places()
                .any(|place| country(place).is_some_and(|own| self.country.iter().any(|name| name == own))))
            && (self.asn.is_empty()
                || places().any(|place| is_one_of(&self.asn, asn(place).map(|asn| &asn.asn))))
    }

    fn fits_verdict(&self, record: &FlowRecord) -> bool {
        let matches = record.verdict.as_ref().map_or(&[][..], |verdict| &verdict.matches);
        let has = |wanted: &[String], own: &str| is_like_one(wanted, own.as_bytes());
        self.min_risk.is_none_or(|least| record.risk.is_some_and(|risk| risk.score() >= least))
            && self.threat.is_none_or(|threat| record.is_threat() == threat)
            && (self.indicator.is_empty()
                || matches.iter().any(|found| has(&self.indicator, &found.indicator)))
            && (self.category.is_empty() || matches.iter().any(|found| has(&self.category, &found.category)))
    }

    fn fits_origin(&self, record: &FlowRecord) -> bool {
        let exporter = record.exported.as_ref().and_then(|exported| exported.exporter);
        let is_exporter = |own: IpAddr| is_address(&self.exporter, own);
        is_one_of(&self.source, Some(&record.source))
            && is_one_of(&self.kind, Some(&record.kind))
            && is_one_of(&self.direction, record.direction.as_ref())
            && (self.exporter.is_empty() || exporter.is_some_and(is_exporter))
            && (self.observer.is_empty()
                || record.observer.as_deref().is_some_and(|own| self.observer.iter().any(|name| name == own)))
            && (self.tag.is_empty() || self.tag.iter().any(|&tag| record.tags.contains(tag)))
    }
}

fn is_one_of<T: PartialEq>(wanted: &[T], own: Option<&T>) -> bool {
    wanted.is_empty() || own.is_some_and(|own| wanted.contains(own))
}

fn country(place: &Place) -> Option<&str> {
    place.geo.as_ref()?.country.as_deref()
}

fn asn(place: &Place) -> Option<&Asn> {
    place.asn.as_ref()
}

/// IPv4 in IPv6 as IPv4.
pub(crate) fn canonical(network: IpNetwork) -> IpNetwork {
    let mapped = match network {
        IpNetwork::V6(six) => six.ip().to_ipv4_mapped().zip(six.prefix().checked_sub(MAPPED_PREFIX)),
        IpNetwork::V4(_) => None,
    };
    mapped.and_then(|(address, prefix)| IpNetwork::new(address.into(), prefix).ok()).unwrap_or(network)
}

/// Bits before the IPv4 address in an IPv6 address that holds one (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// True when `address` is in one of `networks`.
pub(crate) fn is_within(networks: &[IpNetwork], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|&network| canonical(network).contains(address))
}

/// True when `address` is one of `wanted`.
pub(crate) fn is_address(wanted: &[IpAddr], address: IpAddr) -> bool {
    wanted.iter().any(|wanted| wanted.to_canonical() == address.to_canonical())
}

/// True when `own` is one of `wanted`; the case of ASCII letters does not matter.
pub(crate) fn is_like_one(wanted: &[String], own: &[u8]) -> bool {
    wanted.iter().any(|name| own.eq_ignore_ascii_case(name.as_bytes()))
}

/// True when `domain` is one of `names` or a name below one; case does not matter (RFC 4343).
pub(crate) fn is_below_one(names: &[String], domain: &[u8]) -> bool {
    let domain = domain.strip_suffix(b".").unwrap_or(domain);
    names.iter().any(|name| {
        let Some(at) = domain.len().checked_sub(name.len()) else { return false };
        let is_suffix = domain.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(name.as_bytes()));
        is_suffix && (at == 0 || domain.get(at - 1) == Some(&b'.'))
    })
}

fn is_in_extra(text: &str, record: &FlowRecord) -> bool {
    record.extra.as_deref().is_some_and(|extra| is_within_extra(text, extra))
}

/// True when `text`, in lower case, is in a name or a value of `extra`.
pub(crate) fn is_within_extra(text: &str, extra: &Extra) -> bool {
    extra.iter().any(|(name, value)| contains(name, text) || is_in_value(text, value))
}

fn is_in_value(text: &str, value: &Value) -> bool {
    match value {
        Value::String(own) => contains(own, text),
        Value::Array(list) => list.iter().any(|value| is_in_value(text, value)),
        Value::Object(map) => {
            map.iter().any(|(name, value)| contains(name, text) || is_in_value(text, value))
        }
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => contains(&value.to_string(), text),
    }
}

/// True when `text`, in lower case, is in `own`.
fn contains(own: &str, text: &str) -> bool {
    own.to_lowercase().contains(text)
}
