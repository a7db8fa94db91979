//! The door: accepts connections, lets in what is one well-formed request, and hands it to the engine.
//!
//! tiny_http 0.12 aborts on a huge `Content-Length`, stops for ever when descriptors run out, knows no time
//! limits and lets pipelining fill the memory. So it listens on a Unix socket in a directory that only this
//! user may enter, and all its clients are this guard: one request per connection, framed by one length.

mod chunks;
mod client;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod head;
mod pace;
mod relay;
mod room;
mod seats;
mod streaming;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, TcpListener as StdTcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::client::{Client, Ended};
use self::head::{Head, Refused};
use self::relay::{Answer, Part, Upstream};
pub(crate) use self::relay::{BODY, PEER};
use self::room::Room;
pub(crate) use self::seats::network;
use self::seats::{Found, Seats};
use crate::answer::{self, Problem};
use crate::counters::{Counters, Refusal};
use crate::engine::Closing;
use crate::shelf::Shelf;
use crate::trace::Ids;
use crate::{Config, Error};

/// Requests on one connection, so that none lives for ever.
const MAX_REQUESTS: usize = 1_000;
/// Pause after a failed accept: without it a lack of descriptors would be a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long answers in flight may take to finish after a stop.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// The guard's thread body, with the socket it listens on.
pub struct Guard {
    listener: StdTcpListener,
    shared: Arc<Shared>,
    /// Kept here too, so that nothing stops because every `Stop` was dropped.
    stop: watch::Sender<bool>,
    /// Ends the workers when the guard has ended, or was never run.
    _closing: Closing,
}

struct Shared {
    seats: Arc<Seats>,
    counters: Arc<Counters>,
    upstream: Upstream,
    room: Room,
    /// Names this host is known by, lower case.
    hosts: HashSet<String>,
}

impl Guard {
    pub(crate) fn new(
        listener: StdTcpListener,
        (socket, shelf): (PathBuf, Arc<Shelf>),
        config: &Config,
        counters: Arc<Counters>,
        stop: watch::Sender<bool>,
        closing: Closing,
    ) -> Self {
        let shared = Shared {
            seats: Arc::default(),
            counters,
            upstream: Upstream::new(socket, shelf, config.workers.count()),
            room: Room::default(),
            hosts: config.hosts.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect(),
        };
        Self { listener, shared: Arc::new(shared), stop, _closing: closing }
    }

    /// Serves until it is stopped; the body of a thread.
    ///
    /// # Errors
    /// [`Error::EventLoop`] when the event loop cannot be made.
    pub fn run(self) -> Result<(), Error> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_io().enable_time().build().map_err(Error::EventLoop)?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<(), Error> {
        let listener = TcpListener::from_std(self.listener).map_err(Error::EventLoop)?;
        let mut stopped = self.stop.subscribe();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|&stopped| stopped) => break,
                Some(_) = connections.join_next() => (),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let local = stream.local_addr().unwrap_or(peer);
                        if let Some(client) = self.shared.admit(stream, peer, self.stop.subscribe()) {
                            let shared = Arc::clone(&self.shared);
                            connections.spawn(shared.serve(client, peer.ip().to_canonical(), local));
                        }
                    }
                    Err(_) => {
                        self.shared.counters.refuse(Refusal::Accept);
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let _ = timeout(STOP_DEADLINE, async { while connections.join_next().await.is_some() {} }).await;
        Ok(())
    }
}

impl Shared {
    /// Finds a place for a connection, or closes it.
    fn admit(&self, stream: TcpStream, peer: SocketAddr, stopped: watch::Receiver<bool>) -> Option<Client> {
        let Some((seat, found)) = self.seats.take(peer.ip()) else {
            self.counters.refuse(Refusal::Connections);
            return None;
        };
        if found == Found::Displaced {
            self.counters.refuse(Refusal::Displaced);
        }
        Some(Client::new(stream, seat, stopped))
    }

    /// Answers one request after another.
    async fn serve(self: Arc<Self>, mut client: Client, peer: IpAddr, local: SocketAddr) {
        for left in (0..MAX_REQUESTS).rev() {
            let ended = match client.head().await {
                Ok(mut head) => {
                    head.keep_alive &= left > 0;
                    let ids = Ids::of(&head.headers);
                    let begun = Instant::now();
                    match self.pass(&mut client, &head, peer, local.ip(), &ids).await {
                        Ok(status) => {
                            self.counters.answered(status, begun.elapsed());
                            if head.keep_alive && !client.is_stopped() {
                                continue;
                            }
                            return;
                        }
                        Err(ended) => {
                            self.note(&ended, &head, &ids);
                            (ended, ids, head.method == Method::HEAD)
                        }
                    }
                }
                Err(ended) => (ended, Ids::new(), false),
            };
            if let (Ended::Refused(refused), ids, is_head) = ended {
                self.refuse(&mut client, refused, &ids, is_head).await;
                let _ = client.linger().await;
            }
            return;
        }
    }

    /// Lets a request through and its answer back.
    async fn pass(
        &self,
        client: &mut Client,
        head: &Head,
        peer: IpAddr,
        local: IpAddr,
        ids: &Ids,
    ) -> Result<StatusCode, Ended> {
        if !self.knows(&head.host, local) {
            return Err(Ended::Refused(unknown_host()));
        }
        let body = client.body(head, &self.room).await?;
        client.set_waiting(false);
        let answer = self.upstream.ask(head, body, peer, ids).await;
        client.set_waiting(true);
        self.relay(client, head, answer.map_err(Ended::Refused)?, ids).await.map_err(|reason| {
            self.counters.refuse(reason);
            Ended::Silent
        })
    }

    /// Writes an answer as it comes.
    async fn relay(
        &self,
        client: &mut Client,
        head: &Head,
        answer: Answer,
        ids: &Ids,
    ) -> Result<StatusCode, Refusal> {
        if answer.is_stream {
            return self.stream(client, head, answer, ids).await;
        }
        let Answer { status, mut headers, mut parts, .. } = answer;
        answer::finish(&mut headers, ids);
        set_connection(&mut headers, head.keep_alive && !client.is_stopped());
        client.write(&head_text(status, &headers)).await?;
        let mut missing = if has_body(&head.method, status) { length(&headers) } else { 0 };
        while missing > 0 {
            // The engine broke off: only closing tells the client that the answer is not whole.
            let Some(Part::Piece(piece)) = parts.recv().await else { return Err(Refusal::NoAnswer) };
            client.write(&piece.bytes).await?;
            missing = missing.saturating_sub(piece.bytes.len());
        }
        Ok(status)
    }

    /// Remembers a failure of the server's, for `/v1/system`.
    fn note(&self, ended: &Ended, head: &Head, ids: &Ids) {
        if let Ended::Refused((_, problem)) = ended {
            let path = head.target.split('?').next().unwrap_or_default();
            self.counters.failures.note(path, problem, &ids.trace);
        }
    }

    /// Tells the client why not.
    async fn refuse(&self, client: &mut Client, (reason, problem): Refused, ids: &Ids, is_head: bool) {
        self.counters.refuse(reason);
        self.counters.answered(problem.status, Duration::ZERO);
        let response = problem.into_response(&ids.trace);
        let (mut parts, body) = response.into_parts();
        let body = body.as_ref();
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        answer::finish(&mut parts.headers, ids);
        set_connection(&mut parts.headers, false);
        let mut text = head_text(parts.status, &parts.headers);
        text.extend_from_slice(if is_head { b"" } else { body });
        let _ = client.write(&text).await;
    }

    /// True for names of this host. Another name means that a hostile page had its own name resolve to here.
    fn knows(&self, host: &str, local: IpAddr) -> bool {
        let by_address = host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback() || ip.to_canonical() == local.to_canonical());
        by_address || host == "localhost" || host.ends_with(".localhost") || self.hosts.contains(host)
    }
}

fn unknown_host() -> Refused {
    let detail =
        "This host is not known by that name; use 127.0.0.1 or localhost, or add the name to `web.hosts`";
    (Refusal::UnknownHost, Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", detail))
}

fn set_connection(headers: &mut HeaderMap, keep_alive: bool) {
    headers.insert(CONNECTION, HeaderValue::from_static(if keep_alive { "keep-alive" } else { "close" }));
}

fn has_body(method: &Method, status: StatusCode) -> bool {
    method != Method::HEAD && !matches!(status.as_u16(), 100..=199 | 204 | 304)
}

/// Length of an answer; every answer of the engine has one.
fn length(headers: &HeaderMap) -> usize {
    let value = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Status line and fields, with the empty line.
fn head_text(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    text
}
