//! Datagrams and the samples in them.

use weir_flow::Timestamp;

use super::super::{Agent, SampleType};
use super::{
    EXPORTER, NOW, UPTIME, address, count, datagram, exported, extra, numbered, of_agent, opaque, plain,
    read, read_by, record, sample, sample_between, structure, words,
};
use crate::collect::{Fault, Faults};

/// A sample in the wide form: numbers of its data source, then input and output with their formats.
fn expanded(interfaces: [u32; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    let head = [words(&[9, 0, 70_000, 1_000, 4_000, 0]), words(&interfaces), words(&[count(parts)])];
    structure(3, &[head.concat(), parts.concat()].concat())
}

/// A packet that was dropped.
fn discarded(interfaces: [u32; 2], reason: u32, parts: &[Vec<u8>]) -> Vec<u8> {
    let head = [words(&[5, 0, 3, 0]), words(&interfaces), words(&[reason, count(parts)])];
    structure(5, &[head.concat(), parts.concat()].concat())
}

#[test]
fn interfaces_of_both_forms_mean_the_same() {
    const MAX: u32 = 0x3fff_ffff;
    let cases = [
        (3, [0, 3], Some(3)),
        (0, [0, 0], None),
        (MAX, [0, u32::MAX], None),
        (MAX, [0, MAX], None),
        (MAX - 1, [0, MAX - 1], Some(MAX - 1)),
        (0x8000_0002, [2, 2], None),
        (0x4000_0100, [1, 256], None),
        (0xc000_0001, [3, 1], None),
    ];
    for (compact, [format, value], number) in cases {
        let one = record(&datagram(&[sample_between(compact, compact, &[plain()])]));
        let other = record(&datagram(&[expanded([format, value, format, value], &[plain()])]));
        for record in [one, other] {
            let exported = exported(&record);
            assert_eq!((exported.ingress_if, exported.egress_if), (number, number), "{compact:x}");
        }
    }
    let wide = record(&datagram(&[expanded([0, 0x4b00_0000, 0, 1_285_816_721], &[plain()])]));
    assert_eq!(exported(&wide).ingress_if, Some(0x4b00_0000));
    assert_eq!((exported(&wide).egress_if, exported(&wide).sampling), (Some(1_285_816_721), Some(1_000)));
}

#[test]
fn several_outputs_and_dropped_packets_are_told() {
    for (output, name, value) in [
        (0x8000_0007, "egress_interfaces", "7"),
        (0x8000_0000, "egress_interfaces", "several"),
        (0x4000_0001, "drop_reason", "host_unreachable"),
        (0x4000_0102, "drop_reason", "acl"),
        (0x4000_0200, "drop_reason", "512"),
    ] {
        let record = record(&datagram(&[sample_between(3, output, &[plain()])]));
        assert_eq!(extra(&record, name).as_deref(), Some(value), "{output:x}");
    }
}

#[test]
fn a_dropped_packet_is_a_record_with_its_reason() {
    let acl = structure(1_037, &[words(&[12]), opaque(b"guests-in"), words(&[1])].concat());
    let function = structure(1_038, &opaque(b"ip_rcv"));
    let trap = structure(1_041, &[opaque(b"acl_drops"), opaque(b"ingress_flow")].concat());
    let parts = [acl, function, trap, structure(1_042, &opaque(b"NETFILTER_DROP")), plain()];
    let record = record(&datagram(&[discarded([3, 0x8000_0000], 258, &parts)]));
    for (name, value) in [
        ("drop_reason", "acl"),
        ("acl_number", "12"),
        ("acl_name", "guests-in"),
        ("drop_function", "ip_rcv"),
        ("drop_trap_group", "acl_drops"),
        ("drop_trap", "ingress_flow"),
        ("drop_linux_reason", "NETFILTER_DROP"),
    ] {
        assert_eq!(extra(&record, name).as_deref(), Some(value));
    }
    let exported = exported(&record);
    assert_eq!((exported.ingress_if, exported.egress_if, exported.sampling), (Some(3), None, None));
}

#[test]
fn every_sample_is_counted_by_its_type() {
    let counters = structure(2, &words(&[1, 3, 0]));
    let wide_counters = structure(4, &words(&[1, 0, 3, 0]));
    let one = [sample(&[plain()]), counters, expanded([0; 4], &[plain()]), wide_counters];
    let read = read(&datagram(&[&one[..], &[discarded([0; 2], 256, &[plain()])], &one[..1]].concat()));
    let counts = SampleType::ALL.map(|kind| (kind.as_str(), read.decoded.of(kind)));
    assert_eq!(
        counts,
        [
            ("Flow sample", 2),
            ("Counters sample", 1),
            ("Expanded flow sample", 1),
            ("Expanded counters sample", 1),
            ("Discarded packet", 1),
        ]
    );
    assert_eq!((read.decoded.flow_samples(), read.decoded.counter_samples()), (4, 2));
    assert_eq!((read.decoded.records, read.faults), (4, Faults::default()));
    assert_eq!(read.decoded.sampling, Some(400), "of the last flow sample");
}

#[test]
fn a_sampler_that_takes_every_packet_says_no_rate() {
    for rate in [0, 1] {
        let head = words(&[1, 3, rate, 4_000, 0, 3, 4, 1]);
        let read = read(&datagram(&[structure(1, &[head, plain()].concat())]));
        assert_eq!((exported(&read.records[0]).sampling, read.decoded.sampling), (None, None));
    }
}

#[test]
fn without_a_time_of_arrival_time_is_that_of_the_agent() {
    let (mut records, mut faults) = (Vec::new(), Faults::default());
    let payload = datagram(&[sample(&[plain()])]);
    Agent::new().datagram(&payload, EXPORTER, None, &mut faults, &mut |record| records.push(record));
    let at = Timestamp::from_millis(UPTIME.into());
    assert_eq!((records[0].start, records[0].end), (at, at));
    assert_ne!(at, NOW);
}

#[test]
fn the_agent_is_told_where_it_is_another_address() {
    for (agent, told) in
        [("192.0.2.1", None), ("::ffff:192.0.2.1", None), ("0.0.0.0", None), ("30::1", Some("30::1"))]
    {
        let record = record(&of_agent(agent, 0, [1, 1], &[sample(&[plain()])]));
        assert_eq!(extra(&record, "sflow_agent").as_deref(), told, "{agent}");
        assert_eq!(exported(&record).exporter, Some(EXPORTER));
    }
    let nobody = [words(&[5, 0, 0, 1, 1, 1]), sample(&[plain()])].concat();
    assert_eq!(extra(&record(&nobody), "sflow_agent"), None);
}

#[test]
fn sequences_of_sub_agents_are_their_own() {
    let mut agent = Agent::new();
    let mut step = |address, sub_agent, sequence| {
        let payload = of_agent(address, sub_agent, [sequence, sequence * 100], &[]);
        let decoded = read_by(&mut agent, &payload).decoded;
        (decoded.lost, decoded.gaps, decoded.reordered, decoded.restarts)
    };
    let numbers = [("10.0.0.1", 0, 5), ("10.0.0.1", 1, 500), ("10.0.0.2", 0, 90), ("10.0.0.1", 0, 8)];
    assert_eq!(
        numbers.map(|(address, sub, number)| step(address, sub, number)),
        [(0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (2, 1, 0, 0)]
    );
    assert_eq!(step("10.0.0.1", 0, 7), (-1, 0, 1, 0), "late, and no longer missing");
    assert_eq!(step("10.0.0.1", 0, 7), (0, 0, 1, 0), "again");
    assert_eq!(step("10.0.0.1", 1, 1), (0, 0, 0, 1));
    assert_eq!(agent.sub_agents(), 3);
}

#[test]
fn samples_missing_and_dropped_are_counted_by_source_until_their_agent_restarts() {
    let flow = |source: u32, sequence: u32, drops: u32| {
        structure(1, &[words(&[sequence, source, 100, 4_000, drops, 3, 4, 1]), plain()].concat())
    };
    let mut agent = Agent::new();
    let mut step = |number, uptime, samples: &[Vec<u8>]| {
        let decoded = read_by(&mut agent, &numbered(number, uptime, samples)).decoded;
        (decoded.samples_lost, decoded.samples_dropped)
    };
    assert_eq!(step(1, 1_000_000, &[flow(3, 50, 7), flow(4, 900, 0)]), (0, 0));
    assert_eq!(step(2, 1_001_000, &[flow(3, 53, 9), flow(4, 901, 1)]), (2, 3));
    assert_eq!(step(1, 5, &[flow(3, 60, 20)]), (0, 0), "its sequence began again");
}

#[test]
fn other_versions_are_refused() {
    let whole = datagram(&[sample(&[plain()])]);
    for version in [0, 2, 4, 6, 0x0005_0000, 0x0009_0001] {
        let mut other = whole.clone();
        other[..4].copy_from_slice(&u32::to_be_bytes(version));
        let read = read(&other);
        assert_eq!(
            (read.faults.of(Fault::UnknownVersion), read.faults.total(), read.records.len()),
            (1, 1, 0)
        );
    }
    let mut odd = whole;
    odd[7] = 3;
    assert_eq!(read(&odd).faults.of(Fault::UnknownVersion), 1, "an address of no known type");
}

#[test]
fn ipv6_agents_are_read() {
    let payload = [words(&[5]), address("2001:db8::9"), words(&[7, 1, 1, 1]), sample(&[plain()])].concat();
    let record = record(&payload);
    assert_eq!(extra(&record, "sflow_agent").as_deref(), Some("2001:db8::9"));
    assert_eq!(exported(&record).observation_domain, Some(7));
}
