//! A block looked at without trust: its head, whether it can be unpacked, and what its rows say.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};
use weir_flow::FlowRecord;

use crate::MinuteTotal;
use crate::block::{Decoder, MAX_BLOCK_ROWS, Packed};
use crate::error::{Doing, Error};
use crate::minute::minute_of;
use crate::ring::first_row_of;

/// What is known of a block without its data, as the file says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) key: i64,
    count: i64,
    pub(crate) processed_at: i64,
    /// Earliest and latest start of a flow, milliseconds.
    pub(crate) starts: (i64, i64),
    encoding: i64,
    raw_bytes: i64,
    pub(crate) bytes: u64,
    /// Rows that its summary says it has; none without a summary.
    pub(crate) summary: Option<i64>,
}

/// What the rows of a block say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) rows: u64,
    /// When the first and the last row were stored.
    pub(crate) processed_at: (i64, i64),
    /// Earliest and latest start of a flow, milliseconds.
    pub(crate) starts: (i64, i64),
    pub(crate) max_risk: Option<u8>,
    pub(crate) threats: u64,
    pub(crate) minutes: BTreeMap<i64, MinuteTotal>,
}

/// How closely a block is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// It is unpacked, which checks zstd's checksum of its content.
    Checksum,
    /// Every row is read.
    Rows,
}

/// A block that was looked at.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It can be read; what its rows say, where they were read.
    Sound(Seen),
    /// It cannot be read.
    Bad(String),
    /// It is not there any more: it was trimmed meanwhile.
    Gone,
}

const HEADS: &str = "SELECT b.block, b.count, b.processed_at, b.min_ts, b.max_ts, b.encoding, b.raw_bytes, length(b.data), s.count
    FROM block b LEFT JOIN summary s ON s.block = b.block WHERE b.block BETWEEN ?1 AND ?2 ORDER BY b.block";

impl Head {
    /// A column that is no number is one that no head has.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |column| row.get::<_, i64>(column).unwrap_or(-1);
        Ok(Self {
            key: row.get(0)?,
            count: number(1),
            processed_at: number(2),
            starts: (number(3), number(4)),
            encoding: number(5),
            raw_bytes: number(6),
            bytes: u64::try_from(number(7)).unwrap_or_default(),
            summary: row.get(8).unwrap_or(Some(-1)),
        })
    }

    pub(crate) const fn first_row(&self) -> u64 {
        first_row_of(self.key)
    }

    /// Rows that it says it has, where a block can have so many.
    pub(crate) fn rows(&self) -> Option<u64> {
        u64::try_from(self.count).ok().filter(|rows| (1..=MAX_BLOCK_ROWS as u64).contains(rows))
    }

    /// The row after its last, by what it says.
    pub(crate) fn end(&self) -> Option<u64> {
        Some(self.first_row() + self.rows()?)
    }
}

/// Hands the heads with keys from low to high to `take`, ascending, until that says false.
pub(crate) fn heads(
    db: &Connection,
    (low, high): (i64, i64),
    newest_first: bool,
    mut take: impl FnMut(Head) -> bool,
) -> rusqlite::Result<()> {
    let order = if newest_first { " DESC" } else { "" };
    let mut statement = db.prepare_cached(&format!("{HEADS}{order}"))?;
    let mut rows = statement.query([low, high])?;
    while let Some(row) = rows.next()? {
        if !take(Head::from_row(row)?) {
            break;
        }
    }
    Ok(())
}

/// Looks into blocks, one after the other in the same buffers.
pub(crate) struct Inspector {
    decoder: Decoder,
    data: Vec<u8>,
}

impl Inspector {
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        Ok(Self { decoder: Decoder::new().doing("read", path)?, data: Vec::new() })
    }

    /// Copies the block of `head`, so that no transaction is held meanwhile, and unpacks it.
    pub(crate) fn look(
        &mut self,
        db: &Connection,
        head: &Head,
        depth: Depth,
        path: &Path,
    ) -> Result<Verdict, Error> {
        let Some(rows) = head.rows() else {
            return Ok(Verdict::Bad(format!("{} rows, which no block has", head.count)));
        };
        match self.copy(db, head.key) {
            Ok(true) => {}
            Ok(false) => return Ok(Verdict::Gone),
            Err(error) => {
                return match Err::<(), _>(error).doing("read", path) {
                    Err(Error::Corrupt { detail, .. }) => Ok(Verdict::Bad(detail)),
                    Err(error) => Err(error),
                    Ok(()) => Ok(Verdict::Gone),
                };
            }
        }
        let (Ok(encoding), Ok(raw_bytes)) = (u8::try_from(head.encoding), u64::try_from(head.raw_bytes))
        else {
            return Ok(Verdict::Bad("a head that means nothing".to_owned()));
        };
        let packed = Packed { encoding, raw_bytes, rows, data: &self.data };
        Ok(verdict(&mut self.decoder, packed, (head.first_row(), head.processed_at), depth))
    }

    /// As [`Inspector::look`], for a block that is at hand: one of a tail.
    pub(crate) fn unpack(&mut self, packed: Packed<'_>, place: (u64, i64), depth: Depth) -> Verdict {
        verdict(&mut self.decoder, packed, place, depth)
    }

    /// False when the block is not there.
    fn copy(&mut self, db: &Connection, key: i64) -> rusqlite::Result<bool> {
        let Self { data, .. } = self;
        let mut statement = db.prepare_cached("SELECT data FROM block WHERE block = ?1")?;
        let found = statement.query_row([key], |row| {
            data.clear();
            data.extend_from_slice(row.get_ref(0)?.as_blob()?);
            Ok(())
        });
        found.optional().map(|found| found.is_some())
    }
}

/// The one place where a block is decoded for what its rows say.
fn verdict(
    decoder: &mut Decoder,
    packed: Packed<'_>,
    (first_row, processed_at): (u64, i64),
    depth: Depth,
) -> Verdict {
    let mut seen = Seen { processed_at: (processed_at, processed_at), ..Seen::default() };
    let mut records = match decoder.records(packed) {
        Ok(records) if depth == Depth::Rows => records,
        Ok(_) => return Verdict::Sound(seen),
        Err(damage) => return Verdict::Bad(damage.to_string()),
    };
    for row in first_row.. {
        match records.next() {
            Some(Ok(record)) => seen.add(row, records.stored_at(), &record),
            Some(Err(damage)) => return Verdict::Bad(damage.to_string()),
            None => break,
        }
    }
    Verdict::Sound(seen)
}

impl Seen {
    fn add(&mut self, row: u64, processed_at: i64, record: &FlowRecord) {
        let start = record.start.millis();
        if self.rows == 0 {
            (self.starts, self.processed_at.0) = ((start, start), processed_at);
        }
        self.rows += 1;
        self.processed_at.1 = processed_at;
        self.starts = (self.starts.0.min(start), self.starts.1.max(start));
        self.max_risk = self.max_risk.max(record.risk.as_ref().map(weir_flow::Risk::score));
        self.threats += u64::from(record.is_threat());
        let minute = minute_of(processed_at);
        let empty = MinuteTotal { minute, first_row: row, ..MinuteTotal::default() };
        self.minutes.entry(minute).or_insert(empty).add(record);
    }
}

/// Adds what blocks say of their minutes to `sums`.
pub(crate) fn add_minutes(sums: &mut BTreeMap<i64, MinuteTotal>, minutes: &BTreeMap<i64, MinuteTotal>) {
    for (minute, add) in minutes {
        let sum = sums.entry(*minute).or_insert(MinuteTotal {
            minute: *minute,
            first_row: add.first_row,
            ..MinuteTotal::default()
        });
        sum.flows += add.flows;
        sum.packets = sum.packets.saturating_add(add.packets);
        sum.octets = sum.octets.saturating_add(add.octets);
        sum.threats += add.threats;
        sum.risk_sum += add.risk_sum;
        sum.risk_count += add.risk_count;
        sum.first_row = sum.first_row.min(add.first_row);
    }
}
