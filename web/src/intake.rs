//! What the web side asks of whoever takes records in: a trait that the agent implements.

use weir_flow::{Batch, Timestamp};

/// The way from the API into the pipeline.
pub trait Intake: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;
    /// Takes `batch` whole, or nothing of it; never waits longer than a moment.
    ///
    /// # Errors
    /// Why not; the batch is gone, nothing of it was taken.
    fn offer(&self, batch: Batch) -> Result<(), NotTaken>;
    /// How much of what it took is not stored yet.
    fn load(&self) -> Load;
}

/// What is on its way between an answer and the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Records taken and not yet stored.
    pub records: usize,
    /// As many fit.
    pub bound: usize,
}

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// There is no room now.
    Full {
        /// Whole seconds after which to try again.
        retry_after_seconds: u32,
    },
    /// The agent stops.
    Stopping,
}
