//! What is kept in the ring, in the transaction of the records: how far each file was read, and which are finished.
//!
//! The bookmark `zeek:<log>#<place>` is the position in a file that is being read, `zeek:<log>` lists the files of this log
//! that were finished last, and `zeek:<directory>/` says up to when everything in the archives is read.

use std::collections::VecDeque;
use std::path::Path;

use serde::{Deserialize, Serialize};
use weir_flow::{Bookmark, Text};

use super::identity::Fingerprint;

/// What the names of all these bookmarks begin with.
pub(super) const PREFIX: &str = "zeek:";
/// Files of one log that are remembered as finished. More rotate away in a day only where Zeek is told to rotate every five
/// minutes; older ones are known by their age.
const MAX_FINISHED: usize = 256;

/// How far a file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which file.
    pub(super) start: Fingerprint,
    /// Octets of its unpacked content that were read.
    pub(super) offset: u64,
    /// When it had last changed by then, nanoseconds since 1970.
    pub(super) modified: i64,
    /// The header lines in force.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) header: String,
}

/// A file that was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) start: Fingerprint,
    /// Octets of its unpacked content.
    pub(super) size: u64,
}

/// The files of a log that were finished last, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Finished(VecDeque<Done>);

impl Finished {
    pub(super) fn push(&mut self, done: Done) {
        self.0.retain(|one| one.start != done.start);
        if self.0.len() >= MAX_FINISHED {
            self.0.pop_front();
        }
        self.0.push_back(done);
    }

    pub(super) fn has(&self, start: Fingerprint) -> bool {
        self.0.iter().any(|done| done.start == start)
    }

    /// The finished file that begins with `head`, the newest of several.
    pub(super) fn find(&self, head: &[u8]) -> Option<Done> {
        self.0.iter().rev().find(|done| done.start.fits(head)).copied()
    }
}

/// Up to when everything in archives is read, nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Through {
    pub(super) through: i64,
}

/// The bookmark of a file of the log `observer` in the place `place`.
pub(super) fn of_file(observer: &str, place: u32, position: &Position) -> Bookmark {
    bookmark(format!("{PREFIX}{observer}#{place}"), position)
}

/// The bookmark of a place that no file has any more.
pub(super) fn of_nothing(observer: &str, place: u32) -> Bookmark {
    Bookmark { input: format!("{PREFIX}{observer}#{place}").into(), position: "".into() }
}

/// The bookmark of the finished files of the log `observer`.
pub(super) fn of_log(observer: &str, finished: &Finished) -> Bookmark {
    bookmark(format!("{PREFIX}{observer}"), finished)
}

/// The bookmark of a directory.
pub(super) fn of_directory(directory: &Path, through: i64) -> Bookmark {
    bookmark(directory_key(directory), &Through { through })
}

fn directory_key(directory: &Path) -> String {
    format!("{PREFIX}{}/", directory.display().to_string().trim_end_matches('/'))
}

fn bookmark(input: String, position: &impl Serialize) -> Bookmark {
    // Numbers, text and lists of them always become JSON.
    let position = serde_json::to_string(position).unwrap_or_default();
    Bookmark { input: input.into(), position: position.into() }
}

/// What a bookmark of one directory says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Of a file of the log that Zeek writes to this file.
    File { file: String, place: u32, position: Position },
    /// Of the log that Zeek writes to this file.
    Log { file: String, finished: Finished },
    /// Of the directory.
    Directory(Through),
}

/// Reads the bookmarks of `directory`; those of others, and what is no bookmark of this version, are passed over.
pub(super) fn of(directory: &Path, rows: &[(String, String)]) -> Vec<Kept> {
    let key = directory_key(directory);
    let own = rows.iter().filter_map(|(input, position)| Some((input.strip_prefix(&*key)?, &**position)));
    own.filter_map(|(name, position)| kept(name, position)).collect()
}

fn kept(name: &str, position: &str) -> Option<Kept> {
    if name.is_empty() {
        return serde_json::from_str(position).ok().map(Kept::Directory);
    }
    if name.contains('/') {
        return None;
    }
    let place = name.rsplit_once('#').and_then(|(file, place)| Some((file, place.parse().ok()?)));
    match place {
        Some((file, place)) => {
            let position = serde_json::from_str(position).ok()?;
            Some(Kept::File { file: file.to_owned(), place, position })
        }
        None => {
            let finished = serde_json::from_str(position).ok()?;
            Some(Kept::Log { file: name.to_owned(), finished })
        }
    }
}

/// The path of a log as records name it in `observer`.
pub(super) fn observer(directory: &Path, file: &str) -> Text {
    format!("{}/{file}", directory.display().to_string().trim_end_matches('/')).into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        Done, Finished, Kept, MAX_FINISHED, Position, Through, observer, of, of_directory, of_file, of_log,
        of_nothing,
    };
    use crate::zeek::identity::Fingerprint;

    fn start(number: usize) -> Fingerprint {
        Fingerprint::of(&number.to_be_bytes())
    }

    #[test]
    fn bookmarks_read_as_they_were_written_each_in_its_directory() {
        let (directory, other) = (Path::new("/logs/current/"), Path::new("/logs"));
        let log = observer(directory, "conn.log");
        assert_eq!(&*log, "/logs/current/conn.log");
        let header = "#fields\tts\n".to_owned();
        let position = Position { start: start(1), offset: 77, modified: 5, header };
        let mut finished = Finished::default();
        finished.push(Done { start: start(2), size: 9 });
        let bookmarks = [
            of_file(&log, 3, &position),
            of_log(&log, &finished),
            of_directory(directory, 12),
            of_directory(other, 13),
        ];
        let mut rows: Vec<_> =
            bookmarks.iter().map(|one| (one.input.to_string(), one.position.to_string())).collect();
        let empty = of_nothing(&log, 4);
        rows.push((empty.input.to_string(), empty.position.to_string()));
        rows.push(("zeek:/logs/current/x.log#1".to_owned(), "of another version".to_owned()));
        let file = "conn.log".to_owned();
        let expected = [
            Kept::File { file: file.clone(), place: 3, position },
            Kept::Log { file, finished },
            Kept::Directory(Through { through: 12 }),
        ];
        assert_eq!(of(directory, &rows), expected);
        assert_eq!(of(other, &rows), [Kept::Directory(Through { through: 13 })]);
    }

    #[test]
    fn the_oldest_of_many_finished_files_are_forgotten() {
        let mut finished = Finished::default();
        for number in 0..=MAX_FINISHED {
            finished.push(Done { start: start(number), size: 8 });
        }
        finished.push(Done { start: start(2), size: 8 });
        assert!(!finished.has(start(0)) && finished.has(start(1)) && finished.has(start(2)));
        assert_eq!(finished.find(&3_usize.to_be_bytes()).map(|done| done.size), Some(8));
        assert_eq!(finished.find(b"another"), None);
    }
}
