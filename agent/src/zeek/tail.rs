//! One file on the way from its first line to its last.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use weir_flow::{Text, Timestamp};
use weir_intake::zeek::LogReader;

use super::file::{FileId, Stat};
use super::identity::{Fingerprint, HEAD};
use super::name::Packing;
use super::position::{Done, Position};
use super::reading::Next;
use super::stream::Stream;

/// A file that is being read.
pub(super) struct Tail {
    /// Index of its log.
    pub(super) log: usize,
    /// Where its position is kept, beside other files of the log.
    pub(super) place: u32,
    pub(super) path: PathBuf,
    pub(super) packing: Packing,
    /// It lies where Zeek writes to.
    pub(super) is_live: bool,
    /// What the file system said last.
    pub(super) stat: Stat,
    /// When it last had something new.
    pub(super) changed: Instant,
    /// How far reading came.
    pub(super) state: State,
    /// Its position was handed over.
    pub(super) is_kept: bool,
    /// The last line was Zeek's closing one.
    pub(super) is_closed: bool,
    pub(super) stream: Stream,
    pub(super) reader: LogReader,
    /// The first octets of what was read.
    head: Vec<u8>,
    /// Those of a packed file, which cannot be read again without unpacking it again.
    unpacked: Vec<u8>,
    /// After the last line that was taken.
    pub(super) offset: u64,
    /// Octets passed over of a line that is too long.
    pub(super) skipped: Option<u64>,
}

/// How far reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is more.
    Reading,
    /// All that was there is read.
    AtEnd,
    /// The packed content breaks off.
    Broken,
}

impl Tail {
    /// Opens the file at `path`, which begins with `head`, at its beginning.
    pub(super) fn open(
        path: &Path,
        packing: Packing,
        name: &Text,
        head: &[u8],
        now: Instant,
    ) -> io::Result<Self> {
        let (stream, stat) = Stream::open(path, packing)?;
        let unpacked = if packing == Packing::Plain { Vec::new() } else { head.to_vec() };
        Ok(Self {
            log: 0,
            place: 0,
            path: path.to_owned(),
            packing,
            is_live: false,
            stat,
            changed: now,
            state: State::Reading,
            is_kept: false,
            is_closed: false,
            stream,
            reader: LogReader::new(Some(name.clone())),
            head: Vec::new(),
            unpacked,
            offset: 0,
            skipped: None,
        })
    }

    /// Goes to a place where the file, which begins with `head`, was left; false when `is_over` said so before.
    pub(super) fn resume(
        &mut self,
        position: &Position,
        head: &[u8],
        is_over: impl Fn() -> bool,
    ) -> io::Result<bool> {
        self.reader.restore(&position.header);
        self.head = head.iter().take(length_of_head(position.offset)).copied().collect();
        self.offset = position.offset;
        self.is_kept = true;
        self.stream.skip_to(position.offset, is_over)
    }

    /// Goes to `offset`, or behind the last line, of a file that begins with `head`, having read its header.
    pub(super) fn go_to(&mut self, offset: Option<u64>, head: &[u8]) -> io::Result<()> {
        let mut line = Vec::new();
        while let Next::Line(_) = self.next_line(&mut line)?
            && line.first() == Some(&b'#')
        {
            self.reader.line(&line, Timestamp::default());
        }
        self.offset = match offset {
            Some(offset) => offset,
            None => self.stream.last_line_end(self.stat.size)?,
        };
        self.head = head.iter().take(length_of_head(self.offset)).copied().collect();
        self.stream.rewind_to(self.offset)
    }

    /// Which file it is, as far as it was read; `None` when nothing was.
    pub(super) fn start(&self) -> Option<Fingerprint> {
        (self.offset > 0).then(|| Fingerprint::of(&self.head))
    }

    /// The first octets of the file as they are now: at most [`HEAD`].
    pub(super) fn first(&self) -> io::Result<Vec<u8>> {
        Ok(self.stream.first(HEAD)?.unwrap_or_else(|| self.unpacked.clone()))
    }

    /// Whether it is packed and it is not yet known how it begins.
    pub(super) fn is_unpacked_in_part(&self) -> bool {
        self.packing != Packing::Plain && self.state != State::AtEnd && self.unpacked.len() < HEAD
    }

    /// Which file of which file system.
    pub(super) const fn id(&self) -> FileId {
        self.stat.id
    }

    /// Where it is, with the header in force; `None` when nothing was read.
    pub(super) fn position(&self) -> Option<Position> {
        let start = self.start()?;
        let modified = self.stat.modified;
        Some(Position { start, offset: self.offset, modified, header: self.reader.header() })
    }

    /// What is known of the file once it is finished.
    pub(super) fn done(&self) -> Option<Done> {
        Some(Done { start: self.start()?, size: self.offset })
    }

    /// Opens the file again where reading broke off; false when `is_over` said so before.
    pub(super) fn reopen(&mut self, is_over: impl Fn() -> bool) -> io::Result<bool> {
        let (stream, stat) = Stream::open(&self.path, self.packing)?;
        if self.packing != Packing::Plain {
            self.unpacked = Stream::head(&self.path, self.packing)?;
        }
        (self.stream, self.stat, self.skipped, self.state) = (stream, stat, None, State::Reading);
        self.stream.skip_to(self.offset, is_over)
    }

    /// Octets known to be there and not read.
    pub(super) const fn behind(&self) -> u64 {
        match self.packing {
            Packing::Plain => self.stat.size.saturating_sub(self.offset),
            Packing::Gzip | Packing::Zstd => 0,
        }
    }

    /// Looks at what the file system says now: true while it is the file that was read so far.
    pub(super) fn look(&mut self, now: Instant) -> io::Result<bool> {
        let Some(stat) = self.stream.stat()? else { return Ok(true) };
        let before = std::mem::replace(&mut self.stat, stat);
        if (stat.size, stat.modified) == (before.size, before.modified) {
            return Ok(true);
        }
        (self.changed, self.state) = (now, State::Reading);
        let is_whole = stat.size >= self.offset + self.skipped.unwrap_or_default();
        let is_same = is_whole && self.stream.first(self.head.len())?.is_none_or(|first| first == self.head);
        if !is_same {
            // What was there last is all that is known of what was lost.
            self.stat.size = before.size;
        }
        Ok(is_same)
    }

    /// Completes the octets by which the file is known.
    pub(super) fn refresh_head(&mut self) {
        let length = length_of_head(self.offset);
        if self.head.len() >= length {
            return;
        }
        match self.stream.first(length) {
            Ok(Some(first)) => self.head = first,
            Ok(None) => self.head = self.unpacked.iter().take(length).copied().collect(),
            // A file that cannot be read is not known any better; the next line tries again.
            Err(_) => {}
        }
    }
}

fn length_of_head(offset: u64) -> usize {
    usize::try_from(offset).map_or(HEAD, |offset| offset.min(HEAD))
}
