//! What the guard must survive, over real TCP, through guard and engine: after each attack a well-behaved
//! client is answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use weir_web::Refusal;

use crate::support::{self, Answer, Running, read_answer};

const PLAIN: &str = "GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_connection_serves_one_request_after_another_with_every_header() {
    let web = Running::start();
    let mut stream = web.connect();
    for id in ["job-1", "job-2"] {
        let request = PLAIN.replace("\r\n\r\n", &format!("\r\nX-Request-ID: {id}\r\n\r\n"));
        stream.write_all(request.as_bytes()).unwrap();
        let answer = read_answer(&mut stream);
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")));
        for (name, value) in [
            ("x-api-version", "v1"),
            ("x-request-id", id),
            ("x-trace-id", id),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("x-xss-protection", "1; mode=block"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("connection", "keep-alive"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(answer.header("server"), None);
    }
}

#[test]
fn head_has_a_length_and_no_body() {
    let web = Running::start();
    let mut stream = web.connect();
    stream.write_all(PLAIN.replace("GET", "HEAD").as_bytes()).unwrap();
    stream.write_all(PLAIN.as_bytes()).unwrap();
    let text = support::read_head(&mut stream);
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("content-length"), "{text}");
    assert_eq!(read_answer(&mut stream).status, 200, "the second answer begins right after the first head");
}

#[test]
fn a_client_that_asks_first_may_send_its_body() {
    let web = Running::start();
    let mut stream = web.connect();
    let body = r#"{"ip":"192.0.2.1"}"#;
    let head = format!(
        "POST /v1/lookup HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        support::KEY,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert!(support::read_head(&mut stream).starts_with("HTTP/1.1 100 Continue"));
    stream.write_all(body.as_bytes()).unwrap();
    let answer = read_answer(&mut stream);
    assert_eq!((answer.status, answer.json()["ip"].as_str()), (200, Some("192.0.2.1")));
}

#[test]
fn lengths_that_can_be_read_in_two_ways_are_refused() {
    let web = Running::start();
    for (fields, status) in [
        ("Content-Length: 100000000000", 413),
        ("Content-Length: 5242881", 413),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: 0x5", 400),
        ("Transfer-Encoding: chunked", 411),
        ("Transfer-Encoding: xchunked", 501),
    ] {
        let head = format!("POST /v1/lookup HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n");
        let smuggled = format!("{head}0\r\n\r\nGET /v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = web.send_all(smuggled.as_bytes());
        assert_eq!(answer.status, status, "{fields}");
        let json = answer.json();
        for key in ["error", "detail", "trace_id"] {
            assert!(json[key].as_str().is_some_and(|text| !text.is_empty()), "{fields}: {json}");
        }
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.header("x-api-version"), Some("v1"));
        web.assert_serves();
    }
    assert!(web.counters.refused(Refusal::BadLength) >= 5);
}

#[test]
fn nothing_is_answered_after_a_refused_request() {
    let web = Running::start();
    let mut stream = web.connect();
    stream.write_all(format!("GET / HTTP/9\r\n\r\n{PLAIN}").as_bytes()).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all.matches("content-length: ").count(), 1, "{all}");
}

#[test]
fn an_endless_head_is_cut_off() {
    let web = Running::start();
    for (start, more) in [
        ("GET / HTTP/1.1\r\nX: ", "aaaaaaaaaaaaaaaa"),
        ("GET / HTTP/1.1\r\n", "X: 1\r\n"),
        ("GET /", "aaaaaaaaaaaaaaaa"),
    ] {
        let mut stream = web.connect();
        stream.write_all(start.as_bytes()).unwrap();
        let piece = more.repeat(4096 / more.len());
        let mut sent = 0;
        while stream.write_all(piece.as_bytes()).is_ok() && sent < 64 * 1024 * 1024 {
            sent += piece.len();
        }
        assert!(sent < 32 * 1024 * 1024, "{sent} octets of {start:?} were taken");
        web.assert_serves();
    }
    assert_eq!(web.counters.refused(Refusal::HeadTooLarge), 3);
}

#[test]
fn a_slow_head_is_told_to_hurry_and_keeps_nobody_out() {
    let web = Running::start();
    let begun = Instant::now();
    let mut slow: Vec<TcpStream> = (0..300).map(|_| web.connect()).collect();
    for stream in &mut slow {
        // Those that were displaced meanwhile refuse it.
        let _ = stream.write_all(b"GET / HTT");
    }
    web.assert_serves();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let answer = read_answer(slow.last_mut().unwrap());
    assert_eq!(answer.status, 408);
    web.assert_serves();
}

#[test]
fn a_flood_of_silent_connections_keeps_nobody_out() {
    let web = Running::start();
    let silent: Vec<TcpStream> = (0..1000).map(|_| web.connect()).collect();
    for _ in 0..20 {
        let begun = Instant::now();
        web.assert_serves();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert!(web.counters.refused(Refusal::Displaced) >= 900);
    drop(silent);
}

#[test]
fn clients_that_reset_hurt_nobody() {
    let web = Running::start();
    for round in 0..300 {
        let mut stream = web.connect();
        stream.write_all("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_bytes()).unwrap();
        if round % 3 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Closing with the answer unread sends a reset.
        drop(stream);
    }
    web.assert_serves();
}

#[test]
fn garbage_after_a_request_does_not_spoil_its_answer() {
    let web = Running::start();
    let mut stream = web.connect();
    stream.write_all(format!("{PLAIN}\u{1}\u{2}garbage\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream).status, 200);
    assert_eq!(read_answer(&mut stream).status, 400);
    web.assert_serves();
}

#[test]
fn pipelining_without_reading_fills_no_memory() {
    let web = Running::start();
    let before = support::resident();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let mut streams: Vec<TcpStream> = (0..16).map(|_| web.connect()).collect();
    for stream in &mut streams {
        stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        for _ in 0..1000 {
            if stream.write_all(request.as_bytes()).is_err() {
                break;
            }
        }
    }
    web.assert_serves();
    let grown = support::resident().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{grown} octets more");
}

#[test]
fn a_body_of_the_largest_size_arrives_and_a_larger_one_is_refused_early() {
    let web = Running::start();
    let post = |length: usize| {
        format!(
            "POST /v1/lookup HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}\r\nContent-Length: {length}\r\n\r\n",
            support::KEY
        )
    };
    let largest = 5 * 1024 * 1024;
    let mut request = post(largest).into_bytes();
    request.resize(request.len() + largest, b' ');
    let answer = web.send_all(&request);
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_json")));
    let mut request = post(largest + 1).into_bytes();
    request.resize(request.len() + largest + 1, b' ');
    assert_eq!(web.send_all(&request).status, 413);
    web.assert_serves();
}

#[test]
fn bodies_that_do_not_come_keep_nobody_out() {
    let web = Running::start();
    let head = "POST /v1/lookup HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5242880\r\n\r\n";
    let waiting: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = web.connect();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    web.assert_serves();
    assert!(begun.elapsed() < Duration::from_secs(1));
    drop(waiting);
    web.assert_serves();
}

#[test]
fn only_names_of_this_host_are_answered() {
    let web = Running::start();
    let ask = |host: &str| web.send_all(PLAIN.replace("localhost", host).as_bytes());
    for host in
        ["attacker.example", "localhost.attacker.example", "127.0.0.1.nip.io", "10.0.0.1", "xlocalhost"]
    {
        let answer = ask(host);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (421, Some("unknown_host")), "{host}");
    }
    for host in ["127.0.0.1:8080", "[::1]", "LOCALHOST", "gateway.branch.example:80", "weir.localhost"] {
        assert_eq!(ask(host).status, 200, "{host}");
    }
    assert_eq!(web.counters.refused(Refusal::UnknownHost), 5);
}

#[test]
fn requests_are_counted_by_class_and_reason() {
    let web = Running::start();
    web.assert_serves();
    web.send_all(b"BROKEN\r\n\r\n");
    let Answer { status, body, .. } = web.get("/v1/metrics", Some(support::KEY));
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!((json["requests_total"].as_u64(), json["requests_failed"].as_u64()), (Some(2), Some(1)));
    assert_eq!(json["http_dropped_total"]["bad_head"], 1);
}

#[test]
fn a_stop_ends_all_threads_promptly_even_with_clients_waiting() {
    let web = Running::start();
    let _silent: Vec<TcpStream> = (0..20).map(|_| web.connect()).collect();
    web.assert_serves();
    let begun = Instant::now();
    web.stop_and_join();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
