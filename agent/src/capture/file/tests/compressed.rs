//! Captures compressed with gzip and zstd.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{ETHERNET, Error, Order, Read1, frames, open, read, trickle};

fn capture() -> Vec<u8> {
    let order = Order::BOTH[1];
    let mut file = order.pcap(0xa1b2_c3d4, ETHERNET);
    for second in 0..200 {
        file.extend(order.frame(second, 0, &second.to_be_bytes().repeat(100)));
    }
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn expected() -> Vec<Read1> {
    let frames = frames(&capture());
    assert_eq!(frames.len(), 200);
    frames
}

#[test]
fn compressed_files_are_read_like_plain_ones() {
    for file in [gzip(&capture()), zstd(&capture())] {
        assert_eq!(frames(&file), expected());
        assert_eq!(trickle(&file), expected());
    }
}

/// As `cat a.gz b.gz` and parallel compressors make them.
#[test]
fn files_of_several_members_are_read_to_the_last() {
    let (start, end) = (&capture()[..33_333], &capture()[33_333..]);
    for file in [
        [gzip(start), gzip(end)].concat(),
        [gzip(start), gzip(&[]), gzip(end)].concat(),
        [zstd(start), zstd(end)].concat(),
    ] {
        assert_eq!(frames(&file), expected());
    }
}

#[test]
fn a_compressed_file_without_an_octet_inside_is_empty_too() {
    for file in [gzip(&[]), zstd(&[])] {
        assert!(matches!(read(&file).1, Err(Error::Empty { .. })));
    }
}

#[test]
fn a_compressed_file_cut_anywhere_gives_what_came_before() {
    for file in [gzip(&capture()), zstd(&capture())] {
        for cut in (1..file.len()).step_by(7) {
            let (frames, end) = read(&file[..cut]);
            assert_eq!(frames, expected()[..frames.len()]);
            assert!(end.is_err(), "a clean end at {cut} of {}", file.len());
        }
    }
}

#[test]
fn damage_inside_is_told_and_what_came_before_is_kept() {
    let mut file = gzip(&capture());
    let last = file.len() - 8;
    file[last] ^= 0xff;
    let (frames, end) = read(&file);
    assert_eq!(frames, expected()[..frames.len()]);
    assert!(matches!(end, Err(Error::Read { .. })), "{end:?}");
    assert!(matches!(open(&[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9]), Err(Error::Read { .. })));
}

/// A zstd frame (RFC 8878 §3.1.1) that asks for a window of 2^`log` octets and holds `bytes` uncompressed.
fn with_window(log: u8, bytes: &[u8]) -> Vec<u8> {
    let block = (u32::try_from(bytes.len()).unwrap() << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3][..], &block[..3], bytes].concat()
}

#[test]
fn a_window_that_takes_too_much_memory_is_refused() {
    let bytes = &capture()[..24 + 416];
    for log in [17, 20, 27] {
        assert_eq!(frames(&with_window(log, bytes)).len(), 1, "2^{log}");
    }
    for log in [28, 31, 41] {
        let (frames, end) = read(&with_window(log, bytes));
        assert!(frames.is_empty() && matches!(end, Err(Error::Read { .. })), "2^{log}: {end:?}");
    }
}
