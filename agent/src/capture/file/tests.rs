//! Unit tests of the file readers; the files are made here, octet by octet.

mod compressed;
mod damaged;
mod pcap;
mod pcapng;

use std::io::{self, Cursor, Read};
use std::path::Path;

use super::{CaptureFile, Damage, Error, MAX_FRAME};
use crate::packet::LinkType;

const ETHERNET: u32 = 1;

/// A frame as it was read: microseconds, octets on the wire, data, link type.
type Read1 = (i64, u32, Vec<u8>, LinkType);

fn open(bytes: &[u8]) -> Result<CaptureFile, Error> {
    CaptureFile::from_reader(Path::new("test.pcap"), Box::new(Cursor::new(bytes.to_vec())))
}

/// All frames, and what came after the last.
fn read(bytes: &[u8]) -> (Vec<Read1>, Result<(), Error>) {
    match open(bytes) {
        Ok(file) => read_on(file),
        Err(error) => (Vec::new(), Err(error)),
    }
}

fn read_on(mut file: CaptureFile) -> (Vec<Read1>, Result<(), Error>) {
    let mut frames = Vec::new();
    loop {
        match file.next() {
            Ok(Some((frame, link))) => {
                frames.push((frame.timestamp.micros(), frame.wire_len, frame.data.to_vec(), link));
            }
            Ok(None) => return (frames, Ok(())),
            Err(error) => return (frames, Err(error)),
        }
    }
}

/// All frames of a sound file.
fn frames(bytes: &[u8]) -> Vec<Read1> {
    let (frames, end) = read(bytes);
    end.unwrap();
    frames
}

/// What is wrong with a file, and after how many frames.
fn damage(bytes: &[u8]) -> (usize, Damage) {
    match read(bytes) {
        (frames, Err(Error::Damaged { what, .. })) => (frames.len(), what),
        (frames, other) => panic!("{} frames, then {other:?}", frames.len()),
    }
}

/// Gives one octet at a time, and is interrupted before each.
struct Trickle(Cursor<Vec<u8>>, bool);

impl Read for Trickle {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = to.len().min(1);
        self.0.read(&mut to[..most])
    }
}

fn trickle(bytes: &[u8]) -> Vec<Read1> {
    let source = Trickle(Cursor::new(bytes.to_vec()), false);
    let (frames, end) = read_on(CaptureFile::from_reader(Path::new("slow"), Box::new(source)).unwrap());
    end.unwrap();
    frames
}

/// Numbers in one of the two byte orders.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    const BOTH: [Self; 2] = [Self { big: true }, Self { big: false }];

    fn u16(self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u64(self, value: u64) -> [u8; 8] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// The header of a pcap file.
    fn pcap(self, magic: u32, link: u32) -> Vec<u8> {
        let mut file = self.u32(magic).to_vec();
        file.extend([self.u16(2), self.u16(4)].concat());
        file.extend([self.u32(0), self.u32(0), self.u32(65_535), self.u32(link)].concat());
        file
    }

    /// A frame of a pcap file.
    fn frame(self, seconds: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
        let captured = u32::try_from(data.len()).unwrap();
        let head = [seconds, fraction, captured, captured + 4].map(|value| self.u32(value));
        [&head.concat(), data].concat()
    }

    /// A block of a pcapng file, with padding.
    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let length = self.u32(u32::try_from(12 + body.len() + padding.len()).unwrap());
        [&self.u32(kind)[..], &length, body, &padding, &length].concat()
    }

    fn section(self) -> Vec<u8> {
        let body = [&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    /// The description of an interface, with options.
    fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [&self.u16(link)[..], &[0, 0], &self.u32(snaplen)].concat();
        for (code, value) in options {
            body.extend([self.u16(*code), self.u16(u16::try_from(value.len()).unwrap())].concat());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }

    /// An enhanced packet block.
    fn enhanced(self, interface: u32, ticks: u64, data: &[u8], options: &[u8]) -> Vec<u8> {
        let captured = u32::try_from(data.len()).unwrap();
        let (high, low) = (u32::try_from(ticks >> 32).unwrap(), (ticks & 0xffff_ffff) as u32);
        let mut body = [interface, high, low, captured, captured + 4].map(|value| self.u32(value)).concat();
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(options);
        self.block(6, &body)
    }

    fn simple(self, wire_len: u32, data: &[u8]) -> Vec<u8> {
        self.block(3, &[&self.u32(wire_len)[..], data].concat())
    }
}
