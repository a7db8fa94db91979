//! The routes, as data, and the way from a request to its handler.
//!
//! Handlers are plain functions over the `http` crate's types: they know neither guard nor engine.

use std::sync::Arc;

use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};

use crate::answer::{Problem, Request, Response};
use crate::api::{events, health, lookup, metrics, sources, version};
use crate::auth::{Caller, Denied, Keys, Scope};
use crate::counters::Counters;
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
}

/// A request with what its route knows of it.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    /// What stands for the `{…}` segments of the path.
    pub(crate) segments: Vec<&'a str>,
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
const READ: Access = Access::OneOf(&[Scope::ReadMetrics, Scope::ReadRequests]);

const fn get(path: &'static str, access: Access, handler: Handler) -> Route {
    Route { method: Method::GET, path, access, handler }
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
    get("/v1/sources", READ, sources::all),
    get("/v1/sources/{id}", READ, sources::one),
    Route { method: Method::POST, path: "/v1/lookup", access: Access::AnyKey, handler: lookup::lookup },
];

/// Answers a request; what is wrong with it becomes an answer too.
pub(crate) fn answer(context: &mut Context, request: &Request) -> Response {
    dispatch(context, request).unwrap_or_else(|problem| {
        let ids = Ids::passed(request.headers());
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
            admit(&context.keys, route.access, request)?;
            return (route.handler)(context, &Call { request, segments });
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

fn admit(keys: &Keys, access: Access, request: &Request) -> Result<(), Problem> {
    let scopes: &[Scope] = match access {
        Access::Public => return Ok(()),
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
        return Ok(());
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
