//! Lines of a file, in pieces of whole ones.

use std::io::BufRead;

use weir_intake::zeek::MAX_LINE;

use crate::capture::file::{Error, Octets};

/// A line of a file.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// The line, without its line feed.
    Line(&'a [u8]),
    /// A line longer than [`MAX_LINE`], which is passed over.
    TooLong,
}

/// A file, line by line.
pub(super) struct Lines {
    file: Octets,
    /// The line that begins here has been found too long.
    skipping: bool,
}

impl Lines {
    pub(super) const fn new(file: Octets) -> Self {
        Self { file, skipping: false }
    }

    pub(super) const fn file(&self) -> &Octets {
        &self.file
    }

    /// Hands out the lines that come next; false at the end of the file. `each` answers whether to go on.
    ///
    /// # Errors
    /// The file cannot be read on. What lies before that has been handed out, but for a line without its end.
    pub(super) fn some(&mut self, mut each: impl FnMut(Found<'_>) -> bool) -> Result<bool, Error> {
        let mut want = 1;
        loop {
            let window = self.file.window(want)?;
            let at_end = window.len() < want;
            let (used, go_on) = hand_out(window, at_end, &mut self.skipping, &mut each);
            let left = window.len() - used;
            self.file.advance(used);
            if used > 0 || at_end {
                return Ok(go_on && !at_end);
            }
            want = left + 1;
        }
    }
}

/// Hands out the whole lines of `window`; answers with their octets, and whether to go on.
fn hand_out(
    window: &[u8],
    at_end: bool,
    skipping: &mut bool,
    each: &mut impl FnMut(Found<'_>) -> bool,
) -> (usize, bool) {
    let mut rest = window;
    while !rest.is_empty() {
        let mut after = rest;
        // Reading from memory does not fail.
        let length = after.skip_until(b'\n').unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let ended = line.last() == Some(&b'\n');
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let too_long = line.len() > MAX_LINE;
        if !ended && !at_end && !too_long {
            break;
        }
        let was_skipping = std::mem::replace(skipping, (*skipping || too_long) && !ended);
        rest = after;
        let go_on = match (was_skipping, too_long) {
            (true, _) => true,
            (false, true) => each(Found::TooLong),
            (false, false) => each(Found::Line(line)),
        };
        if !go_on {
            return (window.len() - rest.len(), false);
        }
    }
    (window.len() - rest.len(), true)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use weir_intake::zeek::MAX_LINE;

    use super::{Found, Lines};
    use crate::capture::file::Input;

    /// Lengths of the lines of `text`; `None` for those that are too long.
    fn lengths(text: &[u8]) -> Vec<Option<usize>> {
        let source = Box::new(Cursor::new(text.to_vec()));
        let Ok(Input::Other(file)) = Input::from_reader(Path::new("x"), source) else { panic!("no text") };
        let (mut lines, mut found) = (Lines::new(file), Vec::new());
        let mut each = |line: Found<'_>| {
            found.push(match line {
                Found::Line(line) => Some(line.len()),
                Found::TooLong => None,
            });
            true
        };
        while lines.some(&mut each).unwrap() {}
        found
    }

    #[test]
    fn lines_are_handed_out_wherever_the_window_cuts_them() {
        assert_eq!(lengths(b"one\n\nthree"), [Some(3), Some(0), Some(5)]);
        let many = b"0123456789".repeat(1_000);
        let text = [&many[..], b"\n"].concat().repeat(300);
        assert_eq!(lengths(&text), vec![Some(10_000); 300]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_once() {
        let (fits, long) = (vec![b'x'; MAX_LINE], vec![b'x'; 3 * 1024 * 1024]);
        let text = [&fits[..], b"\n", &long, b"\n", &fits, b"x\nafter\n", &long].concat();
        assert_eq!(lengths(&text), [Some(MAX_LINE), None, None, Some(5), None]);
    }
}
