//! Text from outside, made safe for a line.

use std::fmt::{self, Write as _};

/// As much of `text` as fits into `octets`, in whole characters.
#[must_use]
pub fn cut(text: &str, octets: usize) -> &str {
    let mut end = octets.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Text from outside with everything escaped that moves a cursor, ends a line or turns the direction of writing.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a> {
    text: &'a str,
    quoted: bool,
}

/// Shows `text` on one line, whatever is in it.
#[must_use]
pub fn printable(text: &str) -> Printable<'_> {
    Printable { text, quoted: false }
}

impl Printable<'_> {
    /// With quotes and backslashes escaped too.
    pub(super) fn quoted(self) -> Self {
        Self { quoted: true, ..self }
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '"' | '\\' if self.quoted => write!(f, "\\{c}")?,
                // Line and paragraph separators, and the marks that turn the direction of writing.
                '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
