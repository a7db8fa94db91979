//! Capture files, read as a stream: pcap and pcapng, plain or compressed with gzip or zstd.

mod buffer;
mod clock;
mod error;
mod octets;
mod pcap;
mod pcapng;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use weir_flow::Timestamp;

use super::Frame;
use crate::packet::LinkType;
use buffer::Buffer;
pub use clock::FileClock;
use error::Fault;
pub use error::{Damage, Error};
pub use octets::Octets;
use pcap::Pcap;
use pcapng::Pcapng;

/// Longest frame: `MAXIMUM_SNAPLEN` of libpcap. Stops a damaged length from taking memory.
pub const MAX_FRAME: usize = 262_144;

/// Largest zstd window that is decompressed, as the logarithm of its octets: 128 MiB, the format's own default limit.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// Octets of an unknown file that are shown: enough to tell text, archives and other captures apart.
const SHOWN_OCTETS: usize = 8;

/// A file that may be a capture.
pub enum Input {
    /// It is one.
    Capture(CaptureFile),
    /// It is not.
    Other(Octets),
}

impl Input {
    /// Opens `path`, `-` for standard input.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Empty`], or what reading its beginning answers.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let source: Box<dyn Read + Send> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            let file = File::open(path).map_err(failed)?;
            if file.metadata().map_err(failed)?.is_dir() {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            Box::new(file)
        };
        Self::from_reader(path, source)
    }

    /// Reads from `source`; errors call it `path`.
    ///
    /// # Errors
    /// As [`Input::open`], without [`Error::Open`].
    pub fn from_reader(path: &Path, source: Box<dyn Read + Send>) -> Result<Self, Error> {
        let (mut buffer, path) = (Buffer::new(source), path.to_owned());
        if let Err(source) = buffer.decompress(decompressor) {
            return Err(Error::Read { path, offset: 0, source });
        }
        match CaptureFile::sniff(&mut buffer) {
            Ok(Some(format)) => Ok(Self::Capture(CaptureFile { path, buffer, format })),
            Ok(None) if buffer.bytes().is_empty() => Err(Error::Empty { path }),
            Ok(None) => Ok(Self::Other(Octets::new(path, buffer))),
            Err(fault) => Err(fault.at(&path, buffer.offset())),
        }
    }

    fn capture(self) -> Result<CaptureFile, Error> {
        match self {
            Self::Capture(file) => Ok(file),
            Self::Other(octets) => {
                Err(Error::Unknown { start: octets.start(), path: octets.path().to_owned() })
            }
        }
    }
}

/// An open capture file.
pub struct CaptureFile {
    path: PathBuf,
    buffer: Buffer,
    format: Format,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// A frame before its data is borrowed: where it lies in the buffer.
struct Located {
    timestamp: Timestamp,
    wire_len: u32,
    captured: usize,
    /// Octets of the record before the frame.
    before: usize,
    link: LinkType,
}

impl CaptureFile {
    /// Opens `path`, `-` for standard input.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Unknown`], or what reading its beginning answers.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Input::open(path)?.capture()
    }

    /// Reads a capture file from `source`; errors call it `path`.
    ///
    /// # Errors
    /// As [`CaptureFile::open`], without [`Error::Open`].
    pub fn from_reader(path: &Path, source: Box<dyn Read + Send>) -> Result<Self, Error> {
        Input::from_reader(path, source)?.capture()
    }

    fn sniff(buffer: &mut Buffer) -> Result<Option<Format>, Fault> {
        buffer.fill(SHOWN_OCTETS)?;
        if let Some(pcap) = Pcap::begin(buffer)? {
            return Ok(Some(Format::Pcap(pcap)));
        }
        Ok(Pcapng::begin(buffer).map(Format::Pcapng))
    }

    /// The next frame and its link type; `None` at the end.
    ///
    /// # Errors
    /// What is wrong with the file; frames before that have been handed out.
    #[inline]
    #[expect(
        clippy::should_implement_trait,
        reason = "frames borrow the buffer: no `Iterator` can hand them out"
    )]
    pub fn next(&mut self) -> Result<Option<(Frame<'_>, LinkType)>, Error> {
        let located = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.buffer),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.buffer),
        };
        match located {
            Ok(Some(Located { timestamp, wire_len, captured, before, link })) => {
                let data = self.buffer.take(before, captured);
                Ok(Some((Frame { timestamp, wire_len, data, vlan: None, outgoing: false }, link)))
            }
            Ok(None) => Ok(None),
            Err(fault) => Err(fault.at(&self.path, self.buffer.offset())),
        }
    }

    /// Octets read so far, after decompression.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.buffer.offset()
    }
}

/// The decompressor that the first octets of a file ask for.
fn decompressor(
    start: &[u8],
    source: Box<dyn Read + Send>,
) -> io::Result<Result<Box<dyn Read + Send>, Box<dyn Read + Send>>> {
    Ok(match start {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(source))),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let mut decoder = zstd::stream::read::Decoder::new(source)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            Ok(Box::new(decoder))
        }
        _ => Err(source),
    })
}

#[cfg(test)]
mod tests;
