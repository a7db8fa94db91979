//! `GET /v1/version`.

use crate::answer::{Problem, Response, json};
use crate::route::{Call, Context};

/// What the binary is.
pub(crate) fn version(context: &mut Context, _: &Call<'_>) -> Result<Response, Problem> {
    Ok(json(&context.status.version()))
}
