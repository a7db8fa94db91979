//! Answers and refusals: their bodies, and the headers that every one carries.
//!
//! Guard and handlers both answer through here, so that no answer looks different from the rest.

use std::borrow::Cow;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION};
use http::{HeaderMap, HeaderValue, Response as HttpResponse, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::stream::Stream;
use crate::trace::Ids;

/// What the page may load: itself, from here.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

/// A request as handlers see it: the body is whole and bounded.
pub(crate) type Request = http::Request<Vec<u8>>;
/// An answer as handlers give it.
pub(crate) type Response = HttpResponse<Body>;

/// Body of an answer.
pub(crate) enum Body {
    /// Part of the binary.
    Static(&'static [u8]),
    /// Made for this answer.
    Owned(Vec<u8>),
    /// Made while it is sent.
    Stream(Stream),
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            // What there is of it before it is sent.
            Self::Stream(_) => &[],
        }
    }
}

/// `value` as an answer of status 200 that nobody may store.
pub(crate) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => json_bytes(StatusCode::OK, body),
        Err(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The answer could not be written")
                .into_response("")
        }
    }
}

/// JSON text as an answer.
pub(crate) fn json_bytes(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::Owned(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Why a request is not done: status, code for programs, text for people.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    members: Vec<(&'static str, Value)>,
    /// What went wrong here, for the log: paths and statements are nobody else's business.
    cause: Option<Box<str>>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), header: None, members: Vec::new(), cause: None }
    }

    /// What is wrong, for programs.
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// The same, with a member more in its body.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// The same, with what the log is told under the request's trace id.
    pub(crate) fn because(self, cause: &impl ToString) -> Self {
        Self { cause: Some(cause.to_string().into()), ..self }
    }

    /// The same, with a header of its own.
    pub(crate) fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some(Box::new((name, value))), ..self }
    }

    pub(crate) fn into_response(self, trace_id: &str) -> Response {
        let Self { status, code, detail, header, members, cause } = self;
        if let Some(cause) = cause {
            tracing::warn!(trace_id, error = code, "request failed: {cause}");
        }
        let mut body = serde_json::Map::new();
        body.extend(
            [("error", code), ("detail", &detail), ("trace_id", trace_id)].map(|(k, v)| (k.into(), v.into())),
        );
        body.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut response = json_bytes(status, serde_json::to_vec(&body).unwrap_or_default());
        if let Some((name, value)) = header.map(|field| *field) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Adds what every answer carries: API version, ids, and the browser's orders.
pub(crate) fn finish(headers: &mut HeaderMap, ids: &Ids) {
    const FIXED: [(HeaderName, &str); 7] = [
        (HeaderName::from_static("x-api-version"), "v1"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (X_XSS_PROTECTION, "1; mode=block"),
        (REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (CONTENT_SECURITY_POLICY, CSP),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [("x-request-id", &ids.request), ("x-trace-id", &ids.trace)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}
