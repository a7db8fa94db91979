//! What can go wrong with the store, said so that whoever reads it knows what to do.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// A failed operation; reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory or a file in it cannot be made.
    #[error("create {path}: {source}; give a data directory that can be written")]
    Create {
        /// What was to be made.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The directory or a file in it is another user's.
    #[error("open {path}: no permission; run as its owner or give another data directory")]
    NoPermission {
        /// What was to be opened.
        path: PathBuf,
    },
    /// A file of another program lies where the store should be; it is left as it is.
    #[error("open {path}: this is not a Weir store; move it away or give another data directory")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer Weir wrote the store; it is left as it is.
    #[error(
        "open {path}: its schema is version {found}, this Weir knows none above {known}; run the newer Weir"
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest version that this build knows.
        known: u32,
    },
    /// The store waits for its writer to bring it up to date.
    #[error("read {path}: its schema is version {found}, older than this Weir's; start the agent once")]
    Older {
        /// The store.
        path: PathBuf,
        /// Its schema version.
        found: u32,
    },
    /// There is no store to read.
    #[error("read {path}: there is no store; start the agent once or give another data directory")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process writes to the store.
    #[error("open {path}: another process is writing to it; stop that one or give another data directory")]
    Busy {
        /// The lock or the store.
        path: PathBuf,
    },
    /// What is stored is not what was written.
    #[error("read {path}: the store is damaged ({detail}); stop the agent and run weir store repair")]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The disk has no room. What was stored before is untouched.
    #[error("{doing} {path}: the disk is full; free space on it or lower store.budget_bytes")]
    Full {
        /// What was attempted.
        doing: &'static str,
        /// The store.
        path: PathBuf,
    },
    /// There is no room within the budget, even without the oldest rows.
    #[error(
        "{doing} {path}: it does not fit into the byte budget, though old rows were removed; raise store.budget_bytes"
    )]
    NoRoom {
        /// What was attempted.
        doing: &'static str,
        /// The store.
        path: PathBuf,
    },
    /// A program reads the store without end, so that the log can neither grow within the budget nor be begun anew.
    #[error("commit to {path}: a program that reads it holds its log; end that program")]
    Held {
        /// The store.
        path: PathBuf,
    },
    /// The deadline of a read passed.
    #[error("read {path}: it took too long; ask for fewer rows")]
    Deadline {
        /// The store.
        path: PathBuf,
    },
    /// There are as many rings as there may be.
    #[error("add a ring to {path}: it has {limit} already; remove tenants")]
    TooManyRings {
        /// The store.
        path: PathBuf,
        /// The limit.
        limit: u32,
    },
    /// Any other failure of the file system.
    #[error("{doing} {path}: {source}; look at the disk and the system log")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Any other failure of SQLite.
    #[error("{doing} {path}: {source}; look at the disk and the system log")]
    Sqlite {
        /// What was attempted.
        doing: &'static str,
        /// The store.
        path: PathBuf,
        /// Why it failed.
        source: rusqlite::Error,
    },
}

/// Classes of [`Error`], as sysexits.h has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 65: data are damaged.
    Data,
    /// 66: there is nothing to read.
    NoInput,
    /// 69: a resource is taken.
    Unavailable,
    /// 73: cannot create.
    CannotCreate,
    /// 74: input or output failed.
    Io,
    /// 77: no permission.
    NoPermission,
    /// 78: the configuration points to the wrong place.
    Config,
}

impl Error {
    /// The class of the error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Create { .. } => ErrorKind::CannotCreate,
            Self::NoPermission { .. } => ErrorKind::NoPermission,
            Self::Foreign { .. } | Self::Newer { .. } | Self::TooManyRings { .. } => ErrorKind::Config,
            Self::Older { .. } | Self::Absent { .. } => ErrorKind::NoInput,
            Self::Busy { .. } | Self::Held { .. } | Self::Deadline { .. } => ErrorKind::Unavailable,
            Self::Corrupt { .. } => ErrorKind::Data,
            Self::Full { .. } | Self::NoRoom { .. } | Self::Io { .. } | Self::Sqlite { .. } => ErrorKind::Io,
        }
    }

    /// True when the disk was full, so that the same call can succeed later.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// True for failures that pass by themselves, after which the same call can succeed: a full disk, too little room for the
    /// moment, and another program that holds the store for a while.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::NoRoom { .. } | Self::Busy { .. } | Self::Held { .. })
    }

    /// A failure to make `path`.
    pub(crate) fn create(path: &Path, source: io::Error) -> Self {
        match Self::io("create", path, source) {
            Self::Io { path, source, .. } => Self::Create { path, source },
            other => other,
        }
    }

    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match source.kind() {
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Self::NoPermission { path: path.into() },
            Kind::StorageFull | Kind::QuotaExceeded => Self::Full { doing, path: path.into() },
            _ => Self::Io { doing, path: path.into(), source },
        }
    }

    pub(crate) fn corrupt(path: &Path, detail: &impl ToString) -> Self {
        Self::Corrupt { path: path.into(), detail: detail.to_string() }
    }
}

/// Says what was being done, and to which file, when something failed.
pub(crate) trait Doing<T> {
    /// `doing` is a verb: "commit to".
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::io(doing, path, source))
    }
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| match (source.sqlite_error_code(), source.sqlite_extended_error_code()) {
            // No room for the index of the WAL; SQLite does not call that full.
            (_, Some(SQLITE_IOERR_SHMSIZE)) => Error::Full { doing, path: path.into() },
            (Some(ErrorCode::DiskFull), _) => Error::Full { doing, path: path.into() },
            (Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly), _) => {
                Error::NoPermission { path: path.into() }
            }
            (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => {
                Error::Busy { path: path.into() }
            }
            (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => Error::corrupt(path, &source),
            (Some(ErrorCode::OperationInterrupted), _) => Error::Deadline { path: path.into() },
            // The statements are fixed: what they do not find was changed in the file.
            (None | Some(ErrorCode::Unknown), _) if means_damage(&source) => Error::corrupt(path, &source),
            _ => Error::Sqlite { doing, path: path.into(), source },
        })
    }
}

/// True for values and tables that no writer leaves.
fn means_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as Sqlite;
    error.to_string().contains("no such ")
        || matches!(
            error,
            Sqlite::IntegralValueOutOfRange(..)
                | Sqlite::InvalidColumnType(..)
                | Sqlite::FromSqlConversionFailure(..)
                | Sqlite::Utf8Error(..)
                | Sqlite::QueryReturnedNoRows
                | Sqlite::InvalidColumnName(..)
        )
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::{Doing, Error, ErrorKind};

    #[test]
    fn failures_of_the_file_system_are_told_apart() {
        let of = |kind: io::ErrorKind| {
            let result: io::Result<()> = Err(kind.into());
            result.doing("write", Path::new("/data/weir.db")).unwrap_err()
        };
        assert_eq!(of(io::ErrorKind::PermissionDenied).kind(), ErrorKind::NoPermission);
        assert!(of(io::ErrorKind::StorageFull).is_full());
        assert_eq!(of(io::ErrorKind::BrokenPipe).kind(), ErrorKind::Io);
        let create = Error::create(Path::new("/data"), io::ErrorKind::NotADirectory.into());
        assert_eq!(create.kind(), ErrorKind::CannotCreate);
        let denied = Error::create(Path::new("/data"), io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied.kind(), ErrorKind::NoPermission);
    }

    #[test]
    fn a_full_disk_is_said_with_what_to_do() {
        let full = Error::Full { doing: "commit to", path: "/data/weir.db".into() };
        let text = format!("failed to {full}");
        assert_eq!(
            text,
            "failed to commit to /data/weir.db: the disk is full; free space on it or lower store.budget_bytes"
        );
    }
}
