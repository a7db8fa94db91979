//! From block to block: the tail of a ring as of one instant, and its sealed blocks, each copied before it is unpacked.
//!
//! A reader holds no transaction while it unpacks, which takes a hundred times as long as copying: meanwhile the log could
//! not be begun anew. So blocks may be sealed and trimmed between two looks. Whoever goes back in time takes the tail
//! first, and then the sealed blocks below it; whoever goes forward takes the sealed blocks, and the tail when, in one
//! transaction with it, there is no sealed block left.

use std::ops::Range;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Instant;

use rusqlite::{OptionalExtension, Row, Statement};
use weir_flow::TenantId;

use crate::block::{Decoder, Packed};
use crate::error::{Doing, Error};
use crate::ring::{Ring, first_row_of, unsigned};
use crate::tail::Tail;
use crate::{Order, Reader};

/// A ring and its tail at one instant.
pub(crate) struct Snapshot {
    pub(crate) ring: Ring,
    pub(crate) tail: Tail,
}

/// What follows the sealed blocks that were read.
pub(crate) enum Behind {
    /// More of them, which were sealed meanwhile.
    Sealed,
    /// The tail, and nothing else.
    Tail(Tail),
}

/// A sealed block, its data in a buffer of whoever copied it.
pub(crate) struct Copied {
    pub(crate) key: i64,
    pub(crate) block: Block,
    encoding: u8,
    raw_bytes: u64,
}

impl Copied {
    /// The block, to be unpacked; `data` is the buffer that it was copied to.
    pub(crate) const fn packed<'a>(&self, data: &'a [u8]) -> Packed<'a> {
        Packed { encoding: self.encoding, raw_bytes: self.raw_bytes, rows: self.block.count, data }
    }
}

impl Reader {
    /// The ring of `tenant` and its tail, if it has one, of one instant.
    pub(crate) fn snapshot(&self, tenant: &TenantId) -> Result<Option<Snapshot>, Error> {
        let read = || -> rusqlite::Result<_> {
            let tx = self.db.unchecked_transaction()?;
            let Some(ring) = Ring::find(&tx, tenant)? else { return Ok(None) };
            let tail = Tail::load(&tx, &ring)?;
            Ok(Some(Snapshot { ring, tail }))
        };
        read().doing("read", &self.path)
    }

    /// What of the ring of `tenant` follows the sealed blocks whose keys are below `low`.
    pub(crate) fn behind(&self, tenant: &TenantId, low: i64) -> Result<Behind, Error> {
        let read = || -> rusqlite::Result<_> {
            let tx = self.db.unchecked_transaction()?;
            let Some(ring) = Ring::find(&tx, tenant)? else { return Ok(Behind::Tail(Tail::default())) };
            let mut exists =
                tx.prepare_cached("SELECT 1 FROM block WHERE block BETWEEN ?1 AND ?2 LIMIT 1")?;
            if exists.exists([low, ring.keys().1])? {
                return Ok(Behind::Sealed);
            }
            Tail::load(&tx, &ring).map(Behind::Tail)
        };
        read().doing("read", &self.path)
    }

    /// Key of the sealed block that holds `row`, or else the least that a later one can have.
    pub(crate) fn block_from(&self, ring: &Ring, row: u64) -> Result<i64, Error> {
        let (low, start) = (ring.keys().0, ring.key(row));
        let sql = "SELECT block, count FROM block WHERE block BETWEEN ?1 AND ?2 ORDER BY block DESC LIMIT 1";
        let found = self.db.prepare_cached(sql).and_then(|mut statement| {
            let found = statement.query_row([low, start], |found| Ok((found.get(0)?, unsigned(found, 1)?)));
            found.optional()
        });
        Ok(match found.doing("read", &self.path)? {
            Some((key, count)) if first_row_of(key).saturating_add(count) > row => key,
            _ => start,
        })
    }

    /// Hands the sealed blocks from key to key to `take`, in `order`, until that says false. If it never did: the key from
    /// which on a later block can be.
    pub(crate) fn blocks(
        &self,
        (mut low, mut high): (i64, i64),
        order: Order,
        mut take: impl FnMut(&mut Opened<'_>) -> Result<bool, Error>,
    ) -> Result<Option<i64>, Error> {
        let by = if order == Order::NewestFirst { "DESC" } else { "" };
        let sql = format!("{BLOCKS} WHERE block BETWEEN ?1 AND ?2 ORDER BY block {by} LIMIT 1");
        let mut statement = self.db.prepare_cached(&sql).doing("read", &self.path)?;
        let mut decoder = self.decoder.borrow_mut();
        let mut copy = Vec::new();
        while let Some(copied) = self.copied(&mut statement, (low, high), &mut copy)? {
            let packed = copied.packed(&copy);
            let mut opened = Opened { block: copied.block, packed, decoder: &mut decoder, path: &self.path };
            let goes_on = take(&mut opened)?;
            self.in_time()?;
            if !goes_on {
                return Ok(None);
            }
            match order {
                Order::NewestFirst => high = copied.key - 1,
                Order::OldestFirst => low = copied.key + 1,
            }
        }
        Ok(Some(low))
    }

    /// Hands the blocks of `tail` to `take`, in `order`, until that says false; answers whether it never did.
    pub(crate) fn fresh(
        &self,
        tail: &Tail,
        order: Order,
        mut take: impl FnMut(&mut Opened<'_>) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let mut decoder = self.decoder.borrow_mut();
        let count = tail.blocks().len();
        for at in 0..count {
            let at = if order == Order::NewestFirst { count - 1 - at } else { at };
            let Some(fresh) = tail.blocks().get(at) else { break };
            let packed = tail.packed(fresh);
            let mut opened = Opened { block: fresh.block, packed, decoder: &mut decoder, path: &self.path };
            let goes_on = take(&mut opened)?;
            self.in_time()?;
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fails when the deadline that is in force has passed.
    fn in_time(&self) -> Result<(), Error> {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        if deadline.is_some_and(|at| Instant::now() >= at) {
            return Err(Error::Deadline { path: self.path.clone() });
        }
        Ok(())
    }

    /// Copies the next block's data to `copy`; the statement is at its end then, and with it the reading transaction.
    fn copied(
        &self,
        statement: &mut Statement<'_>,
        (low, high): (i64, i64),
        copy: &mut Vec<u8>,
    ) -> Result<Option<Copied>, Error> {
        let found = statement.query_row([low, high], |row| {
            copy.clear();
            copy.extend_from_slice(row.get_ref(5)?.as_blob()?);
            let (key, block) = (row.get(0)?, Block::from_row(row)?);
            Ok(Copied { key, block, encoding: row.get(3)?, raw_bytes: unsigned(row, 4)? })
        });
        found.optional().doing("read", &self.path)
    }

    /// Copies the data of the sealed block with this key to `copy`; none when it is trimmed.
    #[expect(dead_code, reason = "a search that has looked at summaries reads single blocks")]
    pub(crate) fn block(&self, key: i64, copy: &mut Vec<u8>) -> Result<Option<Copied>, Error> {
        let sql = format!("{BLOCKS} WHERE block BETWEEN ?1 AND ?2 LIMIT 1");
        let mut statement = self.db.prepare_cached(&sql).doing("read", &self.path)?;
        self.copied(&mut statement, (key, key), copy)
    }
}

/// The columns of [`Block`], the encoding and the data.
pub(crate) const BLOCKS: &str = "SELECT block, count, processed_at, encoding, raw_bytes, data FROM block";

/// Where a block's rows belong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) first_row: u64,
    pub(crate) count: u64,
    /// When its last row was stored, milliseconds.
    pub(crate) processed_at: i64,
}

impl Block {
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let first_row = first_row_of(row.get(0)?);
        Ok(Self { first_row, count: unsigned(row, 1)?, processed_at: row.get(2)? })
    }

    /// The row after its last.
    pub(crate) const fn end(&self) -> u64 {
        self.first_row.saturating_add(self.count)
    }
}

/// A block, and what it takes to read it.
pub(crate) struct Opened<'a> {
    pub(crate) block: Block,
    pub(crate) packed: Packed<'a>,
    pub(crate) decoder: &'a mut Decoder,
    pub(crate) path: &'a Path,
}

impl Opened<'_> {
    /// Hands the rows whose places in the block, from 0, are `wanted` to `take`, ascending: number, when it was stored in
    /// milliseconds, and JSON object.
    pub(crate) fn lines(
        &mut self,
        wanted: Range<u64>,
        mut take: impl FnMut(u64, i64, &str),
    ) -> Result<(), Error> {
        let Self { block, packed, path, .. } = self;
        self.decoder
            .lines(*packed, wanted, |place, at, line| take(block.first_row.saturating_add(place), at, line))
            .map_err(|damage| Error::corrupt(path, &format!("row {}: {damage}", block.first_row)))
    }
}
