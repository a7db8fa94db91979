use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;

use super::Unpacker;
use crate::Dimension;
use crate::hour::pack::{LISTED, Packer, Span};
use crate::sums::{Entry, KeyRef, Sum, Sums};

const SPAN: Span = Span { hour: 498_678, first_row: 7, through_row: 1_000 };

/// An hour with `keys` keys in each dimension.
fn hour(keys: u32, limit: usize) -> Vec<Sums> {
    let mut hour = Vec::from(Dimension::ALL.map(|_| Sums::new(limit)));
    for n in 0..keys {
        let sum = Sum([u64::from(n) * 1_000, u64::from(n % 37), 1 + u64::from(n % 11)]);
        let six = Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(n));
        let texts = [format!("{n:x}.example"), format!("Name {n}")];
        let label = &texts[1].as_str().into();
        hour[0].add(
            KeyRef::Address(if n % 3 == 0 { six.into() } else { IpAddr::from(n.to_be_bytes()) }),
            None,
            sum,
        );
        hour[1].add(KeyRef::Text(&texts[0]), Some(label).filter(|_| n % 2 == 0), sum);
        hour[2].add(KeyRef::Number(n), Some(label), sum);
        hour[3].add(KeyRef::Number(n), None, sum);
        hour[4].add(KeyRef::Text(&texts[0]), None, sum);
        hour[5].add(KeyRef::Text(&texts[1]), None, sum);
        hour[6].add(KeyRef::Text(&texts[1]), Some(label), sum);
    }
    hour
}

fn packed(hour: &[Sums]) -> Vec<u8> {
    Packer::new().unwrap().pack(SPAN, hour).unwrap()
}

fn unpacked(data: &[u8], dimension: Dimension) -> Option<Sums> {
    let mut sums = Sums::new(10_000);
    let span = Unpacker::new().unwrap().unpack((SPAN.hour, SPAN.through_row), dimension, data, &mut sums);
    match span {
        Ok(span) => assert_eq!(span, SPAN),
        Err(_) => {
            assert!(sums.entries().is_empty() && sums.unknown() == Sum::ZERO, "damage leaves something");
        }
    }
    span.is_ok().then_some(sums)
}

/// All that is known of each key.
fn content(sums: &Sums) -> Vec<String> {
    let told = |entry: &Entry| {
        let label = entry.label.as_deref().unwrap_or_default();
        format!("{:?} {label} {:?} {:?}", entry.key, entry.sum, sums.missed(entry))
    };
    let mut content: Vec<_> = sums.entries().iter().map(told).collect();
    content.sort();
    content.push(format!("{:?}", sums.unknown()));
    content
}

#[test]
fn an_hour_with_few_keys_is_read_as_it_was() {
    let hour = hour(200, 1_000);
    let data = packed(&hour);
    assert_eq!(data.len() % 4_096, 0);
    for (dimension, sums) in Dimension::ALL.into_iter().zip(&hour) {
        assert_eq!(content(&unpacked(&data, dimension).unwrap()), content(sums));
    }
}

#[test]
fn of_many_keys_the_greatest_are_kept_and_the_others_bounded() {
    for limit in [10_000, 3_000] {
        let hour = hour(5_000, limit);
        let data = packed(&hour);
        for (dimension, sums) in Dimension::ALL.into_iter().zip(&hour) {
            let read = unpacked(&data, dimension).unwrap();
            assert!((LISTED..=2 * LISTED).contains(&read.entries().len()));
            for entry in sums.entries() {
                let most = entry.sum.plus(sums.missed(entry));
                match read.entries().iter().find(|other| other.key == entry.key) {
                    Some(other) => {
                        assert_eq!((other.sum, read.missed(other)), (entry.sum, sums.missed(entry)));
                    }
                    None => assert_eq!(most.less(read.unknown()), Sum::ZERO, "{:?}", entry.key),
                }
            }
        }
    }
}

#[test]
fn an_hour_at_another_place_is_not_taken_for_it() {
    let data = packed(&hour(10, 100));
    let mut sums = Sums::new(100);
    let mut unpacker = Unpacker::new().unwrap();
    let mut unpack =
        |hour, through| unpacker.unpack((hour, through), Dimension::Ports, &data, &mut sums).is_ok();
    assert!(!unpack(SPAN.hour + 1, SPAN.through_row));
    assert!(!unpack(SPAN.hour, SPAN.through_row + 1));
    assert!(unpack(SPAN.hour, SPAN.through_row));
}

#[test]
fn no_octet_can_change_unnoticed() {
    let hour = hour(40, 100);
    let data = packed(&hour);
    for at in 0..data.len() {
        let mut damaged = data.clone();
        damaged[at] ^= 0x55;
        for (dimension, sums) in Dimension::ALL.into_iter().zip(&hour) {
            if let Some(read) = unpacked(&damaged, dimension) {
                assert_eq!(content(&read), content(sums), "octet {at}");
            }
        }
    }
}

#[test]
fn an_hour_that_ends_too_soon_is_damaged() {
    let data = packed(&hour(40, 100));
    let end = data.iter().rposition(|&octet| octet != 0).unwrap();
    for length in 0..end {
        assert!(unpacked(&data[..length], Dimension::Threats).is_none(), "{length} octets");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_octets_make_it_panic(
        version in 0_u8..3,
        octets in prop::collection::vec(any::<u8>(), 0..200),
        frame in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = unpacked(&[&[version], octets.as_slice()].concat(), Dimension::Talkers);
        // A frame that zstd can read, with anything in it.
        let packed = zstd::bulk::compress(&frame, 1).unwrap();
        let mut data = vec![1];
        for _ in Dimension::ALL {
            data.push(frame.len().min(127) as u8);
            data.extend([(packed.len() % 128) as u8 | 0x80, (packed.len() / 128) as u8]);
        }
        data.extend(packed);
        let _ = unpacked(&data, Dimension::Talkers);
    }
}
