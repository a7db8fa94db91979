//! An agent that has seen nothing, for tests.

use std::borrow::Cow;

use crate::{Condition, Health, LookupAnswer, LookupTarget, Metrics, Sources, Status, Version};

/// Answers with empty values.
pub(crate) struct Quiet;

impl Status for Quiet {
    fn health(&self) -> Health {
        let service = Cow::Borrowed("telemetry-api");
        Health { status: Condition::Ok, service, version: "v1".into(), uptime_seconds: 1, parts: Vec::new() }
    }

    fn version(&self) -> Version {
        Version { api_version: "v1".into(), ..Version::default() }
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    fn sources(&self) -> Sources {
        Sources::default()
    }

    fn lookup(&self, _: &LookupTarget) -> LookupAnswer {
        LookupAnswer::default()
    }
}
