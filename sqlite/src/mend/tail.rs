//! A tail with damage: what can be read of it becomes blocks of the ring, and the tail is empty.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::again::again;
use crate::damage::{self, Fault, missing};
use crate::error::{Doing, Error};
use crate::inspect::{Depth, Inspector, Verdict};
use crate::ring::{ROW_MASK, Ring};
use crate::seal::{self, Tools};
use crate::tail::{Fresh, MAX_TAIL_ROWS, TORN, Tail};

/// The tail of a ring, and the places of the blocks in it that cannot be read.
pub(super) struct Loose {
    tail: Tail,
    bad: BTreeMap<u64, String>,
}

impl Loose {
    /// The tail of `ring` if something in it cannot be read.
    pub(super) fn of(
        db: &Connection,
        ring: &Ring,
        depth: Depth,
        inspector: &mut Inspector,
        path: &Path,
    ) -> Result<Option<Self>, Error> {
        let mut tail = Tail::load(db, ring).doing("read", path)?;
        let is_torn = tail.is_torn();
        if is_torn {
            tail = Tail::rescue(db, ring).doing("read", path)?;
        }
        let mut bad = BTreeMap::new();
        for fresh in tail.blocks() {
            let place = (fresh.block.first_row, fresh.block.processed_at);
            if let Verdict::Bad(reason) = inspector.unpack(tail.packed(fresh), place, depth) {
                bad.insert(fresh.block.first_row, reason);
            }
        }
        Ok((is_torn || !bad.is_empty()).then_some(Self { tail, bad }))
    }

    /// Moves the blocks out of the tail; answers the rows that are lost. Where nobody knows how many these are, no number is
    /// given again that one of them may have had.
    pub(super) fn apply(
        &self,
        db: &Connection,
        ring: &mut Ring,
        tools: &mut Tools,
    ) -> rusqlite::Result<Vec<Fault>> {
        let (mut faults, first_row) = (Vec::new(), ring.next_row);
        for fresh in self.tail.blocks() {
            let (row, end) = (fresh.block.first_row, fresh.block.end());
            if row > ring.next_row {
                faults.push(missing(ring, (ring.next_row, row), TORN));
                ring.next_row = row;
            }
            let reason = match self.bad.get(&row) {
                Some(reason) => Some(reason.clone()),
                None => self.keep(db, ring, fresh, tools)?,
            };
            if let Some(reason) = reason {
                faults.push(Fault { key: ring.key(row), count: fresh.block.count, reason });
            }
            ring.next_row = end;
            ring.processed_at = ring.processed_at.max(fresh.block.processed_at);
        }
        if self.tail.is_torn() {
            let most = first_row.saturating_add(MAX_TAIL_ROWS).max(ring.next_row.saturating_add(1));
            let end = most.min(ROW_MASK.unsigned_abs());
            faults.push(missing(ring, (ring.next_row, end), TORN));
            ring.next_row = end;
        }
        Tail::empty(db, ring)?;
        Ok(faults)
    }

    /// Seals a block; answers why it cannot be.
    fn keep(
        &self,
        db: &Connection,
        ring: &mut Ring,
        fresh: &Fresh,
        tools: &mut Tools,
    ) -> rusqlite::Result<Option<String>> {
        match again(self.tail.packed(fresh), tools) {
            Ok(block) => {
                // A summary of no block may be in the way.
                damage::remove(db, ring.key(fresh.block.first_row))?;
                seal::store(db, ring, &block)?;
                fresh.total.store(db, ring.ring)?;
                Ok(None)
            }
            Err(reason) => Ok(Some(reason)),
        }
    }
}
