//! Zeek's logs, followed while Zeek writes them.
//!
//! From: the files in Zeek's directories and their archives, looked at a few times a second. To: the link of all inputs, in
//! batches that hold lines of one file each, and how far it was read: the bookmark goes into the ring in the transaction of
//! the rows, so that each line is stored exactly once whatever happens in between.
//!
//! `worker` is the thread; `follower` knows all files, `search` finds those that were rotated, `tail` reads one, `finish` ends
//! them, `identity` says which is which, and `position` is what the ring remembers.

mod archive;
mod complaint;
pub mod config;
mod file;
mod finish;
mod follower;
mod handover;
mod identity;
mod listing;
mod logs;
mod name;
mod opening;
mod position;
mod reading;
mod report;
mod search;
mod stream;
mod tail;
#[cfg(test)]
mod tests;
mod trouble;
mod worker;

pub use config::Config;
pub use report::{BadLines, Counts, Gone, LogReport, Report};
pub use worker::Worker;
