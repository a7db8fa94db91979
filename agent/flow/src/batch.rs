//! What travels over a link.

use crate::{FlowRecord, Text, Timestamp};

/// Name of a tenant: 1 to 64 of `a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Text);

impl TenantId {
    /// The tenant of an agent that was not told of others.
    pub const DEFAULT: &'static str = "default";

    /// Checks a name; `None` when it is not one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let fits = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        fits.then(|| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantId {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

/// Records of one tenant on their way from an input to its ring.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Whose ring they go to.
    pub tenant: TenantId,
    /// The records, in order of arrival.
    pub records: Vec<FlowRecord>,
    /// How far the input had read once these were made; committed with them.
    pub bookmark: Option<Bookmark>,
    /// When the batch was handed over.
    pub handed_over: Timestamp,
}

/// How far an input has read, kept in the same transaction as the records that it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// The input, for example `zeek:/var/log/zeek/conn.log`.
    pub input: Text,
    /// Its position, in a form only the input understands.
    pub position: Text,
}
