//! Sums by key in bounded memory: what is dropped when there are too many keys is bounded, not forgotten.
//!
//! When a [`Sums`] is full, the keys with the least go (lossy counting; Manku and Motwani, 2002). What any of them had at most is
//! kept as `lost`: no key that is not there had more, and one that comes back may miss as much. So of every key it is known
//! what it has at least, and how much more at most, whatever keys a scan makes up.

mod key;

use std::cmp::Reverse;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use weir_flow::{FlowRecord, Text};

pub(crate) use self::key::{Key, KeyRef};
use crate::Measure;

/// Octets of a key or a label at most. Names have 253 (RFC 1035 §2.3.4 without the last dot); what a stranger sends as one can
/// have a megabyte, and thousands of these must not be held.
pub(crate) const MAX_TEXT: usize = 255;

/// Half of the keys are kept when there are too many, the greatest by octets and by flows: with fewer than four there is no half.
const MIN_LIMIT: usize = 4;

/// Octets, packets and flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) [u64; 3]);

impl Sum {
    pub(crate) const ZERO: Self = Self([0; 3]);

    /// What `record` counts: octets and packets times its sampling.
    pub(crate) fn of(record: &FlowRecord) -> Self {
        let sampling = record.exported.as_ref().and_then(|exported| exported.sampling);
        let sampling = u64::from(sampling.unwrap_or(1).max(1));
        Self([record.octets().saturating_mul(sampling), record.packets().saturating_mul(sampling), 1])
    }

    pub(crate) const fn get(self, measure: Measure) -> u64 {
        let Self([octets, packets, flows]) = self;
        match measure {
            Measure::Octets => octets,
            Measure::Packets => packets,
            Measure::Flows => flows,
        }
    }

    /// Adds up to the greatest number.
    pub(crate) fn add(&mut self, other: Self) {
        self.with(other, u64::saturating_add);
    }

    pub(crate) fn less(mut self, other: Self) -> Self {
        self.with(other, u64::saturating_sub);
        self
    }

    pub(crate) fn plus(mut self, other: Self) -> Self {
        self.add(other);
        self
    }

    fn greater(mut self, other: Self) -> Self {
        self.with(other, u64::max);
        self
    }

    /// By hand, since the writer does it several times for each record.
    fn with(&mut self, other: Self, change: impl Fn(u64, u64) -> u64) {
        let (Self([octets, packets, flows]), Self(more)) = (self, other);
        *octets = change(*octets, more[0]);
        *packets = change(*packets, more[1]);
        *flows = change(*flows, more[2]);
    }
}

/// A key and what it has.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) label: Option<Text>,
    /// What it has at least.
    pub(crate) sum: Sum,
    /// `lost` without what the key itself can have lost; so that no entry changes when sums are added to others.
    credit: Sum,
}

/// Sums by key.
#[derive(Debug)]
pub(crate) struct Sums {
    entries: Vec<Entry>,
    /// Places in `entries`.
    table: HashTable<u32>,
    hasher: RandomState,
    lost: Sum,
    /// What keys longer than [`MAX_TEXT`] had, which are in no entry.
    outsized: Sum,
    limit: usize,
}

impl Sums {
    /// Sums of `limit` keys at most, four at least.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            entries: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::default(),
            lost: Sum::ZERO,
            outsized: Sum::ZERO,
            limit: limit.max(MIN_LIMIT),
        }
    }

    /// Lets it have other than its keys so far, at most.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(MIN_LIMIT);
        if self.entries.len() > self.limit {
            self.shorten();
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a key that is not there can have at most.
    pub(crate) fn unknown(&self) -> Sum {
        self.lost.greater(self.outsized)
    }

    /// What keys that are too long had.
    pub(crate) const fn outsized(&self) -> Sum {
        self.outsized
    }

    /// What `entry` can have beyond its sum at most.
    pub(crate) fn missed(&self, entry: &Entry) -> Sum {
        let mut missed = self.lost.less(entry.credit);
        for (missed, lost) in missed.0.iter_mut().zip(self.lost.0) {
            // Beyond the greatest number nothing is known.
            if lost == u64::MAX {
                *missed = lost;
            }
        }
        missed
    }

    pub(crate) fn add(&mut self, key: KeyRef<'_>, label: Option<&Text>, sum: Sum) {
        self.put(key, label, sum, Sum::ZERO);
    }

    /// Adds an entry that was read: what it has at least, and beyond that at most. Its `lost` comes first, by [`Sums::lose`].
    pub(crate) fn restore(&mut self, key: KeyRef<'_>, label: Option<&Text>, sum: Sum, credit: Sum) {
        self.put(key, label, sum, credit);
    }

    /// Takes note that any key can have had `lost` more, and keys that are too long `outsized`.
    pub(crate) fn lose(&mut self, lost: Sum, outsized: Sum) {
        self.lost.add(lost);
        self.outsized.add(outsized);
    }

    /// Adds all that `other` has.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.lose(other.lost, other.outsized);
        for entry in &other.entries {
            self.put(entry.key.by_ref(), entry.label.as_ref(), entry.sum, entry.credit);
        }
    }

    fn put(&mut self, key: KeyRef<'_>, label: Option<&Text>, sum: Sum, credit: Sum) {
        if matches!(key, KeyRef::Text(text) if text.len() > MAX_TEXT) {
            self.outsized.add(sum);
            return;
        }
        let hash = self.hasher.hash_one(key);
        let Self { entries, table, .. } = self;
        let is_key =
            |&place: &u32| entries.get(place as usize).is_some_and(|entry| entry.key.by_ref() == key);
        if let Some(&place) = table.find(hash, is_key) {
            let Some(entry) = entries.get_mut(place as usize) else { return };
            entry.sum.add(sum);
            entry.credit.add(credit);
            if entry.label.is_none() {
                entry.label = label.map(shortened);
            }
            return;
        }
        if self.entries.len() >= self.limit {
            self.shorten();
        }
        let label = label.map(shortened);
        self.entries.push(Entry { key: key.own(), label, sum, credit });
        self.enter(hash);
    }

    /// Puts the last entry into the table.
    fn enter(&mut self, hash: u64) {
        let Self { entries, table, hasher, .. } = self;
        let place = u32::try_from(entries.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let rehash = |&place: &u32| {
            entries.get(place as usize).map_or(0, |entry: &Entry| hasher.hash_one(entry.key.by_ref()))
        };
        table.insert_unique(hash, place, rehash);
    }

    /// Drops about half of the keys.
    fn shorten(&mut self) {
        let (keep, lost) = self.greatest((self.limit / 4).max(1));
        self.raise(lost);
        let mut keep = keep.into_iter();
        self.entries.retain(|_| keep.next().unwrap_or(false));
        self.table.clear();
        let Self { entries, table, hasher, .. } = self;
        let hash = |entry: &Entry| hasher.hash_one(entry.key.by_ref());
        for (place, entry) in (0..).zip(entries.iter()) {
            let rehash = |&place: &u32| entries.get(place as usize).map_or(0, hash);
            table.insert_unique(hash(entry), place, rehash);
        }
    }

    /// What is there has lost nothing more when the bound grows to `lost`.
    fn raise(&mut self, lost: Sum) {
        let more = lost.less(self.lost);
        self.entries.iter_mut().for_each(|entry| entry.credit.add(more));
        self.lost = lost;
    }

    /// Which entries are among the `each` greatest by octets or by flows, counting what they may have missed; and what any key
    /// without these can have at most.
    pub(crate) fn greatest(&self, each: usize) -> (Vec<bool>, Sum) {
        let mut keep = vec![false; self.entries.len()];
        let most: Vec<Sum> = self.entries.iter().map(|entry| self.most(entry)).collect();
        for measure in [Measure::Octets, Measure::Flows] {
            let places = most.iter().zip(0_u32..).map(|(sum, place)| (Reverse(sum.get(measure)), place));
            let mut ranked: Vec<_> = places.collect();
            if each < ranked.len() {
                ranked.select_nth_unstable(each);
            }
            for (_, place) in ranked.into_iter().take(each) {
                keep.iter_mut().skip(place as usize).take(1).for_each(|keep| *keep = true);
            }
        }
        let dropped = most.into_iter().zip(&keep).filter(|&(_, &keep)| !keep);
        let lost = dropped.fold(self.lost, |lost, (most, _)| lost.greater(most));
        (keep, lost)
    }

    fn most(&self, entry: &Entry) -> Sum {
        entry.sum.plus(self.missed(entry))
    }
}

/// A label without what is beyond [`MAX_TEXT`].
fn shortened(label: &Text) -> Text {
    if label.len() <= MAX_TEXT {
        return Text::clone(label);
    }
    let end = (0..=MAX_TEXT).rev().find(|&end| label.is_char_boundary(end)).unwrap_or(0);
    label.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
