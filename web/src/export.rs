//! What the web side asks of whoever delivers rows to outputs: a trait that the agent implements.

use std::ops::RangeInclusive;

use weir_flow::TenantId;

use crate::{Elastic, Splunk};

/// The way from the ring to an output, on request. Calls take up to 25 seconds; one is made at a time.
pub trait Exporter: Send + Sync {
    /// Outputs as the configuration names them, for as long as none is set over the API.
    fn preset(&self) -> Preset;
    /// Sends the rows of `tenant` behind the cursor of the Splunk output, oldest first, and moves the cursor.
    ///
    /// # Errors
    /// Why not; what was sent before that stays delivered.
    fn export(&self, tenant: &TenantId) -> Result<Exported, NotExported>;
    /// Sends `rows` of `tenant` again, or at last; the dead letters about what is delivered are gone when it returns.
    ///
    /// # Errors
    /// As [`Exporter::export`].
    fn replay(&self, tenant: &TenantId, rows: RangeInclusive<u64>) -> Result<Exported, NotExported>;
    /// Sends one event that says that it is a test, once.
    ///
    /// # Errors
    /// [`NotExported::NotConfigured`], [`NotExported::Running`] and [`NotExported::Store`].
    fn test(&self) -> Result<Tested, NotExported>;
}

/// An agent without outputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutputs;

impl Exporter for NoOutputs {
    fn preset(&self) -> Preset {
        Preset::default()
    }

    fn export(&self, _: &TenantId) -> Result<Exported, NotExported> {
        Err(NotExported::NotConfigured)
    }

    fn replay(&self, _: &TenantId, _: RangeInclusive<u64>) -> Result<Exported, NotExported> {
        Err(NotExported::NotConfigured)
    }

    fn test(&self) -> Result<Tested, NotExported> {
        Err(NotExported::NotConfigured)
    }
}

/// Outputs as the configuration names them.
#[derive(Clone, Debug, Default)]
pub struct Preset {
    /// Section `[splunk]`.
    pub splunk: Option<Splunk>,
    /// Section `[elastic]`.
    pub elastic: Option<Elastic>,
}

/// What an export came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows that were delivered.
    pub sent: u64,
    /// Rows that the receiver refused for good: each has a dead letter.
    pub failed: u64,
    /// Attempts beyond the first of each request.
    pub retries: u32,
    /// Rows that wait for the next export.
    pub remaining: u64,
    /// Rows that the ring gave up before they were sent.
    pub trimmed: u64,
    /// How long it took.
    pub latency_ms: u64,
}

/// What came of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// Why the receiver did not take the event; none when it did.
    pub error: Option<String>,
    /// Status of its answer; none when there was none.
    pub http_status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// Octets of the request's body.
    pub bytes: usize,
}

/// Why an export did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotExported {
    /// No output is set.
    NotConfigured,
    /// Another export is on its way.
    Running,
    /// The agent stops.
    Stopping,
    /// The store does not answer; why.
    Store(String),
    /// The receiver did not take the rows; they have a dead letter and stay in front of the cursor.
    Failed(Box<Failure>),
}

/// How a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The receiver refuses whatever comes, so that nothing was tried again: the token, say.
    pub is_refusal: bool,
    /// What it said, for people, and what to do.
    pub reason: String,
    /// Status of its last answer; none when there was none.
    pub last_status: Option<u16>,
    /// Whole seconds after which it wants to be asked again.
    pub retry_after: Option<u64>,
    /// What was done before.
    pub before: Exported,
}
