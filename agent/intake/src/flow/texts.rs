//! What comes again from record to record: words that are shared, and names whose meaning need not be looked up again.

use std::sync::Arc;

use weir_flow::{Origin, Text};

use super::names::{self, Entry};

/// Places of the list of words: a branch office sees some dozen services.
const PLACES: usize = 64;
/// Octets of the longest word that is kept.
const MAX_WORD: usize = 64;

/// Members of a record whose names are kept: those of a usual one.
const MEMBERS: usize = 64;
/// Octets of the longest name that is kept.
const MAX_NAME: usize = 64;

/// Words, collectors and names that came last.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// By their place in the record: a tool writes its members in the same order every time.
    names: Vec<(String, Option<Entry>)>,
    words: Vec<Option<Text>>,
    origin: Option<Arc<Origin>>,
}

impl Texts {
    /// What `name` means, the name of member `at` of a record.
    pub(super) fn name(&mut self, at: usize, name: &str) -> Option<Entry> {
        match self.names.get(at) {
            Some((known, entry)) if known == name => return *entry,
            Some(_) => {}
            None => self.names.resize(MEMBERS.min(at + 1).max(self.names.len()), Default::default()),
        }
        let entry = names::find(name);
        if let Some((known, meaning)) = self.names.get_mut(at).filter(|_| name.len() <= MAX_NAME) {
            known.clear();
            known.push_str(name);
            *meaning = entry;
        }
        entry
    }

    /// `word`, shared with earlier records where it is one of those seen last.
    pub(super) fn word(&mut self, word: &str) -> Text {
        if word.len() > MAX_WORD {
            return word.into();
        }
        self.words.resize(PLACES, None);
        let mixed = word.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let Some(place) = self.words.get_mut(mixed % PLACES) else { return word.into() };
        if let Some(known) = place.as_ref().filter(|known| ***known == *word) {
            return Arc::clone(known);
        }
        Arc::clone(place.insert(word.into()))
    }

    /// `origin`, shared with the record before where that has the same.
    pub(super) fn origin(&mut self, origin: Origin) -> Arc<Origin> {
        match &self.origin {
            Some(known) if **known == origin => Arc::clone(known),
            _ => Arc::clone(self.origin.insert(Arc::new(origin))),
        }
    }
}
