//! Writes the inputs that the fuzz targets start from: `seeds FOLDER` makes a folder for each target.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

// Instrumented code does not link without libFuzzer.
use libfuzzer_sys as _;
use serde_json::json;
use weir::collect::{Arrival, Collector, Settings};
use weir::packet::LinkType;
use weir_flow::{Extra, FlowRecord};
use weir_fuzz::captured::{self, Group};
use weir_fuzz::exports;
use weir_fuzz::frames::{LOOK_INSIDE, Step, push};
use weir_store::MaxRecordBytes;
use weir_store::block::{Encoder, Push};
use weir_tests::exports::sflow::{Datagram, Sampled};
use weir_tests::exports::{
    Flow, Message, Stream, Template, VARIABLE, Version, ipfix_template, netflow7, netflow9_template,
};
use weir_tests::frames::link::{self, Tag};
use weir_tests::frames::transport::{ACK, FIN, RST, SYN, echo, icmp, sctp, tcp, udp};
use weir_tests::frames::{Extension, Packet, tunnel};
use weir_tests::pcap::{self, Capture, Order, Precision};

/// Makes a frame of a packet.
type Wrap = fn(&Packet) -> Vec<u8>;

const LAYERS: [(LinkType, u32, Wrap); 9] = [
    (LinkType::Ethernet, link::ETHERNET, |packet| link::ethernet(packet)),
    (LinkType::Ethernet, link::ETHERNET, |packet| link::tagged(&[Tag::ad(100), Tag::q(7)], packet)),
    (LinkType::Ethernet, link::ETHERNET, |packet| link::mpls(&[16, 17], packet)),
    (LinkType::Ethernet, link::ETHERNET, |packet| link::pppoe(1, packet)),
    (LinkType::RawIp, link::RAW, Packet::bytes),
    (LinkType::LinuxSll, link::LINUX_SLL, link::cooked),
    (LinkType::LinuxSll2, link::LINUX_SLL2, link::cooked2),
    (LinkType::Null, link::NULL, |packet| link::null(30, packet)),
    (LinkType::Ppp, link::PPP, link::ppp),
];

/// A folder of seeds for one target.
struct Folder(PathBuf);

impl Folder {
    fn new(root: &Path, target: &str) -> Self {
        let path = root.join(target);
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    }
}

fn main() {
    let root = PathBuf::from(std::env::args_os().nth(1).expect("usage: seeds FOLDER"));
    frames(&Folder::new(&root, "frame"));
    captures(&Folder::new(&root, "capture_file"));
    databases(&Folder::new(&root, "mmdb"));
    filters(&Folder::new(&root, "bpf"));
    indicators(&Folder::new(&root, "indicators"));
    logs(&Folder::new(&root, "zeek_lines"));
    configurations(&Folder::new(&root, "config"));
    exported(&root);
    requests(&Folder::new(&root, "http_head"));
    records(&Folder::new(&root, "ingest_json"));
    blocks(&Folder::new(&root, "block"));
    blocks(&Folder::new(&root, "block_scan"));
    hours(&Folder::new(&root, "hour_totals"));
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Packets of every transport over both versions of IP, with options, extensions, tunnels and fragments.
fn packets() -> Vec<Packet> {
    let (a, b) = (at("10.1.2.3:40000"), at("198.18.7.6:443"));
    let (c, d) = (at("[2001:db8::1]:40000"), at("[2001:db8::2]:53"));
    let inner = udp(a, b, b"inner");
    vec![
        tcp(a, b, SYN, b""),
        tcp(b, a, SYN | ACK, b""),
        tcp(a, b, FIN | ACK, b"end"),
        tcp(b, a, RST, b"").options(&[1, 1, 1, 0]),
        udp(c, d, b"question"),
        sctp(a, b, b"chunk"),
        echo(c.ip(), d.ip(), false, 7, 1),
        icmp(a.ip(), b.ip(), 3, 1, &[0; 4]),
        Packet::new(a.ip(), b.ip(), 89, vec![2, 1, 0, 44]),
        udp(c, d, b"extended").extension(Extension::HopByHop).extension(Extension::Authentication),
        udp(c, d, b"extended").extension(Extension::Routing).extension(Extension::Destination),
        tunnel::ip_in_ip(a.ip(), b.ip(), &inner),
        tunnel::gre(a.ip(), b.ip(), Some(5), &inner),
        tunnel::vxlan(a, b.ip(), 9, &link::ethernet(&inner)),
        tunnel::geneve(a, b.ip(), 9, &link::ethernet(&inner)),
    ]
}

/// A datagram over each version of IP in three parts.
fn fragments() -> Vec<Vec<u8>> {
    let pairs = [("10.1.2.3:7", "10.4.5.6:8"), ("[2001:db8::1]:7", "[2001:db8::2]:8")];
    pairs.iter().flat_map(|(src, dst)| udp(at(src), at(dst), &[7; 150]).fragments(64)).collect()
}

fn frames(folder: &Folder) {
    for (number, (link, _, wrap)) in LAYERS.into_iter().enumerate() {
        let mut all = vec![LOOK_INSIDE];
        for (packet, step) in packets().iter().zip((-3..).step_by(7)) {
            let mut one = vec![0];
            let frame = Step { link, vlan: 0, step, data: &wrap(packet) };
            push(&mut one, frame);
            push(&mut all, frame);
            folder.write(&format!("{number}-{step}"), one);
        }
        folder.write(&format!("{number}-all"), all);
    }
    let mut parts = vec![0];
    for part in fragments() {
        push(&mut parts, Step { link: LinkType::RawIp, vlan: 9, step: 4_000, data: &part });
    }
    folder.write("fragments", parts);
}

fn captures(folder: &Folder) {
    let mut captures = Vec::new();
    for (number, (_, link, wrap)) in LAYERS.into_iter().enumerate() {
        let mut capture = Capture::new(link);
        for (micros, packet) in (0..).step_by(700_000).zip(packets()) {
            capture.push(micros, wrap(&packet));
        }
        folder.write(&format!("{number}.pcap"), capture.bytes());
        captures.push(capture);
    }
    let [first, ..] = &captures[..] else { unreachable!("there are layers") };
    for (order, name) in [(Order::Little, "little"), (Order::Big, "big")] {
        folder.write(&format!("{name}.pcapng"), first.pcapng(order, Precision::Nano));
        folder.write(&format!("{name}.pcap"), first.pcap(order, Precision::Nano));
    }
    let next = pcap::pcapng(Order::Little, Precision::Micro, &captures.iter().collect::<Vec<_>>());
    folder.write("interfaces.pcapng", &next);
    folder.write("gz", pcap::gzip(&first.bytes()));
    folder.write("zst", pcap::zstd(&next));
}

fn databases(folder: &Folder) {
    let lists = [
        ("one", "10.0.0.0/8,DE,64496,Example\n"),
        ("both", "192.0.2.0/24,FR,64497,One\n2001:db8::/32,US,64498,Two\n2001:db8:1::/48,,64499,\n"),
        ("place", "0.0.0.0/1,JP,,\n255.0.0.0/8,BR,,\n::1/128,GB,,\n"),
    ];
    for (name, list) in lists {
        let mut database = Vec::new();
        weir_geo::build_from_csv(Path::new(name), list, "Seed", 1_790_000_000, &mut database)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        folder.write(name, database);
    }
}

fn filters(folder: &Folder) {
    folder.write("ip", "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n");
    folder.write("one-line", "3,48 0 0 23,53 0 0 6,6 0 0 65535");
    folder.write("memory", "6\n0 0 0 7\n2 0 0 15\n97 0 0 15\n12 0 0 0\n52 0 0 3\n6 0 0 1\n");
}

/// Logs of Zeek: TSV with a header that changes, with other marks, and the forms of JSON.
fn logs(folder: &Folder) {
    let ends = "id.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto";
    let conn = format!(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
         #fields\tts\tuid\t{ends}\tduration\tconn_state\torig_pkts\torig_ip_bytes\ttunnel_parents\tcommunity_id\n\
         #types\ttime\tstring\taddr\tport\taddr\tport\tenum\tinterval\tstring\tcount\tcount\tset[string]\tstring\n\
         1.5\tC1\t10.0.0.1\t8\t::1\t0\ticmp\t-0.5\tSF\t1\t84\tC2,(empty)\t-\n#close\t2026\n\
         #fields\tquery\tvlan\n\\xff\\x41\t(empty)\n"
    );
    folder.write("conn", conn);
    folder.write(
        "marks",
        "P<>separator |\nP<>set_separator|;\nP<>unset_field|\nP<>fields|a|b\nP<>types|vector[double]|bool\n1;nan|T\n",
    );
    folder.write(
        "json",
        "{\"_path\":\"dns\",\"ts\":1e9,\"query\":\"A.b.\",\"id\":{\"orig_h\":\"::1\",\"orig_p\":\"1\"}}\n\
         {\"ts\":\"2026-11-21T10:00:00Z\",\"id_orig_h\":\"1.2.3.4\",\"host\":\"[::1]:80\",\"uri\":\"/\",\"method\":\"\"}\n\
         {\"tx_hosts\":[\"1.2.3.4\"],\"fuid\":\"F\",\"proto\":\"unknown_transport\",\"ip_proto\":89,\"vlan\":7}\n",
    );
}

fn indicators(folder: &Folder) {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ti/indicators.txt");
    folder.write("shipped", fs::read(shipped).expect("the shipped list can be read"));
    folder.write(
        "text",
        "# list\n192.0.2.7 ; one\n198.51.100.0/24\n2001:db8::/32\ndomain:evil.example\nevil.test\n",
    );
    folder.write(
        "csv",
        "category,ip_or_cidr,confidence\r\nc2,192.0.2.7,90\r\n\"a, \"\"b\"\"\",2001:db8::1,\r\n,bad.example,1\r\n",
    );
}

fn configurations(folder: &Folder) {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../agent/dist/weir.toml");
    let shipped = fs::read_to_string(shipped).expect("the shipped configuration can be read");
    let plain: String = shipped
        .lines()
        .filter(|line| !line.starts_with('#'))
        .fold(String::new(), |all, line| all + line + "\n");
    folder.write("shipped", plain);
    folder.write("three-mistakes", "[capture]\nsnaplen = 1\ninterface = \"eth0\"\n[web]\nlisten = 7\n");
    folder.write(
        "variables",
        "[flow]\nidle_seconds = 9\0WEIR_CAPTURE_INTERFACES=eth0,eth1\0RETENTION_DAYS=3\0WEIR_WEB_LISTEN=x",
    );
}

/// Targets and the versions that they are about.
const EXPORTS: [(&str, &[u8]); 5] = [
    ("netflow5", &[0, 5]),
    ("netflow5", &[0, 7]),
    ("netflow9", &[0, 9]),
    ("ipfix", &[0, 10]),
    ("sflow", &[0, 0, 0, 5]),
];
/// Seconds of pause before a datagram, as inputs have them, and its exporter.
const FROM: u8 = 5;
/// Records of a block to start from.
const BLOCK_RECORDS: usize = 20;
/// Octets of the longest input that is worth to start from.
const LONGEST: usize = 16 << 10;

/// Datagrams made here and, where the corpora are, those of real exporters.
fn exported(root: &Path) {
    let corpora = std::env::var_os("WEIR_CORPORA").map(PathBuf::from);
    let captured = corpora.map(|corpora| captured::groups(&corpora)).unwrap_or_default();
    for (target, version) in EXPORTS {
        let folder = Folder::new(root, target);
        for group in made().iter().chain(&captured) {
            let mut input = Vec::new();
            for datagram in &group.datagrams {
                exports::push(&mut input, version, FROM, datagram);
            }
            input.truncate(LONGEST);
            if !input.is_empty() {
                folder.write(&group.name, input);
            }
        }
    }
    let folder = Folder::new(root, "collector_state");
    for group in made().iter().chain(&captured) {
        let mut collector = Collector::new(Settings { max_exporters: 4, ..Settings::default() });
        for datagram in &group.datagrams {
            collector.datagram(at("192.0.2.1:2055"), datagram, Arrival::default(), &mut |_: FlowRecord| ());
        }
        folder.write(&group.name, collector.keep());
    }
}

/// A stream of each version whose data comes after its template, and one whose data comes before; and what streams have
/// not.
fn made() -> Vec<Group> {
    let flows: Vec<Flow> = (0..3).map(Flow::number).collect();
    let mut groups = rare(&flows);
    for (name, version) in [("five", Version::V5), ("nine", Version::V9), ("ten", Version::Ipfix)] {
        let mut stream = Stream::new(version, 1, 1_795_219_200);
        let (templates, data) = (stream.templates(), stream.data(&flows));
        let early: Vec<_> = [data.clone()].into_iter().chain(templates.clone()).collect();
        let whole: Vec<_> = templates.into_iter().chain([data]).collect();
        for (order, datagrams) in [("whole", whole), ("early", early)] {
            groups.push(Group { name: format!("{name}-{order}"), datagrams });
        }
    }
    groups
}

/// NetFlow v7; IPv6, options, a field of any length and one of an enterprise; samples of every form.
fn rare(flows: &[Flow]) -> Vec<Group> {
    let six = Flow::between(at("[2001:db8::1]:0").ip(), at("[2001:db8::2]:0").ip(), 7);
    let (nine, ten) = (netflow9_template(300, true), ipfix_template(300, true));
    // Sampling and name of an interface, which is type 2 of NetFlow v9's scopes.
    let sampling = Template::new(301, &[(2, 4), (34, 4)]).scope(1);
    let name = Template::new(302, &[(10, 4), (82, VARIABLE)]).private(9, 8_233, 4).scope(1);
    let rate = sampling.record(&[[0, 0, 0, 3], [0, 0, 1, 0]]);
    let named = name.record(&[&[0, 0, 0, 3][..], b"eth0", &[7; 4]]);
    let netflow9 = Message::netflow9(1, 0).templates([&nine, &sampling]).data(sampling.id, [&rate]);
    let ipfix = Message::ipfix(1, 0).templates([&ten, &name]).data(name.id, [&named]);
    let header = link::ethernet(&tcp(at("10.1.2.3:40000"), at("198.18.7.6:443"), SYN, b""));
    let what = Sampled { rate: 256, interfaces: (3, 4), frame_len: 64 };
    let samples = Datagram::new(at("192.0.2.1:0").ip(), 0, 1);
    let groups = [
        ("seven", netflow7(0, [192, 0, 2, 1].into(), flows)),
        ("nine-rare", netflow9.flows(&nine, &[six]).bytes()),
        ("ten-rare", ipfix.flows(&ten, &[six]).bytes()),
        ("samples", samples.sampled(what, &header).expanded(what, &header).counters(3).bytes()),
    ];
    groups.map(|(name, datagram)| Group { name: name.to_owned(), datagrams: vec![datagram] }).into()
}

fn requests(folder: &Folder) {
    let host = "Host: 127.0.0.1:8080\r\n";
    folder.write("page", format!("GET / HTTP/1.1\r\n{host}Accept: */*\r\n\r\n"));
    folder.write(
        "close",
        format!("GET /v1/health?x=1 HTTP/1.0\r\n{host}Connection: close, x-a\r\nX-A: 1\r\n\r\n"),
    );
    folder.write(
        "body",
        format!("POST /v1/ingest HTTP/1.1\r\n{host}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{{}}"),
    );
    folder.write("two", format!("GET / HTTP/1.1\r\n{host}\r\nGET / HTTP/1.1\r\n{host}\r\n"));
    folder.write("chunked", format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    folder.write(
        "named",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\nX-Request-ID: a-1\r\nX-Weir-Peer: 8.8.8.8\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nAuthorization: Bearer k\r\n\r\n",
    );
}

/// Records in the words of each tool; the octet before them is the time.
fn records(folder: &Folder) {
    let records = [
        (
            "flows",
            r#"{"ts":1795223307.15,"src_ip":"192.168.1.100","dst_ip":"2001:db8::1","src_port":51000,"dst_port":443,"protocol":"tcp","bytes":2717,"packets":5,"app":"x"}"#,
        ),
        (
            "nfdump",
            r#"{"type":"FLOW","first":"2026-11-21T01:08:27.150","last":"1970-01-01T00:00:00.000","in_packets":5,"in_bytes":2717,"out_bytes":1,"proto":1,"tcp_flags":"...AP.SF","src_tos":185,"icmp_type":8,"icmp_code":0,"src4_addr":"127.0.0.1","dst4_addr":"127.0.0.1","label":"<none>"}"#,
        ),
        (
            "pmacct",
            r#"{"peer_ip_src":"127.0.0.1","iface_in":13,"ip_src":"10.0.13.1","ip_dst":"::1","port_src":5228,"port_dst":52734,"tcp_flags":"16","ip_proto":"ipv6-icmp","tos":0,"timestamp_start":"2016-07-21 13:51:42.000000","stamp_inserted":"x","bytes":1e2}"#,
        ),
        (
            "goflow2",
            r#"{"type":"SFLOW_5","sampling_rate":100,"sampler_address":"[::1]:6343","time_flow_start_ns":1681583295157626000,"bytes":1500,"src_addr":"fd01::1","dst_addr":"","etype":"IPv6","proto":"TCP","vlan_id":4095}"#,
        ),
        (
            "numbers",
            r#"{"8":"10.0.0.1","12":"10.0.0.2","4":17,"22":5,"21":9,"23":70,"57590":[1,{"a":"\ud83d\ude00"}]}"#,
        ),
        (
            "nested",
            r#"{"@timestamp":"2026-11-21T01:10:00Z","host":"10.0.0.1","netflow":{"ipv4_src_addr":"10.0.0.2","first_switched":"2026-11-21t01:08:27,15+0100","exporter":{"address":"10.0.0.1:2055"}},"source":{"ip":"10.0.0.2","bytes":7},"observer":{"ip":["10.0.0.1"]},"extra":{"vlan_outer":5}}"#,
        ),
        (
            "own",
            r#"{"ts":"2026-11-21T01:10:00.000Z","ts_ms":1795223400000,"end_ms":1795223400500,"duration":0.5,"source":"netflow9","kind":"sighting","observer":"eth0","collector_id":"a","trace_id":"b","proto":"tcp","proto_num":6,"bytes_out":5,"bytes_in":0,"bytes":5,"vlan":7,"risk_score":10,"tags":[],"extra":{"vlan_outer":100,"a":null}}"#,
        ),
        (
            "dns",
            r#"{"time":1,"query":"Evil.Example.","sni":"a:443","service":"dns","community_id":"1:x","end_reason":"IDLE"}"#,
        ),
        (
            "zeek",
            r#"{"ts":1795223307.15,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":5,"id.resp_h":"10.0.0.2","id.resp_p":6,"proto":"udp","duration":2.5}"#,
        ),
    ];
    for (name, record) in records {
        folder.write(name, format!("7{record}"));
    }
}
/// Blocks of what collectors make of each group of exports, with values in `extra` and without.
fn blocks(folder: &Folder) {
    for group in made() {
        let mut records = Vec::new();
        let mut collector = Collector::new(Settings { max_exporters: 4, ..Settings::default() });
        for datagram in &group.datagrams {
            let take = &mut |record: FlowRecord| records.push(record);
            collector.datagram(at("192.0.2.1:2055"), datagram, Arrival::default(), take);
        }
        records.truncate(BLOCK_RECORDS);
        folder.write(&group.name, block(&records));
        let names = ["uid", "history", "depth"];
        let values = [json!("CHhAvVGS1DHFjwGM9"), json!([-1, 0.5, null]), json!({ "a": [true, 1e300] })];
        let extra = Extra::from_iter(names.into_iter().zip(values));
        records.iter_mut().for_each(|record| record.extra = Some(Box::new(extra.clone())));
        folder.write(&format!("{}-extra", group.name), block(&records));
    }
}

/// Frames of totals as `sqlite/src/hour/pack.rs` describes them, with one key and with two that have lost something.
fn hours(folder: &Folder) {
    for dimension in 0..7 {
        let key = match dimension {
            0 => vec![192, 0, 2, 1],
            2 | 3 => vec![0, 0, 1, 187],
            _ => b"a.example".to_vec(),
        };
        let longer = match dimension {
            0 => vec![0, 4, 198, 51, 100, 7],
            2 | 3 => vec![2, 2, 3, 4],
            _ => vec![9, 1, b'x'],
        };
        let length = [u8::try_from(key.len()).expect("a short key")];
        let span = [dimension, 5, 1, 90];
        let one = [&span[..], &[0; 6], &[1, 0], &length, &key, &[100, 1, 1, 0]].concat();
        let two = [&span[..], &[7, 3, 2, 0, 0, 0], &[2, 0], &length, &key, &longer].concat();
        let two = [&two[..], &[100, 1, 4, 1, 1, 1], &[7, 0, 3, 0, 2, 0], &[4, b'o', b'r', b'g', 0]].concat();
        folder.write(&format!("{dimension}-one"), one);
        folder.write(&format!("{dimension}-two"), two);
    }
}

/// How many rows, then the columns.
fn block(records: &[FlowRecord]) -> Vec<u8> {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).expect("zstd has memory");
    records.iter().for_each(|record| assert_eq!(encoder.push(record), Push::Kept));
    let sealed = encoder.seal().expect("zstd has memory");
    let rows = u16::try_from(sealed.count).expect("few rows");
    [&rows.to_le_bytes(), sealed.raw].concat()
}
