//! Heads of HTTP requests: what the guard lets through is one request that can be read in one way only.

#![no_main]

use httparse::{EMPTY_HEADER, Request, Status};
use libfuzzer_sys::fuzz_target;
use weir_web::relayed_head;

/// Fields that the guard lets through, and those that it adds.
const MAX_FIELDS: usize = 64 + 5;

fuzz_target!(|input: &[u8]| {
    let Some(relayed) = relayed_head(input, input.len().max(1)) else {
        return assert_eq!(relayed_head(input, 7), None, "refused in one piece and taken in several");
    };
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = Request::new(&mut fields);
    assert_eq!(request.parse(relayed.as_bytes()), Ok(Status::Complete(relayed.len())), "{relayed}");
    let mut line = input.split(|octet| *octet == b' ' || *octet == b'\r');
    assert_eq!(line.next(), request.method.map(str::as_bytes), "another method: {relayed}");
    assert_eq!(line.next(), request.path.map(str::as_bytes), "another target: {relayed}");
    let values = |name: &str| {
        let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| str::from_utf8(field.value).expect("text")).collect::<Vec<_>>()
    };
    assert_eq!(values("x-weir-peer"), ["127.0.0.1"], "{relayed}");
    assert_eq!(values("connection"), ["close"], "{relayed}");
    assert_eq!(values("host").len(), 1, "{relayed}");
    assert_eq!((values("x-request-id").len(), values("x-trace-id").len()), (1, 1), "{relayed}");
    assert!(values("transfer-encoding").is_empty() && values("expect").is_empty(), "{relayed}");
    assert!(values("content-length").is_empty(), "bodies do not go this way: {relayed}");
    assert!(matches!(values("x-weir-body")[..], [] | ["0"]), "{relayed}");
    assert!(relayed_head(input, 7).is_some(), "taken in one piece and refused in several");
});
