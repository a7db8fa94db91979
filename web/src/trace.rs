//! Ids that follow a request: the client's where they are sane, else new ones.

use std::hash::{BuildHasher as _, RandomState};

use http::HeaderMap;

const MAX_LENGTH: usize = 128;

/// Ids of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    /// The client's `X-Request-ID`, else the trace id.
    pub(crate) request: String,
    /// The trace id of the client's `traceparent` (W3C Trace Context §3.2), else the request id.
    pub(crate) trace: String,
}

impl Ids {
    /// Takes the ids that `headers` carry, or makes them.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let request = headers.get("x-request-id").and_then(|value| sane(value.as_bytes()));
        let trace = headers.get("traceparent").and_then(|value| trace_of_parent(value.as_bytes()));
        match (request, trace) {
            (Some(request), Some(trace)) => Self { request, trace },
            (Some(id), None) | (None, Some(id)) => Self { request: id.clone(), trace: id },
            (None, None) => Self::new(),
        }
    }

    /// New ids, both the same 128 random bits.
    pub(crate) fn new() -> Self {
        let random = || RandomState::new().hash_one(0_u8);
        let id = format!("{:016x}{:016x}", random(), random());
        Self { request: id.clone(), trace: id }
    }

    /// The ids that the guard has settled and passed on.
    pub(crate) fn passed(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match (text("x-request-id"), text("x-trace-id")) {
            (Some(request), Some(trace)) => Self { request, trace },
            _ => Self::new(),
        }
    }
}

fn sane(id: &[u8]) -> Option<String> {
    let fits = (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
    fits.then(|| id.iter().copied().map(char::from).collect())
}

fn trace_of_parent(parent: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(parent).ok()?;
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let shape = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    let known = version != "ff" && (version != "00" || parts.next().is_none());
    let set = trace.bytes().any(|b| b != b'0') && span.bytes().any(|b| b != b'0');
    (shape && known && set).then(|| trace.to_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::Ids;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn ids(pairs: &[(&'static str, &str)]) -> Ids {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Ids::of(&headers)
    }

    #[test]
    fn sane_inbound_ids_are_kept() {
        assert_eq!(ids(&[("x-request-id", "job-7.a")]).trace, "job-7.a");
        let parent = ids(&[("traceparent", PARENT)]);
        assert_eq!(parent.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parent.request, parent.trace);
        let both = ids(&[("traceparent", PARENT), ("x-request-id", "r1")]);
        assert_eq!((both.request.as_str(), both.trace.as_str()), ("r1", "4bf92f3577b34da6a3ce929d0e0e4736"));
    }

    #[test]
    fn odd_inbound_ids_are_replaced() {
        let long = "x".repeat(129);
        for bad in ["", "a b", "<script>", long.as_str()] {
            let ids = ids(&[("x-request-id", bad)]);
            assert_eq!(ids.request.len(), 32, "{bad}");
        }
        let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        assert_ne!(ids(&[("traceparent", zero)]).trace, "0".repeat(32));
        assert_ne!(Ids::new(), Ids::new());
    }
}
