//! `/v1/admin/tenants`: who has a ring of his own, and with which limits.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json as value;
use weir_flow::{TenantId, Timestamp};
use weir_store::{BudgetBytes, Error, Limits, Removal, RetentionDays, Tenant, TenantChange};

use crate::answer::{Problem, Response, json};
use crate::api::query;
use crate::route::{Call, Context};
use crate::tenant::unknown;

/// Characters of a name.
const MAX_NAME: usize = 128;

/// What is to be added.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    tenant_id: String,
    name: Option<String>,
    retention_days: Option<RetentionDays>,
    budget_bytes: Option<BudgetBytes>,
}

/// What is to be changed; null gives a limit back to the store.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    retention_days: Option<Option<RetentionDays>>,
    #[serde(default, deserialize_with = "given")]
    budget_bytes: Option<Option<BudgetBytes>>,
}

/// A member that is there, null or not.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A tenant as it is told; a limit that is null is the store's.
#[derive(Serialize)]
struct Told {
    tenant_id: String,
    name: String,
    created_at: Option<Timestamp>,
    retention_days: Option<u32>,
    budget_bytes: Option<u64>,
    rows: u64,
    bytes: u64,
}

impl From<Tenant> for Told {
    fn from(tenant: Tenant) -> Self {
        let Tenant { tenant, name, created: created_at, limits, rows, bytes } = tenant;
        Self {
            tenant_id: tenant.as_str().to_owned(),
            name,
            created_at,
            retention_days: limits.retention.map(RetentionDays::value),
            budget_bytes: limits.budget.map(BudgetBytes::value),
            rows,
            bytes,
        }
    }
}

/// All tenants, by id.
pub(crate) fn all(context: &mut Context, _: &Call<'_>) -> Result<Response, Problem> {
    let tenants = context.ledger.with(|control| control.tenants())?;
    let tenants: Vec<Told> = tenants.into_iter().map(Told::from).collect();
    Ok(json(&value!({"total": tenants.len(), "tenants": tenants})))
}

/// One tenant.
pub(crate) fn one(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let id = segment(call)?;
    told(context, &id)
}

/// Adds a tenant; 201 with it.
pub(crate) fn add(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let New { tenant_id, name, retention_days, budget_bytes } = body(call)?;
    let invalid = || query::invalid("tenant_id must be 1 to 64 of a-z 0-9 _ -".to_owned());
    let id = TenantId::parse(&tenant_id).ok_or_else(invalid)?;
    let name = checked(name)?.unwrap_or(tenant_id);
    let limits = Limits { retention: retention_days, budget: budget_bytes };
    let now = context.intake.now();
    let added = context.ledger.with(|control| unless_full(control.add_tenant(&id, &name, &limits, now)))?;
    if !added.ok_or_else(too_many)? {
        let detail = format!("There is a tenant {:?} already; PATCH changes it", id.as_str());
        return Err(Problem::new(StatusCode::CONFLICT, "tenant_exists", detail));
    }
    let mut response = told(context, &id)?;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/admin/tenants/{}", id.as_str())) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// Changes name and limits of a tenant; what is not given stays.
pub(crate) fn change(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let id = segment(call)?;
    let Changed { name, retention_days: retention, budget_bytes: budget } = body(call)?;
    let change = TenantChange { name: checked(name)?, retention, budget };
    let now = context.intake.now();
    let changed = context.ledger.with(|control| unless_full(control.change_tenant(&id, &change, now)))?;
    if changed.ok_or_else(too_many)? { told(context, &id) } else { Err(unknown(id.as_str())) }
}

/// Removes a tenant; with `purge=true` also one that has rows or dead letters, and those with it.
pub(crate) fn remove(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let id = segment(call)?;
    let purge = match query::value(call.request, "purge").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(query::invalid("purge must be true or false".to_owned())),
    };
    let conflict = |code, detail: &'static str| Problem::new(StatusCode::CONFLICT, code, detail);
    match context.ledger.with(|control| control.remove_tenant(&id, purge))? {
        Removal::Removed => Ok(json(&value!({"status": "deleted", "tenant_id": id.as_str()}))),
        Removal::Unknown => Err(unknown(id.as_str())),
        Removal::Default => {
            let detail = "Records without a tenant go to the default one; it cannot be removed";
            Err(conflict("default_tenant", detail))
        }
        Removal::Holds { rows, letters } => {
            let detail = "It has rows or dead letters; ?purge=true deletes them with it";
            Err(conflict("tenant_not_empty", detail).with("rows", rows).with("dead_letters", letters))
        }
    }
}

fn told(context: &mut Context, id: &TenantId) -> Result<Response, Problem> {
    let found = context.ledger.with(|control| control.tenant(id))?;
    found.map(|tenant| json(&Told::from(tenant))).ok_or_else(|| unknown(id.as_str()))
}

/// The tenant that the path names.
fn segment(call: &Call<'_>) -> Result<TenantId, Problem> {
    let text = call.segments.first().copied().unwrap_or_default();
    TenantId::parse(text).ok_or_else(|| unknown(text))
}

fn body<'a, T: Deserialize<'a>>(call: &'a Call<'_>) -> Result<T, Problem> {
    serde_json::from_slice(call.request.body()).map_err(|error| {
        if error.is_data() {
            return query::invalid(error.to_string());
        }
        let example = "The body must be JSON like {\"tenant_id\":\"branch-7\",\"name\":\"Branch 7\",\"retention_days\":7}";
        Problem::new(StatusCode::BAD_REQUEST, "invalid_json", example)
    })
}

fn checked(name: Option<String>) -> Result<Option<String>, Problem> {
    let fits =
        |name: &str| (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    match name {
        Some(name) if !fits(&name) => {
            Err(query::invalid(format!("name must be 1 to {MAX_NAME} characters without control characters")))
        }
        name => Ok(name),
    }
}

/// That there are as many rings as there may be is no failure of the store.
fn unless_full<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Err(Error::TooManyRings { .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn too_many() -> Problem {
    let detail = format!("There are {} tenants, as many as there may be; remove one", weir_store::MAX_RINGS);
    Problem::new(StatusCode::CONFLICT, "too_many_tenants", detail)
}
