//! Figures of the retro-hunt: a part of `GET /v1/metrics`.

use serde::Serialize;
use weir_flow::Timestamp;

/// The search of stored rows for new indicators: of the hunt that runs, else of the last one since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Hunt {
    /// A hunt runs.
    pub running: bool,
    /// New indicators that it looks for.
    pub indicators: u64,
    /// Rows that are behind it.
    pub rows_scanned: u64,
    /// Rows that there were when it began.
    pub rows_total: u64,
    /// Rows that a new indicator matches, each stored as a record of kind `sighting`.
    pub sightings: u64,
    /// Rows that match beyond the bound of sightings in one ring.
    pub suppressed: u64,
    /// Blocks that could not be read.
    pub damaged_blocks: u64,
    /// When the last hunt ended; null before.
    pub last_finished_at: Option<Timestamp>,
    /// Processor seconds of all hunts since the start.
    pub cpu_seconds: f64,
}
