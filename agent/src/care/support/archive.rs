//! A tar archive of plain files: the format `ustar` of POSIX.1 (pax, "ustar Interchange Format").

use std::io::{self, Write};

/// Everything comes in blocks of this size.
const BLOCK: usize = 512;
/// Longest name that fits into a header without its prefix field.
const MAX_NAME: usize = 100;

/// An archive that is being written.
pub(super) struct Archive<W: Write> {
    to: W,
    /// Time of every file, seconds since 1970.
    seconds: u64,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(to: W, seconds: i64) -> Self {
        Self { to, seconds: u64::try_from(seconds).unwrap_or(0) }
    }

    /// Adds a file that only its owner reads.
    pub(super) fn file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        if name.len() > MAX_NAME {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: the name is too long")));
        }
        self.to.write_all(&header(name, content.len() as u64, self.seconds))?;
        self.to.write_all(content)?;
        let rest = content.len().next_multiple_of(BLOCK) - content.len();
        self.to.write_all(&[0; BLOCK][..rest])
    }

    /// Ends the archive with two empty blocks.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.to.write_all(&[0; 2 * BLOCK])?;
        Ok(self.to)
    }
}

fn header(name: &str, size: u64, seconds: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, &format!("{seconds:011o}\0"));
    // The checksum counts itself as blanks.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::Archive;

    #[test]
    fn tar_unpacks_what_was_packed() {
        let mut archive = Archive::new(Vec::new(), 1_795_240_800);
        archive.file("weir/empty.txt", b"").unwrap();
        archive.file("weir/exact.bin", &[7; 1_024]).unwrap();
        archive.file("weir/short.txt", b"hello\n").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 512, 0);
        let dir = tempfile::tempdir().unwrap();
        let mut tar =
            Command::new("tar").arg("-xf-").arg("-C").arg(dir.path()).stdin(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert!(tar.wait().unwrap().success());
        let read = |name: &str| std::fs::read(dir.path().join("weir").join(name)).unwrap();
        assert_eq!(
            (read("empty.txt"), read("exact.bin"), read("short.txt")),
            (vec![], vec![7; 1_024], b"hello\n".to_vec())
        );
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        assert!(Archive::new(Vec::new(), 0).file(&"x".repeat(101), b"").is_err());
    }
}
