//! The ring: the newest records of each tenant in one SQLite file, until age or a byte budget trims them.
//!
//! Batches come from the agent's `store` thread, which owns the one [`Writer`]; rows, minute totals and input
//! bookmarks of a commit are one transaction. They go to any number of [`Reader`]s (the page, the uplink,
//! `weir query`), which open the file read-only and carry a deadline.
//!
//! Rows are numbered from 1 in their ring without a gap and are stored many to a compressed block, whose format [`block`]
//! describes; the number and the ring's random id make the event id. `schema.sql` describes the tables.

mod aside;
pub mod block;
mod check;
mod config;
mod connection;
mod control;
mod dead_letter;
mod error;
mod files;
mod minute;
mod reader;
mod receipt;
mod reserve;
mod ring;
mod room;
mod schema;
mod shortage;
mod tenant;
mod trim;
mod usage;
mod writer;

pub use aside::{FILES, Held, hold, set_aside};
pub use block::{MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_RECORD_BYTES};
pub use check::{CheckReport, MAX_PROBLEMS, check};
pub use config::{
    BudgetBytes, CommitRecords, CommitSeconds, Config, DeadLetterBytes, DeadLetterDays, MaxRecordBytes,
    ReserveBytes, RetentionDays,
};
pub use control::{Control, Undelivered};
pub use dead_letter::{
    DeadLetter, DeadLetterSum, Letters, MAX_DEAD_LETTERS, MAX_LETTER_BYTES, MAX_PAGE_BYTES, MAX_PAGE_LETTERS,
    NewLetter, RING, Selection,
};
pub use error::{Error, ErrorKind};
pub use minute::MinuteTotal;
pub use reader::{MAX_READ_BYTES, MAX_READ_MINUTES, MAX_READ_ROWS, Order, Reader, Stats, StoredRow};
pub use receipt::{MAX_RECEIPTS, RECEIPT_HOURS};
pub use ring::MAX_RINGS;
pub use shortage::{DiskState, Shortage};
pub use tenant::{Limits, Removal, Tenant, TenantChange};
pub use trim::{CLOCK_FLOOR, Trimmed};
pub use usage::Usage;
pub use writer::{Committed, Writer};
