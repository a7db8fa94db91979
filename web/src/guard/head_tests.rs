use proptest::prelude::*;

use super::{MAX_BODY, MAX_HEAD, end_of_head, parse};
use crate::counters::Refusal;

fn refusal(head: &str) -> (Refusal, u16) {
    let end = match end_of_head(head.as_bytes(), 0) {
        Ok(end) => end.unwrap(),
        Err((refusal, problem)) => return (refusal, problem.status.as_u16()),
    };
    let (refusal, problem) = parse(&head.as_bytes()[..end]).unwrap_err();
    (refusal, problem.status.as_u16())
}

fn with(fields: &str) -> String {
    format!("POST /v1/lookup HTTP/1.1\r\nHost: localhost:8080\r\n{fields}\r\n")
}

#[test]
fn a_plain_request_is_understood() {
    let text = "GET /v1/health?x=1 HTTP/1.1\r\nHost: LocalHost.:8080\r\nX-Weir-Peer: 1.2.3.4\r\nAccept: */*\r\n\
                Connection: Keep-Alive, X-Hop\r\nX-Hop: 1\r\n\r\n";
    assert_eq!(end_of_head(text.as_bytes(), 0).unwrap(), Some(text.len()));
    let head = parse(text.as_bytes()).unwrap();
    assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/v1/health?x=1"));
    assert_eq!((head.host.as_str(), head.length, head.keep_alive), ("localhost", 0, true));
    let names: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["host", "accept"]);
}

#[test]
fn every_odd_length_is_refused() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
    ] {
        assert_eq!(refusal(&with(fields)), (Refusal::BadLength, 400), "{fields}");
    }
    assert_eq!(refusal(&with("Content-Length: 100000000000\r\n")), (Refusal::BodyTooLarge, 413));
    assert_eq!(
        refusal(&with(&format!("Content-Length: {}\r\n", MAX_BODY + 1))),
        (Refusal::BodyTooLarge, 413)
    );
    assert_eq!(parse(with(&format!("Content-Length: {MAX_BODY}\r\n")).as_bytes()).unwrap().length, MAX_BODY);
    assert_eq!(parse(with("Content-Length: 005\r\n").as_bytes()).unwrap().length, 5);
}

#[test]
fn transfer_codings_are_refused() {
    assert_eq!(refusal(&with("Transfer-Encoding: chunked\r\n")), (Refusal::TransferCoding, 411));
    assert_eq!(refusal(&with("Transfer-Encoding: Chunked\r\n")), (Refusal::TransferCoding, 411));
    assert_eq!(refusal(&with("Transfer-Encoding: gzip, chunked\r\n")), (Refusal::TransferCoding, 501));
}

#[test]
fn smuggling_shapes_are_refused() {
    for head in [
        with("Content-Length : 5\r\n"),
        with(" Content-Length: 5\r\n"),
        with("X: 1\r\n continued\r\n"),
        with("X: a\rb\r\n"),
        with("X: a\0b\r\n"),
        with("X\u{e9}: 1\r\n"),
        with("Content-Length: 5\nX: 1\r\n"),
        "GET / HTTP/1.1\nHost: localhost\n\n".into(),
        "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
        "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n".into(),
        "GET /\r\n\r\n".into(),
        "\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
        "\u{16}\u{3}\u{1}".into(),
        "ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
    ] {
        assert_eq!(refusal(&head).0, Refusal::BadHead, "{head:?}");
    }
}

#[test]
fn the_target_is_a_path() {
    for target in ["*", "http://localhost/", "localhost:80", "/a#b"] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(refusal(&head), (Refusal::BadTarget, 400), "{target}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(9000));
    assert_eq!(refusal(&long), (Refusal::BadTarget, 414));
}

#[test]
fn the_host_comes_once_and_is_a_name() {
    for fields in [
        "",
        "Host: a\r\nHost: b\r\n",
        "Host:\r\n",
        "Host: a/b\r\n",
        "Host: a:b\r\n",
        "Host: [::1\r\n",
        "Host: u@h\r\n",
    ] {
        let head = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        assert_eq!(refusal(&head), (Refusal::BadHost, 400), "{fields}");
    }
    let six = parse(b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n").unwrap();
    assert_eq!(six.host, "::1");
}

#[test]
fn heads_are_bounded() {
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(MAX_HEAD));
    let (refusal_, problem) = end_of_head(endless.as_bytes(), 0).unwrap_err();
    assert_eq!((refusal_, problem.status.as_u16()), (Refusal::HeadTooLarge, 431));
    assert_eq!(refusal(&with(&"X: 1\r\n".repeat(64))), (Refusal::HeadTooLarge, 431));
    assert!(parse(with(&"X: 1\r\n".repeat(63)).as_bytes()).is_ok());
}

#[test]
fn a_value_that_is_not_ascii_is_left_out() {
    let head =
        parse(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: n=\xc3\xa9\r\nAccept: a\r\n\r\n").unwrap();
    assert!(head.headers.get("cookie").is_none());
    assert!(head.headers.get("accept").is_some());
}

#[test]
fn a_key_against_repetition_that_is_not_ascii_is_refused_and_not_forgotten() {
    let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\xc3\xa9y\r\n\r\n";
    let (refusal_, problem) = parse(head).unwrap_err();
    assert_eq!((refusal_, problem.status.as_u16()), (Refusal::BadHead, 400));
}

#[test]
fn expectations_other_than_continue_are_refused() {
    assert!(
        parse(with("Content-Length: 5\r\nExpect: 100-Continue\r\n").as_bytes()).unwrap().expects_continue
    );
    assert_eq!(refusal(&with("Content-Length: 5\r\nExpect: tea\r\n")), (Refusal::Expectation, 417));
}

proptest! {
    #[test]
    fn the_end_is_found_the_same_however_the_octets_arrive(cuts in proptest::collection::vec(1_usize..40, 0..12)) {
        let text = with("Content-Length: 5\r\nAccept: x\r\n") + "hello";
        let (mut have, mut seen) = (0, 0);
        let mut found = None;
        for cut in cuts.into_iter().chain([text.len()]) {
            have = (have + cut).min(text.len());
            found = end_of_head(&text.as_bytes()[..have], seen).unwrap();
            seen = have;
            if found.is_some() { break; }
        }
        prop_assert_eq!(found, Some(text.len() - 5));
    }

    #[test]
    fn no_octets_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = end_of_head(&bytes, 0);
        let _ = parse(&bytes);
        let mut text = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
        text.extend(bytes);
        text.extend(b"\r\n\r\n");
        let _ = parse(&text);
    }
}
