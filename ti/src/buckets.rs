//! A first step into sorted keys: where those begin that share their leading bits.

use std::ops::Range;

/// Most leading bits that are looked at: 4 MiB of positions.
const MAX_BITS: u32 = 20;

/// Keys per bucket, as a power of two: one byte of positions for each key.
const KEYS_PER_BUCKET_BITS: u32 = 2;

/// A key that can be sorted into `1 << bits` buckets, in the order of the keys.
pub(crate) trait Key: Copy + Ord {
    /// The bucket, below `1 << bits`; `bits` is 1 to [`MAX_BITS`].
    fn bucket(self, bits: u32) -> usize;
}

impl Key for u32 {
    fn bucket(self, bits: u32) -> usize {
        (self >> (Self::BITS - bits)) as usize
    }
}

impl Key for u64 {
    fn bucket(self, bits: u32) -> usize {
        (self >> (Self::BITS - bits)) as usize
    }
}

/// First positions of all buckets, and the end.
#[derive(Debug)]
pub(crate) struct Buckets {
    first: Vec<u32>,
    bits: u32,
}

impl Buckets {
    /// For `len` keys, sorted.
    pub(crate) fn over<K: Key>(len: usize, keys: impl Iterator<Item = K>) -> Self {
        let bits = len.max(1).ilog2().saturating_sub(KEYS_PER_BUCKET_BITS).clamp(1, MAX_BITS);
        let mut first = Vec::with_capacity((1 << bits) + 1);
        for (position, key) in (0_u32..).zip(keys) {
            while first.len() <= key.bucket(bits) {
                first.push(position);
            }
        }
        first.resize((1 << bits) + 1, u32::try_from(len).unwrap_or(u32::MAX));
        Self { first, bits }
    }

    /// Positions of the keys in the bucket of `key`.
    pub(crate) fn span<K: Key>(&self, key: K) -> Range<usize> {
        let bucket = key.bucket(self.bits);
        self.first[bucket] as usize..self.first[bucket + 1] as usize
    }

    /// Bytes on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.first.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Buckets, Key};
    use crate::networks::V6;

    fn check<K: Key + std::fmt::Debug>(mut keys: Vec<K>, probe: K) {
        keys.sort_unstable();
        let span = Buckets::over(keys.len(), keys.iter().copied()).span(probe);
        let from = keys.partition_point(|&key| key < probe);
        let to = keys.partition_point(|&key| key <= probe);
        assert!(span.start <= from && to <= span.end, "{span:?} {from} {to} {probe:?} {keys:?}");
    }

    proptest! {
        #[test]
        fn a_bucket_holds_every_equal_key_and_the_place_to_insert_one(
            mut short in prop::collection::vec(any::<u32>(), 0..300),
            mut hashes in prop::collection::vec(any::<u64>(), 0..300),
            long in prop::collection::vec(prop_oneof![any::<u128>(), (0..1_u128 << 125).prop_map(|low| low | 1 << 125)], 0..300),
            probe in any::<u128>(),
        ) {
            check(short.clone(), probe as u32);
            check(hashes.clone(), probe as u64);
            let mut long: Vec<V6> = long.into_iter().map(V6::from).collect();
            check(long.clone(), probe.into());
            if let (Some(a), Some(b), Some(c)) = (short.pop(), hashes.pop(), long.pop()) {
                short.push(a);
                hashes.push(b);
                long.push(c);
                check(short, a);
                check(hashes, b);
                check(long, c);
            }
        }
    }
}
