//! Files that are cut, damaged, or no capture at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use proptest::prelude::*;

use super::{CaptureFile, Damage, ETHERNET, Error, Order, Read1, damage, open, read, read_on};

/// A file, and for each octet how many frames it completes and whether the file may end there.
struct Parts {
    file: Vec<u8>,
    /// Where a frame's data ends.
    frames: Vec<usize>,
    borders: Vec<usize>,
}

impl Parts {
    fn new(begin: Vec<u8>) -> Self {
        Self { frames: Vec::new(), borders: vec![begin.len()], file: begin }
    }

    /// Appends a record whose frame, if any, ends `after` octets before it does.
    fn push(&mut self, record: &[u8], after: Option<usize>) {
        self.file.extend(record);
        self.frames.extend(after.map(|after| self.file.len() - after));
        self.borders.push(self.file.len());
    }
}

fn pcap(order: Order) -> Parts {
    let mut parts = Parts::new(order.pcap(0xa1b2_c3d4, ETHERNET));
    for data in [&b"abcdef"[..], b"", b"ghi"] {
        parts.push(&order.frame(1, 2, data), Some(0));
    }
    parts
}

fn pcapng(order: Order) -> Parts {
    let mut parts = Parts::new(order.section());
    parts.push(&order.interface(1, 0, &[(2, b"eth0"), (9, &[9]), (0, &[])]), None);
    parts.push(&order.enhanced(0, 1, b"abcdef", &[]), Some(4 + 2));
    parts.push(&order.simple(5, b"ghijk"), Some(4 + 3));
    parts.push(&order.block(5, &[1; 30]), None);
    parts.push(&order.section(), None);
    parts.push(&order.interface(113, 0, &[]), None);
    parts.push(&order.enhanced(0, 1, b"abcd", &[0, 0, 0, 0]), Some(4 + 4));
    parts
}

fn every() -> impl Iterator<Item = Parts> {
    Order::BOTH.into_iter().flat_map(|order| [pcap(order), pcapng(order)])
}

#[test]
fn a_file_cut_anywhere_gives_the_frames_before_and_says_so() {
    for parts in every() {
        let (whole, end) = read(&parts.file);
        end.unwrap();
        assert_eq!(whole.len(), parts.frames.len());
        for cut in 0..=parts.file.len() {
            let (frames, end) = read(&parts.file[..cut]);
            let before = parts.frames.iter().filter(|&&end| end <= cut).count();
            assert_eq!(frames, whole[..before], "cut at {cut}");
            match end {
                Ok(()) => assert!(parts.borders.contains(&cut), "a clean end at {cut}"),
                Err(Error::Empty { .. }) => assert_eq!(cut, 0),
                Err(Error::Unknown { .. }) => assert!((1..4).contains(&cut), "unknown at {cut}"),
                Err(Error::Damaged { what, offset, .. }) => {
                    assert_eq!(what, Damage::CutShort);
                    assert!(!parts.borders.contains(&cut) && offset <= cut as u64, "cut at {cut}: {offset}");
                }
                Err(other) => panic!("cut at {cut}: {other}"),
            }
        }
    }
}

#[test]
fn no_frame_comes_after_damage() {
    for parts in every() {
        let mut file = parts.file.clone();
        file.splice(parts.borders[2]..parts.borders[2], [0xff; 16]);
        let mut file = open(&file).unwrap();
        while file.next().is_ok_and(|frame| frame.is_some()) {}
        for _ in 0..20 {
            assert!(!matches!(file.next(), Ok(Some(_))));
        }
    }
}

#[test]
fn frames_longer_than_any_are_damage_and_take_no_memory() {
    for order in Order::BOTH {
        for length in [262_145, 0x7fff_ffff, 0xffff_ffff] {
            let mut file = pcap(order).file;
            file.extend([1, 2, length, length].map(|value| order.u32(value)).concat());
            file.extend([0; 100]);
            assert_eq!(damage(&file), (3, Damage::TooLong));
        }
    }
    let error = read(&[&pcap(Order::BOTH[0]).file[..], &[0xff; 16]].concat()).1.unwrap_err().to_string();
    assert_eq!(
        error,
        "test.pcap is damaged (a frame longer than 262,144 octets) at octet 81; what came before is counted"
    );
}

#[test]
fn what_is_no_capture_is_told_by_its_beginning() {
    let text = b"Dear reader, this is no capture.";
    let error = open(text).err().unwrap().to_string();
    assert!(
        error.contains("test.pcap is neither pcap nor pcapng (it begins with 4465617220726561)"),
        "{error}"
    );
    assert!(matches!(open(b"\xa1\xb2"), Err(Error::Unknown { .. })));
    assert!(matches!(open(b"\xd4\xc3\xb2\xa0 and more of it, long enough"), Err(Error::Unknown { .. })));
}

#[test]
fn an_empty_file_is_told_to_be_empty() {
    assert!(matches!(open(b""), Err(Error::Empty { .. })));
}

#[test]
fn files_that_cannot_be_opened_are_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.pcap");
    for path in [dir.path(), &missing] {
        let error = CaptureFile::open(path).err().unwrap();
        assert!(matches!(error, Error::Open { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    let path = dir.path().join("office.pcap");
    File::create(&path).unwrap().write_all(&pcap(Order::BOTH[1]).file).unwrap();
    assert_eq!(read_on(CaptureFile::open(&path).unwrap()).0.len(), 3);
}

/// A disk that fails.
struct Failing(io::Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self.0.read(to)? {
            0 => Err(io::Error::other("the disk is broken")),
            read => Ok(read),
        }
    }
}

#[test]
fn what_a_failing_disk_gave_is_kept() {
    let source = Failing(io::Cursor::new(pcap(Order::BOTH[0]).file));
    let (frames, end) = read_on(CaptureFile::from_reader(Path::new("broken"), Box::new(source)).unwrap());
    assert_eq!(frames.len(), 3);
    let error = end.unwrap_err();
    assert!(matches!(error, Error::Read { offset: 81, .. }), "{error:?}");
    assert!(error.to_string().contains("the disk is broken"));
}

/// Changes octets at places that are in the file however long it is.
fn damaged(file: &[u8], changes: &[(prop::sample::Index, u8)], length: prop::sample::Index) -> Vec<u8> {
    let mut file = file.to_vec();
    for (at, octet) in changes {
        *at.get_mut(&mut file) = *octet;
    }
    let keep = file.len() / 2 + length.index(file.len());
    file.resize(keep.min(file.len() + 40), 0xff);
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_damage_upsets_the_readers(
        which in 0_usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
    ) {
        let sound = every().nth(which).unwrap().file;
        let file = damaged(&sound, &changes, length);
        let (frames, end) = read(&file);
        let held: usize = frames.iter().map(|frame: &Read1| frame.2.len()).sum();
        prop_assert!(frames.len() * 12 + held <= file.len(), "more frames than octets");
        if let Err(Error::Damaged { offset, .. }) = end {
            prop_assert!(offset <= file.len() as u64);
        }
    }

    #[test]
    fn no_octets_upset_the_readers(magic in 0_usize..4, mut file in prop::collection::vec(any::<u8>(), 0..300)) {
        let sound = every().nth(magic).unwrap().file;
        let begin = file.len().min(12);
        file[..begin].copy_from_slice(&sound[..begin]);
        let (frames, _) = read(&file);
        prop_assert!(frames.len() * 12 <= file.len());
    }
}
