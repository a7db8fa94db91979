//! The members of a draft that hold others, that only Weir is believed, and that no field is for.

use std::borrow::Cow;

use weir_flow::{Kind, Source};

use super::draft::Draft;
use super::names::{self, Own, Role};
use super::value::is_nothing;
use crate::object::{self, MAX_MEMBERS, Member};
use crate::{Reason, Rejected, Said};

impl<'a> Draft<'a, '_> {
    /// Takes in an object of members, or a word of Weir's own.
    ///
    /// # Errors
    /// Those of members within.
    pub(super) fn special(
        &mut self,
        role: Role,
        field: &'static str,
        name: Cow<'a, str>,
        said: Said<'a>,
    ) -> Result<(), Rejected> {
        let is_own = self.is_own();
        match (role, said) {
            (Role::Extra, Said::Json(Cow::Borrowed(object))) if object.starts_with('{') => {
                self.entries(object)
            }
            (Role::Group | Role::Own(Own::Source | Own::Observer), Said::Json(Cow::Borrowed(object)))
                if object.starts_with('{') && !is_own =>
            {
                self.group(&name, object)
            }
            (Role::Own(own), said) if is_own => {
                self.own(own, &said);
                Ok(())
            }
            (_, said) => {
                self.extra_known(field, name, said);
                Ok(())
            }
        }
    }

    /// The members of `object`, named after it.
    fn group(&mut self, group: &str, object: &'a str) -> Result<(), Rejected> {
        self.is_netflow |= group == "netflow";
        for (name, said) in self.inner(object)? {
            let name = format!("{group}.{name}");
            match said {
                Said::Json(Cow::Borrowed(object)) if object.starts_with('{') => self.group(&name, object)?,
                said => self.take(names::find(&name), Cow::Owned(name), said)?,
            }
        }
        Ok(())
    }

    /// The members of `object`, as entries of `extra`.
    fn entries(&mut self, object: &'a str) -> Result<(), Rejected> {
        for (name, said) in self.inner(object)? {
            if let (true, "vlan_outer", Some(vlan)) = (self.is_own(), &*name, &mut self.record.vlan) {
                vlan.outer = said.count().and_then(|outer| u16::try_from(outer).ok());
                if vlan.outer.is_some() {
                    continue;
                }
            }
            let extra = self.record.extra.get_or_insert_default();
            extra.insert(name.into_owned(), said);
        }
        Ok(())
    }

    /// Takes an object within apart; all of them together have no more members than a record may have.
    fn inner(&mut self, object: &'a str) -> Result<Vec<Member<'a>>, Rejected> {
        let mut list = Vec::new();
        object::read_text(object, &mut list)?;
        self.inner += list.len();
        if self.inner > MAX_MEMBERS { Err(Reason::TooLarge.of("")) } else { Ok(list) }
    }

    fn own(&mut self, own: Own, said: &Said<'_>) {
        let Some(text) = said.as_str() else { return };
        match own {
            Own::Source => self.source = Source::parse(text),
            Own::Kind => self.record.kind = Kind::named(text),
            Own::Observer => self.record.observer = Some(self.texts.word(text)),
            Own::Trace => self.origin.get_or_insert_default().trace_id = Some(text.into()),
            Own::Derived => {}
        }
    }

    /// Keeps a member that the record has no field for, under its own name.
    pub(super) fn extra(&mut self, name: Cow<'a, str>, said: Said<'a>) {
        if !is_nothing(&said) {
            self.record.extra.get_or_insert_default().insert(name.into_owned(), said);
        }
    }

    /// As [`Self::extra`]; `field` is the name as the table has it, which costs no memory.
    pub(super) fn extra_known(&mut self, field: &'static str, name: Cow<'a, str>, said: Said<'a>) {
        if name != field {
            return self.extra(name, said);
        }
        if !is_nothing(&said) {
            self.record.extra.get_or_insert_default().insert(field, said);
        }
    }
}
