//! Datagrams that came in fragments, put together (RFC 791 §3.2, RFC 8200 §4.5).

use std::net::IpAddr;

use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber};

/// Datagrams put together at a time, of 64 KiB at most each. Stops a flood of fragments from taking memory: a newer
/// datagram takes the place of the one that waited longest. An exporter's fragments come one right after the other.
const DATAGRAMS: usize = 64;
/// Reassembly ends after this long (RFC 791 §3.2 says 15 s at least, Linux waits 30 s).
const LIFETIME_MICROS: u64 = 30_000_000;

/// What the fragments of a datagram share; identifications are of one pair of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) number: u32,
}

/// A piece of a datagram's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// Octets of the datagram before it, in units of 8.
    pub(super) offset: u16,
    /// False for the last.
    pub(super) more: bool,
    pub(super) octets: &'a [u8],
}

/// Datagrams of which fragments are missing. Bounded.
#[derive(Default)]
pub(super) struct Reassembly {
    waiting: Vec<Waiting>,
    whole: Vec<u8>,
}

struct Waiting {
    identity: Identity,
    parts: IpDefragBuf,
    began: i64,
}

impl Reassembly {
    /// Takes a piece seen at `now`, in microseconds; the whole payload when it was the one that was missing. A datagram
    /// whose pieces contradict each other, or did not come in time, goes to `lost`, as far as it came.
    pub(super) fn add(
        &mut self,
        identity: Identity,
        piece: Piece<'_>,
        now: i64,
        lost: &mut impl FnMut(&[u8]),
    ) -> Option<&[u8]> {
        self.expire(now, lost);
        let at = self.place(identity, now, lost);
        let waiting = self.waiting.get_mut(at)?;
        let added = IpFragOffset::try_new(piece.offset)
            .is_ok_and(|offset| waiting.parts.add(offset, piece.more, piece.octets).is_ok());
        if added && !waiting.parts.is_complete() {
            return None;
        }
        let ended = self.waiting.swap_remove(at);
        if !added {
            lost(ended.start());
            return None;
        }
        (self.whole, _) = ended.parts.take_bufs();
        Some(&self.whole)
    }

    /// Gives all that waits to `lost`.
    pub(super) fn drain(&mut self, lost: &mut impl FnMut(&[u8])) {
        self.waiting.drain(..).for_each(|waiting| lost(waiting.start()));
    }

    fn expire(&mut self, now: i64, lost: &mut impl FnMut(&[u8])) {
        self.waiting.retain(|waiting| {
            let keep = now.abs_diff(waiting.began) <= LIFETIME_MICROS;
            if !keep {
                lost(waiting.start());
            }
            keep
        });
    }

    /// Where the datagram is; a new one has its place made.
    fn place(&mut self, identity: Identity, now: i64, lost: &mut impl FnMut(&[u8])) -> usize {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.identity == identity) {
            return at;
        }
        if self.waiting.len() == DATAGRAMS {
            let oldest = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| waiting.began);
            if let Some((at, _)) = oldest {
                lost(self.waiting.swap_remove(at).start());
            }
        }
        let parts = IpDefragBuf::new(IpNumber::UDP, Vec::new(), Vec::new());
        self.waiting.push(Waiting { identity, parts, began: now });
        self.waiting.len() - 1
    }
}

impl Waiting {
    /// What came of the beginning; nothing, if its first fragment did not.
    fn start(&self) -> &[u8] {
        let first = self.parts.sections().iter().find(|section| section.start == 0);
        first.and_then(|section| self.parts.data().get(..usize::from(section.end))).unwrap_or_default()
    }
}
