//! The newest answers of class 5xx: what an operator who looks at `/v1/system` after a failure wants to see first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::answer::Problem;

/// Failures kept; the log has all of them.
const MAX_FAILURES: usize = 20;
/// Octets of a path that are kept: a client chooses it.
const MAX_PATH: usize = 256;

/// A request that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) at: Instant,
    /// Without its query, which may hold what is nobody else's business.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) trace: String,
}

/// Failures, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<VecDeque<Failure>>);

impl Failures {
    /// Keeps `problem` if it is the server's.
    pub(crate) fn note(&self, path: &str, problem: &Problem, trace: &str) {
        if !problem.status.is_server_error() {
            return;
        }
        let failure = Failure {
            at: Instant::now(),
            path: path.chars().take(MAX_PATH).collect(),
            status: problem.status.as_u16(),
            code: problem.code(),
            trace: trace.to_owned(),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MAX_FAILURES {
            kept.pop_front();
        }
        kept.push_back(failure);
    }

    /// Those kept, the newest first.
    pub(crate) fn newest(&self) -> Vec<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{Failures, MAX_FAILURES, MAX_PATH};
    use crate::answer::Problem;

    #[test]
    fn the_newest_failures_of_the_server_are_kept_and_no_others() {
        let failures = Failures::default();
        let problem = |status| Problem::new(status, "code", "detail");
        failures.note("/mine", &problem(StatusCode::NOT_FOUND), "t");
        assert!(failures.newest().is_empty());
        for number in 0..30 {
            let path = format!("/{number}/{}", "x".repeat(1_000));
            failures.note(&path, &problem(StatusCode::SERVICE_UNAVAILABLE), "t");
        }
        let kept = failures.newest();
        assert_eq!((kept.len(), kept[0].path.len(), kept[0].status), (MAX_FAILURES, MAX_PATH, 503));
        assert!(kept[0].path.starts_with("/29/") && kept[19].path.starts_with("/10/"));
    }
}
