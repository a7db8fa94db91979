//! Sealing: blocks that stay as they are until they are trimmed, each with what a search has to know of it.
//!
//! The small blocks of a tail are unpacked and packed again as one; a large commit's rows are sealed at birth. Both happen
//! in the transaction of a commit or of a trim.

use std::io;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::block::{Damage, Decoder, Encoder, Packed, Push, Records, Sealed};
use crate::error::{Doing, Error};
use crate::ring::{Ring, signed};
use crate::tail::{Fresh, Place, TORN, Tail};
use crate::{MaxRecordBytes, MinuteTotal};

/// What it takes to write blocks, in buffers that are used again.
pub(crate) struct Tools {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    pub(crate) scratch: Vec<u8>,
}

impl Tools {
    pub(crate) fn new(longest: MaxRecordBytes) -> io::Result<Self> {
        Ok(Self { encoder: Encoder::new(longest)?, decoder: Decoder::new()?, scratch: Vec::new() })
    }
}

/// What was sealed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

/// Appends a sealed block to the ring, and numbers its rows. [`Ring::save`] is the caller's.
pub(crate) fn store(db: &Connection, ring: &mut Ring, block: &Sealed<'_>) -> rusqlite::Result<()> {
    let key = ring.key(ring.next_row);
    let bytes = block.data.len() as u64;
    db.prepare_cached(
        "INSERT INTO block (block, count, processed_at, min_ts, max_ts, encoding, raw_bytes, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        key,
        signed(block.count),
        block.processed_at,
        block.min_ts,
        block.max_ts,
        block.encoding,
        signed(block.raw.len() as u64),
        block.data
    ])?;
    summarize(db, key, block)?;
    ring.next_row += block.count;
    ring.processed_at = ring.processed_at.max(block.processed_at);
    ring.bytes += bytes;
    Ok(())
}

/// Writes what a search has to know of the block with this key.
pub(crate) fn summarize(db: &Connection, key: i64, block: &Sealed<'_>) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO summary
             (block, count, first_processed_at, processed_at, min_ts, max_ts, max_risk, threats, addresses)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        key,
        signed(block.count),
        block.first_processed_at,
        block.processed_at,
        block.min_ts,
        block.max_ts,
        block.max_risk,
        signed(block.threats),
        block.addresses
    ])?;
    db.prepare_cached("INSERT INTO terms (block, data) VALUES (?1, ?2)")?
        .execute(params![key, block.terms])?;
    Ok(())
}

/// The tail of one ring on its way into sealed blocks.
struct Seal<'a> {
    db: &'a Connection,
    path: &'a Path,
    ring: &'a mut Ring,
    encoder: &'a mut Encoder,
    done: Done,
}

/// Seals the rows that wait in `place`: one block of them, or more where they are too large for one. The encoder has no
/// other rows meanwhile.
pub(crate) fn tail(
    db: &Connection,
    path: &Path,
    ring: &mut Ring,
    place: &mut Place,
    tools: &mut Tools,
    now_ms: i64,
) -> Result<Done, Error> {
    if place.rows() == 0 {
        return Ok(Done::default());
    }
    let tail = Tail::load(db, ring).doing("commit to", path)?;
    let Tools { encoder, decoder, .. } = tools;
    let mut seal = Seal { db, path, ring, encoder, done: Done::default() };
    let mut total: Option<MinuteTotal> = None;
    for fresh in tail.blocks() {
        seal.block(decoder, tail.packed(fresh), fresh, now_ms)?;
        match &mut total {
            Some(total) if total.minute == fresh.total.minute => total.merge(&fresh.total),
            _ => {
                let full = total.replace(fresh.total);
                seal.count(full.as_ref())?;
            }
        }
    }
    seal.count(total.as_ref())?;
    seal.flush()?;
    seal.skip(place, now_ms)?;
    let done = seal.done;
    ring.save(db).doing("commit to", path)?;
    place.emptied(ring);
    Ok(done)
}

impl Seal<'_> {
    /// Packs the rows of `fresh` again. Those that cannot be read are noted as damage: they are lost already, and must
    /// not keep every later commit from being stored.
    fn block(
        &mut self,
        decoder: &mut Decoder,
        packed: Packed<'_>,
        fresh: &Fresh,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.encoder.stored_at(fresh.block.processed_at);
        let mut taken = 0;
        let damage = match decoder.records(packed) {
            Ok(records) => self.rows(records, &mut taken)?,
            Err(damage) => Some(damage),
        };
        let Some(damage) = damage else { return Ok(()) };
        self.flush()?;
        self.note(packed, fresh, taken, &damage, now_ms)
    }

    /// Pushes `records`, and counts them in `taken`; answers what is wrong with the first that cannot be read.
    fn rows(&mut self, records: Records<'_>, taken: &mut u64) -> Result<Option<Damage>, Error> {
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(damage) => return Ok(Some(damage)),
            };
            let mut fate = self.encoder.push_stored(&record);
            if fate == Push::Full {
                self.flush()?;
                fate = self.encoder.push_stored(&record);
            }
            if fate != Push::Kept {
                return Ok(Some(Damage::RecordTooLong));
            }
            *taken += 1;
        }
        Ok(None)
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.encoder.is_empty() {
            return Ok(());
        }
        let block = self.encoder.seal().doing("commit to", self.path)?;
        store(self.db, self.ring, &block).doing("commit to", self.path)?;
        self.done.blocks += 1;
        self.done.bytes += block.data.len() as u64;
        Ok(())
    }

    /// Notes that the rows of `fresh` after the first `taken` are lost, and passes over them.
    fn note(
        &mut self,
        packed: Packed<'_>,
        fresh: &Fresh,
        taken: u64,
        damage: &Damage,
        now_ms: i64,
    ) -> Result<(), Error> {
        let lost = fresh.block.count.saturating_sub(taken).max(1);
        self.lose(lost, packed, &damage.to_string(), now_ms)?;
        self.ring.next_row = fresh.block.end();
        self.ring.processed_at = self.ring.processed_at.max(fresh.block.processed_at);
        Ok(())
    }

    /// Passes over numbers that were given to rows of the tail that cannot be read any more.
    fn skip(&mut self, place: &Place, now_ms: i64) -> Result<(), Error> {
        let lost = place.next_row.saturating_sub(self.ring.next_row);
        if lost > 0 {
            let nothing = Packed { encoding: 0, raw_bytes: 0, rows: 0, data: &[] };
            self.lose(lost, nothing, TORN, now_ms)?;
            self.ring.next_row = place.next_row;
            self.ring.processed_at = self.ring.processed_at.max(place.processed_at);
            Tail::empty(self.db, self.ring).doing("commit to", self.path)?;
        }
        Ok(())
    }

    /// Notes that `lost` rows from the next on are lost, of which `packed` is left.
    fn lose(&self, lost: u64, packed: Packed<'_>, reason: &str, now_ms: i64) -> Result<(), Error> {
        let insert = "REPLACE INTO damage (block, count, found_at, reason, encoding, raw_bytes, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let noted = self.db.prepare_cached(insert).and_then(|mut insert| {
            insert.execute(params![
                self.ring.key(self.ring.next_row),
                signed(lost),
                now_ms,
                reason,
                packed.encoding,
                signed(packed.raw_bytes),
                (!packed.data.is_empty()).then_some(packed.data)
            ])
        });
        noted.doing("commit to", self.path).map(|_| ())
    }

    fn count(&mut self, total: Option<&MinuteTotal>) -> Result<(), Error> {
        let Some(total) = total else { return Ok(()) };
        total.store(self.db, self.ring.ring).doing("commit to", self.path)
    }
}
