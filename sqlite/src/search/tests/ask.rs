//! Random searches: conditions whose values records have, and a few that none has.

use ipnetwork::IpNetwork;
use proptest::prelude::*;
use serde_json::Value;
use weir_flow::{Direction, FlowRecord, Kind, Source, Tag};

use super::stored::Row;
use crate::{EventId, Query};

/// Conditions: which one, of which record its value is, and how that is changed.
#[derive(Clone, Debug)]
pub(super) struct Asked(Vec<(u8, prop::sample::Index, u8)>);

pub(super) fn asked() -> impl Strategy<Value = Asked> {
    prop::collection::vec((0..30_u8, any::<prop::sample::Index>(), any::<u8>()), 0..4).prop_map(Asked)
}

impl Asked {
    pub(super) fn query(&self, records: &[FlowRecord], ring_id: &str, rows: &[Row]) -> Query {
        let mut query = Query::default();
        for (which, of, twist) in &self.0 {
            let record = of.get(records);
            match which {
                0..=9 => ends(&mut query, *which, record, *twist),
                10..=17 => named(&mut query, *which, record, *twist),
                18..=25 => origin(&mut query, *which, record, *twist),
                _ => stored(&mut query, *which, ring_id, &rows[of.index(rows.len())], *twist),
            }
        }
        query
    }
}

fn network(address: Option<std::net::IpAddr>, twist: u8) -> Option<IpNetwork> {
    let longest = if address?.is_ipv4() { 32 } else { 128 };
    IpNetwork::new(address?, if twist < 100 { longest } else { twist % (longest + 1) }).ok()
}

fn ends(query: &mut Query, which: u8, record: &FlowRecord, twist: u8) {
    match which {
        0 => query
            .ip
            .extend(network(if twist.is_multiple_of(2) { record.src_ip } else { record.dst_ip }, twist)),
        1 => query.src_ip.extend(network(record.src_ip, twist)),
        2 => query.dst_ip.extend(network(record.dst_ip, twist)),
        3 => query.port.extend(if twist.is_multiple_of(2) { record.src_port } else { record.dst_port }),
        4 => query.src_port.extend(record.src_port),
        5 => query.dst_port.extend(record.dst_port),
        6 => query.proto.extend(record.proto),
        7 => query.proto.push(twist),
        8 => query.from = Some(record.start.plus_micros(i64::from(twist % 3) - 1)),
        _ => query.to = Some(record.start.plus_micros(i64::from(twist % 3) - 1)),
    }
}

/// The text in another case, without its begin, or as it is.
fn twisted(text: &str, twist: u8) -> String {
    match twist % 4 {
        0 => text.to_ascii_uppercase(),
        1 => text.split_once('.').map_or(text, |(_, rest)| rest).to_owned(),
        2 => text.trim_end_matches('.').to_owned(),
        _ => text.to_owned(),
    }
}

fn named(query: &mut Query, which: u8, record: &FlowRecord, twist: u8) {
    let place = if twist.is_multiple_of(2) { record.src_place.as_ref() } else { record.dst_place.as_ref() };
    let found = record.verdict.as_ref().and_then(|verdict| verdict.matches.last());
    match which {
        10 => query.domain.extend(record.domain.as_ref().map(|name| twisted(name, twist))),
        11 => query.service.extend(record.service.as_ref().map(|name| twisted(name, twist))),
        12 => {
            let geo = place.and_then(|place| place.geo.as_ref());
            query.country.extend(geo.and_then(|geo| geo.country.as_deref().map(str::to_owned)));
        }
        13 => query.asn.extend(place.and_then(|place| place.asn.as_ref()).map(|asn| asn.asn)),
        14 => query.min_risk = Some(twist % 110),
        15 => query.threat = Some(twist.is_multiple_of(2)),
        16 => query.indicator.extend(found.map(|found| twisted(&found.indicator, twist))),
        _ => query.category.extend(found.map(|found| twisted(&found.category, twist))),
    }
}

fn origin(query: &mut Query, which: u8, record: &FlowRecord, twist: u8) {
    match which {
        18 => query.source.push(record.source),
        19 => query.source.push(Source::ALL[usize::from(twist) % Source::ALL.len()]),
        20 => query.kind.push(record.kind.clone()),
        21 => query.kind.push(Kind::named(if twist.is_multiple_of(2) { "flow" } else { "notice" })),
        22 => query.direction.push(Direction::ALL[usize::from(twist % 4)]),
        23 => query.exporter.extend(record.exported.and_then(|exported| exported.exporter)),
        24 => query.observer.extend(record.observer.as_ref().map(ToString::to_string)),
        _ => query.tag.push(Tag::ALL[usize::from(twist % 3)]),
    }
}

fn stored(query: &mut Query, which: u8, ring_id: &str, of: &Row, twist: u8) {
    let row = of.row;
    match which {
        26 => query.rows = Some(row..=row + u64::from(twist)),
        27 => {
            let ring_id = if twist < 20 { "0000000000000000" } else { ring_id };
            query.id.push(EventId { ring_id: ring_id.into(), row: row + u64::from(twist % 2) });
        }
        _ => {
            let extra = of.record.extra.as_ref();
            let entry = extra.and_then(|extra| extra.iter().last());
            let text = entry.map(|(name, value)| match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => name.to_owned(),
            });
            query.text.extend(text.map(|text| text.to_lowercase().chars().take(3).collect::<String>()));
        }
    }
}
