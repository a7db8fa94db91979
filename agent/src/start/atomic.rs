//! Small files that are there whole or not at all, also after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// What the name of a file ends in until it is whole.
pub(crate) const UNFINISHED: &str = ".new";

/// Writes `content` to the file `name` in `dir`, in the place of one that is there, with the rights `mode`.
///
/// # Errors
/// What the disk answers; the file is as it was then.
pub fn write(dir: &Path, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let unfinished = dir.join(format!("{name}{UNFINISHED}"));
    let written = fill(&unfinished, mode, content).and_then(|()| fs::rename(&unfinished, dir.join(name)));
    if written.is_err() {
        // Its room may be what the disk lacks.
        let _ = fs::remove_file(&unfinished);
        return written;
    }
    File::open(dir)?.sync_all()
}

fn fill(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    // One that a power cut left may have other rights; the new file gets its own.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// The text of the file at `path`, at most `limit` octets of it and one more, so that its length tells.
///
/// # Errors
/// As [`read_octets`], and when it is no text.
pub fn read(path: &Path, limit: usize) -> io::Result<String> {
    String::from_utf8(read_octets(path, limit)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// What is in the file at `path`, at most `limit` octets of it and one more, so that its length tells.
///
/// # Errors
/// When it cannot be read or is no regular file; a link is none, since another user may have laid it.
pub fn read_octets(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut octets = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{read, write};

    #[test]
    fn a_file_is_replaced_whole_with_its_rights_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file.new"), "half of it").unwrap();
        for text in ["one", "another"] {
            write(dir.path(), "file", 0o600, text.as_bytes()).unwrap();
            assert_eq!(read(&dir.path().join("file"), 100).unwrap(), text);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let mode = fs::metadata(dir.path().join("file")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write(&dir.path().join("none"), "file", 0o600, b"x").is_err());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x".repeat(50)).unwrap();
        symlink(dir.path().join("file"), dir.path().join("link")).unwrap();
        nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in ["link", "pipe", "absent", "."] {
            assert!(read(&dir.path().join(name), 100).is_err(), "{name}");
        }
        assert_eq!(read(&dir.path().join("file"), 10).unwrap().len(), 11);
    }
}
