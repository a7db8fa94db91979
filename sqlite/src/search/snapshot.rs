//! What a ring consists of, at one instant.

use rusqlite::Connection;
use weir_flow::TenantId;

use super::Query;
use super::plan::Frontier;
use super::sweep::Span;
use crate::Order;
use crate::ring::{Ring, first_row_of};
use crate::tail::Tail;

/// A ring as it is when a sweep begins.
pub(super) struct Snapshot {
    pub(super) ring: Ring,
    pub(super) tail: Tail,
    /// The oldest row that it has or had.
    first_row: u64,
    /// The row after the newest.
    end: u64,
}

impl Snapshot {
    pub(super) fn load(db: &Connection, tenant: &TenantId) -> rusqlite::Result<Option<Self>> {
        let tx = db.unchecked_transaction()?;
        let Some(ring) = Ring::find(&tx, tenant)? else { return Ok(None) };
        let tail = Tail::load(&tx, &ring)?;
        let first_row = oldest(&tx, &ring)?;
        let end = tail.blocks().last().map_or(ring.next_row, |last| last.block.end());
        Ok(Some(Self { ring, tail, first_row, end }))
    }

    /// What is wanted of the ring.
    pub(super) fn frontier(&self, query: &Query, span: &Span, named: Option<&[u64]>) -> Frontier {
        let is_descending = span.order == Order::NewestFirst;
        let (mut low, mut high) = (self.first_row.max(1), self.end.saturating_sub(1));
        match span.after {
            Some(after) if is_descending => high = high.min(after.saturating_sub(1)),
            Some(after) => low = low.max(after.saturating_add(1)),
            None => {}
        }
        if let Some(rows) = &query.rows {
            (low, high) = (low.max(*rows.start()), high.min(*rows.end()));
        }
        if let Some(named) = named {
            let ends = (named.first().copied().unwrap_or(u64::MAX), named.last().copied().unwrap_or(0));
            (low, high) = (low.max(ends.0), high.min(ends.1));
        }
        Frontier { is_descending, low, high }
    }
}

/// The first row that `ring` has, or had and lost by damage.
pub(super) fn oldest(db: &Connection, ring: &Ring) -> rusqlite::Result<u64> {
    let (low, high) = ring.keys();
    let lost: Option<i64> = db
        .prepare_cached("SELECT min(block) FROM damage WHERE block BETWEEN ?1 AND ?2")?
        .query_row([low, high], |row| row.get(0))?;
    let first = ring.first_row(db)?;
    Ok(lost.map_or(first, |lost| first.min(first_row_of(lost))))
}
