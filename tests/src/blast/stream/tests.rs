use std::collections::HashSet;

use super::{POOL, PORT_STEP, PORTS, Stream, TEMPLATE_EVERY, Version};

const NOW_MS: u64 = 1_795_240_800_123;

fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(octets[at..at + 4].try_into().unwrap())
}

#[test]
fn the_same_seed_gives_the_same_datagrams_and_another_seed_others() {
    let first = |seed| {
        let (mut stream, mut out) = (Stream::new(Version::V5, seed, NOW_MS), Vec::new());
        stream.next(NOW_MS, &mut out);
        out
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn sequence_numbers_count_records_in_v5_and_ipfix_and_datagrams_in_v9() {
    let after_three = |version, at| {
        let (mut stream, mut out) = (Stream::new(version, 1, NOW_MS), Vec::new());
        (0..4).for_each(|_| _ = stream.next(NOW_MS, &mut out));
        word(&out, at)
    };
    assert_eq!(after_three(Version::V5, 16), 3 * 30);
    // The first datagram holds templates.
    assert_eq!(after_three(Version::V9, 12), 3);
    assert_eq!(after_three(Version::Ipfix, 8), 2 * 24);
    assert_eq!(after_three(Version::Sflow, 16), 3);
}

#[test]
fn templates_come_first_and_again() {
    let (mut stream, mut out) = (Stream::new(Version::V9, 1, NOW_MS), Vec::new());
    let mut bare = Vec::new();
    for number in 0..2 * TEMPLATE_EVERY + 3 {
        if stream.next(NOW_MS, &mut out).records == 0 {
            bare.push(number);
        }
    }
    assert_eq!(bare, [0, TEMPLATE_EVERY + 1, 2 * TEMPLATE_EVERY + 2]);
}

#[test]
fn totals_are_those_of_the_records_and_no_flow_comes_twice() {
    let (mut stream, mut out) = (Stream::new(Version::V5, 3, NOW_MS), Vec::new());
    let mut seen = HashSet::new();
    for _ in 0..POOL + 10 {
        let totals = stream.next(NOW_MS, &mut out);
        let records: Vec<_> = out[24..].chunks(48).collect();
        let sum = |at| records.iter().map(|record| u64::from(word(record, at))).sum::<u64>();
        assert_eq!((totals.packets, totals.octets), (sum(16), sum(20)));
        assert_eq!(totals.records, records.len() as u64);
        for record in records {
            assert!(seen.insert((record[..8].to_vec(), record[32..36].to_vec(), record[38])), "twice");
        }
    }
    assert!((2..PORTS).all(|factor| !PORTS.is_multiple_of(factor) || !PORT_STEP.is_multiple_of(factor)));
}

#[test]
fn every_datagram_fits_an_ethernet_frame_and_its_own_length() {
    for version in [Version::V5, Version::V9, Version::Ipfix, Version::Sflow] {
        let (mut stream, mut out) = (Stream::new(version, 1, NOW_MS), Vec::new());
        stream.next(NOW_MS, &mut out);
        stream.next(NOW_MS, &mut out);
        assert!((1_000..=1_472).contains(&out.len()), "{version:?}: {}", out.len());
        if version == Version::Ipfix {
            assert_eq!(usize::from(out[2]) << 8 | usize::from(out[3]), out.len());
        }
    }
}
