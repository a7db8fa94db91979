//! `POST /v1/export/splunk-hec`: the ring's rows on their way to Splunk, on request.

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::answer::{Problem, Response, json as answer};
use crate::route::{Call, Context};
use crate::tenant;
use crate::{Exported, Failure, NotExported};

/// Sends what waits, as much as one call may.
pub(crate) fn splunk_hec(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let tenant = tenant::of(context, call)?;
    let done = context.exporter.export(&tenant).map_err(problem)?;
    Ok(answer(&told(&done)))
}

/// What an export came to, as it is answered.
fn told(done: &Exported) -> serde_json::Value {
    let mut told = if done.sent == 0 && done.failed == 0 {
        json!({ "status": "no_events", "sent": 0, "failed": 0, "remaining": done.remaining })
    } else {
        json!({
            "status": "success", "sent": done.sent, "failed": done.failed, "latency_ms": done.latency_ms,
            "retries": done.retries, "remaining": done.remaining,
        })
    };
    if let (1.., Some(told)) = (done.trimmed, told.as_object_mut()) {
        told.insert("trimmed".to_owned(), done.trimmed.into());
    }
    told
}

/// Why not, as it is answered.
pub(crate) fn problem(why: NotExported) -> Problem {
    match why {
        NotExported::NotConfigured => Problem::new(
            StatusCode::BAD_REQUEST,
            "not_configured",
            "No Splunk output is set; set one with PUT /v1/outputs/splunk",
        ),
        NotExported::Running => Problem::new(
            StatusCode::CONFLICT,
            "export_running",
            "Another export is on its way; try again when it has ended",
        ),
        NotExported::Stopping => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "The agent stops; try again when it runs again",
        ),
        NotExported::Store(detail) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
        }
        NotExported::Failed(failure) => failed(*failure),
    }
}

fn failed(failure: Failure) -> Problem {
    let Failure { is_refusal, reason, last_status, retry_after, before } = failure;
    let code = if is_refusal { "output_refused" } else { "export_failed" };
    let problem = Problem::new(StatusCode::BAD_GATEWAY, code, reason)
        .with("last_status", last_status)
        .with("sent", before.sent)
        .with("failed", before.failed)
        .with("retries", before.retries)
        .with("remaining", before.remaining);
    match retry_after {
        Some(seconds) => {
            problem.with("retry_after", seconds).with_header(RETRY_AFTER, HeaderValue::from(seconds))
        }
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{problem, told};
    use crate::{Exported, Failure, NotExported};

    fn answered(why: NotExported) -> (u16, Option<String>, Value) {
        let response = problem(why).into_response("t");
        let retry_after =
            response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), retry_after, serde_json::from_slice(response.body().as_ref()).unwrap())
    }

    #[test]
    fn nothing_to_send_is_no_success_and_rows_that_are_gone_are_told() {
        assert_eq!(told(&Exported::default())["status"], "no_events");
        let done = Exported { sent: 3, failed: 1, retries: 2, remaining: 4, trimmed: 0, latency_ms: 5 };
        let expected = json!({"status": "success", "sent": 3, "failed": 1, "retries": 2, "remaining": 4, "latency_ms": 5});
        assert_eq!(told(&done), expected);
        assert_eq!(told(&Exported { trimmed: 7, ..done })["trimmed"], 7);
    }

    #[test]
    fn every_reason_has_its_status_and_code() {
        for (why, status, code) in [
            (NotExported::NotConfigured, 400, "not_configured"),
            (NotExported::Running, 409, "export_running"),
            (NotExported::Stopping, 503, "stopping"),
            (NotExported::Store("failed to read".to_owned()), 503, "store_unavailable"),
        ] {
            let (answered, _, body) = answered(why);
            assert_eq!((answered, &body["error"]), (status, &json!(code)));
        }
    }

    #[test]
    fn a_failure_says_what_the_receiver_said_and_what_was_done_before() {
        let before = Exported { sent: 500, remaining: 20, retries: 5, ..Exported::default() };
        let failure = Failure {
            is_refusal: false,
            reason: "Splunk answered 503".to_owned(),
            last_status: Some(503),
            retry_after: Some(30),
            before,
        };
        let (status, retry_after, body) = answered(NotExported::Failed(Box::new(failure.clone())));
        assert_eq!(
            (status, retry_after.as_deref(), &body["error"]),
            (502, Some("30"), &json!("export_failed"))
        );
        assert_eq!(
            (&body["last_status"], &body["sent"], &body["remaining"]),
            (&json!(503), &json!(500), &json!(20))
        );
        let refused = Failure { is_refusal: true, last_status: None, retry_after: None, ..failure };
        let (_, retry_after, body) = answered(NotExported::Failed(Box::new(refused)));
        assert_eq!(
            (retry_after, &body["error"], &body["last_status"]),
            (None, &json!("output_refused"), &Value::Null)
        );
    }
}
