use proptest::prelude::*;

use super::*;

/// A block as af_packet.c writes it.
fn block(frames: &[(&[u8], u32, u32, u8)]) -> Vec<u8> {
    let mut out = vec![0; 48];
    out[COUNT_AT..][..4].copy_from_slice(&(frames.len() as u32).to_ne_bytes());
    out[FIRST_AT..][..4].copy_from_slice(&48_u32.to_ne_bytes());
    for (at, (data, wire_len, status, packet_type)) in frames.iter().enumerate() {
        let mut header = vec![0; 82];
        let total = (82 + data.len()).next_multiple_of(16);
        let next = if at + 1 == frames.len() { 0 } else { total as u32 };
        for (value, at) in [
            (next, 0),
            (1_700_000_000, 4),
            (123_456_789, 8),
            (data.len() as u32, 12),
            (*wire_len, 16),
            (*status, 20),
            (0x2007, TCI_AT),
        ] {
            header[at..][..4].copy_from_slice(&value.to_ne_bytes());
        }
        header[24..][..2].copy_from_slice(&82_u16.to_ne_bytes());
        header[TPID_AT..][..2].copy_from_slice(&0x88a8_u16.to_ne_bytes());
        header[PACKET_TYPE_AT] = *packet_type;
        header.extend(*data);
        header.resize(total, 0);
        out.extend(header);
    }
    out.resize(4_096, 0);
    out
}

#[test]
fn hands_over_each_frame_with_its_time_length_tag_and_direction() {
    let block =
        block(&[(b"first", 1_500, 1, 0), (b"second", 6, 1 | 1 << 4 | 1 << 6, 4), (b"", 60, 1 << 4, 3)]);
    let timestamp = Timestamp::from_micros(1_700_000_000_123_456);
    let tag = |tpid| Some(VlanTag { tci: 0x2007, tpid });
    let frame = |data, wire_len, vlan, outgoing| Frame { timestamp, wire_len, data, vlan, outgoing };
    let mut wanted = [
        frame(&b"first"[..], 1_500, None, false),
        frame(b"second", 6, tag(0x88a8), true),
        frame(b"", 60, tag(0x8100), false),
    ]
    .into_iter();
    let polled = walk(&block, &mut |frame| assert_eq!(Some(frame), wanted.next()));
    assert_eq!(polled, Polled { frames: 3, damaged: 0 });
    assert_eq!(wanted.next(), None);
}

#[test]
fn stops_at_a_header_that_points_outside_the_block() {
    let good = block(&[(b"first", 5, 1, 0), (b"second", 6, 1, 0), (b"third", 5, 1, 0)]);
    for (at, value) in [(0, 5_000), (0, 4_090), (0, u32::MAX), (12, 5_000), (12, u32::MAX), (24, 0xffff)] {
        let mut bad = good.clone();
        let second = 48 + 96;
        bad[second + at..][..4].copy_from_slice(&u32::to_ne_bytes(value));
        let polled = walk(&bad, &mut |_| ());
        assert_eq!(polled.frames + polled.damaged, 3, "{at} {value}");
        assert!(polled.damaged > 0, "{at} {value}");
    }
}

proptest! {
    #[test]
    fn no_block_makes_it_read_outside(
        mut noise in prop::collection::vec(any::<u8>(), 0..600),
        count in prop_oneof![0_u32..8, Just(u32::MAX)],
        first in prop_oneof![0_u32..700, Just(u32::MAX)],
    ) {
        if noise.len() >= FIRST_AT + 4 {
            noise[COUNT_AT..][..4].copy_from_slice(&count.to_ne_bytes());
            noise[FIRST_AT..][..4].copy_from_slice(&first.to_ne_bytes());
            let range = noise.as_ptr_range();
            let polled = walk(&noise, &mut |frame| {
                let data = frame.data.as_ptr_range();
                assert!(range.start <= data.start && data.end <= range.end);
            });
            prop_assert_eq!(polled.frames.checked_add(polled.damaged), Some(count));
            prop_assert!(u64::from(polled.frames) <= noise.len() as u64);
        }
    }

    #[test]
    fn a_ring_is_whole_blocks_of_whole_pages_that_hold_a_frame(
        ring_bytes in 0_u32..=MAX_RING_BYTES,
        snaplen in SNAPLENS.0..=SNAPLENS.1,
        page in prop_oneof![Just(4_096_u32), Just(16_384), Just(65_536)],
    ) {
        match Shape::new(ring_bytes, snaplen, page) {
            Ok(shape) => {
                prop_assert!(shape.bytes() <= u64::from(ring_bytes));
                prop_assert!(shape.block.is_power_of_two() && shape.block % page == 0);
                prop_assert!(shape.blocks >= MIN_BLOCKS);
                prop_assert!(shape.frame % 16 == 0 && shape.frame >= snaplen + 128 && shape.frame < shape.block);
            }
            Err(Error::RingTooSmall { least, .. }) => {
                prop_assert!(least > ring_bytes);
                prop_assert!(Shape::new(least, snaplen, page).is_ok());
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn sixteen_mebibytes_are_sixty_four_blocks() {
    let shape = Shape::new(16 << 20, 2_048, 4_096).unwrap();
    assert_eq!((shape.block, shape.blocks), (256 << 10, 64));
}

#[test]
fn settings_out_of_range_say_the_range() {
    let message = |ring, snaplen| Shape::new(ring, snaplen, 4_096).unwrap_err().to_string();
    assert_eq!(message(16 << 20, 32), "snaplen 32 is out of range: choose 64 to 262144");
    assert_eq!(message(u32::MAX, 2_048), "ring_bytes 4294967295 is out of range: choose 32768 to 1073741824");
    assert_eq!(
        message(10_000, 2_048),
        "a capture ring of 10000 bytes is too small for a snaplen of 2048: give at least 32768"
    );
}
