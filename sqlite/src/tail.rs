//! The tail of a ring: the small blocks of the newest commits, until they are sealed together.
//!
//! A row of its own for each small commit would cost the flash a dozen pages: the trees, the list of free pages, the ring's own
//! row. So a ring has a place of fixed length, of which a commit overwrites the two or three pages that it needs, and nothing
//! else: what the ring's row would say is in front of each block. Sealing changes the ring's row; with that the tail is
//! empty, since what is in it does not follow the ring's last row any more.
//!
//! Each block comes after a head of [`HEAD`] octets, numbers with the least octet first:
//!
//! | octets | what |
//! |---|---|
//! | 4 | length of the block; [`END`] after the last |
//! | 4 | rows |
//! | 4 | octets before compression |
//! | 1 | encoding |
//! | 3 | check of the other octets (64-bit FNV-1a, its three times 24 bits combined by exclusive or) |
//! | 8 | first row |
//! | 8 | when the rows were stored, milliseconds |
//! | 8, 8 | earliest and latest start of a flow, milliseconds |
//! | 6 × 8 | flows, packets, octets, threats, sum and count of risk scores, as in [`MinuteTotal`] |
//!
//! A tail ends with [`END`], or, when its rows are sealed, before it begins: with a first head whose row is below the ring's
//! next. Anything else where a head should be is damage, and the numbers that its rows had must not be given again.

mod place;

use rusqlite::{Connection, OptionalExtension};

pub(crate) use place::{MAX_TAIL_ROWS, Place, Places};

use crate::MinuteTotal;
use crate::block::Packed;
use crate::filter::{FNV_OFFSET, FNV_PRIME};
use crate::minute::minute_of;
use crate::ring::Ring;
use crate::walk::Block;

/// Octets of a head.
pub(crate) const HEAD: usize = 96;
/// What follows the last block: no length of a block, nor what flash makes of a page that it loses.
pub(crate) const END: [u8; 4] = *b"last";
/// Why rows of a tail are lost of which no head tells.
pub(crate) const TORN: &str = "the part of the tail that may have held them cannot be read";

/// The blocks of a tail, as one transaction sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    data: Vec<u8>,
    blocks: Vec<Fresh>,
    is_torn: bool,
}

/// What is at a place where a head should be.
enum Step {
    Block(Fresh),
    End,
    /// A head that cannot be read, or one of another place.
    Torn,
}

/// A block of a tail, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) block: Block,
    /// Earliest and latest start of a flow, milliseconds.
    pub(crate) starts: (i64, i64),
    /// What the block adds to the totals of its minute.
    pub(crate) total: MinuteTotal,
    encoding: u8,
    raw_bytes: u64,
    /// Where its data begin and end.
    data: (usize, usize),
}

impl Tail {
    /// The tail of `ring`, of which that says where it begins. Call it within the transaction that read the ring.
    pub(crate) fn load(db: &Connection, ring: &Ring) -> rusqlite::Result<Self> {
        let mut statement = db.prepare_cached("SELECT data FROM tail WHERE ring = ?1")?;
        let data = statement.query_row([ring.ring], |row| row.get(0)).optional()?;
        Ok(data.map_or_else(Self::default, |data| Self::read(data, ring.next_row, false)))
    }

    /// As [`Tail::load`], and what can be read behind damage: its blocks need not follow each other.
    pub(crate) fn rescue(db: &Connection, ring: &Ring) -> rusqlite::Result<Self> {
        let mut statement = db.prepare_cached("SELECT data FROM tail WHERE ring = ?1")?;
        let data = statement.query_row([ring.ring], |row| row.get(0)).optional()?;
        Ok(data.map_or_else(Self::default, |data| Self::read(data, ring.next_row, true)))
    }

    /// The blocks in `data` from `next_row` on, those behind damage if that `is_passed`.
    fn read(mut data: Vec<u8>, mut next_row: u64, is_passed: bool) -> Self {
        let (mut blocks, mut at) = (Vec::new(), 0);
        let is_torn = loop {
            let fresh = match Fresh::at(data.get(at..).unwrap_or_default(), at, data.len(), next_row) {
                Step::Block(fresh) => fresh,
                Step::End => break false,
                Step::Torn => match Fresh::behind(&data, at, next_row).filter(|_| is_passed) {
                    Some(fresh) => fresh,
                    None => break true,
                },
            };
            next_row = fresh.block.end();
            at = fresh.data.1;
            blocks.push(fresh);
        };
        data.truncate(at);
        Self { data, blocks, is_torn }
    }

    /// Says in the tail of `ring`, which has one, that there is nothing in it.
    pub(crate) fn empty(db: &Connection, ring: &Ring) -> rusqlite::Result<()> {
        db.prepare_cached("UPDATE tail SET data = zeroblob(length(data)) WHERE ring = ?1")?
            .execute([ring.ring])?;
        db.blob_open(c"main", c"tail", c"data", ring.ring, false)?.write_at(&END, 0)
    }

    /// True when there is damage behind its last block: there may have been more.
    pub(crate) const fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// What the heads of the tail of `ring` say, without its blocks; none where there is no tail.
    pub(crate) fn heads(db: &Connection, ring: &Ring) -> rusqlite::Result<Option<Heads>> {
        let mut exists = db.prepare_cached("SELECT 1 FROM tail WHERE ring = ?1")?;
        if !exists.exists([ring.ring])? {
            return Ok(None);
        }
        let blob = db.blob_open(c"main", c"tail", c"data", ring.ring, true)?;
        let length = blob.len();
        let (mut blocks, mut next_row, mut at) = (Vec::new(), ring.next_row, 0);
        let mut head = [0; HEAD];
        let is_torn = loop {
            let read = blob.read_at(&mut head, at.min(length))?;
            match Fresh::at(head.get(..read).unwrap_or_default(), at, length, next_row) {
                Step::Block(fresh) => {
                    (next_row, at) = (fresh.block.end(), fresh.data.1);
                    blocks.push(fresh);
                }
                Step::End => break false,
                Step::Torn => break true,
            }
        };
        Ok(Some(Heads { length, blocks, is_torn }))
    }

    /// Its blocks, in the order of their rows.
    pub(crate) fn blocks(&self) -> &[Fresh] {
        &self.blocks
    }

    /// A block, to be unpacked.
    pub(crate) fn packed(&self, fresh: &Fresh) -> Packed<'_> {
        let data = self.data.get(fresh.data.0..fresh.data.1).unwrap_or_default();
        Packed { encoding: fresh.encoding, raw_bytes: fresh.raw_bytes, rows: fresh.block.count, data }
    }
}

/// What a tail says of its blocks.
#[derive(Debug)]
pub(crate) struct Heads {
    /// Octets of the tail's place.
    pub(crate) length: usize,
    pub(crate) blocks: Vec<Fresh>,
    /// There is damage behind the last of them.
    pub(crate) is_torn: bool,
}

impl Heads {
    /// The number that the next row of `ring` gets, and when the newest was stored.
    pub(crate) fn newest(heads: Option<&Self>, ring: &Ring) -> (u64, i64) {
        let last = heads.and_then(|heads| heads.blocks.last());
        last.map_or((ring.next_row, ring.processed_at), |last| (last.block.end(), last.block.processed_at))
    }

    /// When the oldest row was stored.
    pub(crate) fn first_processed_at(&self) -> Option<i64> {
        self.blocks.first().map(|first| first.block.processed_at)
    }

    /// The octet after the last block.
    pub(crate) fn end(&self) -> usize {
        self.blocks.last().map_or(0, |last| last.data.1)
    }
}

impl Fresh {
    /// What is at `at` of a tail of `length_of_tail` octets, where a head for `next_row` should be; `octets` are those from
    /// there on, of which a head is needed.
    fn at(octets: &[u8], at: usize, length_of_tail: usize, next_row: u64) -> Step {
        if octets.starts_with(&END) {
            return Step::End;
        }
        match octets.first_chunk().and_then(|head| Self::parse(head, at, length_of_tail)) {
            Some(fresh) if fresh.block.first_row == next_row => Step::Block(fresh),
            Some(fresh) if at == 0 && fresh.block.first_row < next_row => Step::End,
            _ => Step::Torn,
        }
    }

    /// A later block than that for `next_row`: the one at `at`, or the one to which the length there leads.
    fn behind(data: &[u8], at: usize, next_row: u64) -> Option<Self> {
        let parse = |at: usize| Self::parse(data.get(at..)?.first_chunk()?, at, data.len());
        let next = || {
            let length = data.get(at..)?.first_chunk().map(|length| u32::from_le_bytes(*length))?;
            parse(at.checked_add(HEAD)?.checked_add(usize::try_from(length).ok()?)?)
        };
        let is_later = |fresh: &Self| fresh.block.first_row > next_row;
        parse(at).filter(is_later).or_else(|| next().filter(is_later))
    }

    /// The block whose head, in a tail of `length_of_tail` octets, is at `at`.
    fn parse(head: &[u8; HEAD], at: usize, length_of_tail: usize) -> Option<Self> {
        if head.get(CHECK)? != check(head) {
            return None;
        }
        let short =
            |at: usize| head.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
        let long =
            |at: usize| head.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map(u64::from_le_bytes);
        let (length, count, first_row) = (short(0)?, u64::from(short(4)?), long(16)?);
        let begin = at + HEAD;
        let end = begin.checked_add(usize::try_from(length).ok()?)?;
        if length == 0 || count == 0 || count > MAX_TAIL_ROWS || end > length_of_tail {
            return None;
        }
        let processed_at = long(24)?.cast_signed();
        Some(Self {
            block: Block { first_row, count, processed_at },
            starts: (long(32)?.cast_signed(), long(40)?.cast_signed()),
            total: MinuteTotal {
                minute: minute_of(processed_at),
                flows: long(48)?,
                packets: long(56)?,
                octets: long(64)?,
                threats: long(72)?,
                risk_sum: long(80)?,
                risk_count: long(88)?,
                first_row,
            },
            encoding: *head.get(12)?,
            raw_bytes: short(8)?.into(),
            data: (begin, end),
        })
    }
}

/// Where the check of a head is in it.
const CHECK: std::ops::Range<usize> = 13..16;

/// The check of a head: FNV-1a (RFC 9923) of all other octets, folded. It is there for what flash does, not for strangers.
pub(crate) fn check(head: &[u8; HEAD]) -> [u8; 3] {
    let octets = head.iter().enumerate().filter(|(at, _)| !CHECK.contains(at)).map(|(_, octet)| *octet);
    let hash = octets.fold(FNV_OFFSET, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(FNV_PRIME));
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    [a ^ d ^ g, b ^ e ^ h, c ^ f]
}

#[cfg(test)]
mod tests;
