//! The only file that knows tiny_http: its requests become the `http` crate's, answers go the other way.
//!
//! Requests come from the guard over the private socket, their bodies by way of the shelf; each worker thread answers one at a time.

use std::fs::File;
use std::io::{self, Cursor, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::response::Parts;
use http::{HeaderName, HeaderValue, Method, Uri};
use tiny_http::Server;

use crate::Error;
use crate::answer::{Body, Problem, Request};
use crate::guard::BODY;
use crate::route::{self, Context};
use crate::shelf::Shelf;
use crate::stream::{Chunks, Stream};
use crate::trace::Ids;

/// Shared by guard and workers.
pub(crate) struct Engine {
    server: Server,
    shelf: Arc<Shelf>,
    over: AtomicBool,
    workers: u8,
    /// The directory through which the socket is reached; open as long as the server.
    _dir: File,
}

/// The body of one worker thread.
pub struct Worker {
    pub(crate) engine: Arc<Engine>,
    pub(crate) context: Context,
}

/// Ends the workers when dropped.
pub(crate) struct Closing(pub(crate) Arc<Engine>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        for _ in 0..self.0.workers {
            self.0.server.unblock();
        }
    }
}

impl Engine {
    pub(crate) fn new(server: Server, shelf: Arc<Shelf>, dir: File, workers: u8) -> Self {
        Self { server, shelf, over: AtomicBool::new(false), workers, _dir: dir }
    }
}

impl Worker {
    /// Answers requests until the guard has ended; the body of a thread.
    ///
    /// # Errors
    /// [`Error::Engine`] when no request can come any more although nobody asked for a stop.
    pub fn run(mut self) -> Result<(), Error> {
        loop {
            match self.engine.server.recv() {
                Ok(request) => answer(&mut self.context, &self.engine.shelf, request),
                Err(_) if self.engine.over.load(Ordering::Acquire) => return Ok(()),
                Err(error) => return Err(Error::Engine(error)),
            }
        }
    }
}

fn answer(context: &mut Context, shelf: &Shelf, request: tiny_http::Request) {
    let (response, ids) = match translate(&request, shelf) {
        Ok(translated) => (route::answer(context, &translated), Ids::passed(translated.headers())),
        Err(problem) => {
            let ids = Ids::new();
            (problem.into_response(&ids.trace), ids)
        }
    };
    let (parts, body) = response.into_parts();
    match body {
        Body::Stream(stream) => {
            if let Err(error) = pour(context, request, &parts, stream) {
                told(&error, &ids);
            }
        }
        // The guard reads every such answer; an error here is a guard that has been stopped.
        body => drop(request.respond(untranslate(&parts, body))),
    }
}

/// Writes a body as it is made, after its head; the head alone where no more is asked for.
fn pour(context: &mut Context, request: tiny_http::Request, parts: &Parts, stream: Stream) -> io::Result<()> {
    let is_head = *request.method() == tiny_http::Method::Head;
    let head = tiny_http::Response::new(status(parts), fields(parts), io::empty(), None, None);
    let mut writer = request.into_writer();
    // tiny_http's own encoder writes the last chunk after a failure too: the client would take a part for the whole.
    head.raw_print(&mut writer, tiny_http::HTTPVersion(1, 1), &[], true, None)?;
    writer.flush()?;
    if is_head {
        return Ok(());
    }
    let mut chunks = Chunks::new(writer);
    stream(context, &mut chunks)?;
    chunks.finish()
}

/// Tells the log of a body that broke off here; a client that went away is the guard's to count.
fn told(error: &io::Error, ids: &Ids) {
    if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
        tracing::warn!(trace_id = ids.trace, "an answer broke off: {error}");
    }
}

fn translate(request: &tiny_http::Request, shelf: &Shelf) -> Result<Request, Problem> {
    let bad = || Problem::new(http::StatusCode::BAD_REQUEST, "bad_request", "The request could not be read");
    let mut translated = Request::new(Vec::new());
    *translated.method_mut() = Method::from_bytes(request.method().as_str().as_bytes()).map_err(|_| bad())?;
    *translated.uri_mut() = request.url().parse::<Uri>().map_err(|_| bad())?;
    for field in request.headers() {
        let name = HeaderName::from_bytes(field.field.as_str().as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_str(field.value.as_str()).map_err(|_| bad())?;
        translated.headers_mut().append(name, value);
    }
    if let Some(number) = translated.headers_mut().remove(BODY) {
        let number = number.to_str().ok().and_then(|number| number.parse().ok());
        *translated.body_mut() = number.and_then(|number| shelf.take(number)).ok_or_else(bad)?;
    }
    Ok(translated)
}

fn untranslate(parts: &Parts, body: Body) -> tiny_http::Response<Cursor<Body>> {
    let length = body.as_ref().len();
    // The guard frames these by length only.
    tiny_http::Response::new(status(parts), fields(parts), Cursor::new(body), Some(length), None)
        .with_chunked_threshold(usize::MAX)
}

fn status(parts: &Parts) -> tiny_http::StatusCode {
    tiny_http::StatusCode(parts.status.as_u16())
}

fn fields(parts: &Parts) -> Vec<tiny_http::Header> {
    let fields = parts.headers.iter().filter_map(|(name, value)| {
        tiny_http::Header::from_bytes(name.as_str().as_bytes(), value.as_bytes()).ok()
    });
    fields.collect()
}
