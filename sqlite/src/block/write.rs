//! From records to a block's octets.

use std::io;

use weir_flow::FlowRecord;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::column::put_number;
use super::ends::Ends;
use super::enriched::Enriched;
use super::extra::Extras;
use super::list::NumberColumn;
use super::observed::Observed;
use super::size::Bound;
use super::{COLUMNS, KEPT_BUFFER_BYTES, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_BLOCK_TEXT, presence};
use crate::MaxRecordBytes;

/// zstd's fastest: columns leave little to find. Level 3 takes a fifth more time for 4 % less octets.
const LEVEL: i32 = 1;

/// Lengths of the columns that every block has, and what is before them.
const FRAME_COLUMNS: usize = 4_096;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It is in the block.
    Kept,
    /// The block has no room: seal it and push again.
    Full,
    /// It is larger than a record may be, or nested too deep.
    TooLong,
}

/// Builds one block after the other in the same buffers.
pub struct Encoder {
    columns: Columns,
    raw: Vec<u8>,
    packed: Vec<u8>,
    /// A record as JSON, where its length must be known.
    line: Vec<u8>,
    compressor: Compressor<'static>,
    max_record: usize,
    count: usize,
    min_ts: i64,
    max_ts: i64,
    /// What the rows so far can become.
    bound: Bound,
    /// Bytes of the largest block since the buffers were made, and since [`Encoder::clear`].
    made_for: usize,
    largest: usize,
}

/// A finished block.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    /// Rows, 1 to [`MAX_BLOCK_ROWS`].
    pub count: u64,
    /// Start of the earliest record, milliseconds.
    pub min_ts: i64,
    /// Start of the latest record, milliseconds.
    pub max_ts: i64,
    /// How `data` is encoded.
    pub encoding: u8,
    /// What is in `data`, before compression.
    pub raw: &'a [u8],
    /// What is stored.
    pub data: &'a [u8],
}

#[derive(Debug, Default)]
struct Columns {
    has: NumberColumn,
    observed: Observed,
    ends: Ends,
    enriched: Enriched,
    extra: Extras,
}

impl Columns {
    fn push(&mut self, record: &FlowRecord) {
        let has = presence::of(record);
        self.has.push(has);
        self.observed.push(record);
        self.ends.push(record, has);
        self.enriched.push(record, has);
        if let Some(extra) = &record.extra {
            self.extra.push(extra);
        }
    }

    fn clear(&mut self) {
        self.has.clear();
        self.observed.clear();
        self.ends.clear();
        self.enriched.clear();
        self.extra.clear();
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        self.has.write(out);
        self.observed.write(out);
        self.ends.write(out);
        self.enriched.write(out);
        self.extra.write(out);
    }
}

impl Encoder {
    /// An encoder of records up to `limit`, with empty buffers.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new(limit: MaxRecordBytes) -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self {
            columns: Columns::default(),
            raw: Vec::new(),
            packed: Vec::new(),
            line: Vec::new(),
            compressor,
            max_record: limit.value(),
            count: 0,
            min_ts: 0,
            max_ts: 0,
            bound: Bound::default(),
            made_for: 0,
            largest: 0,
        })
    }

    /// Forgets the rows of a commit that failed, and gives back what a burst left.
    pub fn clear(&mut self) {
        if self.made_for > KEPT_BUFFER_BYTES && self.largest < self.made_for / 2 {
            self.columns = Columns::default();
            (self.raw, self.packed, self.line) = (Vec::new(), Vec::new(), Vec::new());
            self.made_for = 0;
        } else if self.count > 0 {
            self.columns.clear();
        }
        self.largest = 0;
        self.count = 0;
        self.bound = Bound::default();
    }

    /// True when there is nothing to seal.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a record.
    pub fn push(&mut self, record: &FlowRecord) -> Push {
        if self.count == MAX_BLOCK_ROWS {
            return Push::Full;
        }
        let Some(own) = self.bound(record) else { return Push::TooLong };
        let bound = Bound { json: self.bound.json + own.json, columns: self.bound.columns + own.columns };
        // One record alone always fits: columns take no more than two and a half times its JSON.
        if !self.is_empty()
            && (bound.json > MAX_BLOCK_TEXT || bound.columns > MAX_BLOCK_BYTES - FRAME_COLUMNS)
        {
            return Push::Full;
        }
        self.bound = bound;
        self.append(record);
        Push::Kept
    }

    fn append(&mut self, record: &FlowRecord) {
        self.columns.push(record);
        let ts = record.start.millis();
        let (min, max) = if self.is_empty() { (ts, ts) } else { (self.min_ts, self.max_ts) };
        (self.min_ts, self.max_ts) = (min.min(ts), max.max(ts));
        self.count += 1;
    }

    /// What `record` can become; none when that is more than a record may be.
    fn bound(&mut self, record: &FlowRecord) -> Option<Bound> {
        let mut bound = Bound::of(record)?;
        if bound.json > self.max_record {
            self.line.clear();
            record.write_json(&mut self.line).ok()?;
            bound.json = self.line.len();
            self.line.shrink_to(KEPT_BUFFER_BYTES);
        }
        (bound.json <= self.max_record).then_some(bound)
    }

    /// Compresses what was pushed and starts the next block.
    ///
    /// # Errors
    /// zstd has no memory.
    pub fn seal(&mut self) -> io::Result<Sealed<'_>> {
        self.raw.clear();
        self.raw.push(COLUMNS);
        put_number(&mut self.raw, self.count as u64);
        self.columns.write(&mut self.raw);
        self.largest = self.largest.max(self.raw.len());
        self.made_for = self.made_for.max(self.largest);
        self.packed.clear();
        self.packed.reserve(zstd::compress_bound(self.raw.len()));
        self.compressor.compress_to_buffer(&self.raw, &mut self.packed)?;
        let sealed = Sealed {
            count: self.count as u64,
            min_ts: self.min_ts,
            max_ts: self.max_ts,
            encoding: COLUMNS,
            raw: &self.raw,
            data: &self.packed,
        };
        self.count = 0;
        self.bound = Bound::default();
        Ok(sealed)
    }
}

#[cfg(test)]
impl Encoder {
    /// A record whatever its bound.
    pub(super) fn push_unbounded(&mut self, record: &FlowRecord) {
        self.append(record);
    }

    /// Octets of the two largest buffers.
    pub(super) fn buffers(&self) -> usize {
        self.raw.capacity() + self.packed.capacity()
    }

    /// Columns of names in `extra`.
    pub(super) fn names(&self) -> usize {
        self.columns.extra.columns()
    }
}
