//! Records of many sorts, and questions about them.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;
use weir_flow::{Exported, Extra, FlowRecord, Kind, Source, Tag, Timestamp};
use weir_store::Query;

use crate::support::{Office, Random};

const DOMAINS: [&str; 5] = ["example.com", "www.example.com", "cdn.example.com", "example.org", "test"];
const EXPORTERS: [IpAddr; 2] = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
const TEXTS: [&str; 4] = ["GET /index.html", "Mozilla/5.0", "ÄÖÜ straße", "C8bxyz"];

/// Makes records.
pub(crate) struct Maker {
    pub(crate) random: Random,
    pub(crate) office: Office,
}

impl Maker {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random(seed), office: Office::new(seed) }
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.random.below(limit)
    }

    /// A flow of the office, often with something else in it.
    pub(crate) fn record(&mut self, now: Timestamp) -> FlowRecord {
        let mut record = self.office.record(now);
        match self.below(12) {
            0 | 1 => record.domain = Some(DOMAINS[self.below(5) as usize].into()),
            2 => {
                let low = self.below(300) as u16;
                record.src_ip = Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, low]));
            }
            3 => {
                let sampling = [None, Some(0), Some(100)][self.below(3) as usize];
                let exporter = Some(EXPORTERS[self.below(2) as usize]);
                record.exported = Some(Exported { exporter, sampling, ..Exported::default() });
                record.source = Source::ALL[self.below(Source::ALL.len() as u64) as usize];
            }
            4 => {
                let kinds = [Kind::Dns, Kind::Tls, Kind::Other("conn".into())];
                record.kind = kinds[self.below(3) as usize].clone();
            }
            5 | 6 => record.extra = Some(Box::new(self.extra())),
            7 => record.tags.insert(Tag::RiskyPort),
            8 => {
                (record.src_ip, record.dst_ip, record.src_port, record.dst_port) = (None, None, None, None);
                (record.dst_place, record.risk, record.direction) = (None, None, None);
            }
            9 => record.observer = Some(["eth1", "Eth1", ""][self.below(3) as usize].into()),
            _ => {}
        }
        record
    }

    fn extra(&mut self) -> Extra {
        let text = TEXTS[self.below(4) as usize];
        let inner = Value::from(vec![Value::from(text), Value::from(self.below(1_000)), Value::Null]);
        let name = ["uid", "history", "user_agent"][self.below(3) as usize];
        Extra::from_iter([(name, inner), ("number", Value::from(self.below(50)))])
    }

    /// A question, as a person gives it, to which some of `rows` may be the answer.
    pub(crate) fn query(&mut self, rows: &[(i64, FlowRecord)]) -> Query {
        let mut query = Query::default();
        for _ in 0..[0, 1, 1, 1, 2, 2, 3][self.below(7) as usize] {
            let sample = (!rows.is_empty()).then(|| &rows[self.below(rows.len() as u64) as usize].1);
            let sample = sample.cloned().unwrap_or_default();
            self.condition(&mut query, &sample);
        }
        query
    }

    fn condition(&mut self, query: &mut Query, sample: &FlowRecord) {
        let end = [sample.src_ip, sample.dst_ip][self.below(2) as usize];
        let end = end.unwrap_or_else(|| IpAddr::from([203, 0, 113, 1]));
        let bits = if end.is_ipv4() {
            [32, 24, 16, 8, 27][self.below(5) as usize]
        } else {
            [128, 64, 48, 122, 32][self.below(5) as usize]
        };
        let network = format!("{end}/{bits}");
        let port = |port: Option<u16>| port.unwrap_or(1).to_string();
        let place = sample.dst_place.as_ref();
        let country = place.and_then(|place| place.geo.as_ref()?.country.clone());
        let asn = place.and_then(|place| Some(place.asn.as_ref()?.asn)).unwrap_or(1);
        let matched = sample.verdict.iter().flat_map(|verdict| &verdict.matches).next();
        let (name, value) = match self.below(22) {
            0 | 1 => ("ip", network),
            2 => ("src_ip", network),
            3 => ("dst_ip", network),
            4 => ("port", format!("{},{}", port(sample.src_port), port(sample.dst_port))),
            5 => ("src_port", port(sample.src_port)),
            6 => ("dst_port", port(sample.dst_port)),
            7 => ("proto", sample.proto.unwrap_or(1).to_string()),
            8 => ("country", country.as_deref().unwrap_or("SE").to_owned()),
            9 => ("asn", format!("{asn},{}", asn + 1)),
            10 => ("domain", sample.domain.as_deref().unwrap_or("com").to_owned()),
            11 => ("service", sample.service.as_deref().unwrap_or("ssh").to_owned()),
            12 => ("min_risk", [10, 11, 70][self.below(3) as usize].to_string()),
            13 => ("threat", (self.below(2) == 0).to_string()),
            14 => ("indicator", matched.map_or("none".into(), |found| found.indicator.to_string())),
            15 => ("category", "botnet".into()),
            16 => ("kind", ["flow", "dns", "conn"][self.below(3) as usize].into()),
            17 => ("exporter", EXPORTERS[self.below(2) as usize].to_string()),
            18 => ("observer", ["eth0", "eth1"][self.below(2) as usize].into()),
            19 => ("tag", ["ti", "risky_port"][self.below(2) as usize].into()),
            20 => ("text", ["index", "straße", "uid", "mozilla", "4"][self.below(5) as usize].into()),
            _ => {
                query.from = Some(sample.start);
                query.to = (self.below(2) == 0).then(|| sample.start.plus_micros(3_600_000_000));
                return;
            }
        };
        query.set(name, &value).unwrap();
    }
}
