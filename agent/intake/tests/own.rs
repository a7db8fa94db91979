//! Weir's own records, written and read again, and octets that are no records.

use std::net::IpAddr;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value;
use weir_flow::{
    Counters, Direction, EndReason, Exported, Extra, FlowRecord, IcmpKind, Kind, Origin, Place, Reason, Risk,
    Source, Text, Timestamp, Uncounted, Verdict, Vlan,
};
use weir_intake::{Dialect, Reader};

/// The last millisecond of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;

/// Texts that say something, with what JSON escapes.
fn text() -> impl Strategy<Value = Text> {
    prop_oneof!["[a-z0-9._-]{1,20}", "[a-zé\"\\\\\n\u{1}\u{2028}]{1,8}"].prop_map(Text::from)
}

fn exported() -> impl Strategy<Value = Exported> {
    let numbers = (
        of(any::<u32>()),
        of(any::<u32>()),
        of(any::<u32>()),
        of(any::<u32>()),
        of(any::<u32>()),
        any::<u32>(),
    );
    (of(any::<IpAddr>()), of(any::<IpAddr>()), numbers).prop_map(|(exporter, next_hop, numbers)| {
        let (observation_domain, ingress_if, egress_if, src_as, dst_as, sampling) = numbers;
        let canonical = |ip: Option<IpAddr>| ip.map(|ip| ip.to_canonical());
        Exported {
            exporter: canonical(exporter),
            observation_domain,
            ingress_if,
            egress_if,
            next_hop: canonical(next_hop),
            src_as,
            dst_as,
            sampling: Some(sampling),
        }
    })
}

fn extra() -> impl Strategy<Value = Box<Extra>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_i32..1_000).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        text().prop_map(|text| Value::from(&*text)),
        Just(Value::from("")),
        vec(any::<u16>(), 0..3).prop_map(Value::from),
    ];
    let name = text()
        .prop_map(|name| name.to_string())
        .prop_filter("an outer tag has this name", |name| name != "vlan_outer");
    vec((name, value), 1..5).prop_map(|entries| Box::new(Extra::from_iter(entries)))
}

fn origin() -> impl Strategy<Value = Arc<Origin>> {
    (of(text()), text())
        .prop_map(|(collector_id, trace)| Arc::new(Origin { collector_id, trace_id: Some(trace) }))
}

prop_compose! {
    fn ends()(
        (start, lasted) in (0..=LAST_MS - 1_000_000, 0..1_000_000_i64),
        source in proptest::sample::select(&Source::ALL[..]),
        kind in prop_oneof![Just(Kind::Flow), Just(Kind::Dns), Just(Kind::Sighting), Just(Kind::Other("weird".into()))],
        (observer, service, domain) in (of(text()), of(text()), of(text())),
        (src_ip, dst_ip) in (of(any::<IpAddr>()), of(any::<IpAddr>())),
        (src_port, dst_port) in (of(any::<u16>()), of(any::<u16>())),
        (proto, dscp, origin) in (of(any::<u8>()), of(0..64_u8), of(origin())),
        (exported, extra) in (of(exported()), of(extra())),
    ) -> FlowRecord {
        let start = Timestamp::from_millis(start);
        let canonical = |ip: Option<IpAddr>| ip.map(|ip| ip.to_canonical());
        FlowRecord {
            start, end: start.plus_micros(lasted * 1_000), source, kind, observer, service, domain,
            src_ip: canonical(src_ip), dst_ip: canonical(dst_ip), src_port, dst_port, proto, dscp, exported, extra, origin,
            ..FlowRecord::default()
        }
    }
}

prop_compose! {
    fn record()(
        record in ends(),
        counts in any::<[u64; 4]>(),
        (octets, packets) in any::<(bool, bool)>(),
        (tcp_flags_out, tcp_flags_in) in (of(any::<u8>()), of(any::<u8>())),
        end_reason in of(proptest::sample::select(&EndReason::ALL[..])),
        vlan in of((1..4_095_u16, of(1..4_095_u16)).prop_map(|(inner, outer)| Vlan { inner, outer })),
        icmp in of(any::<(u8, u8)>().prop_map(|(kind, code)| IcmpKind { kind, code })),
    ) -> FlowRecord {
        let zero = |count: u64, is_unknown: bool| if is_unknown { 0 } else { count };
        let counters = |a: u64, b: u64| Counters { octets: zero(a, octets), packets: zero(b, packets) };
        FlowRecord {
            forward: counters(counts[0], counts[1]), reverse: counters(counts[2], counts[3]),
            uncounted: Uncounted { octets, packets }, tcp_flags_out, tcp_flags_in, end_reason, vlan, icmp, ..record
        }
    }
}

fn json(record: &FlowRecord) -> String {
    let mut out = Vec::new();
    record.write_json(&mut out).expect("a record is JSON");
    String::from_utf8(out).expect("JSON is UTF-8")
}

proptest! {
    #[test]
    fn a_record_that_weir_wrote_is_read_as_it_was(record in record()) {
        let written = json(&record);
        let mut enriched = record.clone();
        let mut risk = Risk::default();
        risk.add(Reason::Base, 10);
        enriched.risk = Some(risk);
        enriched.verdict = Some(Verdict::default());
        enriched.direction = Some(Direction::Out);
        enriched.dst_place = Some(Arc::new(Place::default()));
        let enriched = json(&enriched);
        for json in [&written, &enriched] {
            let read = Reader::new(Source::Api).read(json.as_bytes(), &Dialect::Own, Timestamp::default()).unwrap();
            prop_assert_eq!(format!("{:?}", &read), format!("{:?}", &record), "{}", json);
        }
    }

    #[test]
    fn no_octets_make_a_reader_panic(octets in vec(any::<u8>(), 0..200)) {
        for dialect in dialects() {
            let _ = Reader::default().read(&octets, &dialect, Timestamp::default());
        }
    }

    /// Members of every kind with values of every kind: what is read can be written, and nothing is out of its range.
    #[test]
    fn what_is_accepted_is_in_its_range(members in vec((name(), value()), 0..12)) {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let text = format!("{{{}}}", members.join(","));
        let mut reader = Reader::new(Source::Api);
        for dialect in dialects() {
            let Ok(record) = reader.read(text.as_bytes(), &dialect, Timestamp::default()) else { continue };
            prop_assert!((0..=LAST_MS).contains(&record.start.millis()), "{text}");
            prop_assert!(dialect == Dialect::Own || record.end >= record.start, "{text}");
            prop_assert!(record.dscp.is_none_or(|dscp| dscp < 64), "{text}");
            prop_assert!(record.vlan.is_none_or(|vlan| (1..4_095).contains(&vlan.inner)), "{text}");
            if dialect == Dialect::Netflow {
                prop_assert!(record.src_ip.is_some() && record.dst_ip.is_some(), "{text}");
            }
            let written = json(&record);
            prop_assert!(serde_json::from_str::<Value>(&written).is_ok(), "{written}");
            let again = Reader::new(Source::Api).read(text.as_bytes(), &dialect, Timestamp::default());
            prop_assert_eq!(again.map(|record| json(&record)), Ok(written), "read twice");
        }
    }
}

fn dialects() -> [Dialect; 4] {
    [Dialect::Any, Dialect::Flow, Dialect::Netflow, Dialect::Own]
}

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(
        &[
            "ts",
            "end",
            "duration",
            "timestamp",
            "first_switched",
            "src_ip",
            "dst_ip",
            "src_port",
            "dst_port",
            "proto",
            "bytes",
            "in_bytes",
            "out_bytes",
            "packets",
            "bytes_in",
            "tcp_flags",
            "vlan",
            "icmp_type",
            "icmp_code",
            "icmpTypeCodeIPv4",
            "dscp",
            "tos",
            "exporter",
            "host",
            "query",
            "service",
            "source",
            "netflow",
            "extra",
            "community_id",
            "kind",
            "x",
            "8",
            "end_ms",
        ][..],
    )
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("1790000000".to_owned()),
        any::<u8>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()).prop_map(|n| n.to_string()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("\"10.0.0.1\"".to_owned()),
        Just("\"2026-11-21T01:08:27Z\"".to_owned()),
        Just("\"...AP.SF\"".to_owned()),
        Just("\"tcp\"".to_owned()),
        Just("{\"ip\":\"10.0.0.2\",\"l4_src_port\":7,\"vlan_outer\":5}".to_owned()),
        Just("[1,[2]]".to_owned()),
    ]
}
