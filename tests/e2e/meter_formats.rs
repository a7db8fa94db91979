//! Every file format, link layer, tag and tunnel: the same packets give the same flows.

use std::net::SocketAddr;

use serde_json::{Value, json};
use weir_tests::frames::link::{self, Tag};
use weir_tests::frames::transport::{ACK, SYN, echo, icmp, sctp, tcp, udp};
use weir_tests::frames::{Extension, Packet, tunnel};
use weir_tests::meter::{Run, meter_bytes};
use weir_tests::pcap::{self, Capture, Order, Precision};

/// Makes a frame of a packet.
type Wrap = fn(&Packet) -> Vec<u8>;

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn v4() -> (SocketAddr, SocketAddr) {
    (at("10.1.2.3:40000"), at("198.18.7.6:443"))
}

fn v6() -> (SocketAddr, SocketAddr) {
    (at("[2001:db8::1]:40000"), at("[2001:db8::2]:53"))
}

/// Packets of every transport over both versions of IP.
fn samples() -> Vec<Packet> {
    let ((a, b), (c, d)) = (v4(), v6());
    vec![
        tcp(a, b, SYN, b""),
        tcp(b, a, SYN | ACK, b""),
        tcp(a, b, ACK, b"request"),
        udp(c, d, b"question"),
        udp(d, c, b"an answer that is longer"),
        sctp(a, b, b"chunk"),
        echo(c.ip(), d.ip(), false, 7, 1),
        echo(d.ip(), c.ip(), true, 7, 1),
        Packet::new(a.ip(), b.ip(), 89, vec![2, 1, 0, 44]),
    ]
}

fn octets(packets: &[Packet]) -> u64 {
    packets.iter().map(|packet| packet.bytes().len() as u64).sum()
}

fn captured(link: u32, frames: impl IntoIterator<Item = Vec<u8>>) -> Capture {
    let mut capture = Capture::new(link);
    for (at, frame) in frames.into_iter().enumerate() {
        capture.push(at as u64 * 1_000, frame);
    }
    capture
}

fn metered(capture: &Capture) -> Run {
    read("capture.pcap", &capture.bytes())
}

fn read(name: &str, bytes: &[u8]) -> Run {
    let run = meter_bytes(&[], name, bytes);
    run.assert_orderly(name);
    assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
    run
}

/// The records without the name of the file they come from.
fn flows(run: &Run) -> Vec<Value> {
    let mut records = run.records();
    for record in &mut records {
        record.as_object_mut().expect("a record is an object").remove("observer");
    }
    records
}

#[track_caller]
fn only(run: &Run) -> Value {
    let records = run.records();
    assert_eq!(records.len(), 1, "{records:#?}");
    records[0].clone()
}

#[test]
fn every_file_format_gives_the_same_records() {
    let capture = captured(link::ETHERNET, samples().iter().map(link::ethernet));
    let usual = flows(&metered(&capture));
    assert_eq!(usual.len(), 5);
    for order in [Order::Little, Order::Big] {
        for precision in [Precision::Micro, Precision::Nano] {
            assert_eq!(
                flows(&read("a.pcap", &capture.pcap(order, precision))),
                usual,
                "pcap {order:?} {precision:?}"
            );
            let next = capture.pcapng(order, precision);
            assert_eq!(flows(&read("a.pcapng", &next)), usual, "pcapng {order:?} {precision:?}");
        }
    }
}

#[test]
fn compressed_captures_are_read_whatever_their_name() {
    let capture = captured(link::ETHERNET, samples().iter().map(link::ethernet));
    let usual = flows(&metered(&capture));
    let next = capture.pcapng(Order::Little, Precision::Micro);
    for (name, bytes) in [
        ("a.pcap.gz", pcap::gzip(&capture.bytes())),
        ("a.pcap.zst", pcap::zstd(&capture.bytes())),
        ("a.pcapng.gz", pcap::gzip(&next)),
        ("a.pcapng.zst", pcap::zstd(&next)),
        ("no-suffix", pcap::gzip(&capture.bytes())),
    ] {
        assert_eq!(flows(&read(name, &bytes)), usual, "{name}");
    }
}

#[test]
fn every_link_layer_gives_the_same_records() {
    let usual = flows(&metered(&captured(link::ETHERNET, samples().iter().map(link::ethernet))));
    let layers: [(u32, Wrap); 11] = [
        (link::LINUX_SLL, link::cooked),
        (link::LINUX_SLL2, link::cooked2),
        (link::RAW, Packet::bytes),
        (link::PPP, link::ppp),
        (link::LOOP, link::bsd_loop),
        (link::NULL, |packet| link::null(24, packet)),
        (link::NULL, |packet| link::null(28, packet)),
        (link::NULL, |packet| link::null(30, packet)),
        (link::ETHERNET, |packet| link::mpls(&[16, 17], packet)),
        (link::ETHERNET, |packet| link::mpls(&[100], packet)),
        (link::ETHERNET, |packet| link::pppoe(3, packet)),
    ];
    for (at, (kind, wrap)) in layers.into_iter().enumerate() {
        let capture = captured(kind, samples().iter().map(wrap));
        assert_eq!(flows(&metered(&capture)), usual, "layer {at}, link type {kind}");
    }
}

#[test]
fn raw_link_types_of_one_version_hold_that_version() {
    for (kind, four) in [(link::IPV4, true), (link::IPV6, false)] {
        let packets: Vec<Packet> =
            samples().into_iter().filter(|packet| packet.src.is_ipv4() == four).collect();
        let run = metered(&captured(kind, packets.iter().map(Packet::bytes)));
        assert_eq!((run.sum("packets"), run.sum("bytes")), (packets.len() as u64, octets(&packets)));
    }
}

#[test]
fn interfaces_of_one_pcapng_may_have_other_link_types() {
    let ether = captured(link::ETHERNET, samples().iter().map(link::ethernet));
    let raw = captured(link::RAW, samples().iter().map(Packet::bytes));
    let both = pcap::pcapng(Order::Little, Precision::Micro, &[&ether, &raw]);
    let run = read("two.pcapng", &both);
    assert_eq!(run.sum("packets"), 2 * samples().len() as u64);
    assert_eq!(run.sum("bytes"), 2 * octets(&samples()));
}

#[test]
fn padding_is_not_counted_and_cut_frames_count_whole() {
    let (a, b) = v4();
    let mut capture = Capture::new(link::ETHERNET);
    let (small, large) = (tcp(a, b, ACK, b""), tcp(a, b, ACK, &[1; 1_400]));
    capture.push(0, link::ethernet(&small));
    capture.push_cut(1, link::ethernet(&large), 60);
    // Only the IP header and the ports were kept.
    capture.push_cut(2, link::ethernet(&large), 14 + 20 + 4);
    let record = only(&metered(&capture));
    assert_eq!(
        (&record["packets"], &record["bytes"]),
        (&json!(3), &json!(octets(&[small, large.clone(), large])))
    );
}

#[test]
fn a_vlan_is_part_of_the_flow() {
    let (a, b) = v4();
    let packet = udp(a, b, b"same addresses, other networks");
    let tagged = |tags: &[Tag]| link::tagged(tags, &packet);
    let run = metered(&captured(
        link::ETHERNET,
        [
            link::ethernet(&packet),
            tagged(&[Tag::q(7)]),
            tagged(&[Tag::q(8)]),
            tagged(&[Tag::q(8)]),
            tagged(&[Tag::ad(100), Tag::q(9)]),
            tagged(&[Tag { tpid: 0x8100, vid: 200 }, Tag::q(9)]),
        ],
    ));
    let mut seen: Vec<_> =
        run.records().iter().map(|r| (r["vlan"].as_u64(), r["packets"].as_u64())).collect();
    seen.sort_unstable();
    let expected = [(None, 1), (Some(7), 1), (Some(8), 2), (Some(9), 1), (Some(9), 1)];
    assert_eq!(seen, expected.map(|(vlan, packets)| (vlan, Some(packets))));
}

#[test]
fn protocols_without_ports_are_flows_without_ports() {
    let (a, b) = v4();
    let record = only(&metered(&captured(
        link::ETHERNET,
        [link::ethernet(&Packet::new(a.ip(), b.ip(), 89, vec![0; 24]))],
    )));
    assert_eq!((&record["proto"], &record["proto_num"]), (&json!("ospf"), &json!(89)));
    assert!(
        record["src_port"].is_null() && record["dst_port"].is_null() && record["tcp_flags_out"].is_null()
    );
    let record = only(&metered(&captured(link::ETHERNET, [link::ethernet(&sctp(a, b, b"x"))])));
    assert_eq!(
        (&record["proto"], &record["src_port"], &record["dst_port"]),
        (&json!("sctp"), &json!(40_000), &json!(443))
    );
}

#[test]
fn extension_headers_are_walked_to_the_ports() {
    let (c, d) = v6();
    let packet = udp(c, d, b"behind four headers")
        .extension(Extension::HopByHop)
        .extension(Extension::Routing)
        .extension(Extension::Destination)
        .extension(Extension::Authentication);
    let record = only(&metered(&captured(link::ETHERNET, [link::ethernet(&packet)])));
    assert_eq!((&record["proto"], &record["dst_port"]), (&json!("udp"), &json!(53)));
    assert_eq!(record["bytes"], json!(packet.bytes().len()));
    let options = udp(v4().0, v4().1, b"after options").options(&[1; 40]);
    let record = only(&metered(&captured(link::ETHERNET, [link::ethernet(&options)])));
    assert_eq!((&record["dst_port"], &record["bytes"]), (&json!(443), &json!(20 + 40 + 8 + 13)));
}

#[test]
fn an_echo_and_its_reply_are_one_flow() {
    for (a, b, ask) in [(v4().0, v4().1, 8), (v6().0, v6().1, 128)] {
        let ping = [echo(a.ip(), b.ip(), false, 1, 1), echo(b.ip(), a.ip(), true, 1, 1)];
        let record = only(&metered(&captured(link::ETHERNET, ping.iter().map(link::ethernet))));
        assert_eq!((&record["icmp_type"], &record["icmp_code"]), (&json!(ask), &json!(0)));
        assert_eq!((&record["packets_out"], &record["packets_in"]), (&json!(1), &json!(1)));
        assert_eq!(record["src_ip"], json!(a.ip().to_string()));
    }
    let refusal = icmp(v4().1.ip(), v4().0.ip(), 3, 13, &[0; 32]);
    let record = only(&metered(&captured(link::ETHERNET, [link::ethernet(&refusal)])));
    assert_eq!((&record["icmp_type"], &record["icmp_code"]), (&json!(3), &json!(13)));
}

#[test]
fn the_community_id_is_that_of_the_reference() {
    let (a, b) = (at("128.232.110.120:34855"), at("66.35.250.204:80"));
    let record = only(&metered(&captured(link::ETHERNET, [link::ethernet(&tcp(a, b, SYN, b""))])));
    assert_eq!(record["community_id"], json!("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
}

#[test]
fn the_code_point_is_that_of_the_first_packet() {
    for (a, b) in [v4(), v6()] {
        let packets = [udp(a, b, b"voice").dscp(46), udp(a, b, b"more").dscp(0)];
        let record = only(&metered(&captured(link::ETHERNET, packets.iter().map(link::ethernet))));
        assert_eq!(record["dscp"], json!(46));
    }
}

#[test]
fn the_first_packet_says_who_began_unless_it_is_an_answer() {
    let (client, server) = v4();
    let usual = only(&metered(&captured(link::ETHERNET, [link::ethernet(&tcp(client, server, SYN, b""))])));
    assert_eq!((&usual["src_port"], &usual["packets_out"]), (&json!(40_000), &json!(1)));
    let late = [
        tcp(server, client, SYN | ACK, b""),
        tcp(client, server, ACK, b""),
        tcp(server, client, ACK, b"page"),
    ];
    let turned = only(&metered(&captured(link::ETHERNET, late.iter().map(link::ethernet))));
    assert_eq!((&turned["src_ip"], &turned["src_port"]), (&json!("10.1.2.3"), &json!(40_000)));
    assert_eq!((&turned["packets_out"], &turned["packets_in"]), (&json!(1), &json!(2)));
    assert_eq!((&turned["tcp_flags_out"], &turned["tcp_flags_in"]), (&json!(ACK), &json!(SYN | ACK)));
}

#[test]
fn fragments_join_the_flow_of_their_first_one() {
    for (a, b) in [v4(), v6()] {
        let packet = udp(a, b, &[3; 4_000]).id(4_711);
        let pieces = packet.fragments(1_400);
        let frames = pieces.iter().map(|piece| link::ethernet_of(&packet, piece));
        let run = metered(&captured(link::ETHERNET, frames.clone()));
        let record = only(&run);
        let whole: usize = pieces.iter().map(Vec::len).sum();
        assert_eq!((&record["packets"], &record["bytes"]), (&json!(pieces.len()), &json!(whole)));
        assert_eq!(record["dst_port"], json!(b.port()));
        // A later fragment before the first one has no ports to go by, and counts all the same.
        let backwards = metered(&captured(link::ETHERNET, frames.rev()));
        assert_eq!((backwards.sum("packets"), backwards.sum("bytes")), (pieces.len() as u64, whole as u64));
        assert!(backwards.records().iter().any(|record| record["src_port"].is_null()));
    }
}

/// A tunnel, the packet inside, and how many IP octets the tunnel has.
fn tunnels() -> Vec<(&'static str, Packet, Packet)> {
    let ((a, b), (c, d)) = (v4(), v6());
    let inner = udp(at("172.16.0.1:5000"), at("172.16.0.2:6000"), b"inside");
    let inner6 = udp(at("[fd00::1]:5000"), at("[fd00::2]:6000"), b"inside");
    vec![
        ("GRE", tunnel::gre(a.ip(), b.ip(), None, &inner), inner.clone()),
        ("GRE with a key", tunnel::gre(c.ip(), d.ip(), Some(9), &inner6), inner6.clone()),
        ("VXLAN", tunnel::vxlan(a, b.ip(), 5, &link::ethernet(&inner)), inner.clone()),
        ("GENEVE", tunnel::geneve(c, d.ip(), 5, &link::ethernet(&inner6)), inner6.clone()),
        ("IPv4 in IPv4", tunnel::ip_in_ip(a.ip(), b.ip(), &inner), inner.clone()),
        ("IPv6 in IPv4", tunnel::ip_in_ip(a.ip(), b.ip(), &inner6), inner6),
        ("IPv4 in IPv6", tunnel::ip_in_ip(c.ip(), d.ip(), &inner), inner),
    ]
}

#[test]
fn a_tunnel_counts_by_its_outer_header() {
    for (name, outer, _) in tunnels() {
        let record = only(&metered(&captured(link::ETHERNET, [link::ethernet(&outer)])));
        assert_eq!(record["src_ip"], json!(outer.src.to_string()), "{name}");
        assert_eq!(record["bytes"], json!(outer.bytes().len()), "{name}");
    }
}

#[test]
fn a_tunnel_counts_by_its_inner_header_when_asked() {
    for (name, outer, inner) in tunnels() {
        let capture = captured(link::ETHERNET, [link::ethernet(&outer)]).bytes();
        let run = meter_bytes(&[("WEIR_FLOW_LOOK_INSIDE_TUNNELS", "true")], "tunnel.pcap", &capture);
        let record = only(&run);
        assert_eq!(record["src_ip"], json!(inner.src.to_string()), "{name}");
        assert_eq!((&record["src_port"], &record["dst_port"]), (&json!(5_000), &json!(6_000)), "{name}");
        assert_eq!(record["bytes"], json!(inner.bytes().len()), "{name}");
    }
}

#[test]
fn what_is_not_ip_is_counted_and_is_no_error() {
    let frames = [link::arp(), link::ethernet(&udp(v4().0, v4().1, b"x")), link::arp()];
    let run = metered(&captured(link::ETHERNET, frames));
    assert_eq!(run.sum("packets"), 1);
    let summary = run.stderr.to_lowercase();
    assert!(
        summary.contains("arp") || summary.contains("not ip"),
        "the summary says nothing of them: {summary}"
    );
}

#[test]
fn csv_has_the_same_flows() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("a.pcap");
    captured(link::ETHERNET, samples().iter().map(link::ethernet)).write(&file);
    let path = file.to_str().expect("UTF-8");
    let run = weir_tests::meter::weir(["meter", "--no-enrich", "--format", "csv", path]);
    let text = String::from_utf8(run.stdout).expect("CSV is UTF-8");
    let (header, rows) = text.split_once('\n').expect("a header");
    assert_eq!(format!("{header}\n"), weir_flow::CSV_HEADER);
    let at = |name: &str| header.split(',').position(|column| column == name).expect("a column");
    let sum = |name: &str| {
        rows.lines()
            .map(|row| row.split(',').nth(at(name)).expect("a cell").parse::<u64>().expect("a number"))
            .sum::<u64>()
    };
    assert_eq!(rows.lines().count(), 5);
    assert_eq!(sum("packets_out") + sum("packets_in"), samples().len() as u64);
    assert_eq!(sum("bytes_out") + sum("bytes_in"), octets(&samples()));
}
