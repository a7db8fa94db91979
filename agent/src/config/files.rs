//! Files of settings and credentials: read whole, within a limit, and never waited for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// What may stand where a configuration is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything that can be read to its end, a pipe too: `weir check <(…)`.
    Any,
    /// A file only: nobody writes into a pipe while a device starts.
    Regular,
}

/// The text at `path`; one octet more than `limit` of a longer one, so that its length tells.
///
/// # Errors
/// Why it cannot be read; [`io::ErrorKind::NotFound`] when nothing is there.
pub(crate) fn read(path: &Path, kind: Kind, limit: usize) -> io::Result<String> {
    let file = match kind {
        Kind::Any => File::open(path)?,
        Kind::Regular => regular(path)?,
    };
    let mut text = String::new();
    file.take(limit as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Opening a pipe waits for its writer unless it is told not to.
fn regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let what = if kind.is_dir() { "a directory" } else { "a device or a pipe" };
    Err(io::Error::other(format!("it is {what}, not a file")))
}

/// What `error` means to whoever named the file, and what to do.
pub(crate) fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => "it is not UTF-8 text; save it as such".to_owned(),
        _ => format!("{error}; check the name and your right to read it"),
    }
}
