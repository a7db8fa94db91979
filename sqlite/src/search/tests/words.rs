//! Conditions by their names.

use weir_flow::{Exported, FlowRecord};

use super::stored::{Place, Store};
use crate::{BadFilter, FILTERS, Query};

/// A value that each condition takes, and some that it refuses.
const VALUES: &[(&str, &[&str], &[&str])] = &[
    (
        "id",
        &["0123456789abcdef-1", "0123456789ABCDEF-99"],
        &["1", "0123456789abcdef-0", "0123456789abcdef-+1", "x-1"],
    ),
    ("ip", &["10.0.0.1", "10.0.0.0/8", "2001:db8::/32"], &["10.0.0.256", "10.0.0.0/33", "host", ""]),
    ("src_ip", &["::1"], &["::1/129"]),
    ("dst_ip", &["0.0.0.0/0"], &["10"]),
    ("port", &["0", "65535"], &["65536", "-1", "+5", "http", "1.0"]),
    ("src_port", &["53"], &["5 3"]),
    ("dst_port", &["53"], &["0x35"]),
    ("proto", &["tcp", "TCP", "6", "255"], &["256", "tpc"]),
    ("country", &["de", "DE"], &["D", "DEU", "D1"]),
    ("asn", &["64500", "AS64500", "as64500"], &["AS", "4294967296", "ASx"]),
    ("domain", &["example.com", "*.example.com", "Example.COM."], &[".", "*."]),
    ("service", &["TLS"], &[""]),
    ("min_risk", &["0", "100"], &["101", "-1", "high"]),
    ("threat", &["true", "false"], &["1", "yes", "TRUE"]),
    ("indicator", &["evil.example"], &[""]),
    ("category", &["C2"], &[""]),
    ("source", &["capture", "ipfix", "api"], &["netflow", "IPFIX"]),
    ("kind", &["flow", "notice"], &[""]),
    ("direction", &["in", "transit"], &["inbound"]),
    ("exporter", &["192.0.2.1", "2001:db8::1"], &["192.0.2.0/24", "router"]),
    ("observer", &["eth0", "/var/log/zeek/conn.log"], &[""]),
    ("tag", &["ti", "large_transfer"], &["TI", "other"]),
    ("text", &["a, b", "C1a2"], &[""]),
];

#[test]
fn every_condition_takes_its_values_and_refuses_others() {
    assert_eq!(
        VALUES.iter().map(|(name, ..)| *name).collect::<Vec<_>>(),
        FILTERS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for (name, good, bad) in VALUES {
        for value in *good {
            let mut query = Query::default();
            query.set(name, value).unwrap();
            assert_ne!(query, Query::default(), "{name}={value} says nothing");
        }
        for value in *bad {
            let refused = Query::default().set(name, value).unwrap_err();
            assert!(matches!(refused, BadFilter::Value { .. }), "{name}={value}");
            assert!(refused.to_string().starts_with(name), "{refused}");
        }
        let long = "a".repeat(256);
        assert!(Query::default().set(name, &long).is_err(), "{name}");
    }
}

#[test]
fn an_unknown_condition_is_named() {
    let refused = Query::default().set("src-ip", "10.0.0.1").unwrap_err();
    assert_eq!(refused.to_string(), "there is no filter src-ip");
}

#[test]
fn a_condition_has_64_values_at_most() {
    let mut query = Query::default();
    let values = |count: u16| (0..count).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
    query.set("port", &values(64)).unwrap();
    assert_eq!(query.set("port", "64").unwrap_err(), BadFilter::TooMany("port"));
    assert_eq!(Query::default().set("port", &values(65)).unwrap_err(), BadFilter::TooMany("port"));
}

#[test]
fn of_several_values_one_must_hold_and_of_several_conditions_all() {
    let record =
        FlowRecord { src_port: Some(40_000), dst_port: Some(443), proto: Some(6), ..FlowRecord::default() };
    for (conditions, fits) in [
        (&[("port", "80,443")][..], true),
        (&[("port", "80"), ("port", "443")], true),
        (&[("port", "443"), ("proto", "udp")], false),
        (&[("src_port", "443")], false),
        (&[("dst_port", "443"), ("src_port", "40000"), ("proto", "tcp")], true),
    ] {
        let mut query = Query::default();
        conditions.iter().for_each(|(name, value)| query.set(name, value).unwrap());
        assert_eq!(query.matches(&record), fits, "{conditions:?}");
        let store = Store::new(vec![(vec![record.clone()], Place::Sealed)]);
        assert_eq!(store.search(&query, 10).rows.len(), usize::from(fits), "{conditions:?}");
    }
}

#[test]
fn ipv4_in_ipv6_is_ipv4_in_conditions_and_in_records() {
    let plain = FlowRecord {
        src_ip: Some("10.0.0.1".parse().unwrap()),
        exported: Some(Exported { exporter: Some("192.0.2.9".parse().unwrap()), ..Exported::default() }),
        ..FlowRecord::default()
    };
    let mapped = FlowRecord {
        src_ip: Some("::ffff:10.0.0.1".parse().unwrap()),
        exported: Some(Exported {
            exporter: Some("::ffff:192.0.2.9".parse().unwrap()),
            ..Exported::default()
        }),
        ..FlowRecord::default()
    };
    let store = Store::new(vec![(vec![plain], Place::Sealed), (vec![mapped], Place::Sealed)]);
    let rows = |name: &str, value: &str| {
        let mut query = Query::default();
        query.set(name, value).unwrap();
        assert_eq!(store.fitting(&query).len(), store.search(&query, 10).rows.len(), "{name}={value}");
        store.search(&query, 10).rows.len()
    };
    for value in ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.0/8", "::ffff:10.0.0.0/104"] {
        assert_eq!(rows("ip", value), 2, "{value}");
    }
    assert_eq!(rows("ip", "::ffff:11.0.0.0/104"), 0);
    assert_eq!(rows("exporter", "192.0.2.9") + rows("exporter", "::ffff:192.0.2.9"), 4);
}

#[test]
fn names_are_found_whatever_their_case_and_below_others() {
    let record = |name: &str| FlowRecord {
        domain: Some(name.into()),
        service: Some("TLS".into()),
        ..FlowRecord::default()
    };
    let names = ["www.Example.com", "example.com.", "badexample.com", "example.com.evil.test"];
    let store = Store::new(names.iter().map(|name| (vec![record(name)], Place::Sealed)).collect());
    let rows = |name: &str, value: &str| {
        let mut query = Query::default();
        query.set(name, value).unwrap();
        store.search(&query, 10).rows.len()
    };
    assert_eq!(rows("domain", "EXAMPLE.com"), 2);
    assert_eq!(rows("domain", "*.example.com."), 2);
    assert_eq!(rows("domain", "www.example.com"), 1);
    assert_eq!(rows("domain", "com"), 3);
    assert_eq!(rows("domain", "ample.com"), 0);
    assert_eq!(rows("service", "tls"), 4);
}
