//! Files as they lie in directories: found without being opened, opened without being trusted.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::name::Name;

/// Which file of which file system; used again when a file is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// What a file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) id: FileId,
    /// Octets.
    pub(super) size: u64,
    /// Last change of its content, nanoseconds since 1970 by the clock of that time.
    pub(super) modified: i64,
    /// No directory names it any more.
    pub(super) is_deleted: bool,
}

impl Stat {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            id: FileId { device: metadata.dev(), inode: metadata.ino() },
            size: metadata.size(),
            modified: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
            is_deleted: metadata.nlink() == 0,
        }
    }
}

/// A log file in a directory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) name: Name,
    pub(super) stat: Stat,
}

/// Opens a regular file for reading. A pipe or a device is neither opened nor waited for.
pub(super) fn open(path: &Path) -> io::Result<(File, Stat)> {
    regular(&path.metadata()?)?;
    // What lies there may have been replaced meanwhile.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    Ok((file, Stat::of(&metadata)))
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

/// What can be done about a file or directory that cannot be read.
pub(super) fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{error}; let the agent's user read it, for example `setfacl -R -m u:weir:rX -m d:u:weir:rX DIRECTORY` or \
             `usermod -aG zeek weir`"
        ),
        io::ErrorKind::NotFound => format!("{error}; check zeek.directories, or start Zeek"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::Mode;

    use super::open;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, file, link) =
            (folder.path().join("pipe.log"), folder.path().join("a.log"), folder.path().join("b.log"));
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&link, &link).unwrap();
        assert!(open(&pipe).is_err(), "a pipe would be waited for");
        assert!(open(folder.path()).is_err() && open(&link).is_err());
        let stat = open(&file).unwrap().1;
        assert_eq!((stat.size, stat.is_deleted), (1, false));
        assert!(stat.modified > 0);
    }
}
