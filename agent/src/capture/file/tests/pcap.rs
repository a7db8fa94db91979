//! The pcap format in all its variants.

use super::{ETHERNET, Error, LinkType, MAX_FRAME, Order, frames, open, read, trickle};

const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
const KUZNETZOV: u32 = 0xa1b2_cd34;

#[test]
fn both_byte_orders_and_both_precisions_are_read() {
    for order in Order::BOTH {
        for (magic, fraction) in [(MICROS, 999_999), (NANOS, 999_999_999)] {
            let mut file = order.pcap(magic, ETHERNET);
            file.extend(order.frame(1_700_000_000, fraction, b"abc"));
            file.extend(order.frame(u32::MAX, 0, b""));
            let expected = [
                (1_700_000_000_999_999, 7, b"abc".to_vec(), LinkType::Ethernet),
                (i64::from(u32::MAX) * 1_000_000, 4, Vec::new(), LinkType::Ethernet),
            ];
            assert_eq!(frames(&file), expected);
            assert_eq!(trickle(&file), expected);
        }
    }
}

/// Old Red Hat kernels wrote eight octets more before each frame.
#[test]
fn the_variant_of_kuznetzov_is_read() {
    for order in Order::BOTH {
        let mut file = order.pcap(KUZNETZOV, ETHERNET);
        for data in [&b"abc"[..], b"de"] {
            let frame = order.frame(1, 2, data);
            file.extend([&frame[..16], &[0xee; 8], data].concat());
        }
        let read = frames(&file);
        assert_eq!(read.iter().map(|frame| &frame.2[..]).collect::<Vec<_>>(), [&b"abc"[..], b"de"]);
        assert!(read.iter().all(|frame| frame.0 == 1_000_002));
    }
}

#[test]
fn the_length_of_the_check_sequence_beside_the_link_type_does_no_harm() {
    for order in Order::BOTH {
        let mut file = order.pcap(MICROS, 0x4400_0000 | 276);
        file.extend(order.frame(1, 0, b"abc"));
        assert_eq!(frames(&file)[0].3, LinkType::LinuxSll2);
    }
}

#[test]
fn a_link_type_that_cannot_be_read_is_named() {
    let file = Order::BOTH[0].pcap(MICROS, 147);
    assert!(matches!(read(&file), (_, Err(Error::LinkType { number: 147, .. }))));
    assert!(read(&file).1.unwrap_err().to_string().contains("test.pcap has frames of link type 147"));
}

#[test]
fn a_fraction_of_more_than_a_second_is_no_fault() {
    for (magic, micros) in [(MICROS, 4_294_967_295), (NANOS, 4_294_967)] {
        let mut file = Order::BOTH[1].pcap(magic, ETHERNET);
        file.extend(Order::BOTH[1].frame(1, u32::MAX, b""));
        assert_eq!(frames(&file)[0].0, 1_000_000 + micros);
    }
}

/// Wherever the border of the window falls, in a header or in a frame.
#[test]
fn frames_over_the_border_of_the_window_are_whole() {
    const WINDOW: usize = 256 * 1_024;
    let order = Order::BOTH[1];
    let next: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for short in 0..60 {
        let first = vec![7; WINDOW - 24 - 16 - short];
        let mut file = order.pcap(MICROS, ETHERNET);
        for data in [&first[..], b"", &next, &next[..1]] {
            file.extend(order.frame(1, 0, data));
        }
        let read = frames(&file);
        assert_eq!(read.len(), 4);
        assert!(
            read[0].2 == first && read[1].2.is_empty() && read[2].2 == next && read[3].2 == next[..1],
            "{short}"
        );
    }
}

#[test]
fn the_longest_frame_is_read() {
    let longest: Vec<u8> = (0..=250).cycle().take(MAX_FRAME).collect();
    let mut file = Order::BOTH[1].pcap(MICROS, ETHERNET);
    for _ in 0..3 {
        file.extend(Order::BOTH[1].frame(1, 0, &longest));
    }
    assert!(frames(&file).iter().all(|frame| frame.2 == longest));
    assert_eq!(frames(&file).len(), 3);
}

#[test]
fn what_was_read_so_far_is_told() {
    let mut bytes = Order::BOTH[0].pcap(MICROS, ETHERNET);
    bytes.extend(Order::BOTH[0].frame(1, 0, b"abc"));
    let mut file = open(&bytes).unwrap();
    assert_eq!(file.offset(), 24);
    file.next().unwrap().unwrap();
    assert_eq!(file.offset(), 43);
    assert!(file.next().unwrap().is_none() && file.next().unwrap().is_none());
}
