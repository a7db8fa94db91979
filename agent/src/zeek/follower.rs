//! All files that are followed: met, read in turns, finished.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use weir_intake::zeek::Join;

use super::archive::Archive;
use super::config::{Config, Start};
use super::file::{Entry, Stat, advice};
use super::handover::{Handover, Over};
use super::listing::{self, Pace};
use super::logs::Logs;
use super::name::Name;
use super::position::{self, Kept, Position};
use super::report::{Gone, LogReport, Report};

use super::reading::Work;
use super::tail::{State, Tail};
use super::trouble::Troubles;

/// A directory that Zeek writes to.
pub(super) struct Directory {
    pub(super) pace: Pace,
    /// It was followed before.
    pub(super) is_known: bool,
    /// It was listed since the start.
    pub(super) is_listed: bool,
    /// Up to when archives were read, as its bookmark says.
    pub(super) kept: Option<i64>,
    /// Files that were rotated and stayed in it.
    pub(super) rotated: Vec<Entry>,
}

/// A position whose file is to be found again.
pub(super) struct Stray {
    pub(super) log: usize,
    pub(super) place: u32,
    pub(super) position: Position,
    /// Octets that the file had, if that is known.
    pub(super) size: Option<u64>,
    pub(super) since: Instant,
}

/// The files and logs of all directories.
pub(super) struct Follower {
    pub(super) config: Config,
    pub(super) paths: Vec<PathBuf>,
    pub(super) directories: Vec<Directory>,
    pub(super) logs: Logs,
    pub(super) tails: Vec<Tail>,
    pub(super) strays: Vec<Stray>,
    pub(super) archive: Archive,
    pub(super) handover: Handover,
    pub(super) troubles: Troubles,
    pub(super) gone: Gone,
    pub(super) join: Join,
    pub(super) line: Vec<u8>,
    pub(super) damaged: u64,
    pub(super) retried: Instant,
}

impl Follower {
    /// Goes on where `rows`, the bookmarks of the ring, say.
    pub(super) fn new(config: Config, handover: Handover, rows: &[(String, String)], now: Instant) -> Self {
        let paths: Vec<PathBuf> = config.directories.iter().map(ToOwned::to_owned).collect();
        let directory = |_: &PathBuf| Directory {
            pace: Pace::default(),
            is_known: false,
            is_listed: false,
            kept: None,
            rotated: Vec::new(),
        };
        let mut follower = Self {
            directories: paths.iter().map(directory).collect(),
            config,
            paths,
            logs: Logs::default(),
            tails: Vec::new(),
            strays: Vec::new(),
            archive: Archive::default(),
            handover,
            troubles: Troubles::default(),
            gone: Gone::default(),
            join: Join::default(),
            line: Vec::new(),
            damaged: 0,
            retried: now,
        };
        for at in 0..follower.paths.len() {
            follower.restore(at, rows, now);
        }
        follower.archive.begin(follower.handover.clock.now());
        follower
    }

    fn restore(&mut self, directory: usize, rows: &[(String, String)], now: Instant) {
        let Some(path) = self.paths.get(directory) else { return };
        let (mut files, kept) = (Vec::new(), position::of(path, rows));
        for kept in kept {
            match kept {
                Kept::Directory(through) => {
                    self.archive.know(through.through);
                    if let Some(directory) = self.directories.get_mut(directory) {
                        (directory.is_known, directory.kept) = (true, Some(through.through));
                    }
                }
                Kept::Log { file, finished } => {
                    if let Some(log) = self.meet_log(directory, &file).and_then(|log| self.logs.of_mut(log)) {
                        log.finished = finished;
                    }
                }
                Kept::File { file, place, position } => files.push((file, place, position)),
            }
        }
        for (file, place, position) in files {
            let Some(log) = self.meet_log(directory, &file) else { continue };
            if !self.logs.of(log).is_some_and(|log| log.finished.has(position.start)) {
                self.strays.push(Stray { log, place, position, size: None, since: now });
            }
        }
    }

    fn meet_log(&mut self, directory: usize, file: &str) -> Option<usize> {
        self.logs.meet(&self.config, &self.paths, directory, &Name::parse(file)?)
    }

    /// Looks at the directories: which files are there, which were renamed, which are gone.
    pub(super) fn look(&mut self, now: Instant) -> Result<(), Over> {
        let began = self.handover.clock.now();
        for at in 0..self.directories.len() {
            self.look_at(at, now);
        }
        self.search(began, now)?;
        self.retry(now)
    }

    fn look_at(&mut self, at: usize, now: Instant) {
        let (Some(path), Some(directory)) = (self.paths.get(at), self.directories.get_mut(at)) else {
            return;
        };
        let listed = std::fs::metadata(path).and_then(|metadata| {
            let is_due = directory.pace.is_due(Stat::of(&metadata).modified, now);
            is_due.then(|| listing::list(path, &self.config)).transpose()
        });
        match listed {
            Ok(None) => {}
            Ok(Some((entries, is_all))) => {
                let path = path.clone();
                if is_all {
                    self.troubles.over(&path);
                } else {
                    self.troubles.met(&path, "it has too many files; move old ones away", now);
                }
                self.take_in(at, entries, now);
            }
            Err(error) => {
                let path = path.clone();
                self.troubles.met(&path, &advice(&error), now);
                self.take_in(at, Vec::new(), now);
            }
        }
    }

    /// Compares what lies in a directory with what is being read.
    fn take_in(&mut self, at: usize, entries: Vec<Entry>, now: Instant) {
        let (rotated, live): (Vec<_>, Vec<_>) = entries.into_iter().partition(|one| one.name.is_rotated);
        for tail in self.tails.iter_mut().filter(|tail| tail.is_live) {
            let is_here = self.logs.of(tail.log).is_some_and(|log| log.directory == at);
            if is_here && !live.iter().any(|entry| entry.stat.id == tail.id()) {
                (tail.is_live, tail.changed) = (false, now);
            }
        }
        for entry in &live {
            self.meet(at, entry, now);
        }
        if let Some(directory) = self.directories.get_mut(at) {
            directory.rotated = rotated;
            directory.is_listed = true;
        }
    }

    /// A file that lies where Zeek writes to.
    fn meet(&mut self, directory: usize, entry: &Entry, now: Instant) {
        let Some(log) = self.logs.meet(&self.config, &self.paths, directory, &entry.name) else {
            if self.logs.is_full() && self.config.wants(&entry.name.log) {
                self.troubles.met(
                    &entry.path,
                    "there are too many logs; name those to read in zeek.logs",
                    now,
                );
            }
            return;
        };
        if let Some(tail) = self.tails.iter_mut().find(|tail| tail.log == log && tail.id() == entry.stat.id) {
            tail.is_live = true;
            tail.path.clone_from(&entry.path);
            return;
        }
        let is_first = self.directories.get(directory).is_some_and(|one| !one.is_known);
        match self.open(entry, log, is_first && self.config.start == Start::End, now) {
            Ok(Some(mut tail)) => {
                self.troubles.over(&entry.path);
                tail.is_live = true;
                self.tails.push(tail);
            }
            Ok(None) => {}
            Err(error) => self.troubles.met(&entry.path, &advice(&error), now),
        }
    }

    /// Reads a slice of each file that has something new; true when there is more.
    pub(super) fn read(&mut self, now: Instant) -> Result<bool, Over> {
        let mut order: Vec<usize> = (0..self.tails.len()).collect();
        order
            .sort_by_key(|&at| self.tails.get(at).map(|tail| (self.logs.rank(tail.log), tail.stat.modified)));
        let mut replaced = Vec::new();
        for at in order {
            if self.handover.stop.is_set() {
                return Err(Over::Stopping);
            }
            if !self.read_one(at, now)? {
                replaced.push(at);
            }
        }
        replaced.sort_unstable();
        for at in replaced.into_iter().rev() {
            let tail = self.tails.remove(at);
            self.lose_sight(&tail, now);
        }
        Ok(self.tails.iter().any(|tail| tail.state == State::Reading))
    }

    /// Reads a slice of one file; false when another lies in its place.
    fn read_one(&mut self, at: usize, now: Instant) -> Result<bool, Over> {
        let Self { tails, logs, join, handover, line, troubles, .. } = self;
        let Some(tail) = tails.get_mut(at) else { return Ok(true) };
        match tail.look(now) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => troubles.met(&tail.path, &advice(&error), now),
        }
        let Some(log) = logs.of_mut(tail.log).filter(|_| tail.state == State::Reading) else {
            return Ok(true);
        };
        let (observer, wall) = (log.path.clone(), handover.clock.now());
        let mut work = Work { observer: &observer, counts: &mut log.counts, join, handover, line, now: wall };
        if let Err(error) = tail.turn(&mut work)?
            && error.kind() != io::ErrorKind::UnexpectedEof
        {
            troubles.met(&tail.path, &advice(&error), now);
        }
        Ok(true)
    }

    /// What is told of all this.
    pub(super) fn report(&mut self, now: Instant) -> Report {
        let of = |at: usize| self.tails.iter().filter(move |tail| tail.log == at);
        let log = |(at, log): (usize, &super::logs::Log)| LogReport {
            path: log.path.clone(),
            name: log.name.clone(),
            counts: log.counts.clone(),
            files: of(at).count(),
            behind: of(at).map(Tail::behind).sum(),
        };
        let mut logs: Vec<_> = self.logs.iter().enumerate().map(log).collect();
        logs.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Report { logs, gone: self.gone, damaged: self.damaged, troubles: self.troubles.now(now) }
    }
}
