//! Bodies without a length, on their way to a client: in chunks to one that speaks HTTP/1.1, to the end of the connection
//! for one of HTTP/1.0. Whoever reads them can tell a whole body from one that broke off.

use http::header::TRANSFER_ENCODING;
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::mpsc;

use super::client::Client;
use super::head::Head;
use super::pace::Pace;
use super::relay::{Answer, Part};
use super::{Shared, head_text, set_connection};
use crate::answer;
use crate::counters::Refusal;
use crate::stream::LAST_CHUNK;
use crate::trace::Ids;

impl Shared {
    /// Writes an answer whose body has no length as it comes.
    pub(super) async fn stream(
        &self,
        client: &mut Client,
        head: &Head,
        answer: Answer,
        ids: &Ids,
    ) -> Result<StatusCode, Refusal> {
        let Answer { status, mut headers, parts, .. } = answer;
        answer::finish(&mut headers, ids);
        if head.takes_chunks && head.method != Method::HEAD {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        set_connection(&mut headers, head.takes_chunks && head.keep_alive && !client.is_stopped());
        client.write(&head_text(status, &headers)).await?;
        if head.method == Method::HEAD {
            return Ok(status);
        }
        client.begin_stream();
        // Such bodies are few, and their clients are held to a pace: a crowd of new connections is no reason to end one.
        client.set_waiting(false);
        let poured = pour(client, head.takes_chunks, parts).await;
        client.set_waiting(true);
        if poured.is_err() && !head.takes_chunks {
            client.reset();
        }
        poured.map(|()| status)
    }
}

async fn pour(client: &mut Client, in_chunks: bool, mut parts: mpsc::Receiver<Part>) -> Result<(), Refusal> {
    let (mut pace, mut chunk) = (Pace::default(), Vec::new());
    loop {
        match client.while_running(parts.recv()).await? {
            // The engine broke off, and without the last chunk the client can tell.
            None => return Err(Refusal::NoAnswer),
            Some(Part::End) if in_chunks => return client.pour(LAST_CHUNK, &mut pace).await,
            Some(Part::End) => return Ok(()),
            Some(Part::Piece(piece)) if in_chunks => {
                chunk.clear();
                chunk.extend_from_slice(format!("{:x}\r\n", piece.bytes.len()).as_bytes());
                chunk.extend_from_slice(&piece.bytes);
                chunk.extend_from_slice(b"\r\n");
                client.pour(&chunk, &mut pace).await?;
            }
            Some(Part::Piece(piece)) => client.pour(&piece.bytes, &mut pace).await?,
        }
    }
}
