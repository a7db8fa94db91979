//! `GET /v1/schema` and `/v1/schema/{name}`: what records may be sent, and how they are answered, as JSON Schema 2020-12.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::answer::{Body, Problem, Response, json};
use crate::route::{Call, Context};

/// Every schema, by the name of its file.
const SCHEMAS: [(&str, &str); 4] = [
    ("enriched.v1.schema.json", include_str!("../../schema/enriched.v1.schema.json")),
    ("flows.v1.schema.json", include_str!("../../schema/flows.v1.schema.json")),
    ("zeek.conn.v1.schema.json", include_str!("../../schema/zeek.conn.v1.schema.json")),
    ("zeek.dns.v1.schema.json", include_str!("../../schema/zeek.dns.v1.schema.json")),
];

/// Which schemas there are.
pub(crate) fn all(_: &mut Context, _: &Call<'_>) -> Result<Response, Problem> {
    Ok(json(&json!({
        "enriched_schema": "enriched.v1.schema.json",
        "input_schemas": {
            "flows.v1": "flows.v1.schema.json",
            "zeek.conn.v1": "zeek.conn.v1.schema.json",
            "zeek.dns.v1": "zeek.dns.v1.schema.json",
        },
    })))
}

/// One schema.
pub(crate) fn one(_: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let found = SCHEMAS.iter().find(|(name, _)| call.segments.contains(name));
    let (_, text) = found.ok_or_else(|| {
        let detail = "No schema has this name; GET /v1/schema lists them";
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
    })?;
    let mut response = Response::new(Body::Static(text.as_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/schema+json"));
    Ok(response)
}
