//! What a hostile or broken exporter sends: no panic, no record that is made up, no memory without an end.

use proptest::prelude::*;

use super::super::{Agent, MAX_SUB_AGENTS};
use super::{
    EXPORTER, count, datagram, of_agent, opaque, plain, raw, read, read_by, sample, structure, words,
};
use crate::collect::{Fault, Faults};

/// The shortest sample that holds a packet: its beginning, one structure with the shortest header.
const SHORTEST_SAMPLE: usize = 8 + 32 + 8 + 16 + 20;

#[test]
fn a_datagram_may_end_anywhere() {
    let samples = [sample(&[plain()]), sample(&[plain(), structure(1001, &words(&[1, 0, 2, 0]))])];
    let whole = datagram(&samples);
    let before = whole.len() - samples.concat().len();
    for octets in 0..=whole.len() {
        let read = read(&whole[..octets]);
        let complete = match octets.checked_sub(before) {
            Some(rest) if rest >= samples.concat().len() => 2,
            Some(rest) if rest >= samples[0].len() => 1,
            _ => 0,
        };
        assert_eq!(read.records.len(), complete, "cut at {octets}");
        let truncated = u64::from(octets < whole.len());
        assert_eq!(
            (read.faults.of(Fault::Truncated), read.faults.total()),
            (truncated, truncated),
            "cut at {octets}"
        );
    }
}

#[test]
fn a_sample_may_end_anywhere_and_the_next_is_read() {
    let body = sample(&[plain()]).split_off(8);
    for octets in 0..body.len() {
        let read = read(&datagram(&[structure(1, &body[..octets]), sample(&[plain()])]));
        assert_eq!(read.records.len(), 1, "cut at {octets}");
        assert_eq!((read.faults.of(Fault::BadLength), read.faults.total()), (1, 1), "cut at {octets}");
        assert_eq!(read.decoded.flow_samples(), if octets < 32 { 1 } else { 2 });
    }
}

#[test]
fn a_part_longer_than_its_sample_ends_the_sample_and_keeps_what_was_before() {
    let lie = [words(&[1001, u32::MAX - 2]), vec![0; 16]].concat();
    let read = read(&datagram(&[sample(&[plain(), lie]), sample(&[plain()])]));
    assert_eq!((read.records.len(), read.faults.of(Fault::BadLength), read.faults.total()), (2, 1, 1));
}

#[test]
fn a_header_longer_than_its_part_is_a_bad_record() {
    for length in [21, 0x7fff_ffff, u32::MAX] {
        let part = structure(1, &[words(&[11, 64, 4, length]), vec![0x45; 20]].concat());
        let read = read(&datagram(&[sample(&[part])]));
        assert_eq!((read.records.len(), read.faults.of(Fault::BadRecord), read.faults.total()), (0, 1, 1));
    }
}

#[test]
fn unknown_samples_are_skipped_and_counted() {
    let unknown = [structure(6, &[1; 40]), structure(1 << 12 | 1, &[2; 21]), structure(u32::MAX, &[])];
    let read = read(&datagram(&[&unknown[..], &[sample(&[plain()])]].concat()));
    assert_eq!((read.records.len(), read.faults.of(Fault::UnknownSample), read.faults.total()), (1, 3, 3));
}

#[test]
fn padding_at_the_end_is_no_fault_and_anything_else_is() {
    let whole = datagram(&[sample(&[plain()])]);
    let padded = read(&[&whole[..], &[0; 8]].concat());
    assert_eq!((padded.records.len(), padded.faults), (1, Faults::default()));
    let followed = read(&[&whole[..], &sample(&[plain()])].concat());
    assert_eq!((followed.records.len(), followed.faults.of(Fault::TrailingOctets)), (1, 1));
}

#[test]
fn octets_after_the_parts_of_a_sample_are_passed_over() {
    let mut body = sample(&[plain()]).split_off(8);
    body.extend([0, 0, 0, 0]);
    let read = read(&datagram(&[structure(1, &body), sample(&[plain()])]));
    assert_eq!((read.records.len(), read.faults), (2, Faults::default()));
}

#[test]
fn lengths_that_are_no_multiple_of_four_are_padded() {
    for octets in 21..25 {
        let header = &super::ipv4(6, &super::tcp())[..octets];
        let part = [words(&[1]), opaque(&[words(&[11, 124, 4]), opaque(header)].concat())].concat();
        assert_eq!(read(&datagram(&[sample(&[part, raw(11, header)])])).faults, Faults::default());
        // The length without the padding, which is there all the same.
        let short = 16 + u32::try_from(octets).unwrap();
        let part = [words(&[1, short, 11, 124, 4]), opaque(header)].concat();
        let read = read(&datagram(&[sample(&[part, structure(1001, &words(&[9, 0, 9, 0]))])]));
        assert_eq!(read.faults, Faults::default(), "{octets}");
        assert_eq!(read.records[0].vlan.map(|vlan| vlan.inner), Some(9));
    }
}

#[test]
fn promises_of_many_samples_cost_nothing() {
    let lying = [words(&[5, 1, 0xc000_0201, 0, 1, 1, u32::MAX]), sample(&[plain()])].concat();
    let read = read(&lying);
    assert_eq!((read.records.len(), read.faults.of(Fault::Truncated), read.faults.total()), (1, 1, 1));
}

#[test]
fn one_exporter_takes_no_more_memory_than_its_limit() {
    let mut agent = Agent::new();
    let mut displaced = 0;
    for round in 0..300_u32 {
        let samples: Vec<_> = (0..8)
            .flat_map(|at| {
                let number = round * 8 + at;
                let interface = structure(1, &[words(&[number]), vec![1; 84]].concat());
                let flow = structure(1, &words(&[1, number, 1, 1, 0, 0, 0, 0]));
                [flow, structure(2, &[words(&[1, 3, count(&[vec![]])]), interface].concat())]
            })
            .collect();
        let read = read_by(&mut agent, &of_agent("10.0.0.1", round, [1, 1], &samples));
        displaced += read.faults.of(Fault::ExporterLimit);
    }
    assert_eq!((agent.sub_agents(), displaced), (MAX_SUB_AGENTS, 300 - MAX_SUB_AGENTS as u64));
    assert!(agent.bytes() <= Agent::MAX_BYTES, "{} octets", agent.bytes());
    assert!(agent.bytes() > Agent::MAX_BYTES / 2, "{} octets: the bound is true to life", agent.bytes());
}

/// Damages `payload` at a few places.
fn damaged(mut payload: Vec<u8>, damage: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (at, octet) in damage {
        let at = at.index(payload.len());
        payload[at] = *octet;
    }
    payload
}

fn check(payload: &[u8]) -> Result<(), TestCaseError> {
    let (mut agent, mut faults, mut records) = (Agent::new(), Faults::default(), Vec::new());
    let decoded = agent.datagram(payload, EXPORTER, None, &mut faults, &mut |record| records.push(record));
    prop_assert_eq!(decoded.records, records.len() as u64);
    prop_assert!(records.len() <= decoded.flow_samples() as usize);
    prop_assert!(records.len() * SHORTEST_SAMPLE <= payload.len());
    prop_assert!((decoded.skipped + decoded.not_ip) as usize * 8 <= payload.len());
    prop_assert!(faults.total() as usize <= payload.len() / 4 + 1);
    for record in &records {
        prop_assert_eq!(record.packets(), 1);
        prop_assert!(record.octets() <= 524_280);
        prop_assert!(record.src_ip.is_some() && record.dst_ip.is_some() && record.proto.is_some());
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_octets_are_read_without_a_panic(after in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&after)?;
        check(&[words(&[5, 1, 0, 0, 1, 1, 9]), after].concat())?;
    }

    #[test]
    fn damaged_datagrams_are_read_without_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        data_format in prop::sample::select(vec![3_u32, 4, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1012, 1020, 1026, 1037, 1041]),
        body in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(4), any::<u8>()], 0..80),
    ) {
        let parts = [plain(), structure(data_format, &body), raw(11, &super::ipv4(17, &[0; 8]))];
        let whole = datagram(&[sample(&parts), structure(4, &[words(&[1, 0, 3, 1]), structure(1, &body)].concat())]);
        check(&damaged(whole, &damage))?;
    }
}
