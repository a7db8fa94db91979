//! Fragments: which flow they belong to, and how many are remembered.

use weir_flow::Timestamp;

use super::super::Packet;
use super::{Decoder, LinkType, TCP, UDP, frame, ports, tag, tcp, udp, v4_with, v6};
use crate::capture::Frame;

const MORE: u16 = 0x2000;
const SECOND: i64 = 1_000_000;

fn see(decoder: &mut Decoder, second: i64, ip: &[u8]) -> Packet {
    let timestamp = Timestamp::from_micros(second * SECOND);
    decoder.decode(LinkType::RawIp, &Frame { timestamp, ..frame(ip) }).unwrap()
}

fn first(id: u16) -> Vec<u8> {
    v4_with(UDP, id, MORE, &[], &udp(4_000, 53, &[0; 16]))
}

/// Its payload looks like other ports.
fn later(id: u16) -> Vec<u8> {
    v4_with(UDP, id, 3, &[], &[9; 16])
}

/// Part of an IPv6 datagram; `offset` in octets.
fn v6_part(next: u8, offset: u16, more: bool, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![next, 0];
    header.extend((offset | u16::from(more)).to_be_bytes());
    header.extend(id.to_be_bytes());
    v6(44, &[&header, payload].concat())
}

#[test]
fn later_fragments_join_the_flow_of_the_first() {
    let mut decoder = Decoder::new(false);
    let whole = see(&mut decoder, 0, &v4_with(UDP, 1, 0x4000, &[], &udp(4_000, 53, &[])));
    let start = see(&mut decoder, 0, &first(7));
    let middle = see(&mut decoder, 1, &v4_with(UDP, 7, MORE | 3, &[], &[9; 16]));
    let end = see(&mut decoder, 1, &later(7));
    for part in [start, middle, end] {
        assert_eq!((part.key, part.from_a), (whole.key, whole.from_a));
    }
    assert_eq!((start.octets, middle.octets, end.octets), (44, 36, 36));
}

#[test]
fn a_fragment_whose_first_was_not_seen_has_no_ports() {
    let mut decoder = Decoder::new(false);
    let alone = see(&mut decoder, 0, &later(7));
    assert_eq!((ports(&alone), alone.octets, alone.key.proto()), (None, 36, UDP));
    see(&mut decoder, 0, &first(7));
    assert_eq!(ports(&see(&mut decoder, 0, &later(8))), None, "of another datagram");
    assert_eq!(ports(&see(&mut decoder, 0, &v4_with(TCP, 7, 3, &[], &[9; 16]))), None, "of another protocol");
    let mut other = later(7);
    other[19] = 3;
    assert_eq!(ports(&see(&mut decoder, 0, &other)), None, "to another host");
    assert_eq!(ports(&see(&mut decoder, 30, &later(7))), Some((4_000, 53)));
    assert_eq!(ports(&see(&mut decoder, 31, &later(7))), None, "half a minute after");
    assert_eq!(ports(&see(&mut decoder, i64::MAX / SECOND, &later(7))), None, "ages after");
}

#[test]
fn flags_are_those_of_the_first_fragment_alone() {
    let mut decoder = Decoder::new(false);
    assert_eq!(see(&mut decoder, 0, &v4_with(TCP, 7, MORE, &[], &tcp(1, 2, 0x02))).tcp_flags, 0x02);
    let part = see(&mut decoder, 0, &v4_with(TCP, 7, 3, &[], &[0xff; 20]));
    assert_eq!((part.tcp_flags, ports(&part)), (0, Some((1, 2))));
}

#[test]
fn echoes_in_fragments_are_one_flow() {
    let mut decoder = Decoder::new(false);
    let start = see(&mut decoder, 0, &v4_with(1, 7, MORE, &[], &[8, 0, 0, 0, 0, 1, 0, 1]));
    let end = see(&mut decoder, 0, &v4_with(1, 7, 1, &[], &[3, 3, 3, 3]));
    assert_eq!((start.key, start.icmp), (end.key, end.icmp));
}

#[test]
fn fragments_of_two_vlans_are_kept_apart() {
    let mut decoder = Decoder::new(false);
    let mut on = |vlan, ip: &[u8]| {
        decoder.decode(LinkType::RawIp, &Frame { vlan: Some(tag(vlan)), ..frame(ip) }).unwrap()
    };
    on(1, &first(7));
    assert_eq!(ports(&on(2, &later(7))), None);
    assert_eq!(ports(&on(1, &later(7))), Some((4_000, 53)));
}

#[test]
fn ipv6_fragments_join_by_their_fragment_header() {
    let mut decoder = Decoder::new(false);
    let datagram = udp(4_000, 53, &[0; 16]);
    let start = see(&mut decoder, 0, &v6_part(UDP, 0, true, 0xdead_beef, &datagram));
    let end = see(&mut decoder, 0, &v6_part(UDP, 24, false, 0xdead_beef, &[9; 16]));
    assert_eq!((ports(&start), start.key, start.octets, end.octets), (Some((4_000, 53)), end.key, 72, 64));
    assert_eq!(ports(&see(&mut decoder, 0, &v6_part(UDP, 24, false, 0xbeef, &[9; 16]))), None);
    let whole = see(&mut decoder, 0, &v6_part(UDP, 0, false, 5, &datagram));
    assert_eq!(ports(&whole), Some((4_000, 53)), "a datagram of one fragment");
}

/// What follows in a later fragment is not the extension header that its fragment header names.
#[test]
fn later_fragments_are_not_read_as_extension_headers() {
    let mut decoder = Decoder::new(false);
    let datagram = [&[UDP, 0, 1, 4, 0, 0, 0, 0][..], &udp(4_000, 53, &[])].concat();
    let misleading = [TCP, 0, 1, 4, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0];
    let alone = see(&mut decoder, 0, &v6_part(60, 16, false, 1, &misleading));
    assert_eq!((alone.key.proto(), ports(&alone)), (60, None));
    let start = see(&mut decoder, 0, &v6_part(60, 0, true, 1, &datagram));
    assert_eq!(ports(&start), Some((4_000, 53)));
    assert_eq!(see(&mut decoder, 0, &v6_part(60, 16, false, 1, &misleading)).key, start.key);

    let ah = [&[UDP, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], &udp(4_000, 53, &[])].concat();
    let alone = see(&mut decoder, 0, &v4_with(51, 2, 3, &[], &ah));
    assert_eq!((alone.key.proto(), ports(&alone)), (51, None));
    let start = see(&mut decoder, 0, &v4_with(51, 2, MORE, &[], &ah));
    assert_eq!(see(&mut decoder, 0, &v4_with(51, 2, 3, &[], &ah)).key, start.key);
}

#[test]
fn a_flood_of_first_fragments_stays_bounded() {
    let mut decoder = Decoder::new(false);
    for id in 0..20_000 {
        see(&mut decoder, 0, &first(id));
    }
    let joined = (0..20_000).filter(|&id| ports(&see(&mut decoder, 0, &later(id))).is_some()).count();
    assert!((512..=1_024).contains(&joined), "{joined} datagrams are remembered");
    see(&mut decoder, 0, &first(20_001));
    assert_eq!(ports(&see(&mut decoder, 0, &later(20_001))), Some((4_000, 53)), "the newest is remembered");
}
