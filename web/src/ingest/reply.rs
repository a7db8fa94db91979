//! Answers to batches: the members of the services that Weir replaces, together.

use http::StatusCode;
use serde::Serialize;
use weir_intake::{Reason, Rejected};

use super::fault::{Fault, Refusal, invalid_encoding, invalid_json};
use super::format::Route;
use super::tray::Rejections;

/// The members that every answer to a batch has, accepted or not.
#[derive(Serialize)]
pub(super) struct Reply<'a> {
    status: &'static str,
    accepted: usize,
    rejected: usize,
    total: usize,
    queued: usize,
    records_processed: usize,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    validation_errors: &'a [String],
}

impl<'a> Reply<'a> {
    /// For a batch of which `accepted` were taken.
    pub(super) fn new(accepted: usize, rejections: &'a Rejections) -> Self {
        let status = match (accepted, rejections.total()) {
            (_, 0) => "accepted",
            (0, _) => "rejected",
            _ => "partial",
        };
        Self {
            status,
            accepted,
            rejected: rejections.total(),
            total: accepted + rejections.total(),
            queued: accepted,
            records_processed: accepted,
            validation_errors: rejections.told(),
        }
    }

    /// 200, or 207 when some were rejected.
    pub(super) const fn code(&self) -> StatusCode {
        if self.rejected == 0 { StatusCode::OK } else { StatusCode::MULTI_STATUS }
    }

    /// As JSON text.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A batch of which nothing was taken; `None` where the route answers that as it answers the rest.
pub(super) fn all_bad(route: Route, rejections: &Rejections) -> Option<Fault> {
    let common = rejections.common();
    let fault = match common.map(|rejected| rejected.reason) {
        Some(Reason::InvalidJson) => invalid_json("The body is not JSON"),
        Some(Reason::BadUtf8) => invalid_encoding("The body is not UTF-8"),
        // The former service's way.
        _ if route == Route::Zeek => return None,
        reason => {
            let counted = match reason {
                Some(Reason::MissingFields) => Refusal::MissingFields,
                _ => Refusal::InvalidRecords,
            };
            Fault::bad(counted, "validation_failed", detail(common))
        }
    };
    let reply = Reply::new(0, rejections);
    let problem = fault.problem.with("status", reply.status).with("accepted", reply.accepted);
    let problem = problem.with("rejected", reply.rejected).with("total", reply.total);
    let problem = problem.with("queued", reply.queued).with("records_processed", reply.records_processed);
    Some(Fault { problem: problem.with("validation_errors", reply.validation_errors.to_vec()), ..fault })
}

fn detail(common: Option<Rejected>) -> String {
    /// What records of flows must have one of.
    const TIMES: &str = "ts, time, @timestamp or timestamp";
    match common {
        Some(Rejected { reason: Reason::MissingFields, field }) if field.contains("@timestamp") => {
            format!("Missing event timestamp. Every record needs one of {TIMES}")
        }
        Some(rejected) => format!("No record could be taken: {rejected}"),
        None => "No record could be taken; validation_errors names the first faults".to_owned(),
    }
}
