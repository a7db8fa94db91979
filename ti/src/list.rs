//! One list as the agent keeps it: where it is, what was seen of it, what came out of it.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::BufReader;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use weir_flow::Text;

use crate::builder::Builder;
use crate::digest::Digest;
use crate::error::Unreadable;
use crate::feed::{self, Feed, Report};
use crate::index::Counts;
use crate::tags::ListId;

/// The list that comes with Weir.
const EMBEDDED: &str = include_str!("../indicators.txt");
/// What stands for its path and name.
const EMBEDDED_PATH: &str = "(built in)";
const EMBEDDED_NAME: &str = "built-in";

/// A file is read in pieces of this size.
const READ_BYTES: usize = 64 * 1024;

/// What is loaded of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListInfo {
    /// The name that matches carry as their source: the file's, without folder and extension.
    pub name: String,
    /// Where the list is.
    pub path: String,
    /// Networks in use.
    pub networks: u64,
    /// Single addresses in use.
    pub addresses: u64,
    /// Domain names in use.
    pub domains: u64,
    /// All indicators in use.
    pub entries: u64,
    /// Lines that repeat an indicator of the same list.
    pub repeats: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Lines that were left out because of what they say.
    pub bad_lines: u64,
    /// The same by reason.
    pub bad_reasons: BTreeMap<&'static str, u64>,
    /// Networks left out because they lie in or around private and other local networks.
    pub refused_local: u64,
    /// Indicators left out because all lists together hold too many.
    pub refused_over_limit: u64,
    /// Why the list cannot be read now, while its last good state stays in use.
    pub error: Option<String>,
}

/// Tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    file: (u64, u64),
    modified: (i64, i64),
    size: u64,
}

impl From<&Metadata> for Fingerprint {
    fn from(meta: &Metadata) -> Self {
        Self {
            file: (meta.dev(), meta.ino()),
            modified: (meta.mtime(), meta.mtime_nsec()),
            size: meta.size(),
        }
    }
}

/// A list and its last state.
#[derive(Debug)]
pub(crate) struct List {
    /// `None` for the list that is built in.
    path: Option<PathBuf>,
    pub(crate) seen: Option<Fingerprint>,
    /// What is wrong with the content that was seen.
    pub(crate) fault: Option<String>,
    /// Lines that gave an indicator.
    accepted: u64,
    /// Of these.
    pub(crate) digest: Digest,
    pub(crate) info: ListInfo,
}

impl List {
    pub(crate) fn file(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let info = ListInfo { name, path: path.display().to_string(), ..ListInfo::default() };
        Self {
            path: Some(path.to_owned()),
            seen: None,
            fault: None,
            accepted: 0,
            digest: Digest::default(),
            info,
        }
    }

    pub(crate) fn embedded() -> Self {
        let info = ListInfo { name: EMBEDDED_NAME.into(), path: EMBEDDED_PATH.into(), ..ListInfo::default() };
        Self { path: None, seen: None, fault: None, accepted: 0, digest: Digest::default(), info }
    }

    pub(crate) fn source(&self) -> Text {
        self.info.name.as_str().into()
    }

    /// The state of the list now; the one that is built in never changes.
    pub(crate) fn look(&self) -> Result<Fingerprint, Unreadable> {
        let Some(path) = &self.path else {
            return Ok(Fingerprint { file: (0, 0), modified: (0, 0), size: EMBEDDED.len() as u64 });
        };
        let meta = path.metadata()?;
        if meta.is_file() { Ok(Fingerprint::from(&meta)) } else { Err(Unreadable::NotAFile) }
    }

    /// Takes over what reading the list gave.
    pub(crate) fn set_report(&mut self, report: &Report) {
        self.accepted = report.accepted;
        self.digest = report.digest;
        self.info.bytes = report.bytes;
        self.info.bad_lines = report.bad_lines();
        self.info.bad_reasons = report.bad_reasons().collect();
        self.info.refused_local = report.local;
        self.info.refused_over_limit = report.over_limit;
    }

    /// Takes over what the index holds of the list.
    pub(crate) fn set_counts(&mut self, counts: Counts) {
        self.info.networks = counts.networks;
        self.info.addresses = counts.addresses;
        self.info.domains = counts.domains;
        self.info.entries = counts.networks + counts.addresses + counts.domains;
        self.info.repeats = self.accepted.saturating_sub(self.info.entries);
    }

    /// Reads the list into `builder`.
    pub(crate) fn read(
        &self,
        id: ListId,
        allow_private: bool,
        builder: &mut Builder,
    ) -> Result<Report, Unreadable> {
        let csv =
            self.path.as_deref().and_then(Path::extension).is_some_and(|ext| ext.eq_ignore_ascii_case("csv"));
        let feed = Feed { list: id, path: &self.info.path, csv, allow_private };
        match &self.path {
            Some(path) => {
                let file = BufReader::with_capacity(READ_BYTES, File::open(path)?);
                feed::read(file, feed, builder)
            }
            None => feed::read(EMBEDDED.as_bytes(), feed, builder),
        }
    }
}
