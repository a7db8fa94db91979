//! Heads of sealed blocks: what is known of each without reading it.
//!
//! They come from table `summary`, many at a time. Rows between two of them that no summary tells of are looked for in table
//! `block` itself, and are gone if that has none: blocks that were damaged and set aside, or trimmed meanwhile.

use rusqlite::{CachedStatement, Row};

use super::plan::{Frontier, Plan, Stretch, Summary, may_hold};
use crate::Reader;
use crate::error::{Doing, Error};
use crate::ring::{Ring, first_row_of, unsigned};

/// Heads that are read at a time: with their filters about a megabyte, so that the reading transaction is short and the
/// deadline is looked at often.
const BATCH: usize = 256;

/// Rows that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Key of the block.
    pub(super) key: i64,
    /// Those of its rows that are wanted.
    pub(super) rows: Stretch,
    /// When the first and the last row of the block were stored, milliseconds; [`i64::MIN`] when it is not known of the first,
    /// none where there is no block.
    pub(super) stored: Option<(i64, i64)>,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has to be read.
    Open,
    /// Nothing in it fits.
    Passed,
    /// There is no such block.
    Gone,
}

/// Where heads are read from.
pub(super) struct Heads<'r> {
    pub(super) reader: &'r Reader,
    pub(super) ring: &'r Ring,
    pub(super) plan: &'r Plan,
}

/// The columns of a [`Summary`] and the filter, after key, count and the two times.
const SUMMARIES: &str =
    "SELECT block, count, first_processed_at, processed_at, min_ts, max_ts, max_risk, threats, addresses
    FROM summary";
/// The same of a block without a summary; when its first row was stored is not known.
const BLOCKS: &str = "SELECT block, count, -9223372036854775808, processed_at FROM block";
const TERMS: &str = "SELECT data FROM terms WHERE block = ?1";

impl Heads<'_> {
    /// The next heads in the order of `frontier`, without a gap from where that begins.
    pub(super) fn batch(&self, frontier: Frontier) -> Result<Vec<Head>, Error> {
        let (found, is_all) = self.summaries(frontier)?;
        let (mut left, mut heads) = (frontier, Vec::new());
        for head in found {
            if let Some(gap) = left.before(head.rows)
                && !self.fill(Frontier { low: gap.0, high: gap.1, ..left }, &mut heads, &mut left)?
            {
                return Ok(heads);
            }
            left.pass(head.rows);
            heads.push(head);
        }
        if is_all && !left.is_empty() {
            self.fill(left, &mut heads, &mut left)?;
        }
        Ok(heads)
    }

    /// Heads of the rows of `gap`, which have no summaries; false if that was too much at a time.
    fn fill(&self, gap: Frontier, heads: &mut Vec<Head>, left: &mut Frontier) -> Result<bool, Error> {
        let sql = "SELECT max(block) FROM block WHERE block BETWEEN ?1 AND ?2";
        let (found, is_all) = self.reader.heads(self.ring, gap, (BLOCKS, sql), |head, _| Ok(head))?;
        let mut inner = gap;
        for head in found {
            if let Some(rows) = inner.before(head.rows) {
                heads.push(Head::gone(self.ring.key(rows.0), rows));
            }
            inner.pass(head.rows);
            heads.push(head);
        }
        if is_all && !inner.is_empty() {
            heads.push(Head::gone(self.ring.key(inner.low), (inner.low, inner.high)));
            inner.pass((inner.low, inner.high));
        }
        if let Some(last) = heads.last() {
            left.pass(last.rows);
        }
        Ok(inner.is_empty())
    }

    fn summaries(&self, frontier: Frontier) -> Result<(Vec<Head>, bool), Error> {
        let sql = "SELECT max(block) FROM summary WHERE block BETWEEN ?1 AND ?2";
        let db = &self.reader.db;
        let mut terms = db.prepare_cached(TERMS).doing("read", &self.reader.path)?;
        self.reader.heads(self.ring, frontier, (SUMMARIES, sql), |head, row| {
            let is_open = self.admits(row, &mut terms)?;
            Ok(Head { state: if is_open { State::Open } else { State::Passed }, ..head })
        })
    }

    /// False when the summary or a filter says that nothing fits.
    fn admits(&self, row: &Row<'_>, terms: &mut CachedStatement<'_>) -> rusqlite::Result<bool> {
        let summary = Summary {
            count: unsigned(row, 1)?,
            starts: (row.get(4)?, row.get(5)?),
            max_risk: row.get(6)?,
            threats: unsigned(row, 7)?,
        };
        if !self.plan.admits(&summary) {
            return Ok(false);
        }
        if !self.plan.addresses.is_empty() && !may_hold(&self.plan.addresses, row.get_ref(8)?.as_blob()?) {
            return Ok(false);
        }
        if self.plan.terms.is_empty() {
            return Ok(true);
        }
        let mut found = terms.query([row.get::<_, i64>(0)?])?;
        let Some(filter) = found.next()? else { return Ok(true) };
        Ok(may_hold(&self.plan.terms, filter.get_ref(0)?.as_blob()?))
    }
}

impl Head {
    const fn gone(key: i64, rows: Stretch) -> Self {
        Self { key, rows, stored: None, state: State::Gone }
    }
}

impl Reader {
    /// Up to [`BATCH`] heads, in the order of `frontier`, of blocks that have rows in it, and whether these are all. `sql` has
    /// what is read, and what finds the block that the lowest row is in.
    fn heads(
        &self,
        ring: &Ring,
        frontier: Frontier,
        (columns, floor): (&str, &str),
        finish: impl FnMut(Head, &Row<'_>) -> rusqlite::Result<Head>,
    ) -> Result<(Vec<Head>, bool), Error> {
        self.read_heads(ring, frontier, (columns, floor), finish).doing("read", &self.path)
    }

    fn read_heads(
        &self,
        ring: &Ring,
        frontier: Frontier,
        (columns, floor): (&str, &str),
        mut finish: impl FnMut(Head, &Row<'_>) -> rusqlite::Result<Head>,
    ) -> rusqlite::Result<(Vec<Head>, bool)> {
        let (lowest, low) = (ring.keys().0, ring.key(frontier.low));
        let floor: Option<i64> = self.db.prepare_cached(floor)?.query_row([lowest, low], |row| row.get(0))?;
        let by = if frontier.is_descending { "DESC" } else { "" };
        let sql = format!("{columns} WHERE block BETWEEN ?1 AND ?2 ORDER BY block {by} LIMIT {BATCH}");
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query([floor.unwrap_or(low), ring.key(frontier.high)])?;
        let (mut heads, mut count) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            count += 1;
            let key = row.get(0)?;
            let first = first_row_of(key);
            let stretch = (first, first.saturating_add(unsigned(row, 1)?.max(1) - 1));
            let Some(rows) = frontier.clip(stretch) else { continue };
            let head = Head { key, rows, stored: Some((row.get(2)?, row.get(3)?)), state: State::Open };
            heads.push(finish(head, row)?);
        }
        Ok((heads, count < BATCH))
    }
}
