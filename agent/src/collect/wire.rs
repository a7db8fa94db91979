//! Reading what exporters write: big-endian numbers and pieces of known length, never past the end.

/// What is left to read. Every method answers `None` where too little is left, and takes nothing then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// What has not been read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `length` octets.
    #[inline]
    pub(super) const fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        match self.0.split_at_checked(length) {
            Some((piece, rest)) => {
                self.0 = rest;
                Some(piece)
            }
            None => None,
        }
    }

    #[inline]
    pub(super) const fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        match self.0.split_first_chunk() {
            Some((piece, rest)) => {
                self.0 = rest;
                Some(*piece)
            }
            None => None,
        }
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}
