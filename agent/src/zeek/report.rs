//! What the thread tells of itself: counters of each log, what was lost, what is wrong.

use weir_flow::{Text, Timestamp};
use weir_intake::{Reason, Rejected};

/// Lines that were skipped alone, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadLines([u64; Reason::ALL.len()]);

impl BadLines {
    /// Counts one.
    pub fn count(&mut self, rejected: Rejected) {
        if let Some(count) = self.0.get_mut(rejected.reason as usize) {
            *count += 1;
        }
    }

    /// Adds those of another log.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.0)
    }
}

/// Counters of one log since the start.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Lines, headers included.
    pub lines: u64,
    /// Octets of these lines.
    pub octets: u64,
    /// Records made of them.
    pub records: u64,
    /// Lines that were skipped.
    pub bad: BadLines,
    /// The last of them: what was wrong.
    pub last_bad: Option<Rejected>,
    /// When a line was read last, by the wall clock.
    pub last_read: Option<Timestamp>,
}

/// One log.
#[derive(Clone, Debug)]
pub struct LogReport {
    /// The file that Zeek writes it to.
    pub path: Text,
    /// Its name, such as `conn`.
    pub name: Text,
    /// Counters.
    pub counts: Counts,
    /// Files of it that are being read.
    pub files: usize,
    /// Octets that are known to be there and not yet read; of packed files nothing is known.
    pub behind: u64,
}

/// What went before it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Files.
    pub files: u64,
    /// Octets of them, as far as that is known.
    pub octets: u64,
}

/// All logs at one moment.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each log that was met, in the order of its directory and name.
    pub logs: Vec<LogReport>,
    /// Files that were gone before they were read.
    pub gone: Gone,
    /// Packed files that ended early or are damaged.
    pub damaged: u64,
    /// What is wrong, and what to do; empty when all is well.
    pub troubles: Vec<String>,
}

impl Report {
    /// Lines that were skipped, of all logs.
    #[must_use]
    pub fn bad(&self) -> BadLines {
        let mut sum = BadLines::default();
        self.logs.iter().for_each(|log| sum.add(&log.counts.bad));
        sum
    }
}
