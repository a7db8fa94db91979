//! Rotated files: those of positions that the ring remembers, and those that nobody has read.
//!
//! A file that was rotated while it was followed stays open and is read to its end. What is searched for here was rotated
//! while the agent was down, or between two looks.

use std::time::{Duration, Instant};

use weir_flow::Timestamp;

use super::archive::{key, nanos};
use super::file::{Entry, advice};
use super::follower::{Follower, Stray};
use super::handover::Over;
use super::identity::covers;
use super::listing;
use super::name::Packing;
use super::position;
use super::stream::Stream;
use super::tail::{State, Tail};
use crate::clock::Clock;

/// A file that was not found for this long is gone: an archive may be mounted late.
const PATIENCE: Duration = Duration::from_secs(600);
/// Rotated files of one log that are read at a time, and packed files of all: each may take 16 MiB to unpack.
const MAX_OF_LOG: usize = 4;
const MAX_PACKED: usize = 2;
/// Some programs keep a file's time to the second only when they pack it.
const GRAIN_NANOS: i64 = 2 * 1_000_000_000;
/// A file from further ahead was written by a clock that was wrong: its time says nothing.
const AHEAD_NANOS: i64 = 86_400 * 1_000_000_000;
/// Files that changed this long before a search may not be where it looks: they are listed a directory at a time, and are
/// moved, packed and copied meanwhile. What was finished since is known by itself.
const LAG_NANOS: i64 = 600 * 1_000_000_000;
/// What the file system's clock may be behind ours: a tick, and what goes on between two looks at them.
const TICK_NANOS: i64 = 50_000_000;

/// What a rotated file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Read to its end.
    Finished,
    /// A copy of what is being read.
    Copy,
    /// Nothing that can be said yet.
    Later,
    /// It cannot be read.
    Unreadable,
    /// The one of a position, in this log.
    Stray(usize),
    /// Read by nobody.
    New,
}

impl Follower {
    /// Begins what waits, and searches when it is time. The directories were listed after `began`.
    pub(super) fn search(&mut self, began: Timestamp, now: Instant) -> Result<(), Over> {
        if self.archive.is_due(!self.strays.is_empty(), now) {
            let entries = self.rotated(now);
            (self.archive.searched, self.archive.is_urgent, self.archive.finished) = (Some(now), false, 0);
            let undecided = self.look_through(&entries, now);
            self.expire(now)?;
            self.move_on(&entries, undecided, nanos(began));
        }
        self.begin_waiting(now);
        self.keep_through()
    }

    /// All rotated files that may matter, oldest first, each with the directory that it lies in.
    fn rotated(&mut self, now: Instant) -> Vec<(Entry, Option<usize>)> {
        let strays = self.strays.iter().map(|stray| stray.position.modified).min();
        let since = self.archive.through.map_or(0, |through| through.min(strays.unwrap_or(through)));
        let own = self.directories.iter().enumerate();
        let mut all: Vec<_> = own
            .flat_map(|(at, directory)| directory.rotated.iter().map(move |entry| (entry.clone(), Some(at))))
            .collect();
        let (troubles, config) = (&mut self.troubles, &self.config);
        for archive in config.archives.iter() {
            troubles.over(archive);
            let entries =
                listing::archived(archive, since.saturating_sub(GRAIN_NANOS), config, &mut |path, error| {
                    troubles.met(path, &advice(error), now);
                });
            all.extend(entries.into_iter().map(|entry| (entry, None)));
        }
        all.sort_by(|(a, _), (b, _)| (a.stat.modified, &a.path).cmp(&(b.stat.modified, &b.path)));
        all
    }

    /// Finds out what files are; answers the time of change of the oldest that has to be looked at again.
    fn look_through(&mut self, entries: &[(Entry, Option<usize>)], now: Instant) -> i64 {
        let (latest, mut undecided) = (self.latest(), i64::MAX);
        for (entry, directory) in entries {
            if let Some(tail) = self.tails.iter_mut().find(|tail| tail.id() == entry.stat.id) {
                tail.path.clone_from(&entry.path);
                if !tail.is_kept && entry.stat.size > 0 {
                    undecided = undecided.min(entry.stat.modified);
                }
                continue;
            }
            let is_met = directory.and_then(|at| self.directories.get(at)).is_none_or(|one| one.is_known);
            let is_new = is_met
                && entry.stat.modified <= latest
                && self.archive.through.is_some_and(|through| entry.stat.modified > through);
            let is_waiting = self.archive.waiting.iter().any(|(one, _)| one.stat.id == entry.stat.id);
            if is_waiting || self.archive.seen.contains(&key(entry)) || !(is_new || self.may_be_stray(entry))
            {
                continue;
            }
            match self.fate(entry, now) {
                Fate::Finished => self.archive.saw(entry),
                Fate::Stray(log) => self.begin(entry, log, now),
                Fate::New if is_new => self.wait(entry, *directory),
                Fate::Later if is_new => undecided = undecided.min(entry.stat.modified),
                Fate::New | Fate::Copy | Fate::Later | Fate::Unreadable => {}
            }
        }
        undecided
    }

    /// The latest time of change that says something.
    fn latest(&self) -> i64 {
        let now = self.handover.clock.now();
        if !Clock::is_set(now) {
            return i64::MAX;
        }
        nanos(now).saturating_add(AHEAD_NANOS)
    }

    /// Whether the file of a position can be this one, as far as can be said without opening it.
    fn may_be_stray(&self, entry: &Entry) -> bool {
        let is_near = |stray: &Stray| {
            entry.stat.modified.saturating_add(GRAIN_NANOS) >= stray.position.modified
                && self.logs.of(stray.log).is_some_and(|log| log.file == entry.name.live)
        };
        self.strays.iter().any(is_near)
    }

    fn fate(&mut self, entry: &Entry, now: Instant) -> Fate {
        let head = match Stream::head(&entry.path, entry.name.packing) {
            Ok(head) => head,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Fate::Later,
            Err(error) => {
                self.troubles.met(&entry.path, &advice(&error), now);
                return Fate::Unreadable;
            }
        };
        if head.is_empty() {
            return if entry.name.packing == Packing::Plain { Fate::Finished } else { Fate::Later };
        }
        let logs = || self.logs.of_file(&entry.name.live);
        let is_stray =
            |stray: &&Stray| stray.position.start.fits(&head) && logs().any(|log| log == stray.log);
        if let Some(stray) = self.strays.iter().find(is_stray) {
            return Fate::Stray(stray.log);
        }
        let has_grown = |size| entry.name.packing == Packing::Plain && entry.stat.size > size;
        let done = logs().find_map(|log| self.logs.of(log)?.finished.find(&head));
        if done.is_some_and(|done| !has_grown(done.size)) {
            return Fate::Finished;
        }
        let others = || self.tails.iter().filter(|tail| logs().any(|log| log == tail.log));
        let mut originals = others().filter(|tail| tail.first().is_ok_and(|first| covers(&first, &head)));
        if let Some(original) = originals.next() {
            // As long as nothing is kept of the original, the copy may be all that is left after a kill.
            return if original.is_kept { Fate::Copy } else { Fate::Later };
        }
        // One that begins as what was read of a file that now begins otherwise: that was emptied a moment ago, and its copy is
        // read on where it was left as soon as this is seen.
        let was_copied = |tail: &Tail| tail.start().is_some_and(|start| start.fits(&head));
        let is_open_question =
            |tail: &Tail| was_copied(tail) || tail.is_unpacked_in_part() || tail.first().is_err();
        if others().any(is_open_question) { Fate::Later } else { Fate::New }
    }

    /// Puts a file that nobody has read into the queue; one of an archive belongs to the first directory with such a log.
    fn wait(&mut self, entry: &Entry, directory: Option<usize>) {
        let known = self.logs.of_file(&entry.name.live).next().filter(|_| directory.is_none());
        let met = || self.logs.meet(&self.config, &self.paths, directory.unwrap_or_default(), &entry.name);
        if let Some(log) = known.or_else(met) {
            self.archive.waiting.push((entry.clone(), log));
        }
    }

    /// Opens those that wait, as many as are read at a time.
    fn begin_waiting(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.archive.waiting.len() {
            let of_log = |log| self.tails.iter().filter(|tail| tail.log == log && !tail.is_live).count();
            let packed = self.tails.iter().filter(|tail| tail.packing != Packing::Plain).count();
            let Some((entry, log)) = self.archive.waiting.get(at) else { return };
            let is_packed = entry.name.packing != Packing::Plain;
            if of_log(*log) >= MAX_OF_LOG || (is_packed && packed >= MAX_PACKED) {
                at += 1;
                continue;
            }
            let (entry, log) = self.archive.waiting.remove(at);
            // It may be another copy of what was begun since; a later search finds out.
            if self.fate(&entry, now) == Fate::New {
                self.begin(&entry, log, now);
            }
        }
    }

    fn begin(&mut self, entry: &Entry, log: usize, now: Instant) {
        match self.open(entry, log, false, now) {
            Ok(Some(tail)) => {
                self.troubles.over(&entry.path);
                self.tails.push(tail);
            }
            Ok(None) => {}
            // It was packed or moved meanwhile: a later search finds it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.archive.hurry(),
            Err(error) => self.troubles.met(&entry.path, &advice(&error), now),
        }
    }

    /// Gives up positions whose file was not found.
    fn expire(&mut self, now: Instant) -> Result<(), Over> {
        let mut at = 0;
        while at < self.strays.len() {
            if self.strays.get(at).is_none_or(|one| now.saturating_duration_since(one.since) < PATIENCE) {
                at += 1;
                continue;
            }
            let stray = self.strays.remove(at);
            let unread = stray.size.map(|size| size.saturating_sub(stray.position.offset));
            if unread != Some(0) {
                self.count_gone(stray.log, unread);
            }
            if let Some(log) = self.logs.of(stray.log) {
                self.handover.push(Vec::new(), position::of_nothing(&log.path, stray.place))?;
            }
        }
        Ok(())
    }

    /// Moves the time up to which all is read: to the newest file, but not beyond one that nothing is kept of yet.
    fn move_on(&mut self, entries: &[(Entry, Option<usize>)], undecided: i64, began: i64) {
        let latest = self.latest();
        let newest = entries.iter().map(|(entry, _)| entry.stat.modified).filter(|&at| at <= latest).max();
        let is_unkept = |tail: &&Tail| !tail.is_kept && tail.state == State::Reading;
        let tails = self.tails.iter().filter(is_unkept).map(|tail| tail.stat.modified);
        let waiting = self.archive.waiting.iter().map(|(entry, _)| entry.stat.modified);
        let held = tails.chain(waiting).min().unwrap_or(i64::MAX).min(undecided).saturating_sub(1);
        let is_first = self.archive.through.is_none();
        let reached = newest.unwrap_or_default();
        self.archive.know(if is_first {
            // What came before the first start is nobody's, and what comes after is ours.
            reached.min(began.saturating_sub(TICK_NANOS))
        } else {
            reached.min(held).min(began.saturating_sub(LAG_NANOS))
        });
    }

    /// Keeps that time with each directory that was followed.
    fn keep_through(&mut self) -> Result<(), Over> {
        let Some(through) = self.archive.through else { return Ok(()) };
        for at in 0..self.directories.len() {
            let is_unkept = |tail: &Tail| {
                !tail.is_kept
                    && tail.state == State::Reading
                    && self.logs.of(tail.log).is_some_and(|log| log.directory == at)
            };
            let (Some(directory), Some(path)) = (self.directories.get(at), self.paths.get(at)) else {
                continue;
            };
            let is_news = directory.is_listed && directory.kept != Some(through);
            if is_news && !self.tails.iter().any(is_unkept) {
                self.handover.push(Vec::new(), position::of_directory(path, through))?;
                if let Some(directory) = self.directories.get_mut(at) {
                    (directory.kept, directory.is_known) = (Some(through), true);
                }
            }
        }
        Ok(())
    }
}
