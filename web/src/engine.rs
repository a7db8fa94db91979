//! The only file that knows tiny_http: its requests become the `http` crate's, answers go the other way.
//!
//! Requests come from the guard over the private socket; each worker thread answers one at a time.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderName, HeaderValue, Method, Uri};
use tiny_http::Server;

use crate::Error;
use crate::answer::{Body, Problem, Request, Response};
use crate::route::{self, Context};
use crate::trace::Ids;

/// Shared by guard and workers.
pub(crate) struct Engine {
    server: Server,
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
    pub(crate) fn new(server: Server, dir: File, workers: u8) -> Self {
        Self { server, over: AtomicBool::new(false), workers, _dir: dir }
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
                Ok(request) => answer(&mut self.context, request),
                Err(_) if self.engine.over.load(Ordering::Acquire) => return Ok(()),
                Err(error) => return Err(Error::Engine(error)),
            }
        }
    }
}

fn answer(context: &mut Context, mut request: tiny_http::Request) {
    let response = match translate(&mut request) {
        Ok(translated) => route::answer(context, &translated),
        Err(problem) => problem.into_response(&Ids::new().trace),
    };
    // The guard reads every answer; an error here is a guard that has been stopped.
    let _ = request.respond(untranslate(response));
}

fn translate(request: &mut tiny_http::Request) -> Result<Request, Problem> {
    let bad = || Problem::new(http::StatusCode::BAD_REQUEST, "bad_request", "The request could not be read");
    let length = request.body_length().unwrap_or(0);
    let mut body = Vec::with_capacity(length);
    request.as_reader().take(length as u64).read_to_end(&mut body).map_err(|_| bad())?;
    let mut translated = Request::new(body);
    *translated.method_mut() = Method::from_bytes(request.method().as_str().as_bytes()).map_err(|_| bad())?;
    *translated.uri_mut() = request.url().parse::<Uri>().map_err(|_| bad())?;
    for field in request.headers() {
        let name = HeaderName::from_bytes(field.field.as_str().as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_str(field.value.as_str()).map_err(|_| bad())?;
        translated.headers_mut().append(name, value);
    }
    Ok(translated)
}

fn untranslate(response: Response) -> tiny_http::Response<Cursor<Body>> {
    let (parts, body) = response.into_parts();
    let length = body.as_ref().len();
    let fields = parts.headers.iter().filter_map(|(name, value)| {
        tiny_http::Header::from_bytes(name.as_str().as_bytes(), value.as_bytes()).ok()
    });
    let status = tiny_http::StatusCode(parts.status.as_u16());
    // The guard frames by length only.
    tiny_http::Response::new(status, fields.collect(), Cursor::new(body), Some(length), None)
        .with_chunked_threshold(usize::MAX)
}
