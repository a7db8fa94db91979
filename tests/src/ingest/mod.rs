//! Those who post records: requests with any head and body, bodies in every shape and compression, clients that behave
//! badly, and what an agent made of what they sent.

pub mod bad_client;
pub mod body;
pub mod record;
pub mod stream;
pub mod watch;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Agent, Options};
use crate::http::{self, Answer};
use crate::meter::number;

/// The route that takes every shape.
pub const INGEST: &str = "/v1/ingest";
/// How long what was accepted may take to be stored.
pub const STORED: Duration = Duration::from_secs(30);
/// Nothing comes in but what is posted, and a second is the longest that a record waits for its commit.
pub const CONFIG: &str = "[capture]\nenabled = false\n[store]\ncommit_seconds = 1\n";
const CONNECT: Duration = Duration::from_secs(10);
/// A large body under load takes its turn.
const ANSWER: Duration = Duration::from_secs(60);
const LONGEST_ANSWER: u64 = 64 << 20;
/// Answers to a batch that did not fit before a test gives up.
const MOST_TRIES: u32 = 2_000;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A POST to `path` with `body`.
    #[must_use]
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path, body)
    }

    /// Any request.
    #[must_use]
    pub fn new(method: &str, path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: body.into() }
    }

    /// The same with a field more in its head.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends it with the admin key of `agent`.
    ///
    /// # Panics
    /// Where no answer comes.
    #[must_use]
    pub fn send(&self, agent: &Agent) -> Answer {
        let sent = self.try_send(agent.address, &agent.key());
        sent.unwrap_or_else(|e| panic!("{} {}: {e}\n{}", self.method, self.path, agent.log()))
    }

    /// Sends it with `key`.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn try_send(&self, to: SocketAddr, key: &str) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&to, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        // A refusal may come before the body is read, and then the rest of it cannot be written.
        let written = stream.write_all(self.head(to, key).as_bytes());
        let written = written.and_then(|()| stream.write_all(&self.body));
        let mut bytes = Vec::new();
        let read = stream.take(LONGEST_ANSWER).read_to_end(&mut bytes);
        match http::parse(&bytes) {
            Some(answer) => Ok(answer),
            None => Err(written.and(read.map(drop)).err().unwrap_or_else(|| io::Error::other("no answer"))),
        }
    }

    /// Sends it until it is not told to come back later; the answer, and how often it was told.
    ///
    /// # Panics
    /// Where that never ends, and where an answer 429 does not say when to come back.
    #[must_use]
    pub fn send_until_taken(&self, to: SocketAddr, key: &str) -> (Answer, u32) {
        for refused in 0..MOST_TRIES {
            let answer = self.try_send(to, key).expect("an answer");
            if answer.status != 429 {
                return (answer, refused);
            }
            assert!(retry_after(&answer) >= 1, "{}", answer.head);
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{MOST_TRIES} times there was no room");
    }

    fn head(&self, to: SocketAddr, key: &str) -> String {
        let (method, path) = (&self.method, &self.path);
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
        head += &format!("Authorization: Bearer {key}\r\n");
        let says = |name: &str| self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !says("Content-Length") && !says("Transfer-Encoding") {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }
}

/// An agent that takes records from the API alone; `more` are further lines of its configuration.
#[must_use]
pub fn agent(more: &str) -> Agent {
    Agent::start(&options(more))
}

/// How [`agent`] is started.
#[must_use]
pub fn options(more: &str) -> Options<'static> {
    Options { config: Some(merged(CONFIG, more)), ..Options::default() }
}

/// Two configurations as one: sections that both have are joined.
fn merged(first: &str, second: &str) -> String {
    let mut sections = BTreeMap::<&str, String>::new();
    let mut section = "";
    for line in first.lines().chain(second.lines()) {
        match line.strip_prefix('[') {
            Some(name) => section = name.trim_end_matches(']'),
            None => *sections.entry(section).or_default() += &format!("{line}\n"),
        }
    }
    sections.iter().map(|(name, lines)| format!("[{name}]\n{lines}")).collect()
}

/// Posts `body` as JSON to `path`.
#[must_use]
pub fn post(agent: &Agent, path: &str, body: &Value) -> Answer {
    Request::post(path, body.to_string()).with("Content-Type", "application/json").send(agent)
}

/// Posts `body` to [`INGEST`], and checks that all `records` of it are accepted.
///
/// # Panics
/// Where they are not.
#[track_caller]
pub fn accepted(agent: &Agent, body: &Value, records: u64) {
    assert_accepted(&post(agent, INGEST, body), records);
}

/// Checks that an answer says that all of `records` records were accepted.
///
/// # Panics
/// Where it does not.
#[track_caller]
pub fn assert_accepted(answer: &Answer, records: u64) {
    let said = answer.json();
    assert_eq!(answer.status, 200, "{said}");
    assert_eq!(said["status"], "accepted", "{said}");
    for name in ["accepted", "total", "queued", "records_processed"] {
        assert_eq!(number(&said, name), records, "{name} in {said}");
    }
    assert_eq!(number(&said, "rejected"), 0, "{said}");
}

/// Checks that an answer is a refusal as the API promises it; its body.
///
/// # Panics
/// Where it is not.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, error: &str) -> Value {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, status, "{text}");
    let said = answer.json();
    assert_eq!(said["error"], error, "{said}");
    let detail = said["detail"].as_str().unwrap_or_default();
    assert!(detail.len() > 5 && detail.len() < 1_000, "no sentence for people: {said}");
    let trace = said["trace_id"].as_str().unwrap_or_default();
    assert!(
        !trace.is_empty() && answer.head.contains(&format!("x-trace-id: {trace}")),
        "{said} {}",
        answer.head
    );
    assert!(answer.head.contains("x-api-version: v1"), "{}", answer.head);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    for inside in ["panicked", "src/", ".rs:", "weir.db", "SELECT", "sqlite", "0x"] {
        assert!(!text.contains(inside), "{inside} is nobody's business: {text}");
    }
    said
}

/// Seconds that an answer tells to wait; 0 where it does not.
#[must_use]
pub fn retry_after(answer: &Answer) -> u64 {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("retry-after:"));
    line.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or_default()
}

/// Waits until the ring has `rows` rows; those rows, oldest first, 1,000 at most.
///
/// # Panics
/// Where they do not come, and where more come.
#[track_caller]
pub fn stored(agent: &Agent, rows: u64) -> Vec<Value> {
    wait_rows(agent, rows);
    let answer = agent.get("/v1/events/recent?limit=1000&order=asc");
    let events = answer["events"].as_array().cloned().expect("a list");
    assert_eq!(events.len() as u64, rows.min(1_000), "{answer}");
    events
}

/// Waits until the ring has `rows` rows.
///
/// # Panics
/// Where they do not come, and where more come.
#[track_caller]
pub fn wait_rows(agent: &Agent, rows: u64) {
    agent.wait_for(&format!("{rows} rows"), STORED, |agent| rows_of(agent) >= rows);
    assert_eq!(rows_of(agent), rows, "more was stored than was sent");
}

/// Rows of the default tenant's ring.
#[must_use]
pub fn rows_of(agent: &Agent) -> u64 {
    agent.metrics()["store"]["rows"].as_u64().unwrap_or_default()
}

/// Stores `record` as the only one of a new agent, as [`INGEST`] takes it; the row.
#[must_use]
#[track_caller]
pub fn row_of(record: &Value) -> Value {
    let agent = agent("");
    accepted(&agent, record, 1);
    stored(&agent, 1).remove(0)
}

#[cfg(test)]
mod tests {
    use super::{Request, merged};

    #[test]
    fn sections_of_two_configurations_are_joined() {
        let both = merged("[store]\na = 1\n[web]\nb = 2\n", "[store]\nc = 3\n");
        assert_eq!(both, "[store]\na = 1\nc = 3\n[web]\nb = 2\n");
    }

    #[test]
    fn a_length_is_said_unless_the_test_says_another_or_none() {
        let to = "127.0.0.1:1".parse().unwrap();
        let plain = Request::post("/x", "abc");
        assert!(plain.head(to, "k").contains("Content-Length: 3\r\n"));
        let chunked = plain.clone().with("Transfer-Encoding", "chunked");
        assert!(!chunked.head(to, "k").contains("Content-Length"));
        assert_eq!(plain.with("Content-Length", "9").head(to, "k").matches("Content-Length").count(), 1);
    }
}
