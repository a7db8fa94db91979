//! The unpacked content of a file, as a stream.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::file::{self, Stat};
use super::identity::HEAD;
use super::name::Packing;

/// Read at a time. A hundred logs are open at once, so not more; larger pieces are no faster.
const BUFFER: usize = 16 << 10;
/// Largest zstd window that is unpacked, as the logarithm of its octets: 16 MiB, twice what the levels up to 19 use. Stops a
/// file from taking the memory of the whole agent.
const MAX_WINDOW_LOG: u32 = 24;

/// The content of a file, unpacked.
pub(super) enum Stream {
    /// As it is; it can grow.
    Plain(BufReader<File>),
    /// Unpacked while it is read.
    Packed(Box<dyn BufRead + Send>),
}

impl Stream {
    /// Opens `path`.
    pub(super) fn open(path: &Path, packing: Packing) -> io::Result<(Self, Stat)> {
        let (file, stat) = file::open(path)?;
        let source = BufReader::with_capacity(BUFFER, file);
        let stream = match packing {
            Packing::Plain => Self::Plain(source),
            Packing::Gzip => {
                Self::Packed(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(source))))
            }
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
                decoder.window_log_max(MAX_WINDOW_LOG)?;
                Self::Packed(Box::new(BufReader::with_capacity(BUFFER, decoder)))
            }
        };
        Ok((stream, stat))
    }

    /// The first octets of the file at `path`, unpacked: [`HEAD`], or as many as there are.
    pub(super) fn head(path: &Path, packing: Packing) -> io::Result<Vec<u8>> {
        let (stream, _) = Self::open(path, packing)?;
        let mut head = Vec::with_capacity(HEAD);
        match stream.take(HEAD as u64).read_to_end(&mut head) {
            // A file that is just being packed has as much as it has.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            _ => Ok(head),
        }
    }

    /// What the file system says of the file now; `None` when it cannot grow.
    pub(super) fn stat(&self) -> io::Result<Option<Stat>> {
        match self {
            Self::Plain(reader) => Ok(Some(Stat::of(&reader.get_ref().metadata()?))),
            Self::Packed(_) => Ok(None),
        }
    }

    /// The first `length` octets as they are now, without a change of place; `None` when it cannot grow.
    pub(super) fn first(&self, length: usize) -> io::Result<Option<Vec<u8>>> {
        let Self::Plain(reader) = self else { return Ok(None) };
        let (mut octets, mut filled) = (vec![0; length], 0);
        while filled < length {
            match reader.get_ref().read_at(&mut octets[filled..], filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        octets.truncate(filled);
        Ok(Some(octets))
    }

    /// The place behind the last line feed among the first `size` octets of a file that is not packed.
    pub(super) fn last_line_end(&self, size: u64) -> io::Result<u64> {
        let Self::Plain(reader) = self else { return Ok(0) };
        let (mut octets, mut end) = (vec![0; BUFFER], size);
        while end > 0 {
            let begin = end.saturating_sub(BUFFER as u64);
            let piece = usize::try_from(end - begin).map_or(BUFFER, |length| length.min(BUFFER));
            let piece = &mut octets[..piece];
            reader.get_ref().read_exact_at(piece, begin)?;
            if let Some(at) = piece.iter().rposition(|&octet| octet == b'\n') {
                return Ok(begin + at as u64 + 1);
            }
            end = begin;
        }
        Ok(0)
    }

    /// Goes to `offset` of a file that is not packed.
    pub(super) fn rewind_to(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(reader) => reader.seek(SeekFrom::Start(offset)).map(drop),
            Self::Packed(_) => Ok(()),
        }
    }

    /// Goes from the beginning to `offset`; false when `is_over` said so before.
    pub(super) fn skip_to(&mut self, offset: u64, is_over: impl Fn() -> bool) -> io::Result<bool> {
        if matches!(self, Self::Plain(_)) {
            return self.rewind_to(offset).map(|()| true);
        }
        let mut left = offset;
        while left > 0 {
            if is_over() {
                return Ok(false);
            }
            let ready = self.fill_buf()?.len();
            if ready == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let step = ready.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.consume(step);
            left -= step as u64;
        }
        Ok(true)
    }
}

impl Read for Stream {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(octets),
            Self::Packed(reader) => reader.read(octets),
        }
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(reader) => reader.fill_buf(),
            Self::Packed(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match self {
            Self::Plain(reader) => reader.consume(amount),
            Self::Packed(reader) => reader.consume(amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::{HEAD, Packing, Stream};

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_file_begins_the_same_however_it_is_packed_and_is_read_on_from_any_place() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let packed = zstd::stream::encode_all(&*content, 3).unwrap();
        let files =
            [(Packing::Plain, content.clone()), (Packing::Gzip, gzip(&content)), (Packing::Zstd, packed)];
        for (packing, octets) in files {
            let path = folder.path().join("a");
            fs::write(&path, octets).unwrap();
            assert_eq!(Stream::head(&path, packing).unwrap(), &content[..HEAD]);
            let mut stream = Stream::open(&path, packing).unwrap().0;
            assert!(stream.skip_to(123_456, || false).unwrap());
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            assert!(rest == content[123_456..], "{packing:?}");
        }
    }

    #[test]
    fn a_file_that_is_still_being_packed_shows_what_there_is_and_the_end_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gz");
        let content: Vec<u8> =
            (0..50_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let whole = gzip(&content);
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(Stream::head(&path, Packing::Gzip).unwrap(), &content[..HEAD]);
        let mut rest = Vec::new();
        assert!(Stream::open(&path, Packing::Gzip).unwrap().0.read_to_end(&mut rest).is_err());
        assert!(!rest.is_empty() && content.starts_with(&rest));
        fs::write(&path, &whole[..5]).unwrap();
        assert_eq!(Stream::head(&path, Packing::Gzip).unwrap(), b"");
    }
}
