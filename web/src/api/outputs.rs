//! `/v1/outputs/{splunk,elastic}` and `/v1/outputs/test`: where records go, as administrators set it.

use http::StatusCode;
use serde_json::{Map, Value, json};
use tracing::{info, warn};

use crate::answer::{Problem, Response, json as answer};
use crate::api::export;
use crate::output::Mistake;
use crate::route::{Call, Context};
use crate::trace::Ids;
use crate::{Elastic, Splunk};

/// The Splunk output, its token masked; null when there is none.
pub(crate) fn splunk(context: &mut Context, _: &Call<'_>) -> Result<Response, Problem> {
    Ok(answer(&json!({ "splunk": current_splunk(context)?.map(|splunk| splunk.shown()) })))
}

/// Sets the Splunk output.
pub(crate) fn set_splunk(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let object = object(call.request.body())?;
    let kept = current_splunk(context)?.map(|splunk| splunk.token);
    let splunk = Splunk::read(&object, kept.as_deref()).map_err(|mistakes| invalid(&mistakes))?;
    store(context, Splunk::NAME, &splunk.stored())?;
    let warnings = splunk.warnings();
    warnings.iter().for_each(|warning| warn!(output = Splunk::NAME, "{warning}"));
    Ok(answer(&json!({ "status": "ok", "splunk": splunk.shown(), "warnings": warnings })))
}

/// The Elasticsearch output, its password masked; null when there is none.
pub(crate) fn elastic(context: &mut Context, _: &Call<'_>) -> Result<Response, Problem> {
    Ok(answer(&json!({ "elastic": current_elastic(context)?.map(|elastic| elastic.shown()) })))
}

/// Sets the Elasticsearch output.
pub(crate) fn set_elastic(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let object = object(call.request.body())?;
    let kept = current_elastic(context)?.and_then(|elastic| elastic.password);
    let elastic = Elastic::read(&object, kept.as_deref()).map_err(|mistakes| invalid(&mistakes))?;
    store(context, Elastic::NAME, &elastic.stored())?;
    Ok(answer(&json!({ "status": "ok", "elastic": elastic.shown() })))
}

/// Sends one event to the output that the body names, and says what came of it.
pub(crate) fn test(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let object = object(call.request.body())?;
    if object.get("target").and_then(Value::as_str) != Some(Splunk::NAME) {
        let detail = "must be \"splunk\", the output that events can be sent to".to_owned();
        return Err(invalid(&[Mistake { field: "target".to_owned(), detail }]));
    }
    let tested = context.exporter.test().map_err(export::problem)?;
    let status = if tested.error.is_none() { "ok" } else { "failed" };
    Ok(answer(&json!({
        "status": status, "target": Splunk::NAME, "error": tested.error, "http_status": tested.http_status,
        "duration_ms": tested.duration_ms, "bytes": tested.bytes,
        "request_id": Ids::passed(call.request.headers()).request,
    })))
}

/// As it was set over the API, else as the configuration says.
fn current_splunk(context: &mut Context) -> Result<Option<Splunk>, Problem> {
    let stored = context.ledger.with(|control| control.output(Splunk::NAME))?;
    let preset = || context.exporter.preset().splunk;
    Ok(stored.as_deref().and_then(Splunk::from_stored).or_else(preset))
}

fn current_elastic(context: &mut Context) -> Result<Option<Elastic>, Problem> {
    let stored = context.ledger.with(|control| control.output(Elastic::NAME))?;
    let preset = || context.exporter.preset().elastic;
    Ok(stored.as_deref().and_then(Elastic::from_stored).or_else(preset))
}

fn store(context: &mut Context, output: &'static str, settings: &str) -> Result<(), Problem> {
    let now = context.intake.now();
    context.ledger.with(|control| control.set_output(output, settings, now))?;
    info!(output, "an output was set over the API");
    Ok(())
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let bad = |code, detail: &'static str| Problem::new(StatusCode::BAD_REQUEST, code, detail);
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(bad("bad_request", "The body must be a JSON object")),
        Err(_) => Err(bad("invalid_json", "The body must be JSON")),
    }
}

fn invalid(mistakes: &[Mistake]) -> Problem {
    let lines: Vec<_> = mistakes.iter().map(|one| format!("{}: {}", one.field, one.detail)).collect();
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", lines.join("; "))
        .with("errors", json!(mistakes))
}
