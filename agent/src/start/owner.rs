//! Who the agent becomes when root starts it, and whose the data directory is.

use std::ffi::CStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::unistd::{self, Gid, Uid, fchown, fchownat};

use crate::config::{Agent, User};
use crate::error::RunError;

/// Entries of a data directory at most. A directory with more is the root of a file system or somebody's home, named by
/// mistake, and must not be given away.
const MAX_ENTRIES: usize = 1_000;
/// A data directory is two deep.
const MAX_DEPTH: usize = 4;

/// A user and group to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: Uid,
    /// Its group.
    pub gid: Gid,
    /// The configuration names it; else it is the owner of the data directory.
    pub is_named: bool,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}, group {}", self.uid, self.gid)
    }
}

impl Owner {
    /// Who root becomes with this configuration: the user that it names, else the owner of the data directory; none
    /// when that is root, or when this process is not.
    ///
    /// # Errors
    /// [`RunError::Config`] when there is no such user.
    pub fn of(config: &Agent) -> Result<Option<Self>, RunError> {
        if !unistd::geteuid().is_root() {
            return Ok(None);
        }
        let owner = match &config.user {
            Some(user) => Some(Self::named(user)?),
            None => fs::metadata(&config.data_dir).ok().map(|meta| Self::of_directory(&meta)),
        };
        Ok(owner.filter(|owner| !owner.uid.is_root()))
    }

    fn named(user: &User) -> Result<Self, RunError> {
        let found = match user {
            User::Id(id) => unistd::User::from_uid(Uid::from_raw(*id)),
            User::Name(name) => unistd::User::from_name(name),
        };
        let account =
            found.map_err(|error| RunError::Config(format!("agent.user: cannot look up {user}: {error}")))?;
        match (account, user) {
            (Some(account), _) => Ok(Self { uid: account.uid, gid: account.gid, is_named: true }),
            // A number needs no account; its group has the same number, as is usual.
            (None, User::Id(id)) => {
                Ok(Self { uid: Uid::from_raw(*id), gid: Gid::from_raw(*id), is_named: true })
            }
            (None, User::Name(name)) => Err(RunError::Config(format!(
                "agent.user: there is no user {name}; make it with `useradd --system {name}`, or name another"
            ))),
        }
    }

    fn of_directory(meta: &fs::Metadata) -> Self {
        let uid = Uid::from_raw(meta.uid());
        let account = unistd::User::from_uid(uid).ok().flatten();
        let gid = account.map_or(Gid::from_raw(meta.gid()), |account| account.gid);
        Self { uid, gid, is_named: false }
    }

    /// Makes `dir` when it is missing and gives it, with all that is in it, to this user. Links are not followed, files
    /// with several names are left alone: they may be another's.
    ///
    /// # Errors
    /// [`RunError::CannotCreate`] when it cannot be made or changed, [`RunError::Config`] when it is no data directory.
    pub fn give(&self, dir: &Path) -> Result<(), RunError> {
        let failed = |error: io::Error| {
            RunError::CannotCreate(format!(
                "cannot give {} to {self}: {error}; look at its file system",
                dir.display()
            ))
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut top = Dir::open(dir, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let mut entries = 0;
        walk(&mut top, MAX_DEPTH, &mut |_, _, _| {
            entries += 1;
            if entries > MAX_ENTRIES { Err(Errno::E2BIG) } else { Ok(()) }
        })
        .map_err(|error| match error {
            Errno::E2BIG => RunError::Config(format!(
                "agent.user: {} has more than {MAX_ENTRIES} entries or is more than {MAX_DEPTH} deep, so it is no data directory; name another, or give it to {self} by hand",
                dir.display()
            )),
            other => failed(other.into()),
        })?;
        walk(&mut top, MAX_DEPTH, &mut |at, name, stat| self.give_entry(at, name, stat))
            .and_then(|()| fchown(&top, Some(self.uid), Some(self.gid)))
            .map_err(|error| failed(error.into()))
    }

    fn give_entry(&self, at: &Dir, name: &CStr, stat: &FileStat) -> Result<(), Errno> {
        let is_ours = stat.st_uid == self.uid.as_raw() && stat.st_gid == self.gid.as_raw();
        let has_other_names = !is_directory(stat) && stat.st_nlink > 1;
        if is_ours || has_other_names {
            return Ok(());
        }
        fchownat(at, name, Some(self.uid), Some(self.gid), AtFlags::AT_SYMLINK_NOFOLLOW)
    }
}

fn is_directory(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// Visits what is below `dir`, each directory after what is in it.
fn walk(
    dir: &mut Dir,
    depth: usize,
    visit: &mut impl FnMut(&Dir, &CStr, &FileStat) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let names: Result<Vec<_>, Errno> = dir.iter().map(|entry| Ok(entry?.file_name().to_owned())).collect();
    for name in names?.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
        let stat = match fstatat(&*dir, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            // Removed meanwhile.
            Err(Errno::ENOENT) => continue,
            stat => stat?,
        };
        if is_directory(&stat) {
            if depth == 0 {
                return Err(Errno::E2BIG);
            }
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            walk(&mut Dir::openat(&*dir, name.as_c_str(), flags, Mode::empty())?, depth - 1, visit)?;
        }
        visit(dir, name, &stat)?;
    }
    Ok(())
}
