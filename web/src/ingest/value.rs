//! Values of JSON, passed without being read: where they end, and whether they can be records.

use super::fault::{Fault, invalid_json};
use super::scan::{End, Scan};
use super::text::Text;
use super::tray::Item;

/// No record is larger: the ring's blocks do not take a larger one.
pub(super) const MAX_RECORD: usize = weir_store::MAX_RECORD_BYTES;
/// A value that was passed, from the mark on.
pub(super) struct Passed {
    pub(super) kind: Kind,
    pub(super) octets: usize,
    pub(super) not_ascii: bool,
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Other,
    /// Over [`MAX_RECORD`]; its beginning is gone.
    TooLarge,
    /// Cut by the end of its line.
    Broken,
}

impl Passed {
    /// As what it is put into a tray.
    pub(super) fn item<'t>(&self, text: &'t Text<'_>) -> Item<'t> {
        match self.kind {
            Kind::Object => Item::Object { json: text.marked(self.octets), not_ascii: self.not_ascii },
            Kind::Other => Item::Other(text.marked(self.octets)),
            Kind::TooLarge => Item::TooLarge,
            Kind::Broken => Item::Broken,
        }
    }
}

/// Passes one value, of which the first octet is next.
pub(super) fn value(text: &mut Text<'_>, lines: bool) -> Result<Passed, Fault> {
    match text.rest().first() {
        Some(first @ (b'{' | b'[')) => {
            let kind = if *first == b'{' { Kind::Object } else { Kind::Other };
            nested(text, kind, lines)
        }
        Some(b'"') => {
            string(text)?;
            Ok(Passed::scalar(text))
        }
        Some(_) => {
            pass_while(text, |octet| !matches!(octet, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))?;
            Ok(Passed::scalar(text))
        }
        None => Err(cut()),
    }
}

impl Passed {
    fn scalar(text: &Text<'_>) -> Self {
        let octets = text.since_mark();
        let kind = if octets > MAX_RECORD { Kind::TooLarge } else { Kind::Other };
        Self { kind, octets, not_ascii: true }
    }
}

/// Passes an object or a list.
fn nested(text: &mut Text<'_>, kind: Kind, lines: bool) -> Result<Passed, Fault> {
    let mut scan = Scan::new(lines);
    let mut is_lost = false;
    let kind = loop {
        let rest = text.rest();
        match scan.feed(rest) {
            Some(End::Closed(octets)) => {
                text.pass(octets);
                break kind;
            }
            Some(End::Broken(octets)) => {
                text.pass(octets);
                break Kind::Broken;
            }
            None => text.pass(rest.len()),
        }
        is_lost |= forget(text);
        if !text.more()? {
            return Err(cut());
        }
    };
    let octets = text.since_mark();
    let kind = if is_lost || octets > MAX_RECORD { Kind::TooLarge } else { kind };
    Ok(Passed { kind, octets, not_ascii: scan.not_ascii() })
}

/// Passes a string; the first quote is next.
pub(super) fn string(text: &mut Text<'_>) -> Result<(), Fault> {
    text.pass(1);
    let mut escaped = false;
    loop {
        let rest = text.rest();
        for (at, &octet) in rest.iter().enumerate() {
            match octet {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    text.pass(at + 1);
                    return Ok(());
                }
                b'\n' => return Err(invalid_json("A line ends within a string")),
                _ => (),
            }
        }
        text.pass(rest.len());
        forget(text);
        if !text.more()? {
            return Err(cut());
        }
    }
}

/// Lets go of what is too large for a record; true when it did.
fn forget(text: &mut Text<'_>) -> bool {
    let too_large = text.since_mark() > MAX_RECORD;
    if too_large {
        text.set_mark();
    }
    too_large
}

fn pass_while(text: &mut Text<'_>, fits: impl Fn(u8) -> bool) -> Result<(), Fault> {
    loop {
        let rest = text.rest();
        if let Some(at) = rest.iter().position(|&octet| !fits(octet)) {
            text.pass(at);
            return Ok(());
        }
        text.pass(rest.len());
        forget(text);
        if !text.more()? {
            return Ok(());
        }
    }
}

/// Passes what is left of a line, without its line feed.
pub(super) fn pass_line(text: &mut Text<'_>) -> Result<(), Fault> {
    pass_while(text, |octet| octet != b'\n')
}

/// True when the line ends here or another object begins; else what is left of it is passed.
pub(super) fn ends_line(text: &mut Text<'_>) -> Result<bool, Fault> {
    pass_while(text, |octet| matches!(octet, b' ' | b'\t' | b'\r'))?;
    let ends = matches!(text.rest().first(), None | Some(b'\n' | b'{'));
    if !ends {
        pass_line(text)?;
    }
    Ok(ends)
}

/// The text ends too soon.
pub(super) fn cut() -> Fault {
    invalid_json("The body ends within a value")
}
