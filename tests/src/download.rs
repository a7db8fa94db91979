//! Downloads: bodies without a length, read as they come, of which it is known whether they are whole.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::read::MultiGzDecoder;

const CONNECT: Duration = Duration::from_secs(10);
/// A slice without a hit may take its time on a busy machine.
const SILENCE: Duration = Duration::from_secs(60);

/// An answer whose body is still to be read.
pub struct Download {
    /// Status code.
    pub status: u16,
    /// Head, without the status line, in lower case.
    pub head: String,
    body: Chunks<BufReader<TcpStream>>,
}

/// The data of chunks; an end without the last chunk is an error.
struct Chunks<R> {
    from: R,
    left: usize,
    is_over: bool,
}

impl Download {
    /// Asks for `path` with `key` in HTTP/1.1, and reads the head; `more` are further lines of it.
    ///
    /// # Panics
    /// Where no answer comes.
    #[must_use]
    pub fn begin(to: SocketAddr, key: &str, path: &str, more: &str) -> Self {
        let mut stream = BufReader::new(ask(to, key, &format!("GET {path} HTTP/1.1"), more));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).expect("a head"), 0, "no head: {head}");
        }
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let head = head.to_ascii_lowercase();
        Self { status, head, body: Chunks { from: stream, left: 0, is_over: false } }
    }

    /// A field of the head.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    }

    /// The body, unpacked as the head says; reading fails where it breaks off.
    ///
    /// # Panics
    /// Where it is no answer in chunks, or packed in a way that nobody asked for.
    #[must_use]
    pub fn lines(self) -> Box<dyn BufRead> {
        assert_eq!(self.field("transfer-encoding"), Some("chunked"), "{}", self.head);
        match self.field("content-encoding") {
            None => Box::new(BufReader::new(self.body)),
            Some("gzip") => Box::new(BufReader::new(MultiGzDecoder::new(self.body))),
            Some("zstd") => {
                Box::new(BufReader::new(zstd::stream::read::Decoder::new(self.body).expect("memory")))
            }
            Some(other) => panic!("nobody asked for {other}"),
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.is_over {
            let mut line = String::new();
            self.from.by_ref().take(16).read_line(&mut line)?;
            let size = line.strip_suffix("\r\n").and_then(|size| usize::from_str_radix(size, 16).ok());
            self.left = size.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no whole body"))?;
            if self.left == 0 {
                self.end_of_chunk()?;
                self.is_over = true;
            }
        }
        let most = buffer.len().min(self.left);
        if most == 0 {
            // A reader that is asked for nothing may wait for something all the same.
            return Ok(0);
        }
        let read = self.from.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no whole chunk"));
        }
        self.left -= read;
        if self.left == 0 {
            self.end_of_chunk()?;
        }
        Ok(read)
    }
}

impl<R: Read> Chunks<R> {
    fn end_of_chunk(&mut self) -> io::Result<()> {
        let mut end = [0; 2];
        self.from.read_exact(&mut end)?;
        if end == *b"\r\n" { Ok(()) } else { Err(io::Error::other("a chunk without its end")) }
    }
}

/// Sends a request without a body, whose first line is `line`; the connection.
///
/// # Panics
/// Where the agent does not take it.
#[must_use]
pub fn ask(to: SocketAddr, key: &str, line: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect_timeout(&to, CONNECT).expect("the agent listens");
    stream.set_read_timeout(Some(SILENCE)).expect("a time limit");
    let head = format!("{line}\r\nHost: {to}\r\nAuthorization: Bearer {key}\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).expect("the agent reads");
    stream
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Chunks;

    fn read(raw: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        Chunks { from: raw, left: 0, is_over: false }.read_to_end(&mut body).map(|_| body)
    }

    #[test]
    fn a_body_without_its_last_chunk_is_not_whole() {
        assert_eq!(read(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").unwrap(), b"abcde");
        for broken in [&b""[..], b"3\r\nab", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n", b"3\r\nabcd\r\n0\r\n\r\n"]
        {
            assert!(read(broken).is_err(), "{broken:?}");
        }
    }
}
