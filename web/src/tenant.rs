//! For which tenant a request is.

use http::{HeaderName, StatusCode};
use weir_flow::TenantId;

use crate::answer::Problem;
use crate::auth::Scope;
use crate::route::{Call, Context};

/// Names a tenant other than the default one; for administrators.
const HEADER: HeaderName = HeaderName::from_static("x-tenant-id");

/// The tenant that a request names in `X-Tenant-ID`, else the default one.
pub(crate) fn of(context: &mut Context, call: &Call<'_>) -> Result<TenantId, Problem> {
    let mut named = call.request.headers().get_all(HEADER).iter();
    let Some(value) = named.next() else { return Ok(TenantId::default()) };
    if !call.caller.as_ref().is_some_and(|caller| caller.scopes.allow(Scope::Admin)) {
        let detail = "Insufficient permissions - X-Tenant-ID requires 'admin' scope";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    let id = value.to_str().ok().and_then(TenantId::parse).filter(|_| named.next().is_none());
    let id = id.ok_or_else(|| {
        let detail = "X-Tenant-ID must be one id of 1 to 64 of a-z 0-9 _ -";
        Problem::new(StatusCode::BAD_REQUEST, "invalid_tenant", detail)
    })?;
    if id == TenantId::default() || context.ledger.with(|control| control.has_tenant(&id))? {
        return Ok(id);
    }
    Err(unknown(id.as_str()))
}

/// There is no tenant of this id.
pub(crate) fn unknown(id: &str) -> Problem {
    let detail = format!("There is no tenant {id:?}; GET /v1/admin/tenants lists them, POST adds one");
    Problem::new(StatusCode::NOT_FOUND, "unknown_tenant", detail)
}
