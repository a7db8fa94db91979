//! Records with everything that a record can hold, for properties.

use std::net::IpAddr;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value;
use weir_flow::{
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
    let kind = prop_oneof![Just(IndicatorKind::Ip), Just(IndicatorKind::Cidr), Just(IndicatorKind::Domain)];
    let field = prop_oneof![Just(Field::SrcIp), Just(Field::DstIp), Just(Field::Domain)];
    let found = (text(), text(), text(), any::<u8>(), kind, field).prop_map(
        |(indicator, category, source, confidence, kind, field)| Match {
            indicator,
            kind,
            category,
            confidence,
            source,
            field,
        },
    );
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

/// Values of every kind, some within others.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(|text| Value::from(&*text)),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((text().prop_map(|name| name.to_string()), inner), 0..5)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// Names of few shapes, and names that occur once.
fn extra() -> impl Strategy<Value = Box<Extra>> {
    let name = prop_oneof![
        3 => prop_oneof![Just("uid"), Just("history"), Just("")].prop_map(str::to_owned),
        1 => text().prop_map(|name| name.to_string()),
    ];
    vec((name, value()), 0..5).prop_map(|entries| Box::new(Extra::from_iter(entries)))
}

prop_compose! {
    pub(crate) fn who()(
        start in instant(),
        lasted in end(),
        source in prop::sample::select(&Source::ALL[..]),
        kind in prop_oneof![
            prop::sample::select(
                &["flow", "dns", "tls", "http", "alert", "sighting", "detection", "aggregate", "device"][..]
            ).prop_map(Kind::named),
            Just(Kind::Other("conn".into())),
            text().prop_map(Kind::Other),
        ],
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
    pub(crate) fn record()(
        record in who(),
        counts in any::<[u64; 4]>(),
        (tcp_flags_out, tcp_flags_in) in (of(any::<u8>()), of(any::<u8>())),
        end_reason in of(prop::sample::select(&EndReason::ALL[..])),
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

/// A few records, each several times, as one allocation and as several.
pub(crate) fn records() -> impl Strategy<Value = Vec<FlowRecord>> {
    vec(record(), 1..8).prop_flat_map(|records| {
        let one = prop::sample::select(records);
        vec(one, 1..24)
    })
}
