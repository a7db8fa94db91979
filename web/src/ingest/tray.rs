//! Records as they are read, within the bounds of one request.

use serde::de::IgnoredAny;
use weir_flow::{Extra, FlowRecord, Timestamp};
use weir_intake::{Dialect, Reader, Reason, Rejected};

use super::fault::{Fault, invalid_encoding, invalid_json, over_size, too_many};
use super::format::{Envelope, Route};

/// Records in one request.
pub(super) const MAX_RECORDS: usize = 10_000;
/// Memory of them: text of a few octets can mean much.
const MAX_MEMORY: usize = 32 * 1024 * 1024;
/// Rejections that are told; the rest is counted.
const TOLD: usize = 3;

/// A piece of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'t> {
    /// An object, and whether it has octets outside ASCII.
    Object {
        json: &'t [u8],
        not_ascii: bool,
    },
    /// Something else.
    Other(&'t [u8]),
    TooLarge,
    /// A line that is not one whole value.
    Broken,
}

/// What a piece is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A list: its text is JSON as a whole or not at all.
    Element,
    /// A line: a text of its own.
    Line,
}

/// What was read.
pub(super) struct Tray<'r> {
    reader: &'r mut Reader,
    route: Route,
    now: Timestamp,
    /// `None` while it is not known, on a route that must be told.
    dialect: Option<Dialect>,
    seen: usize,
    memory: usize,
    pub(super) records: Vec<FlowRecord>,
    pub(super) rejections: Rejections,
}

/// What was not.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    by_reason: [u64; Reason::ALL.len()],
    total: usize,
    told: Vec<String>,
    /// The one that all share.
    common: Option<Rejected>,
}

impl<'r> Tray<'r> {
    /// A tray for a body of about `octets` of text.
    pub(super) fn new(reader: &'r mut Reader, route: Route, now: Timestamp, octets: usize) -> Self {
        /// Shorter records are rare; room that is not used is never touched.
        const SHORT: usize = 128;
        let records = Vec::with_capacity((octets / SHORT).clamp(1, MAX_RECORDS));
        let rejections = Rejections::default();
        Self { reader, route, now, dialect: None, seen: 0, memory: 0, records, rejections }
    }

    /// Records follow, of which `said` is known.
    pub(super) fn begin(&mut self, said: &Envelope) -> Result<(), Fault> {
        self.dialect = match self.route.dialect(said) {
            // It may come after the records.
            Err(_) if self.route == Route::Bulk && said.kind.is_none() => None,
            dialect => Some(dialect?),
        };
        Ok(())
    }

    /// True when records were read as `said` has it, now that all of it is known.
    pub(super) fn agrees(&self, said: &Envelope) -> Result<bool, Fault> {
        Ok(self.dialect.as_ref() == Some(&self.route.dialect(said)?))
    }

    /// Records seen, good and bad.
    pub(super) const fn seen(&self) -> usize {
        self.seen
    }

    /// Empties it.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.rejections = Rejections::default();
        (self.seen, self.memory) = (0, 0);
    }

    /// Takes a piece.
    pub(super) fn take(&mut self, item: Item<'_>, unit: Unit) -> Result<(), Fault> {
        self.seen += 1;
        if self.seen > MAX_RECORDS {
            // Counted on, so that the answer can name the number.
            self.records = Vec::new();
            return Ok(());
        }
        match self.read(item) {
            Ok(Some(record)) => self.put(record),
            Ok(None) => Ok(()),
            Err(rejected) if unit == Unit::Element && is_of_text(rejected.reason) => {
                let detail = format!("Record {}: {rejected}", self.seen);
                Err(if rejected.reason == Reason::BadUtf8 {
                    invalid_encoding(detail)
                } else {
                    invalid_json(detail)
                })
            }
            Err(rejected) => {
                self.rejections.add(self.seen, rejected);
                Ok(())
            }
        }
    }

    /// The end: no more records than allowed.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        if self.seen > MAX_RECORDS { Err(too_many(MAX_RECORDS, self.seen)) } else { Ok(()) }
    }

    fn read(&mut self, item: Item<'_>) -> Result<Option<FlowRecord>, Rejected> {
        let text = |json| std::str::from_utf8(json).map_err(|_| Reason::BadUtf8.of(""));
        match item {
            Item::Object { json, not_ascii } => {
                if not_ascii {
                    text(json)?;
                }
                let Some(dialect) = &self.dialect else { return Ok(None) };
                self.reader.read(json, dialect, self.now).map(Some)
            }
            Item::Other(json) => {
                let json = text(json)?;
                let is_json = serde_json::from_str::<IgnoredAny>(json).is_ok();
                Err(if is_json { Reason::NotAnObject } else { Reason::InvalidJson }.of(""))
            }
            Item::TooLarge => Err(Reason::TooLarge.of("")),
            Item::Broken => Err(Reason::InvalidJson.of("")),
        }
    }

    fn put(&mut self, record: FlowRecord) -> Result<(), Fault> {
        self.memory += size_of::<FlowRecord>() + record.extra.as_deref().map_or(0, Extra::bytes);
        if self.memory > MAX_MEMORY {
            let detail =
                format!("The records take more than {MAX_MEMORY} octets of memory; send fewer at once");
            return Err(over_size(detail, MAX_MEMORY, "identity", self.memory));
        }
        self.records.push(record);
        Ok(())
    }
}

/// True for faults of the text itself.
const fn is_of_text(reason: Reason) -> bool {
    matches!(reason, Reason::InvalidJson | Reason::BadUtf8)
}

impl Rejections {
    fn add(&mut self, number: usize, rejected: Rejected) {
        self.common = match self.common {
            None if self.total == 0 => Some(rejected),
            common => common.filter(|&common| common == rejected),
        };
        self.total += 1;
        if let Some(count) = self.by_reason.get_mut(rejected.reason as usize) {
            *count += 1;
        }
        if self.told.len() < TOLD {
            self.told.push(format!("Record {number}: {rejected}"));
        }
    }

    /// How many.
    pub(super) const fn total(&self) -> usize {
        self.total
    }

    /// The first of them, in words.
    pub(super) fn told(&self) -> &[String] {
        &self.told
    }

    /// What is wrong with all of them, when it is the same.
    pub(super) const fn common(&self) -> Option<Rejected> {
        self.common
    }

    /// How many for each reason.
    pub(super) fn by_reason(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.into_iter().zip(self.by_reason).filter(|&(_, count)| count > 0)
    }
}
