//! Bodies under load: what many senders, slow ones and those that go away do to one another.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use weir_web::Refusal;

use crate::support::{KEY, Running, read_answer, resident};

const MIB: usize = 1024 * 1024;

fn head(length: usize, more: &str) -> String {
    format!(
        "POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n{more}Content-Length: {length}\r\n\r\n"
    )
}

/// A batch of one record in a body of `length` octets.
fn batch(length: usize) -> Vec<u8> {
    let mut body =
        br#"[{"ts":1790000000,"src_ip":"192.0.2.1","dst_ip":"198.51.100.7","protocol":6}"#.to_vec();
    body.resize(length - 1, b' ');
    body.push(b']');
    body
}

fn send(web: &Running, length: usize) -> (u16, TcpStream) {
    let mut stream = web.connect();
    stream.write_all(head(length, "").as_bytes()).unwrap();
    stream.write_all(&batch(length)).unwrap();
    (read_answer(&mut stream).status, stream)
}

/// Connections that have sent `sent` octets of a body of 5 MiB, and wait.
fn stalled(web: &Running, count: usize, sent: usize) -> Vec<TcpStream> {
    let begin = |_| {
        let mut stream = web.connect();
        stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        stream.write_all(head(5 * MIB, "").as_bytes()).unwrap();
        let _ = stream.write_all(&vec![b' '; sent]);
        stream
    };
    (0..count).map(begin).collect()
}

#[test]
fn sixty_four_large_bodies_at_once_are_all_taken_in_bounded_memory() {
    let web = Running::start();
    let before = resident();
    thread::scope(|scope| {
        let senders: Vec<_> = (0..64)
            .map(|number| {
                let web = &web;
                thread::Builder::new().spawn_scoped(scope, move || (number, send(web, 2_000_000).0)).unwrap()
            })
            .collect();
        for sender in senders {
            let (number, status) = sender.join().unwrap();
            assert_eq!(status, 200, "sender {number}");
        }
    });
    // The senders' own bodies are 128 MB of this process.
    let grown = resident().saturating_sub(before);
    assert!(grown < 200 * MIB, "{grown} octets more");
    assert_eq!(web.counters.refused(Refusal::Overloaded), 0);
}

#[test]
fn bodies_that_stop_in_the_middle_give_way_to_those_that_go_on() {
    let web = Running::start();
    let stalled = stalled(&web, 20, MIB);
    thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    assert_eq!(send(&web, 3 * MIB).0, 200);
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    web.assert_serves();
    drop(stalled);
}

#[test]
fn clients_that_hang_up_in_the_middle_leave_nothing_behind() {
    let web = Running::start();
    for _ in 0..4 {
        drop(stalled(&web, 12, 2 * MIB));
    }
    let begun = Instant::now();
    for _ in 0..6 {
        assert_eq!(send(&web, 5 * MIB).0, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(web.counters.refused(Refusal::Overloaded), 0);
}

#[test]
fn a_batch_that_is_too_large_is_told_the_limit_before_it_is_sent() {
    let web = Running::start();
    for (more, coding) in [("", "identity"), ("Content-Encoding: gzip\r\n", "gzip")] {
        let answer = web.send_all(head(5 * MIB + 1, more).as_bytes());
        let json = answer.json();
        assert_eq!((answer.status, json["error"].as_str()), (413, Some("batch_too_large")));
        assert_eq!(
            (json["limit_bytes"].as_u64(), json["actual_bytes"].as_u64()),
            (Some(5_242_880), Some(5_242_881))
        );
        assert_eq!(json["content_encoding"], coding);
    }
    assert_eq!(web.counters.refused(Refusal::OverSize), 2);
}

#[test]
fn a_client_cannot_name_the_body_of_another() {
    let web = Running::start();
    let body = batch(100);
    let mut request = head(body.len(), "X-Weir-Body: 0\r\n").into_bytes();
    request.extend_from_slice(&body);
    assert_eq!(web.send_all(&request).status, 200);
    let bare =
        format!("POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nX-Weir-Body: 1\r\n\r\n");
    let answer = web.send_all(bare.as_bytes());
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("empty_batch")));
}

#[test]
fn health_is_answered_at_once_while_batches_are_read() {
    let web = Running::start();
    let mut text = batch(40 * MIB);
    // So that it does not pack a hundred to one.
    let mut noise = 1_u32;
    for octet in text[200..41_000_000 - 200].iter_mut() {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *octet = if noise >> 27 == 0 { b'\t' } else { b' ' };
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&text).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(packed.len() < 5 * MIB, "{}", packed.len());
    let mut request = head(packed.len(), "Content-Encoding: gzip\r\n").into_bytes();
    request.extend_from_slice(&packed);
    let (begun, batches) = (Instant::now(), 6);
    // More senders than workers: without care all workers would read batches.
    let slowest = thread::scope(|scope| {
        let send = || {
            for _ in 0..batches / 3 {
                assert_eq!(web.send_all(&request).status, 200);
            }
        };
        let senders: Vec<_> =
            (0..3).map(|_| thread::Builder::new().spawn_scoped(scope, send).unwrap()).collect();
        let mut slowest = Duration::ZERO;
        while senders.iter().any(|sender| !sender.is_finished()) {
            let begun = Instant::now();
            web.assert_serves();
            slowest = slowest.max(begun.elapsed());
            thread::sleep(Duration::from_millis(5));
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        slowest
    });
    let batch = begun.elapsed() / batches;
    assert!(slowest < batch / 2, "{slowest:?} where a batch takes {batch:?}");
}
