//! Networks of one address family, flat and sorted, each knowing the network around it.
//!
//! A lookup finds the last network that does not start after the address, then goes outwards. The chain is never
//! longer than prefix lengths times lists.

use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::buckets::{Buckets, Key};
use crate::indicator::{mask_v4, mask_v6};

/// No network around this one: beyond the last row of any index.
const NONE: u32 = u32::MAX;

/// An address as a number.
pub(crate) trait Address: Key {
    /// Bits of an address.
    const BITS: u8;

    /// The first `len` bits.
    fn prefix(self, len: u8) -> Self;

    /// The address as text.
    fn ip(self) -> IpAddr;
}

impl Address for u32 {
    const BITS: u8 = 32;

    fn prefix(self, len: u8) -> Self {
        self & mask_v4(len)
    }

    fn ip(self) -> IpAddr {
        Ipv4Addr::from(self).into()
    }
}

/// An IPv6 address in two halves: a row of it takes 24 bytes instead of the 32 that the alignment of `u128` costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct V6(u64, u64);

impl From<u128> for V6 {
    fn from(bits: u128) -> Self {
        Self((bits >> 64) as u64, bits as u64)
    }
}

impl From<V6> for u128 {
    fn from(V6(high, low): V6) -> Self {
        Self::from(high) << 64 | Self::from(low)
    }
}

impl Key for V6 {
    fn bucket(self, bits: u32) -> usize {
        // Global unicast is 2000::/3 (RFC 4291 §2.4): the bits after these three tell addresses apart.
        let leading = (self.0 >> (u64::BITS - 3 - bits)) as usize;
        leading.saturating_sub(1 << bits).min((1 << bits) - 1)
    }
}

impl Address for V6 {
    const BITS: u8 = 128;

    fn prefix(self, len: u8) -> Self {
        (u128::from(self) & mask_v6(len)).into()
    }

    fn ip(self) -> IpAddr {
        Ipv6Addr::from(u128::from(self)).into()
    }
}

/// A network and its tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<A> {
    pub(crate) start: A,
    /// Place of the network around this one; [`NONE`] without and until it is known.
    parent: u32,
    pub(crate) tag: u16,
    pub(crate) len: u8,
}

impl<A: Address> Row<A> {
    pub(crate) const fn new(start: A, len: u8, tag: u16) -> Self {
        Self { start, parent: NONE, tag, len }
    }

    /// Sorts a network before those inside it.
    pub(crate) const fn key(&self) -> (A, u8) {
        (self.start, self.len)
    }

    /// True for one single address.
    pub(crate) const fn is_host(&self) -> bool {
        self.len == A::BITS
    }

    fn contains(&self, address: A) -> bool {
        address.prefix(self.len) == self.start
    }
}

/// Networks with their tags.
#[derive(Debug)]
pub(crate) struct Networks<A> {
    rows: Vec<Row<A>>,
    buckets: Buckets,
}

impl<A: Address> Networks<A> {
    /// From rows sorted by network; the same network may occur once for each list.
    pub(crate) fn new(mut rows: Vec<Row<A>>) -> Self {
        rows.shrink_to_fit();
        let mut around: Vec<u32> = Vec::with_capacity(usize::from(A::BITS) + 1);
        for at in 0..rows.len() {
            while around.last().is_some_and(|&outer| !rows[outer as usize].contains(rows[at].start)) {
                around.pop();
            }
            rows[at].parent = around.last().copied().unwrap_or(NONE);
            around.push(u32::try_from(at).unwrap_or(NONE));
        }
        Self { buckets: Buckets::over(rows.len(), rows.iter().map(|row| row.start)), rows }
    }

    /// Networks that hold `address`, the longest prefix first and within a network in the order of the lists.
    pub(crate) fn around(&self, address: A) -> impl Iterator<Item = &Row<A>> {
        let span = self.buckets.span(address);
        let last = span.start + self.rows[span].partition_point(|row| row.start <= address);
        let first = last.checked_sub(1).map(|at| &self.rows[at]);
        iter::successors(first, |row| self.rows.get(row.parent as usize))
            .filter(move |row| row.contains(address))
    }

    /// The networks among which those that start with `address` are.
    pub(crate) fn near(&self, address: A) -> &[Row<A>] {
        self.rows.get(self.buckets.span(address)).unwrap_or_default()
    }

    /// All networks.
    pub(crate) fn rows(&self) -> &[Row<A>] {
        &self.rows
    }

    /// Bytes on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row<A>>() + self.buckets.heap_bytes()
    }
}
