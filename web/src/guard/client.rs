//! One client's connection: what is read from it and written to it, each with a bound and a deadline.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::head::{self, Head, Refused};
use super::seats::Seat;
use crate::answer::Problem;
use crate::counters::Refusal;

/// A head must be whole this long after its first octet: slow heads hold places.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// A connection may be silent this long between requests.
const IDLE_DEADLINE: Duration = Duration::from_secs(30);
/// A body must be whole this long after its head: slow bodies hold memory.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// A client must take each piece of an answer (16 KiB) within this time: slow readers hold memory.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a refused client's octets are read and thrown away, so that a reset does not overtake the answer.
const LINGER: Duration = Duration::from_secs(1);
/// And how many: enough for a body that is a little too large, an end for one that never stops.
const LINGER_OCTETS: usize = 8 * 1024 * 1024;
/// Read at a time.
const READ: usize = 8 * 1024;
/// Unit of the budget for bodies.
pub(crate) const BODY_UNIT: usize = 64 * 1024;

/// Why nothing more is read from a client.
pub(crate) enum Ended {
    /// There is nobody to tell.
    Silent,
    /// The client is told why.
    Refused(Refused),
}

/// A body with its share of the budget.
#[derive(Default)]
pub(crate) struct Upload {
    pub(crate) bytes: Vec<u8>,
    shares: Vec<OwnedSemaphorePermit>,
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

    /// The body of `head`, held within `budget`.
    pub(crate) async fn body(&mut self, head: &Head, budget: &Arc<Semaphore>) -> Result<Upload, Ended> {
        if head.expects_continue && self.buffer.is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| Ended::Silent)?;
        }
        let mut body = Upload::default();
        let deadline = Instant::now() + BODY_DEADLINE;
        loop {
            let missing = head.length - body.bytes.len();
            let have = missing.min(self.buffer.len());
            body.reserve(have, budget).map_err(Ended::Refused)?;
            body.bytes.extend(self.buffer.drain(..have));
            if missing == have {
                return Ok(body);
            }
            match self.fill(deadline).await {
                Ok(()) => (),
                Err(Stop::Late) => return Err(too_slow("The body did not come in time")),
                Err(Stop::Gone | Stop::Displaced) => return Err(Ended::Silent),
            }
        }
    }

    /// Reads some more into the buffer.
    async fn fill(&mut self, deadline: Instant) -> Result<(), Stop> {
        self.buffer.reserve(READ);
        let read = timeout_at(deadline, self.stream.read_buf(&mut self.buffer));
        let read = tokio::select! {
            biased;
            () = self.seat.displaced() => return Err(Stop::Displaced),
            read = read => read,
            _ = self.stopped.wait_for(|&stopped| stopped) => return Err(Stop::Displaced),
        };
        match read {
            Err(_) => Err(Stop::Late),
            Ok(Ok(0) | Err(_)) => Err(Stop::Gone),
            Ok(Ok(_)) => Ok(()),
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

impl Upload {
    /// Takes the share of `budget` that `more` octets need.
    fn reserve(&mut self, more: usize, budget: &Arc<Semaphore>) -> Result<(), Refused> {
        let shares = (self.bytes.len() + more).div_ceil(BODY_UNIT);
        while self.shares.len() < shares {
            let share = Arc::clone(budget).try_acquire_owned().map_err(|_| {
                let detail = "Too many bodies are being received; try again shortly";
                overloaded(detail)
            })?;
            self.shares.push(share);
        }
        Ok(())
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
