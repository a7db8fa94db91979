//! The terms of a block, from its lists of distinct values rather than from its rows.

use std::net::IpAddr;

use super::term::{Hasher, Space, Term, networks};
use super::{Terms, build};

/// Ports from here on are those that hosts pick for themselves: a block has thousands of them, each once.
pub(crate) const EPHEMERAL: u16 = 32_768;
/// Labels of a name that a term has at most. Real names have ten at most; a text of dots must not make a million terms.
const MAX_LABELS: usize = 16;
/// Words of 64 bits for a bit per port.
const PORT_WORDS: usize = EPHEMERAL as usize / 64;

/// The two filters of a block, and the buffers that they are made in: use them for one block after the other.
#[derive(Debug)]
pub struct Filters {
    address_terms: Terms,
    other_terms: Terms,
    /// A bit for each port that was met.
    ports: Box<[u64; PORT_WORDS]>,
    addresses: Vec<u8>,
    terms: Vec<u8>,
}

impl Default for Filters {
    fn default() -> Self {
        Self {
            address_terms: Terms::default(),
            other_terms: Terms::default(),
            ports: Box::new([0; PORT_WORDS]),
            addresses: Vec::new(),
            terms: Vec::new(),
        }
    }
}

impl Filters {
    /// For `summary.addresses`: addresses of both ends and their networks. Empty before the first block.
    #[must_use]
    pub fn addresses(&self) -> &[u8] {
        &self.addresses
    }

    /// For `terms.data`: everything else. Empty before the first block.
    #[must_use]
    pub fn terms(&self) -> &[u8] {
        &self.terms
    }

    /// Forgets the block before.
    pub(crate) fn begin(&mut self) {
        self.address_terms.0.clear();
        self.other_terms.0.clear();
        self.ports.fill(0);
    }

    /// Makes the filters of what was added.
    pub(crate) fn finish(&mut self) {
        for (word, &bits) in (0_u16..).zip(self.ports.iter()) {
            let mut bits = bits;
            while bits != 0 {
                let port = word * 64 + u16::try_from(bits.trailing_zeros()).unwrap_or_default();
                self.other_terms.insert(Term::exact(Space::Port, &port.to_le_bytes()));
                bits &= bits - 1;
            }
        }
        build(&self.address_terms, &mut self.addresses);
        build(&self.other_terms, &mut self.terms);
    }

    /// Adds an address of either end.
    pub(crate) fn address(&mut self, address: IpAddr) {
        networks(address, |_, term| self.address_terms.insert(term));
    }

    /// Adds a port of either end, as often as it comes.
    pub(crate) fn port(&mut self, port: u16) {
        if let Some(word) = self.ports.get_mut(usize::from(port / 64)) {
            *word |= 1 << (port % 64);
        }
    }

    /// Adds a term of another space.
    pub(crate) fn term(&mut self, term: Term) {
        self.other_terms.insert(term);
    }

    /// Adds each value of a column of octets once.
    pub(crate) fn octets(&mut self, space: Space, column: &[u8]) {
        let mut seen = [false; 256];
        column.iter().for_each(|&octet| seen[usize::from(octet)] = true);
        let met = (0..=u8::MAX).zip(seen).filter(|&(_, is_met)| is_met);
        met.for_each(|(octet, _)| self.other_terms.insert(Term::exact(space, &[octet])));
    }

    /// Adds a name and the names above it.
    pub(crate) fn domain(&mut self, name: &[u8]) {
        let name = name.strip_suffix(b".").unwrap_or(name);
        let (mut hasher, mut labels) = (Hasher::new(Space::Domain), 0);
        for octet in name.iter().rev() {
            if *octet == b'.' {
                self.other_terms.insert(hasher.term());
                labels += 1;
                if labels == MAX_LABELS {
                    return;
                }
            }
            hasher = hasher.octet(octet.to_ascii_lowercase());
        }
        self.other_terms.insert(hasher.term());
    }
}

/// The last labels of `name`, as many as a term has.
pub(crate) fn tail_of(name: &str) -> &str {
    match name.rmatch_indices('.').nth(MAX_LABELS - 1) {
        Some((dot, _)) => name.get(dot + 1..).unwrap_or(name),
        None => name,
    }
}
