//! From the guard to the engine and back: one request per connection, over the private socket.
//!
//! Each exchange is a task of its own that reads an answer of known length to its end whatever becomes of the client, so
//! that the engine never meets a broken connection and no slow reader holds a worker. A body without a length may be
//! gigabytes long: it comes as quickly as the client takes it, and ends with the client.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::chunks::Chunks;
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
/// Pieces of a body without a length held for its client.
const STREAM_PIECES: usize = 4;
/// The engine's own head is never larger.
const MAX_ANSWER_HEAD: usize = 32 * 1024;

/// The field in which handlers find the client's address; what clients send under this name is removed.
pub(crate) const PEER: HeaderName = HeaderName::from_static("x-weir-peer");
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
    /// The body has no length, and ends with [`Part::End`].
    pub(crate) is_stream: bool,
    pub(crate) parts: mpsc::Receiver<Part>,
}

/// What comes after the beginning of an answer.
pub(crate) enum Part {
    /// Some of the body.
    Piece(Piece),
    /// A body without a length is whole.
    End,
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
        let (parts, receiver) = mpsc::channel(MAX_PIECES);
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
        tokio::spawn(exchange.run(begun, parts));
        match timeout(ANSWER_DEADLINE, beginning).await {
            Ok(Ok(Beginning { status, headers, is_stream })) => {
                Ok(Answer { status, headers, is_stream, parts: receiver })
            }
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

/// The head of an answer.
struct Beginning {
    status: StatusCode,
    headers: HeaderMap,
    is_stream: bool,
}

type Begun = oneshot::Sender<Beginning>;

impl Exchange {
    /// Ends without having used `begun` when the engine gave no answer: the asker is told by that.
    async fn run(self, begun: Begun, parts: mpsc::Sender<Part>) {
        let _ = self.exchange(begun, parts).await;
    }

    async fn exchange(&self, begun: Begun, parts: mpsc::Sender<Part>) -> io::Result<()> {
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
        let beginning = answer_head(&bytes[..end]).ok_or(io::ErrorKind::InvalidData)?;
        bytes.drain(..end);
        let is_stream = beginning.is_stream;
        let is_wanted = begun.send(beginning).is_ok();
        match is_stream {
            true if is_wanted => pour(stream, bytes, &parts).await,
            true => Ok(()),
            false => self.read_to_end(stream, bytes, is_wanted, &parts).await,
        }
    }

    async fn read_to_end(
        &self,
        mut stream: UnixStream,
        mut bytes: Vec<u8>,
        mut is_wanted: bool,
        parts: &mpsc::Sender<Part>,
    ) -> io::Result<()> {
        loop {
            if is_wanted && !bytes.is_empty() {
                is_wanted = pass_on(std::mem::take(&mut bytes), &self.room, parts).await;
            }
            bytes.clear();
            bytes.reserve(PIECE);
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
    }
}

/// Takes a body without a length apart and hands it on, until it is whole, breaks off, or is wanted no more; in each case
/// the engine finds its connection closed.
async fn pour(mut stream: UnixStream, mut bytes: Vec<u8>, parts: &mpsc::Sender<Part>) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(STREAM_PIECES));
    let mut chunks = Chunks::default();
    loop {
        let mut body = Vec::new();
        chunks.decode(&bytes, &mut body).map_err(|_| io::ErrorKind::InvalidData)?;
        if !body.is_empty() && !pass_on(body, &room, parts).await {
            return Ok(());
        }
        if chunks.is_over() {
            let _ = parts.send(Part::End).await;
            return Ok(());
        }
        bytes.clear();
        bytes.reserve(PIECE);
        let read = tokio::select! {
            read = stream.read_buf(&mut bytes) => read?,
            () = parts.closed() => return Ok(()),
        };
        if read == 0 {
            return Ok(());
        }
    }
}

/// Hands a piece to the client's task; false when that has gone.
async fn pass_on(bytes: Vec<u8>, room: &Arc<Semaphore>, parts: &mpsc::Sender<Part>) -> bool {
    let room = tokio::select! {
        biased;
        room = Arc::clone(room).acquire_owned() => room,
        () = parts.closed() => return false,
    };
    let Ok(room) = room else { return false };
    parts.send(Part::Piece(Piece { bytes, _room: room })).await.is_ok()
}

fn answer_head(bytes: &[u8]) -> Option<Beginning> {
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
    let coding = headers.remove(TRANSFER_ENCODING);
    let is_stream = coding.as_ref().is_some_and(|coding| coding == "chunked");
    // One way of framing, and one that is known.
    if is_stream != coding.is_some() || is_stream == headers.contains_key(CONTENT_LENGTH) {
        return None;
    }
    Some(Beginning { status: StatusCode::from_u16(response.code?).ok()?, headers, is_stream })
}
