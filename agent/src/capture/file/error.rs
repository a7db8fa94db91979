//! What can be wrong with a file.

use std::io;
use std::path::{Path, PathBuf};

/// Why a capture file could not be opened or read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there or may not be read.
    #[error("cannot open {path}: {source}; check the name and your right to read it")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It could not be read on.
    #[error("cannot read {path} beyond octet {offset}: {source}; what came before is counted")]
    Read {
        /// The file.
        path: PathBuf,
        /// How far it was read, after decompression.
        offset: u64,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// It has no octet.
    #[error("{path} is empty: it was never written; a capture without frames has a header at least")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is no capture file.
    #[error(
        "{path} is neither pcap nor pcapng (it begins with {start}); give a capture file, plain, .gz or .zst"
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Its first octets in hexadecimal.
        start: String,
    },
    /// It is neither a capture nor an export.
    #[error(
        "{path} is neither a capture nor an export (it begins with {start}); give pcap or pcapng with UDP export \
         packets, or raw NetFlow v5, v7, v9, IPFIX or sFlow v5, plain, .gz or .zst"
    )]
    NoExport {
        /// The file.
        path: PathBuf,
        /// Its first octets in hexadecimal.
        start: String,
    },
    /// Its frames are of a kind that cannot be read.
    #[error(
        "{path} has frames of link type {number}, which Weir cannot read; it reads Ethernet, Linux cooked, raw IP, \
         loopback, PPP and NFLOG"
    )]
    LinkType {
        /// The file.
        path: PathBuf,
        /// Number of the link type.
        number: u16,
    },
    /// It ends in the middle of a frame or is damaged.
    #[error("{path} is {what} at octet {offset}; what came before is counted")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: Damage,
        /// Where, after decompression.
        offset: u64,
    },
}

/// What is wrong with a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends in the middle of a record.
    #[error("cut short")]
    CutShort,
    /// A frame is longer than any can be.
    #[error("damaged (a frame longer than 262,144 octets)")]
    TooLong,
    /// A block of a pcapng file contradicts itself.
    #[error("damaged (a block with a wrong length)")]
    BadBlock,
    /// A file of export messages does not go on with one.
    #[error("damaged (no export message of at most 65,535 octets)")]
    NoMessage,
    /// A frame of a pcapng file names an interface that was not described.
    #[error("damaged (a frame of an unknown interface)")]
    UnknownInterface,
}

/// What a format's reader found: damage, a link type that cannot be read, or a fault of the medium.
pub(super) enum Fault {
    Damage(Damage),
    LinkType(u16),
    Io(io::Error),
}

impl Fault {
    /// As an error about the file at `path`, found at `offset`.
    pub(super) fn at(self, path: &Path, offset: u64) -> Error {
        let path = path.to_owned();
        match self {
            Self::Damage(what) => Error::Damaged { path, what, offset },
            Self::LinkType(number) => Error::LinkType { path, number },
            Self::Io(source) => Error::Read { path, offset, source },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
