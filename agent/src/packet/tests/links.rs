//! Link types, and what may stand between a frame and its IP packet.

use proptest::prelude::*;
use weir_flow::Vlan;

use super::{Decoder, LinkType, NotIp, UDP, frame, ports, tag, udp, v4, v6};

const ETHER: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const SLL: &[u8] = &[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0];
const SLL2: &[u8] = &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0];

/// A way to put IPv4 into a frame.
struct Case {
    name: &'static str,
    link: LinkType,
    before: Vec<u8>,
    vlan: Option<Vlan>,
}

fn case(name: &'static str, number: u16, before: &[&[u8]]) -> Case {
    Case { name, link: LinkType::from_file(number).unwrap(), before: before.concat(), vlan: None }
}

fn tagged(name: &'static str, tags: &[&[u8]], inner: u16, outer: Option<u16>) -> Case {
    let vlan = Some(Vlan { inner, outer });
    Case { vlan, ..case(name, 1, &[ETHER, &tags.concat(), &[8, 0]]) }
}

fn cases() -> Vec<Case> {
    vec![
        case("Ethernet", 1, &[ETHER, &[8, 0]]),
        tagged("802.1Q", &[&[0x81, 0, 0xe0, 7]], 7, None),
        tagged("QinQ", &[&[0x88, 0xa8, 0, 100], &[0x81, 0, 0, 7]], 7, Some(100)),
        tagged("QinQ of old", &[&[0x91, 0, 0, 100], &[0x81, 0, 0, 7]], 7, Some(100)),
        tagged("three tags", &[&[0x88, 0xa8, 0, 100], &[0x81, 0, 0, 7], &[0x81, 0, 0, 8]], 8, Some(100)),
        tagged("priority tag, then VLAN", &[&[0x81, 0, 0xa0, 0], &[0x81, 0, 0, 7]], 7, None),
        case("priority tag", 1, &[ETHER, &[0x81, 0, 0xa0, 0, 8, 0]]),
        case("MPLS", 1, &[ETHER, &[0x88, 0x47, 0, 1, 0x01, 64]]),
        case("two labels", 1, &[ETHER, &[0x88, 0x48, 0, 1, 0, 64, 0, 2, 1, 64]]),
        case("three labels", 1, &[ETHER, &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64]]),
        case("PPPoE", 1, &[ETHER, &[0x88, 0x64, 0x11, 0, 0, 1, 0, 62, 0, 0x21]]),
        Case {
            vlan: Some(Vlan { inner: 7, outer: Some(100) }),
            ..case(
                "PPPoE over QinQ",
                1,
                &[ETHER, &[0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 0x88, 0x64, 0x11, 0, 0, 1, 0, 62, 0, 0x21]],
            )
        },
        case("PPPoE without Ethernet", 51, &[&[0x11, 0, 0, 1, 0, 62, 0, 0x21]]),
        case("Linux cooked", 113, &[SLL, &[8, 0]]),
        case("Linux cooked v2", 276, &[&[8, 0], SLL2]),
        case("BSD loopback, little endian", 0, &[&[2, 0, 0, 0]]),
        case("BSD loopback, big endian", 0, &[&[0, 0, 0, 2]]),
        case("OpenBSD loopback", 108, &[&[0, 0, 0, 2]]),
        case("PPP", 9, &[&[0, 0x21]]),
        case("PPP, address and control", 9, &[&[0xff, 3, 0, 0x21]]),
        case("PPP, one octet", 9, &[&[0x21]]),
        case("PPP, address, control, one octet", 50, &[&[0xff, 3, 0x21]]),
        case("MPLS over PPP", 9, &[&[0xff, 3, 0x02, 0x81, 0, 1, 1, 64]]),
        case("Cisco HDLC", 104, &[&[0x0f, 0, 8, 0]]),
        case("Cisco HDLC, multicast, as PPP", 50, &[&[0x8f, 0, 8, 0]]),
        case(
            "netfilter log",
            239,
            &[&[2, 0, 0, 0], &[8, 0, 1, 0, 0, 0, 0, 0], &[5, 0, 10, 0, 65, 0, 0, 0], &[64, 0, 9, 0]],
        ),
        case("netfilter log, big endian", 239, &[&[2, 0, 0, 0], &[0, 8, 0, 1, 0, 0, 0, 0], &[0, 64, 0, 9]]),
        case("raw", 101, &[]),
        case("raw, as BSD has it", 12, &[]),
        case("raw, as OpenBSD has it", 14, &[]),
        case("IPv4", 228, &[]),
    ]
}

#[test]
fn every_link_type_leads_to_the_packet() {
    let ip = v4(UDP, &udp(5_000, 53, &[7; 32]));
    for Case { name, link, before, vlan } in cases() {
        let whole = [&before[..], &ip].concat();
        for cut in 0..=whole.len() {
            let result = Decoder::new(false).decode(link, &frame(&whole[..cut]));
            if cut < before.len() + 20 {
                let why = result.expect_err(name);
                assert!(
                    why == NotIp::Truncated || link == LinkType::Ppp && why == NotIp::PppControl,
                    "{name}: {why:?}"
                );
                continue;
            }
            let packet = result.expect(name);
            assert_eq!((packet.octets, packet.dscp, packet.key.vlan()), (60, 46, vlan), "{name}");
            let known = cut >= before.len() + 24;
            assert_eq!(ports(&packet), known.then_some((5_000, 53)), "{name}, {cut} octets");
        }
        assert_eq!(packet_after_padding(link, &whole), 60, "{name}");
    }
}

fn packet_after_padding(link: LinkType, whole: &[u8]) -> u32 {
    let padded = [whole, &[0; 9]].concat();
    Decoder::new(false).decode(link, &frame(&padded)).unwrap().octets
}

#[test]
fn ipv6_is_found_by_each_of_its_names() {
    let ip = v6(UDP, &udp(5_000, 53, &[]));
    let before: [(u16, &[u8]); 8] = [
        (1, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x86, 0xdd]),
        (9, &[0xff, 3, 0, 0x57]),
        (9, &[0x57]),
        (0, &[10, 0, 0, 0]),
        (0, &[0, 0, 0, 24]),
        (0, &[28, 0, 0, 0]),
        (108, &[0, 0, 0, 30]),
        (229, &[]),
    ];
    for (number, before) in before {
        let whole = [before, &ip].concat();
        let packet =
            Decoder::new(false).decode(LinkType::from_file(number).unwrap(), &frame(&whole)).unwrap();
        assert_eq!((packet.octets, ports(&packet)), (48, Some((5_000, 53))), "{number}");
    }
}

#[test]
fn a_tag_that_the_kernel_took_out_is_the_outer_one() {
    let ip = v4(UDP, &udp(1, 2, &[]));
    let plain = [ETHER, &[8, 0], &ip].concat();
    let inner = [ETHER, &[0x81, 0, 0, 7, 8, 0], &ip].concat();
    let mut decoder = Decoder::new(false);
    let mut vlan = |data, tci| {
        let frame = crate::capture::Frame { vlan: Some(tag(tci)), ..frame(data) };
        decoder.decode(LinkType::Ethernet, &frame).unwrap().key.vlan()
    };
    assert_eq!(vlan(&plain, 0x6064), Some(Vlan { inner: 100, outer: None }));
    assert_eq!(vlan(&inner, 100), Some(Vlan { inner: 7, outer: Some(100) }));
    assert_eq!(vlan(&inner, 0xe000), Some(Vlan { inner: 7, outer: None }), "a priority tag");
    assert_eq!(vlan(&plain, 0), None);
}

#[test]
fn what_is_not_ip_is_told_apart() {
    let ether: [(&[u8], NotIp); 12] = [
        (&[8, 6], NotIp::Arp),
        (&[0x81, 0, 0, 7, 8, 6], NotIp::Arp),
        (&[0, 39, 0x42, 0x42, 3], NotIp::Llc),
        (&[5, 0xdc], NotIp::Llc),
        (&[0x88, 0xcc], NotIp::Lldp),
        (&[0x88, 0x63, 0x11, 9], NotIp::PppControl),
        (&[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0xc0, 0x21], NotIp::PppControl),
        (&[0x88, 0x64, 0x11, 9, 0, 1, 0, 9, 0, 0x21], NotIp::PppControl),
        (&[0x88, 0x47, 0, 1, 1, 64, 0, 0, 0, 0], NotIp::Mpls),
        (&[0x88, 0xe5], NotIp::OtherEtherType),
        (&[8, 0, 0x75, 0, 0, 20], NotIp::BadIpHeader),
        (&[8, 0, 0x45, 0, 0, 20], NotIp::Truncated),
    ];
    for (after, why) in ether {
        let data = [ETHER, after].concat();
        assert_eq!(Decoder::new(false).decode(LinkType::Ethernet, &frame(&data)), Err(why), "{after:02x?}");
    }
    for (number, data, why) in [
        (0, &[0, 1, 2, 0, 0x45][..], NotIp::OtherEtherType),
        (0, &[7, 0, 0, 0, 0x45], NotIp::OtherEtherType),
        (104, &[0x8f, 0, 0x80, 0x35], NotIp::OtherEtherType),
        (9, &[0xff, 3, 0xc0, 0x23], NotIp::PppControl),
        (239, &[2, 0, 0, 0, 0, 0, 0, 0], NotIp::Truncated),
    ] {
        let link = LinkType::from_file(number).unwrap();
        assert_eq!(Decoder::new(false).decode(link, &frame(data)), Err(why), "{data:02x?}");
    }
    assert_eq!(LinkType::from_file(147), None);
}

#[test]
fn tags_and_labels_without_end_are_left() {
    let tags = [ETHER, &[0x81, 0, 0, 7].repeat(40), &[8, 0], &v4(UDP, &[])].concat();
    assert_eq!(Decoder::new(false).decode(LinkType::Ethernet, &frame(&tags)), Err(NotIp::OtherEtherType));
    let labels = [ETHER, &[0x88, 0x47], &[0, 1, 0, 64].repeat(400)[..]].concat();
    assert_eq!(Decoder::new(false).decode(LinkType::Ethernet, &frame(&labels)), Err(NotIp::Mpls));
    let log = [&[2, 0, 0, 0][..], &[4, 0, 1, 0].repeat(1_000)].concat();
    assert_eq!(Decoder::new(false).decode(LinkType::Nflog, &frame(&log)), Err(NotIp::Truncated));
}

const LINKS: [LinkType; 8] = [
    LinkType::Null,
    LinkType::Ethernet,
    LinkType::Ppp,
    LinkType::PppEther,
    LinkType::RawIp,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Nflog,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_octets_upset_the_decoder(
        link in prop::sample::select(LINKS.to_vec()),
        mut data in prop::collection::vec(any::<u8>(), 0..200),
        version in prop::sample::select(vec![0x45_u8, 0x46, 0x4f, 0x60]),
        wire_len in any::<u32>(), tci in any::<Option<u16>>(), inside in any::<bool>(),
    ) {
        if link == LinkType::RawIp && !data.is_empty() {
            data[0] = version;
        }
        let frame = crate::capture::Frame { wire_len, vlan: tci.map(tag), ..frame(&data) };
        let result = Decoder::new(inside).decode(link, &frame);
        prop_assert_eq!(result, Decoder::new(inside).decode(link, &frame));
        if let Ok(packet) = result {
            prop_assert!(packet.octets <= 524_280, "{} octets", packet.octets);
            prop_assert!(packet.dscp < 64);
        }
    }

    #[test]
    fn damaged_frames_are_packets_or_refused(
        which in any::<prop::sample::Index>(), six in any::<bool>(), inside in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let inner = v4(UDP, &udp(5_000, 4_789, &[&[8, 0, 0, 0, 0, 0, 0, 0][..], ETHER, &[8, 0], &v4(6, &[9; 20])].concat()));
        let ip = if six { v6(44, &[60, 0, 0, 1, 0, 0, 0, 1, 17, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]) } else { inner };
        let all = cases();
        let case = which.get(&all);
        let mut data = [&case.before[..], &ip].concat();
        for (at, octet) in damage {
            *at.get_mut(&mut data) = octet;
        }
        data.truncate(cut.index(data.len()) + 1);
        let _ = Decoder::new(inside).decode(case.link, &frame(&data));
    }
}
