//! What answers from the ring have in common.

use std::time::Instant;

use http::StatusCode;
use serde_json::{Map, Value, json};
use weir_store::{Progress, StoredRow};

use crate::answer::{Response, json_bytes};

/// Members of an answer beside its rows.
pub(crate) type Rest = Map<String, Value>;

/// An object with `rows` under `name`, as they are stored, and the members of `rest`.
pub(crate) fn rows(name: &str, rows: &[StoredRow], rest: &Rest) -> Response {
    let length: usize = rows.iter().map(|row| row.json.len() + 1).sum();
    let mut body = Vec::with_capacity(length + 256);
    body.extend_from_slice(format!("{{\"{name}\":[").as_bytes());
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(row.json.as_bytes());
    }
    body.push(b']');
    if !rest.is_empty() {
        // The brace of the rest gives way to the list before it.
        let text = Value::Object(rest.clone()).to_string();
        body.push(b',');
        body.extend_from_slice(text.get(1..).unwrap_or_default().as_bytes());
    } else {
        body.push(b'}');
    }
    json_bytes(StatusCode::OK, body)
}

/// How a search went, as members of an answer.
pub(crate) fn progress(progress: &Progress) -> Rest {
    let damaged: Vec<_> = progress.damaged.iter().map(|rows| [*rows.start(), *rows.end()]).collect();
    let told = json!({
        "complete": progress.complete,
        "scanned_to": progress.scanned_to.map(|at| at.to_string()),
        "scanned_to_row": progress.scanned_to_row,
        "blocks": progress.blocks,
        "blocks_read": progress.blocks_read,
        "damaged": damaged,
    });
    match told {
        Value::Object(members) => members,
        _ => Rest::new(),
    }
}

/// Adds how long the search took.
pub(crate) fn took(rest: &mut Rest, begun: Instant) {
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    rest.insert("took_ms".to_owned(), millis.into());
}
