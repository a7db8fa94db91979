//! A worker's read-only view of the ring.

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::StatusCode;
use weir_flow::{TenantId, Timestamp};
use weir_store::{Error, MAX_BLOCK_ROWS, MAX_READ_BYTES, Order, Reader, StoredRow};

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
    pub(crate) fn search(&mut self, tenant: &TenantId, wanted: &Wanted) -> Result<Found, Problem> {
        self.with(|reader| {
            if !wanted.is_plain() {
                return backwards(reader, tenant, wanted);
            }
            let rows = reader.recent(tenant, wanted.limit, wanted.order, Instant::now() + DEADLINE)?;
            Ok(Found { rows, is_cut: false })
        })
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

/// Which rows are wanted: the newest, of those whose time fits.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) limit: usize,
    /// Newest ones that are left out.
    pub(crate) offset: usize,
    pub(crate) order: Order,
    /// Their `ts` is later than this.
    pub(crate) after: Option<Timestamp>,
    /// And earlier than this.
    pub(crate) before: Option<Timestamp>,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) rows: Vec<StoredRow>,
    /// There may be more: the time or the size of an answer was used up.
    pub(crate) is_cut: bool,
}

impl Wanted {
    const fn is_plain(&self) -> bool {
        self.offset == 0 && self.takes_all()
    }

    const fn takes_all(&self) -> bool {
        self.after.is_none() && self.before.is_none()
    }

    fn fits(&self, row: &StoredRow) -> bool {
        if self.takes_all() {
            return true;
        }
        let Some(start) = start_ms(&row.json) else { return false };
        self.after.is_none_or(|after| start > after.millis())
            && self.before.is_none_or(|before| start < before.millis())
    }
}

/// `ts_ms` of a row: what comes before it in a row's text is the store's own and holds no text of others.
fn start_ms(json: &str) -> Option<i64> {
    let (_, rest) = json.split_once(r#""ts_ms":"#)?;
    let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

/// Goes from the newest row back, a block's worth at a time, until there is enough.
fn backwards(reader: &Reader, tenant: &TenantId, wanted: &Wanted) -> Result<Found, Error> {
    let deadline = Instant::now() + DEADLINE;
    let stats = reader.stats(tenant)?;
    let (mut end, mut offset) = (stats.next_row, wanted.offset);
    if wanted.takes_all() {
        end = end.saturating_sub(std::mem::take(&mut offset) as u64);
    }
    let step = if wanted.takes_all() { wanted.limit } else { MAX_BLOCK_ROWS } as u64;
    let mut found = Found { rows: Vec::new(), is_cut: false };
    let mut octets = 0;
    while end > stats.first_row && found.rows.len() < wanted.limit && !found.is_cut {
        let begin = end.saturating_sub(step).max(stats.first_row);
        let rows = match fitting(reader, (tenant, begin..end), wanted, deadline) {
            Err(Error::Deadline { .. }) => {
                found.is_cut = true;
                break;
            }
            rows => rows?,
        };
        let skipped = offset.min(rows.len());
        offset -= skipped;
        let room = wanted.limit - found.rows.len();
        for row in rows.into_iter().rev().skip(skipped).take(room) {
            octets += row.json.len();
            found.rows.push(row);
        }
        found.is_cut = octets > MAX_READ_BYTES;
        end = begin;
    }
    if wanted.order == Order::OldestFirst {
        found.rows.reverse();
    }
    Ok(found)
}

/// The rows of a range that fit, ascending; a read may answer fewer than asked for.
fn fitting(
    reader: &Reader,
    (tenant, range): (&TenantId, Range<u64>),
    wanted: &Wanted,
    deadline: Instant,
) -> Result<Vec<StoredRow>, Error> {
    let (mut fitting, mut after) = (Vec::new(), range.start.saturating_sub(1));
    while after + 1 < range.end {
        let count = usize::try_from(range.end - 1 - after).unwrap_or(usize::MAX);
        let rows = reader.rows(tenant, after, count, deadline)?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        fitting.extend(rows.into_iter().filter(|row| row.row < range.end && wanted.fits(row)));
    }
    Ok(fitting)
}

/// The store does not answer: the client learns that, the log why.
pub(crate) fn unavailable(error: &Error) -> Problem {
    let detail = "The store does not answer; the agent's log says why, under this trace id";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail).because(error)
}
