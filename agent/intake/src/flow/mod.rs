//! Flows as exporters, collectors and scripts write them in JSON.
//!
//! Each member is looked up in the table of [`names`], which knows what it means whichever tool wrote it. [`draft`] puts
//! together what they say, since that depends on each other: a duration needs a start, an ICMP record has its type where
//! others have a port. What has no place in a record goes to `extra` under its own name.

mod counts;
mod draft;
mod finish;
mod instants;
mod members;
mod names;
mod protocols;
#[cfg(test)]
mod tests;
mod texts;
mod times;
mod value;

use weir_flow::{FlowRecord, Source};

pub(crate) use texts::Texts;

use crate::Rejected;
use crate::object::Member;
use draft::Draft;

/// Whose words are believed, and what must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Another's; it needs a time.
    Flow,
    /// Another's; it needs both addresses too.
    Netflow,
    /// Weir's own.
    Own,
}

/// The record that `members` make, and the source that it says it has where it is believed; they are taken out of the list.
pub(crate) fn record<'a>(
    members: &mut Vec<Member<'a>>,
    manner: Manner,
    texts: &mut Texts,
) -> Result<(FlowRecord, Option<Source>), Rejected> {
    let mut draft = Draft::new(manner, texts);
    for (at, (name, said)) in members.drain(..).enumerate() {
        let entry = draft.texts.name(at, &name);
        draft.take(entry, name, said)?;
    }
    draft.finish()
}
