//! A body as text that is gone through once: in place where it came plain, else unpacked piece by piece.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use super::coding::Coding;
use super::fault::{Fault, Refusal, over_size};

/// Octets that a body may unpack to: batches of the largest size fit many times, a bomb does not.
pub(super) const MAX_TEXT: usize = 64 * 1024 * 1024;
/// And how often its own length: flow records pack ten to thirty times, bombs a thousand times.
const MAX_RATIO: usize = 100;
/// Below this much text the ratio does not matter: as much may come plain.
const FREE_TEXT: usize = 5 * 1024 * 1024;
/// Unpacked at a time: fits the processor's near caches.
const PIECE: usize = 64 * 1024;
/// Memory that a Zstandard frame may ask for, as a power of two: 8 MiB, what RFC 8878 §3.1.1.1.2 recommends to support.
const MAX_WINDOW_LOG: u32 = 23;

/// The text of a body, from a mark on that moves with what is still needed.
pub(super) struct Text<'a> {
    source: Source<'a>,
    /// Offset of the mark in the octets at hand.
    mark: usize,
    /// Offset of the next octet.
    at: usize,
}

enum Source<'a> {
    Plain(&'a [u8]),
    Packed(Box<Packed<'a>>),
}

struct Packed<'a> {
    from: Box<dyn Read + 'a>,
    coding: Coding,
    buffer: Vec<u8>,
    /// Octets unpacked so far, and how many may be.
    unpacked: usize,
    limit: usize,
}

impl<'a> Text<'a> {
    /// The text of `body`.
    pub(super) fn new(body: &'a [u8], coding: Coding) -> Result<Self, Fault> {
        let from: Box<dyn Read + 'a> = match coding {
            Coding::Identity => return Ok(Self { source: Source::Plain(body), mark: 0, at: 0 }),
            Coding::Gzip => Box::new(MultiGzDecoder::new(body)),
            Coding::Zstd => Box::new(zstd_decoder(body).map_err(|_| undecodable(coding))?),
        };
        let limit = (body.len() * MAX_RATIO).clamp(FREE_TEXT, MAX_TEXT);
        let packed = Packed { from, coding, buffer: Vec::new(), unpacked: 0, limit };
        Ok(Self { source: Source::Packed(Box::new(packed)), mark: 0, at: 0 })
    }

    /// What is at hand after what was passed.
    pub(super) fn rest(&self) -> &[u8] {
        self.all().get(self.at..).unwrap_or_default()
    }

    /// Passes `octets` of the rest.
    pub(super) fn pass(&mut self, octets: usize) {
        self.at += octets;
    }

    /// Nothing before this place is needed any more.
    pub(super) fn set_mark(&mut self) {
        self.mark = self.at;
    }

    /// Octets passed since the mark.
    pub(super) const fn since_mark(&self) -> usize {
        self.at - self.mark
    }

    /// The first `octets` after the mark.
    pub(super) fn marked(&self, octets: usize) -> &[u8] {
        self.all().get(self.mark..self.mark + octets).unwrap_or_default()
    }

    /// Gets more, once the rest is of no use without it; false at the end of the text.
    pub(super) fn more(&mut self) -> Result<bool, Fault> {
        let Source::Packed(packed) = &mut self.source else { return Ok(false) };
        packed.buffer.drain(..self.mark);
        self.at -= self.mark;
        self.mark = 0;
        packed.fill()
    }

    /// The next octet that is no white space (RFC 8259 §2), left where it is; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let rest = self.rest();
            if let Some(blank) = rest.iter().position(|octet| !matches!(octet, b' ' | b'\n' | b'\r' | b'\t'))
            {
                let found = rest.get(blank).copied();
                self.pass(blank);
                return Ok(found);
            }
            self.pass(rest.len());
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn all(&self) -> &[u8] {
        match &self.source {
            Source::Plain(text) => text,
            Source::Packed(packed) => &packed.buffer,
        }
    }
}

impl Packed<'_> {
    /// Unpacks another piece; false at the end.
    fn fill(&mut self) -> Result<bool, Fault> {
        let length = self.buffer.len();
        self.buffer.resize(length + PIECE, 0);
        let read = self.from.read(self.buffer.get_mut(length..).unwrap_or_default());
        let read = read.map_err(|_| undecodable(self.coding))?;
        self.buffer.truncate(length + read);
        self.unpacked += read;
        if self.unpacked > self.limit {
            return Err(over_size(
                format!("The body unpacks to more than {} octets", self.limit),
                self.limit,
                self.coding.as_str(),
                self.unpacked,
            ));
        }
        Ok(read > 0)
    }
}

fn zstd_decoder(body: &[u8]) -> std::io::Result<impl Read + '_> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

fn undecodable(coding: Coding) -> Fault {
    let detail = format!("The body is no whole {} data", coding.as_str());
    Fault::bad(Refusal::DecompressFailed, "decompress_failed", detail)
}
