//! sFlow of real switches, with what independent readers made of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use serde_json::Value;
use weir::capture::file::CaptureFile;
use weir::collect::sflow::{Agent, Interface, SampleType};
use weir::collect::{Fault, Faults};
use weir_flow::FlowRecord;

/// The corpora, by `WEIR_CORPORA` or beside the workspace; `None` prints why the test checks nothing.
fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folder = std::env::var_os("WEIR_CORPORA").map_or(beside, PathBuf::from);
    if folder.join("netflow_expect.jsonl").is_file() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no corpora at {}", folder.display());
    eprintln!("SKIPPED: no corpora at {}; set WEIR_CORPORA", folder.display());
    None
}

/// The UDP payloads of a file, with who sent them.
fn payloads(file: &Path) -> Vec<(IpAddr, Vec<u8>)> {
    if file.extension().is_some_and(|extension| extension == "bin") {
        return vec![([127, 0, 0, 1].into(), fs::read(file).expect("the corpora can be read"))];
    }
    let (mut capture, mut payloads) = (CaptureFile::open(file).expect("a capture"), Vec::new());
    while let Some((frame, _)) = capture.next().expect("a whole capture") {
        let packet = SlicedPacket::from_ethernet(frame.data).expect("a whole packet");
        let source: IpAddr = match packet.net {
            Some(NetSlice::Ipv4(v4)) => v4.header().source_addr().into(),
            Some(NetSlice::Ipv6(v6)) => v6.header().source_addr().into(),
            other => panic!("{}: {other:?}", file.display()),
        };
        match packet.transport {
            Some(TransportSlice::Udp(udp)) => payloads.push((source, udp.payload().to_vec())),
            other => panic!("{}: {other:?}", file.display()),
        }
    }
    payloads
}

/// What Weir makes of one file.
struct Run {
    agents: BTreeMap<IpAddr, Agent>,
    records: Vec<FlowRecord>,
    samples: BTreeMap<&'static str, u64>,
    not_ip: u64,
    datagrams: u64,
    faults: Faults,
}

fn run(file: &Path) -> Run {
    let mut run = Run {
        agents: BTreeMap::new(),
        records: Vec::new(),
        samples: BTreeMap::new(),
        not_ip: 0,
        datagrams: 0,
        faults: Faults::default(),
    };
    for (exporter, payload) in payloads(file) {
        let mut sink = |record| run.records.push(record);
        let agent = run.agents.entry(exporter).or_default();
        let decoded = agent.datagram(&payload, exporter, None, &mut run.faults, &mut sink);
        for kind in SampleType::ALL.into_iter().filter(|&kind| decoded.of(kind) > 0) {
            *run.samples.entry(kind.as_str()).or_default() += decoded.of(kind);
        }
        run.not_ip += decoded.not_ip;
        run.datagrams += 1;
    }
    run
}

impl Run {
    /// Interfaces of all exporters, with the exporter.
    fn interfaces(&self) -> impl Iterator<Item = (IpAddr, &Interface)> {
        self.agents.iter().flat_map(|(&exporter, agent)| agent.interfaces().map(move |one| (exporter, one)))
    }

    /// Datagrams that are not sFlow: in one capture a router sends NetFlow v5 to the same port.
    fn others(&self) -> u64 {
        self.faults.of(Fault::UnknownVersion)
    }
}

/// Rows of the expectations that are about sFlow, with their file.
fn rows(folder: &Path) -> Vec<(Value, PathBuf)> {
    let text = fs::read_to_string(folder.join("netflow_expect.jsonl")).expect("the corpora can be read");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("one JSON value a line"));
    let rows: Vec<_> = rows
        .filter(|row| row["protocol"] == "sflow5")
        .map(|row| {
            let file = folder.join(row["files"][0].as_str().expect("a file"));
            (row, file)
        })
        .collect();
    assert!(!rows.is_empty(), "the corpora hold no sFlow");
    rows
}

#[test]
fn samples_of_real_switches_are_those_that_others_count() {
    let Some(folder) = corpora() else { return };
    for (row, file) in rows(&folder) {
        let run = run(&file);
        let expected: BTreeMap<_, _> =
            row["expected_samples_by_type"].as_object().expect("counts").iter().collect();
        let got: BTreeMap<_, _> =
            run.samples.iter().map(|(&name, &count)| (name.to_owned(), count.into())).collect();
        let got: BTreeMap<&String, &Value> = got.iter().collect();
        assert_eq!(got, expected, "{}", row["id"]);
        assert_eq!(row["datagrams"], run.datagrams, "{}", row["id"]);
        let flows: u64 =
            run.samples.iter().filter(|(name, _)| !name.contains("ounter")).map(|(_, count)| count).sum();
        assert_eq!(run.records.len() as u64 + run.not_ip, flows, "{}", row["id"]);
        assert_eq!(run.faults.total(), run.others(), "{}: {:?}", row["id"], run.faults);
    }
}

/// The fields of a line of the influx line protocol.
fn fields(line: &str) -> BTreeMap<&str, &str> {
    let fields = line.split(' ').nth(1).into_iter().flat_map(|fields| fields.split(','));
    fields
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"').trim_end_matches('u')))
        .collect()
}

fn number<T: std::str::FromStr>(fields: &BTreeMap<&str, &str>, name: &str) -> Option<T> {
    fields.get(name).and_then(|value| value.parse().ok())
}

/// What telegraf and Weir both say of a packet.
#[derive(Debug, PartialEq)]
struct Seen {
    ends: [Option<IpAddr>; 2],
    ports: [Option<u16>; 2],
    octets: u64,
    /// Unknown for a packet sampled on its way out: telegraf says the data source in its place.
    input: Option<u32>,
    output: Option<u32>,
    sampling: Option<u32>,
    vlan: Option<u16>,
}

fn by_telegraf(fields: &BTreeMap<&str, &str>) -> Seen {
    let v6_payload: Option<u64> = number(fields, "ipv6_total_len");
    let octets = number(fields, "ipv4_total_len").or(v6_payload.map(|octets| octets + 40));
    Seen {
        ends: [number(fields, "src"), number(fields, "dst")],
        ports: [number(fields, "src_port"), number(fields, "dst_port")],
        octets: octets.expect("a length"),
        input: number(fields, "in_snmp").filter(|_| fields["direction"] == "ingress"),
        output: number(fields, "out_snmp"),
        sampling: number(fields, "sampling_interval"),
        vlan: number(fields, "vlan_src"),
    }
}

fn by_weir(record: &FlowRecord) -> Seen {
    let exported = record.exported.expect("an exporter");
    Seen {
        ends: [record.src_ip, record.dst_ip],
        ports: [record.src_port, record.dst_port],
        octets: record.forward.octets,
        input: exported.ingress_if,
        output: exported.egress_if,
        sampling: exported.sampling,
        vlan: record.vlan.map(|vlan| vlan.inner),
    }
}

fn counters_by_telegraf(fields: &BTreeMap<&str, &str>) -> [Option<u64>; 7] {
    let names = [
        "interface",
        "speed",
        "in_bytes",
        "out_bytes",
        "in_unicast_packets_total",
        "out_mcast_packets_total",
        "in_errors",
    ];
    names.map(|name| number(fields, name))
}

fn counters_by_weir(interface: &Interface) -> [Option<u64>; 7] {
    let (ingress, egress) = (&interface.ingress, &interface.egress);
    let more = [ingress.unicast, egress.multicast, ingress.errors].map(|count| count.map(u64::from));
    [
        Some(interface.index.into()),
        Some(interface.speed),
        ingress.octets,
        egress.octets,
        more[0],
        more[1],
        more[2],
    ]
}

#[test]
fn packets_and_counters_are_those_that_telegraf_reads() {
    let Some(folder) = corpora() else { return };
    let (mut packets, mut counters) = (0, 0);
    for (row, file) in rows(&folder) {
        let beside = file.with_file_name("expected.out");
        let Ok(expected) = fs::read_to_string(&beside) else { continue };
        let run = run(&file);
        assert_eq!(run.faults.total(), 0, "{}", row["id"]);
        let lines: Vec<_> = expected.lines().filter(|line| !line.trim().is_empty()).map(fields).collect();
        let of = |name| lines.iter().filter(move |fields| fields.contains_key(name));
        let flows: Vec<_> = of("dst").map(by_telegraf).collect();
        let mut seen: Vec<_> = run.records.iter().map(by_weir).collect();
        for (seen, flow) in seen.iter_mut().zip(&flows) {
            seen.input = seen.input.filter(|_| flow.input.is_some());
        }
        assert_eq!(seen, flows, "{}", row["id"]);
        let interfaces: Vec<_> = of("in_bytes").map(counters_by_telegraf).collect();
        let kept: Vec<_> = run.interfaces().map(|(_, interface)| counters_by_weir(interface)).collect();
        assert_eq!(kept, interfaces, "{}", row["id"]);
        (packets, counters) = (packets + flows.len(), counters + interfaces.len());
    }
    assert!(packets > 0 && counters > 0, "{packets} packets, {counters} interfaces");
}

/// The number after `name` in what tcpdump prints.
fn after(text: &str, name: &str) -> u64 {
    let rest = text.split(name).nth(1).unwrap_or_else(|| panic!("no {name} in {text}"));
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{name} in {text}"))
}

/// Speed, octets in and octets out of an interface, as printed last, by exporter and number.
type Latest = BTreeMap<(IpAddr, u64), (u64, Option<u64>, Option<u64>)>;

fn latest_by_tcpdump(printed: &str) -> Latest {
    let lines: Vec<_> = printed.lines().collect();
    let (mut latest, mut exporter) = (Latest::new(), None);
    for (at, line) in lines.iter().enumerate() {
        if let Some((sender, _)) = line.split_once(" > ") {
            let sender = sender.split_whitespace().last().and_then(|sender| sender.rsplit_once('.'));
            exporter = sender.and_then(|(address, _port)| address.parse().ok());
        }
        if line.contains("Generic counter (1)") {
            let key = (exporter.expect("an exporter"), after(lines[at + 1], "ifindex"));
            let octets =
                |line: usize, name| Some(after(lines[line], name)).filter(|&octets| octets != u64::MAX);
            let counters =
                (after(lines[at + 1], "ifspeed"), octets(at + 3, "In octets"), octets(at + 5, "Out octets"));
            latest.insert(key, counters);
        }
    }
    latest
}

fn latest_by_weir(run: &Run) -> Latest {
    run.interfaces()
        .map(|(exporter, interface)| {
            let counters = (interface.speed, interface.ingress.octets, interface.egress.octets);
            ((exporter, interface.index.into()), counters)
        })
        .collect()
}

/// Interfaces and sampling rate of a packet.
type Way = [Option<u64>; 3];

fn ways_by_tcpdump(printed: &str) -> Vec<Way> {
    let samples = printed.lines().filter(|line| line.contains("flow sample ("));
    samples
        .map(|line| {
            let interface = |name| Some(after(line, name)).filter(|number| (1..1 << 31).contains(number));
            [interface("input"), interface("output"), Some(after(line, "rate")).filter(|&rate| rate > 1)]
        })
        .collect()
}

fn ways_by_weir(run: &Run) -> Vec<Way> {
    let exported = run.records.iter().map(|record| record.exported.expect("an exporter"));
    exported.map(|e| [e.ingress_if, e.egress_if, e.sampling].map(|number| number.map(u64::from))).collect()
}

#[test]
fn samples_and_counters_are_those_that_tcpdump_prints() {
    let Some(folder) = corpora() else { return };
    let (mut packets, mut counters) = (0, 0);
    for (row, file) in rows(&folder) {
        let Ok(printed) = fs::read_to_string(file.with_extension("out")) else { continue };
        let run = run(&file);
        let (ways, latest) = (ways_by_tcpdump(&printed), latest_by_tcpdump(&printed));
        let ours = ways_by_weir(&run);
        // Which of them are not IP, tcpdump does not say.
        assert!(ours.iter().all(|way| ways.contains(way)), "{}: {ours:?}", row["id"]);
        assert_eq!(ours.len() as u64 + run.not_ip, ways.len() as u64, "{}", row["id"]);
        assert_eq!(latest_by_weir(&run), latest, "{}", row["id"]);
        (packets, counters) = (packets + ours.len(), counters + latest.len());
    }
    assert!(packets > 0 && counters > 0, "{packets} packets, {counters} interfaces");
}
