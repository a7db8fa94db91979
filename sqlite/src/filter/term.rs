//! Terms: what is searched for, as 64 bits that never change, since filters on the disk are made of them.
//!
//! A term is the octet of its [`Space`] and then its own octets, through FNV-1a with 64 bits (G. Fowler, L. C. Noll, K.-P. Vo),
//! whose result goes through the finaliser of SplitMix64 (S. Vigna), since FNV alone mixes its upper bits badly.

use std::net::IpAddr;

pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
pub(crate) const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// A term's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Term(pub(super) u64);

/// What a term is about. The numbers belong to the format: none is ever given another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Space {
    /// The first octets of an IPv4 address, 1 to 4.
    Ipv4 = 1,
    /// The first octets of an IPv6 address, 4, 6, 8 or 16.
    Ipv6 = 2,
    /// A port below 32768, two octets, the lower first.
    Port = 3,
    /// A name or one above it, in lower case, its octets from the last to the first.
    Domain = 4,
    /// A country as it is written.
    Country = 5,
    /// An AS number, four octets, the lowest first.
    Asn = 6,
    /// An IP protocol, an octet.
    Proto = 7,
    /// A service in lower case.
    Service = 8,
    /// The code of a source (`block/code.rs`).
    Source = 9,
    /// The code of a kind, and the name of another one.
    Kind = 10,
    /// An exporter's address, 4 or 16 octets; next hops are among them.
    Exporter = 11,
    /// An observer as it is written.
    Observer = 12,
    /// The bit of a tag.
    Tag = 13,
    /// The code of a direction.
    Direction = 14,
    /// An indicator that matched, in lower case.
    Indicator = 15,
    /// Its category, in lower case.
    Category = 16,
}

/// A term in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasher(u64);

impl Hasher {
    pub(super) const fn new(space: Space) -> Self {
        Self(FNV_OFFSET).octet(space as u8)
    }

    pub(super) const fn octet(self, octet: u8) -> Self {
        Self((self.0 ^ octet as u64).wrapping_mul(FNV_PRIME))
    }

    /// The term of what came so far.
    pub(super) const fn term(self) -> Term {
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Term(z ^ (z >> 31))
    }
}

impl Term {
    /// Of octets as they are.
    pub(crate) fn exact(space: Space, octets: &[u8]) -> Self {
        octets.iter().fold(Hasher::new(space), |hasher, &octet| hasher.octet(octet)).term()
    }

    /// Of a text whose case does not matter, as far as it is ASCII.
    pub(crate) fn folded(space: Space, text: &[u8]) -> Self {
        text.iter().fold(Hasher::new(space), |hasher, octet| hasher.octet(octet.to_ascii_lowercase())).term()
    }

    /// Of a name.
    pub(crate) fn domain(name: &[u8]) -> Self {
        let hash = |hasher: Hasher, octet: &u8| hasher.octet(octet.to_ascii_lowercase());
        name.iter().rev().fold(Hasher::new(Space::Domain), hash).term()
    }

    /// Of an exporter's address.
    pub(crate) fn exporter(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::exact(Space::Exporter, &address.octets()),
            IpAddr::V6(address) => Self::exact(Space::Exporter, &address.octets()),
        }
    }
}

/// Calls `take` with the length in bits and the term of each network of `address` that filters have, the narrowest, which is the
/// address itself, last. IPv4 in IPv6 (RFC 4291 §2.5.5.2) is IPv4.
pub(crate) fn networks(address: IpAddr, mut take: impl FnMut(u8, Term)) {
    let mut each = |space, octets: &[u8], ends: &[usize]| {
        let mut hasher = Hasher::new(space);
        for (length, &octet) in (1..).zip(octets) {
            hasher = hasher.octet(octet);
            if ends.contains(&length) {
                take(u8::try_from(length * 8).unwrap_or(u8::MAX), hasher.term());
            }
        }
    };
    match address.to_canonical() {
        IpAddr::V4(address) => each(Space::Ipv4, &address.octets(), &[1, 2, 3, 4]),
        IpAddr::V6(address) => each(Space::Ipv6, &address.octets(), &[4, 6, 8, 16]),
    }
}
