//! One client's connection: what is read from it and written to it, each with a bound and a deadline.

use std::io;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::head::{self, Head, Refused};
use super::pace::Pace;
use super::room::{Got, Held, LANE_DEADLINE, Room, SHARE};
use super::seats::Seat;
use crate::answer::Problem;
use crate::counters::Refusal;

/// A head must be whole this long after its first octet: slow heads hold places.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// A connection may be silent this long between requests.
const IDLE_DEADLINE: Duration = Duration::from_secs(30);
/// A body must be whole this long after its head: slow bodies hold memory.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// And no part of it may take longer: who stops in the middle gives up what it holds.
const BODY_SILENCE: Duration = Duration::from_secs(10);
/// A client must take each piece of an answer (16 KiB) within this time: slow readers hold memory.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a refused client's octets are read and thrown away, so that a reset does not overtake the answer.
const LINGER: Duration = Duration::from_secs(1);
/// And how many: enough for a body that is a little too large, an end for one that never stops.
const LINGER_OCTETS: usize = 8 * 1024 * 1024;
/// Read at a time.
const READ: usize = 8 * 1024;
/// The kernel's buffer for a body without a length; the kernel doubles it.
const STREAM_BUFFER: usize = 64 * 1024;
/// What a client is told that has waited for room until its deadline.
const TOO_MANY_BODIES: &str = "Too many bodies are being received; try again shortly";

/// Why nothing more is read from a client.
pub(crate) enum Ended {
    /// There is nobody to tell.
    Silent,
    /// The client is told why.
    Refused(Refused),
}

/// A body with the room that it takes.
#[derive(Default)]
pub(crate) struct Upload {
    pub(crate) bytes: Vec<u8>,
    pub(super) held: Held,
}

/// A client's connection.
pub(crate) struct Client {
    stream: TcpStream,
    seat: Seat,
    stopped: watch::Receiver<bool>,
    /// Octets read and not yet used.
    buffer: Vec<u8>,
}

enum Stop {
    Late,
    Gone,
    Displaced,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, seat: Seat, stopped: watch::Receiver<bool>) -> Self {
        // Without it a small answer waits for the client's delayed acknowledgment.
        let _ = stream.set_nodelay(true);
        Self { stream, seat, stopped, buffer: Vec::new() }
    }

    /// The next request's head.
    pub(crate) async fn head(&mut self) -> Result<Head, Ended> {
        let mut deadline =
            Instant::now() + if self.buffer.is_empty() { IDLE_DEADLINE } else { HEAD_DEADLINE };
        let mut seen = 0;
        loop {
            if let Some(length) = head::end_of_head(&self.buffer, seen).map_err(Ended::Refused)? {
                let head = head::parse(&self.buffer[..length]).map_err(Ended::Refused)?;
                self.buffer.drain(..length);
                return Ok(head);
            }
            seen = self.buffer.len();
            match self.fill(deadline).await {
                Ok(()) if seen == 0 => deadline = Instant::now() + HEAD_DEADLINE,
                Ok(()) => (),
                Err(Stop::Late) if seen > 0 => return Err(too_slow("The head did not come in time")),
                Err(_) => return Err(Ended::Silent),
            }
        }
    }

    /// The body of `head`, held within `room`.
    pub(crate) async fn body(&mut self, head: &Head, room: &Room) -> Result<Upload, Ended> {
        if head.expects_continue && self.buffer.is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| Ended::Silent)?;
        }
        let mut body = Upload::default();
        let mut deadline = Instant::now() + BODY_DEADLINE;
        let mut is_last = false;
        while body.bytes.len() < head.length {
            // Room is taken for what is there: a client that sends nothing holds nothing.
            self.wait_for_octets(deadline).await?;
            let next = (head.length - body.bytes.len()).min(SHARE);
            let more = room.make(&mut body.held, body.bytes.len() + next);
            match before(deadline, &self.seat, &mut self.stopped, more).await {
                Ok(Ok(Got::Lane)) if !is_last => {
                    is_last = true;
                    deadline = deadline.min(Instant::now() + LANE_DEADLINE);
                }
                Ok(Ok(_)) => (),
                Ok(Err(_)) | Err(Stop::Late) => return Err(Ended::Refused(overloaded(TOO_MANY_BODIES))),
                Err(Stop::Gone | Stop::Displaced) => return Err(Ended::Silent),
            }
            self.take_in(&mut body.bytes, head.length, next, deadline).await?;
        }
        Ok(body)
    }

    /// Waits until there is something to read, or the end.
    async fn wait_for_octets(&mut self, deadline: Instant) -> Result<(), Ended> {
        if !self.buffer.is_empty() {
            return Ok(());
        }
        let silence = deadline.min(Instant::now() + BODY_SILENCE);
        let readable = self.stream.readable();
        match before(silence, &self.seat, &mut self.stopped, readable).await {
            Ok(_) => Ok(()),
            Err(Stop::Late) => Err(too_slow("The body did not come in time")),
            Err(Stop::Gone | Stop::Displaced) => Err(Ended::Silent),
        }
    }

    /// Moves at most `next` octets of a body of `length` to `bytes`.
    async fn take_in(
        &mut self,
        bytes: &mut Vec<u8>,
        length: usize,
        next: usize,
        deadline: Instant,
    ) -> Result<(), Ended> {
        if bytes.capacity() < bytes.len() + next {
            // What is not written to takes no memory.
            let more = bytes.len().max(next).min(length - bytes.len());
            bytes.reserve_exact(more);
        }
        let have = next.min(self.buffer.len());
        if have > 0 {
            bytes.extend(self.buffer.drain(..have));
            return Ok(());
        }
        let mut piece = (&mut self.stream).take(next as u64);
        match before(deadline, &self.seat, &mut self.stopped, piece.read_buf(bytes)).await {
            Ok(Ok(1..)) => Ok(()),
            Err(Stop::Late) => Err(too_slow("The body did not come in time")),
            _ => Err(Ended::Silent),
        }
    }

    /// Reads some more into the buffer.
    async fn fill(&mut self, deadline: Instant) -> Result<(), Stop> {
        self.buffer.reserve(READ);
        let read = self.stream.read_buf(&mut self.buffer);
        match before(deadline, &self.seat, &mut self.stopped, read).await? {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(Stop::Gone),
        }
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let write = timeout_at(Instant::now() + WRITE_DEADLINE, self.stream.write_all(bytes));
        let written = tokio::select! {
            biased;
            written = write => written,
            () = self.seat.displaced() => return Err(Refusal::Displaced),
        };
        match written {
            Err(_) => Err(Refusal::SlowReader),
            Ok(Err(_)) => Err(Refusal::ClientGone),
            Ok(Ok(())) => Ok(()),
        }
    }

    /// Makes ready for a body without a length: with a small buffer in the kernel, what the client takes shows soon.
    pub(crate) fn begin_stream(&self) {
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&self.stream, STREAM_BUFFER);
    }

    /// Writes all of `bytes`, part of such a body, as quickly as the client takes it, but no slower than `pace` allows.
    pub(crate) async fn pour(&mut self, mut bytes: &[u8], pace: &mut Pace) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let begun = Instant::now();
            let write = self.stream.write(bytes);
            match before(begun + pace.left(), &self.seat, &mut self.stopped, write).await {
                Ok(Ok(written @ 1..)) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    pace.note(begun.elapsed(), written)?;
                }
                Ok(Ok(0) | Err(_)) => return Err(Refusal::ClientGone),
                Err(Stop::Late) => return Err(Refusal::SlowReader),
                Err(_) if self.is_stopped() => return Err(Refusal::Stopping),
                Err(_) => return Err(Refusal::Displaced),
            }
        }
        Ok(())
    }

    /// Waits for `work`, but not longer than the guard runs.
    pub(crate) async fn while_running<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            _ = self.stopped.wait_for(|&stopped| stopped) => Err(Refusal::Stopping),
        }
    }

    /// Has the connection end with a reset: a client that takes its end for the end of the body is told that way.
    pub(crate) fn reset(&self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }

    /// See [`Seat::set_waiting`].
    pub(crate) fn set_waiting(&mut self, waiting: bool) {
        self.seat.set_waiting(waiting);
    }

    /// True once the guard has been told to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Closes so that the client can still read what it was told.
    pub(crate) async fn linger(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let deadline = Instant::now() + LINGER;
        let mut left = LINGER_OCTETS;
        while left > 0 && self.fill(deadline).await.is_ok() {
            left = left.saturating_sub(self.buffer.len());
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Waits for `work` until `deadline`, a lost place or a stop.
async fn before<T>(
    deadline: Instant,
    seat: &Seat,
    stopped: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Result<T, Stop> {
    tokio::select! {
        biased;
        () = seat.displaced() => Err(Stop::Displaced),
        done = timeout_at(deadline, work) => done.map_err(|_| Stop::Late),
        _ = stopped.wait_for(|&stopped| stopped) => Err(Stop::Displaced),
    }
}

/// All places are taken.
pub(crate) fn overloaded(detail: &'static str) -> Refused {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
        .with_header(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
    (Refusal::Overloaded, problem)
}

fn too_slow(detail: &'static str) -> Ended {
    Ended::Refused((Refusal::TooSlow, Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)))
}
