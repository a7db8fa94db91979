//! Which flow a later fragment belongs to.

use foldhash::fast::RandomState;
use std::hash::BuildHasher;

use super::ip::Datagram;
use super::key::Ends;
use super::transport::Transport;

/// Datagrams remembered at a time. Stops a flood of first fragments from taking memory: a newer one takes the
/// place of an older one, whose later fragments then are a flow without ports.
const ENTRIES: usize = 1_024;
/// Reassembly ends after this long (RFC 791 §3.2 says 15 s at least, Linux waits 30 s).
const LIFETIME_MICROS: i64 = 30_000_000;

/// First fragments of late: what their later fragments need to find their flow. Bounded, one place per hash.
#[derive(Default)]
pub struct FragmentCache {
    entries: Vec<Option<Entry>>,
    hasher: RandomState,
    forgetful: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    ends: Ends,
    datagram: Datagram,
    seen: i64,
    transport: Transport,
}

impl FragmentCache {
    /// Remembers nothing, and takes no memory.
    pub(super) fn forgetful() -> Self {
        Self { forgetful: true, ..Self::default() }
    }

    /// Remembers what the first fragment of `datagram` says.
    pub(super) fn remember(
        &mut self,
        ends: &Ends,
        datagram: Datagram,
        transport: Transport,
        now_micros: i64,
    ) {
        if self.forgetful {
            return;
        }
        if self.entries.is_empty() {
            self.entries.resize(ENTRIES, None);
        }
        let at = self.place(ends, datagram);
        self.entries[at] = Some(Entry { ends: *ends, datagram, seen: now_micros, transport });
    }

    /// What the first fragment of this datagram said, and its protocol, if it was seen: a later fragment may name an
    /// extension header instead.
    #[must_use]
    pub(super) fn recall(&self, ends: &Ends, datagram: Datagram, now_micros: i64) -> Option<(u8, Transport)> {
        let entry = self.entries.get(self.place(ends, datagram))?.as_ref()?;
        let proto = entry.ends.proto;
        let same = entry.ends == Ends { proto, ..*ends }
            && entry.datagram == datagram
            && now_micros.abs_diff(entry.seen) <= LIFETIME_MICROS.unsigned_abs();
        same.then_some((proto, entry.transport))
    }

    fn place(&self, ends: &Ends, datagram: Datagram) -> usize {
        let hash = self.hasher.hash_one((ends.src, ends.dst, datagram));
        usize::try_from(hash % ENTRIES as u64).unwrap_or(0)
    }
}
