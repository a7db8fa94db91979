//! What the web side counts about itself: answers by class, time, refusals by reason, and what was ingested.
//!
//! Written by the guard and the ingest routes, read by `GET /v1/metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use serde::ser::{Serialize, SerializeMap, Serializer};
use weir_intake::Reason;

use crate::failures::Failures;

/// Why a connection or a request was not passed on, or a batch not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Refusal {
    /// More connections than fit, in all or from one address.
    Connections,
    /// A waiting connection gave its place to a newer one.
    Displaced,
    /// The system could not accept, for example out of file descriptors.
    Accept,
    /// The head is no HTTP/1.x request.
    BadHead,
    /// Head over its bounds.
    HeadTooLarge,
    /// Head or body came too slowly.
    TooSlow,
    /// The request target is not a path, or too long.
    BadTarget,
    /// `Content-Length` is malformed, repeated, or contradicted.
    BadLength,
    /// A transfer coding was used.
    TransferCoding,
    /// `Expect` asks for what is not offered.
    Expectation,
    /// Body over its bound.
    BodyTooLarge,
    /// `Host` is missing or malformed.
    BadHost,
    /// `Host` is a name that this host is not known by.
    UnknownHost,
    /// All places behind the guard are taken.
    Overloaded,
    /// A handler did not answer in time, or not at all.
    NoAnswer,
    /// The client did not take its answer in time.
    SlowReader,
    /// The client went away before its answer was whole.
    ClientGone,
    /// A batch of too many octets, as sent, unpacked, or as records.
    OverSize,
    /// A batch of too many records.
    TooManyRecords,
    /// A batch that is not JSON.
    InvalidJson,
    /// A batch that is not UTF-8.
    InvalidEncoding,
    /// A batch that cannot be unpacked.
    DecompressFailed,
    /// A batch packed in a way that is not known.
    UnsupportedEncoding,
    /// JSON that is no batch.
    BadShape,
    /// A batch in a format that is not known, or of another route.
    InvalidFormat,
    /// A batch of an unknown type at the route for bulks.
    BadBulk,
    /// A batch without a record.
    NoRecords,
    /// A batch whose records all lack what they must have.
    MissingFields,
    /// A batch whose records are all bad for another reason, or for several.
    InvalidRecords,
    /// A batch for which there was no room.
    Backpressure,
    /// A batch that came, or a download that was under way, while the agent stopped.
    Stopping,
    /// An `Idempotency-Key` that is none.
    BadIdempotencyKey,
    /// An `Idempotency-Key` that came before, with another body.
    IdempotencyConflict,
    /// A batch that is being worked on already.
    IdempotencyInProgress,
    /// A batch that could not be looked up, since the store did not answer.
    StoreUnavailable,
    /// `X-Tenant-ID` names no tenant that the caller may use.
    BadTenant,
    /// A download while there were as many as there may be.
    Downloads,
}

const NAMES: [&str; 37] = [
    "connections",
    "displaced",
    "accept",
    "bad_head",
    "head_too_large",
    "too_slow",
    "bad_target",
    "bad_length",
    "transfer_coding",
    "expectation",
    "body_too_large",
    "bad_host",
    "unknown_host",
    "overloaded",
    "no_answer",
    "slow_reader",
    "client_gone",
    "over_size",
    "too_many_records",
    "invalid_json",
    "invalid_encoding",
    "decompress_failed",
    "unsupported_encoding",
    "bad_batch_shape",
    "invalid_format",
    "bad_bulk_type",
    "no_records",
    "missing_fields",
    "invalid_records",
    "backpressure",
    "stopping",
    "bad_idempotency_key",
    "idempotency_conflict",
    "idempotency_in_progress",
    "store_unavailable",
    "bad_tenant",
    "downloads",
];

/// The former service's names for refused batches, and what they cover.
const REJECTS: [(&str, &[Refusal]); 8] = [
    ("size", &[Refusal::OverSize]),
    ("count", &[Refusal::TooManyRecords, Refusal::NoRecords]),
    ("shape", &[Refusal::BadShape]),
    ("json_error", &[Refusal::InvalidJson]),
    ("encoding_error", &[Refusal::InvalidEncoding, Refusal::UnsupportedEncoding]),
    ("decompress_error", &[Refusal::DecompressFailed]),
    ("format_error", &[Refusal::InvalidFormat, Refusal::MissingFields, Refusal::InvalidRecords]),
    ("bulk_error", &[Refusal::BadBulk]),
];

/// Counters since the start.
#[derive(Debug)]
pub struct Counters {
    classes: [AtomicU64; 5],
    micros: AtomicU64,
    refused: [AtomicU64; NAMES.len()],
    batches: AtomicU64,
    replayed: AtomicU64,
    records: AtomicU64,
    octets: AtomicU64,
    rejected: [AtomicU64; Reason::ALL.len()],
    /// Records in answers without a length, and such answers: begun, and whole when they ended.
    downloads: [AtomicU64; 3],
    /// The newest answers of class 5xx.
    pub(crate) failures: Failures,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            classes: Default::default(),
            micros: AtomicU64::default(),
            refused: std::array::from_fn(|_| AtomicU64::default()),
            batches: AtomicU64::default(),
            replayed: AtomicU64::default(),
            records: AtomicU64::default(),
            octets: AtomicU64::default(),
            rejected: Default::default(),
            downloads: Default::default(),
            failures: Failures::default(),
        }
    }
}

impl Counters {
    /// Counts an answer.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.classes[class].fetch_add(1, Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Counts a refusal.
    pub(crate) fn refuse(&self, reason: Refusal) {
        self.refused[reason as usize].fetch_add(1, Relaxed);
    }

    /// How often `reason` has been counted.
    #[must_use]
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize].load(Relaxed)
    }

    /// Answers of status class `class`, 1 to 5.
    pub(crate) fn class(&self, class: usize) -> u64 {
        self.classes[class - 1].load(Relaxed)
    }

    /// Answers in all.
    pub(crate) fn total(&self) -> u64 {
        (1..=5).map(|class| self.class(class)).sum()
    }

    /// Mean time from the end of the head to the end of the answer, milliseconds.
    pub(crate) fn mean_ms(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no 53 bits")]
        let (micros, total) = (self.micros.load(Relaxed) as f64, self.total().max(1) as f64);
        micros / total / 1e3
    }

    /// Counts a batch that was taken: `records` of it, from a body of `octets`.
    pub(crate) fn ingested(&self, records: usize, octets: usize) {
        self.batches.fetch_add(1, Relaxed);
        self.records.fetch_add(records as u64, Relaxed);
        self.octets.fetch_add(octets as u64, Relaxed);
    }

    /// Counts `records` that were not taken because of `reason`.
    pub(crate) fn reject(&self, reason: Reason, records: u64) {
        if let Some(count) = self.rejected.get(reason as usize) {
            count.fetch_add(records, Relaxed);
        }
    }

    /// Counts an answer that was given again.
    pub(crate) fn replayed(&self) {
        self.replayed.fetch_add(1, Relaxed);
    }

    /// Batches taken, answers given again, records taken, and octets of the bodies that brought them.
    pub(crate) fn ingest(&self) -> [u64; 4] {
        [&self.batches, &self.replayed, &self.records, &self.octets].map(|count| count.load(Relaxed))
    }

    /// Counts a download that begins.
    pub(crate) fn download_begins(&self) {
        self.downloads[1].fetch_add(1, Relaxed);
    }

    /// Counts what a download brought, and whether it was all.
    pub(crate) fn download_ends(&self, records: u64, is_whole: bool) {
        self.downloads[0].fetch_add(records, Relaxed);
        self.downloads[2].fetch_add(u64::from(is_whole), Relaxed);
    }

    /// Records downloaded, downloads begun, and those that were whole when they ended.
    pub(crate) fn downloads(&self) -> [u64; 3] {
        self.downloads.each_ref().map(|count| count.load(Relaxed))
    }

    /// Refusals by reason, those that happened.
    pub(crate) fn refusals(&self) -> impl Serialize {
        Counted(NAMES.iter().zip(&self.refused).map(|(&name, count)| (name, count.load(Relaxed))))
    }

    /// Batches refused, by the former service's reasons, those that happened.
    pub(crate) fn rejects(&self) -> impl Serialize {
        Counted(REJECTS.into_iter().map(|(name, covers)| {
            let counts = covers.iter().map(|&reason| self.refused(reason));
            (name, counts.sum())
        }))
    }

    /// Records not taken by reason, those that happened.
    pub(crate) fn rejected(&self) -> impl Serialize {
        let counts = Reason::ALL.into_iter().zip(&self.rejected);
        Counted(counts.map(|(reason, count)| (reason.as_str(), count.load(Relaxed))))
    }
}

/// Names with their counts, as an object of those that are not zero.
struct Counted<I>(I);

impl<I: Iterator<Item = (&'static str, u64)> + Clone> Serialize for Counted<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, count) in self.0.clone().filter(|&(_, count)| count > 0) {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::{Counters, NAMES, Refusal};

    #[test]
    fn refusals_have_their_names() {
        let counters = Counters::default();
        counters.refuse(Refusal::Connections);
        counters.refuse(Refusal::ClientGone);
        counters.refuse(Refusal::ClientGone);
        assert_eq!(
            serde_json::to_value(counters.refusals()).unwrap(),
            serde_json::json!({"connections": 1, "client_gone": 2})
        );
        assert_eq!(NAMES[Refusal::UnknownHost as usize], "unknown_host");
        assert_eq!(NAMES[Refusal::OverSize as usize], "over_size");
        assert_eq!(NAMES.get(Refusal::Downloads as usize), NAMES.last());
    }

    #[test]
    fn answers_are_counted_by_class() {
        let counters = Counters::default();
        counters.answered(StatusCode::OK, Duration::from_millis(1));
        counters.answered(StatusCode::NOT_FOUND, Duration::from_millis(3));
        assert_eq!((counters.total(), counters.class(2), counters.class(4)), (2, 1, 1));
        assert!((counters.mean_ms() - 2.0).abs() < 0.01);
    }
}
