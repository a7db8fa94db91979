//! A Splunk HTTP Event Collector to export to: it answers as Splunk documents, or as it is told to for a while.
//!
//! It takes a request whole or not at all. What an answer means is in Splunk's "Troubleshoot HTTP Event Collector".

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

/// The token that it knows.
pub const TOKEN: &str = "5fb54bb1-9ac2-4d1c-8a0e-2f2c5b6f1d77";

/// Between two looks at the word to end.
const TICK: Duration = Duration::from_millis(20);
/// Events with this destination port are ones that it refuses.
pub const REFUSED_PORT: u64 = 13;

/// What it does with one request instead of what it usually does.
#[derive(Clone, Debug)]
pub enum Turn {
    /// Answers so and takes nothing.
    Answer(u16, &'static str, String),
    /// Takes the request, and answers after a while.
    Slow(Duration),
    /// Ends the connection without a word.
    Cut,
    /// Takes the request, and ends the connection in the middle of the answer.
    CutAnswer,
    /// Waits this long, and ends the connection.
    Silent(Duration),
}

/// What it has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Events that it took, in their order.
    pub events: Vec<Value>,
    /// Requests, whatever came of them.
    pub requests: usize,
    /// Events in each request that it could read.
    pub sizes: Vec<usize>,
    /// Target and head of each request, in lower case.
    pub heads: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    turns: Mutex<VecDeque<Turn>>,
    /// Octets of JSON that a request may have; 0 for any.
    longest: Mutex<usize>,
    ended: AtomicBool,
}

/// A running collector; dropping it ends it, and its port refuses connections.
#[derive(Debug)]
pub struct Hec {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Hec {
    /// Starts one on a free port.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Starts one at `address`.
    ///
    /// # Panics
    /// Where the port is taken.
    #[must_use]
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        let run = move || accept(&listener, &served);
        let thread = Builder::new().name("hec".to_owned()).spawn(run).expect("a thread");
        Self { address, shared, thread: Some(thread) }
    }

    /// The URL to export to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does this with the next requests, one each.
    pub fn then(&self, turns: impl IntoIterator<Item = Turn>) {
        held(&self.shared.turns).extend(turns);
    }

    /// Takes requests of up to so many octets of JSON from now on.
    pub fn takes_up_to(&self, octets: usize) {
        *held(&self.shared.longest) = octets;
    }

    /// What it has seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        held(&self.shared.seen).clone()
    }
}

impl Drop for Hec {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Its panic was told where what it has seen was asked for.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("nobody panics with it")
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut connections = Vec::new();
    while !shared.ended.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(TICK);
            continue;
        };
        let shared = Arc::clone(shared);
        let serve = move || drop(serve(&stream, &shared));
        connections.push(Builder::new().name("hec-connection".to_owned()).spawn(serve).expect("a thread"));
    }
    for connection in connections {
        // What a connection panicked with is on stderr.
        let _ = connection.join();
    }
}

/// Answers one request after the other; ends with the connection.
fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(TICK))?;
    let mut reader = BufReader::new(Patient { stream, shared });
    while let Some((head, body)) = read(&mut reader)? {
        {
            let mut seen = held(&shared.seen);
            seen.requests += 1;
            seen.heads.push(head.to_ascii_lowercase());
        }
        let turn = held(&shared.turns).pop_front();
        match turn {
            Some(Turn::Answer(status, headers, text)) => answer(stream, status, headers, &text)?,
            Some(Turn::Cut) => return stream.shutdown(Shutdown::Both),
            Some(Turn::CutAnswer) => {
                take(&head, &body, shared);
                (&*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"text\":\"Su")?;
                return stream.shutdown(Shutdown::Both);
            }
            Some(Turn::Silent(pause)) => {
                wait(pause, shared);
                return stream.shutdown(Shutdown::Both);
            }
            other => {
                let (status, text) = take(&head, &body, shared);
                if let Some(Turn::Slow(pause)) = other {
                    wait(pause, shared);
                }
                answer(stream, status, "", &text.to_string())?;
            }
        }
    }
    Ok(())
}

fn wait(pause: Duration, shared: &Shared) {
    let mut left = pause;
    while left > Duration::ZERO && !shared.ended.load(Ordering::Relaxed) {
        std::thread::sleep(TICK.min(left));
        left = left.saturating_sub(TICK);
    }
}

/// Reads on over timeouts until the collector ends.
struct Patient<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if self.shared.ended.load(Ordering::Relaxed) {
                        return Ok(0);
                    }
                }
                other => return other,
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let length = header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn answer(mut stream: &TcpStream, status: u16, headers: &str, text: &str) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n{headers}\r\n", text.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}

/// What Splunk does with a request.
fn take(head: &str, body: &[u8], shared: &Shared) -> (u16, Value) {
    let say = |status, code: u8, text: &str| (status, json!({"text": text, "code": code}));
    match header(head, "authorization").map(|value| value.split_once(' ')) {
        None => return say(401, 2, "Token is required"),
        Some(Some(("Splunk", TOKEN))) => {}
        Some(Some(("Splunk", _))) => return say(403, 4, "Invalid token"),
        Some(_) => return say(401, 3, "Invalid authorization"),
    }
    if !head.starts_with("POST /services/collector") {
        return (404, json!({"text": "The requested URL was not found on this server.", "code": 404}));
    }
    let mut text = Vec::new();
    let packed = header(head, "content-encoding") == Some("gzip");
    let unpacked = if packed { GzDecoder::new(body).read_to_end(&mut text) } else { Ok(0) };
    let text = if packed { &text[..] } else { body };
    let longest = *held(&shared.longest);
    if longest > 0 && text.len() > longest {
        return (413, json!({"text": "Request entity too large", "code": 27}));
    }
    let mut events = Vec::new();
    let found = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    for (number, event) in found.enumerate() {
        let refuse =
            |code: u8, text: &str| (400, json!({"text": text, "code": code, "invalid-event-number": number}));
        let Ok(event) = event else { return refuse(6, "Invalid data format") };
        match &event["event"] {
            Value::Null => return refuse(12, "Event field is required"),
            Value::String(text) if text.is_empty() => return refuse(13, "Event field cannot be blank"),
            record if record["dst_port"] == REFUSED_PORT => return refuse(6, "Invalid data format"),
            _ if event["index"] != "telemetry" => return refuse(7, "Incorrect index"),
            _ => events.push(event),
        }
    }
    if unpacked.is_err() || events.is_empty() {
        return say(400, 5, "No data");
    }
    let mut seen = held(&shared.seen);
    seen.sizes.push(events.len());
    seen.events.extend(events);
    say(200, 0, "Success")
}
