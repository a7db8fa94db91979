//! `weir collect` on exports of which everything is known: where they may lie, and what is said of what cannot be read.

use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;

use serde_json::{Value, json};
use weir_tests::collect::{Summary, collect, collect_bytes};
use weir_tests::exports::sflow::{Datagram, Sampled};
use weir_tests::exports::{
    EXPORTED, Flow, Message, Template, UPTIME, ipfix_template, netflow5, netflow7, netflow9_template,
};
use weir_tests::frames::link::{self, Tag};
use weir_tests::frames::transport::{SYN, tcp, udp};
use weir_tests::frames::{Packet, tunnel};
use weir_tests::meter::{Run, command};
use weir_tests::pcap::{self, Capture, Order, Precision};

const DATA: i32 = 65;
const NO_INPUT: i32 = 66;
const NETFLOW_PORT: u16 = 2055;

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Flows that differ by their source ports, from `first` on.
fn flows(first: u16, count: u16) -> Vec<Flow> {
    (first..first + count).map(Flow::number).collect()
}

/// Source ports of the records, which tell flows apart.
fn numbers(run: &Run) -> Vec<u64> {
    run.records().iter().map(|record| record["src_port"].as_u64().expect("a port")).collect()
}

/// A message of IPFIX with its template in it.
fn ipfix(domain: u32, sequence: u32, flows: &[Flow]) -> Message {
    let template = ipfix_template(300, false);
    Message::ipfix(domain, sequence).templates([&template]).flows(&template, flows)
}

/// The message as UDP packet of an exporter.
fn sent(from: &str, message: &[u8]) -> Packet {
    let from = at(from);
    let to = if from.is_ipv4() { "192.0.2.9" } else { "2001:db8::9" };
    udp(from, SocketAddr::new(to.parse().expect("an address"), NETFLOW_PORT), message)
}

fn capture_of(link: u32, frames: impl IntoIterator<Item = Vec<u8>>) -> Capture {
    let mut capture = Capture::new(link);
    for frame in frames {
        capture.push(capture.len() as u64 * 1_000_000, frame);
    }
    capture
}

fn ethernet(packets: &[Packet]) -> Vec<u8> {
    capture_of(link::ETHERNET, packets.iter().map(link::ethernet)).bytes()
}

#[track_caller]
fn expect(run: &Run, code: i32) -> Summary {
    run.assert_orderly("weir collect");
    assert_eq!(run.code, Some(code), "{}", run.stderr);
    let summary = Summary::of(run);
    if !run.stdout.starts_with(b"ts,") {
        assert_eq!(summary.records, run.records().len() as u64, "{}", run.stderr);
    }
    summary
}

#[test]
fn a_flow_is_told_as_it_was_exported_by_every_version() {
    let (flow, template) = (Flow::number(40_000), netflow9_template(256, false));
    let netflow9 = Message::netflow9(7, 1).templates([&template]).flows(&template, &[flow]).bytes();
    let messages = [
        ("netflow5", netflow5(1, &[flow])),
        ("netflow7", netflow7(1, [192, 0, 2, 1].into(), &[flow])),
        ("netflow9", netflow9),
        ("ipfix", ipfix(7, 1, &[flow]).bytes()),
    ];
    for (source, message) in messages {
        let run = collect_bytes(&[], &[("message.dat", &message)]);
        let summary = expect(&run, 0);
        assert_eq!((summary.datagrams, summary.octets), (1, message.len() as u64), "{source}");
        let records = run.records();
        assert_eq!(records.len(), 1, "{source}: {records:#?}");
        let start = u64::from(EXPORTED) * 1_000 - u64::from(UPTIME) + u64::from(flow.seen.0);
        let expected = json!({
            "source": source, "src_ip": flow.src.0, "dst_ip": flow.dst.0, "src_port": 40_000, "dst_port": 443,
            "proto": "tcp", "bytes_out": flow.octets, "packets_out": flow.packets, "bytes_in": 0,
            "tcp_flags_out": flow.tcp_flags, "dscp": flow.tos >> 2, "ingress_if": 3, "egress_if": 4,
            "ts_ms": start, "end_ms": start + 4_000, "exporter": null,
        });
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(&records[0][name], value, "{source}: {name} in {}", records[0]);
        }
    }
}

#[test]
fn messages_one_after_the_other_in_a_file_are_all_read() {
    let template = ipfix_template(300, false);
    let mut ipfix_file = Message::ipfix(1, 0).templates([&template]).bytes();
    let (mut v5_file, mut v9_file) = (Vec::new(), Vec::new());
    let v9_template = netflow9_template(256, false);
    for number in 0..2_000_u16 {
        let flows = [Flow::number(1 + number)];
        ipfix_file.extend(Message::ipfix(1, number.into()).flows(&template, &flows).bytes());
        v5_file.extend(netflow5(number.into(), &flows));
        let message = Message::netflow9(1, number.into()).templates([&v9_template]);
        v9_file.extend(message.flows(&v9_template, &flows).bytes());
    }
    let expected: Vec<u64> = (1..=2_000).collect();
    for (name, file, messages) in
        [("v5", &v5_file, 2_000), ("v9", &v9_file, 2_000), ("ipfix", &ipfix_file, 2_001)]
    {
        for (ending, bytes) in [("", file.clone()), (".gz", pcap::gzip(file)), (".zst", pcap::zstd(file))] {
            let run = collect_bytes(&[], &[(&format!("{name}{ending}"), &bytes)]);
            assert_eq!(expect(&run, 0).datagrams, messages, "{name}{ending}");
            assert_eq!(numbers(&run), expected, "{name}{ending}");
        }
    }
}

#[test]
fn a_template_in_one_file_serves_the_data_in_the_next() {
    let template = ipfix_template(300, false);
    let (first, second) = (
        Message::ipfix(1, 0).templates([&template]).bytes(),
        Message::ipfix(1, 0).flows(&template, &flows(1, 3)).bytes(),
    );
    let run = collect_bytes(&[], &[("1", &first), ("2", &second)]);
    assert_eq!(expect(&run, 0).templates, 1);
    assert_eq!(numbers(&run), [1, 2, 3]);
    let run = collect_bytes(&[], &[("1", &second), ("2", &first)]);
    expect(&run, 0);
    assert_eq!(numbers(&run), [1, 2, 3], "data that came before its template");
}

#[test]
fn data_without_a_template_is_told_and_the_rest_is_written() {
    let template = ipfix_template(300, false);
    let alone = Message::ipfix(2, 0).flows(&template, &flows(1, 3)).bytes();
    let run = collect_bytes(&[], &[("1", &alone), ("2", &ipfix(1, 0, &flows(9, 1)).bytes())]);
    let summary = expect(&run, DATA);
    assert!(summary.count("undecodable: no_template") > 0, "{}", run.stderr);
    assert_eq!(numbers(&run), [9]);
}

#[test]
fn exports_are_found_in_captures_of_every_kind() {
    let packet = sent("192.0.2.1:4000", &ipfix(1, 0, &flows(1, 2)).bytes());
    let v6 = sent("[2001:db8::1]:4000", &ipfix(1, 0, &flows(1, 2)).bytes());
    let tags = [Tag::ad(7), Tag::q(9)];
    for (name, link, make) in [
        ("ethernet", link::ETHERNET, link::ethernet as fn(&Packet) -> Vec<u8>),
        ("cooked", link::LINUX_SLL, link::cooked),
        ("cooked 2", link::LINUX_SLL2, link::cooked2),
        ("raw", link::RAW, Packet::bytes),
        ("loopback", link::NULL, |packet| link::null(30, packet)),
    ] {
        for packet in [&packet, &v6] {
            let capture = capture_of(link, [make(packet)]);
            for file in [capture.bytes(), capture.pcapng(Order::Big, Precision::Nano)] {
                let run = collect_bytes(&[], &[("capture", &file)]);
                assert_eq!(expect(&run, 0).exporters, 1, "{name}");
                assert_eq!(numbers(&run), [1, 2], "{name}");
                assert_eq!(run.records()[0]["exporter"], json!(packet.src), "{name}");
            }
        }
    }
    let tagged = capture_of(link::ETHERNET, [link::tagged(&tags, &packet)]).bytes();
    for (name, file) in
        [("a.pcap", tagged.clone()), ("a.gz", pcap::gzip(&tagged)), ("a.zst", pcap::zstd(&tagged))]
    {
        let run = collect_bytes(&[], &[(name, &file)]);
        expect(&run, 0);
        assert_eq!(numbers(&run), [1, 2], "{name}");
        assert_eq!(run.records()[0]["vlan"], Value::Null, "that of the export is not that of the flow");
    }
}

#[test]
fn a_datagram_in_fragments_is_read_whole() {
    let message = ipfix(1, 0, &flows(1, 100)).bytes();
    let expected: Vec<u64> = (1..=100).collect();
    for from in ["192.0.2.1:4000", "[2001:db8::1]:4000"] {
        let packet = sent(from, &message);
        let parts: Vec<_> =
            packet.fragments(1_480).iter().map(|part| link::ethernet_of(&packet, part)).collect();
        assert!(parts.len() > 2);
        let mut turned = parts.clone();
        turned.reverse();
        for frames in [parts.clone(), turned] {
            let run = collect_bytes(&[], &[("a.pcap", &capture_of(link::ETHERNET, frames).bytes())]);
            assert_eq!(expect(&run, 0).datagrams, 1, "{from}");
            assert_eq!(numbers(&run), expected, "{from}");
        }
        for missing in 0..parts.len() {
            let mut frames = parts.clone();
            frames.remove(missing);
            frames.push(link::ethernet(&sent("192.0.2.7:1", &netflow5(0, &flows(7, 1)))));
            let run = collect_bytes(&[], &[("a.pcap", &capture_of(link::ETHERNET, frames).bytes())]);
            let summary = expect(&run, DATA);
            assert_eq!(summary.count("undecodable: missing_fragments"), 1, "{from}, part {missing}");
            assert_eq!(numbers(&run), [7], "{from}, part {missing}");
        }
    }
}

#[test]
fn templates_of_one_number_from_two_exporters_are_two() {
    let (mine, flow) = (ipfix_template(300, false), Flow::number(1));
    // The same length, the ports the other way round.
    let mut theirs = mine.clone();
    theirs.fields.swap(2, 3);
    let (a, b) = ("192.0.2.1:4000", "192.0.2.2:4000");
    let announced = |template: &Template| Message::ipfix(1, 0).templates([template]).bytes();
    let told = |template: &Template| Message::ipfix(1, 0).flows(template, &[flow]).bytes();
    let packets = [
        sent(a, &announced(&mine)),
        sent(b, &announced(&theirs)),
        sent(a, &told(&mine)),
        sent(b, &told(&theirs)),
    ];
    let run = collect_bytes(&[], &[("a.pcap", &ethernet(&packets))]);
    assert_eq!(expect(&run, 0).exporters, 2);
    assert_eq!(numbers(&run), [1, 1], "{:#?}", run.records());
    // An exporter may send templates and data from different ports; behind a NAT they may be two exporters.
    let packets = [sent(a, &announced(&mine)), sent("192.0.2.1:4001", &told(&mine))];
    let file = ethernet(&packets);
    assert_eq!(numbers(&collect_bytes(&[], &[("a.pcap", &file)])), [1]);
    assert_eq!(expect(&collect_bytes(&["--by-port"], &[("a.pcap", &file)]), DATA).exporters, 2);
}

#[test]
fn other_traffic_in_a_capture_is_no_export_and_no_fault() {
    let (client, server) = (at("10.0.0.1:40000"), at("10.0.0.2:53"));
    // An answer of a name server whose identification is the version of NetFlow v9.
    let answer =
        b"\0\x09\x81\x80\0\x01\0\x01\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01";
    let tunnel = tunnel::gre(client.ip(), server.ip(), None, &udp(client, server, b"x"));
    let odd = udp(at("192.0.2.1:4000"), at("192.0.2.9:21000"), &ipfix(1, 0, &flows(2, 1)).bytes());
    let usual = sent("192.0.2.1:4000", &ipfix(1, 0, &flows(1, 1)).bytes());
    let others = [udp(server, client, answer), tcp(client, server, SYN, b""), tunnel];
    let frames = others.iter().chain([&usual, &odd]).map(link::ethernet).chain([link::arp()]);
    let file = capture_of(link::ETHERNET, frames).bytes();
    let run = collect_bytes(&[], &[("a.pcap", &file)]);
    let summary = expect(&run, 0);
    assert_eq!(numbers(&run), [1, 2], "also what was sent to another port");
    assert_eq!(summary.count("not an export: datagrams"), 1, "{}", run.stderr);
    assert_eq!(summary.count("not an export: other_packets"), 2, "{}", run.stderr);
    assert_eq!(summary.count("not IP: arp"), 1, "{}", run.stderr);
    let run = collect_bytes(&["--port", "21000"], &[("a.pcap", &file)]);
    assert_eq!(expect(&run, 0).count("not an export: datagrams"), 2);
    assert_eq!(numbers(&run), [2]);
    // Whoever names a port says that exports go there.
    let run = collect_bytes(&["--port", "40000"], &[("a.pcap", &file)]);
    assert_eq!(expect(&run, DATA).records, 0);
}

#[test]
fn what_samplers_send_is_counted_by_its_form() {
    let header = link::ethernet(&tcp(at("10.0.0.1:1"), at("10.0.0.2:443"), SYN, b""));
    let what = Sampled { rate: 400, interfaces: (1, 2), frame_len: 64 };
    let datagram = |sequence| Datagram::new([192, 0, 2, 1].into(), 0, sequence);
    let first = datagram(1).sampled(what, &header).expanded(what, &header).counters(3);
    let messages = [first.bytes(), datagram(2).sampled(what, &header).bytes()].concat();
    let run = collect_bytes(&[], &[("sflow.dat", &messages)]);
    let summary = expect(&run, 0);
    let count = |what: &str| summary.count(&format!("sFlow: {what}"));
    assert_eq!(
        (count("flow_sample"), count("flow_sample_expanded"), count("counters_sample")),
        (2, 1, 1),
        "{}",
        run.stderr
    );
    let records = run.records();
    assert_eq!(records.len(), 3, "{records:#?}");
    assert_eq!((&records[0]["source"], &records[0]["sampling"]), (&json!("sflow5"), &json!(400)));
}

#[test]
fn what_sequence_numbers_say_is_missing_is_told_and_is_no_fault_of_the_file() {
    let files = [netflow5(0, &flows(1, 5)), netflow5(15, &flows(6, 5))];
    let run = collect_bytes(&[], &[("1", &files[0]), ("2", &files[1])]);
    expect(&run, 0);
    assert!(run.stderr.contains("missing by sequence: 10 records"), "{}", run.stderr);
}

#[test]
fn a_missing_file_is_named_and_the_others_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("there.dat");
    std::fs::write(&file, netflow5(0, &flows(1, 5))).expect("room");
    let missing = folder.path().join("not there.dat");
    let run = collect([&missing, &file]);
    assert_eq!(expect(&run, NO_INPUT).records, 5);
    assert!(run.stderr.contains("not there.dat"), "{}", run.stderr);
    assert_eq!(expect(&collect([folder.path()]), NO_INPUT).records, 0, "a folder");
}

#[test]
fn what_is_no_export_is_named_and_the_others_are_read() {
    let good = netflow5(0, &flows(1, 2));
    let long = vec![b'x'; 300_000];
    for bad in [&b"Dear all,\nthis is no export.\n"[..], b"", b"\x1f\x8b\x08\0\0\0", &long] {
        let run = collect_bytes(&[], &[("1", &good), ("bad.dat", bad), ("3", &good)]);
        assert_eq!(expect(&run, DATA).records, 4);
        assert!(run.stderr.lines().any(|line| line.contains("bad.dat")), "{}", run.stderr);
    }
}

#[test]
fn a_file_that_is_damaged_gives_what_comes_before_the_damage() {
    let template = ipfix_template(300, false);
    let start = Message::ipfix(1, 0).templates([&template]).flows(&template, &flows(1, 3)).bytes();
    let whole = Message::ipfix(1, 3).flows(&template, &flows(4, 2)).bytes();
    let cut = [&start[..], &whole[..whole.len() - 1]].concat();
    let run = collect_bytes(&[], &[("cut.ipfix", &cut)]);
    expect(&run, DATA);
    assert_eq!(numbers(&run)[..3], [1, 2, 3]);
    let damaged = [&start[..], &[0xee; 100_000], &whole].concat();
    let run = collect_bytes(&[], &[("damaged.ipfix", &damaged)]);
    expect(&run, DATA);
    assert_eq!(numbers(&run), [1, 2, 3]);
    let line = run.stderr.lines().find(|line| line.contains("damaged.ipfix"));
    assert!(line.is_some_and(|line| line.contains(&format!("octet {}", start.len()))), "{}", run.stderr);
    let capture = ethernet(&[sent("192.0.2.1:1", &start), sent("192.0.2.1:1", &whole)]);
    let run = collect_bytes(&[], &[("cut.pcap", &capture[..capture.len() - 9])]);
    expect(&run, DATA);
    assert_eq!(numbers(&run), [1, 2, 3]);
}

#[test]
fn csv_has_the_same_flows() {
    let run = collect_bytes(&["--format", "csv"], &[("a", &netflow5(0, &flows(1, 30)))]);
    assert_eq!(expect(&run, 0).records, 30);
    let text = String::from_utf8(run.stdout).expect("CSV is UTF-8");
    let (header, rows) = text.split_once('\n').expect("a header");
    assert_eq!(format!("{header}\n"), weir_flow::CSV_HEADER);
    let column = header.split(',').position(|name| name == "src_port").expect("a column");
    let ports: Vec<u16> = rows.lines().filter_map(|row| row.split(',').nth(column)?.parse().ok()).collect();
    assert_eq!(ports, (1..=30).collect::<Vec<u16>>());
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("many.v5");
    std::fs::write(&file, netflow5(0, &flows(1, 30)).repeat(3_000)).expect("room");
    let mut child = command()
        .args(["collect", "--no-enrich"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let run = Run::from(child.wait_with_output().expect("it ends"));
    run.assert_orderly("a closed pipe");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let summary = Summary::of(&run);
    assert!(summary.records < 90_000, "it went on to the end: {}", run.stderr);
}

#[test]
fn a_stream_is_read_from_standard_input() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("a.pcap");
    let exporter: IpAddr = [192, 0, 2, 1].into();
    std::fs::write(&file, ethernet(&[sent("192.0.2.1:1", &netflow5(0, &flows(1, 2)))])).expect("room");
    let input = std::fs::File::open(&file).expect("just made");
    let mut command = command();
    command.args(["collect", "--no-enrich", "-"]).stdin(input);
    let run = weir_tests::meter::finished(&mut command);
    expect(&run, 0);
    assert_eq!(numbers(&run), [1, 2]);
    assert_eq!(run.records()[1]["exporter"], json!(exporter));
}
