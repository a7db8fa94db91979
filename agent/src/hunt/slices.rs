//! Slices of a ring: a few hundredths of a second of work each, so that a stop and the budget come in between.
//!
//! Many indicators are looked for in every record. A few are searched for, which passes blocks by that hold none of them;
//! records are read where something was found.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::time::Duration;

use ipnetwork::{IpNetwork, Ipv6Network};
use weir_flow::{FlowRecord, TenantId, Timestamp};
use weir_store::{Error, Order, Page, Query, Reader};
use weir_ti::{Few, Index};

use crate::clock::Clock;

/// How long a slice lasts: a stop waits no longer, and at 5 % one comes each second.
pub const SLICE: Duration = Duration::from_millis(50);
/// A search may last longer when a slice was too short for it to get on at all.
const LONGEST: Duration = Duration::from_secs(5);
/// Rows that one search finds: each may lie in a block of its own, which is then read.
const FOUND_ROWS: usize = 50;
/// Rows of a block at most; what lies closer together is read in one go.
const NEAR: u64 = 4_096;
/// Where a whole page was found within so many blocks, reading all is cheaper than searching, ...
const DENSE_ROWS: u64 = 4 * NEAR;
/// ... and so for this many rows from there.
const READ_ROWS: u64 = 32 * NEAR;

/// A way through a ring.
pub(super) struct Slices {
    queries: Vec<Query>,
    /// Down to this row everything is read.
    dense_to: u64,
    slice: Duration,
    patience: Duration,
    clock: Clock,
}

/// What a slice came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// Everything from this row on was looked at.
    pub(super) down_to: u64,
    /// Blocks that could not be read.
    pub(super) damaged: u64,
}

impl Slices {
    /// The way for the indicators of `index`, in slices of this length.
    pub(super) fn new(index: &Index, slice: Duration, clock: Clock) -> Self {
        let queries = index.few().as_ref().map_or_else(Vec::new, queries);
        Self { queries, dense_to: u64::MAX, slice, patience: slice.max(SLICE), clock }
    }

    /// In another ring nothing is known of how close together matches lie.
    pub(super) fn begin_ring(&mut self) {
        self.dense_to = u64::MAX;
    }

    /// Hands records of `rows`, from the newest back, to `take`: every one that an indicator matches, and others. It ends in
    /// time, or soon after `take` says false.
    pub(super) fn next(
        &mut self,
        reader: &Reader,
        tenant: &TenantId,
        rows: Range<u64>,
        mut take: impl FnMut(u64, Timestamp, &FlowRecord) -> bool,
    ) -> Result<Slice, Error> {
        let deadline = self.clock.monotonic() + self.slice;
        if self.queries.is_empty() || rows.end > self.dense_to {
            if rows.end <= self.dense_to.saturating_add(NEAR) {
                self.dense_to = u64::MAX;
            }
            let scanned = reader.scan(tenant, rows, deadline, take)?;
            return Ok(Slice { down_to: scanned.down_to, damaged: scanned.damaged });
        }
        let mut slice = Slice { down_to: rows.end, damaged: 0 };
        let (down_to, found) = self.search(reader, tenant, &rows, &mut slice)?;
        for near in together(&found) {
            let mut goes_on = true;
            let scanned = reader.scan(tenant, near.clone(), deadline, |row, at, record| {
                goes_on &= take(row, at, record);
                goes_on
            })?;
            slice.damaged += scanned.damaged;
            slice.down_to = scanned.down_to;
            if !goes_on || scanned.down_to > near.start || self.clock.monotonic() >= deadline {
                return Ok(slice);
            }
        }
        slice.down_to = down_to;
        Ok(slice)
    }

    /// Down to which row was searched, and the rows that were found, descending.
    fn search(
        &mut self,
        reader: &Reader,
        tenant: &TenantId,
        rows: &Range<u64>,
        slice: &mut Slice,
    ) -> Result<(u64, Vec<u64>), Error> {
        let (mut down_to, mut found) = (rows.start, Vec::new());
        for query in &self.queries {
            let deadline = self.clock.monotonic() + self.patience;
            let page = Page { limit: FOUND_ROWS, order: Order::NewestFirst, after: Some(rows.end), deadline };
            let answer = reader.search(tenant, query, &page)?;
            slice.damaged += answer.progress.damaged.len() as u64;
            let reached = match (answer.progress.complete, answer.next) {
                (true, next) => next.unwrap_or(rows.start),
                (false, next) => answer.progress.scanned_to_row.or(next).unwrap_or(rows.end),
            };
            down_to = down_to.max(reached.min(rows.end));
            found.extend(answer.rows.iter().map(|row| row.row));
        }
        found.retain(|row| (down_to..rows.end).contains(row));
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        self.patience =
            if down_to == rows.end { (self.patience * 2).min(LONGEST) } else { self.slice.max(SLICE) };
        if found.len() >= FOUND_ROWS / 2 && rows.end - down_to < DENSE_ROWS {
            self.dense_to = down_to.saturating_sub(READ_ROWS);
        }
        Ok((down_to, found))
    }
}

/// Rows, descending, as ranges of those that may lie in one block or the next.
fn together(rows: &[u64]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for &row in rows {
        match ranges.last_mut() {
            Some(last) if last.start - row <= NEAR => last.start = row,
            _ => ranges.push(row..row.saturating_add(1)),
        }
    }
    ranges
}

/// What finds the records that these indicators match; every condition of one query must hold, so there are two.
fn queries(few: &Few) -> Vec<Query> {
    let ip: Vec<_> = few.networks.iter().flat_map(|&(ip, len)| networks(ip, len)).collect();
    let domain: Vec<_> = few.names.iter().map(|name| name.as_ref().to_owned()).collect();
    let ends = (!ip.is_empty()).then(|| Query { ip, ..Query::default() });
    let names = (!domain.is_empty()).then(|| Query { domain, ..Query::default() });
    ends.into_iter().chain(names).collect()
}

/// A network, and the same as IPv4-mapped addresses (RFC 4291 §2.5.5.2): an indicator matches these too.
fn networks(ip: IpAddr, len: u8) -> impl Iterator<Item = IpNetwork> {
    let mapped = |ip: Ipv4Addr| Ipv6Network::new(ip.to_ipv6_mapped(), len.saturating_add(96)).ok();
    let mapped = match ip {
        IpAddr::V4(ip) => mapped(ip).map(IpNetwork::V6),
        IpAddr::V6(_) => None,
    };
    IpNetwork::new(ip, len).ok().into_iter().chain(mapped)
}

#[cfg(test)]
mod tests {
    use weir_ti::Few;

    use super::{queries, together};

    #[test]
    fn rows_that_may_share_a_block_are_read_together() {
        assert_eq!(together(&[]), []);
        assert_eq!(together(&[9_000, 8_999, 6_000, 1_000, 1]), [6_000..9_001, 1..1_001]);
    }

    #[test]
    fn addresses_and_names_are_searched_for_apart_and_mapped_addresses_too() {
        let few = Few {
            networks: vec![("192.0.2.0".parse().unwrap(), 24), ("2001:db8::".parse().unwrap(), 32)],
            names: vec!["evil.example".into()],
        };
        let [ends, names] = &queries(&few)[..] else { panic!("two queries") };
        let shown: Vec<_> = ends.ip.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.0/24", "::ffff:192.0.2.0/120", "2001:db8::/32"]);
        assert!(ends.domain.is_empty() && names.ip.is_empty());
        assert_eq!(names.domain, ["evil.example"]);
        assert!(queries(&Few::default()).is_empty());
    }
}
