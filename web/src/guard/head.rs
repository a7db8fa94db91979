//! The head of a request: bounded, parsed once, and checked until only one reading of it is left.
//!
//! Octets come from a client that may be hostile; a [`Head`] goes on to `relay`, which writes a new head of its
//! own from it, so that nothing the client formatted reaches the engine.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::answer::Problem;
use crate::counters::Refusal;
use crate::ingest::{self, Coding};

/// No head is larger: an endless header would fill the memory.
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// No head has more fields: five million short ones cost more than their octets.
pub(crate) const MAX_HEADERS: usize = 64;
/// No target is longer.
const MAX_TARGET: usize = 8 * 1024;
/// No body is larger: the limit of `POST /v1/ingest`, 5 MiB.
pub(crate) const MAX_BODY: usize = 5 * 1024 * 1024;
/// Longer method names are noise.
const MAX_METHOD: usize = 16;

/// A refusal: how it is counted, and what the client is told.
pub(crate) type Refused = (Refusal, Problem);

/// A request's head that can be read in one way only.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// Path and query, visible ASCII, starts with `/`.
    pub(crate) target: String,
    /// Fields for the handlers; those about the connection itself are gone.
    pub(crate) headers: HeaderMap,
    /// The `Host` that the client named, lower case, without port.
    pub(crate) host: String,
    /// Octets of body that follow.
    pub(crate) length: usize,
    /// The client waits for `100 Continue`.
    pub(crate) expects_continue: bool,
    /// The client allows another request on the connection.
    pub(crate) keep_alive: bool,
    /// The client knows chunks: it speaks HTTP/1.1.
    pub(crate) takes_chunks: bool,
}

impl Head {
    /// True for a request that sends records.
    pub(crate) fn is_batch(&self) -> bool {
        self.length > 0 && is_batch(&self.target)
    }
}

/// Looks for the end of the head in `bytes`, of which `seen` were looked at before.
///
/// Answers the head's length with its empty line. A line that ends without CR is refused at once: parsers
/// disagree about it.
pub(crate) fn end_of_head(bytes: &[u8], seen: usize) -> Result<Option<usize>, Refused> {
    if bytes.first().is_some_and(|first| !first.is_ascii_uppercase()) {
        let detail = "This port speaks plain HTTP/1.1; the first octet is no method";
        return Err(bad_head(detail));
    }
    for at in seen..bytes.len() {
        if bytes[at] == b'\n' {
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(bad_head("A line of the head does not end with CR LF"));
            }
            if bytes[..at].ends_with(b"\r\n\r") {
                return Ok(Some(at + 1));
            }
        }
    }
    if bytes.len() >= MAX_HEAD {
        return Err(too_large(format!("The head is over {MAX_HEAD} octets")));
    }
    Ok(None)
}

/// Parses a head whose end was found.
pub(crate) fn parse(bytes: &[u8]) -> Result<Head, Refused> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => (),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(too_large(format!("The head has over {MAX_HEADERS} fields")));
        }
        _ => return Err(bad_head("The head is no HTTP/1.1 request")),
    }
    let method = request.method.filter(|method| method.len() <= MAX_METHOD);
    let method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let method = method.ok_or_else(|| bad_head("The method is no token of at most 16 characters"))?;
    let target = target(request.path.unwrap_or_default())?;
    let all = field_map(request.headers)?;
    let length = length(&all, &target)?;
    Ok(Head {
        method,
        target,
        host: host(&all)?,
        length,
        expects_continue: length > 0 && expects_continue(&all)?,
        takes_chunks: request.version == Some(1),
        keep_alive: request.version == Some(1) && !names(&all, CONNECTION).any(|name| name == "close"),
        headers: end_to_end(all),
    })
}

fn target(text: &str) -> Result<String, Refused> {
    if text.len() > MAX_TARGET {
        let problem = Problem::new(
            StatusCode::URI_TOO_LONG,
            "target_too_long",
            format!("The path is over {MAX_TARGET} octets"),
        );
        return Err((Refusal::BadTarget, problem));
    }
    if !text.starts_with('/') || !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains('#') {
        let detail = "The request target must be a path of visible ASCII characters";
        return Err((Refusal::BadTarget, Problem::new(StatusCode::BAD_REQUEST, "bad_target", detail)));
    }
    Ok(text.to_owned())
}

/// Fields as a map. A value that is not ASCII (a cookie of another program on this host, say) is left out: the
/// engine could not read it, and no field of ours has one. Two cannot be left out: what frames the request, and the key
/// under which it is done once, without which a retry would be stored twice.
fn field_map(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, Refused> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| bad_head("A field has no name"))?;
        let framing = name == CONTENT_LENGTH || name == TRANSFER_ENCODING || name == HOST;
        match HeaderValue::from_bytes(field.value) {
            Ok(value) if value.to_str().is_ok() => drop(map.append(name, value)),
            _ if framing => return Err(bad_head("A field that frames the request is not ASCII")),
            _ if name == "idempotency-key" => return Err(bad_head("The Idempotency-Key is not ASCII")),
            _ => (),
        }
    }
    Ok(map)
}

/// Octets of body: RFC 9112 §6.3, without what may be read in two ways.
fn length(all: &HeaderMap, target: &str) -> Result<usize, Refused> {
    let refused = |detail: &'static str| {
        (Refusal::BadLength, Problem::new(StatusCode::BAD_REQUEST, "bad_content_length", detail))
    };
    let mut lengths = all.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next();
    if let Some(coding) = all.get(TRANSFER_ENCODING) {
        if first.is_some() {
            return Err(refused("Content-Length and Transfer-Encoding must not come together"));
        }
        return Err(transfer_coding(coding));
    }
    let Some(value) = first.map(HeaderValue::as_bytes) else { return Ok(0) };
    if lengths.next().is_some() {
        return Err(refused("Content-Length must come once"));
    }
    if !(1..=19).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) {
        return Err(refused("Content-Length must be a decimal number"));
    }
    let length = value.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    usize::try_from(length).ok().filter(|&length| length <= MAX_BODY).ok_or_else(|| {
        let detail = format!("The body is {length} octets; the limit is {MAX_BODY}");
        if is_batch(target) {
            let coding = Coding::named(all).map_or("unknown", Coding::as_str);
            return (Refusal::OverSize, ingest::too_large(detail, MAX_BODY, coding, length));
        }
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail);
        (Refusal::BodyTooLarge, problem)
    })
}

/// True for the paths to which records are sent.
fn is_batch(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.strip_prefix("/v1/ingest").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn transfer_coding(coding: &HeaderValue) -> Refused {
    let problem = if coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        let detail = "Send the body with Content-Length; chunked bodies are not taken";
        Problem::new(StatusCode::LENGTH_REQUIRED, "length_required", detail)
    } else {
        Problem::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", "This transfer coding is not taken")
    };
    (Refusal::TransferCoding, problem)
}

/// The host that the client named: RFC 9112 §3.2, exactly one.
fn host(all: &HeaderMap) -> Result<String, Refused> {
    let refused =
        |detail: &'static str| (Refusal::BadHost, Problem::new(StatusCode::BAD_REQUEST, "bad_host", detail));
    let mut hosts = all.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(refused("The Host field must come once"));
    };
    let text = host.to_str().unwrap_or_default();
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port),
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let port_fits = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.len() <= 5 && port.bytes().all(|digit| digit.is_ascii_digit()));
    let name_fits = (1..=253).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
    if !port_fits || !name_fits {
        return Err(refused("The Host field is no name or address"));
    }
    Ok(name.trim_end_matches('.').to_ascii_lowercase())
}

fn expects_continue(all: &HeaderMap) -> Result<bool, Refused> {
    match all.get(EXPECT) {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => {
            let detail = "Only Expect: 100-continue is known";
            Err((
                Refusal::Expectation,
                Problem::new(StatusCode::EXPECTATION_FAILED, "expectation_failed", detail),
            ))
        }
    }
}

/// Lower-case names listed in a comma-separated field.
fn names(all: &HeaderMap, field: HeaderName) -> impl Iterator<Item = String> {
    let values = all.get_all(field).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase())
}

/// Without the fields of this hop (RFC 9110 §7.6.1) and those that only the guard may set.
fn end_to_end(mut all: HeaderMap) -> HeaderMap {
    const HOP: [&str; 13] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "content-length",
        "x-weir-peer",
        "x-weir-body",
    ];
    let listed: Vec<_> = names(&all, CONNECTION).collect();
    for name in HOP.into_iter().chain(listed.iter().map(String::as_str)) {
        all.remove(name);
    }
    all
}

fn bad_head(detail: &'static str) -> Refused {
    (Refusal::BadHead, Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail))
}

fn too_large(detail: String) -> Refused {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    (Refusal::HeadTooLarge, Problem::new(status, "head_too_large", detail))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
