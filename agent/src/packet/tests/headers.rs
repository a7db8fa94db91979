//! IP headers: by hand and by etherparse the same; lengths that lie; options and extension headers.

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::super::ip::{plain, unusual};
use super::super::key::VlanIds;
use super::super::link::Found;
use super::{Decoder, LinkType, NotIp, TCP, UDP, decode, frame, ports, tcp, udp, v4, v4_with, v6};
use crate::capture::Frame;

/// Destination options with a pad of four octets, before `next`.
const fn options(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}

/// An authentication header (RFC 4302 §2) with a 12-octet check value, before `next`.
const AH: [u8; 24] = [TCP, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];

fn found(ip: &[u8]) -> Found<'_> {
    Found { ip, vlan: VlanIds::default(), wire: u32::try_from(ip.len()).unwrap() }
}

fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let proto = prop_oneof![Just(1), Just(TCP), Just(UDP), Just(58), Just(132), any::<u8>()];
    let options = prop::collection::vec(any::<[u8; 4]>(), 0..=10).prop_map(|words| words.concat());
    let flags = prop_oneof![3 => Just(0_u16), 3 => Just(0x4000), 1 => any::<u16>()];
    let payload = prop::collection::vec(any::<u8>(), 0..60);
    let four = (proto.clone(), any::<u16>(), flags, options, payload.clone())
        .prop_map(|(proto, id, flags, options, payload)| v4_with(proto, id, flags, &options, &payload));
    let six = (proto, payload).prop_map(|(next, payload)| v6(next, &payload));
    let ip = prop_oneof![four, six];
    // Any type of service and addresses, padding, and a capture that ends anywhere.
    (ip, any::<u8>(), any::<[u8; 8]>(), 0..20_usize, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut ip, class, address, padding, cut, whole)| {
            if ip[0] >> 4 == 4 {
                ip[1] = class;
                ip[12..20].copy_from_slice(&address);
            } else {
                (ip[0], ip[1]) = (0x60 | class >> 4, class << 4);
                ip[8..16].copy_from_slice(&address);
            }
            ip.resize(ip.len() + padding, 0xee);
            if !whole {
                ip.truncate(cut.index(ip.len()) + 1);
            }
            ip
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_short_way_and_the_long_way_agree(ip in any_packet()) {
        let short = plain(found(&ip));
        if let Some(header) = short {
            prop_assert_eq!(Ok(header), unusual(found(&ip)));
        }
        let usual = match ip[0] >> 4 {
            4 => ip.len() >= 20 && ip[6] & 0x3f == 0 && ip[7] == 0 && ip[9] != 51,
            _ => ip.len() >= 40 && [6, 17, 58].contains(&ip[6]) && ip[4..6] != [0, 0],
        };
        prop_assert_eq!(short.is_some(), usual, "the short way is for the usual packets");
    }

    #[test]
    fn addresses_lengths_and_ports_are_those_that_etherparse_reads(ip in any_packet()) {
        let Ok(sliced) = LaxSlicedPacket::from_ip(&ip) else {
            // Only a header that the capture cuts; all there is of options is passed over.
            prop_assert_eq!(decode(&ip).is_ok(), ip.len() >= 20 && ip[0] >> 4 == 4);
            return Ok(());
        };
        let packet = decode(&ip).unwrap();
        let (src, dst, octets) = match sliced.net.unwrap() {
            LaxNetSlice::Ipv4(v4) => {
                let head = v4.header();
                (head.source_addr().into(), head.destination_addr().into(), u32::from(head.total_len()))
            }
            LaxNetSlice::Ipv6(v6) => {
                let head = v6.header();
                (head.source_addr().into(), head.destination_addr().into(), u32::from(head.payload_length()) + 40)
            }
            LaxNetSlice::Arp(_) => unreachable!(),
        };
        let ends: (std::net::IpAddr, std::net::IpAddr) = packet.key.addresses();
        prop_assert_eq!(if packet.from_a { ends } else { (ends.1, ends.0) }, (src, dst));
        if octets > 40 {
            prop_assert_eq!(packet.octets, octets);
        }
        match sliced.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                prop_assert_eq!(ports(&packet), Some((tcp.source_port(), tcp.destination_port())));
                prop_assert_eq!(packet.tcp_flags, tcp.slice()[13]);
            }
            Some(TransportSlice::Udp(udp)) => {
                prop_assert_eq!(ports(&packet), Some((udp.source_port(), udp.destination_port())));
            }
            Some(TransportSlice::Icmpv4(icmp)) => prop_assert_eq!(packet.icmp, (icmp.type_u8(), icmp.code_u8())),
            Some(TransportSlice::Icmpv6(icmp)) => prop_assert_eq!(packet.icmp, (icmp.type_u8(), icmp.code_u8())),
            Some(TransportSlice::Igmp(_)) | None => {}
        }
    }
}

#[test]
fn octets_are_what_the_header_says() {
    let whole = v4(UDP, &udp(1, 2, &[0; 1_000]));
    for cut in [20, 21, 24, 28, 100, 1_028] {
        let packet = decode(&whole[..cut]).unwrap();
        assert_eq!(packet.octets, 1_028);
        assert_eq!(ports(&packet).is_some(), cut >= 24);
    }
    assert_eq!(decode(&v6(UDP, &udp(1, 2, &[0; 500]))[..40]).unwrap().octets, 548);
}

/// Segments that the network card has merged or will cut have no length in their header.
#[test]
fn without_a_length_the_wire_tells_it_if_it_can_be_believed() {
    let mut four = v4(TCP, &tcp(1, 2, 0x10));
    four[2..4].fill(0);
    let mut six = v6(TCP, &tcp(1, 2, 0x10));
    six[4..6].fill(0);
    for (ip, captured) in [(&four, 40), (&six, 60)] {
        for (wire_len, octets) in [
            (66_000, 66_000),
            (524_280, 524_280),
            (524_281, captured),
            (u32::MAX, captured),
            (7, captured),
            (0, captured),
        ] {
            let packet =
                Decoder::new(false).decode(LinkType::RawIp, &Frame { wire_len, ..frame(ip) }).unwrap();
            assert_eq!((packet.octets, ports(&packet)), (octets, Some((1, 2))), "{wire_len} on the wire");
        }
    }
    let framed = [&[0; 12][..], &[8, 0], &four].concat();
    let packet =
        Decoder::new(false).decode(LinkType::Ethernet, &Frame { wire_len: 3_014, ..frame(&framed) }).unwrap();
    assert_eq!(packet.octets, 3_000);
}

#[test]
fn a_header_without_anything_after_it_is_forty_octets_whatever_pads_the_frame() {
    let nothing = [&v6(59, &[])[..], &[0; 6]].concat();
    let packet = decode(&nothing).unwrap();
    assert_eq!((packet.octets, packet.key.proto(), ports(&packet)), (40, 59, None));
}

#[test]
fn padding_is_not_counted_and_not_read() {
    let padded = [&v4(UDP, &[0x13])[..], &[0x88, 0, 53, 0, 0]].concat();
    let packet = decode(&padded).unwrap();
    assert_eq!((packet.octets, ports(&packet)), (21, None));
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    for length in 0..5 {
        let mut short = v4(UDP, &udp(1, 2, &[]));
        short[0] = 0x40 | length;
        assert_eq!(decode(&short), Err(NotIp::BadIpHeader), "a header of {length} words");
    }
    for version in [0, 1, 5, 7, 15] {
        let mut strange = v4(UDP, &udp(1, 2, &[]));
        strange[0] = version << 4 | 5;
        assert_eq!(decode(&strange), Err(NotIp::BadIpHeader), "version {version}");
    }
    assert_eq!(decode(&[]), Err(NotIp::Truncated));
    assert_eq!(decode(&v6(UDP, &[])[..39]), Err(NotIp::Truncated));
    assert!(NotIp::BadIpHeader.is_undecodable() && !NotIp::Arp.is_undecodable());
}

#[test]
fn a_length_shorter_than_the_header_is_still_a_packet() {
    let mut short = v4(UDP, &udp(7, 53, &[]));
    short[2..4].copy_from_slice(&19_u16.to_be_bytes());
    let packet = decode(&short).unwrap();
    assert_eq!((packet.octets, ports(&packet)), (19, Some((7, 53))));
}

#[test]
fn options_are_passed_over_and_may_be_cut() {
    let long = v4_with(UDP, 0, 0, &[1; 40], &udp(7, 53, &[]));
    assert_eq!(ports(&decode(&long).unwrap()), Some((7, 53)));
    let fragment = v4_with(UDP, 9, 0x2000, &[1; 40], &udp(7, 53, &[]));
    let ah = v4_with(51, 0, 0, &[1; 40], &[&AH[..], &tcp(7, 53, 2)].concat());
    for (ip, octets) in [(&long, 68), (&fragment, 68), (&ah, 104)] {
        for cut in 20..60 {
            let packet = decode(&ip[..cut]).unwrap();
            assert_eq!((packet.octets, ports(&packet)), (octets, None), "{cut} octets");
        }
    }
}

#[test]
fn the_transport_header_is_found_behind_extension_headers() {
    let routing = [60, 2, 4, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2];
    let whole = [44, 0, 0, 0, 0, 0, 0, 9];
    let ah = [&[60][..], &AH[1..]].concat();
    let parts: [&[u8]; 6] = [&options(43), &routing, &options(44), &whole, &[51, 0, 1, 4, 0, 0, 0, 0], &ah];
    let mut chain = parts.concat();
    chain[8 + 24 + 8] = 60;
    chain.extend(options(TCP));
    chain.extend(tcp(7, 443, 0x12));
    let ip = v6(0, &chain);
    let packet = decode(&ip).unwrap();
    assert_eq!((ports(&packet), packet.tcp_flags, packet.dscp), (Some((7, 443)), 0x12, 46));
    assert_eq!(usize::try_from(packet.octets).unwrap(), ip.len());
    for cut in 40..ip.len() - 20 {
        let packet = decode(&ip[..cut]).unwrap();
        assert_eq!((packet.octets, ports(&packet)), (u32::try_from(ip.len()).unwrap(), None), "{cut} octets");
    }
}

#[test]
fn a_fragment_header_that_was_not_captured_is_not_read() {
    let later_part_of_tcp = [TCP, 0, 0, 8, 0, 0, 0, 9];
    let ip = v6(60, &[&options(44)[..], &later_part_of_tcp, &[0; 8]].concat());
    let (whole, cut) = (decode(&ip).unwrap(), decode(&ip[..48]).unwrap());
    assert_eq!((whole.key.proto(), cut.key.proto()), (TCP, 44));
}

#[test]
fn an_authentication_header_hides_no_ports() {
    let four = v4(51, &[&AH[..], &tcp(7, 443, 2)].concat());
    let packet = decode(&four).unwrap();
    assert_eq!((packet.key.proto(), ports(&packet), packet.tcp_flags), (TCP, Some((7, 443)), 2));
    let mut none = AH;
    none[1] = 0;
    let packet = decode(&v4(51, &none)).unwrap();
    assert_eq!((packet.key.proto(), packet.octets), (51, 44), "a length of no header");
}

#[test]
fn what_is_encrypted_or_out_of_place_is_a_flow_without_ports() {
    for next in [50, 59, 135, 253] {
        let packet = decode(&v6(next, &[1; 30])).unwrap();
        assert_eq!((packet.key.proto(), ports(&packet), packet.octets), (next, None, 70));
    }
    let late = v6(60, &[&options(0)[..], &options(UDP), &udp(1, 2, &[])].concat());
    let packet = decode(&late).unwrap();
    assert_eq!(
        (packet.key.proto(), ports(&packet)),
        (0, None),
        "hop-by-hop options come first or not at all"
    );
}

#[test]
fn ports_are_those_of_every_protocol_that_has_them() {
    for proto in [6, 17, 33, 132, 136] {
        assert_eq!(
            ports(&decode(&v4(proto, &[0, 80, 1, 187])).unwrap()),
            Some((80, 443)),
            "protocol {proto}"
        );
        assert_eq!(ports(&decode(&v4(proto, &[0, 80, 1])).unwrap()), None);
    }
}
