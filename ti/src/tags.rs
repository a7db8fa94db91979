//! What a list says about an indicator, interned: few combinations stand for many indicators.

use std::cmp::Reverse;
use std::collections::HashMap;

use weir_flow::Text;

/// More lists are not read; keeps the set of lists that matched in one word.
pub(crate) const MAX_LISTS: usize = 64;

/// A longer category makes its line a bad one: it travels in every matching record.
pub(crate) const MAX_CATEGORY_BYTES: usize = 64;

/// Category of an indicator whose list names none.
pub(crate) const UNKNOWN: &str = "unknown";

/// Confidence of an indicator whose list names none.
pub(crate) const DEFAULT_CONFIDENCE: u8 = 50;

/// Highest confidence.
pub(crate) const MAX_CONFIDENCE: u8 = 100;

/// Combinations that a 16-bit id can name. A list with a new category on each line must not crowd the others out,
/// so room for every list's [`UNKNOWN`] is kept free and further categories become that.
const MAX_TAGS: usize = 1 << 16;
const RESERVED: usize = MAX_LISTS * (MAX_CONFIDENCE as usize + 1);

/// A list's place in the configuration, below [`MAX_LISTS`].
pub(crate) type ListId = u8;

/// A list, and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) list: ListId,
    pub(crate) confidence: u8,
    pub(crate) category: Text,
}

/// All tags of an index while it is built.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    tags: Vec<Tag>,
    categories: Vec<Text>,
    numbers: HashMap<Text, u32>,
    ids: HashMap<(ListId, u8, u32), u16>,
}

impl Tags {
    /// The id of a combination; `category` becomes [`UNKNOWN`] once there are too many.
    pub(crate) fn intern(&mut self, list: ListId, category: &str, confidence: u8) -> u16 {
        let category = match self.find(list, category, confidence) {
            Ok(id) => return id,
            Err(_) if self.tags.len() >= MAX_TAGS - RESERVED => match self.find(list, UNKNOWN, confidence) {
                Ok(id) => return id,
                Err(unknown) => unknown.unwrap_or_else(|| self.category(UNKNOWN)),
            },
            Err(known) => known.unwrap_or_else(|| self.category(category)),
        };
        let id = u16::try_from(self.tags.len()).unwrap_or(u16::MAX);
        let text = self.categories[category as usize].clone();
        self.tags.push(Tag { list, confidence, category: text });
        self.ids.insert((list, confidence, category), id);
        id
    }

    /// The id of a combination, or the number of its category if that is known.
    fn find(&self, list: ListId, category: &str, confidence: u8) -> Result<u16, Option<u32>> {
        let number = self.numbers.get(category).copied().ok_or(None)?;
        self.ids.get(&(list, confidence, number)).copied().ok_or(Some(number))
    }

    fn category(&mut self, category: &str) -> u32 {
        let number = u32::try_from(self.categories.len()).unwrap_or(u32::MAX);
        let text = Text::from(category);
        self.categories.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    pub(crate) fn list(&self, id: u16) -> ListId {
        self.tags[usize::from(id)].list
    }

    /// Orders tags by list, the last first since lookups go backwards, then the surest first.
    pub(crate) fn rank(&self, id: u16) -> (Reverse<ListId>, Reverse<u8>, u16) {
        let tag = &self.tags[usize::from(id)];
        (Reverse(tag.list), Reverse(tag.confidence), id)
    }

    pub(crate) fn into_vec(mut self) -> Vec<Tag> {
        self.tags.shrink_to_fit();
        self.tags
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_CONFIDENCE, MAX_LISTS, MAX_TAGS, Tags, UNKNOWN};

    #[test]
    fn a_combination_has_one_id() {
        let mut tags = Tags::default();
        let c2 = tags.intern(0, "C2", 85);
        assert_eq!(tags.intern(0, "C2", 85), c2);
        for (list, category, confidence) in [(1, "C2", 85), (0, "C2", 84), (0, "scan", 85)] {
            assert_ne!(tags.intern(list, category, confidence), c2);
        }
    }

    #[test]
    fn a_list_of_endless_categories_leaves_room_for_the_others() {
        let mut tags = Tags::default();
        for n in 0..2 * MAX_TAGS {
            tags.intern(0, &n.to_string(), 50);
        }
        for list in 0..MAX_LISTS as u8 {
            for confidence in 0..=MAX_CONFIDENCE {
                let id = tags.intern(list, "new", confidence);
                let tag = tags.tags[usize::from(id)].clone();
                assert_eq!((tag.list, tag.confidence, &*tag.category), (list, confidence, UNKNOWN));
            }
        }
        assert!(tags.into_vec().len() <= MAX_TAGS);
    }
}
