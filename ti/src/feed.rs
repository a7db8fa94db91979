//! Reads one list, text or CSV, into the builder.
//!
//! Text: an address, a CIDR, `domain:NAME` or a name on each line; `#` and `;` start a comment. CSV: a header with
//! `ip_or_cidr` and, if wanted, `category` and `confidence`, in any order; `#` starts a comment line.

use std::io::BufRead;

use crate::builder::{Builder, MAX_ENTRIES};
use crate::csv::Fields;
use crate::digest::Digest;
use crate::error::{BadLine, Notice, Unreadable};
use crate::indicator::Indicator;
use crate::line::{Lines, MAX_LIST_BYTES};
use crate::local::touches_local;
use crate::tags::{DEFAULT_CONFIDENCE, ListId, MAX_CATEGORY_BYTES, MAX_CONFIDENCE, UNKNOWN};

/// Lines that are told of one by one; a wrong file must not flood the log.
pub(crate) const MAX_LINE_NOTICES: usize = 10;

/// Characters of a bad line that its notice quotes.
const MAX_EXCERPT: usize = 60;

/// Which list is read and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed<'a> {
    pub(crate) list: ListId,
    pub(crate) path: &'a str,
    /// The file's name says CSV, so its first line must be a header.
    pub(crate) csv: bool,
    pub(crate) allow_private: bool,
}

/// What came of reading a list.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) bytes: u64,
    pub(crate) accepted: u64,
    pub(crate) local: u64,
    pub(crate) over_limit: u64,
    /// Of the accepted.
    pub(crate) digest: Digest,
    pub(crate) notices: Vec<Notice>,
    bad: [u64; BadLine::COUNT],
    wide: u64,
    told: usize,
    first_local: Option<(u64, String)>,
}

impl Report {
    pub(crate) fn bad_lines(&self) -> u64 {
        self.bad.iter().sum()
    }

    /// Reasons that occurred, with their counts.
    pub(crate) fn bad_reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        BadLine::names().iter().copied().zip(self.bad).filter(|&(_, count)| count > 0)
    }
}

/// Reads `input` to its end; what was pushed before an error is for the caller to take back.
pub(crate) fn read(
    mut input: impl BufRead,
    feed: Feed<'_>,
    builder: &mut Builder,
) -> Result<Report, Unreadable> {
    if let Some(format) = foreign_format(input.fill_buf()?) {
        return Err(Unreadable::Format(format));
    }
    let mut reading = Reading { feed, builder, report: Report::default(), layout: Layout::Undecided };
    let mut lines = Lines::new(input);
    loop {
        let number = lines.number() + 1;
        match lines.next()? {
            Some(Ok(line)) => reading.line(number, line)?,
            Some(Err(reason)) => reading.bad(number, None, reason),
            None => break,
        }
    }
    reading.report.bytes = lines.bytes();
    Ok(reading.close(lines.is_cut()))
}

/// The name of a known format that is neither text nor CSV, from a list's first bytes.
fn foreign_format(head: &[u8]) -> Option<&'static str> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let array = |rest: &[u8]| rest.trim_ascii_start().first().is_none_or(|b| b"{[\"]".contains(b));
    match text {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [b'{', ..] => Some("JSON"),
        [b'[', rest @ ..] if array(rest) => Some("JSON"),
        _ if text.starts_with(b"#fields") || text.starts_with(b"#separator") => {
            Some("a Zeek intelligence file")
        }
        _ => None,
    }
}

/// How the lines are laid out, known from the first that is no comment.
#[derive(Clone, Copy)]
enum Layout {
    Undecided,
    Text,
    Csv(Columns),
}

/// Positions of the known columns.
#[derive(Clone, Copy)]
struct Columns {
    indicator: usize,
    category: Option<usize>,
    confidence: Option<usize>,
}

impl Columns {
    /// From a header line; `None` when it is none.
    fn parse(line: &str) -> Option<Self> {
        let (mut indicator, mut category, mut confidence) = (None, None, None);
        for (position, field) in Fields::new(line).enumerate() {
            match field.ok()?.to_ascii_lowercase().as_str() {
                "ip_or_cidr" => indicator = indicator.or(Some(position)),
                "category" => category = category.or(Some(position)),
                "confidence" => confidence = confidence.or(Some(position)),
                _ => {}
            }
        }
        Some(Self { indicator: indicator?, category, confidence })
    }
}

struct Reading<'a> {
    feed: Feed<'a>,
    builder: &'a mut Builder,
    report: Report,
    layout: Layout,
}

impl Reading<'_> {
    fn line(&mut self, number: u64, line: &str) -> Result<(), Unreadable> {
        let content = line.split(['#', ';']).next().unwrap_or_default().trim();
        if content.is_empty() {
            return Ok(());
        }
        match self.layout {
            Layout::Undecided => match Columns::parse(line) {
                Some(columns) => self.layout = Layout::Csv(columns),
                None if self.feed.csv => return Err(Unreadable::Header),
                None => {
                    self.layout = Layout::Text;
                    self.add(number, content, UNKNOWN, DEFAULT_CONFIDENCE);
                }
            },
            Layout::Text => self.add(number, content, UNKNOWN, DEFAULT_CONFIDENCE),
            Layout::Csv(columns) => {
                if let Err(reason) = self.row(number, line, columns) {
                    self.bad(number, Some(line.trim()), reason);
                }
            }
        }
        Ok(())
    }

    fn row(&mut self, number: u64, line: &str, columns: Columns) -> Result<(), BadLine> {
        let (mut indicator, mut category, mut confidence) = (None, None, None);
        for (position, field) in Fields::new(line).enumerate() {
            let field = field?;
            if position == columns.indicator {
                indicator = Some(field);
            } else if Some(position) == columns.category {
                category = Some(field);
            } else if Some(position) == columns.confidence {
                confidence = Some(field);
            }
        }
        let category = category.filter(|category| !category.is_empty());
        let category = category.as_deref().unwrap_or(UNKNOWN);
        if category.len() > MAX_CATEGORY_BYTES {
            return Err(BadLine::Category);
        }
        let confidence = match confidence.as_deref() {
            None | Some("") => DEFAULT_CONFIDENCE,
            Some(text) => text.parse().ok().filter(|&n| n <= MAX_CONFIDENCE).ok_or(BadLine::Confidence)?,
        };
        self.add(number, indicator.as_deref().unwrap_or_default(), category, confidence);
        Ok(())
    }

    fn add(&mut self, number: u64, text: &str, category: &str, confidence: u8) {
        let indicator = match Indicator::parse(text) {
            Ok(indicator) => indicator,
            Err(reason) => return self.bad(number, Some(text), reason),
        };
        if !self.feed.allow_private && touches_local(&indicator) {
            self.report.local += 1;
            self.report.first_local.get_or_insert_with(|| (number, excerpt(text)));
            return;
        }
        if !self.builder.push(self.feed.list, &indicator, category, confidence) {
            self.report.over_limit += 1;
            return;
        }
        self.report.accepted += 1;
        self.report.digest.add(&indicator);
        if indicator.is_wide() {
            self.report.wide += 1;
            self.tell(number, || {
                format!("{} is very wide; it is in use, remove it unless it is meant", excerpt(text))
            });
        }
    }

    fn bad(&mut self, number: u64, text: Option<&str>, reason: BadLine) {
        self.report.bad[reason as usize] += 1;
        self.tell(number, || match text {
            Some(text) => format!("{} {reason}", excerpt(text)),
            None => format!("the line {reason}"),
        });
    }

    fn tell(&mut self, number: u64, text: impl FnOnce() -> String) {
        if self.report.told < MAX_LINE_NOTICES {
            self.report.told += 1;
            self.notice(Some(number), text());
        }
    }

    fn notice(&mut self, line: Option<u64>, text: String) {
        self.report.notices.push(Notice { list: self.feed.path.to_owned(), line, text });
    }

    /// Adds what there is to say about the list as a whole.
    fn close(mut self, cut: bool) -> Report {
        let (bad, wide) = (self.report.bad_lines(), self.report.wide);
        if bad + wide > MAX_LINE_NOTICES as u64 {
            let reasons = self.report.bad_reasons().map(|(name, count)| format!("{name} {count}"));
            let reasons = reasons.collect::<Vec<_>>().join(", ");
            let shown = format!("the first {MAX_LINE_NOTICES} are shown");
            self.notice(
                None,
                format!("{bad} lines are not in use ({reasons}), {wide} are very wide; {shown}"),
            );
        }
        self.close_local();
        let over = self.report.over_limit;
        if over > 0 {
            let room = format!("all lists together hold at most {MAX_ENTRIES}; shorten them");
            self.notice(None, format!("{over} indicators are not in use: {room}"));
        }
        if cut {
            let mebibytes = MAX_LIST_BYTES >> 20;
            self.notice(None, format!("only its first {mebibytes} MiB are in use; shorten it"));
        }
        if self.report.accepted == 0 {
            self.notice(None, "gives no indicator; check that it is the right file".into());
        }
        self.report
    }

    fn close_local(&mut self) {
        let Some((line, first)) = self.report.first_local.take() else { return };
        let count = self.report.local;
        let which = if count == 1 { first } else { format!("{first} and {} more", count - 1) };
        self.notice(
            Some(line),
            format!(
                "{which} not in use: in or around private, loopback, link-local or multicast networks; set \
                 ti.allow_private = true if that is meant"
            ),
        );
    }
}

/// The start of a text, quoted so that it cannot disturb a log.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(MAX_EXCERPT) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests;
