//! UDP datagrams: which frames have one, and how fragments become one.

use std::net::SocketAddr;

use proptest::prelude::*;
use weir_flow::Timestamp;

use super::super::{Content, Datagrams, LinkType, NotIp};
use super::{TCP, UDP, frame, tag, tcp, udp, v4, v4_with, v6};
use crate::capture::Frame;

const MORE: u16 = 0x2000;

/// What a frame holds, with the payload copied.
#[derive(Debug, PartialEq, Eq)]
enum Held {
    Datagram(SocketAddr, u16, Vec<u8>),
    Fragment,
    Other,
}

/// A reader, and what it could not make whole.
#[derive(Default)]
struct Reading {
    datagrams: Datagrams,
    lost: Vec<(Option<u16>, usize)>,
}

impl Reading {
    fn read(&mut self, second: i64, ip: &[u8]) -> Result<Held, NotIp> {
        let timestamp = Timestamp::from_micros(second * 1_000_000);
        self.frame(LinkType::RawIp, &Frame { timestamp, ..frame(ip) })
    }

    fn frame(&mut self, link: LinkType, frame: &Frame<'_>) -> Result<Held, NotIp> {
        let lost = &mut self.lost;
        let content =
            self.datagrams.read(link, frame, &mut |port, start: &[u8]| lost.push((port, start.len())))?;
        Ok(match content {
            Content::Datagram(found) => Held::Datagram(found.from, found.port, found.payload.to_vec()),
            Content::Fragment => Held::Fragment,
            Content::Other => Held::Other,
        })
    }
}

fn sent(from: &str, payload: &[u8]) -> Held {
    Held::Datagram(from.parse().unwrap(), 2_055, payload.to_vec())
}

/// A datagram of `length` octets of payload, in IPv4 pieces of `room` octets.
fn v4_pieces(id: u16, length: usize, room: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let payload: Vec<u8> = (0..length).map(|at| (at % 251).to_le_bytes()[0]).collect();
    let whole = udp(4_000, 2_055, &payload);
    let count = whole.len().div_ceil(room);
    let piece = |(at, octets): (usize, &[u8])| {
        let offset = u16::try_from(at * room / 8).unwrap();
        v4_with(UDP, id, offset | if at + 1 < count { MORE } else { 0 }, &[], octets)
    };
    (payload, whole.chunks(room).enumerate().map(piece).collect())
}

/// A piece of an IPv6 datagram behind a fragment header; `offset` in octets.
fn v6_piece(next: u8, offset: u16, more: bool, octets: &[u8]) -> Vec<u8> {
    let mut header = vec![next, 0];
    header.extend((offset | u16::from(more)).to_be_bytes());
    header.extend([0, 1, 2, 3]);
    v6(44, &[&header, octets].concat())
}

#[test]
fn a_whole_datagram_is_found_over_both_versions() {
    let mut reading = Reading::default();
    let datagram = udp(4_000, 2_055, b"export");
    assert_eq!(reading.read(0, &v4(UDP, &datagram)), Ok(sent("10.0.0.1:4000", b"export")));
    assert_eq!(reading.read(0, &v6(UDP, &datagram)), Ok(sent("[2001:db8::1]:4000", b"export")));
    let options = v4_with(UDP, 0, 0x4000, &[1; 8], &datagram);
    assert_eq!(reading.read(0, &options), Ok(sent("10.0.0.1:4000", b"export")), "options");
    let hop_by_hop =
        v6(0, &[&[60, 0, 1, 4, 0, 0, 0, 0], &[UDP, 0, 1, 4, 0, 0, 0, 0], &datagram[..]].concat());
    assert_eq!(reading.read(0, &hop_by_hop), Ok(sent("[2001:db8::1]:4000", b"export")), "extensions");
    let atomic = v6_piece(UDP, 0, false, &datagram);
    assert_eq!(reading.read(0, &atomic), Ok(sent("[2001:db8::1]:4000", b"export")), "RFC 6946");
}

#[test]
fn padding_behind_a_datagram_is_not_of_it() {
    let mut ethernet = [&[2; 12][..], &[0x08, 0x00], &v4(UDP, &udp(4_000, 2_055, b"x"))].concat();
    ethernet.resize(60, 0xff);
    let (mut reading, expected) = (Reading::default(), sent("10.0.0.1:4000", b"x"));
    assert_eq!(reading.frame(LinkType::Ethernet, &frame(&ethernet)), Ok(expected));
    let tagged = Frame { vlan: Some(tag(7)), ..frame(&ethernet) };
    assert_eq!(reading.frame(LinkType::Ethernet, &tagged), Ok(sent("10.0.0.1:4000", b"x")));
    let inside = v4(UDP, &[&udp(4_000, 2_055, b"x")[..], b"behind"].concat());
    assert_eq!(reading.read(0, &inside), Ok(sent("10.0.0.1:4000", b"x")), "longer than UDP says");
}

#[test]
fn a_datagram_that_was_cut_gives_what_was_captured() {
    let packet = v4(UDP, &udp(4_000, 2_055, b"export"));
    let mut reading = Reading::default();
    assert_eq!(reading.read(0, &packet[..30]), Ok(sent("10.0.0.1:4000", b"ex")));
    assert_eq!(reading.read(0, &packet[..27]), Ok(Held::Other), "no header");
    assert_eq!(reading.read(0, &packet[..19]), Err(NotIp::Truncated));
    assert_eq!(reading.read(0, &[0x50; 40]), Err(NotIp::BadIpHeader));
}

#[test]
fn what_is_not_udp_is_something_else() {
    let mut reading = Reading::default();
    assert_eq!(reading.read(0, &v4(TCP, &tcp(1, 2, 2))), Ok(Held::Other));
    assert_eq!(reading.read(0, &v6(58, &[128, 0, 0, 0])), Ok(Held::Other));
    assert_eq!(reading.read(0, &v4_with(TCP, 7, MORE, &[], &[0; 16])), Ok(Held::Other));
    let mut short = udp(1, 2, b"x");
    short[5] = 7;
    assert_eq!(reading.read(0, &v4(UDP, &short)), Ok(Held::Other), "shorter than its header");
}

#[test]
fn fragments_of_ipv6_become_a_datagram() {
    let (payload, mut reading) = ((0..40).collect::<Vec<u8>>(), Reading::default());
    let whole = udp(4_000, 2_055, &payload);
    assert_eq!(reading.read(0, &v6_piece(UDP, 16, true, &whole[16..32])), Ok(Held::Fragment));
    assert_eq!(reading.read(0, &v6_piece(UDP, 32, false, &whole[32..])), Ok(Held::Fragment));
    let last = reading.read(1, &v6_piece(UDP, 0, true, &whole[..16]));
    assert_eq!(last, Ok(sent("[2001:db8::1]:4000", &payload)));
    assert!(reading.lost.is_empty());
}

#[test]
fn fragments_that_do_not_come_are_told() {
    let (mut reading, (payload, pieces)) = (Reading::default(), v4_pieces(1, 40, 16));
    assert_eq!(reading.read(0, &pieces[0]), Ok(Held::Fragment));
    assert_eq!(reading.read(30, &pieces[1]), Ok(Held::Fragment), "in time");
    // Half a minute after the first.
    assert_eq!(reading.read(31, &pieces[2]), Ok(Held::Fragment));
    assert_eq!(reading.lost, [(Some(2_055), 24)]);
    let lost = &mut reading.lost;
    reading.datagrams.forget(&mut |port, start: &[u8]| lost.push((port, start.len())));
    assert_eq!(reading.lost[1..], [(None, 0)], "its first fragment is not there");
    reading.lost.clear();
    for piece in &pieces[..2] {
        assert_eq!(reading.read(40, piece), Ok(Held::Fragment));
    }
    assert_eq!(reading.read(40, &pieces[2]), Ok(sent("10.0.0.1:4000", &payload)), "the same number again");
    assert!(reading.lost.is_empty());
}

#[test]
fn fragments_that_contradict_each_other_are_told() {
    let (mut reading, (_, pieces)) = (Reading::default(), v4_pieces(1, 40, 16));
    assert_eq!(reading.read(0, &pieces[0]), Ok(Held::Fragment));
    assert_eq!(reading.read(0, &pieces[2]), Ok(Held::Fragment));
    let beyond = v4_with(UDP, 1, 0x1000, &[], &[0; 16]);
    assert_eq!(reading.read(0, &beyond), Ok(Held::Fragment));
    assert_eq!(reading.lost, [(Some(2_055), 8)]);
}

#[test]
fn a_flood_of_fragments_displaces_the_oldest_and_takes_no_more_room() {
    let mut reading = Reading::default();
    for id in 0..200 {
        let (_, pieces) = v4_pieces(id, 40, 16);
        assert_eq!(reading.read(i64::from(id) / 100, &pieces[0]), Ok(Held::Fragment));
    }
    assert_eq!(reading.lost.len(), 200 - 64);
    let (payload, pieces) = v4_pieces(199, 40, 16);
    assert_eq!(reading.read(2, &pieces[1]), Ok(Held::Fragment));
    assert_eq!(reading.read(2, &pieces[2]), Ok(sent("10.0.0.1:4000", &payload)), "the newest is still there");
}

proptest! {
    #[test]
    fn pieces_in_any_order_give_the_datagram(
        length in 1_usize..5_000,
        room in 1_usize..180,
        order in any::<u64>(),
        again in any::<bool>(),
    ) {
        let (payload, pieces) = v4_pieces(9, length, room * 8);
        prop_assume!(pieces.len() > 1);
        let mut numbers: Vec<_> = (0..pieces.len()).collect();
        numbers.sort_by_key(|&at| (at as u64 + 1).wrapping_mul(order | 1) >> 7);
        let mut reading = Reading::default();
        let (&last, others) = numbers.split_last().unwrap();
        for &at in others {
            prop_assert_eq!(reading.read(0, &pieces[at]), Ok(Held::Fragment));
            if again {
                prop_assert_eq!(reading.read(0, &pieces[at]), Ok(Held::Fragment), "twice the same");
            }
        }
        prop_assert_eq!(reading.read(0, &pieces[last]), Ok(sent("10.0.0.1:4000", &payload)));
    }

    #[test]
    fn any_octets_are_read_without_a_panic(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..50),
        version in 4_u8..7,
        next in proptest::sample::select(vec![0_u8, 17, 43, 44, 51, 60]),
    ) {
        let mut reading = Reading::default();
        for mut packet in packets {
            if let Some(first) = packet.first_mut() {
                *first = version << 4 | 5;
            }
            let at = if version == 4 { 9 } else { 6 };
            if let Some(proto) = packet.get_mut(at) {
                *proto = next;
            }
            let _ = reading.read(0, &packet);
        }
    }
}
