//! A question to the agent that runs on this host: one GET request, bounded in time and size.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::Clock;

/// Longest answer: `/v1/sources` has a kilobyte for each of at most 4,096 exporters; whatever else answers on the port
/// cannot fill the memory.
const MAX_ANSWER: u64 = 8 << 20;
/// An answer takes milliseconds; a busy gateway may take a second.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body, chunks joined.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, of an answer 200.
    ///
    /// # Errors
    /// Another status, or a body that is no JSON.
    pub fn json(&self) -> io::Result<Value> {
        if self.status != 200 {
            return Err(io::Error::other(format!("it answered {}", self.status)));
        }
        serde_json::from_slice(&self.body).map_err(|error| odd(&format!("its answer is no JSON: {error}")))
    }
}

/// Asks `to` for `path`, with `key` if there is one; within [`PATIENCE`].
///
/// # Errors
/// Nothing listens there, it is too slow, or it speaks no HTTP.
pub fn get(to: SocketAddr, path: &str, key: Option<&str>, clock: Clock) -> io::Result<Answer> {
    let end = clock.monotonic() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{key}\r\n");
    stream.write_all(request.as_bytes())?;
    let answer = read(&mut stream, end, clock)?;
    parse(&answer).ok_or_else(|| odd("its answer is no HTTP"))
}

/// Everything up to the end of the stream, which has to come before `end`.
fn read(stream: &mut TcpStream, end: Instant, clock: Clock) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let left = end.saturating_duration_since(clock.monotonic());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time"));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(read) => answer.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time"));
            }
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > MAX_ANSWER {
            return Err(odd("its answer is too long"));
        }
    }
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?.to_ascii_lowercase();
    let status = head.strip_prefix("http/1.")?.split(' ').nth(1)?.parse().ok()?;
    let body = &bytes[end + 4..];
    let chunked =
        head.lines().any(|line| line.starts_with("transfer-encoding:") && line.ends_with("chunked"));
    Some(Answer { status, body: if chunked { join(body)? } else { body.to_vec() } })
}

/// Joins the chunks of RFC 9112 §7.1.
fn join(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let chunk = rest.get(end + 2..)?;
        body.extend(chunk.get(..size)?);
        rest = chunk.get(size.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    use proptest::prelude::*;

    use super::{get, parse};
    use crate::clock::Clock;

    /// A server that answers one request with `answer`, and what it was asked.
    fn serve(answer: &'static [u8]) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::Builder::new().spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1_024];
            let read = stream.read(&mut asked).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (address, server.unwrap())
    }

    #[test]
    fn a_question_carries_the_key_and_gets_its_answer() {
        let (to, server) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"rows\": 7}");
        let answer = get(to, "/v1/metrics", Some("ta_key"), Clock).unwrap();
        assert_eq!(answer.json().unwrap()["rows"], 7);
        let asked = server.join().unwrap();
        assert!(
            asked.starts_with("GET /v1/metrics HTTP/1.1\r\n") && asked.contains("Bearer ta_key\r\n"),
            "{asked}"
        );
    }

    #[test]
    fn chunks_are_joined_and_broken_ones_refused() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = |chunks: &str| parse(format!("{head}{chunks}").as_bytes()).map(|answer| answer.body);
        assert_eq!(body("3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n").unwrap(), b"abcde");
        for broken in ["", "zz\r\nabc", "ffffffffffffffff\r\nabc\r\n", "5\r\nabc"] {
            assert_eq!(body(broken), None, "{broken}");
        }
        assert_eq!(parse(b"SSH-2.0-OpenSSH\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(head in "[ -~]{0,40}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = format!("HTTP/1.1 200 {head}\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
            let length = bytes.len() + body.len();
            bytes.extend(body);
            prop_assert!(parse(&bytes).is_none_or(|answer| answer.body.len() < length));
        }
    }

    #[test]
    fn what_does_not_answer_as_an_agent_is_told() {
        let (to, _server) = serve(b"HTTP/1.1 401 Unauthorized\r\n\r\n{}");
        let told = get(to, "/", None, Clock).unwrap().json().unwrap_err().to_string();
        assert!(told.contains("401"), "{told}");
        let (to, _server) = serve(b"220 mail ready\r\n");
        let told = get(to, "/", None, Clock).unwrap_err().to_string();
        assert!(told.contains("no HTTP"), "{told}");
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(get(nobody, "/", None, Clock).is_err());
    }
}
