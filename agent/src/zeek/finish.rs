//! The end of files: read to their last line, moved away, broken off or gone.

use std::io;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::file::{Stat, advice};
use super::follower::{Follower, Stray};
use super::handover::Over;
use super::name::Packing;
use super::position;
use super::reading::Work;
use super::stream::Stream;
use super::tail::{State, Tail};

/// A file that is not written to any more has rested for this long.
const SETTLED: Duration = Duration::from_secs(5);
/// The same when no file came after it: who renamed it may still write to it.
const SETTLED_ALONE: Duration = Duration::from_secs(600);
/// A packed file that breaks off is being packed still, for this long after its last change.
const PACKING: Duration = Duration::from_secs(60);
/// Between two attempts to read on where reading failed.
const RETRY: Duration = Duration::from_secs(5);

impl Follower {
    /// Finishes the files that are read and will not grow.
    pub(super) fn tidy(&mut self, now: Instant) -> Result<(), Over> {
        let mut at = 0;
        while at < self.tails.len() {
            if self.is_finished(at, now) {
                let tail = self.tails.remove(at);
                self.finish(tail, now)?;
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    fn is_finished(&self, at: usize, now: Instant) -> bool {
        let Some(tail) = self.tails.get(at).filter(|tail| !tail.is_live) else { return false };
        let rested = now.saturating_duration_since(tail.changed);
        match tail.state {
            State::Reading => false,
            State::Broken => tail.packing != Packing::Plain && rested >= PACKING,
            State::AtEnd if tail.packing != Packing::Plain || tail.is_closed => true,
            State::AtEnd => {
                let is_newer = |other: &Tail| {
                    other.log == tail.log && (other.is_live || other.stat.modified > tail.stat.modified)
                };
                let has_heir = || self.tails.iter().any(is_newer) || self.archive.has_newer(tail);
                rested >= SETTLED_ALONE || (rested >= SETTLED && (tail.stat.is_deleted || has_heir()))
            }
        }
    }

    fn finish(&mut self, mut tail: Tail, now: Instant) -> Result<(), Over> {
        let Self { logs, join, handover, line, .. } = self;
        let Some(log) = logs.of_mut(tail.log) else { return Ok(()) };
        let (observer, wall) = (log.path.clone(), handover.clock.now());
        if tail.state == State::Broken {
            self.damaged += 1;
            let what =
                "it breaks off: it is damaged, or was not packed to its end; what could be read is stored";
            self.troubles.met(&tail.path, what, now);
        } else {
            let mut work =
                Work { observer: &observer, counts: &mut log.counts, join, handover, line, now: wall };
            if let Err(error) = tail.last_line(&mut work)? {
                self.troubles.met(&tail.path, &advice(&error), now);
            }
        }
        let (Some(position), Some(done)) = (tail.position(), tail.done()) else { return Ok(()) };
        // Killed in between, the agent finds the file at its end, or finished.
        handover.push(Vec::new(), position::of_file(&observer, tail.place, &position))?;
        log.finished.push(done);
        handover.push(Vec::new(), position::of_log(&observer, &log.finished))?;
        handover.push(Vec::new(), position::of_nothing(&observer, tail.place))?;
        self.archive.finished();
        info!(file = %tail.path.display(), octets = done.size, "read to its end");
        Ok(())
    }

    /// Reads on where reading failed.
    pub(super) fn retry(&mut self, now: Instant) -> Result<(), Over> {
        if now.saturating_duration_since(self.retried) < RETRY {
            return Ok(());
        }
        self.retried = now;
        let mut at = 0;
        while at < self.tails.len() {
            if self.is_lost(at, now) {
                let tail = self.tails.remove(at);
                self.lose_sight(&tail, now);
            } else {
                at += 1;
            }
        }
        if self.handover.stop.is_set() { Err(Over::Stopping) } else { Ok(()) }
    }

    /// Tries to read on; true when the file is not there any more.
    fn is_lost(&mut self, at: usize, now: Instant) -> bool {
        let Some(tail) = self.tails.get_mut(at).filter(|tail| tail.state == State::Broken) else {
            return false;
        };
        let stat = match std::fs::metadata(&tail.path) {
            Ok(metadata) => Stat::of(&metadata),
            Err(error) => return error.kind() == io::ErrorKind::NotFound,
        };
        let is_other = |head: Vec<u8>| tail.start().is_some_and(|start| !start.fits(&head));
        if Stream::head(&tail.path, tail.packing).is_ok_and(is_other) {
            return true;
        }
        let is_changed = (stat.size, stat.modified) != (tail.stat.size, tail.stat.modified);
        if is_changed || tail.packing == Packing::Plain {
            tail.changed = now;
            match tail.reopen(|| self.handover.stop.is_set()) {
                Ok(_) => {}
                Err(_) => tail.state = State::Broken,
            }
        }
        false
    }

    /// The file of `tail` is not there any more, but may be found elsewhere.
    pub(super) fn lose_sight(&mut self, tail: &Tail, now: Instant) {
        if let Some(directory) =
            self.logs.of(tail.log).and_then(|log| self.directories.get_mut(log.directory))
        {
            directory.pace.hurry();
        }
        self.archive.hurry();
        let (log, place, size) = (tail.log, tail.place, Some(tail.stat.size));
        match tail.position() {
            Some(position) => self.strays.push(Stray { log, place, position, size, since: now }),
            None if tail.behind() > 0 => self.count_gone(tail.log, Some(tail.behind())),
            None => {}
        }
    }

    /// Counts a file that was gone before it was read to its end.
    pub(super) fn count_gone(&mut self, log: usize, unread: Option<u64>) {
        self.gone.files += 1;
        self.gone.octets += unread.unwrap_or_default();
        let path = self.logs.of(log).map(|log| log.path.to_string()).unwrap_or_default();
        let unread = unread.map_or_else(|| "an unknown number of".to_owned(), |octets| octets.to_string());
        warn!(
            log = path,
            "a file was gone before it was read to its end, {unread} octets unread: let rotated files stay for a while, \
             and name where they go in zeek.archives"
        );
    }
}
