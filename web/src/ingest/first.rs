//! The first object of a body, which is an envelope when it has `records`, else a record.

use serde::de::IgnoredAny;

use super::fault::{Fault, bad_shape, invalid_encoding, invalid_json};
use super::format::Envelope;
use super::shape::elements;
use super::text::Text;
use super::tray::{Tray, Unit};
use super::value::{Kind, MAX_RECORD, Passed, cut, ends_line, pass_line, string, value};

/// The first object of a body: an envelope, or the first of its records.
pub(super) struct First {
    pub(super) said: Envelope,
    pub(super) is_envelope: bool,
    /// What it began with is gone: it is too large to be a record.
    is_lost: bool,
}

impl First {
    /// An object that says `said` beside what it is known to say from going through it before.
    pub(super) const fn new(said: Envelope) -> Self {
        Self { said, is_envelope: false, is_lost: false }
    }

    /// Goes through its members. The mark stays at its beginning unless it is an envelope.
    pub(super) fn object(&mut self, text: &mut Text<'_>, tray: &mut Tray<'_>) -> Result<(), Fault> {
        text.set_mark();
        text.pass(1);
        if text.peek()? == Some(b'}') {
            text.pass(1);
            return Ok(());
        }
        loop {
            self.member(text, tray)?;
            match text.peek()? {
                Some(b',') => text.pass(1),
                Some(b'}') => {
                    text.pass(1);
                    return Ok(());
                }
                Some(_) => return Err(invalid_json("No comma between two members of an object")),
                None => return Err(cut()),
            }
        }
    }

    fn member(&mut self, text: &mut Text<'_>, tray: &mut Tray<'_>) -> Result<(), Fault> {
        if text.peek()? != Some(b'"') {
            return Err(invalid_json("A member of an object does not begin with its name"));
        }
        self.release(text);
        let start = text.since_mark();
        string(text)?;
        let name = Name::of(text.marked(text.since_mark()).get(start..).unwrap_or_default());
        if text.peek()? != Some(b':') {
            return Err(invalid_json("No colon after the name of a member"));
        }
        text.pass(1);
        let first = text.peek()?;
        if name == Some(Name::Records) {
            return self.records(text, tray, first);
        }
        self.release(text);
        let start = text.since_mark();
        if value(text, false)?.kind == Kind::TooLarge {
            self.is_lost = true;
            return Ok(());
        }
        let said = text.marked(text.since_mark()).get(start..).unwrap_or_default();
        let said = std::str::from_utf8(said).map_err(|_| invalid_encoding("A member is not UTF-8"))?;
        if serde_json::from_str::<IgnoredAny>(said).is_err() {
            return Err(invalid_json("The value of a member is not JSON"));
        }
        if let Some(name) = name {
            self.said.hear(name, said);
        }
        Ok(())
    }

    fn records(&mut self, text: &mut Text<'_>, tray: &mut Tray<'_>, first: Option<u8>) -> Result<(), Fault> {
        let twice = std::mem::replace(&mut self.is_envelope, true);
        if twice {
            return Err(bad_shape("The envelope has `records` twice"));
        }
        if first != Some(b'[') {
            return Err(first.map_or_else(cut, |_| bad_shape("`records` is no list")));
        }
        tray.begin(&self.said)?;
        elements(text, tray)
    }

    /// Keeps no more than a record may have.
    fn release(&mut self, text: &mut Text<'_>) {
        self.is_lost |= !self.is_envelope && text.since_mark() > MAX_RECORD;
        if self.is_envelope || self.is_lost {
            text.set_mark();
        }
    }

    /// Takes it as the first of the lines; `done` is how going through its members ended.
    pub(super) fn line(
        self,
        text: &mut Text<'_>,
        tray: &mut Tray<'_>,
        done: Result<(), Fault>,
    ) -> Result<(), Fault> {
        let octets = text.since_mark();
        let whole = match done {
            Ok(()) => ends_line(text)?,
            Err(fault) => {
                pass_line(text)?;
                // Nothing follows: the fault is the body's.
                if text.peek()?.is_none() {
                    return Err(fault);
                }
                false
            }
        };
        let kind = match (self.is_lost, whole) {
            (true, _) => Kind::TooLarge,
            (false, true) => Kind::Object,
            (false, false) => Kind::Broken,
        };
        tray.take(Passed { kind, octets, not_ascii: true }.item(text), Unit::Line)
    }
}

/// A member of an envelope that means something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Records,
    CollectorId,
    Format,
    Type,
}

impl Name {
    fn of(quoted: &[u8]) -> Option<Self> {
        match quoted {
            br#""records""# => Some(Self::Records),
            br#""collector_id""# => Some(Self::CollectorId),
            br#""format""# => Some(Self::Format),
            br#""type""# => Some(Self::Type),
            _ => None,
        }
    }
}

impl Envelope {
    /// Takes up a member; the first word stands, what is no text says nothing.
    fn hear(&mut self, name: Name, json: &str) {
        let place = match name {
            Name::Records => return,
            Name::CollectorId => &mut self.collector_id,
            Name::Format => &mut self.format,
            Name::Type => &mut self.kind,
        };
        if place.is_none() {
            *place = serde_json::from_str(json).ok();
        }
    }
}
