//! Start and end of a flow, from the many ways in which they are said.

use std::borrow::Cow;

use weir_flow::Timestamp;

use crate::object::Member;
use crate::time::Unit;
use crate::{Reason, Rejected, Said, time};

/// A value with the words that said it, for `extra` if the value turns out to be none of the record.
#[derive(Debug)]
pub(super) struct Spoken<'a, T> {
    pub(super) value: T,
    /// The name as it stands in the table, for errors.
    pub(super) field: &'static str,
    pub(super) name: Cow<'a, str>,
    pub(super) said: Said<'a>,
}

impl<'a, T> Spoken<'a, T> {
    pub(super) fn member(self) -> Member<'a> {
        (self.name, self.said)
    }
}

/// The times of a record so far.
#[derive(Debug, Default)]
pub(super) struct Times<'a> {
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Spoken<'a, Timestamp>>,
    pub(super) length: Option<Spoken<'a, i64>>,
    /// The start where no member says that by its name; unreadable ones matter only then.
    when: Option<Spoken<'a, Option<Timestamp>>>,
    received: Option<Spoken<'a, Option<Timestamp>>>,
    uptime: Option<Spoken<'a, Option<Timestamp>>>,
}

/// Which of the lesser times a member says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lesser {
    When,
    Received,
    Uptime,
}

/// Seconds from 1970 to 2001: a smaller number in a member that may hold an uptime is one.
const MAX_UPTIME: i64 = 1_000_000_000;
/// Microseconds by which two ways to say an instant may differ and mean the same: a tool writes milliseconds in one.
const SAME: i64 = 1_000;

/// True when two instants are the same but for their last digits.
pub(super) fn is_same(one: Timestamp, other: Timestamp) -> bool {
    one.micros_since(other).abs() < SAME
}

/// As [`is_same`], of lengths of time.
pub(super) const fn is_same_length(one: i64, other: i64) -> bool {
    one.abs_diff(other) < SAME.unsigned_abs()
}

/// An instant, refused under the name `field`.
pub(super) fn instant(said: &Said<'_>, unit: Unit, field: &'static str) -> Result<Timestamp, Rejected> {
    time::in_unit(said, unit).ok_or(Reason::BadTime.of(field))
}

/// True for a number that counts since the exporter started and not since 1970.
pub(super) fn is_uptime(said: &Said<'_>, value: Timestamp) -> bool {
    let is_text_of_date = matches!(said, Said::Text(text) if text.contains('-'));
    !is_text_of_date && value.seconds() < MAX_UPTIME
}

impl<'a> Times<'a> {
    /// Takes in a time that is the start if nothing better is said; gives back the one that it is less than.
    pub(super) fn lesser(
        &mut self,
        which: Lesser,
        spoken: Spoken<'a, Option<Timestamp>>,
    ) -> Option<Spoken<'a, Option<Timestamp>>> {
        let place = match which {
            Lesser::When => &mut self.when,
            Lesser::Received => &mut self.received,
            Lesser::Uptime => &mut self.uptime,
        };
        match place {
            // The first that can be read stands.
            Some(before) if before.value.is_some() || spoken.value.is_none() => Some(spoken),
            place => place.replace(spoken),
        }
    }

    /// The start, of what says it best; the rest goes to `left`.
    ///
    /// # Errors
    /// Where nothing says it, or not so that it can be read.
    pub(super) fn resolve(&mut self, mut left: impl FnMut(Member<'a>)) -> Result<Timestamp, Rejected> {
        let mut start = self.start;
        let lesser = [self.when.take(), self.received.take(), self.uptime.take()];
        // A member that should be the time and is none is a mistake, unless the time is known without it.
        if let Some(unread) = lesser.iter().flatten().find(|lesser| start.is_none() && lesser.value.is_none())
        {
            return Err(Reason::BadTime.of(unread.field));
        }
        for lesser in lesser.into_iter().flatten() {
            match (start, lesser.value) {
                (None, value) => start = value,
                (Some(start), Some(value)) if is_same(start, value) => {}
                _ => left(lesser.member()),
            }
        }
        start
            .or_else(|| self.before_end())
            .ok_or(Reason::MissingFields.of("ts, time, @timestamp or timestamp"))
    }

    fn before_end(&self) -> Option<Timestamp> {
        let end = self.end.as_ref()?.value;
        let length = self.length.as_ref().map_or(0, |length| length.value);
        Some(end.plus_micros(-length)).filter(|start| start.micros() >= 0)
    }
}
