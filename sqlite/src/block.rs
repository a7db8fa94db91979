//! The encoding of a block: records in, bytes for the `data` column out, and back to records or lines of JSON.
//!
//! A block stands for itself: it needs neither the blocks before it nor the store around it.
//!
//! **Encoding 3** is one zstd frame (RFC 8878) with content checksum, of columns. Whatever a record's JSON says is in them to
//! the last digit; what follows from the rest, as the Community ID and the sums, is not. All lengths and numbers are LEB128
//! unless their file says otherwise (`column.rs` has the words of the format):
//!
//! | part | content | file |
//! |---|---|---|
//! | version | the octet 3 | |
//! | rows | how many, 1 to [`MAX_BLOCK_ROWS`] | |
//! | stamps | when the rows were stored | `stamp.rs` |
//! | fields | which fields each row has: codes, then the sets of bits that they stand for | `presence.rs` |
//! | observed | end, length, source, kind, observer, request, and what exporters said | `observed.rs`, `route.rs` |
//! | ends | addresses, ports, protocol, counters, flags, VLAN, ICMP, DSCP | `ends.rs` |
//! | enriched | service, domain, places, direction, matches, risk, tags | `enriched.rs`, `place.rs` |
//! | extra | names and shapes, then the columns of each name | `extra.rs`, `value.rs` |
//!
//! A field's column has a value only for the rows that have the field. Values that return are in lists, and columns hold
//! codes (`dictionary.rs`, `list.rs`). Octets that stand for enumerations are in `code.rs`.
//!
//! A block in any other encoding is reported like a damaged one.

pub(crate) mod code;
pub(crate) mod column;
mod dictionary;
mod ends;
mod enriched;
mod extra;
mod list;
mod observed;
mod place;
mod presence;
mod read;
mod route;
mod scan;
mod size;
mod stamp;
pub(crate) mod tally;
mod value;
mod write;

pub use read::{Damage, Decoder, Packed, Records};
pub(crate) use scan::Sums;
pub use scan::{Rows, Scan};
pub use write::{Encoder, Push, Sealed};

/// Rows in a block. A larger commit makes several, so that a reader who wants a few rows unpacks little.
pub const MAX_BLOCK_ROWS: usize = 4_096;
/// Bytes of a block before compression; what a reader may have to hold at once.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;
/// JSON bytes of a block's rows: a text that all rows share is in a block once, and must not become gigabytes when it is
/// read.
pub const MAX_BLOCK_TEXT: usize = 16 << 20;
/// JSON bytes that a record may have at most. A larger one becomes a dead letter: one hostile record with megabytes in
/// `extra` must neither fill a block nor fail its commit for ever.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The encoding.
const COLUMNS: u8 = 3;

/// Values within values, as deep as the JSON reader goes; a deeper record is left out as one that is too long.
const MAX_DEPTH: usize = 128;
/// Matches of a record: as JSON more of them are longer than a record may be.
const MAX_MATCHES: usize = 16_384;

/// Buffers larger than this are given back after a commit that needed less than half of them: a burst must not cost
/// memory for ever, nor new pages with every block while it lasts.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

#[cfg(test)]
pub(crate) mod tests;
