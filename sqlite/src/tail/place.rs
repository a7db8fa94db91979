//! The place of a tail: how it is made, filled, and what the writer knows of it without reading it.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::{CHECK, END, HEAD, Heads, Tail, check};
use crate::block::Sealed;
use crate::ring::{Ring, signed};
use crate::trim::AHEAD_MS;
use crate::{BudgetBytes, MinuteTotal};

/// Octets of a place: two hours of a quiet office, and the rows of a sealed block of a busy one. It is the part of the
/// budget that is [`PLACE_SHARE`], within these.
const MIN_PLACE_BYTES: u64 = 64 << 10;
const MAX_PLACE_BYTES: u64 = 256 << 10;
const PLACE_SHARE: u64 = 64;
/// All places together take this part of the budget at most: hundreds of tenants must not leave a small one no room for
/// sealed blocks. A ring beyond it does without a tail.
const ALL_PLACES_SHARE: u64 = 8;
/// A block larger than this part of its place is sealed at birth: written once and sealed, with few others, soon after,
/// it would be written twice for nothing.
const LARGE_SHARE: usize = 4;
/// Rows that a tail holds at most: those of a sealed block.
pub(crate) const MAX_TAIL_ROWS: u64 = crate::MAX_BLOCK_ROWS as u64;
/// The oldest commit of a tail is at most this old: rows go by age with their block, and are found by its summary.
const MAX_TAIL_AGE_MS: i64 = 3_600_000;

/// What the writer knows of a ring's tail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The ring's `next_row` when the tail was empty.
    base: u64,
    /// Octets of the place; 0 when there is none.
    length: usize,
    /// Where the next block goes.
    end: usize,
    /// The number that the ring's next row gets.
    pub(crate) next_row: u64,
    /// Of the ring's newest row, in milliseconds.
    pub(crate) processed_at: i64,
    /// What the clock said at the oldest commit, as far as it is known; rows are never stamped earlier than the row before.
    oldest_at: i64,
}

impl Place {
    fn load(db: &Connection, ring: &Ring, now_ms: i64) -> rusqlite::Result<Self> {
        let heads = Tail::heads(db, ring)?;
        let (mut next_row, processed_at) = Heads::newest(heads.as_ref(), ring);
        if heads.as_ref().is_some_and(|heads| heads.is_torn) {
            // Full, so that it is sealed before a row comes: numbers that were given are not given again.
            next_row = next_row.max(ring.next_row.saturating_add(MAX_TAIL_ROWS));
        }
        let first = heads.as_ref().and_then(|heads| heads.blocks.first());
        let believed = |&at: &i64| at <= now_ms.saturating_add(AHEAD_MS);
        let oldest_at = first.and_then(|first| {
            Some(first.block.processed_at).filter(believed).or(Some(first.starts.1).filter(believed))
        });
        Ok(Self {
            base: ring.next_row,
            length: heads.as_ref().map_or(0, |heads| heads.length),
            end: heads.as_ref().map_or(0, Heads::end),
            next_row,
            processed_at,
            oldest_at: oldest_at.unwrap_or(now_ms),
        })
    }

    /// Octets that are taken.
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    /// Rows that wait to be sealed.
    pub(crate) const fn rows(&self) -> u64 {
        self.next_row - self.base
    }

    /// Its oldest commit is old, or was stamped by a clock that says something quite different now: rows of such stamps
    /// must not share a block, which goes as a whole.
    pub(crate) const fn is_old(&self, now_ms: i64) -> bool {
        self.rows() > 0 && now_ms.saturating_sub(self.oldest_at).saturating_abs() >= MAX_TAIL_AGE_MS
    }

    /// Whether `block` is for the tail at all.
    pub(crate) const fn is_for(&self, block: &Sealed<'_>) -> bool {
        self.length > 0 && HEAD + block.data.len() + END.len() <= self.length / LARGE_SHARE
    }

    /// Whether the tail has room for `block`.
    pub(crate) const fn has_room(&self, block: &Sealed<'_>) -> bool {
        self.rows() + block.count <= MAX_TAIL_ROWS
            && self.end + HEAD + block.data.len() + END.len() <= self.length
    }

    /// Makes the place if it is missing, or makes it shorter if it is empty and the budget is not what it was. Without
    /// room in the budget there is none.
    pub(crate) fn prepare(
        &mut self,
        db: &Connection,
        ring: &Ring,
        budget: BudgetBytes,
    ) -> rusqlite::Result<()> {
        let wanted = (budget.value() / PLACE_SHARE).clamp(MIN_PLACE_BYTES, MAX_PLACE_BYTES);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        if self.rows() > 0 || (self.length > 0 && self.length <= wanted) {
            return Ok(());
        }
        let places: u64 = db
            .prepare_cached("SELECT coalesce(sum(length(data)), 0) FROM tail WHERE ring <> ?1")?
            .query_row([ring.ring], |row| row.get::<_, i64>(0))?
            .unsigned_abs();
        let room = (budget.value() / ALL_PLACES_SHARE).saturating_sub(places);
        let length = [wanted, MIN_PLACE_BYTES as usize].into_iter().find(|&length| length as u64 <= room);
        self.length = length.unwrap_or(0);
        if let Some(length) = length {
            db.prepare_cached("REPLACE INTO tail (ring, data) VALUES (?1, zeroblob(?2))")?
                .execute(params![ring.ring, signed(length as u64)])?;
            db.blob_open(c"main", c"tail", c"data", ring.ring, false)?.write_at(&END, 0)?;
        } else {
            db.prepare_cached("DELETE FROM tail WHERE ring = ?1")?.execute([ring.ring])?;
        }
        Ok(())
    }

    /// Appends `block`, for which there is room; `total` is what it adds to its minute. `scratch` is a buffer.
    ///
    /// What may follow the block is a head of older times, whose first row is below every next row since numbers only
    /// grow; or it is the middle of an older block, where a stranger's record can say anything, also what looks like a
    /// head with the right row. So an end is written behind, where a head could follow.
    pub(crate) fn append(
        &mut self,
        db: &Connection,
        ring: &Ring,
        (block, total): (&Sealed<'_>, &MinuteTotal),
        now_ms: i64,
        scratch: &mut Vec<u8>,
    ) -> rusqlite::Result<()> {
        scratch.clear();
        head(block, total, self.next_row, scratch);
        scratch.extend_from_slice(block.data);
        scratch.extend_from_slice(&END);
        db.blob_open(c"main", c"tail", c"data", ring.ring, false)?.write_at(scratch, self.end)?;
        if self.rows() == 0 {
            self.oldest_at = now_ms;
        }
        self.end += scratch.len() - END.len();
        self.next_row += block.count;
        self.processed_at = block.processed_at;
        Ok(())
    }

    /// The rows up to `ring.next_row` are sealed, which empties the tail.
    pub(crate) const fn emptied(&mut self, ring: &Ring) {
        (self.base, self.end) = (ring.next_row, 0);
        (self.next_row, self.processed_at) = (ring.next_row, ring.processed_at);
    }
}

/// Writes the head of `block` to `out`, which is empty; the module says how.
fn head(block: &Sealed<'_>, total: &MinuteTotal, first_row: u64, out: &mut Vec<u8>) {
    // No block is longer than 4 MiB, nor has it more rows than fit.
    let short = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let count = usize::try_from(block.count).unwrap_or(usize::MAX);
    for value in [block.data.len(), count, block.raw.len(), block.encoding.into()] {
        out.extend_from_slice(&short(value));
    }
    out.extend_from_slice(&first_row.to_le_bytes());
    for instant in [block.processed_at, block.min_ts, block.max_ts] {
        out.extend_from_slice(&instant.to_le_bytes());
    }
    let MinuteTotal { flows, packets, octets, threats, risk_sum, risk_count, .. } = *total;
    for count in [flows, packets, octets, threats, risk_sum, risk_count] {
        out.extend_from_slice(&count.to_le_bytes());
    }
    let Some(head) = out.first_chunk_mut() else { return };
    let check = check(head);
    if let Some(place) = head.get_mut(CHECK) {
        place.copy_from_slice(&check);
    }
}

/// What the writer knows of all tails, so that a commit does not read them. It is forgotten when a transaction fails.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<i64, Place>);

impl Places {
    /// The place of `ring`, which a transaction read.
    pub(crate) fn of(&mut self, db: &Connection, ring: &Ring, now_ms: i64) -> rusqlite::Result<Place> {
        match self.0.get(&ring.ring) {
            Some(place) if place.base == ring.next_row => Ok(*place),
            _ => {
                let place = Place::load(db, ring, now_ms)?;
                self.0.insert(ring.ring, place);
                Ok(place)
            }
        }
    }

    /// Remembers what became of a place.
    pub(crate) fn set(&mut self, ring: &Ring, place: Place) {
        self.0.insert(ring.ring, place);
    }

    /// Forgets everything: what was done is not, or who has which number is not known any more.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}
