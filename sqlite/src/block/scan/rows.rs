//! A set of a block's rows.

use std::ops::Range;

use crate::block::MAX_BLOCK_ROWS;

const WORD: usize = 64;
const WORDS: usize = MAX_BLOCK_ROWS / WORD;

/// Rows of a block, by their places from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows([u64; WORDS]);

impl Rows {
    /// No row.
    #[must_use]
    pub const fn none() -> Self {
        Self([0; WORDS])
    }

    /// The rows from place to place; those beyond [`MAX_BLOCK_ROWS`] there are not.
    #[must_use]
    pub fn of(places: Range<usize>) -> Self {
        let mut rows = Self::none();
        let places = places.start..places.end.min(MAX_BLOCK_ROWS);
        places.for_each(|place| rows.insert(place));
        rows
    }

    /// Adds a row.
    pub fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / WORD) {
            *word |= 1 << (place % WORD);
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / WORD) {
            *word &= !(1 << (place % WORD));
        }
    }

    /// True when the row is in it.
    #[must_use]
    pub fn contains(&self, place: usize) -> bool {
        self.0.get(place / WORD).is_some_and(|word| word >> (place % WORD) & 1 != 0)
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0 = [0; WORDS];
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Their places, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..MAX_BLOCK_ROWS).filter(|&place| self.contains(place))
    }

    /// Takes those out that do not pass.
    pub(crate) fn retain(&mut self, mut test: impl FnMut(usize) -> bool) {
        let out: Vec<usize> = self.iter().filter(|&place| !test(place)).collect();
        out.into_iter().for_each(|place| self.remove(place));
    }

    /// The last `most` of them.
    #[must_use]
    pub(crate) fn last(&self, most: usize) -> Self {
        let mut rows = Self::none();
        self.iter().rev().take(most).for_each(|place| rows.insert(place));
        rows
    }
}
