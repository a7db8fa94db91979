//! Files read within bounds and written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// What tells one file from another, and a file from itself before it was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    /// Octets.
    pub(crate) size: u64,
}

impl Identity {
    /// Of the file that `path` leads to, links followed.
    pub(crate) fn of(path: &Path) -> Result<Self, Error> {
        let metadata = fs::metadata(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.to_owned() });
        }
        Ok(Self::from(&metadata))
    }

    /// A name for a copy of the file.
    pub(crate) fn name(&self) -> String {
        let (seconds, nanos) = self.modified;
        format!("{:x}-{:x}-{seconds}.{nanos:09}-{}", self.device, self.inode, self.size)
    }
}

impl From<&fs::Metadata> for Identity {
    fn from(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        }
    }
}

/// A source being read: a regular file within `limit`, open, and what it was when it was opened.
pub(crate) struct Source<'a> {
    path: &'a Path,
    file: File,
    pub(crate) identity: Identity,
}

impl<'a> Source<'a> {
    pub(crate) fn open(path: &'a Path, limit: u64) -> Result<Self, Error> {
        // A pipe would block in `open`, so the kind is looked at first.
        Identity::of(path)?;
        let read = |source| Error::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let identity = Identity::from(&file.metadata().map_err(read)?);
        if identity.size > limit {
            return Err(Error::TooLarge { path: path.to_owned(), bytes: identity.size, limit });
        }
        Ok(Self { path, file, identity })
    }

    /// The whole file.
    pub(crate) fn read(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.identity.size).unwrap_or(0));
        let read = (&mut self.file).take(self.identity.size).read_to_end(&mut bytes);
        read.map_err(|source| Error::Read { path: self.path.to_owned(), source })?;
        self.unchanged(bytes.len() as u64)?;
        Ok(bytes)
    }

    /// Copies the whole file to `to`, readable by its owner only.
    pub(crate) fn copy(mut self, to: &Path) -> Result<(), Error> {
        write_whole(to, 0o400, |out| {
            let copied = io::copy(&mut (&mut self.file).take(self.identity.size), out)
                .map_err(|source| Error::Write { path: to.to_owned(), source })?;
            self.unchanged(copied)
        })
    }

    fn unchanged(&self, octets: u64) -> Result<(), Error> {
        let now =
            self.file.metadata().map_err(|source| Error::Read { path: self.path.to_owned(), source })?;
        if octets != self.identity.size || Identity::from(&now) != self.identity {
            return Err(Error::Changed { path: self.path.to_owned() });
        }
        Ok(())
    }
}

/// The octets of a regular file of at most `limit`.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    Source::open(path, limit)?.read()
}

/// Writes `path` through `fill`: into a file beside it that takes its place when it is whole and on the disk.
pub(crate) fn write_whole<T>(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<T, Error>,
) -> Result<T, Error> {
    let beside = beside(path);
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let written = (|| {
        match fs::remove_file(&beside) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source)),
            _ => {}
        }
        let file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(failed)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &file);
        let answer = fill(&mut out)?;
        out.flush().map_err(failed)?;
        drop(out);
        file.sync_all().map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)?;
        sync_directory(path).map_err(failed)?;
        Ok(answer)
    })();
    if written.is_err() {
        // What is left of it is of no use; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&beside);
    }
    written
}

const BUFFER_BYTES: usize = 1 << 16;

/// The name of a file that is not whole yet; the process in it keeps two of them apart.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

/// Makes a rename survive a power cut.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
