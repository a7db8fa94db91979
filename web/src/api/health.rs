//! `GET /v1/health`, `/v1/healthz`, `/health`.

use crate::answer::{Problem, Response, json};
use crate::route::{Call, Context};

/// Whether the agent works; 200 as long as it can answer.
pub(crate) fn health(context: &mut Context, _: &Call<'_>) -> Result<Response, Problem> {
    Ok(json(&context.status.health()))
}
