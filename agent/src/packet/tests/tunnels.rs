//! Tunnels: counted by their outer header, unless someone asks for what is inside.

use super::{TCP, UDP, decode, look_inside, ports, tcp, udp, v4, v4_with, v6};

const ETHER: [u8; 12] = [2; 12];

/// A tunnelled packet that is not like the others.
fn inner() -> Vec<u8> {
    v4(TCP, &tcp(999, 22, 0x18))
}

fn gre(flags: u8, kind: u16, optional: usize, body: &[u8]) -> Vec<u8> {
    v4(47, &[&[flags, 0][..], &kind.to_be_bytes(), &vec![0xff; optional], body].concat())
}

fn geneve(options: u8, kind: u16, body: &[u8]) -> Vec<u8> {
    let head = [options, 0, kind.to_be_bytes()[0], kind.to_be_bytes()[1], 0, 0, 1, 0];
    v4(UDP, &udp(5_000, 6_081, &[&head[..], &vec![0xff; usize::from(options) * 4], body].concat()))
}

fn vxlan(flags: u8, frame: &[u8]) -> Vec<u8> {
    v4(UDP, &udp(5_000, 4_789, &[&[flags, 0, 0, 0, 0, 0, 7, 0][..], frame].concat()))
}

fn tunnels() -> Vec<(&'static str, Vec<u8>)> {
    let inner = inner();
    let frame = [&ETHER[..], &[8, 0], &inner].concat();
    let tagged = [&ETHER[..], &[0x88, 0xa8, 0, 9, 0x81, 0, 0, 8, 8, 0], &inner].concat();
    vec![
        ("GRE", gre(0, 0x0800, 0, &inner)),
        ("GRE with key", gre(0x20, 0x0800, 4, &inner)),
        ("GRE with sequence", gre(0x10, 0x0800, 4, &inner)),
        ("GRE with checksum", gre(0x80, 0x0800, 4, &inner)),
        ("GRE with all of them", gre(0xb0, 0x0800, 12, &inner)),
        ("Ethernet in GRE", gre(0x20, 0x6558, 4, &frame)),
        ("IP in IP", v4(4, &inner)),
        ("IPv4 in IPv6", v6(4, &inner)),
        ("VXLAN", vxlan(8, &frame)),
        ("VXLAN, two tags", vxlan(8, &tagged)),
        ("GENEVE", geneve(0, 0x0800, &inner)),
        ("Ethernet in GENEVE with options", geneve(3, 0x6558, &frame)),
        ("GENEVE with all options", geneve(63, 0x6558, &tagged)),
        ("VXLAN in GRE", gre(0, 0x0800, 0, &vxlan(8, &frame))),
    ]
}

#[test]
fn tunnels_count_by_their_outer_header_or_by_the_innermost() {
    for (name, ip) in tunnels() {
        let outer = decode(&ip).unwrap();
        assert_eq!(usize::try_from(outer.octets).unwrap(), ip.len(), "{name}");
        assert_ne!(ports(&outer), Some((999, 22)), "{name}");
        let inside = look_inside(&ip);
        assert_eq!((ports(&inside), inside.octets, inside.tcp_flags), (Some((999, 22)), 40, 0x18), "{name}");
    }
}

#[test]
fn ipv6_inside_is_found_too() {
    let inner = v6(TCP, &tcp(999, 22, 0x18));
    for (name, ip) in [("6in4", v4(41, &inner)), ("GRE", gre(0, 0x86dd, 0, &inner)), ("6in6", v6(41, &inner))]
    {
        let inside = look_inside(&ip);
        assert_eq!((ports(&inside), inside.octets), (Some((999, 22)), 60), "{name}");
    }
}

#[test]
fn what_cannot_be_read_inside_counts_by_its_outer_header() {
    let inner = inner();
    let frame = [&ETHER[..], &[8, 0], &inner].concat();
    let arp = [&ETHER[..], &[8, 6], &inner].concat();
    let outer = [
        ("PPTP", v4(47, &[&[0x30, 1, 0x88, 0x0b, 0, 20, 0, 1][..], &inner].concat())),
        ("GRE with routing", gre(0x40, 0x0800, 4, &inner)),
        ("GRE keep-alive", gre(0, 0, 0, &[])),
        ("VXLAN without a network", vxlan(0, &frame)),
        ("ARP in VXLAN", vxlan(8, &arp)),
        ("GENEVE of another version", geneve(0x40, 0x0800, &inner)),
        ("another service", v4(UDP, &udp(4_789, 53, &[8, 0, 0, 0, 0, 0, 7, 0]))),
        ("a fragment", v4_with(4, 9, 0x2000, &[], &inner)),
        ("garbage", v4(4, &[0xff; 40])),
    ];
    for (name, ip) in outer {
        assert_eq!(look_inside(&ip), decode(&ip).unwrap(), "{name}");
    }
}

#[test]
fn a_capture_that_ends_in_a_tunnel_counts_by_what_it_has() {
    for (name, ip) in tunnels() {
        for cut in 20..ip.len() {
            if ip[0] >> 4 == 6 && cut < 40 {
                continue;
            }
            let packet = look_inside(&ip[..cut]);
            let whole = u32::try_from(ip.len()).unwrap();
            assert!(
                [40, whole].contains(&packet.octets) || name == "VXLAN in GRE",
                "{name} at {cut}: {}",
                packet.octets
            );
        }
    }
}

#[test]
fn tunnels_in_tunnels_are_followed_four_deep() {
    let mut ip = inner();
    let mut octets = vec![ip.len()];
    for _ in 0..60 {
        ip = v4(4, &ip);
        octets.push(ip.len());
        let followed = octets.len().saturating_sub(5);
        assert_eq!(usize::try_from(look_inside(&ip).octets).unwrap(), octets[followed]);
    }
}
