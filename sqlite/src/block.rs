//! The encoding of a block: records in, bytes for the `data` column out, and back to lines of JSON.
//!
//! Encoding 1 is one zstd frame (RFC 8878) with content checksum; it holds a JSON object and a line feed per row.

use std::io;

use weir_flow::FlowRecord;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// Rows in a block. A larger commit makes several, so that a reader who wants a few rows unpacks little.
pub const MAX_BLOCK_ROWS: usize = 4_096;
/// JSON bytes in a block; what a reader may have to hold at once.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;
/// JSON bytes of one record. A larger one is left out and counted: one hostile record with megabytes in `extra`
/// must neither fill a block nor fail its commit for ever.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The encoding that is written.
const ZSTD_NDJSON: u8 = 1;
/// zstd's default: half the size of level 1, and faster than a gateway makes records.
const LEVEL: i32 = 3;
/// Buffers larger than this are given back after a commit that needed less than half of them: a burst must not cost
/// memory for ever, nor new pages with every block while it lasts.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// Least match and size of the hash table, as a logarithm, in a hurry: the table stays in a processor's first cache.
/// Measured at 4,096 rows: a quarter of the time less, 13 % more octets.
const HURRIED: [CParameter; 3] =
    [CParameter::CompressionLevel(1), CParameter::MinMatch(7), CParameter::HashLog(13)];
/// Zero is what the level has by itself.
const USUAL: [CParameter; 3] =
    [CParameter::CompressionLevel(LEVEL), CParameter::MinMatch(0), CParameter::HashLog(0)];

/// How much work goes into making blocks small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// As small as is reasonable.
    #[default]
    Usual,
    /// Records come faster than they can be made small.
    Hurried,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// It is in the block.
    Kept,
    /// The block has no room: seal it and push again.
    Full,
    /// It is larger than [`MAX_RECORD_BYTES`].
    TooLong,
}

/// Builds one block after the other in the same buffers.
pub(crate) struct Encoder {
    raw: Vec<u8>,
    packed: Vec<u8>,
    compressor: Compressor<'static>,
    effort: Effort,
    count: usize,
    min_ts: i64,
    max_ts: i64,
    /// Bytes of the largest block since [`Encoder::clear`].
    largest: usize,
}

/// A finished block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed<'a> {
    /// Rows, 1 to [`MAX_BLOCK_ROWS`].
    pub(crate) count: u64,
    /// Start of the earliest record, milliseconds.
    pub(crate) min_ts: i64,
    /// Start of the latest record, milliseconds.
    pub(crate) max_ts: i64,
    /// How `data` is encoded.
    pub(crate) encoding: u8,
    /// Bytes before compression.
    pub(crate) raw_bytes: usize,
    /// What is stored.
    pub(crate) data: &'a [u8],
}

impl Encoder {
    pub(crate) fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        let effort = Effort::default();
        let (raw, packed) = (Vec::new(), Vec::new());
        Ok(Self { raw, packed, compressor, effort, count: 0, min_ts: 0, max_ts: 0, largest: 0 })
    }

    /// Blocks from the next one on are made with `effort`; any decoder reads both.
    pub(crate) fn set_effort(&mut self, effort: Effort) -> io::Result<()> {
        if effort != self.effort {
            let parameters = if effort == Effort::Hurried { HURRIED } else { USUAL };
            parameters.into_iter().try_for_each(|parameter| self.compressor.set_parameter(parameter))?;
            self.effort = effort;
        }
        Ok(())
    }

    /// Forgets the rows of a commit that failed, and gives back what a burst left.
    pub(crate) fn clear(&mut self) {
        self.raw.clear();
        self.packed.clear();
        if self.largest < self.raw.capacity() / 2 {
            self.raw.shrink_to(KEPT_BUFFER_BYTES);
            self.packed.shrink_to(KEPT_BUFFER_BYTES);
        }
        self.largest = 0;
        self.count = 0;
    }

    /// True when there is nothing to seal.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, record: &FlowRecord) -> Push {
        if self.count == MAX_BLOCK_ROWS {
            return Push::Full;
        }
        let before = self.raw.len();
        let written = record.write_json(&mut self.raw);
        self.raw.push(b'\n');
        let fate = match self.raw.len() - before {
            length if written.is_err() || length > MAX_RECORD_BYTES => Push::TooLong,
            _ if self.raw.len() > MAX_BLOCK_BYTES => Push::Full,
            _ => Push::Kept,
        };
        if fate != Push::Kept {
            self.raw.truncate(before);
            return fate;
        }
        let ts = record.start.millis();
        let (min, max) = if self.is_empty() { (ts, ts) } else { (self.min_ts, self.max_ts) };
        (self.min_ts, self.max_ts) = (min.min(ts), max.max(ts));
        self.count += 1;
        fate
    }

    /// Compresses what was pushed and starts the next block.
    pub(crate) fn seal(&mut self) -> io::Result<Sealed<'_>> {
        self.largest = self.largest.max(self.raw.len());
        self.packed.clear();
        self.packed.reserve(zstd::compress_bound(self.raw.len()));
        self.compressor.compress_to_buffer(&self.raw, &mut self.packed)?;
        let sealed = Sealed {
            count: self.count as u64,
            min_ts: self.min_ts,
            max_ts: self.max_ts,
            encoding: ZSTD_NDJSON,
            raw_bytes: self.raw.len(),
            data: &self.packed,
        };
        self.raw.clear();
        self.count = 0;
        Ok(sealed)
    }
}

/// Unpacks blocks into one buffer.
pub(crate) struct Decoder {
    raw: Vec<u8>,
    decompressor: Decompressor<'static>,
}

/// What is wrong with a block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("unknown encoding {0}")]
    Encoding(u8),
    #[error("{0} bytes where {MAX_BLOCK_BYTES} are the most")]
    TooLong(u64),
    #[error("{0}")]
    Frame(#[from] io::Error),
    #[error("{found} bytes where {expected} were packed")]
    Length { found: u64, expected: u64 },
    #[error("{found} lines for {expected} rows")]
    Rows { found: u64, expected: u64 },
    #[error("text that is not UTF-8")]
    Utf8,
}

impl Decoder {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { raw: Vec::new(), decompressor: Decompressor::new()? })
    }

    /// The lines of a block of `rows` rows, each ended by a line feed. Bounded by `raw_bytes`, whatever the frame
    /// says of itself.
    pub(crate) fn decode(
        &mut self,
        encoding: u8,
        raw_bytes: u64,
        data: &[u8],
        rows: u64,
    ) -> Result<&str, Damage> {
        if encoding != ZSTD_NDJSON {
            return Err(Damage::Encoding(encoding));
        }
        let Some(length) = usize::try_from(raw_bytes).ok().filter(|&length| length <= MAX_BLOCK_BYTES) else {
            return Err(Damage::TooLong(raw_bytes));
        };
        self.raw.clear();
        self.raw.shrink_to(KEPT_BUFFER_BYTES);
        self.raw.reserve(length);
        let found = self.decompressor.decompress_to_buffer(data, &mut self.raw)?;
        if found != length {
            return Err(Damage::Length { found: found as u64, expected: raw_bytes });
        }
        let found = self.raw.iter().filter(|&&byte| byte == b'\n').count() as u64;
        if found != rows {
            return Err(Damage::Rows { found, expected: rows });
        }
        std::str::from_utf8(&self.raw).map_err(|_| Damage::Utf8)
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::{Extra, FlowRecord, Timestamp};

    use super::{Decoder, Effort, Encoder, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_RECORD_BYTES, Push};

    fn record(start_ms: i64) -> FlowRecord {
        FlowRecord { start: Timestamp::from_millis(start_ms), ..FlowRecord::default() }
    }

    fn with_extra(length: usize) -> FlowRecord {
        let extra = Extra::from_iter([("text", "x".repeat(length))]);
        FlowRecord { extra: Some(Box::new(extra)), ..FlowRecord::default() }
    }

    #[test]
    fn what_is_sealed_is_read_back_line_by_line() {
        let mut encoder = Encoder::new().unwrap();
        for start in [5, -3, 9] {
            assert_eq!(encoder.push(&record(start)), Push::Kept);
        }
        let sealed = encoder.seal().unwrap();
        assert_eq!((sealed.count, sealed.min_ts, sealed.max_ts), (3, -3, 9));
        let mut decoder = Decoder::new().unwrap();
        let lines = decoder.decode(sealed.encoding, sealed.raw_bytes as u64, sealed.data, 3).unwrap();
        let expected: Vec<_> = [5, -3, 9].map(|ms| serde_json::to_string(&record(ms)).unwrap()).into();
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
        assert!(decoder.decode(sealed.encoding, sealed.raw_bytes as u64, sealed.data, 4).is_err());
    }

    #[test]
    fn a_block_made_in_a_hurry_holds_the_same_and_the_next_is_made_as_usual() {
        let block = |encoder: &mut Encoder| {
            (0..2_000).for_each(|start| assert_eq!(encoder.push(&record(start * 7_919)), Push::Kept));
            let sealed = encoder.seal().unwrap();
            let mut decoder = Decoder::new().unwrap();
            let text = decoder.decode(sealed.encoding, sealed.raw_bytes as u64, sealed.data, 2_000).unwrap();
            (text.to_owned(), sealed.data.to_vec())
        };
        let mut encoder = Encoder::new().unwrap();
        let usual = block(&mut encoder);
        encoder.set_effort(Effort::Hurried).unwrap();
        let hurried = block(&mut encoder);
        encoder.set_effort(Effort::Usual).unwrap();
        assert_eq!(hurried.0, usual.0);
        assert_ne!(hurried.1, usual.1);
        assert!(block(&mut encoder) == usual);
    }

    #[test]
    fn a_burst_keeps_its_buffers_and_gives_them_back_when_it_is_over() {
        let mut encoder = Encoder::new().unwrap();
        for _ in 0..2 {
            while encoder.push(&with_extra(500_000)) == Push::Kept {}
            encoder.seal().unwrap();
            encoder.clear();
            assert!(encoder.raw.capacity() >= 7 * 500_000);
        }
        encoder.push(&record(0));
        encoder.seal().unwrap();
        encoder.clear();
        assert!(encoder.raw.capacity() <= super::KEPT_BUFFER_BYTES);
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let mut encoder = Encoder::new().unwrap();
        for start in 0..100 {
            encoder.push(&record(start));
        }
        let sealed = encoder.seal().unwrap();
        let (encoding, raw_bytes) = (sealed.encoding, sealed.raw_bytes as u64);
        let data = sealed.data.to_vec();
        let mut decoder = Decoder::new().unwrap();
        let text = decoder.decode(encoding, raw_bytes, &data, 100).unwrap().to_owned();
        for at in 0..data.len() {
            let mut damaged = data.clone();
            damaged[at] ^= 1;
            // Some bits of a frame header say nothing; then the text is right all the same.
            if let Ok(read) = decoder.decode(encoding, raw_bytes, &damaged, 100) {
                assert_eq!(read, text, "byte {at}");
                assert!(at < 5, "byte {at}");
            }
        }
        assert!(decoder.decode(encoding, raw_bytes + 1, &data, 100).is_err());
        assert!(decoder.decode(encoding, raw_bytes - 1, &data, 100).is_err());
        assert!(decoder.decode(encoding, MAX_BLOCK_BYTES as u64 + 1, &data, 100).is_err());
        assert!(decoder.decode(2, raw_bytes, &data, 100).is_err());
    }

    #[test]
    fn a_block_is_full_by_rows_and_by_bytes() {
        let mut encoder = Encoder::new().unwrap();
        for _ in 0..MAX_BLOCK_ROWS {
            assert_eq!(encoder.push(&record(0)), Push::Kept);
        }
        assert_eq!(encoder.push(&record(0)), Push::Full);
        assert_eq!(encoder.seal().unwrap().count, MAX_BLOCK_ROWS as u64);

        let large = with_extra(MAX_RECORD_BYTES - 1_000);
        let mut kept = 0;
        while encoder.push(&large) == Push::Kept {
            kept += 1;
        }
        assert_eq!(kept, 4);
        let sealed = encoder.seal().unwrap();
        assert!(sealed.raw_bytes <= MAX_BLOCK_BYTES);
        assert_eq!(encoder.push(&large), Push::Kept);
    }

    #[test]
    fn a_record_that_is_too_long_leaves_no_trace() {
        let mut encoder = Encoder::new().unwrap();
        encoder.push(&record(1));
        assert_eq!(encoder.push(&with_extra(MAX_RECORD_BYTES)), Push::TooLong);
        encoder.push(&record(2));
        let sealed = encoder.seal().unwrap();
        assert_eq!((sealed.count, sealed.min_ts, sealed.max_ts), (2, 1, 2));
    }
}
