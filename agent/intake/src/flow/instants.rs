//! The members of a draft that say when.

use std::borrow::Cow;

use weir_flow::Timestamp;

use super::draft::Draft;
use super::names::Role;
use super::times::{self, Lesser, Spoken};
use crate::object::Member;
use crate::time::{self, Unit};
use crate::{Reason, Rejected, Said};

impl<'a> Draft<'a, '_> {
    /// Takes in a time or a length of time.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn time(
        &mut self,
        role: Role,
        field: &'static str,
        name: Cow<'a, str>,
        said: Said<'a>,
    ) -> Result<(), Rejected> {
        let instant = |unit: Unit| times::instant(&said, unit, field);
        let left = match role {
            Role::Start(unit) => {
                let value = instant(unit)?;
                self.start(value, (name, said))
            }
            Role::StartOrUptime => {
                let value = instant(Unit::Any)?;
                if times::is_uptime(&said, value) {
                    self.lesser(Lesser::Uptime, Spoken { value: Some(value), field, name, said })
                } else {
                    self.start(value, (name, said))
                }
            }
            Role::End(unit) => {
                let value = instant(unit)?;
                self.end(Spoken { value, field, name, said })
            }
            Role::Length(unit) => {
                let value = time::length(&said, unit).ok_or(Reason::BadTime.of(field))?;
                self.length(Spoken { value, field, name, said })
            }
            _ => self.recorded(role, Spoken { value: (), field, name, said }),
        };
        if let Some((name, said)) = left {
            self.extra_known(field, name, said);
        }
        Ok(())
    }

    /// When the record was made or received; what cannot be read matters only where nothing else says the start.
    fn recorded(
        &mut self,
        role: Role,
        Spoken { field, name, said, .. }: Spoken<'a, ()>,
    ) -> Option<Member<'a>> {
        let (which, unit) = match role {
            Role::When => (Lesser::When, Unit::Any),
            Role::Received(unit) => (Lesser::Received, unit),
            _ => return Some((name, said)),
        };
        let value = time::in_unit(&said, unit);
        self.lesser(which, Spoken { value, field, name, said })
    }

    fn start(&mut self, value: Timestamp, member: Member<'a>) -> Option<Member<'a>> {
        match self.times.start {
            Some(start) => (!times::is_same(start, value)).then_some(member),
            None => {
                self.times.start = Some(value);
                None
            }
        }
    }

    fn lesser(&mut self, which: Lesser, spoken: Spoken<'a, Option<Timestamp>>) -> Option<Member<'a>> {
        self.times.lesser(which, spoken).map(Spoken::member)
    }

    fn end(&mut self, spoken: Spoken<'a, Timestamp>) -> Option<Member<'a>> {
        match &self.times.end {
            Some(end) => (!times::is_same(end.value, spoken.value)).then(|| spoken.member()),
            None => {
                self.times.end = Some(spoken);
                None
            }
        }
    }

    fn length(&mut self, spoken: Spoken<'a, i64>) -> Option<Member<'a>> {
        match &self.times.length {
            Some(length) => (!times::is_same_length(length.value, spoken.value)).then(|| spoken.member()),
            None => {
                self.times.length = Some(spoken);
                None
            }
        }
    }
}
