//! The ring: the newest records of each tenant in one SQLite file, until age or a byte budget trims them.
//!
//! Batches come from the agent's `store` thread, which owns the one [`Writer`]; rows, minute totals and input
//! bookmarks of a commit are one transaction. They go to any number of [`Reader`]s (the page, the uplink,
//! `weir query`), which open the file read-only and carry a deadline.
//!
//! Rows are numbered from 1 in their ring without a gap and are stored many to a compressed block; the number
//! and the ring's random id make the event id. `schema.sql` describes the tables.

mod aside;
mod block;
mod check;
mod config;
mod connection;
mod error;
mod files;
mod minute;
mod reader;
mod reserve;
mod ring;
mod schema;
mod shortage;
mod trim;
mod writer;

pub use aside::{FILES, Held, hold, set_aside};
pub use block::{Effort, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_RECORD_BYTES};
pub use check::{CheckReport, MAX_PROBLEMS, check};
pub use config::{BudgetBytes, CommitRecords, CommitSeconds, Config, ReserveBytes, RetentionDays};
pub use error::{Error, ErrorKind};
pub use minute::MinuteTotal;
pub use reader::{MAX_READ_BYTES, MAX_READ_MINUTES, MAX_READ_ROWS, Order, Reader, Stats, StoredRow};
pub use ring::MAX_RINGS;
pub use shortage::{DiskState, Shortage};
pub use trim::{CLOCK_FLOOR, Trimmed};
pub use writer::{Committed, Usage, Writer};
