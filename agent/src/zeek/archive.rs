//! What is known of rotated files from one search to the next.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use weir_flow::Timestamp;

use super::file::{Entry, FileId};
use super::tail::Tail;
use crate::clock::Clock;

/// Between two searches.
const PAUSE: Duration = Duration::from_secs(60);
/// The same while a file is missing.
const STRAY_PAUSE: Duration = Duration::from_secs(2);
/// A search comes early after so many finished files: a log remembers a few hundred.
const FINISHED: usize = 64;
/// Files that were looked into and are not looked into again while they do not change.
const MAX_SEEN: usize = 65_536;

/// What is known of rotated files.
#[derive(Default)]
pub(super) struct Archive {
    /// All that changed up to then is read, nanoseconds since 1970; `None` before anything was ever read.
    pub(super) through: Option<i64>,
    pub(super) seen: HashSet<(FileId, u64, i64)>,
    /// Files that nobody has read, oldest first, with their logs.
    pub(super) waiting: Vec<(Entry, usize)>,
    pub(super) searched: Option<Instant>,
    pub(super) finished: usize,
    pub(super) is_urgent: bool,
}

impl Archive {
    /// All up to `through` is read.
    pub(super) fn know(&mut self, through: i64) {
        self.through = self.through.max(Some(through));
    }

    /// A time that lies ahead of a clock that is set was kept by one that was not.
    pub(super) fn begin(&mut self, now: Timestamp) {
        if Clock::is_set(now) {
            self.through = self.through.map(|through| through.min(nanos(now)));
        }
    }

    /// Searches at the next look.
    pub(super) const fn hurry(&mut self) {
        self.is_urgent = true;
    }

    /// Counts a file that was finished.
    pub(super) const fn finished(&mut self) {
        self.finished += 1;
    }

    /// Whether a file of the same log that changed later waits for its turn.
    pub(super) fn has_newer(&self, tail: &Tail) -> bool {
        self.waiting.iter().any(|(entry, log)| *log == tail.log && entry.stat.modified > tail.stat.modified)
    }

    /// Whether it is time to search.
    pub(super) fn is_due(&self, has_strays: bool, now: Instant) -> bool {
        let Some(searched) = self.searched else { return true };
        let waited = now.saturating_duration_since(searched);
        self.is_urgent
            || self.finished >= FINISHED
            || waited >= PAUSE
            || (has_strays && waited >= STRAY_PAUSE)
    }

    /// A file was looked into, and need not be again.
    pub(super) fn saw(&mut self, entry: &Entry) {
        if self.seen.len() >= MAX_SEEN {
            self.seen.clear();
        }
        self.seen.insert(key(entry));
    }
}

/// Nanoseconds since 1970.
pub(super) const fn nanos(at: Timestamp) -> i64 {
    at.micros().saturating_mul(1_000)
}

/// What stays the same while a file does not change.
pub(super) const fn key(entry: &Entry) -> (FileId, u64, i64) {
    (entry.stat.id, entry.stat.size, entry.stat.modified)
}
