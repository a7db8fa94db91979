//! The pcapng format: sections, interfaces, blocks of every kind.

use super::{Damage, Error, LinkType, Order, damage, frames, read, trickle};

const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;

/// Times of frames with `ticks` on an interface with `options`.
fn times(order: Order, options: &[(u16, &[u8])], ticks: &[u64]) -> Vec<i64> {
    let mut file = [order.section(), order.interface(1, 0, options)].concat();
    for &ticks in ticks {
        file.extend(order.enhanced(0, ticks, b"abcde", &[]));
    }
    frames(&file).iter().map(|frame| frame.0).collect()
}

#[test]
fn times_are_in_the_units_of_the_interface() {
    for order in Order::BOTH {
        let name: (u16, &[u8]) = (2, b"eth0\0");
        assert_eq!(times(order, &[], &[1_700_000_000_123_456]), [1_700_000_000_123_456]);
        assert_eq!(
            times(order, &[name, (RESOLUTION, &[9])], &[1_700_000_000_123_456_789]),
            [1_700_000_000_123_456]
        );
        assert_eq!(times(order, &[(RESOLUTION, &[0]), name], &[1_700_000_000]), [1_700_000_000_000_000]);
        assert_eq!(times(order, &[(RESOLUTION, &[3])], &[1_500]), [1_500_000]);
        assert_eq!(times(order, &[(RESOLUTION, &[0x80 | 20])], &[3 << 20 | 1 << 19]), [3_500_000]);
        assert_eq!(times(order, &[(RESOLUTION, &[0x80 | 32])], &[u64::MAX]), [(1 << 32) * 1_000_000 - 1]);
        assert_eq!(
            times(order, &[(0, &[]), (RESOLUTION, &[9])], &[7_000]),
            [7_000],
            "after the end of options"
        );
        assert_eq!(times(order, &[(RESOLUTION, &[9, 9])], &[7_000]), [7_000], "of a wrong length");
    }
}

#[test]
fn the_offset_of_an_interface_is_added() {
    for order in Order::BOTH {
        let offset = |seconds: i64| order.u64(seconds.cast_unsigned());
        assert_eq!(times(order, &[(OFFSET, &offset(1_700_000_000))], &[5]), [1_700_000_000_000_005]);
        assert_eq!(times(order, &[(OFFSET, &offset(-1)), (RESOLUTION, &[9])], &[5_000]), [-999_995]);
    }
}

#[test]
fn times_beyond_all_calendars_are_the_last_there_are() {
    for order in Order::BOTH {
        let offset = |seconds: i64| order.u64(seconds.cast_unsigned());
        assert_eq!(times(order, &[], &[u64::MAX]), [i64::MAX]);
        assert_eq!(times(order, &[(OFFSET, &offset(i64::MAX))], &[0]), [i64::MAX]);
        assert_eq!(
            times(order, &[(OFFSET, &offset(i64::MIN)), (RESOLUTION, &[0])], &[1, u64::MAX]),
            [i64::MIN, i64::MAX]
        );
        assert_eq!(times(order, &[(RESOLUTION, &[127])], &[u64::MAX]), [0]);
        assert_eq!(times(order, &[(RESOLUTION, &[30])], &[u64::MAX]), [0]);
        assert_eq!(times(order, &[(RESOLUTION, &[0xff])], &[u64::MAX]), [0]);
        assert_eq!(times(order, &[(RESOLUTION, &[0x80 | 65])], &[u64::MAX]), [499_999]);
    }
}

#[test]
fn each_frame_is_of_its_interface_and_each_section_of_its_byte_order() {
    let mut file = Vec::new();
    for order in Order::BOTH {
        file.extend(order.section());
        file.extend(order.interface(1, 0, &[]));
        file.extend(order.enhanced(0, 1, b"a", &[]));
        file.extend(order.interface(113, 0, &[(RESOLUTION, &[9])]));
        file.extend(order.enhanced(1, 2_000, b"bb", &[]));
        file.extend(order.enhanced(0, 3, b"ccc", &[]));
    }
    let one = [
        (1, 5, b"a".to_vec(), LinkType::Ethernet),
        (2, 6, b"bb".to_vec(), LinkType::LinuxSll),
        (3, 7, b"ccc".to_vec(), LinkType::Ethernet),
    ];
    let twice = [&one[..], &one].concat();
    assert_eq!(frames(&file), twice);
    assert_eq!(trickle(&file), twice);
}

#[test]
fn an_interface_ends_with_its_section() {
    let order = Order::BOTH[1];
    let file = [
        order.section(),
        order.interface(1, 0, &[]),
        order.enhanced(0, 1, b"a", &[]),
        order.section(),
        order.enhanced(0, 1, b"a", &[]),
    ];
    assert_eq!(damage(&file.concat()), (1, Damage::UnknownInterface));
}

#[test]
fn simple_packets_are_cut_to_the_snaplen_and_have_the_time_before() {
    for order in Order::BOTH {
        let file = [
            order.section(),
            order.interface(1, 6, &[]),
            order.simple(5, b"abcde"),
            order.enhanced(0, 77, b"x", &[]),
            order.simple(100, b"abcdef"),
            order.simple(2, b"ab"),
        ];
        let data = |at: i64, wire, data: &[u8]| (at, wire, data.to_vec(), LinkType::Ethernet);
        let expected =
            [data(0, 5, b"abcde"), data(77, 5, b"x"), data(77, 100, b"abcdef"), data(77, 2, b"ab")];
        assert_eq!(frames(&file.concat()), expected);
        let unlimited = [order.section(), order.interface(1, 0, &[]), order.simple(3, b"abc")];
        assert_eq!(frames(&unlimited.concat()), [data(0, 3, b"abc")]);
    }
}

#[test]
fn the_packet_block_of_old_is_read() {
    for order in Order::BOTH {
        let mut body = [order.u16(1), order.u16(0xffff)].concat();
        body.extend([order.u32(0), order.u32(9), order.u32(3), order.u32(60)].concat());
        body.extend(b"abc");
        let file = [
            order.section(),
            order.interface(113, 0, &[]),
            order.interface(1, 0, &[]),
            order.block(2, &body),
        ];
        assert_eq!(frames(&file.concat()), [(9, 60, b"abc".to_vec(), LinkType::Ethernet)]);
    }
}

#[test]
fn blocks_that_say_nothing_of_frames_are_passed_over_whatever_their_size() {
    for order in Order::BOTH {
        let mut file = [order.section(), order.interface(1, 0, &[])].concat();
        for (kind, size) in [(4, 20), (5, 0), (0x0bad, 700_001), (10, 262_144), (0x8000_0001, 300_000)] {
            file.extend(order.block(kind, &vec![0xaa; size]));
            file.extend(order.enhanced(0, 5, b"abc", &[]));
        }
        assert_eq!(frames(&file).len(), 5);
    }
}

#[test]
fn options_after_a_frame_may_be_longer_than_any_frame() {
    let order = Order::BOTH[0];
    let options = [&order.u16(1)[..], &order.u16(65_532), &[b'x'; 65_532]].concat().repeat(7);
    let mut file = [order.section(), order.interface(1, 0, &[])].concat();
    for _ in 0..3 {
        file.extend(order.enhanced(0, 5, b"abc", &options));
    }
    assert_eq!(frames(&file).len(), 3);
    let names = vec![b'n'; 60_000];
    let long = [
        order.section(),
        order.interface(1, 0, &[(3, &names), (3, &names), (RESOLUTION, &[9])]),
        order.enhanced(0, 5, b"", &[]),
    ];
    assert_eq!(frames(&long.concat()).len(), 1);
}

#[test]
fn blocks_that_contradict_themselves_are_damage() {
    for order in Order::BOTH {
        let begin = [order.section(), order.interface(1, 0, &[]), order.enhanced(0, 1, b"abc", &[])].concat();
        let with = |kind: u32, length: u32, rest: &[u8]| {
            [&begin[..], &order.u32(kind), &order.u32(length), rest, &[0; 64]].concat()
        };
        for length in [0, 4, 8, 11, 13, 30] {
            assert_eq!(damage(&with(6, length, &[])), (1, Damage::BadBlock), "a block of {length} octets");
        }
        for (kind, length) in [(6, 28), (3, 12), (2, 28), (1, 16)] {
            assert_eq!(
                damage(&with(kind, length, &[])),
                (1, Damage::BadBlock),
                "kind {kind}, {length} octets"
            );
        }
        let captured = |captured: u32| [0, 0, 0, captured, captured].map(|value| order.u32(value)).concat();
        assert_eq!(damage(&with(6, 36, &captured(5))), (1, Damage::BadBlock), "a frame beyond its block");
        assert_eq!(damage(&with(6, u32::MAX - 3, &captured(262_145))), (1, Damage::TooLong));
        assert_eq!(damage(&with(6, 36, &captured(u32::MAX))), (1, Damage::TooLong));
        assert_eq!(damage(&with(6, 36, &order.u32(1))), (1, Damage::UnknownInterface));
        let no_order = [&begin[..], &[0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 1, 2, 3, 4], &[0; 40]].concat();
        assert_eq!(damage(&no_order), (1, Damage::BadBlock));
    }
}

#[test]
fn frames_before_the_first_interface_are_damage() {
    let order = Order::BOTH[0];
    for block in [order.simple(1, b"a"), order.enhanced(0, 1, b"a", &[])] {
        assert_eq!(damage(&[order.section(), block].concat()), (0, Damage::UnknownInterface));
    }
}

#[test]
fn an_interface_that_cannot_be_read_matters_when_it_has_a_frame() {
    let order = Order::BOTH[1];
    let mut file = [order.section(), order.interface(1, 0, &[]), order.interface(147, 0, &[])].concat();
    file.extend(order.enhanced(0, 1, b"a", &[]));
    assert_eq!(frames(&file).len(), 1);
    file.extend(order.enhanced(1, 1, b"a", &[]));
    let (before, end) = read(&file);
    assert_eq!(before.len(), 1);
    assert!(matches!(end, Err(Error::LinkType { number: 147, .. })));
}

#[test]
fn a_block_of_four_gibibytes_is_a_file_cut_short() {
    let order = Order::BOTH[1];
    let begin = [order.section(), order.interface(1, 0, &[])].concat();
    let huge = |kind: u32, body: &[u8]| {
        [&begin[..], &order.u32(kind), &[0xfc, 0xff, 0xff, 0xff], body, &[0; 100]].concat()
    };
    assert_eq!(damage(&huge(0x0bad, &[])), (0, Damage::CutShort));
    assert_eq!(damage(&huge(1, &[])), (0, Damage::CutShort));
    let frame = [0, 0, 1, 3, 3].map(|value| order.u32(value)).concat();
    assert_eq!(damage(&huge(6, &frame)), (1, Damage::CutShort), "its frame is there");
}
