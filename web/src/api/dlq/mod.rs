//! `/v1/admin/dlq`: records that could not be stored, and rows that an output refused for good.

pub(crate) mod delete;
pub(crate) mod export;
pub(crate) mod list;
pub(crate) mod replay;
#[cfg(test)]
mod tests;

use serde::de::IgnoredAny;
use weir_flow::TenantId;
use weir_store::Selection;

use crate::answer::{Problem, Request};
use crate::api::query;

/// Octets of a destination's name: they are Weir's own, and short.
const MAX_DESTINATION: usize = 64;

/// The letters that `tenant` and `destination` of the query mean; all, without them.
fn selection(request: &Request) -> Result<Selection, Problem> {
    let tenant = query::value(request, "tenant").map(|id| named_tenant(&id)).transpose()?;
    let destination =
        query::value(request, "destination").map(|name| named_destination(&name)).transpose()?;
    Ok(Selection { tenant, destination })
}

fn named_tenant(id: &str) -> Result<TenantId, Problem> {
    TenantId::parse(id).ok_or_else(|| query::invalid("tenant must be 1 to 64 of a-z 0-9 _ -".to_owned()))
}

fn named_destination(name: &str) -> Result<String, Problem> {
    let fits = (1..=MAX_DESTINATION).contains(&name.len());
    fits.then(|| name.to_owned()).ok_or_else(|| {
        query::invalid(format!("destination must be 1 to {MAX_DESTINATION} octets, for example ring"))
    })
}

/// The number of the letter after which to go on; 0, before all, without one.
fn after(request: &Request) -> Result<i64, Problem> {
    let invalid = || query::invalid("after must be the id of a letter, the `next` of an answer".to_owned());
    let Some(text) = query::value(request, "after") else { return Ok(0) };
    text.parse().ok().filter(|&id| id >= 0).ok_or_else(invalid)
}

/// The payload of a letter as JSON: itself, or a text should it not be JSON.
fn as_json(payload: &str) -> String {
    if serde_json::from_str::<IgnoredAny>(payload).is_ok() {
        return payload.to_owned();
    }
    serde_json::Value::from(payload).to_string()
}
