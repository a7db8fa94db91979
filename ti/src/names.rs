//! Domain names, kept as 64-bit keyed hashes.
//!
//! The key is random, so that nobody can choose names that collide; with a million names the chance that an
//! unlisted one matches is one in 10¹³.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use crate::buckets::Buckets;
use crate::indicator::MAX_NAME_BYTES;

/// Names with their tags.
#[derive(Debug)]
pub(crate) struct Names {
    hashes: Vec<u64>,
    tags: Vec<u16>,
    buckets: Buckets,
    hasher: RandomState,
    labels: Labels,
}

/// The key of a name in lower case without its last dot.
pub(crate) fn hash(hasher: &RandomState, name: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    hasher.finish()
}

/// Fewest and most labels that names have; the ends of a name outside of them need no look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    fewest: usize,
    most: usize,
}

impl Labels {
    /// Of no name.
    pub(crate) const NONE: Self = Self { fewest: usize::MAX, most: 0 };

    fn of(name: &[u8]) -> usize {
        name.iter().filter(|&&b| b == b'.').count() + 1
    }

    /// Takes a name in.
    pub(crate) fn add(&mut self, name: &[u8]) {
        let labels = Self::of(name);
        self.join(Self { fewest: labels, most: labels });
    }

    /// Takes in what `other` has.
    pub(crate) fn join(&mut self, other: Self) {
        self.fewest = self.fewest.min(other.fewest);
        self.most = self.most.max(other.most);
    }
}

impl Names {
    /// From rows sorted by hash; the same name may occur once for each list. `labels` holds for all names.
    pub(crate) fn new(rows: &[(u64, u16)], hasher: RandomState, labels: Labels) -> Self {
        let hashes: Vec<u64> = rows.iter().map(|&(hash, _)| hash).collect();
        Self {
            buckets: Buckets::over(hashes.len(), hashes.iter().copied()),
            hashes,
            tags: rows.iter().map(|&(_, tag)| tag).collect(),
            hasher,
            labels,
        }
    }

    /// Calls `found` with the listed name (the end of `name`) and a tag, for `name` and all names above it, the
    /// longest first and within a name in the order of the lists.
    pub(crate) fn above<'n>(&self, name: &'n str, mut found: impl FnMut(&'n str, u16)) {
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut lower = [0; MAX_NAME_BYTES];
        let Some(lower) = lower.get_mut(..name.len()).filter(|_| !self.hashes.is_empty()) else { return };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let mut left = Labels::of(lower);
        let mut from = 0;
        while left >= self.labels.fewest {
            let suffix = &lower[from..];
            if left <= self.labels.most {
                self.tags_of(suffix).for_each(|tag| found(&name[from..], tag));
            }
            let Some(dot) = suffix.iter().position(|&b| b == b'.') else { return };
            from += dot + 1;
            left -= 1;
        }
    }

    fn tags_of(&self, name: &[u8]) -> impl Iterator<Item = u16> {
        let hash = hash(&self.hasher, name);
        let span = self.buckets.span(hash);
        let (hashes, tags) = (&self.hashes[span.clone()], &self.tags[span]);
        let end = hashes.partition_point(|&other| other <= hash);
        let equal =
            hashes[..end].iter().zip(&tags[..end]).rev().take_while(move |&(&other, _)| other == hash);
        equal.map(|(_, &tag)| tag)
    }

    /// The hashes among which `hash` is, if it is there.
    pub(crate) fn near(&self, hash: u64) -> &[u64] {
        self.hashes.get(self.buckets.span(hash)).unwrap_or_default()
    }

    /// All hashes with their tags.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u64, u16)> {
        self.hashes.iter().copied().zip(self.tags.iter().copied())
    }

    pub(crate) const fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    pub(crate) const fn labels(&self) -> Labels {
        self.labels
    }

    /// Bytes on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<u64>()
            + self.tags.capacity() * size_of::<u16>()
            + self.buckets.heap_bytes()
    }
}
