//! What exporters add to a sampled packet.

use weir_flow::{FlowRecord, Vlan};

use super::super::xdr::MAX_TEXT;
use super::{
    ETHERNET, address, datagram, exported, extra, frame, ipv4, opaque, plain, raw, read, record, sample,
    structure, tcp, words,
};
use crate::collect::Fault;

/// The record of a TCP packet with one structure more, before or after the packet: the order tells nothing.
fn with(data_format: u32, body: &[u8]) -> FlowRecord {
    let more = structure(data_format, body);
    let after = record(&datagram(&[sample(&[plain(), more.clone()])]));
    let before = record(&datagram(&[sample(&[more, plain()])]));
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    after
}

fn ip(text: &str) -> Option<std::net::IpAddr> {
    Some(text.parse().unwrap())
}

fn vlan(record: &FlowRecord) -> Option<(u16, Option<u16>)> {
    record.vlan.map(|Vlan { inner, outer }| (inner, outer))
}

#[test]
fn the_switch_says_the_vlan_of_untagged_frames() {
    let record = with(1001, &words(&[10, 0, 10, 7]));
    assert_eq!((vlan(&record), extra(&record, "post_vlan_id")), (Some((10, None)), None));
    let routed = with(1001, &words(&[10, 0, 20, 0]));
    assert_eq!((vlan(&routed), extra(&routed, "post_vlan_id").as_deref()), (Some((10, None)), Some("20")));
    let none = with(1001, &words(&[0, 0, 4_095, u32::MAX]));
    assert_eq!((vlan(&none), none.extra), (None, None));
}

#[test]
fn the_tag_of_the_frame_outranks_the_switch() {
    let tagged = raw(ETHERNET, &frame(&[5], 0x0800, &ipv4(6, &tcp())));
    let switch = structure(1001, &words(&[10, 0, 5, 0]));
    let record = record(&datagram(&[sample(&[tagged, switch])]));
    assert_eq!((vlan(&record), extra(&record, "post_vlan_id")), (Some((5, None)), None));
}

#[test]
fn a_stripped_service_tag_is_the_outer_vlan() {
    let stack = words(&[2, 0x88a8_0063, 0x88a8_0064]);
    assert_eq!(vlan(&with(1012, &stack)), Some((100, None)));
    let switch = structure(1001, &words(&[10, 0, 10, 0]));
    let record = record(&datagram(&[sample(&[plain(), switch, structure(1012, &stack)])]));
    assert_eq!(vlan(&record), Some((10, Some(100))));
}

#[test]
fn the_route_has_next_hop_and_prefixes() {
    let route = |hop: &str| [address(hop), words(&[24, 0])].concat();
    let record = with(1002, &route("2001:db8::5"));
    assert_eq!(exported(&record).next_hop, ip("2001:db8::5"));
    assert_eq!(extra(&record, "src_prefix_length").as_deref(), Some("24"));
    assert_eq!(extra(&record, "dst_prefix_length"), None);
    assert_eq!(exported(&with(1002, &route("0.0.0.0"))).next_hop, None);
    assert_eq!(exported(&with(1002, &words(&[0, 0, 0]))).next_hop, None, "an address of no type");
}

/// A gateway of AS 64500 with a path of `segments`, one community and a preference.
fn gateway(src_as: u32, segments: &[&[u32]]) -> Vec<u8> {
    let mut body = [address("203.0.113.9"), words(&[64_500, src_as, 64_511])].concat();
    body.extend(words(&[u32::try_from(segments.len()).unwrap()]));
    for segment in segments {
        body.extend(words(&[2, u32::try_from(segment.len()).unwrap()]));
        body.extend(words(segment));
    }
    body.extend(words(&[1, 0xfbf4_0001, 100]));
    body
}

#[test]
fn the_gateway_says_where_the_packet_comes_from_and_goes_to() {
    let numbers = |record: &FlowRecord| (exported(record).src_as, exported(record).dst_as);
    let far = with(1003, &gateway(64_501, &[&[64_510, 64_520], &[4_200_000_001]]));
    assert_eq!(numbers(&far), (Some(64_501), Some(4_200_000_001)));
    assert_eq!(exported(&far).next_hop, ip("203.0.113.9"), "where the route has none of its own");
    let local = with(1003, &gateway(0, &[]));
    assert_eq!(numbers(&local), (Some(64_500), Some(64_500)), "the router's own AS");
    let empty_segment = with(1003, &gateway(1, &[&[7], &[]]));
    assert_eq!(numbers(&empty_segment), (Some(1), Some(7)));
}

#[test]
fn a_path_longer_than_its_structure_is_a_bad_record_and_the_packet_stays() {
    for lie in [[1, 2, 0x4000_0000], [1, 2, 3], [u32::MAX, 2, 0]] {
        let body = [address("203.0.113.9"), words(&[64_500, 64_501, 0]), words(&lie)].concat();
        let read = read(&datagram(&[sample(&[structure(1003, &body), plain()])]));
        assert_eq!((read.faults.of(Fault::BadRecord), read.faults.total(), read.records.len()), (1, 1, 1));
        assert_eq!(exported(&read.records[0]).dst_as, None);
    }
}

#[test]
fn users_are_named() {
    let body = [words(&[106]), opaque("zoë".as_bytes()), words(&[0]), opaque(b"")].concat();
    let record = with(1004, &body);
    assert_eq!(extra(&record, "user_name").as_deref(), Some("zoë"));
    assert_eq!(extra(&record, "dst_user_name"), None);
}

#[test]
fn a_request_has_its_url_and_the_host_is_the_domain() {
    let record = with(1005, &[words(&[2]), opaque(b"/index.html"), opaque(b"Example.COM:8080")].concat());
    assert_eq!(record.domain.as_deref(), Some("example.com"));
    assert_eq!(extra(&record, "http_url").as_deref(), Some("/index.html"));
}

#[test]
fn text_that_nobody_has_to_say_is_left_out_and_counted() {
    let url = |length| [words(&[2]), opaque(&vec![b'a'; length]), opaque(b"example.com")].concat();
    assert!(extra(&with(1005, &url(MAX_TEXT)), "http_url").is_some());
    let read = read(&datagram(&[sample(&[plain(), structure(1005, &url(MAX_TEXT + 1))])]));
    assert_eq!((read.faults.of(Fault::GiantField), read.faults.total()), (1, 1));
    assert_eq!(extra(&read.records[0], "http_url"), None);
    assert_eq!(read.records[0].domain.as_deref(), Some("example.com"));
}

#[test]
fn translations_are_told() {
    let record = with(1007, &[address("203.0.113.1"), address("198.51.100.7")].concat());
    assert_eq!(extra(&record, "nat_src_ip").as_deref(), Some("203.0.113.1"));
    assert_eq!(extra(&record, "nat_dst_ip").as_deref(), Some("198.51.100.7"));
    let ports = with(1020, &words(&[61_000, 0]));
    assert_eq!(extra(&ports, "nat_src_port").as_deref(), Some("61000"));
    assert_eq!(extra(&ports, "nat_dst_port"), None);
}

#[test]
fn tunnels_and_labels_are_told() {
    let v4 = [words(&[1_500, 47]), vec![192, 0, 2, 3, 192, 0, 2, 4], words(&[0; 4])].concat();
    let v6 = [words(&[1_500, 47]), vec![0x20; 32], words(&[0; 4])].concat();
    for (data_format, body, end) in [
        (1023, &v4, "192.0.2.4"),
        (1024, &v4, "192.0.2.4"),
        (1026, &v6, "2020:2020:2020:2020:2020:2020:2020:2020"),
    ] {
        assert_eq!(extra(&with(data_format, body), "tunnel_dst_ip").as_deref(), Some(end), "{data_format}");
    }
    assert_eq!(extra(&with(1030, &words(&[5_001])), "vni").as_deref(), Some("5001"));
    let labels = with(1006, &[address("192.0.2.8"), words(&[1, 0x0006_4140, 0])].concat());
    assert_eq!(extra(&labels, "mpls_top_label").as_deref(), Some("100"));
    assert_eq!(exported(&labels).next_hop, ip("192.0.2.8"));
}

#[test]
fn structures_that_say_nothing_are_skipped_and_counted() {
    let others = [structure(2_209, &[1; 48]), structure(1 << 12 | 1, &[9; 7]), structure(1_036, &[0; 4])];
    let read = read(&datagram(&[sample(&[&others[..], &[plain()]].concat())]));
    assert_eq!((read.records.len(), read.decoded.skipped, read.faults.total()), (1, 3, 0));
}

#[test]
fn every_structure_may_be_cut_off_anywhere() {
    let text = opaque(b"text");
    let bodies = [
        (1001, words(&[10, 0, 20, 0])),
        (1002, [address("2001:db8::5"), words(&[24, 24])].concat()),
        (1004, [words(&[106]), text.clone(), words(&[106]), text.clone()].concat()),
        (1005, [words(&[2]), text.clone(), text.clone()].concat()),
        (1007, [address("203.0.113.1"), address("2001:db8::5")].concat()),
        (1012, words(&[1, 0x8100_0064])),
        (1020, words(&[1, 2])),
        (1030, words(&[1])),
        (1037, [words(&[3]), text.clone(), words(&[1])].concat()),
        (1038, text.clone()),
        (1041, [text.clone(), text.clone()].concat()),
        (1042, text),
    ];
    for (data_format, body) in bodies {
        for octets in 0..body.len() {
            let cut = structure(data_format, &body[..octets]);
            let read = read(&datagram(&[sample(&[plain(), cut])]));
            assert_eq!(read.records.len(), 1, "{data_format} cut at {octets}");
            let optional = data_format == 1037 && octets >= 12;
            let faults = (read.faults.of(Fault::BadRecord), read.faults.total());
            assert_eq!(faults, if optional { (0, 0) } else { (1, 1) }, "{data_format} cut at {octets}");
        }
    }
}
