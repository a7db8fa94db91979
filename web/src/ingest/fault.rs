//! Why a whole batch is refused: how it is counted, and what the client is told.

use std::borrow::Cow;

use http::header::{ACCEPT_ENCODING, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::answer::Problem;
pub(super) use crate::counters::Refusal;
use crate::intake::NotTaken;

/// What shapes a body may have.
const SHAPES: &str = "expected JSON array or JSONL";
/// What a client should wait for that comes while the agent stops: a restart takes about as long.
const STOPPING_SECONDS: u32 = 5;
/// A request that is being worked on is done within a moment.
pub(super) const IN_PROGRESS_SECONDS: u32 = 1;

/// A batch that is not taken.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) counted: Refusal,
    pub(super) problem: Problem,
}

impl Fault {
    pub(super) fn new(
        counted: Refusal,
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { counted, problem: Problem::new(status, code, detail) }
    }

    /// A fault of the client's body.
    pub(super) fn bad(counted: Refusal, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(counted, StatusCode::BAD_REQUEST, code, detail)
    }

    fn map(self, change: impl FnOnce(Problem) -> Problem) -> Self {
        Self { problem: change(self.problem), ..self }
    }
}

/// Text that is not JSON.
pub(super) fn invalid_json(detail: impl Into<Cow<'static, str>>) -> Fault {
    Fault::bad(Refusal::InvalidJson, "invalid_json", detail)
}

/// Octets that are not UTF-8.
pub(super) fn invalid_encoding(detail: impl Into<Cow<'static, str>>) -> Fault {
    Fault::bad(Refusal::InvalidEncoding, "invalid_encoding", detail)
}

/// JSON that is no batch.
pub(super) fn bad_shape(detail: &'static str) -> Fault {
    Fault::bad(Refusal::BadShape, "bad_batch_shape", detail).map(|problem| problem.with("hint", SHAPES))
}

/// A batch without a record.
pub(super) fn empty() -> Fault {
    Fault::bad(Refusal::NoRecords, "empty_batch", "The batch has no record")
}

/// More records than a batch may have.
pub(super) fn too_many(limit: usize, observed: usize) -> Fault {
    let detail = format!("The batch has {observed} records; the limit is {limit}");
    Fault::new(Refusal::TooManyRecords, StatusCode::PAYLOAD_TOO_LARGE, "too_many_records", detail)
        .map(|problem| problem.with("limit", limit).with("observed", observed))
}

/// More octets than a batch may have.
pub(super) fn over_size(detail: String, limit: usize, coding: &str, actual: usize) -> Fault {
    Fault { counted: Refusal::OverSize, problem: too_large(detail, limit, coding, actual as u64) }
}

/// The answer to a batch of too many octets.
pub(crate) fn too_large(detail: String, limit: usize, coding: &str, actual: u64) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "batch_too_large", detail)
        .with("limit_bytes", limit)
        .with("content_encoding", coding)
        .with("actual_bytes", actual)
}

/// Packed in a way that is not taken.
pub(super) fn unsupported_encoding() -> Fault {
    let detail = "Content-Encoding must be one of gzip, zstd and identity";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Fault::new(Refusal::UnsupportedEncoding, status, "unsupported_encoding", detail)
        .map(|problem| problem.with_header(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd, identity")))
}

/// Refused by whoever takes the records in.
pub(super) fn not_taken(why: NotTaken) -> Fault {
    match why {
        NotTaken::Full { retry_after_seconds } => retry(
            Refusal::Backpressure,
            (StatusCode::TOO_MANY_REQUESTS, "backpressure"),
            "Ingest temporarily overloaded, please retry; nothing of the batch was kept",
            retry_after_seconds,
        ),
        NotTaken::Stopping => retry(
            Refusal::Stopping,
            (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            "The agent stops; nothing of the batch was kept",
            STOPPING_SECONDS,
        ),
    }
}

/// Not now, but later.
pub(super) fn retry(
    counted: Refusal,
    (status, code): (StatusCode, &'static str),
    detail: &'static str,
    seconds: u32,
) -> Fault {
    Fault::new(counted, status, code, detail).map(|problem| {
        problem.with("retry_after", seconds).with_header(RETRY_AFTER, HeaderValue::from(seconds))
    })
}
