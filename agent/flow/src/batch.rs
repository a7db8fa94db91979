//! What travels over a link.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Records of one tenant on their way from an input to its ring, and what is committed in one transaction with them.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Whose ring they go to.
    pub tenant: TenantId,
    /// The records, in order of arrival.
    pub records: Vec<FlowRecord>,
    /// How far the input had read once these were made.
    pub bookmark: Option<Bookmark>,
    /// The answer that was given for them, to be repeated when the same request comes again.
    pub receipt: Option<Box<Receipt>>,
    /// Dead letters that these records were, one for each in the same order: they are removed when the records are stored,
    /// and a record whose letter is gone by then is not stored again.
    pub replayed: Vec<i64>,
    /// The input's own shares of what may be on its way; given back when the batch is committed, or dropped.
    pub held: Vec<Arc<Held>>,
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

/// Which request a [`Receipt`] is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiptKey {
    /// Whose records they are.
    pub tenant: TenantId,
    /// Id of the key that the client used.
    pub key_id: Text,
    /// Path of the route.
    pub route: Text,
    /// The client's `Idempotency-Key`.
    pub header: Text,
}

/// The answer to a request that must not be done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which request.
    pub key: ReceiptKey,
    /// SHA-256 of its body: another body under the same key is a mistake of the client.
    pub body_hash: [u8; 32],
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer.
    pub answer: String,
    /// When it was given.
    pub given: Timestamp,
}

/// A share of a bound, given back on drop.
#[derive(Debug)]
pub struct Held {
    taken: Arc<AtomicUsize>,
    share: usize,
}

impl Held {
    /// Takes `share` of `bound`, of which `taken` is in use; `None` when that much is not left.
    #[must_use]
    pub fn take(taken: &Arc<AtomicUsize>, share: usize, bound: usize) -> Option<Self> {
        let room = |now: usize| now.checked_add(share).filter(|&sum| sum <= bound);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Self { taken: Arc::clone(taken), share })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.share, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Held;

    #[test]
    fn a_share_is_had_whole_or_not_at_all_and_given_back() {
        let taken = Arc::new(AtomicUsize::new(0));
        let first = Held::take(&taken, 6, 10).unwrap();
        assert!(Held::take(&taken, 5, 10).is_none());
        let second = Held::take(&taken, 4, 10).unwrap();
        assert!(Held::take(&taken, 1, 10).is_none());
        drop(first);
        assert_eq!(taken.load(Ordering::Relaxed), 4);
        assert!(Held::take(&taken, usize::MAX, 10).is_none());
        drop(second);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}
