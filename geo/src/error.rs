//! What can fail, in words that read well after "failed to".

use std::io;
use std::path::PathBuf;

/// Why a database cannot be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error(
        "read {path}: {source}; check that the file is there and that its permissions let this user read it"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A directory, a pipe or a device in place of a file.
    #[error("read {path}: not a regular file; name a file")]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// More octets than are accepted.
    #[error("read {path}: {bytes} octets are more than the {limit} accepted; use a smaller database")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A file that was written to while it was read.
    #[error("read {path}: it changed meanwhile; replace it by a rename, it is tried again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("write {path}: {source}; check the free space and the permissions of its directory")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is not a whole database in MaxMind's format.
    #[error("open {path}: not a whole MaxMind database ({reason}); get the file again")]
    NotMmdb {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A database of other things than its role asks for.
    #[error("use {path} as {key}: its type is {database_type:?} and it holds no {wanted}; {advice}")]
    WrongRole {
        /// The file.
        path: PathBuf,
        /// The key of the configuration that names it.
        key: &'static str,
        /// What the database calls itself.
        database_type: String,
        /// What the role asks for.
        wanted: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A file that is not a whole location database (libloc, version 1).
    #[error(
        "read {path}: not a whole location database ({reason}); install libloc-database or fetch location.db again"
    )]
    NotLocation {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A line of a list of networks that does not say what it should.
    #[error("read {path}, line {line}: {reason}; correct or remove the line")]
    Line {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More networks or data than the format can address.
    #[error("build the database: more than {limit} {what}; leave out some networks")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u32,
    },
}

impl Error {
    /// True when the same file may do at another time.
    pub(crate) const fn is_transient(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Changed { .. } | Self::Write { .. })
    }
}
