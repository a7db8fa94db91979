//! What can be wrong with a list: as a whole, or one line of it.

use std::fmt;
use std::io;

use crate::indicator::MAX_NAME_BYTES;
use crate::line::MAX_LINE_BYTES;
use crate::tags::MAX_CATEGORY_BYTES;

/// Something about a list that its owner should know: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Path of the list.
    pub list: String,
    /// Line it is about, the first is 1; `None` when it is about the whole list.
    pub line: Option<u64>,
    /// What is the matter and what to do.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threat list {}", self.list)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Why a whole list was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("cannot be read: {0}; {hint}", hint = hint(.0))]
    Io(#[from] io::Error),
    #[error("is not a regular file; name a file in ti.lists")]
    NotAFile,
    #[error("is {0}, which is not read yet; give text (one address, CIDR or domain:NAME a line) or CSV")]
    Format(&'static str),
    #[error("has no CSV column ip_or_cidr; start it with the line ip_or_cidr,category,confidence")]
    Header,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "put the file there or take it out of ti.lists",
        io::ErrorKind::PermissionDenied => "let the user that runs weir read it",
        _ => "check the file and the disk that it is on",
    }
}

/// Why a line was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    #[error("is not UTF-8 text; save the list as UTF-8")]
    NotText,
    #[error("is longer than {MAX_LINE_BYTES} bytes; put one indicator on a line")]
    TooLong,
    #[error("is neither an address, a CIDR nor a domain name; correct or remove it")]
    Neither,
    #[error("is defanged; write plain dots, colons and http")]
    Defanged,
    #[error("has a port; give the address or name alone")]
    Port,
    #[error("is a URL or a path; give the address or name of its host")]
    Url,
    #[error("has more than one field; a CSV list starts with the line ip_or_cidr,category,confidence")]
    Fields,
    #[error("has a bad prefix length; IPv4 has 0 to 32, IPv6 0 to 128")]
    Prefix,
    #[error("has letters outside ASCII; write the name in its xn-- form")]
    NotAscii,
    #[error("has a label over 63 bytes or is over {MAX_NAME_BYTES} bytes; correct or remove it")]
    NameTooLong,
    #[error(
        "is a single label, which would match a whole top-level domain; write domain:NAME if that is meant"
    )]
    SingleLabel,
    #[error("covers the whole Internet; remove it")]
    TooWide,
    #[error("has a quotation mark out of place; close every quoted field on its line")]
    Quote,
    #[error("has a confidence that is no whole number from 0 to 100; correct it")]
    Confidence,
    #[error("has a category over {MAX_CATEGORY_BYTES} bytes; shorten it")]
    Category,
}

impl BadLine {
    pub(crate) const COUNT: usize = Self::Category as usize + 1;

    const NAMES: [&'static str; Self::COUNT] = [
        "not_text",
        "line_too_long",
        "not_an_indicator",
        "defanged",
        "port",
        "url",
        "fields",
        "prefix_length",
        "not_ascii",
        "name_too_long",
        "single_label",
        "too_wide",
        "quote",
        "confidence",
        "category",
    ];

    /// Names of all reasons, in the order of the enum.
    pub(crate) const fn names() -> &'static [&'static str; Self::COUNT] {
        &Self::NAMES
    }
}
