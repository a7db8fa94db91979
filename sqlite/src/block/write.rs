//! From records to a block's octets.

use std::io;

use weir_flow::{FlowRecord, Risk};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::column::put_number;
use super::ends::Ends;
use super::enriched::Enriched;
use super::extra::Extras;
use super::list::NumberColumn;
use super::observed::Observed;
use super::size::Bound;
use super::stamp::Stamps;
use super::{
    COLUMNS, KEPT_BUFFER_BYTES, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_BLOCK_TEXT, MAX_RECORD_BYTES, presence,
};
use crate::MaxRecordBytes;
use crate::filter::Filters;

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
    filters: Filters,
    compressor: Compressor<'static>,
    max_record: usize,
    count: usize,
    /// When the rows that come next were stored, milliseconds.
    processed_at: i64,
    facts: Facts,
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
    /// The highest risk score; none where no record has one.
    pub max_risk: Option<u8>,
    /// Records that an indicator matched.
    pub threats: u64,
    /// When the first row was stored, milliseconds.
    pub first_processed_at: i64,
    /// When the last row was stored, milliseconds.
    pub processed_at: i64,
    /// How `data` is encoded.
    pub encoding: u8,
    /// Filter of the addresses and their networks.
    pub addresses: &'a [u8],
    /// Filter of everything else that is searched for.
    pub terms: &'a [u8],
    /// What is in `data`, before compression.
    pub raw: &'a [u8],
    /// What is stored.
    pub data: &'a [u8],
}

impl Sealed<'_> {
    /// The same block with its octets in `to`.
    pub(crate) fn moved<'b>(&self, to: &'b mut [Vec<u8>; 4]) -> Sealed<'b> {
        *to = [self.addresses, self.terms, self.raw, self.data].map(<[u8]>::to_vec);
        let [addresses, terms, raw, data] = to;
        Sealed { addresses, terms, raw, data, ..*self }
    }
}

/// What is known of the rows of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    starts: Option<(i64, i64)>,
    max_risk: Option<u8>,
    threats: u64,
}

impl Facts {
    fn add(&mut self, record: &FlowRecord) {
        let ts = record.start.millis();
        let (min, max) = self.starts.unwrap_or((ts, ts));
        self.starts = Some((min.min(ts), max.max(ts)));
        self.max_risk = self.max_risk.max(record.risk.as_ref().map(Risk::score));
        self.threats += u64::from(record.is_threat());
    }
}

#[derive(Debug, Default)]
pub(super) struct Columns {
    stamps: Stamps,
    has: NumberColumn,
    observed: Observed,
    pub(super) ends: Ends,
    pub(super) enriched: Enriched,
    extra: Extras,
}

impl Columns {
    fn push(&mut self, record: &FlowRecord, processed_at: i64) {
        self.stamps.push(processed_at);
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
        self.stamps.clear();
        self.has.clear();
        self.observed.clear();
        self.ends.clear();
        self.enriched.clear();
        self.extra.clear();
    }

    fn gather(&self, filters: &mut Filters) {
        self.observed.gather(filters);
        self.ends.gather(filters);
        self.enriched.gather(filters);
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        self.stamps.write(out);
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
            filters: Filters::default(),
            compressor,
            max_record: limit.value(),
            count: 0,
            processed_at: 0,
            facts: Facts::default(),
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
        self.start();
    }

    fn start(&mut self) {
        self.count = 0;
        self.facts = Facts::default();
        self.bound = Bound::default();
    }

    /// The block so far.
    pub(super) const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// True when there is nothing to seal.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Rows of the block so far.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.count
    }

    /// Records that are pushed from now on were stored at this time, milliseconds. In a block it never goes back: an
    /// earlier one counts as that of the row before.
    pub const fn stored_at(&mut self, processed_at: i64) {
        self.processed_at = processed_at;
    }

    /// Adds a record.
    pub fn push(&mut self, record: &FlowRecord) -> Push {
        self.push_within(record, self.max_record)
    }

    /// Adds a record that is stored already: a limit that was lowered since is not for it.
    pub(crate) fn push_stored(&mut self, record: &FlowRecord) -> Push {
        self.push_within(record, MAX_RECORD_BYTES)
    }

    fn push_within(&mut self, record: &FlowRecord, limit: usize) -> Push {
        if self.count == MAX_BLOCK_ROWS {
            return Push::Full;
        }
        let Some(own) = self.bound(record, limit) else { return Push::TooLong };
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
        self.columns.push(record, self.processed_at);
        self.facts.add(record);
        self.count += 1;
    }

    /// What `record` can become; none when that is more than `limit`.
    fn bound(&mut self, record: &FlowRecord, limit: usize) -> Option<Bound> {
        let mut bound = Bound::of(record)?;
        if bound.json > limit {
            self.line.clear();
            record.write_json(&mut self.line).ok()?;
            bound.json = self.line.len();
            self.line.shrink_to(KEPT_BUFFER_BYTES);
        }
        (bound.json <= limit).then_some(bound)
    }

    /// Makes the filters of what was pushed.
    fn gather(&mut self) {
        self.filters.begin();
        self.columns.gather(&mut self.filters);
        self.filters.finish();
    }

    /// Compresses what was pushed and starts the next block.
    ///
    /// # Errors
    /// zstd has no memory.
    pub fn seal(&mut self) -> io::Result<Sealed<'_>> {
        self.gather();
        self.raw.clear();
        self.raw.push(COLUMNS);
        put_number(&mut self.raw, self.count as u64);
        let (count, facts, stamps) = (self.count as u64, self.facts, self.columns.stamps.ends());
        let starts = facts.starts.unwrap_or_default();
        self.columns.write(&mut self.raw);
        self.largest = self.largest.max(self.raw.len());
        self.made_for = self.made_for.max(self.largest);
        self.packed.clear();
        self.packed.reserve(zstd::compress_bound(self.raw.len()));
        self.compressor.compress_to_buffer(&self.raw, &mut self.packed)?;
        self.start();
        Ok(Sealed {
            count,
            min_ts: starts.0,
            max_ts: starts.1,
            max_risk: facts.max_risk,
            threats: facts.threats,
            first_processed_at: stamps.0,
            processed_at: stamps.1,
            encoding: COLUMNS,
            addresses: self.filters.addresses(),
            terms: self.filters.terms(),
            raw: &self.raw,
            data: &self.packed,
        })
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
