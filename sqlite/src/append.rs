//! The records of one commit on their way into one ring: into its tail, or, where they are many, into sealed blocks.

use std::path::Path;

use rusqlite::Connection;
use weir_flow::FlowRecord;

use crate::block::{MAX_BLOCK_ROWS, Push, Sealed};
use crate::error::{Doing, Error};
use crate::hour::Hours;
use crate::minute::minute_of;
use crate::ring::Ring;
use crate::seal::{self, Tools};
use crate::tail::Place;
use crate::{BudgetBytes, Committed, MinuteTotal};

/// From so many rows on a commit is sealed at birth: half a sealed block. It would be written twice otherwise, for little.
const MIN_SEALED_ROWS: usize = MAX_BLOCK_ROWS / 2;

/// One commit's work in one ring.
pub(crate) struct Append<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) path: &'a Path,
    pub(crate) tools: &'a mut Tools,
    pub(crate) hours: &'a mut Hours,
    pub(crate) ring: Ring,
    pub(crate) place: Place,
    pub(crate) budget: BudgetBytes,
    pub(crate) now_ms: i64,
    pub(crate) done: &'a mut Committed,
}

impl Append<'_> {
    /// Appends `count` records; answers the places, from 0, of those that are refused, and what became of the tail.
    pub(crate) fn records<'r>(
        mut self,
        records: impl Iterator<Item = &'r FlowRecord>,
        count: usize,
    ) -> Result<(Vec<usize>, Ring, Place), Error> {
        let first_row = self.place.next_row;
        // The clock may be set back; the order of rows, minutes and retention may not.
        let processed_at = self.place.processed_at.max(self.now_ms);
        let begun = self.hours.begin(self.db, self.ring.ring, first_row, processed_at);
        begun.doing("commit to", self.path)?;
        let mut total = MinuteTotal { minute: minute_of(processed_at), first_row, ..MinuteTotal::default() };
        if count >= MIN_SEALED_ROWS || self.place.is_old(self.now_ms) {
            self.seal_tail()?;
        }
        let parts = count.div_ceil(MAX_BLOCK_ROWS).max(1);
        let rows_each = count.div_ceil(parts);
        self.tools.encoder.stored_at(processed_at);
        let mut refused = Vec::new();
        for (at, record) in records.enumerate() {
            if self.tools.encoder.rows() == rows_each {
                self.store()?;
            }
            let mut fate = self.tools.encoder.push(record);
            if fate == Push::Full {
                self.store()?;
                fate = self.tools.encoder.push(record);
            }
            if fate == Push::Kept {
                total.add(record);
                self.hours.count(record, &self.tools.encoder);
            } else {
                refused.push(at);
            }
        }
        self.finish(&total, count)?;
        self.done.refused += refused.len() as u64;
        self.done.rows += self.place.next_row - first_row;
        Ok((refused, self.ring, self.place))
    }

    /// Writes the rows that are left, and what the commit adds to its minute.
    fn finish(&mut self, total: &MinuteTotal, count: usize) -> Result<(), Error> {
        if self.tools.encoder.is_empty() && self.place.next_row == total.first_row {
            return Ok(());
        }
        if count < MIN_SEALED_ROWS && self.place.next_row == total.first_row {
            let prepared = self.place.prepare(self.db, &self.ring, self.budget);
            prepared.doing("commit to", self.path)?;
            if self.put(Some(total))? {
                return Ok(());
            }
        } else {
            self.store()?;
        }
        let stored = total.store(self.db, self.ring.ring).and_then(|()| self.ring.save(self.db));
        stored.doing("commit to", self.path)
    }

    /// Seals what was pushed.
    fn store(&mut self) -> Result<(), Error> {
        if self.tools.encoder.is_empty() { Ok(()) } else { self.put(None).map(|_| ()) }
    }

    /// Writes what was pushed as one block: into the tail if it may, which is with the `total` that goes there, and if it
    /// is not too large; else sealed. Answers whether it is in the tail. A tail that has no room, or that a sealed block
    /// follows, is sealed before.
    fn put(&mut self, total: Option<&MinuteTotal>) -> Result<bool, Error> {
        let Self { db, path, tools, hours, ring, place, now_ms, done, .. } = self;
        hours.settle(&tools.encoder);
        let block = tools.encoder.seal().doing("commit to", path)?;
        let total = total.filter(|_| place.is_for(&block));
        done.blocks += 1;
        done.bytes += block.data.len() as u64;
        if place.rows() == 0 || (total.is_some() && place.has_room(&block)) {
            return write(db, (ring, place), (&block, total), *now_ms, &mut tools.scratch)
                .doing("commit to", path);
        }
        // The encoder packs the tail meanwhile.
        let mut octets = Default::default();
        let block = block.moved(&mut octets);
        self.seal_tail()?;
        let Self { db, path, tools, ring, place, now_ms, .. } = self;
        write(db, (ring, place), (&block, total), *now_ms, &mut tools.scratch).doing("commit to", path)
    }

    fn seal_tail(&mut self) -> Result<(), Error> {
        let Self { db, path, tools, ring, place, now_ms, done, .. } = self;
        let sealed = seal::tail(db, path, ring, place, tools, *now_ms)?;
        done.sealed_blocks += sealed.blocks;
        done.sealed_bytes += sealed.bytes;
        Ok(())
    }
}

/// Appends `block` to the tail, with a `total`, or seals it, without.
fn write(
    db: &Connection,
    (ring, place): (&mut Ring, &mut Place),
    (block, total): (&Sealed<'_>, Option<&MinuteTotal>),
    now_ms: i64,
    scratch: &mut Vec<u8>,
) -> rusqlite::Result<bool> {
    if let Some(total) = total {
        place.append(db, ring, (block, total), now_ms, scratch)?;
        return Ok(true);
    }
    seal::store(db, ring, block)?;
    place.emptied(ring);
    Ok(false)
}
