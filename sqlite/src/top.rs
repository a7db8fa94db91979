//! Who and what had most of the traffic of a range.
//!
//! Hours that lie in the range come from table `hour` (`hour.rs`), which says of each which rows it counts. Rows of the range
//! that no hour counts, those of its edges and the newest, are read. With conditions all rows of the range are.

mod key;
mod ranking;
mod span;

use std::ops::Range;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use weir_flow::{TenantId, Timestamp};

pub(crate) use self::key::{country, indicators, keys};
use self::ranking::Ranking;
pub(crate) use self::span::Span;
use crate::error::{Doing, Error};
use crate::hour::rows::View;
use crate::hour::unpack::Unpacker;
use crate::hour::{HOUR_MS, hour_of, hour_of_key, key};
use crate::ring::{Ring, unsigned};
use crate::search::{self, Progress, Query};
use crate::sums::Sums;
use crate::{Order, Reader};

/// Entries that an answer has at most.
pub const MAX_TOP: usize = 1_000;
/// Keys that are held while an answer is made: 20 MiB, if all are as long as they may be. A week of an office has fewer; with more,
/// the least are bounded instead of counted.
const MAX_KEYS: usize = 65_536;
/// Rows of an hour whose oldest are trimmed that are read rather than said to be among what is gone: a tenth of a second.
const MAX_RECOUNT_ROWS: u64 = 65_536;

/// What is ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Addresses; a flow counts for both of its ends.
    Talkers,
    /// Countries of either end, ISO 3166-1 alpha-2.
    Countries,
    /// Autonomous systems of either end.
    Asns,
    /// Ports of the responder.
    Ports,
    /// Services.
    Services,
    /// Names.
    Domains,
    /// Indicators that matched.
    Threats,
}

impl Dimension {
    /// All of them, in the order in which they are stored.
    pub const ALL: [Self; 7] = [
        Self::Talkers,
        Self::Countries,
        Self::Asns,
        Self::Ports,
        Self::Services,
        Self::Domains,
        Self::Threats,
    ];

    /// All of them by their names, as the command line and the API give them.
    pub const NAMED: [(&'static str, Self); 7] = [
        ("talkers", Self::Talkers),
        ("countries", Self::Countries),
        ("asns", Self::Asns),
        ("ports", Self::Ports),
        ("services", Self::Services),
        ("domains", Self::Domains),
        ("threats", Self::Threats),
    ];

    /// Its place in [`Dimension::ALL`]; part of the format of table `hour`.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// By what is ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// IP-layer octets of both directions, each flow's times its sampling.
    #[default]
    Octets,
    /// Packets likewise.
    Packets,
    /// Records.
    Flows,
}

/// What to rank.
#[derive(Clone, Debug)]
pub struct TopQuery {
    /// What is ranked.
    pub dimension: Dimension,
    /// By what.
    pub measure: Measure,
    /// Records stored at this time or later.
    pub from: Timestamp,
    /// Records stored before this time.
    pub to: Timestamp,
    /// Entries at most; no more than [`MAX_TOP`].
    pub limit: usize,
    /// Only records that fit; with conditions every record of the range is looked at.
    pub only: Query,
}

/// The ranking.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Top {
    /// Where the range begins that the answer is about: the minute of [`TopQuery::from`], or its hour when the range is longer
    /// than a day.
    pub from: Timestamp,
    /// Where it ends, rounded up likewise.
    pub to: Timestamp,
    /// The entries, the greatest first.
    pub entries: Vec<TopEntry>,
    /// How much of the measure any key, listed or not, can have at most beyond what is said of it; 0 when nothing was left out.
    /// Of what is not in [`Top::progress`], this says nothing.
    pub error: u64,
    /// Whether the sums are those of all rows that the ring holds of the range, no more and no less: `error` and `trimmed_rows`
    /// are 0, and nothing of the range was damaged or left to read.
    pub exact: bool,
    /// Rows that the sums count and the ring does not hold any more: the oldest of its oldest hour.
    pub trimmed_rows: u64,
    /// How the search went, for the part of the range that no totals serve.
    pub progress: Progress,
}

/// An entry of the ranking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TopEntry {
    /// Address, code, number or name. Texts of more than 255 octets are in no entry; [`Top::error`] bounds what they have.
    pub key: String,
    /// The name of a country, the organisation of an AS or the category of an indicator, where one is known; its first 255
    /// octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// IP-layer octets, at least.
    pub octets: u64,
    /// Packets, at least.
    pub packets: u64,
    /// Records, at least.
    pub flows: u64,
    /// How much of the measure may be missing from it at most.
    pub error: u64,
}

impl Reader {
    /// Ranks what the records of `tenant` have.
    ///
    /// # Errors
    /// What the disk answers. A passed deadline is no error, see [`Progress::complete`]; nor are damaged totals, whose rows are
    /// read, nor damaged blocks, see [`Progress::damaged`].
    pub fn top(&self, tenant: &TenantId, query: &TopQuery, deadline: Instant) -> Result<Top, Error> {
        let span = Span::new(query.from, query.to);
        let mut ranking = Ranking::new(query, deadline);
        if let Some((view, rows)) = self.view(tenant, &span)? {
            if query.only == Query::default() {
                let left = self.hours(&view, &span, rows, &mut ranking)?;
                ranking.read(&self.db, &self.decoder, &view, left).doing("read", &self.path)?;
            } else {
                self.fitting(tenant, query, rows, &mut ranking)?;
            }
        }
        Ok(ranking.answer(&span))
    }

    /// The ring of `tenant`, and which of its rows are in `span`; all from one instant.
    pub(crate) fn view(&self, tenant: &TenantId, span: &Span) -> Result<Option<(View, Range<u64>)>, Error> {
        let load = || -> rusqlite::Result<Option<(View, Range<u64>)>> {
            let tx = self.db.unchecked_transaction()?;
            let Some(ring) = Ring::find(&tx, tenant)? else { return Ok(None) };
            let view = View::load(&tx, ring)?;
            let (from, to) = span.minutes();
            let rows = view.row_at(&tx, from)?..view.row_at(&tx, to)?;
            Ok(Some((view, rows)))
        };
        load().doing("read", &self.path)
    }

    /// Adds the hours that lie within `span`. Answers the rows that none of them counts, the newest first.
    fn hours(
        &self,
        view: &View,
        span: &Span,
        rows: Range<u64>,
        ranking: &mut Ranking,
    ) -> Result<Vec<Range<u64>>, Error> {
        let mut unpacker = Unpacker::new().doing("read", &self.path)?;
        let ring = view.ring.ring;
        let (from, to) = span.millis();
        let (mut low, high) = (key(ring, hour_of(from)), key(ring, hour_of(to.saturating_sub(1))));
        let (mut next, mut left, mut data) = (rows.start, Vec::new(), Vec::new());
        while let Some((at, through_row)) =
            hour_row(&self.db, (low, high), &mut data).doing("read", &self.path)?
        {
            low = at + 1;
            let hour = hour_of_key(at);
            let is_within = (hour + 1).saturating_mul(HOUR_MS) <= to || through_row < rows.end;
            let mut sums = Sums::new(MAX_KEYS);
            let read = unpacker.unpack((hour, through_row), ranking.dimension, &data, &mut sums);
            let Ok(found) = read else { continue };
            let is_next = found.first_row >= next && through_row >= next;
            // Of the oldest hour rows are gone. If few are left, these are counted.
            let is_cut = found.first_row < view.oldest
                && next == view.oldest
                && hour.saturating_mul(HOUR_MS) >= from
                && through_row.saturating_sub(view.oldest) >= MAX_RECOUNT_ROWS;
            if !is_within || !(is_next || is_cut) {
                continue;
            }
            if next < found.first_row {
                left.push(next..found.first_row);
            }
            ranking.trimmed_rows += view.oldest.saturating_sub(found.first_row);
            ranking.sums.merge(&sums);
            next = through_row + 1;
        }
        if next < rows.end {
            left.push(next..rows.end);
        }
        left.reverse();
        Ok(left)
    }

    /// Adds the rows of `rows` that fit.
    fn fitting(
        &self,
        tenant: &TenantId,
        query: &TopQuery,
        rows: Range<u64>,
        ranking: &mut Ranking,
    ) -> Result<(), Error> {
        let only = query.only.within(&rows);
        let span =
            search::Span { order: Order::NewestFirst, after: None, stored: None, deadline: ranking.deadline };
        ranking.progress = self.each_record(tenant, &only, &span, |_, _, record| {
            ranking.add(record);
            true
        })?;
        Ok(())
    }
}

/// The next row of table `hour`: its key and last row, its data in `data`.
fn hour_row(
    db: &Connection,
    (low, high): (i64, i64),
    data: &mut Vec<u8>,
) -> rusqlite::Result<Option<(i64, u64)>> {
    let sql = "SELECT hour, through_row, data FROM hour WHERE hour BETWEEN ?1 AND ?2 ORDER BY hour LIMIT 1";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_row(params![low, high], |row| {
        data.clear();
        data.extend_from_slice(row.get_ref(2)?.as_blob()?);
        Ok((row.get(0)?, unsigned(row, 1)?))
    });
    found.optional()
}
