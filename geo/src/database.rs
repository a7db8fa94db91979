//! One database, open: mapped from a private copy, in memory, or built in.
//!
//! The only file of the crate with unsafe code: mapping a file is unsafe, since a file that shrinks under a
//! map ends the process (SIGBUS). So only private copies are mapped.

#![expect(unsafe_code, reason = "mapping a file into memory is unsafe; see the module's documentation")]

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{LookupResult, Metadata, Mmap, Reader};

use crate::Error;
use crate::check::{Contents, check};
use crate::copy::private_copy;
use crate::file::{Identity, Source};

/// The largest database that is opened, in octets: it is copied to flash, and mapped in 32-bit address space.
/// The largest free City database today has 130 MB.
pub(crate) const MAX_DATABASE_BYTES: u64 = 512 << 20;

/// The database that is built in.
static DEFAULT: &[u8] = include_bytes!("../data/default.mmdb");

/// Where the octets are.
pub(crate) enum Bytes {
    Mapped(Mmap),
    Read(Vec<u8>),
    BuiltIn(&'static [u8]),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Read(bytes) => bytes,
            Self::BuiltIn(bytes) => bytes,
        }
    }
}

/// A database that was checked and is ready for look-ups.
pub(crate) struct Database {
    reader: Reader<Bytes>,
    /// What a sample of its records holds.
    pub(crate) contents: Contents,
    /// Its size in octets.
    pub(crate) size: usize,
    /// The source it was made from; `None` for the built-in one.
    pub(crate) identity: Option<Identity>,
    /// The private copy that is mapped.
    pub(crate) copy: Option<PathBuf>,
}

impl Database {
    /// Opens the file at `path`, through a private copy in `copies` or else in memory.
    ///
    /// # Errors
    /// What [`Error`] says of files and databases.
    pub(crate) fn open(path: &Path, copies: Option<&Path>, role: &str) -> Result<Self, Error> {
        let source = Source::open(path, MAX_DATABASE_BYTES)?;
        let identity = source.identity;
        let Some(copies) = copies else {
            return Self::new(Bytes::Read(source.read()?), path, Some(identity), None);
        };
        let (copy, reused) = private_copy(source, copies, role)?;
        let opened = map(&copy)
            .and_then(|map| Self::new(Bytes::Mapped(map), path, Some(identity), Some(copy.clone())));
        if opened.is_err() {
            // A copy that does not check out is of no use; one of an earlier run may have rotted, and is made anew.
            let _ = fs::remove_file(&copy);
            if reused && !copy.exists() {
                return Self::open(path, Some(copies), role);
            }
        }
        opened
    }

    /// The built-in database.
    ///
    /// # Errors
    /// None that the tests let through: they open it.
    pub(crate) fn built_in() -> Result<Self, Error> {
        Self::new(Bytes::BuiltIn(DEFAULT), Path::new("built in"), None, None)
    }

    fn new(
        bytes: Bytes,
        path: &Path,
        identity: Option<Identity>,
        copy: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let wrong = |reason| Error::NotMmdb { path: path.to_owned(), reason };
        let (_, contents) = check(bytes.as_ref()).map_err(wrong)?;
        let size = bytes.as_ref().len();
        let reader = Reader::from_source(bytes).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { reader, contents, size, identity, copy })
    }

    /// The record of an address, undecoded; `None` when there is none. IPv4-mapped addresses are not converted here.
    ///
    /// # Errors
    /// The tree leads outside the data.
    pub(crate) fn find(
        &self,
        ip: IpAddr,
    ) -> Result<Option<LookupResult<'_, Bytes>>, maxminddb::MaxMindDbError> {
        if ip.is_ipv6() && self.metadata().ip_version == 4 {
            return Ok(None);
        }
        Ok(Some(self.reader.lookup(ip)?).filter(LookupResult::has_data))
    }

    /// What the database says of itself.
    pub(crate) fn metadata(&self) -> &Metadata {
        self.reader.metadata()
    }
}

fn map(copy: &Path) -> Result<Mmap, Error> {
    let failed = |source| Error::Read { path: copy.to_owned(), source };
    let file = File::open(copy).map_err(failed)?;
    // SAFETY: the file is a copy of ours, readable by its owner only, in a directory of the agent's own. It is
    // whole before it gets its name; after that the agent only ever unlinks it, which leaves the map as it is.
    unsafe { Mmap::map(&file) }.map_err(failed)
}
