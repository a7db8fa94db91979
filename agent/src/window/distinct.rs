//! The number of distinct things seen.

use std::hash::{BuildHasher, Hash, RandomState};

/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = 12;
const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits left to count leading zeros in.
const RANK_BITS: usize = 64 - INDEX_BITS as usize;

/// Number of distinct items by HyperLogLog (Flajolet et al. 2007), standard error 1.6 %, in 4 KiB.
///
/// The hash is keyed, so that no sender can choose addresses that make the number wrong; and SipHash, since faster ones
/// (foldhash) do not spread neighbouring addresses evenly enough for the stated error.
#[derive(Clone, Debug)]
pub struct Distinct<S = RandomState> {
    pub(super) registers: Box<[u8]>,
    hasher: S,
}

impl Default for Distinct {
    fn default() -> Self {
        Self::with_hasher(RandomState::new())
    }
}

impl<S: BuildHasher> Distinct<S> {
    /// No items, hashed by `hasher`.
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self { registers: vec![0; REGISTERS].into_boxed_slice(), hasher }
    }

    /// Counts `item`, unless it was counted before.
    pub fn insert(&mut self, item: &impl Hash) {
        let hash = self.hasher.hash_one(item);
        let register = usize::try_from(hash >> (64 - INDEX_BITS)).unwrap_or(0);
        // A bit behind the hash ends the count of zeros at RANK_BITS.
        let rest = (hash << INDEX_BITS) | (1 << (INDEX_BITS - 1));
        let rank = u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX);
        self.registers[register] = self.registers[register].max(rank);
    }

    /// Forgets all items.
    pub fn clear(&mut self) {
        self.registers.fill(0);
    }

    /// How many distinct items were counted, about. O. Ertl, "New cardinality estimation algorithms for HyperLogLog
    /// sketches" (2017), algorithm 6: without bias from nothing to 2^60.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "4,096 at most")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, saturating")]
    pub fn estimate(&self) -> u64 {
        let mut counts = [0_u32; RANK_BITS + 2];
        for &rank in &self.registers {
            counts[usize::from(rank).min(RANK_BITS + 1)] += 1;
        }
        let m = REGISTERS as f64;
        let mut z = m * tau(1.0 - f64::from(counts[RANK_BITS + 1]) / m);
        for &count in counts[1..=RANK_BITS].iter().rev() {
            z = 0.5 * (z + f64::from(count));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

/// The share of empty registers, weighted; infinite when all are empty.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// The share of registers below the top, weighted.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}
