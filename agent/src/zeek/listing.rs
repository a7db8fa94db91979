//! What lies in a directory: log files by their names, without opening them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::config::Config;
use super::file::{Entry, Stat};
use super::name::Name;

/// Files of a directory that are looked at: a year of rotation every hour of twenty logs. Stops a directory that something
/// else fills from taking the memory and the time of the agent.
const MAX_ENTRIES: usize = 200_000;
/// Folders by date of an archive that are looked at, ten years of them.
const MAX_FOLDERS: usize = 4_096;
/// A directory whose time of change stays the same is listed again after this long all the same.
const LONGEST: Duration = Duration::from_secs(10);
/// Listings after a change: what happens in the same tick of the file system's clock changes no time.
const AGAIN: u8 = 2;
/// Before the time up to which archives are read folders are still looked into: a file is written after its folder changed.
const SLACK_NANOS: i64 = 3_600 * 1_000_000_000;

/// The log files of `directory`; false when there are more than it may have.
pub(super) fn list(directory: &Path, config: &Config) -> io::Result<(Vec<Entry>, bool)> {
    let mut entries = Vec::new();
    for (count, found) in fs::read_dir(directory)?.enumerate() {
        if count >= MAX_ENTRIES {
            return Ok((entries, false));
        }
        let found = found?;
        let Some(name) = found.file_name().to_str().and_then(Name::parse) else { continue };
        if !config.wants(&name.log) {
            continue;
        }
        let path = found.path();
        // A link to a file is as good as the file; what is gone already is none.
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.is_file()
        {
            entries.push(Entry { path, name, stat: Stat::of(&metadata) });
        }
    }
    Ok((entries, true))
}

/// When a directory was listed.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    modified: i64,
    again: u8,
}

impl Pace {
    /// Whether it is time to list a directory that changed at `modified`.
    pub(super) fn is_due(&mut self, modified: i64, now: Instant) -> bool {
        if modified != self.modified {
            (self.modified, self.again) = (modified, AGAIN);
        }
        let is_due =
            self.again > 0 || self.last.is_none_or(|last| now.saturating_duration_since(last) >= LONGEST);
        if is_due {
            self.again = self.again.saturating_sub(1);
            self.last = Some(now);
        }
        is_due
    }

    /// Lists at the next look.
    pub(super) fn hurry(&mut self) {
        self.again = AGAIN;
    }
}

/// The rotated files in `archive` and in its folders by date that changed after `since`; `told` learns what cannot be read.
pub(super) fn archived(
    archive: &Path,
    since: i64,
    config: &Config,
    told: &mut impl FnMut(&Path, &io::Error),
) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut folders = dated(archive, since, told);
    folders.push(archive.to_owned());
    for folder in folders {
        match list(&folder, config) {
            Ok((entries, _)) => all.extend(entries),
            // Folders go when they are old.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder != archive => {}
            Err(error) => told(&folder, &error),
        }
    }
    for entry in &mut all {
        // Whatever lies in an archive is not written to any more.
        entry.name.is_rotated = true;
    }
    all
}

fn dated(archive: &Path, since: i64, told: &mut impl FnMut(&Path, &io::Error)) -> Vec<PathBuf> {
    let found = match fs::read_dir(archive) {
        Ok(found) => found,
        // It is told when the archive itself is listed.
        Err(_) => return Vec::new(),
    };
    let mut folders: Vec<PathBuf> = found
        .filter_map(|entry| entry.map_err(|error| told(archive, &error)).ok())
        .filter(|entry| entry.file_name().to_str().is_some_and(is_date))
        .map(|entry| entry.path())
        .collect();
    folders.sort_unstable_by(|a, b| b.cmp(a));
    folders.truncate(MAX_FOLDERS);
    let is_fresh = |folder: &PathBuf| {
        let stat = fs::metadata(folder).map(|metadata| (metadata.is_dir(), Stat::of(&metadata).modified));
        stat.is_ok_and(|(is_dir, modified)| is_dir && modified >= since.saturating_sub(SLACK_NANOS))
    };
    folders.retain(is_fresh);
    folders
}

/// A year, and whatever follows of a date.
fn is_date(name: &str) -> bool {
    let year = name.as_bytes().get(..4);
    year.is_some_and(|year| year.iter().all(u8::is_ascii_digit))
        && name.bytes().all(|one| one.is_ascii_digit() || matches!(one, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::{Pace, archived, list};
    use crate::zeek::config::Config;

    #[test]
    fn only_regular_files_of_logs_that_are_asked_for_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["conn.log", "stats.log", "notes.txt", "dns.2026-11-21-10-00-00.log.gz"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::create_dir(folder.path().join("http.log")).unwrap();
        nix::unistd::mkfifo(&folder.path().join("ssl.log"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("loop.log", folder.path().join("loop.log")).unwrap();
        std::os::unix::fs::symlink("conn.log", folder.path().join("tunnel.log")).unwrap();
        let (entries, is_all) = list(folder.path(), &Config::default()).unwrap();
        let mut names: Vec<_> = entries.iter().map(|one| one.path.file_name().unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["conn.log", "dns.2026-11-21-10-00-00.log.gz", "tunnel.log"]);
        assert!(is_all);
    }

    #[test]
    fn archives_are_searched_one_level_of_dated_folders_deep() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for path in [
            "conn.1.log",
            "2026-11-21/conn.log",
            "2026-11-21/x/conn.log",
            "current/conn.log",
            "2026x/dns.log",
        ] {
            file(path);
        }
        let names = |since| {
            let entries = archived(folder.path(), since, &Config::default(), &mut |path, error| {
                panic!("{path:?}: {error}")
            });
            assert!(entries.iter().all(|entry| entry.name.is_rotated));
            let name = |path: &std::path::Path| path.strip_prefix(folder.path()).unwrap().to_owned();
            entries.iter().map(|one| name(&one.path)).collect::<Vec<_>>()
        };
        assert_eq!(
            names(0).iter().map(|one| one.to_str().unwrap()).collect::<Vec<_>>(),
            ["2026-11-21/conn.log", "conn.1.log"]
        );
        assert_eq!(names(i64::MAX).len(), 1, "folders that did not change are not looked into");
        let missing = folder.path().join("missing");
        let mut told = 0;
        assert!(archived(&missing, 0, &Config::default(), &mut |_, _| told += 1).is_empty());
        assert_eq!(told, 1);
    }

    #[test]
    fn a_directory_that_does_not_change_is_seldom_listed() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut due = |modified, millis| pace.is_due(modified, start + Duration::from_millis(millis));
        assert!(due(1, 0) && due(1, 500), "a change may hide in the same tick");
        assert!(!due(1, 1_000) && !due(1, 9_000));
        assert!(due(2, 9_500) && due(2, 10_000) && !due(2, 10_500));
        assert!(due(2, 20_000));
    }
}
