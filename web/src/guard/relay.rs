//! From the guard to the engine and back: one request per connection, over the private socket.
//!
//! Each exchange is a task of its own that reads the answer to its end whatever becomes of the client, so that
//! the engine never meets a broken connection and no slow reader holds a worker.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::client::{Upload, overloaded};
use super::head::{Head, Refused};
use super::room::Held;
use crate::answer::Problem;
use crate::counters::Refusal;
use crate::shelf::{Shelf, Shelved};
use crate::trace::Ids;

/// Requests at the engine at once: it spends a thread on each.
const MAX_IN_FLIGHT: usize = 16;
/// How long a request may wait for its turn.
const TURN_DEADLINE: Duration = Duration::from_secs(5);
/// And a batch, of which many may come at once: a minute's worth is read on the slowest gateway.
const BATCH_TURN_DEADLINE: Duration = Duration::from_secs(60);
/// How long a handler may take until its answer begins.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Octets of an answer handed on at a time.
const PIECE: usize = 16 * 1024;
/// Pieces held for clients that read slowly, all together 16 MiB; then the engine has to wait.
const MAX_PIECES: usize = 1024;
/// The engine's own head is never larger.
const MAX_ANSWER_HEAD: usize = 32 * 1024;

/// The field in which handlers find the client's address; what clients send under this name is removed.
const PEER: HeaderName = HeaderName::from_static("x-weir-peer");
/// The field in which the engine finds the number of the body; from clients it is removed too.
pub(crate) const BODY: HeaderName = HeaderName::from_static("x-weir-body");

/// The way to the engine.
pub(crate) struct Upstream {
    socket: PathBuf,
    shelf: Arc<Shelf>,
    turns: Arc<Semaphore>,
    /// Turns of batches: one worker is left for everything else, so that no health check waits for a batch.
    batches: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// The beginning of an answer, and where the rest comes from.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) pieces: mpsc::Receiver<Piece>,
}

/// Part of an answer's body, with its share of the room for such parts.
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

struct Exchange {
    socket: PathBuf,
    request: String,
    _body: Option<Shelved>,
    _held: Held,
    room: Arc<Semaphore>,
    _turns: [Option<OwnedSemaphorePermit>; 2],
}

impl Upstream {
    pub(crate) fn new(socket: PathBuf, shelf: Arc<Shelf>, workers: u8) -> Self {
        let turns = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let batches = Arc::new(Semaphore::new(usize::from(workers.saturating_sub(1).max(1))));
        Self { socket, shelf, turns, batches, room: Arc::new(Semaphore::new(MAX_PIECES)) }
    }

    /// Hands a request to the engine and waits for the beginning of the answer.
    pub(crate) async fn ask(
        &self,
        head: &Head,
        body: Upload,
        peer: IpAddr,
        ids: &Ids,
    ) -> Result<Answer, Refused> {
        let batch = match head.is_batch() {
            true => Some(turn(&self.batches, BATCH_TURN_DEADLINE).await?),
            false => None,
        };
        let turns = [batch, Some(turn(&self.turns, TURN_DEADLINE).await?)];
        let (begun, beginning) = oneshot::channel();
        let (pieces, receiver) = mpsc::channel(MAX_PIECES);
        let Upload { bytes, held } = body;
        let body = (!bytes.is_empty()).then(|| self.shelf.put(bytes));
        let exchange = Exchange {
            socket: self.socket.clone(),
            request: request_head(head, body.as_ref().map(Shelved::number), peer, ids),
            _body: body,
            _held: held,
            room: Arc::clone(&self.room),
            _turns: turns,
        };
        tokio::spawn(exchange.run(begun, pieces));
        match timeout(ANSWER_DEADLINE, beginning).await {
            Ok(Ok((status, headers))) => Ok(Answer { status, headers, pieces: receiver }),
            Ok(Err(_)) => Err(no_answer(StatusCode::BAD_GATEWAY, "no_answer", "The request got no answer")),
            Err(_) => Err(no_answer(StatusCode::GATEWAY_TIMEOUT, "timeout", "The answer took too long")),
        }
    }
}

async fn turn(turns: &Arc<Semaphore>, wait: Duration) -> Result<OwnedSemaphorePermit, Refused> {
    let turn = timeout(wait, Arc::clone(turns).acquire_owned()).await;
    turn.ok().and_then(Result::ok).ok_or_else(|| overloaded("All workers are busy; try again shortly"))
}

fn no_answer(status: StatusCode, code: &'static str, detail: &'static str) -> Refused {
    (Refusal::NoAnswer, Problem::new(status, code, detail))
}

/// A head in the guard's own words.
pub(super) fn request_head(head: &Head, body: Option<u64>, peer: IpAddr, ids: &Ids) -> String {
    let mut text = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", head.method, head.target);
    for (name, value) in &head.headers {
        let settled = name == "x-request-id" || name == "x-trace-id";
        if let (false, Ok(value)) = (settled, value.to_str()) {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    if let Some(number) = body {
        let _ = write!(text, "{BODY}: {number}\r\n");
    }
    let _ = write!(text, "x-request-id: {}\r\nx-trace-id: {}\r\n", ids.request, ids.trace);
    let _ = write!(text, "{PEER}: {peer}\r\n\r\n");
    text
}

type Begun = oneshot::Sender<(StatusCode, HeaderMap)>;

impl Exchange {
    /// Ends without having used `begun` when the engine gave no answer: the asker is told by that.
    async fn run(self, begun: Begun, pieces: mpsc::Sender<Piece>) {
        let _ = self.exchange(begun, pieces).await;
    }

    async fn exchange(&self, begun: Begun, pieces: mpsc::Sender<Piece>) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(self.request.as_bytes()).await?;
        let mut bytes = Vec::with_capacity(PIECE);
        let end = loop {
            if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > MAX_ANSWER_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = answer_head(&bytes[..end]).ok_or(io::ErrorKind::InvalidData)?;
        bytes.drain(..end);
        let mut wanted = begun.send(head).is_ok();
        loop {
            if wanted && !bytes.is_empty() {
                wanted = self.pass_on(std::mem::take(&mut bytes), &pieces).await;
            }
            bytes.clear();
            bytes.reserve(PIECE);
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Hands a piece to the client's task; false when that has gone.
    async fn pass_on(&self, bytes: Vec<u8>, pieces: &mpsc::Sender<Piece>) -> bool {
        let room = tokio::select! {
            biased;
            room = Arc::clone(&self.room).acquire_owned() => room,
            () = pieces.closed() => return false,
        };
        let Ok(room) = room else { return false };
        pieces.send(Piece { bytes, _room: room }).await.is_ok()
    }
}

fn answer_head(bytes: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    let mut fields = [httparse::EMPTY_HEADER; super::head::MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(bytes).ok().filter(httparse::Status::is_complete)?;
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        // What the engine says about itself and its connection stays here.
        if name != http::header::SERVER && name != http::header::CONNECTION {
            headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
        }
    }
    Some((StatusCode::from_u16(response.code?).ok()?, headers))
}
