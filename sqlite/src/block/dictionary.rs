//! Values that return: each is written once, and rows say which.
//!
//! A code is 0 for a value that the block has not had yet, and is the next of its list; else the value's place in the
//! list, from 1. So what never returns costs a row of zeros beside the value itself. Several columns can share a list; its
//! order is that of the rows, and within a row that of the columns.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::Damage;
use super::column::{Column, Input, Shorts, ShortsReader};

/// Slots of a [`Memo`]: as many places as a busy office has within a block.
const MEMO_SLOTS: usize = 1_024;

/// The code of the value at `place`. No list is longer than two values for each of a block's rows.
fn code_of(place: usize) -> u16 {
    u16::try_from(place + 1).unwrap_or(u16::MAX)
}

/// Small values of one size.
#[derive(Debug)]
pub(super) struct Dictionary<T> {
    entries: Vec<T>,
    /// Places in `entries`.
    table: HashTable<u16>,
    hasher: RandomState,
    last: usize,
}

impl<T> Default for Dictionary<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), table: HashTable::new(), hasher: RandomState::default(), last: 0 }
    }
}

impl<T: Copy + Eq + Hash> Dictionary<T> {
    pub(super) fn code(&mut self, value: T) -> u16 {
        // Neighbours are often alike.
        if self.entries.get(self.last) == Some(&value) {
            return code_of(self.last);
        }
        let Self { entries, table, hasher, .. } = self;
        let hash = hasher.hash_one(value);
        if let Some(&place) = table.find(hash, |&place| entries.get(usize::from(place)) == Some(&value)) {
            self.last = place.into();
            return code_of(place.into());
        }
        self.last = entries.len();
        let rehash = |&place: &u16| hasher.hash_one(entries.get(usize::from(place)));
        table.insert_unique(hash, code_of(self.last) - 1, |place| rehash(place));
        entries.push(value);
        0
    }

    pub(super) fn entries(&self) -> &[T] {
        &self.entries
    }

    /// The place of the value that was coded last.
    pub(super) const fn last(&self) -> usize {
        self.last
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.table.clear();
        self.last = 0;
    }
}

/// Texts and other octets.
#[derive(Debug, Default)]
pub(super) struct Texts {
    lengths: Column,
    octets: Column,
    /// Where each ends in `octets`.
    ends: Vec<u32>,
    table: HashTable<u16>,
    hasher: RandomState,
    last: usize,
}

/// The entry at `place`.
fn entry<'a>(octets: &'a [u8], ends: &[u32], place: usize) -> Option<&'a [u8]> {
    let begin = place.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied())?;
    octets.get(begin as usize..*ends.get(place)? as usize)
}

impl Texts {
    pub(super) fn code(&mut self, value: &[u8]) -> u16 {
        let Self { octets, ends, table, hasher, .. } = self;
        if entry(&octets.0, ends, self.last) == Some(value) {
            return code_of(self.last);
        }
        let hash = hasher.hash_one(value);
        let is_value = |&place: &u16| entry(&octets.0, ends, place.into()) == Some(value);
        if let Some(&place) = table.find(hash, is_value) {
            self.last = place.into();
            return code_of(place.into());
        }
        self.last = ends.len();
        let rehash = |&place: &u16| hasher.hash_one(entry(&octets.0, ends, place.into()).unwrap_or_default());
        table.insert_unique(hash, code_of(self.last) - 1, rehash);
        self.lengths.number(value.len() as u64);
        octets.0.extend_from_slice(value);
        // A block's octets are few enough.
        ends.push(u32::try_from(octets.0.len()).unwrap_or(u32::MAX));
        0
    }

    /// The place of the value that was coded last.
    pub(super) const fn last(&self) -> usize {
        self.last
    }

    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        entry(&self.octets.0, &self.ends, place)
    }

    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// All, in the order of their codes.
    pub(super) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    pub(super) fn clear(&mut self) {
        self.lengths.clear();
        self.octets.clear();
        self.ends.clear();
        self.table.clear();
        self.last = 0;
    }

    /// All lengths, then all octets.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.lengths.write(out);
        self.octets.write(out);
        self.clear();
    }
}

/// A column of texts with a list of its own.
#[derive(Debug, Default)]
pub(super) struct TextColumn {
    codes: Shorts,
    texts: Texts,
}

impl TextColumn {
    pub(super) const fn texts(&self) -> &Texts {
        &self.texts
    }

    pub(super) fn push(&mut self, value: &[u8]) {
        self.codes.push(self.texts.code(value));
    }

    /// Its distinct values.
    pub(super) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.entries()
    }

    pub(super) fn clear(&mut self) {
        self.codes.clear();
        self.texts.clear();
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.codes.write(out);
        self.texts.write(out);
    }
}

/// Codes of values that records share, found by where they are in memory.
#[derive(Debug)]
pub(super) struct Memo<T> {
    /// The value is held, so that nothing else can come to be where it is.
    slots: Vec<Option<(Arc<T>, u16)>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { slots: std::iter::repeat_with(|| None).take(MEMO_SLOTS).collect() }
    }
}

impl<T> Memo<T> {
    /// The code of `value`; where it is not known, what `find` answers: a code and the place.
    pub(super) fn code(&mut self, value: &Arc<T>, find: impl FnOnce(&T) -> (u16, usize)) -> u16 {
        // Fibonacci hashing (Knuth, TAOCP 3, 6.4): neighbours in memory come to lie far apart.
        let spread = (Arc::as_ptr(value) as usize as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = (spread >> 54) as usize % MEMO_SLOTS;
        let Some(slot) = self.slots.get_mut(slot) else { return find(value).0 };
        match slot {
            Some((held, code)) if Arc::ptr_eq(held, value) => *code,
            _ => {
                let (code, place) = find(value);
                *slot = Some((Arc::clone(value), code_of(place)));
                code
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
    }
}

/// What a reader has of a list so far.
#[derive(Clone, Debug)]
pub(super) struct Seen<T>(Vec<T>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Seen<T> {
    /// The value of `code`; `read` reads the next one of the list.
    pub(super) fn resolve(
        &mut self,
        code: u16,
        read: impl FnOnce() -> Result<T, Damage>,
    ) -> Result<&T, Damage> {
        let place = match code.checked_sub(1) {
            Some(place) => place.into(),
            None => {
                self.0.push(read()?);
                self.0.len() - 1
            }
        };
        self.0.get(place).ok_or(Damage::Value("code"))
    }
}

/// Reads [`Texts`], each once.
pub(super) struct TextsReader<'a, T> {
    lengths: Input<'a>,
    octets: Input<'a>,
    seen: Seen<T>,
}

impl<'a, T> TextsReader<'a, T> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self { lengths: block.column()?, octets: block.column()?, seen: Seen::default() })
    }

    /// The value of `code`; `make` makes it of octets that are new.
    pub(super) fn resolve(
        &mut self,
        code: u16,
        make: impl FnOnce(&'a [u8]) -> Result<T, Damage>,
    ) -> Result<&T, Damage> {
        let Self { lengths, octets, seen } = self;
        seen.resolve(code, || {
            let length = usize::try_from(lengths.number()?).map_err(|_| Damage::Short)?;
            make(octets.octets(length)?)
        })
    }

    /// What `test` says of each entry that can be read, `most` at most; the list is as it was.
    pub(super) fn judge<V>(
        &self,
        most: usize,
        mut test: impl FnMut(&'a [u8]) -> Result<V, Damage>,
    ) -> Vec<V> {
        let (mut lengths, mut octets) = (self.lengths, self.octets);
        let mut next = || {
            let length = usize::try_from(lengths.number()?).map_err(|_| Damage::Short)?;
            test(octets.octets(length)?)
        };
        std::iter::from_fn(|| next().ok()).take(most).collect()
    }

    /// All that are left, `most` at most.
    pub(super) fn rest(
        mut self,
        most: usize,
        make: impl Fn(&'a [u8]) -> Result<T, Damage>,
    ) -> Result<Vec<T>, Damage> {
        while !self.lengths.is_empty() {
            if self.seen.0.len() == most {
                return Err(Damage::Value("length of a list"));
            }
            self.resolve(0, &make)?;
        }
        Ok(self.seen.0)
    }
}

/// Reads a [`TextColumn`].
pub(super) struct TextColumnReader<'a, T> {
    pub(super) codes: ShortsReader<'a>,
    pub(super) texts: TextsReader<'a, T>,
}

impl<'a, T> TextColumnReader<'a, T> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self { codes: ShortsReader::new(block)?, texts: TextsReader::new(block)? })
    }

    pub(super) fn next(&mut self, make: impl FnOnce(&'a [u8]) -> Result<T, Damage>) -> Result<&T, Damage> {
        self.texts.resolve(self.codes.next()?, make)
    }
}

/// A text that many records share.
pub(super) fn shared(octets: &[u8]) -> Result<weir_flow::Text, Damage> {
    std::str::from_utf8(octets).map(Into::into).map_err(|_| Damage::Utf8)
}
