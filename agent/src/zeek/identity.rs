//! Which file is which, whatever it is called, wherever it lies, and however it is packed.
//!
//! Names change with rotation, inodes with compression and are used again after a deletion. What stays is how a log begins:
//! its first lines bear the time at which it was opened, or the uids of its first records.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Octets of a file that tell it from others: the header of a log and its first lines.
pub(super) const HEAD: usize = 1_024;

/// The beginning of a file: SHA-256, cut to 128 bits, of its first octets, and how many these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Fingerprint {
    hash: u128,
    length: usize,
}

impl Fingerprint {
    /// Of a file that begins with `octets`, of which [`HEAD`] count.
    pub(super) fn of(octets: &[u8]) -> Self {
        let octets = octets.get(..HEAD).unwrap_or(octets);
        let digest = Sha256::digest(octets);
        let hash = digest.iter().take(16).fold(0_u128, |hash, &octet| hash << 8 | u128::from(octet));
        Self { hash, length: octets.len() }
    }

    /// Whether it covers all that ever tells a file from others.
    pub(super) const fn is_full(self) -> bool {
        self.length == HEAD
    }

    /// Whether a file that begins with `head` can be this one. Nothing is known of a file of which nothing was read.
    pub(super) fn fits(self, head: &[u8]) -> bool {
        self.length > 0 && head.get(..self.length).is_some_and(|start| Self::of(start) == self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}-{}", self.hash, self.length)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('-').and_then(|(hash, length)| {
            Some(Self { hash: u128::from_str_radix(hash, 16).ok()?, length: length.parse().ok()? })
        });
        parts.filter(|parts| parts.length <= HEAD).ok_or("no fingerprint of a file")
    }
}

/// Whether a file that begins with `head` says nothing that one that begins with `first`, seen later, does not say.
///
/// A copy never has more than what it was copied from has later, unless that was emptied, and then it is another file.
pub(super) fn covers(first: &[u8], head: &[u8]) -> bool {
    first.get(..head.len()) == Some(head)
}

#[cfg(test)]
mod tests {
    use super::{Fingerprint, HEAD, covers};

    #[test]
    fn a_file_that_grew_is_still_itself_and_another_is_not() {
        let start = Fingerprint::of(b"#separator \\x09\n");
        assert!(start.fits(b"#separator \\x09\n") && start.fits(b"#separator \\x09\n#open"));
        assert!(!start.fits(b"#separator") && !start.fits(b"#separator \\x2c\n#open"));
        assert!(!Fingerprint::of(b"").fits(b"anything"), "nothing was read, so nothing is known");
    }

    #[test]
    fn only_the_beginning_counts() {
        let mut long = vec![b'x'; HEAD + 10];
        let full = Fingerprint::of(&long);
        long[HEAD] = b'y';
        assert!(full.fits(&long));
        long[HEAD - 1] = b'y';
        assert!(!full.fits(&long));
    }

    #[test]
    fn what_is_written_down_reads_as_the_same_and_nonsense_as_nothing() {
        let one = Fingerprint::of(b"line\n");
        assert_eq!(one.to_string().parse(), Ok(one));
        for bad in ["", "12", "xyz-5", "12-1025", "12--1", "-"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_covers_its_copies_of_earlier_and_no_other() {
        assert!(covers(b"#sep 1\n2\n", b"#sep 1\n") && covers(&[1; HEAD], &[1; HEAD]));
        assert!(!covers(b"", b"#sep 1\n"), "it was emptied: the copy has what it had");
        assert!(!covers(b"#sep 1\n", b"#sep 1\n2\n") && !covers(b"#sep 1\n", b"{"));
    }
}
