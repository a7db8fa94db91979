//! The routes, as data, and the way from a request to its handler.
//!
//! Handlers are plain functions over the `http` crate's types: they know neither guard nor engine.

use std::sync::Arc;

use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use weir_intake::Reader;

use crate::answer::{Problem, Request, Response};
use crate::api::{
    dlq, download, events, export, flows, health, lookup, metrics, outputs, schema, sources, system, tenants,
    timeseries, top, version,
};
use crate::auth::{Caller, Denied, Keys, Scope};
use crate::counters::Counters;
use crate::downloads::Downloads;
use crate::export::Exporter;
use crate::ingest::{self, Receipts};
use crate::intake::Intake;
use crate::ledger::Ledger;
use crate::page;
use crate::rows::Rows;
use crate::status::Status;
use crate::trace::Ids;

/// What handlers work with; each worker has its own.
pub(crate) struct Context {
    pub(crate) keys: Arc<Keys>,
    pub(crate) status: Arc<dyn Status>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) rows: Rows,
    pub(crate) ledger: Ledger,
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) exporter: Arc<dyn Exporter>,
    /// How many workers there are.
    pub(crate) workers: u8,
    pub(crate) reader: Reader,
    pub(crate) receipts: Arc<Receipts>,
    pub(crate) downloads: Downloads,
}

/// A request with what its route knows of it.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    /// What stands for the `{…}` segments of the path.
    pub(crate) segments: Vec<&'a str>,
    /// Whose key it carries; none on public routes.
    pub(crate) caller: Option<Caller>,
}

type Handler = fn(&mut Context, &Call<'_>) -> Result<Response, Problem>;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Public,
    /// Whoever has a key.
    AnyKey,
    /// Whoever has one of these scopes.
    OneOf(&'static [Scope]),
}

/// A route. `HEAD` is answered by the route of `GET`.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Segments; `{…}` stands for any one.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: Handler,
}

const READ_METRICS: Access = Access::OneOf(&[Scope::ReadMetrics]);
const INGEST: Access = Access::OneOf(&[Scope::Ingest]);
const READ: Access = Access::OneOf(&[Scope::ReadMetrics, Scope::ReadRequests]);
const ADMIN: Access = Access::OneOf(&[Scope::Admin]);
const EXPORT: Access = Access::OneOf(&[Scope::Export]);

const fn get(path: &'static str, access: Access, handler: Handler) -> Route {
    Route { method: Method::GET, path, access, handler }
}

const fn post(path: &'static str, access: Access, handler: Handler) -> Route {
    Route { method: Method::POST, path, access, handler }
}

const fn put(path: &'static str, access: Access, handler: Handler) -> Route {
    Route { method: Method::PUT, path, access, handler }
}

const fn patch(path: &'static str, access: Access, handler: Handler) -> Route {
    Route { method: Method::PATCH, path, access, handler }
}

const fn delete(path: &'static str, access: Access, handler: Handler) -> Route {
    Route { method: Method::DELETE, path, access, handler }
}

/// Every route there is.
pub(crate) const ROUTES: &[Route] = &[
    get("/", Access::Public, page::index),
    get("/favicon.ico", Access::Public, page::icon),
    get("/assets/{version}/{name}", Access::Public, page::asset),
    get("/health", Access::Public, health::health),
    get("/v1/health", Access::Public, health::health),
    get("/v1/healthz", Access::Public, health::health),
    get("/v1/version", Access::Public, version::version),
    get("/v1/metrics", READ_METRICS, metrics::metrics),
    get("/v1/stats", READ, metrics::metrics),
    get("/v1/events/recent", READ, events::recent),
    get("/v1/flows", READ, flows::search),
    get("/v1/flows/{id}", READ, flows::one),
    get("/v1/top", READ, top::top),
    get("/v1/timeseries", READ, timeseries::timeseries),
    get("/v1/download", READ, download::records),
    get("/v1/download/json", READ, download::json),
    get("/v1/sources", READ, sources::all),
    get("/v1/sources/{id}", READ, sources::one),
    get("/v1/schema", Access::AnyKey, schema::all),
    get("/v1/schema/{name}", Access::AnyKey, schema::one),
    post("/v1/lookup", Access::AnyKey, lookup::lookup),
    get("/v1/outputs/splunk", ADMIN, outputs::splunk),
    post("/v1/outputs/splunk", ADMIN, outputs::set_splunk),
    put("/v1/outputs/splunk", ADMIN, outputs::set_splunk),
    get("/v1/outputs/elastic", ADMIN, outputs::elastic),
    post("/v1/outputs/elastic", ADMIN, outputs::set_elastic),
    put("/v1/outputs/elastic", ADMIN, outputs::set_elastic),
    post("/v1/outputs/test", ADMIN, outputs::test),
    post("/v1/export/splunk-hec", EXPORT, export::splunk_hec),
    get("/v1/system", ADMIN, system::system),
    get("/v1/admin/dlq", ADMIN, dlq::list::list),
    delete("/v1/admin/dlq", ADMIN, dlq::delete::before),
    get("/v1/admin/dlq/export", ADMIN, dlq::export::export),
    post("/v1/admin/dlq/replay", ADMIN, dlq::replay::replay),
    delete("/v1/admin/dlq/{id}", ADMIN, dlq::delete::one),
    get("/v1/admin/tenants", ADMIN, tenants::all),
    post("/v1/admin/tenants", ADMIN, tenants::add),
    get("/v1/admin/tenants/{id}", ADMIN, tenants::one),
    patch("/v1/admin/tenants/{id}", ADMIN, tenants::change),
    delete("/v1/admin/tenants/{id}", ADMIN, tenants::remove),
    post("/v1/ingest", INGEST, ingest::take),
    post("/v1/ingest/zeek", INGEST, ingest::take),
    post("/v1/ingest/netflow", INGEST, ingest::take),
    post("/v1/ingest/bulk", INGEST, ingest::take),
];

/// Answers a request; what is wrong with it becomes an answer too.
pub(crate) fn answer(context: &mut Context, request: &Request) -> Response {
    dispatch(context, request).unwrap_or_else(|problem| {
        let ids = Ids::passed(request.headers());
        context.counters.failures.note(request.uri().path(), &problem, &ids.trace);
        problem.into_response(&ids.trace)
    })
}

fn dispatch(context: &mut Context, request: &Request) -> Result<Response, Problem> {
    let path = request.uri().path();
    let mut allowed = Vec::new();
    for route in ROUTES {
        let Some(segments) = segments(route.path, path) else { continue };
        let head_of_get = request.method() == Method::HEAD && route.method == Method::GET;
        if route.method == *request.method() || head_of_get {
            let caller = admit(&context.keys, route.access, request)?;
            return (route.handler)(context, &Call { request, segments, caller });
        }
        allowed.push(&route.method);
    }
    Err(if allowed.is_empty() { not_found() } else { method_not_allowed(&allowed) })
}

/// What stands for the `{…}` of `pattern` in `path`; `None` when they do not match.
fn segments<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut found = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(found),
            (Some(any), Some(segment)) if any.starts_with('{') && !segment.is_empty() => found.push(segment),
            (Some(fixed), Some(segment)) if fixed == segment => (),
            _ => return None,
        }
    }
}

fn admit(keys: &Keys, access: Access, request: &Request) -> Result<Option<Caller>, Problem> {
    let scopes: &[Scope] = match access {
        Access::Public => return Ok(None),
        Access::AnyKey => &[],
        Access::OneOf(scopes) => scopes,
    };
    let caller: &Caller = keys.caller(request.headers()).map_err(|denied| {
        let detail = match denied {
            Denied::Missing => "Missing bearer token",
            Denied::Wrong => "Invalid API key",
        };
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""))
    })?;
    if scopes.is_empty() || scopes.iter().any(|&scope| caller.scopes.allow(scope)) {
        return Ok(Some(caller.clone()));
    }
    let names: Vec<_> = scopes.iter().map(|scope| format!("'{}'", scope.as_str())).collect();
    let detail = format!("Insufficient permissions - requires {} scope", names.join(" or "));
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

/// Nothing is at this path.
pub(crate) fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "Not Found")
}

fn method_not_allowed(allowed: &[&Method]) -> Problem {
    let mut names: Vec<&str> = allowed.iter().map(|method| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    let allow = HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("GET"));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed")
        .with_header(ALLOW, allow)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
