//! A window that slides over a stream, so that every frame lies in one piece.

use std::io::{self, Chain, Cursor, Read};

use super::MAX_FRAME;

/// Small enough to stay in the second-level cache, large enough that a system call is rare.
const CAPACITY: usize = 256 * 1024;

/// Longest piece of a record that must lie in one: a frame and what stands before it.
const LONGEST_RECORD: usize = MAX_FRAME + 64;

pub(super) struct Buffer {
    source: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    consumed: u64,
}

/// A source whose first octets have been looked at.
type Rewound = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

impl Buffer {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, bytes: vec![0; CAPACITY], start: 0, end: 0, consumed: 0 }
    }

    /// Puts the decompressor that `choose` makes in front, if the first four octets ask for one.
    pub(super) fn decompress(
        &mut self,
        choose: impl FnOnce(
            &[u8],
            Box<dyn Read + Send>,
        ) -> io::Result<Result<Box<dyn Read + Send>, Box<dyn Read + Send>>>,
    ) -> io::Result<()> {
        let mut start = Vec::with_capacity(4);
        self.source.by_ref().take(4).read_to_end(&mut start)?;
        let source = std::mem::replace(&mut self.source, Box::new(io::empty()));
        let rewound: Rewound = Cursor::new(start.clone()).chain(source);
        self.source = match choose(&start, Box::new(rewound))? {
            Ok(decompressed) => decompressed,
            Err(plain) => plain,
        };
        Ok(())
    }

    /// What lies in the window.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Makes the window hold `want` octets; false when the stream ends before that.
    #[inline]
    pub(super) fn fill(&mut self, want: usize) -> io::Result<bool> {
        if self.end - self.start >= want {
            return Ok(true);
        }
        self.read_on(want)
    }

    #[inline(never)]
    fn read_on(&mut self, want: usize) -> io::Result<bool> {
        if want > LONGEST_RECORD {
            return Ok(false);
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if want > self.bytes.len() {
            self.bytes.resize(LONGEST_RECORD, 0);
        }
        while self.end < want {
            match self.source.read(&mut self.bytes[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Passes over `before` octets and hands out the `length` octets after them.
    #[inline]
    pub(super) fn take(&mut self, before: usize, length: usize) -> &[u8] {
        let from = self.start + before;
        self.advance(before + length);
        &self.bytes[from..from + length]
    }

    /// Passes over `length` octets of the window.
    #[inline]
    pub(super) fn advance(&mut self, length: usize) {
        self.start += length;
        self.consumed += length as u64;
    }

    /// Passes over `length` octets, more than the window may hold; false when the stream ends before that.
    pub(super) fn skip(&mut self, mut length: u64) -> io::Result<bool> {
        while length > 0 {
            if !self.fill(1)? {
                return Ok(false);
            }
            let step = usize::try_from(length).unwrap_or(usize::MAX).min(self.end - self.start);
            self.advance(step);
            length -= step as u64;
        }
        Ok(true)
    }

    /// Octets passed over so far.
    pub(super) fn offset(&self) -> u64 {
        self.consumed
    }
}
