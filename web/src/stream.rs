//! Bodies without a length known before: written by a worker piece by piece, in chunks (RFC 9112 §7.1), from which the
//! guard learns whether all of it came.

use std::io::{self, Write};

use crate::route::Context;

/// What writes a body; a failure ends the answer so that the client can tell.
pub(crate) type Stream = Box<dyn FnOnce(&mut Context, &mut dyn Write) -> io::Result<()> + Send>;

/// Octets of a chunk: what the guard hands on at a time.
pub(crate) const CHUNK: usize = 16 * 1024;
/// Ends a body.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes chunks. Nothing but [`Self::finish`] writes the last one: what is dropped before it is not whole.
pub(crate) struct Chunks<W> {
    to: W,
    buffer: Vec<u8>,
}

impl<W: Write> Chunks<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, buffer: Vec::with_capacity(CHUNK) }
    }

    /// Ends the body.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.send()?;
        self.to.write_all(LAST_CHUNK)?;
        self.to.flush()
    }

    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            // A chunk of no octets would be the last one.
            return Ok(());
        }
        write!(self.to, "{:x}\r\n", self.buffer.len())?;
        self.to.write_all(&self.buffer)?;
        self.to.write_all(b"\r\n")?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for Chunks<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = octets.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(octets.get(..taken).unwrap_or(octets));
        if self.buffer.len() >= CHUNK {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{CHUNK, Chunks};

    #[test]
    fn only_a_finished_body_has_a_last_chunk() {
        let mut whole = Vec::new();
        let mut chunks = Chunks::new(&mut whole);
        chunks.write_all(b"abc").unwrap();
        chunks.flush().unwrap();
        chunks.flush().unwrap();
        chunks.write_all(b"de").unwrap();
        chunks.finish().unwrap();
        assert_eq!(whole, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        let mut broken = Vec::new();
        Chunks::new(&mut broken).write_all(&[b'x'; CHUNK + 1]).unwrap();
        assert_eq!(broken.len(), CHUNK + "4000\r\n\r\n".len());
    }
}
