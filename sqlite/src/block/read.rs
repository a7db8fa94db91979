//! From a block's octets back to records.

use std::io;
use std::ops::Range;

use weir_flow::FlowRecord;
use zstd::bulk::Decompressor;

use super::column::Input;
use super::ends::EndsReader;
use super::enriched::EnrichedReader;
use super::extra::ExtrasReader;
use super::list::NumberReader;
use super::observed::ObservedReader;
use super::scan::Scan;
use super::stamp::StampsReader;
use super::{
    COLUMNS, KEPT_BUFFER_BYTES, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_BLOCK_TEXT, MAX_RECORD_BYTES, presence,
};

/// What is wrong with a block.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Another version wrote it.
    #[error("encoding {0}, written by {age} version", age = if *.0 < COLUMNS { "an earlier" } else { "a later" })]
    Encoding(u8),
    /// It says that it is larger than it may be.
    #[error("{0} bytes where {MAX_BLOCK_BYTES} are the most")]
    TooLong(u64),
    /// zstd cannot read it.
    #[error("{0}")]
    Frame(#[from] io::Error),
    /// It says that it is larger or smaller than it is.
    #[error("{found} bytes where {expected} were packed")]
    Length {
        /// Octets that were unpacked.
        found: u64,
        /// Octets that should have been.
        expected: u64,
    },
    /// It has more or fewer rows than it should.
    #[error("{found} rows where {expected} were packed")]
    Rows {
        /// Rows that it has.
        found: u64,
        /// Rows that it should have.
        expected: u64,
    },
    /// A text is not UTF-8.
    #[error("text that is not UTF-8")]
    Utf8,
    /// It ends within a value.
    #[error("a column that ends too soon")]
    Short,
    /// There is more after its last column.
    #[error("octets after the last column")]
    Rest,
    /// A value means nothing.
    #[error("a {0} that means nothing")]
    Value(&'static str),
    /// A record is longer than one may be.
    #[error("a record of more than {MAX_RECORD_BYTES} bytes of JSON")]
    RecordTooLong,
    /// Its rows are longer than those of a block may be.
    #[error("rows of more than {MAX_BLOCK_TEXT} bytes of JSON")]
    TextTooLong,
}

/// A block as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// How `data` is encoded.
    pub encoding: u8,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Rows.
    pub rows: u64,
    /// What is stored.
    pub data: &'a [u8],
}

/// Unpacks blocks, one after the other in the same buffers. Trusts nothing that a block says: memory is bounded by
/// [`MAX_BLOCK_BYTES`], and by [`MAX_RECORD_BYTES`] of JSON for the row at hand.
pub struct Decoder {
    raw: Vec<u8>,
    line: Vec<u8>,
    decompressor: Decompressor<'static>,
}

impl Decoder {
    /// A decoder with empty buffers.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { raw: Vec::new(), line: Vec::new(), decompressor: Decompressor::new()? })
    }

    /// Hands the rows of `block` whose places in it, from 0, are `wanted` to `take`, ascending: place, when it was stored in
    /// milliseconds, and JSON object.
    ///
    /// # Errors
    /// What is wrong with the block; rows before the damage may have been handed over.
    pub fn lines(
        &mut self,
        block: Packed<'_>,
        wanted: Range<u64>,
        mut take: impl FnMut(u64, i64, &str),
    ) -> Result<(), Damage> {
        self.unpack(block)?;
        let mut text = 0;
        let mut records = Records::new(&self.raw, block.rows)?;
        for place in 0..wanted.end.min(block.rows) {
            let Some(record) = records.next().transpose()? else { break };
            if place < wanted.start {
                continue;
            }
            self.line.clear();
            record.write_json(&mut self.line).map_err(|_| Damage::Value("record"))?;
            text += self.line.len();
            if self.line.len() > MAX_RECORD_BYTES {
                return Err(Damage::RecordTooLong);
            }
            if text > MAX_BLOCK_TEXT {
                return Err(Damage::TextTooLong);
            }
            take(place, records.stored_at(), std::str::from_utf8(&self.line).map_err(|_| Damage::Utf8)?);
        }
        Ok(())
    }

    /// The records of `block`, in order of their rows.
    ///
    /// # Errors
    /// What is wrong with the block as a whole.
    pub fn records(&mut self, block: Packed<'_>) -> Result<Records<'_>, Damage> {
        self.unpack(block)?;
        Records::new(&self.raw, block.rows)
    }

    /// `block`, to be searched.
    ///
    /// # Errors
    /// As [`Decoder::records`].
    pub fn scan(&mut self, block: Packed<'_>) -> Result<Scan<'_>, Damage> {
        self.unpack(block)?;
        Scan::new(&self.raw, block.rows)
    }

    /// Fills `raw`, whose length is what it should be then.
    fn unpack(&mut self, block: Packed<'_>) -> Result<(), Damage> {
        known(block.encoding)?;
        let length = usize::try_from(block.raw_bytes).ok().filter(|&length| length <= MAX_BLOCK_BYTES);
        let length = length.ok_or(Damage::TooLong(block.raw_bytes))?;
        self.raw.clear();
        self.raw.shrink_to(KEPT_BUFFER_BYTES);
        self.raw.reserve(length);
        let found = self.decompressor.decompress_to_buffer(block.data, &mut self.raw)?;
        if found != length {
            return Err(Damage::Length { found: found as u64, expected: block.raw_bytes });
        }
        Ok(())
    }
}

/// Refuses every encoding but the one that is written.
const fn known(encoding: u8) -> Result<(), Damage> {
    if encoding == COLUMNS { Ok(()) } else { Err(Damage::Encoding(encoding)) }
}

/// The records of a block, from its columns. After an error there are no more.
pub struct Records<'a> {
    left: u64,
    stored_at: i64,
    pub(super) stamps: StampsReader<'a>,
    pub(super) has: NumberReader<'a>,
    pub(super) observed: ObservedReader<'a>,
    pub(super) ends: EndsReader<'a>,
    pub(super) enriched: EnrichedReader<'a>,
    pub(super) extra: ExtrasReader<'a>,
}

impl<'a> Records<'a> {
    /// The records in `columns`, which are a block of `rows` rows before compression.
    ///
    /// # Errors
    /// What is wrong with the block as a whole.
    pub fn new(columns: &'a [u8], rows: u64) -> Result<Self, Damage> {
        if columns.len() > MAX_BLOCK_BYTES {
            return Err(Damage::TooLong(columns.len() as u64));
        }
        let mut block = Input(columns);
        known(block.octet()?)?;
        let found = block.number()?;
        if found != rows || found > MAX_BLOCK_ROWS as u64 {
            return Err(Damage::Rows { found, expected: rows });
        }
        let records = Self {
            left: rows,
            stored_at: 0,
            stamps: StampsReader::new(&mut block, rows)?,
            has: NumberReader::new(&mut block)?,
            observed: ObservedReader::new(&mut block)?,
            ends: EndsReader::new(&mut block)?,
            enriched: EnrichedReader::new(&mut block)?,
            extra: ExtrasReader::new(&mut block)?,
        };
        if block.is_empty() { Ok(records) } else { Err(Damage::Rest) }
    }

    /// When the record that was answered last was stored, milliseconds.
    #[must_use]
    pub const fn stored_at(&self) -> i64 {
        self.stored_at
    }

    fn read(&mut self) -> Result<FlowRecord, Damage> {
        self.stored_at = self.stamps.next()?;
        let has = self.has.next()?;
        if has & !presence::ALL != 0 {
            return Err(Damage::Value("set of fields"));
        }
        let mut record = FlowRecord::default();
        self.observed.next(has, &mut record)?;
        self.ends.next(has, &mut record)?;
        self.enriched.next(has, &mut record)?;
        if has & presence::EXTRA != 0 {
            record.extra = Some(Box::new(self.extra.next()?));
        }
        Ok(record)
    }

    /// Passes a row by, without making its record.
    pub(super) fn pass(&mut self) -> Result<(), Damage> {
        let Some(left) = self.left.checked_sub(1) else { return Err(Damage::Short) };
        self.left = left;
        self.stored_at = self.stamps.next()?;
        let has = self.has.next()?;
        self.observed.pass(has)?;
        self.ends.pass(has)?;
        self.enriched.pass(has)?;
        if has & presence::EXTRA != 0 {
            self.extra.pass()?;
        }
        Ok(())
    }
}

impl Iterator for Records<'_> {
    type Item = Result<FlowRecord, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = self.read();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}
