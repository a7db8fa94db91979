//! A worker's read-only view of the ring.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::StatusCode;
use weir_flow::{FlowRecord, TenantId, Timestamp};
use weir_store::{
    Count, Error, Found, MAX_PAGE_ROWS, MAX_SEARCH_BYTES, Order, Page, Progress, Query, Reader, Series,
    SeriesQuery, Span, Stats, StoredRow, Top, TopQuery,
};

use crate::answer::Problem;

/// A query that takes longer is given up: readers must not hold the log file back.
const DEADLINE: Duration = Duration::from_secs(5);

/// The ring in one data directory, opened when first asked for.
pub(crate) struct Rows {
    dir: PathBuf,
    reader: Option<Reader>,
}

impl Rows {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir, reader: None }
    }

    /// The rows of `tenant` that `wanted` asks for.
    pub(crate) fn newest(&mut self, tenant: &TenantId, wanted: &Wanted) -> Result<Newest, Problem> {
        self.with(|reader| newest(reader, tenant, wanted))
    }

    /// A page of the rows of `tenant` that fit `query`.
    pub(crate) fn search(&mut self, tenant: &TenantId, query: &Query, page: &Page) -> Result<Found, Problem> {
        self.with(|reader| reader.search(tenant, query, page))
    }

    /// How many rows of `tenant` fit `query`, and what they sum to.
    pub(crate) fn count(
        &mut self,
        tenant: &TenantId,
        query: &Query,
        deadline: Instant,
    ) -> Result<Count, Problem> {
        self.with(|reader| reader.count(tenant, query, deadline))
    }

    /// Ranks what the rows of `tenant` have.
    pub(crate) fn top(
        &mut self,
        tenant: &TenantId,
        query: &TopQuery,
        deadline: Instant,
    ) -> Result<Top, Problem> {
        self.with(|reader| reader.top(tenant, query, deadline))
    }

    /// Adds up what the rows of `tenant` have.
    pub(crate) fn series(
        &mut self,
        tenant: &TenantId,
        query: &SeriesQuery,
        deadline: Instant,
    ) -> Result<Series, Problem> {
        self.with(|reader| reader.series(tenant, query, deadline))
    }

    /// Figures of the ring of `tenant`.
    pub(crate) fn stats(&mut self, tenant: &TenantId) -> Result<Stats, Problem> {
        self.with(|reader| reader.stats(tenant))
    }

    /// Hands the records of `tenant` that fit `query` to `take`, as [`Reader::each_record`] does.
    pub(crate) fn each(
        &mut self,
        tenant: &TenantId,
        query: &Query,
        span: &Span,
        take: impl FnMut(u64, Timestamp, &FlowRecord) -> bool,
    ) -> Result<Progress, Problem> {
        self.with(|reader| reader.each_record(tenant, query, span, take))
    }

    /// The newest `limit` rows of `tenant`, in `order`.
    pub(crate) fn recent(
        &mut self,
        tenant: &TenantId,
        limit: usize,
        order: Order,
    ) -> Result<Vec<StoredRow>, Problem> {
        self.with(|reader| reader.recent(tenant, limit, order, Instant::now() + DEADLINE))
    }

    /// The rows of `tenant` after row `after`, ascending, at most `limit`.
    pub(crate) fn after(
        &mut self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredRow>, Problem> {
        self.with(|reader| reader.rows(tenant, after, limit, Instant::now() + DEADLINE))
    }

    fn with<T>(&mut self, read: impl FnOnce(&Reader) -> Result<T, Error>) -> Result<T, Problem> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.dir).map_err(|error| unavailable(&error))?,
        };
        let found = read(&reader);
        // After a failure the next request opens the ring anew: it may have been replaced.
        found.inspect(|_| self.reader = Some(reader)).map_err(|error| unavailable(&error))
    }
}

/// Which rows are wanted: the newest that fit.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) limit: usize,
    /// Newest ones that are left out.
    pub(crate) offset: usize,
    pub(crate) order: Order,
    pub(crate) query: Query,
}

/// What was found.
pub(crate) struct Newest {
    pub(crate) rows: Vec<StoredRow>,
    /// There may be more: the time or the size of an answer was used up.
    pub(crate) is_cut: bool,
}

/// Goes from the newest row back, a page at a time, until there is enough.
fn newest(reader: &Reader, tenant: &TenantId, wanted: &Wanted) -> Result<Newest, Error> {
    let mut page =
        Page { limit: 0, order: Order::NewestFirst, after: None, deadline: Instant::now() + DEADLINE };
    let (mut found, mut octets) = (Newest { rows: Vec::new(), is_cut: false }, 0);
    let mut offset = wanted.offset;
    if offset > 0 && wanted.query == Query::default() {
        // Rows have no gaps: those that are left out need no look.
        page.after = Some(reader.stats(tenant)?.next_row.saturating_sub(std::mem::take(&mut offset) as u64));
    }
    while found.rows.len() < wanted.limit && !found.is_cut {
        let room = wanted.limit - found.rows.len();
        page.limit = offset.saturating_add(room).min(MAX_PAGE_ROWS);
        let Found { rows, next, progress } = reader.search(tenant, &wanted.query, &page)?;
        let skipped = offset.min(rows.len());
        offset -= skipped;
        for row in rows.into_iter().skip(skipped).take(room) {
            octets += row.json.len();
            found.rows.push(row);
        }
        found.is_cut = !progress.complete || octets > MAX_SEARCH_BYTES;
        match next {
            Some(_) => page.after = next,
            None => break,
        }
    }
    if wanted.order == Order::OldestFirst {
        found.rows.reverse();
    }
    Ok(found)
}

/// The store does not answer: the client learns that, the log why.
pub(crate) fn unavailable(error: &Error) -> Problem {
    let detail = "The store does not answer; the agent's log says why, under this trace id";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail).because(error)
}
