//! A record as JSON: names and order of the contract, `README.md`, "A record".

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::{Asn, Direction, Exported, FlowRecord, Geo, Match, Place, Tags, Timestamp, Verdict, proto_name};

impl Serialize for FlowRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        observed(self, &mut map)?;
        counted(self, &mut map)?;
        enriched(self, &mut map)?;
        self.extra(&mut map)?;
        map.end()
    }
}

/// An entry, unless its value is unknown.
fn some<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    value: Option<T>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, &value),
        None => Ok(()),
    }
}

fn observed<M: SerializeMap>(r: &FlowRecord, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("ts", &r.start)?;
    map.serialize_entry("ts_ms", &r.start.millis())?;
    map.serialize_entry("end_ms", &r.end.millis())?;
    map.serialize_entry("duration", &seconds(r.start, r.end))?;
    map.serialize_entry("source", &r.source)?;
    map.serialize_entry("kind", &r.kind)?;
    some(map, "observer", r.observer.as_deref())?;
    let origin = r.origin.as_deref();
    some(map, "collector_id", origin.and_then(|o| o.collector_id.as_deref()))?;
    some(map, "trace_id", origin.and_then(|o| o.trace_id.as_deref()))?;
    let exported = r.exported.as_ref();
    some(map, "exporter", exported.and_then(|e| e.exporter))?;
    some(map, "observation_domain", exported.and_then(|e| e.observation_domain))?;
    some(map, "src_ip", r.src_ip)?;
    some(map, "src_port", r.src_port)?;
    some(map, "dst_ip", r.dst_ip)?;
    some(map, "dst_port", r.dst_port)?;
    some(map, "proto", r.proto.and_then(proto_name))?;
    some(map, "proto_num", r.proto)
}

/// Length of a flow in seconds, to the microsecond; 0 where the end lies before the start.
pub(crate) fn seconds(start: Timestamp, end: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "2^52 microseconds are 142 years")]
    let micros = end.micros_since(start).max(0) as f64;
    micros / 1e6
}

fn counted<M: SerializeMap>(r: &FlowRecord, map: &mut M) -> Result<(), M::Error> {
    let octets = |count: u64| (!r.uncounted.octets).then_some(count);
    let packets = |count: u64| (!r.uncounted.packets).then_some(count);
    some(map, "bytes_out", octets(r.forward.octets))?;
    some(map, "packets_out", packets(r.forward.packets))?;
    some(map, "bytes_in", octets(r.reverse.octets))?;
    some(map, "packets_in", packets(r.reverse.packets))?;
    some(map, "bytes", octets(r.octets()))?;
    some(map, "packets", packets(r.packets()))?;
    some(map, "tcp_flags_out", r.tcp_flags_out)?;
    some(map, "tcp_flags_in", r.tcp_flags_in)?;
    some(map, "end_reason", r.end_reason)?;
    some(map, "vlan", r.vlan.map(|vlan| vlan.inner))?;
    some(map, "icmp_type", r.icmp.map(|icmp| icmp.kind))?;
    some(map, "icmp_code", r.icmp.map(|icmp| icmp.code))?;
    some(map, "dscp", r.dscp)?;
    if let Some(exported) = r.exported.as_ref() {
        route(exported, map)?;
    }
    some(map, "community_id", r.community_id())?;
    some(map, "service", r.service.as_deref())?;
    some(map, "domain", r.domain.as_deref())
}

fn route<M: SerializeMap>(e: &Exported, map: &mut M) -> Result<(), M::Error> {
    some(map, "ingress_if", e.ingress_if)?;
    some(map, "egress_if", e.egress_if)?;
    some(map, "next_hop", e.next_hop)?;
    some(map, "src_as", e.src_as)?;
    some(map, "dst_as", e.dst_as)?;
    some(map, "sampling", e.sampling)
}

fn enriched<M: SerializeMap>(r: &FlowRecord, map: &mut M) -> Result<(), M::Error> {
    let (src, dst) = (r.src_place.as_deref(), r.dst_place.as_deref());
    let remote = if src.is_some() || dst.is_some() { r.remote_place() } else { None };
    some(map, "src_geo", src.and_then(geo))?;
    some(map, "dst_geo", dst.and_then(geo))?;
    some(map, "src_asn", src.and_then(asn))?;
    some(map, "dst_asn", dst.and_then(asn))?;
    some(map, "geo", remote.and_then(geo))?;
    some(map, "asn", remote.and_then(asn))?;
    some(map, "direction", r.direction.as_ref().map(|d: &Direction| d))?;
    some(map, "ti", r.verdict.as_ref().map(Ti))?;
    some(map, "risk_score", r.risk.map(|risk| risk.score()))?;
    some(map, "risk_reasons", r.risk.as_ref().map(crate::risk::Reasons))?;
    some(map, "tags", r.risk.map(|_| TagList(r.tags)))
}

fn geo(place: &Place) -> Option<&Geo> {
    place.geo.as_ref()
}

fn asn(place: &Place) -> Option<&Asn> {
    place.asn.as_ref()
}

impl FlowRecord {
    fn extra<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let outer = self.vlan.and_then(|vlan| vlan.outer);
        if self.extra.is_none() && outer.is_none() {
            return Ok(());
        }
        map.serialize_entry("extra", &Extra { outer, more: self.extra.as_deref() })
    }
}

struct Extra<'a> {
    outer: Option<u16>,
    more: Option<&'a crate::Extra>,
}

impl Serialize for Extra<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        some(&mut map, "vlan_outer", self.outer)?;
        for (key, value) in self.more.into_iter().flat_map(crate::Extra::iter) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

struct Ti<'a>(&'a Verdict);

impl Serialize for Ti<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("matched", &!self.0.matches.is_empty())?;
        map.serialize_entry::<_, Vec<Match>>("matches", &self.0.matches)?;
        map.end()
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Ti(self).serialize(serializer)
    }
}

struct TagList(Tags);

impl Serialize for TagList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for name in self.0.names() {
            seq.serialize_element(name)?;
        }
        seq.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{
        Asn, Counters, Direction, EndReason, FlowRecord, Geo, Kind, Place, Reason, Risk, Timestamp, Verdict,
        Vlan,
    };

    #[test]
    fn what_is_unknown_is_absent() {
        let json = serde_json::to_value(FlowRecord::default()).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "bytes",
                "bytes_in",
                "bytes_out",
                "duration",
                "end_ms",
                "kind",
                "packets",
                "packets_in",
                "packets_out",
                "source",
                "ts",
                "ts_ms"
            ]
        );
    }

    #[test]
    fn a_flow_has_the_names_of_the_contract() {
        let mut risk = Risk::default();
        risk.add(Reason::Base, 10);
        let place = Place {
            geo: Some(Geo { country: Some("DE".into()), ..Geo::default() }),
            asn: Some(Asn { asn: 64_500, org: None }),
        };
        let record = FlowRecord {
            start: Timestamp::from_micros(1_500_250),
            end: Timestamp::from_micros(2_000_250),
            src_ip: Some([192, 0, 2, 1].into()),
            dst_ip: Some([10, 0, 0, 1].into()),
            src_port: Some(1234),
            dst_port: Some(443),
            proto: Some(6),
            forward: Counters { octets: 100, packets: 2 },
            reverse: Counters { octets: 50, packets: 1 },
            end_reason: Some(EndReason::Resources),
            vlan: Some(Vlan { inner: 7, outer: Some(100) }),
            src_place: Some(Arc::new(place)),
            direction: Some(Direction::In),
            verdict: Some(Verdict::default()),
            risk: Some(risk),
            kind: Kind::Other("weird".into()),
            ..FlowRecord::default()
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"ts":"1970-01-01T00:00:01.500Z","ts_ms":1500,"end_ms":2000,"duration":0.5,"source":"capture","#,
                r#""kind":"weird","src_ip":"192.0.2.1","src_port":1234,"dst_ip":"10.0.0.1","dst_port":443,"#,
                r#""proto":"tcp","proto_num":6,"bytes_out":100,"packets_out":2,"bytes_in":50,"packets_in":1,"#,
                r#""bytes":150,"packets":3,"end_reason":"resources","vlan":7,"#,
                r#""community_id":"1:OfwwX2wnmsr9hgMrbCV9Hgh2QA0=","src_geo":{"country":"DE"},"#,
                r#""src_asn":{"asn":64500},"geo":{"country":"DE"},"asn":{"asn":64500},"direction":"in","#,
                r#""ti":{"matched":false,"matches":[]},"risk_score":10,"risk_reasons":[{"reason":"base","points":10}],"#,
                r#""tags":[],"extra":{"vlan_outer":100}}"#
            )
        );
    }
}
