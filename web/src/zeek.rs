//! Figures of the logs that are followed: a part of `GET /v1/metrics`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use weir_flow::{Text, Timestamp};

/// The logs of Zeek that the agent follows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Zeek {
    /// Lines read, headers included.
    pub lines: u64,
    /// Records made of them.
    pub records: u64,
    /// Lines that could not be read and were skipped alone.
    pub bad_lines: u64,
    /// Files that were gone before they were read to their end.
    pub files_gone: u64,
    /// Octets of these that were not read, as far as that is known.
    pub octets_gone: u64,
    /// Packed files that broke off.
    pub files_damaged: u64,
    /// Octets that are there and not yet read, without those of packed files.
    pub behind_octets: u64,
    /// Each log, by its path.
    pub logs: Vec<ZeekLog>,
}

/// One log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ZeekLog {
    /// The file that Zeek writes it to; records have it in `observer`.
    pub path: Text,
    /// Its name, such as `conn`.
    pub log: Text,
    /// Lines read, headers included.
    pub lines: u64,
    /// Octets of these lines.
    pub octets: u64,
    /// Records made of them.
    pub records: u64,
    /// Lines that were skipped alone, by the reason; reasons that did not occur are left out.
    pub bad_lines: BTreeMap<&'static str, u64>,
    /// What was wrong with the last of these.
    pub last_bad: Option<Cow<'static, str>>,
    /// When a line was read last, by the wall clock.
    pub last_read: Option<Timestamp>,
    /// Files of it that are being read.
    pub files: usize,
    /// Octets that are there and not yet read.
    pub behind_octets: u64,
}
