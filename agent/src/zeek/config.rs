//! Which logs are followed, and where they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Directories, and archives, at most: the workers of a cluster on one host.
pub const MAX_FOLDERS: usize = 16;
/// Names in `logs` and `skip` at most: Zeek with all its packages writes some two hundred logs.
pub const MAX_NAMES: usize = 512;
/// Bounds of the pause between two looks, milliseconds: below, the processor never rests; above, nobody calls it live.
const POLL: std::ops::RangeInclusive<u32> = 50..=60_000;
/// Where a Zeek from its own packages writes.
const DEFAULT_DIRECTORY: &str = "/opt/zeek/logs/current";
/// Logs of Zeek on itself, and what its supervisor writes beside them.
const DEFAULT_SKIP: [&str; 15] = [
    "analyzer",
    "broker",
    "capture_loss",
    "cluster",
    "config",
    "loaded_scripts",
    "packet_filter",
    "print",
    "prof",
    "reporter",
    "stats",
    "stderr",
    "stdout",
    "telemetry",
    "weird_stats",
];

/// Section `[zeek]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Follow Zeek's logs at all.
    pub enabled: bool,
    /// Directories that Zeek writes to, at most 16.
    pub directories: Folders,
    /// Directories that rotated files are moved to, and their folders by date, at most 16.
    pub archives: Folders,
    /// Names of the logs that are read; all but `skip` when empty.
    pub logs: Names,
    /// Names of logs that are not read.
    pub skip: Names,
    /// Pause between two looks at files that had nothing new, 50 to 60,000.
    pub poll_milliseconds: Poll,
    /// Where files begin that are there when a directory is followed for the first time.
    pub start: Start,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            directories: Folders(vec![PathBuf::from(DEFAULT_DIRECTORY)]),
            archives: Folders::default(),
            logs: Names::default(),
            skip: Names(DEFAULT_SKIP.map(str::to_owned).to_vec()),
            poll_milliseconds: Poll(500),
            start: Start::Begin,
        }
    }
}

impl Config {
    /// Whether the log `name` is read.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        (self.logs.0.is_empty() || self.logs.has(name)) && !self.skip.has(name)
    }
}

/// Directories, at most [`MAX_FOLDERS`] different ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<PathBuf>")]
pub struct Folders(Vec<PathBuf>);

impl Folders {
    /// The directories, in the order of the configuration.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }
}

impl TryFrom<Vec<PathBuf>> for Folders {
    type Error = String;

    fn try_from(folders: Vec<PathBuf>) -> Result<Self, String> {
        if folders.len() > MAX_FOLDERS {
            return Err(format!("{} directories are too many; name at most {MAX_FOLDERS}", folders.len()));
        }
        // One without a root would move with the directory that the agent was started in, and its logs be read again.
        if let Some(bare) = folders.iter().find(|folder| !folder.is_absolute()) {
            let name = bare.display();
            return Err(format!(
                "`{name}` does not begin with a slash; give the whole path, such as {DEFAULT_DIRECTORY}"
            ));
        }
        let twice = folders.iter().enumerate().find(|&(at, folder)| folders[..at].contains(folder));
        match twice {
            Some((_, folder)) => Err(format!("{} is named twice", folder.display())),
            None => Ok(Self(folders)),
        }
    }
}

/// Names of logs such as `conn`, at most [`MAX_NAMES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<String>")]
pub struct Names(Vec<String>);

impl Names {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|one| one == name)
    }
}

impl TryFrom<Vec<String>> for Names {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        if names.len() > MAX_NAMES {
            return Err(format!("{} names are too many; give at most {MAX_NAMES}", names.len()));
        }
        let is_name = |name: &String| !name.is_empty() && !name.contains(['.', '/']);
        match names.iter().find(|name| !is_name(name)) {
            Some(odd) => Err(format!(
                "`{odd}` is no name of a log; give it without directory and ending, such as conn"
            )),
            None => Ok(Self(names)),
        }
    }
}

/// A pause in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u32")]
pub struct Poll(u32);

impl Poll {
    /// The pause.
    #[must_use]
    pub const fn pause(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

impl TryFrom<u32> for Poll {
    type Error = String;

    fn try_from(milliseconds: u32) -> Result<Self, String> {
        if POLL.contains(&milliseconds) {
            return Ok(Self(milliseconds));
        }
        Err(format!("must be {} to {} milliseconds, not {milliseconds}", POLL.start(), POLL.end()))
    }
}

/// Where files begin that are there when a directory is followed for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At their first line.
    #[default]
    Begin,
    /// After their last line.
    End,
}

#[cfg(test)]
mod tests {
    use super::{Config, MAX_FOLDERS, Start};
    use crate::settings;

    fn read(text: &str) -> Result<Config, String> {
        let told = |problems: Vec<settings::Problem>| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        settings::load(text, "f", &[], &[]).map(|loaded| loaded.value).map_err(told)
    }

    #[test]
    fn by_default_zeeks_logs_on_itself_are_left_out_and_all_others_are_read() {
        let config = Config::default();
        assert!(!config.enabled);
        assert!(config.wants("conn") && config.wants("anything_new"));
        assert!(!config.wants("stats") && !config.wants("stderr"));
    }

    #[test]
    fn logs_that_are_named_are_the_only_ones_and_skip_wins() {
        let config = read("logs = [\"conn\", \"dns\"]\nskip = [\"dns\"]\nstart = \"end\"\n").unwrap();
        assert!(config.wants("conn") && !config.wants("dns") && !config.wants("http"));
        assert_eq!(config.start, Start::End);
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text =
            "directories = [\n\"logs\",\n]\nlogs = [\"conn.log\"]\npoll_milliseconds = 1\nstart = \"now\"\n";
        let told = read(text).unwrap_err();
        for part in ["`logs` does not begin", "`conn.log` is no name", "50 to 60000", "`begin` or `end`"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let many = (0..=MAX_FOLDERS).map(|at| format!("\"/{at}\",")).collect::<String>();
        assert!(read(&format!("archives = [{many}]")).unwrap_err().contains("at most 16"));
        assert!(read("directories = [\"/a\", \"/a\"]").unwrap_err().contains("/a is named twice"));
    }
}
