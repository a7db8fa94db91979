//! Filters of sealed blocks: what a block certainly has not, so that a search passes it by without reading it.
//!
//! A filter is a Bloom filter (B. H. Bloom, CACM 13/7, 1970) over terms (`term.rs`); `gather.rs` has which terms a block gives
//! to which of its two filters. Its format:
//!
//! | octets | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | probes of a term, 1 to [`MAX_PROBES`] |
//! | rest | the bits, the lowest of the first octet first |
//!
//! Of a term's 64 bits, `a` is the lower half and `b` the upper one made odd. Probe `i` is bit `(a + i b mod 2^32) n / 2^32`,
//! rounded down, of `n` bits (double hashing: A. Kirsch, M. Mitzenmacher, ESA 2006). A reader trusts nothing: a filter that is
//! empty, unknown or odd may hold everything.

mod gather;
mod term;

use hashbrown::HashTable;

pub use gather::Filters;
pub(crate) use gather::{EPHEMERAL, tail_of};
pub(crate) use term::{FNV_OFFSET, FNV_PRIME, Space, Term, networks};

/// Bits for each term. With 8 probes 0.3 % of terms that are not there seem to be; with 10 bits it is 0.8 %, and each wrong block costs a search a hundred times what the bits cost.
const BITS_PER_TERM: usize = 12;
/// Octets of bits at most. A scan gives a block 8,192 addresses, each with three networks: 32,768 terms would take 48 KiB, more
/// than the block itself. Then the filter is less sharp, not longer.
const MAX_BITS_BYTES: usize = 16 << 10;
/// Probes of a term, at most: more than 12 bits for each have use for.
const MAX_PROBES: u8 = 12;
/// The version that is written.
const VERSION: u8 = 1;

/// A filter as it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a> {
    probes: u8,
    bits: &'a [u8],
}

impl<'a> Filter<'a> {
    /// None when `data` is no filter that can be read.
    pub(crate) fn read(data: &'a [u8]) -> Option<Self> {
        let (&[version, probes], bits) = data.split_first_chunk()?;
        let is_known = version == VERSION && (1..=MAX_PROBES).contains(&probes);
        (is_known && !bits.is_empty() && bits.len() <= MAX_BITS_BYTES).then_some(Self { probes, bits })
    }

    /// False when the block certainly has no such term.
    pub(crate) fn may_hold(self, term: Term) -> bool {
        let length = self.bits.len() as u64 * 8;
        probes(term, self.probes, length)
            .all(|(octet, bit)| self.bits.get(octet).is_some_and(|&b| b & bit != 0))
    }
}

/// Terms, each once. They are hashes already.
#[derive(Debug, Default)]
struct Terms(HashTable<Term>);

impl Terms {
    fn insert(&mut self, term: Term) {
        self.0.entry(term.0, |other| *other == term, |other| other.0).or_insert(term);
    }
}

/// Octet and bit of each probe.
fn probes(term: Term, count: u8, length: u64) -> impl Iterator<Item = (usize, u8)> {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the term are wanted")]
    let (first, step) = (term.0 as u32, (term.0 >> 32) as u32 | 1);
    (0..u32::from(count)).map(move |probe| {
        let point = first.wrapping_add(probe.wrapping_mul(step));
        let at = (u64::from(point) * length) >> 32;
        // Never beyond `length`, which is that of a slice.
        (usize::try_from(at / 8).unwrap_or(usize::MAX), 1 << (at % 8))
    })
}

/// Writes the filter of `terms` to `out`.
fn build(terms: &Terms, out: &mut Vec<u8>) {
    let length = (terms.0.len() * BITS_PER_TERM).div_ceil(8).clamp(8, MAX_BITS_BYTES);
    let probe_count = best_probes(length * 8, terms.0.len());
    out.clear();
    out.extend_from_slice(&[VERSION, probe_count]);
    out.resize(2 + length, 0);
    let Some((_, bits)) = out.split_first_chunk_mut::<2>() else { return };
    for &term in terms.0.iter() {
        for (octet, bit) in probes(term, probe_count, length as u64 * 8) {
            if let Some(octet) = bits.get_mut(octet) {
                *octet |= bit;
            }
        }
    }
}

/// The number of probes that errs least: bits for each term × ln 2.
fn best_probes(bits: usize, terms: usize) -> u8 {
    let best = bits.saturating_mul(693) / terms.max(1) / 1_000;
    u8::try_from(best).unwrap_or(MAX_PROBES).clamp(1, MAX_PROBES)
}

#[cfg(test)]
mod tests;
