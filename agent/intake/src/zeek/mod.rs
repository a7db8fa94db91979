//! Zeek's logs: TSV with its header, and JSON streaming logs, line by line.
//!
//! Lines come from whoever reads files ([`LogReader`]) or from the API's JSON ([`Reader`](crate::Reader)); records go back.
//! Names and meanings are those of Zeek's manual (docs.zeek.org, "Log files" and `base/frameworks/logging/writers/ascii.zeek`).

mod draft;
mod escape;
mod field;
mod header;
mod host;
mod join;
mod json;
mod log;
mod names;
mod number;
mod service;
mod tsv;
mod typed;
mod value;

#[cfg(test)]
mod tests;

use weir_flow::{FlowRecord, Text, Timestamp};

use crate::object;
use crate::{Reason, Rejected, Said};
use header::{Columns, Directive, Header};
pub use join::Join;
use log::Log;
pub use log::log_name;

/// Longest line, octets, without its end: whoever reads lines skips longer ones as [`Reason::TooLarge`].
///
/// Zeek cuts strings to 4 KiB and lists to 100 members by default, which makes lines of some 10 KiB; stops a file without
/// line ends from taking memory.
pub const MAX_LINE: usize = 128 << 10;

/// Members that a line of JSON has room for at once; `conn.log` has 20.
const USUAL_MEMBERS: usize = 32;

/// What a line of a log was.
#[derive(Debug)]
pub enum Line {
    /// A record.
    Record(Box<FlowRecord>),
    /// A header or another comment, or an empty line.
    Nothing,
    /// A line that is skipped alone.
    Bad(Rejected),
}

/// Reads the lines of one log file.
#[derive(Debug, Default)]
pub struct LogReader {
    /// The log's name by that of its file.
    file: Option<Text>,
    header: Header,
    columns: Option<Columns>,
    /// The log that the latest line of JSON named.
    streamed: Option<(Text, Log)>,
    /// The TSV log has been closed: JSON may follow.
    closed: bool,
}

impl LogReader {
    /// A reader for a file; `name` is the log's name where the file's name tells it (see [`log_name`]).
    #[must_use]
    pub fn new(name: Option<Text>) -> Self {
        Self { file: name, ..Self::default() }
    }

    /// Reads a line without its line feed. `now` is the time of a record that has none.
    pub fn line(&mut self, line: &[u8], now: Timestamp) -> Line {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let read = match line.first() {
            None => return Line::Nothing,
            Some(_) if self.header.is_mine(line) => return self.directive(line),
            Some(_) => match &self.columns {
                Some(columns) if !(self.closed && line.starts_with(b"{")) => tsv::read(columns, line, now),
                _ => self.json(line, now),
            },
        };
        match read {
            Ok(record) => Line::Record(Box::new(record)),
            Err(rejected) => Line::Bad(rejected),
        }
    }

    /// The header lines in force, to be given to [`Self::restore`] when reading goes on in the middle of the file.
    ///
    /// ASCII in a form of Weir's own, at most 48 KiB; empty for JSON.
    #[must_use]
    pub fn header(&self) -> String {
        self.header.keep()
    }

    /// Takes up a header that [`Self::header`] gave.
    pub fn restore(&mut self, header: &str) {
        self.header.restore(header);
        self.columns = self.header.compile(self.file.as_ref());
        self.closed = false;
    }

    /// The log's name as it is known so far: from its header, its records or its file.
    #[must_use]
    pub fn name(&self) -> Option<&Text> {
        let streamed = self.streamed.as_ref().map(|(name, _)| name);
        self.header.path().or(streamed).or(self.file.as_ref())
    }

    fn directive(&mut self, line: &[u8]) -> Line {
        match self.header.line(line) {
            Ok(Directive::Comment) => {}
            Ok(Directive::Close) => self.closed = true,
            Ok(Directive::Header) => {
                self.columns = self.header.compile(self.file.as_ref());
                self.closed = false;
            }
            Err(rejected) => {
                self.columns = None;
                return Line::Bad(rejected);
            }
        }
        Line::Nothing
    }

    fn json(&mut self, line: &[u8], now: Timestamp) -> Result<FlowRecord, Rejected> {
        let line = line.trim_ascii();
        if !matches!(line.first(), Some(b'{' | b'[' | b'"' | b']' | b'}')) {
            return Err(Reason::NoHeader.of(""));
        }
        let mut members = Vec::with_capacity(USUAL_MEMBERS);
        object::read(line, &mut members)?;
        let said = json::name(&members);
        if let Some((known, log)) = &self.streamed
            && log.is_certain
            && said.or(self.file.as_deref()) == Some(&**known)
        {
            return json::read(log, &members, now);
        }
        let name = said.and_then(log::usable).or_else(|| self.file.clone());
        let log = json::log(name.as_deref(), &members);
        let read = json::read(&log, &members, now);
        self.streamed = name.map(|name| (name, log));
        read
    }
}

/// A record of the log `log` from its members, for [`Reader`](crate::Reader). `None` for `log` means: see what it looks like.
/// A record that names its log itself is of that.
pub(crate) fn record(
    log: Option<&str>,
    members: &[(std::borrow::Cow<'_, str>, Said<'_>)],
    now: Timestamp,
) -> Result<FlowRecord, Rejected> {
    let named = json::name(members).and_then(log::usable);
    json::read_alone(&json::log(named.as_deref().or(log), members), members, now)
}

/// True when the members are those of a line of a Zeek log.
pub(crate) fn looks_like(members: &[(std::borrow::Cow<'_, str>, Said<'_>)]) -> bool {
    json::is_zeek(members)
}
