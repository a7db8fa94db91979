//! Going through a ring record by record, from the newest block back, in pieces that end in time.

use std::ops::Range;
use std::time::{Duration, Instant};

use weir_flow::{FlowRecord, TenantId, Timestamp};

use crate::error::{Doing, Error};
use crate::{Order, Query, Reader, Span};

/// The first block is read whatever the deadline says.
const NEVER: Duration = Duration::from_secs(3_600);

/// How far a piece of a scan came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The rows from this one to the end of the range were looked at; the next piece ends here.
    pub down_to: u64,
    /// Blocks among them that could not be read, in whole or in part.
    pub damaged: u64,
}

impl Reader {
    /// Tenants that have a ring, in the order of their names.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn tenants(&self) -> Result<Vec<TenantId>, Error> {
        let all = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.db.prepare_cached("SELECT tenant FROM ring ORDER BY tenant")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        // The rings of removed tenants have no name that can be a tenant's.
        Ok(all().doing("read", &self.path)?.iter().filter_map(|name| TenantId::parse(name)).collect())
    }

    /// Hands those of `rows` that `tenant` has to `take`, with the time of their storing: the newest block first, ascending
    /// within a block. It ends after the block with which `deadline` passes or `take` says false, and reads one at least.
    ///
    /// # Errors
    /// What the disk answers; a block that is damaged is no error.
    pub fn scan(
        &self,
        tenant: &TenantId,
        rows: Range<u64>,
        deadline: Instant,
        mut take: impl FnMut(u64, Timestamp, &FlowRecord) -> bool,
    ) -> Result<Scanned, Error> {
        let span = Span { order: Order::NewestFirst, after: None, stored: None, deadline: deadline + NEVER };
        // Rows ascend within a block, and each block comes after those with greater ones.
        let (mut first, mut last, mut goes_on, mut is_cut) = (rows.end, u64::MAX, true, false);
        let progress =
            self.each_record(tenant, &Query::default().within(&rows), &span, |row, at, record| {
                if row < last {
                    is_cut = last != u64::MAX && (!goes_on || Instant::now() >= deadline);
                    if is_cut {
                        return false;
                    }
                    first = row;
                }
                last = row;
                goes_on &= take(row, at, record);
                true
            })?;
        let down_to = if is_cut { first } else { rows.start };
        Ok(Scanned { down_to, damaged: progress.damaged.len() as u64 })
    }
}
