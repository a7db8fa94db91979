use std::net::IpAddr;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    Asn, Counters, Direction, EndReason, Exported, Extra, Field, FlowRecord, Geo, IcmpKind, IndicatorKind,
    Kind, Match, Origin, Place, Reason, Risk, Source, Tag, Tags, Text, Timestamp, Uncounted, Verdict, Vlan,
};

/// Texts with everything that JSON escapes, and what lies just beside it.
fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        "[a-zA-Z0-9 ._-]{0,20}".prop_map(Text::from),
        vec(
            prop_oneof![
                Just('"'),
                Just('\\'),
                Just('\u{7f}'),
                Just('\u{2028}'),
                any::<char>(),
                proptest::char::range('\0', '!')
            ],
            0..8
        )
        .prop_map(|characters| characters.into_iter().collect::<String>().into()),
    ]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), 1_790_000_000_000_000..1_800_000_000_000_000_i64, -20_000_000..20_000_000_i64]
        .prop_map(Timestamp::from_micros)
}

/// Lengths of flows of every size, among them those with an exponent and those beyond what is exact.
fn end() -> impl Strategy<Value = i64> {
    prop_oneof![
        0..2_000_i64,
        0..200_000_000_i64,
        any::<i64>(),
        Just(999_999_999_999_999),
        (0..400_i64).prop_map(|n| n * 500_000)
    ]
}

fn place() -> impl Strategy<Value = Arc<Place>> {
    let geo = (of(text()), of(text()), of(text()), of(any::<f64>()), of(-180.0..180.0))
        .prop_map(|(country, country_name, city, lat, lon)| Geo { country, country_name, city, lat, lon });
    let asn = (any::<u32>(), of(text())).prop_map(|(asn, org)| Asn { asn, org });
    (of(geo), of(asn)).prop_map(|(geo, asn)| Arc::new(Place { geo, asn }))
}

fn exported() -> impl Strategy<Value = Exported> {
    let numbers = (of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(any::<u32>()));
    (of(any::<IpAddr>()), of(any::<IpAddr>()), numbers, of(any::<u32>())).prop_map(
        |(exporter, next_hop, (observation_domain, ingress_if, egress_if, src_as, dst_as), sampling)| {
            Exported {
                exporter,
                observation_domain,
                ingress_if,
                egress_if,
                next_hop,
                src_as,
                dst_as,
                sampling,
            }
        },
    )
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let found =
        (text(), text(), text(), any::<u8>()).prop_map(|(indicator, category, source, confidence)| Match {
            indicator,
            kind: IndicatorKind::Cidr,
            category,
            confidence,
            source,
            field: Field::DstIp,
        });
    vec(found, 0..3).prop_map(|matches| Verdict { matches })
}

fn risk() -> impl Strategy<Value = Risk> {
    let reason = prop_oneof![
        Just(Reason::Base),
        Just(Reason::ThreatMatch),
        Just(Reason::RiskyPort),
        Just(Reason::LargeTransfer)
    ];
    vec((reason, 0..60_u8), 0..5).prop_map(|reasons| {
        let mut risk = Risk::default();
        reasons.into_iter().for_each(|(reason, points)| risk.add(reason, points));
        risk
    })
}

fn tags() -> impl Strategy<Value = Tags> {
    vec(prop_oneof![Just(Tag::Ti), Just(Tag::RiskyPort), Just(Tag::LargeTransfer)], 0..4).prop_map(|all| {
        let mut tags = Tags::default();
        all.into_iter().for_each(|tag| tags.insert(tag));
        tags
    })
}

fn extra() -> impl Strategy<Value = Box<Extra>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(|text| Value::from(&*text)),
        vec(any::<u16>(), 0..3).prop_map(Value::from),
    ];
    let entries = vec((text().prop_map(|name| name.to_string()), value), 0..4);
    entries.prop_map(|entries| Box::new(Extra::from_iter(entries)))
}

prop_compose! {
    fn who()(
        start in instant(),
        lasted in end(),
        source in prop_oneof![Just(Source::Capture), Just(Source::Netflow9), Just(Source::Sflow5)],
        kind in prop_oneof![Just(Kind::Flow), Just(Kind::Sighting), text().prop_map(Kind::Other)],
        (observer, service, domain) in (of(text()), of(text()), of(text())),
        (src_ip, dst_ip) in (of(any::<IpAddr>()), of(any::<IpAddr>())),
        (src_port, dst_port) in (of(any::<u16>()), of(any::<u16>())),
        (proto, dscp) in (of(any::<u8>()), of(0..64_u8)),
        (exported, extra) in (of(exported()), of(extra())),
    ) -> FlowRecord {
        let end = start.plus_micros(lasted);
        FlowRecord {
            start, end, source, kind, observer, service, domain, src_ip, dst_ip, src_port, dst_port, proto, dscp,
            exported, extra, ..FlowRecord::default()
        }
    }
}

prop_compose! {
    fn record()(
        record in who(),
        counts in any::<[u64; 4]>(),
        (tcp_flags_out, tcp_flags_in) in (of(any::<u8>()), of(any::<u8>())),
        end_reason in of(prop_oneof![Just(EndReason::Idle), Just(EndReason::Resources)]),
        vlan in of((any::<u16>(), of(any::<u16>())).prop_map(|(inner, outer)| Vlan { inner, outer })),
        icmp in of((any::<u8>(), any::<u8>()).prop_map(|(kind, code)| IcmpKind { kind, code })),
        (src_place, dst_place) in (of(place()), of(place())),
        direction in of(prop_oneof![
            Just(Direction::In), Just(Direction::Out), Just(Direction::Internal), Just(Direction::Transit)
        ]),
        (verdict, risk, tags) in (of(verdict()), of(risk()), tags()),
        uncounted in any::<(bool, bool)>().prop_map(|(octets, packets)| Uncounted { octets, packets }),
        origin in of((of(text()), of(text())).prop_map(|(collector_id, trace_id)| {
            Arc::new(Origin { collector_id, trace_id })
        })),
    ) -> FlowRecord {
        let [octets, packets, back, packets_back] = counts;
        FlowRecord {
            forward: Counters { octets, packets },
            reverse: Counters { octets: back, packets: packets_back },
            tcp_flags_out, tcp_flags_in, end_reason, vlan, icmp, src_place, dst_place, direction, verdict, risk, tags,
            uncounted, origin, ..record
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_line_of_a_record_is_what_the_general_serializer_writes(record in record()) {
        let mut line = b"before".to_vec();
        record.write_json(&mut line).unwrap();
        let expected = format!("before{}", serde_json::to_string(&record).unwrap());
        prop_assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn lengths_of_flows_are_written_alike(micros in prop_oneof![0..3_000_u64, any::<u64>(), 0..2_000_000_000_000_000_u64]) {
        let end = Timestamp::from_micros(i64::try_from(micros >> 1).unwrap());
        let record = FlowRecord { end, ..FlowRecord::default() };
        let mut line = Vec::new();
        record.write_json(&mut line).unwrap();
        prop_assert_eq!(String::from_utf8(line).unwrap(), serde_json::to_string(&record).unwrap());
    }
}
