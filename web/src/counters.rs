//! What the web side counts about itself: answers by class, time, and refusals by reason.
//!
//! Written by the guard, read by `GET /v1/metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Why the guard did not pass a connection or a request on.
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
}

const NAMES: [&str; 17] = [
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
];

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    classes: [AtomicU64; 5],
    micros: AtomicU64,
    refused: [AtomicU64; NAMES.len()],
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

    /// Refusals by reason, those that happened.
    pub(crate) const fn refusals(&self) -> impl Serialize {
        Refusals(self)
    }
}

struct Refusals<'a>(&'a Counters);

impl Serialize for Refusals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, count) in NAMES.iter().zip(&self.0.refused) {
            let count = count.load(Relaxed);
            if count > 0 {
                map.serialize_entry(name, &count)?;
            }
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
