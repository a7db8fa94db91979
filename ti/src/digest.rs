//! What lists say, as a number: equal lists have equal digests, in every process and on every machine.

use std::fmt;
use std::str::FromStr;

use crate::indicator::Indicator;

/// FNV-1a, 64 bits (Fowler, Noll, Vo): its start and its factor.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_FACTOR: u64 = 0x0000_0100_0000_01b3;

/// How many indicators there are, and the sum of their hashes: their order does not matter, nor which list has which.
///
/// An indicator that a list repeats counts each time, so that no list has to be held twice. Nobody gains by another list of
/// the same digest: it hides no match, it only spares a search of what is stored already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    count: u64,
    sum: u64,
}

impl Digest {
    /// Takes an indicator in.
    pub(crate) fn add(&mut self, indicator: &Indicator) {
        let hash = match indicator {
            Indicator::V4(start, len) => hash(*len, &start.to_be_bytes()),
            Indicator::V6(start, len) => hash(*len, &start.to_be_bytes()),
            Indicator::Name(name) => hash(0, name.as_bytes()),
        };
        self.join(Self { count: 1, sum: hash });
    }

    /// Takes in what another list says.
    pub(crate) fn join(&mut self, other: Self) {
        self.count = self.count.wrapping_add(other.count);
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

fn hash(len: u8, octets: &[u8]) -> u64 {
    let step = |hash: u64, &octet: &u8| (hash ^ u64::from(octet)).wrapping_mul(FNV_FACTOR);
    let hash = octets.iter().fold(step(FNV_START, &len), step);
    // Sums need hashes whose upper bits are mixed too (SplitMix64's last step, S. Vigna).
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.count, self.sum)
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('-').ok_or("a digest is COUNT-SUM")?;
        let count = parts.0.parse().map_err(|_| "the count of a digest is a number")?;
        let sum = u64::from_str_radix(parts.1, 16).map_err(|_| "the sum of a digest is hexadecimal")?;
        Ok(Self { count, sum })
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;
    use crate::indicator::Indicator;

    /// Kept in stores: another value here would search all of them anew.
    const EXPECTED: &str = "1-4bed0c4b32f10d0e";

    fn digest(texts: &[&str]) -> Digest {
        let mut digest = Digest::default();
        texts.iter().for_each(|text| digest.add(&Indicator::parse(text).unwrap()));
        digest
    }

    #[test]
    fn order_and_spelling_do_not_matter_and_every_indicator_does() {
        let all = digest(&["192.0.2.1", "2001:db8::/32", "evil.example"]);
        assert_eq!(all, digest(&["Evil.example.", "192.0.2.1/32", "2001:db8::1/32"]));
        let others = [
            &["192.0.2.1", "2001:db8::/32"][..],
            &["192.0.2.1", "2001:db8::/33", "evil.example"],
            &["192.0.2.2", "2001:db8::/32", "evil.example"],
            &["192.0.2.0/24", "2001:db8::/32", "evil.example"],
            &["192.0.2.1", "2001:db8::/32", "evil.examples"],
        ];
        for other in others {
            assert_ne!(digest(other), all, "{other:?}");
        }
    }

    #[test]
    fn it_is_the_same_in_every_process_and_reads_as_it_is_written() {
        let one = digest(&["192.0.2.1"]);
        assert_eq!(one.to_string(), EXPECTED);
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(Digest::default().to_string(), "0-0000000000000000");
        for bad in ["", "1", "x-0", "1-x", "1-12345678901234567", "-"] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
