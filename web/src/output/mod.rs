//! Outputs as they are set over the API, stored and shown: what a body may say, and what it means.

mod check;
mod elastic;
mod splunk;

pub use check::Mistake;
pub use elastic::Elastic;
pub use splunk::Splunk;

/// Stands for a secret wherever one is shown; sent back, it keeps the secret that is stored.
pub(crate) const MASK: &str = "***";

/// Events in a request at most: Splunk and Elastic both advise megabytes, not more.
const MAX_BATCH: u64 = 10_000;
/// Retries at most; a call has to end in time.
const MAX_RETRIES: u64 = 10;
/// Longest first pause between two attempts, milliseconds.
const MAX_BACKOFF_MS: u64 = 10_000;
