//! A small cache of fixed size, for one thread.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

/// Places in a set: the newest and the one before it.
const WAYS: usize = 2;

/// A two-way set-associative cache: what is looked up stays, what it collides with goes.
///
/// Its hash is keyed, so that nobody outside can choose addresses that collide.
pub(crate) struct Cache<K, V> {
    entries: Vec<Option<(K, V)>>,
    sets: usize,
    hasher: RandomState,
}

impl<K: Eq + Hash, V> Cache<K, V> {
    /// Room for `2 * sets` entries, and never more.
    pub(crate) fn new(sets: usize) -> Self {
        let entries = std::iter::repeat_with(|| None).take(sets * WAYS).collect();
        Self { entries, sets, hasher: RandomState::default() }
    }

    /// The value of `key`, if it is there.
    pub(crate) fn lookup(&mut self, key: &K) -> Option<&V> {
        let set = self.set(key);
        let is_key = |entry: &Option<(K, V)>| entry.as_ref().is_some_and(|(other, _)| other == key);
        if !is_key(&set[0]) {
            if !is_key(&set[1]) {
                return None;
            }
            set.swap(0, 1);
        }
        set[0].as_ref().map(|(_, value)| value)
    }

    /// Adds an entry that is not there, in place of the older one of its set.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let set = self.set(&key);
        set[1] = set[0].replace((key, value));
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        self.entries.fill_with(|| None);
    }

    fn set(&mut self, key: &K) -> &mut [Option<(K, V)>] {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let start = self.hasher.hash_one(key) as usize % self.sets * WAYS;
        &mut self.entries[start..start + WAYS]
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn the_two_newest_keys_of_a_set_stay() {
        let mut cache = Cache::new(1);
        cache.insert(1, "one");
        cache.insert(2, "two");
        assert_eq!(cache.lookup(&1), Some(&"one"));
        cache.insert(3, "three");
        assert_eq!(cache.lookup(&1), Some(&"one"));
        assert_eq!(cache.lookup(&2), None);
        assert_eq!(cache.lookup(&3), Some(&"three"));
        cache.clear();
        assert_eq!(cache.lookup(&1), None);
    }
}
