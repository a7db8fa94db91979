//! The shapes of a batch: a list, an envelope with `records`, one object, or one object per line.
//!
//! Only borders are found here; what a record says is read by whoever gets it. A list or an envelope is one JSON text,
//! so that a fault in it is a fault of the whole; of lines each is a text of its own.

use serde::de::IgnoredAny;

use super::fault::{Fault, Refusal, bad_shape, invalid_encoding, invalid_json};
use super::first::First;
use super::format::Envelope;
use super::text::Text;
use super::tray::{Tray, Unit};
use super::value::{Kind, Passed, cut, ends_line, pass_line, value};

/// UTF-8's byte order mark, which some editors and shells write.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Goes through `text` and puts every record into `tray`; answers what an envelope said. `known` is what an envelope is
/// known to say from going through it before.
pub(super) fn read(text: &mut Text<'_>, tray: &mut Tray<'_>, known: Envelope) -> Result<Envelope, Fault> {
    while text.rest().len() < BOM.len() && text.more()? {}
    if text.rest().starts_with(BOM) {
        text.pass(BOM.len());
    }
    match text.peek()? {
        None => Ok(known),
        Some(b'[') => {
            tray.begin(&Envelope::default())?;
            elements(text, tray)?;
            end(text)?;
            Ok(Envelope::default())
        }
        Some(b'{') => {
            let mut first = First::new(known);
            match first.object(text, tray) {
                Ok(()) if first.is_envelope => end(text)?,
                Err(fault) if first.is_envelope || fault.counted != Refusal::InvalidJson => {
                    return Err(fault);
                }
                done => {
                    tray.begin(&Envelope::default())?;
                    first.line(text, tray, done)?;
                    lines(text, tray)?;
                    return Ok(Envelope::default());
                }
            }
            Ok(first.said)
        }
        Some(_) => Err(no_batch(text)),
    }
}

/// The elements of a list.
pub(super) fn elements(text: &mut Text<'_>, tray: &mut Tray<'_>) -> Result<(), Fault> {
    text.pass(1);
    if text.peek()? == Some(b']') {
        text.pass(1);
        return Ok(());
    }
    loop {
        text.peek()?;
        text.set_mark();
        let passed = value(text, false)?;
        tray.take(passed.item(text), Unit::Element)?;
        match text.peek()? {
            Some(b',') => text.pass(1),
            Some(b']') => {
                text.pass(1);
                return Ok(());
            }
            Some(_) => return Err(invalid_json(format!("No comma after record {}", tray.seen()))),
            None => return Err(cut()),
        }
    }
}

/// One object after the other, each on a line or several of its own.
fn lines(text: &mut Text<'_>, tray: &mut Tray<'_>) -> Result<(), Fault> {
    while let Some(octet) = text.peek()? {
        text.set_mark();
        let mut passed = match octet {
            b'{' => value(text, true)?,
            _ => {
                pass_line(text)?;
                Passed { kind: Kind::Other, octets: text.since_mark(), not_ascii: true }
            }
        };
        if passed.kind == Kind::Object && !ends_line(text)? {
            passed.kind = Kind::Broken;
        }
        tray.take(passed.item(text), Unit::Line)?;
    }
    Ok(())
}

/// Nothing may follow.
fn end(text: &mut Text<'_>) -> Result<(), Fault> {
    match text.peek()? {
        None => Ok(()),
        Some(_) => Err(invalid_json("Something follows the end of the batch")),
    }
}

/// A body that begins with neither a list nor an object.
fn no_batch(text: &mut Text<'_>) -> Fault {
    text.set_mark();
    let passed = value(text, false).map(|passed| text.marked(passed.octets));
    let Ok(json) = passed else { return cut() };
    if std::str::from_utf8(json).is_err() {
        return invalid_encoding("The body is not UTF-8");
    }
    match serde_json::from_slice::<IgnoredAny>(json) {
        Ok(_) => bad_shape("The body is neither a list nor an object"),
        Err(_) => invalid_json("The body is not JSON"),
    }
}
