//! What sums are counted by.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use weir_flow::Text;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Address(IpAddr),
    Number(u32),
    Text(Text),
}

impl Key {
    pub(crate) fn by_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Address(address) => KeyRef::Address(*address),
            Self::Number(number) => KeyRef::Number(*number),
            Self::Text(text) => KeyRef::Text(text),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// A key where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRef<'a> {
    Address(IpAddr),
    Number(u32),
    Text(&'a str),
}

impl KeyRef<'_> {
    pub(super) fn own(self) -> Key {
        match self {
            Self::Address(address) => Key::Address(address),
            Self::Number(number) => Key::Number(number),
            Self::Text(text) => Key::Text(text.into()),
        }
    }
}

/// As few words as tell keys of a dimension apart: each address of each block is looked up.
impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Address(IpAddr::V4(address)) => state.write_u32(address.to_bits()),
            Self::Address(IpAddr::V6(address)) => state.write_u128(address.to_bits()),
            Self::Number(number) => state.write_u32(*number),
            Self::Text(text) => state.write(text.as_bytes()),
        }
    }
}
