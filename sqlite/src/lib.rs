//! The ring: the newest records of each tenant in one SQLite file, until age or a byte budget trims them.
//!
//! Batches come from the agent's `store` thread, which owns the one [`Writer`]; rows, minute totals and input
//! bookmarks of a commit are one transaction. They go to any number of [`Reader`]s (the page, the uplink,
//! `weir query`), which open the file read-only and carry a deadline.
//!
//! Rows are numbered from 1 in their ring without a gap and are stored many to a compressed block, whose format [`block`]
//! describes; the number and the ring's random id make the event id. `schema.sql` describes the tables.

mod append;
mod aside;
pub mod block;
mod check;
mod committed;
mod config;
mod connection;
mod control;
mod damage;
mod dead_letter;
mod error;
mod files;
mod filter;
mod fit;
mod hour;
mod inspect;
mod mend;
mod minute;
mod overview;
mod reader;
mod receipt;
mod repair;
mod reserve;
mod ring;
mod room;
mod scan;
mod schema;
mod seal;
mod search;
mod series;
mod shortage;
mod sums;
mod tail;
mod tenant;
mod top;
mod trim;
mod usage;
mod walk;
mod wear;
mod writer;

pub use aside::{FILES, Held, hold, set_aside};
pub use block::{MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_RECORD_BYTES};
pub use check::{CheckReport, MAX_PROBLEMS, check};
pub use committed::Committed;
pub use config::{
    BudgetBytes, CommitRecords, CommitSeconds, Config, DeadLetterBytes, DeadLetterDays, MaxRecordBytes,
    ReserveBytes, RetentionDays,
};
pub use control::{Control, Undelivered};
pub use damage::{LostRows, MAX_LOST_RANGES};
pub use dead_letter::{
    DeadLetter, DeadLetterSum, Letters, MAX_DEAD_LETTERS, MAX_LETTER_BYTES, MAX_PAGE_BYTES, MAX_PAGE_LETTERS,
    NewLetter, RING, Selection,
};
pub use error::{Error, ErrorKind};
pub use filter::Filters;
#[cfg(feature = "fuzz")]
pub use hour::fuzz::hour_totals;
pub use mend::Mended;
pub use minute::MinuteTotal;
pub use overview::{Overview, RingFigures, WearOfDay};
pub use reader::{MAX_READ_BYTES, MAX_READ_MINUTES, MAX_READ_ROWS, Order, Reader, Stats, StoredRow};
pub use receipt::{MAX_RECEIPTS, RECEIPT_HOURS};
pub use repair::{RepairReport, repair};
pub use ring::MAX_RINGS;
pub use scan::Scanned;
pub use search::{
    BadFilter, Count, EventId, FILTERS, Found, MAX_PAGE_ROWS, MAX_SEARCH_BYTES, Page, Progress, Query, Span,
};
pub use series::{MAX_STEPS, Series, SeriesQuery, Step};
pub use shortage::{DiskState, Shortage};
pub use tenant::{Limits, Removal, Tenant, TenantChange};
pub use top::{Dimension, MAX_TOP, Measure, Top, TopEntry, TopQuery};
pub use trim::{CLOCK_FLOOR, Trimmed};
pub use usage::Usage;
pub use wear::{WEAR_DAYS, Written};
pub use writer::Writer;
