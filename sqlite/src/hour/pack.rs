//! The octets of column `hour.data`.
//!
//! The octet 1 (the version); for each dimension, in the order of [`Dimension::ALL`], two numbers: octets before compression and
//! after; then for each dimension one zstd frame (RFC 8878) with content checksum, so that a ranking unpacks one of them; then
//! zeros up to a multiple of [`PAD`]. Numbers are LEB128. A frame holds:
//!
//! | part | content |
//! |---|---|
//! | where | dimension, hour (two's complement), first and last row: what is not as it should be was put there by an accident |
//! | lost | octets, packets and flows that a key which is not listed can have at most |
//! | outsized | what keys had that are too long to be listed |
//! | keys | how many, ascending: shared octets with the one before, length of the rest, the rest |
//! | sums | octets of all keys, then packets, then flows |
//! | missed | likewise what each can have beyond these; not there when `lost` is 0 |
//! | labels | of each: 0, or its length and one more, then the text |
//!
//! An address is 4 or 16 octets, a number 4 with the greatest first.

use std::io;
use std::net::IpAddr;

use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use crate::Dimension;
use crate::block::column::put_number;
use crate::sums::{Entry, Key, Sum, Sums};

pub(super) const VERSION: u8 = 1;
/// zstd's fastest: it runs in the writer, several times in an hour.
const LEVEL: i32 = 1;
/// Entries by octets and by flows each that are kept of a dimension: nobody asks for the thousandth of an hour, and its octets
/// would wear the flash.
pub(crate) const LISTED: usize = 256;
pub(super) const MAX_LISTED: u64 = 2 * LISTED as u64;
/// Octets of a frame unpacked, at most: what [`MAX_LISTED`] keys and labels of [`MAX_TEXT`](crate::sums::MAX_TEXT) take.
pub(super) const MAX_FRAME: usize = 320 << 10;
/// The length is a multiple of this: data of the length that they had are overwritten in place, page by page.
const PAD: usize = 4_096;

/// What a row of table `hour` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) first_row: u64,
    pub(crate) through_row: u64,
}

/// Packs hours, in the same buffers.
pub(crate) struct Packer {
    compressor: Compressor<'static>,
    raw: Vec<u8>,
    frames: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { compressor, raw: Vec::new(), frames: Vec::new() })
    }

    pub(crate) fn pack(&mut self, span: Span, sums: &[Sums]) -> io::Result<Vec<u8>> {
        let mut out = vec![VERSION];
        self.frames.clear();
        for (dimension, sums) in Dimension::ALL.into_iter().zip(sums) {
            self.raw.clear();
            write(dimension, span, sums, &mut self.raw);
            let frame = self.compressor.compress(&self.raw)?;
            put_number(&mut out, self.raw.len() as u64);
            put_number(&mut out, frame.len() as u64);
            self.frames.extend_from_slice(&frame);
        }
        out.extend_from_slice(&self.frames);
        out.resize(out.len().next_multiple_of(PAD), 0);
        Ok(out)
    }
}

fn put_sum(out: &mut Vec<u8>, sum: Sum) {
    sum.0.into_iter().for_each(|number| put_number(out, number));
}

pub(super) fn write(dimension: Dimension, span: Span, sums: &Sums, out: &mut Vec<u8>) {
    let (keep, lost) = sums.greatest(LISTED);
    let listed = sums.entries().iter().zip(keep).filter(|&(_, keep)| keep);
    let mut entries: Vec<(Vec<u8>, &Entry)> =
        listed.map(|(entry, _)| (octets_of(&entry.key), entry)).collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    out.push(dimension.code());
    for number in [span.hour.cast_unsigned(), span.first_row, span.through_row] {
        put_number(out, number);
    }
    put_sum(out, lost);
    put_sum(out, sums.outsized());
    put_number(out, entries.len() as u64);
    let mut before: &[u8] = &[];
    for (key, _) in &entries {
        let shared = key.iter().zip(before).take_while(|(a, b)| a == b).count();
        put_number(out, shared as u64);
        put_number(out, (key.len() - shared) as u64);
        out.extend(key.iter().skip(shared));
        before = key;
    }
    for at in 0..lost.0.len() {
        let numbers = entries.iter().filter_map(|(_, entry)| entry.sum.0.get(at));
        numbers.for_each(|&number| put_number(out, number));
    }
    for at in (0..lost.0.len()).filter(|_| lost != Sum::ZERO) {
        let missed = entries.iter().filter_map(|(_, entry)| sums.missed(entry).0.get(at).copied());
        missed.for_each(|number| put_number(out, number));
    }
    for (_, entry) in &entries {
        let Some(label) = &entry.label else {
            put_number(out, 0);
            continue;
        };
        put_number(out, label.len() as u64 + 1);
        out.extend_from_slice(label.as_bytes());
    }
}

fn octets_of(key: &Key) -> Vec<u8> {
    match key {
        Key::Address(IpAddr::V4(address)) => address.octets().to_vec(),
        Key::Address(IpAddr::V6(address)) => address.octets().to_vec(),
        Key::Number(number) => number.to_be_bytes().to_vec(),
        Key::Text(text) => text.as_bytes().to_vec(),
    }
}
