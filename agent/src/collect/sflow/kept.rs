//! A map that is bounded: what was not used for long makes room.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Values by their key, up to a limit.
///
/// Beyond it a hand goes around over the values and takes the first that was not used since it came by: the cost of a
/// new key does not grow with the limit, whatever an exporter sends.
pub(super) struct Kept<K, V> {
    index: HashTable<u32>,
    entries: Vec<Entry<K, V>>,
    hasher: RandomState,
    limit: usize,
    hand: usize,
}

struct Entry<K, V> {
    key: K,
    value: V,
    used: bool,
}

impl<K: Copy + Eq + Hash, V: Default> Kept<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { index: HashTable::new(), entries: Vec::new(), hasher: RandomState::default(), limit, hand: 0 }
    }

    /// Does `with` to the value of `key`, a new one where there was none; true when another had to make room.
    pub(super) fn with<R>(&mut self, key: K, with: impl FnOnce(&mut V) -> R) -> (R, bool) {
        let (hash, entries) = (self.hasher.hash_one(key), &self.entries);
        let found = self.index.find(hash, |&place| at(entries, place).is_some_and(|entry| entry.key == key));
        if let Some(&place) = found
            && let Some(entry) = self.entries.get_mut(place as usize)
        {
            entry.used = true;
            return (with(&mut entry.value), false);
        }
        let mut value = V::default();
        let result = with(&mut value);
        (result, self.insert(hash, Entry { key, value, used: false }))
    }

    /// Adds an entry; true when another had to make room.
    fn insert(&mut self, hash: u64, entry: Entry<K, V>) -> bool {
        let full = self.entries.len() >= self.limit;
        let place = if full { self.make_room() } else { self.entries.len() };
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        match self.entries.get_mut(place) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        let (entries, hasher) = (&self.entries, &self.hasher);
        let again = |&place: &u32| at(entries, place).map_or(0, |entry| hasher.hash_one(entry.key));
        self.index.insert_unique(hash, number, again);
        full
    }

    /// Takes an entry that was not used for long out of the index; answers its place.
    fn make_room(&mut self) -> usize {
        let places = self.entries.len().max(1);
        while let Some(entry) = self.entries.get_mut(self.hand)
            && entry.used
        {
            entry.used = false;
            self.hand = (self.hand + 1) % places;
        }
        let place = self.hand;
        self.hand = (place + 1) % places;
        if let Some(entry) = self.entries.get(place) {
            let hash = self.hasher.hash_one(entry.key);
            if let Ok(found) = self.index.find_entry(hash, |&number| number as usize == place) {
                found.remove();
            }
        }
        place
    }

    /// Forgets what `keep` does not want.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|entry| keep(&entry.key));
        if self.entries.len() == before {
            return;
        }
        self.hand = 0;
        self.index.clear();
        let (entries, hasher) = (&self.entries, &self.hasher);
        let again = |&place: &u32| at(entries, place).map_or(0, |entry| hasher.hash_one(entry.key));
        for (number, entry) in (0_u32..).zip(entries) {
            self.index.insert_unique(hasher.hash_one(entry.key), number, again);
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Octets of memory.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<K, V>>() + self.index.allocation_size()
    }

    /// All values, in no order that means anything.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.value)
    }
}

fn at<K, V>(entries: &[Entry<K, V>], place: u32) -> Option<&Entry<K, V>> {
    entries.get(place as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Kept;

    /// What was counted under `key` before, and whether another was forgotten.
    fn count(kept: &mut Kept<u32, u32>, key: u32) -> (u32, bool) {
        kept.with(key, |value| std::mem::replace(value, *value + 1))
    }

    #[test]
    fn what_was_not_used_for_long_makes_room() {
        let mut kept = Kept::new(2);
        assert_eq!([2, 1, 2].map(|key| count(&mut kept, key)), [(0, false), (0, false), (1, false)]);
        assert_eq!(count(&mut kept, 3), (0, true));
        assert_eq!((count(&mut kept, 2), kept.len()), ((2, false), 2));
        assert_eq!(count(&mut kept, 1), (0, true), "1 was forgotten");
        let mut counts: Vec<_> = kept.values().copied().collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 3]);
    }

    proptest! {
        #[test]
        fn a_key_is_there_once_and_has_its_own_value(
            keys in prop::collection::vec(0_u32..24, 0..400), limit in 1_usize..16, forgotten in 0_u32..24,
        ) {
            let mut kept: Kept<u32, Option<u32>> = Kept::new(limit);
            for (round, key) in keys.into_iter().enumerate() {
                let before = kept.len();
                let (old, displaced) = kept.with(key, |value| value.replace(key));
                prop_assert!(old.is_none_or(|old| old == key));
                prop_assert!(kept.len() <= limit && (!displaced || (before == limit && old.is_none())));
                if round % 50 == 49 {
                    kept.retain(|&key| key != forgotten);
                    prop_assert!(kept.values().all(|&value| value != Some(forgotten)));
                }
                let mut values: Vec<_> = kept.values().copied().collect();
                values.sort_unstable();
                values.dedup();
                prop_assert_eq!(values.len(), kept.len());
            }
        }
    }
}
