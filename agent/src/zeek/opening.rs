//! Files are opened where they were left, or at their beginning.

use std::io;
use std::time::Instant;

use tracing::info;

use super::file::Entry;
use super::follower::{Follower, Stray};
use super::name::Packing;
use super::stream::Stream;
use super::tail::Tail;

/// Files that are read at a time: each has a buffer and a bookmark, of which the ring keeps a thousand.
const MAX_TAILS: usize = 512;

impl Follower {
    /// Opens a file where it was left, or at its beginning; `None` where it cannot be opened now.
    pub(super) fn open(
        &mut self,
        entry: &Entry,
        log: usize,
        at_end: bool,
        now: Instant,
    ) -> io::Result<Option<Tail>> {
        if self.tails.len() >= MAX_TAILS {
            self.troubles.met(&entry.path, "too many files wait to be read; it has its turn later", now);
            return Ok(None);
        }
        let Some((name, finished)) = self.logs.of(log).map(|log| (&log.name, &log.finished)) else {
            return Ok(None);
        };
        let head = Stream::head(&entry.path, entry.name.packing)?;
        // A copy in the place of what it was copied from: it is read on when that is finished.
        let is_copied = |tail: &Tail| {
            tail.log == log && tail.start().is_some_and(|start| start.is_full() && start.fits(&head))
        };
        if self.tails.iter().any(is_copied) {
            return Ok(None);
        }
        let mut tail = Tail::open(&entry.path, entry.name.packing, name, &head, now)?;
        if let Some(at) = self.stray_of(log, &head, &tail) {
            return self.resume(at, tail, &head);
        }
        let is_plain = entry.name.packing == Packing::Plain;
        match finished.find(&head).filter(|_| is_plain) {
            Some(done) if tail.stat.size >= done.size => tail.go_to(Some(done.size), &head)?,
            _ if at_end && is_plain => tail.go_to(None, &head)?,
            _ => {}
        }
        (tail.log, tail.place) = (log, self.free_place(log));
        Ok(Some(tail))
    }

    /// The position that was left in this file, if there is one; a file that has less than was read is another.
    fn stray_of(&self, log: usize, head: &[u8], tail: &Tail) -> Option<usize> {
        let has = |offset| tail.packing != Packing::Plain || tail.stat.size >= offset;
        let fits =
            |stray: &Stray| stray.log == log && stray.position.start.fits(head) && has(stray.position.offset);
        self.strays.iter().position(fits)
    }

    /// Goes on where a file was left; `None` when a stop came first.
    fn resume(&mut self, at: usize, mut tail: Tail, head: &[u8]) -> io::Result<Option<Tail>> {
        let Some(stray) = self.strays.get(at) else { return Ok(None) };
        if !tail.resume(&stray.position, head, || self.handover.stop.is_set())? {
            return Ok(None);
        }
        let stray = self.strays.swap_remove(at);
        info!(file = %tail.path.display(), offset = stray.position.offset, "found again, and read on");
        (tail.log, tail.place) = (stray.log, stray.place);
        Ok(Some(tail))
    }

    /// The first place of a log that no file of it has.
    fn free_place(&self, log: usize) -> u32 {
        let of_tails = || self.tails.iter().filter(|tail| tail.log == log).map(|tail| tail.place);
        let of_strays = || self.strays.iter().filter(|stray| stray.log == log).map(|stray| stray.place);
        (0..).find(|&place| !of_tails().chain(of_strays()).any(|taken| taken == place)).unwrap_or_default()
    }
}
