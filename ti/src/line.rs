//! Lines of a list, read in bounded memory.

use std::io::{self, BufRead};

use crate::error::BadLine;

/// A longer line is skipped and counted: a file without line feeds must not fill memory.
pub(crate) const MAX_LINE_BYTES: usize = 4_096;

/// No more of a list is read: a list on a runaway download must not keep a gateway busy for minutes.
pub(crate) const MAX_LIST_BYTES: u64 = 128 * 1024 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Lines of UTF-8 text without their ends (LF or CRLF) and without a byte order mark.
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
    cut: bool,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, line: Vec::with_capacity(256), number: 0, bytes: 0, cut: false }
    }

    /// Number of the last line, from 1.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True when the list is longer than [`MAX_LIST_BYTES`] and its rest was left.
    pub(crate) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Result<&str, BadLine>>> {
        let Some(fits) = self.fill()? else { return Ok(None) };
        self.number += 1;
        if !fits {
            return Ok(Some(Err(BadLine::TooLong)));
        }
        let mut line = self.line.as_slice();
        if self.number == 1 {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(match std::str::from_utf8(line) {
            Ok(text) if !text.contains(|c: char| c.is_control() && c != '\t') => Ok(text),
            _ => Err(BadLine::NotText),
        }))
    }

    /// Reads up to the next line feed; false when the line was too long to keep, `None` at the end.
    fn fill(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        let (mut fits, mut any) = (true, false);
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(any.then_some(fits));
            }
            any = true;
            let end = chunk.iter().position(|&b| b == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            if self.bytes + taken as u64 > MAX_LIST_BYTES {
                self.cut = true;
                return Ok(None);
            }
            let text = &chunk[..end.unwrap_or(taken)];
            fits = fits && self.line.len() + text.len() <= MAX_LINE_BYTES;
            if fits {
                self.line.extend_from_slice(text);
            }
            self.input.consume(taken);
            self.bytes += taken as u64;
            if end.is_some() {
                return Ok(Some(fits));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::{Lines, MAX_LINE_BYTES, MAX_LIST_BYTES};
    use crate::error::BadLine;

    #[test]
    fn line_ends_and_the_byte_order_mark_are_taken_off() {
        let mut lines = Lines::new(&b"\xef\xbb\xbfone\r\n\ntwo"[..]);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            seen.push(line.unwrap().to_owned());
        }
        assert_eq!(seen, ["one", "", "two"]);
        assert_eq!((lines.number(), lines.bytes()), (3, 12));
    }

    #[test]
    fn a_line_without_end_is_left_at_the_limit_of_the_list() {
        let endless = BufReader::with_capacity(1 << 20, std::io::repeat(b'a').take(1 << 30));
        let mut lines = Lines::new(endless);
        assert_eq!(lines.next().unwrap(), None);
        assert!(lines.is_cut());
        assert!(lines.bytes() <= MAX_LIST_BYTES);
        assert!(lines.line.capacity() <= 2 * MAX_LINE_BYTES, "{}", lines.line.capacity());
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_costs_only_itself() {
        let mut text = vec![b'x'; MAX_LINE_BYTES + 1];
        text.extend_from_slice(b"\nok\n\xff\xfe\nnul\0\nend");
        let mut lines = Lines::new(BufReader::with_capacity(16, &text[..]));
        assert_eq!(lines.next().unwrap(), Some(Err(BadLine::TooLong)));
        assert_eq!(lines.next().unwrap(), Some(Ok("ok")));
        assert_eq!(lines.next().unwrap(), Some(Err(BadLine::NotText)));
        assert_eq!(lines.next().unwrap(), Some(Err(BadLine::NotText)));
        assert_eq!(lines.next().unwrap(), Some(Ok("end")));
        assert_eq!(lines.next().unwrap(), None);
    }
}
