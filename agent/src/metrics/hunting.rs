//! Counters of the retro-hunt: the newest report of its thread.

use std::sync::Mutex;
use std::time::Duration;

use weir_flow::Timestamp;

use super::held;

/// The retro-hunt as others see it.
#[derive(Debug, Default)]
pub struct Hunting {
    /// Whether stored rows are searched for new indicators.
    pub enabled: bool,
    report: Mutex<Report>,
}

/// How the hunt that runs is, or how the last one was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// A hunt runs.
    pub running: bool,
    /// New indicators.
    pub indicators: u64,
    /// Rows that were looked at, or passed by since nothing in them could match.
    pub rows_scanned: u64,
    /// Rows there are to look at.
    pub rows_total: u64,
    /// Sightings.
    pub sightings: u64,
    /// Rows that matched beyond the bound of a ring.
    pub suppressed: u64,
    /// Blocks that could not be read.
    pub damaged: u64,
    /// When the last hunt ended.
    pub last_finished_at: Option<Timestamp>,
    /// Processor time of all hunts since the start.
    pub cpu: Duration,
    /// Why no hunt is possible now; empty when one is.
    pub trouble: String,
}

impl Hunting {
    /// Of a thread that will hunt.
    #[must_use]
    pub fn new() -> Self {
        Self { enabled: true, ..Self::default() }
    }

    /// Changes the report; a few times a second, by the thread that hunts.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Report)) {
        change(&mut held(&self.report));
    }

    /// The newest report.
    #[must_use]
    pub fn report(&self) -> Report {
        held(&self.report).clone()
    }
}
