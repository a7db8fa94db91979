//! Counters of the logs that are followed: the newest report of their thread.

use std::sync::{Arc, Mutex};

use super::held;
use crate::zeek::Report;

/// The following of Zeek's logs as others see it.
#[derive(Debug, Default)]
pub struct Following {
    /// Whether logs are followed.
    pub enabled: bool,
    report: Mutex<Arc<Report>>,
}

impl Following {
    /// Of a thread that will follow logs.
    #[must_use]
    pub fn new() -> Self {
        Self { enabled: true, ..Self::default() }
    }

    /// Replaces the report; a few times a second, by the thread that follows.
    pub fn publish(&self, report: Report) {
        let report = Arc::new(report);
        let _older = std::mem::replace(&mut *held(&self.report), report);
    }

    /// The newest report.
    #[must_use]
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&held(&self.report))
    }
}
