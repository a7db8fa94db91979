//! The logs that were met: each of one directory, with the files of it that are finished.

use std::path::PathBuf;

use weir_flow::Text;

use super::config::Config;
use super::name::Name;
use super::position::{self, Finished};
use super::report::Counts;

/// Logs at most, of all directories together: more than Zeek has, and few enough that the bookmarks of all are kept.
pub(super) const MAX_LOGS: usize = 128;

/// What connections are named by, and what waits for these names.
const FIRST: [&str; 4] = ["dns", "ssl", "http", "quic"];
const LAST: &str = "conn";

/// One log of one directory.
pub(super) struct Log {
    /// Index of its directory.
    pub(super) directory: usize,
    /// The file that Zeek writes it to.
    pub(super) file: String,
    /// Its path, as records name it.
    pub(super) path: Text,
    pub(super) name: Text,
    pub(super) finished: Finished,
    pub(super) counts: Counts,
}

/// All logs.
#[derive(Default)]
pub(super) struct Logs(Vec<Log>);

impl Logs {
    /// The log of `directories[directory]` that a file named `name` belongs to, met now if it was not; `None` when it is not
    /// asked for, or one too many.
    pub(super) fn meet(
        &mut self,
        config: &Config,
        directories: &[PathBuf],
        directory: usize,
        name: &Name,
    ) -> Option<usize> {
        if let Some(at) = self.find(directory, &name.live) {
            return Some(at);
        }
        if !config.wants(&name.log) || self.is_full() {
            return None;
        }
        let path = position::observer(directories.get(directory)?, &name.live);
        self.0.push(Log {
            directory,
            file: name.live.clone(),
            path,
            name: name.log.clone(),
            finished: Finished::default(),
            counts: Counts::default(),
        });
        Some(self.0.len() - 1)
    }

    /// Whether no further log can be met.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_LOGS
    }

    pub(super) fn find(&self, directory: usize, file: &str) -> Option<usize> {
        self.0.iter().position(|log| log.directory == directory && log.file == file)
    }

    pub(super) fn of(&self, at: usize) -> Option<&Log> {
        self.0.get(at)
    }

    pub(super) fn of_mut(&mut self, at: usize) -> Option<&mut Log> {
        self.0.get_mut(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Log> {
        self.0.iter()
    }

    /// When the files of a log have their turn: those first that connections are named by, connections last.
    pub(super) fn rank(&self, at: usize) -> u8 {
        match self.of(at).map(|log| &*log.name) {
            Some(name) if FIRST.contains(&name) => 0,
            Some(LAST) => 2,
            _ => 1,
        }
    }

    /// The indexes of the logs that Zeek writes to files of this name, in whatever directory.
    pub(super) fn of_file<'a>(&'a self, file: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.0.iter().enumerate().filter(move |(_, log)| log.file == file).map(|(at, _)| at)
    }
}
