//! Totals by the hour: who and what had most of the traffic, in table `hour`.
//!
//! The writer adds up what it commits, for each ring in the hour of its `processed_at`, and writes the greatest of each dimension
//! (`pack.rs`) now and then, in the transaction of a commit. A row says which rows of the ring it counts, from its `first_row`
//! to `through_row`; whoever reads counts the rows that no hour does. So nothing is counted twice or not at all, also after a
//! power cut: the next writer counts the rows after the newest hour's last.
//!
//! A key that is not among the greatest is not forgotten but bounded, see [`crate::sums`].

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod open;
pub(crate) mod pack;
pub(crate) mod rows;
pub(crate) mod unpack;

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;

use hashbrown::HashMap;
use rusqlite::{Connection, params};
use weir_flow::FlowRecord;

use self::open::{MAX_SAVE_ROWS, Open};
use self::pack::Packer;
use self::rows::View;
use self::unpack::Unpacker;
use crate::Dimension;
use crate::block::tally::Tally;
use crate::block::{Decoder, Encoder};
use crate::ring::{Ring, signed, unsigned};
use crate::sums::Sums;

pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Keys of a dimension that the hours at hand have in all rings together: some megabytes, whatever is sent.
const ALL_KEYS: usize = 65_536;
/// Keys that a ring has at least, so that the bound stays narrow, and at most: more than an office has in an hour.
const MIN_KEYS: usize = 256;
const MAX_KEYS: usize = 8_192;

/// Rows that a start counts at most; more than a writer leaves uncounted. What is before them, as in a store that had no
/// totals, is counted by whoever asks for it.
const RECOUNT_ROWS: u64 = 2 * MAX_SAVE_ROWS;

/// Hours since 1970 of an instant in milliseconds.
pub(crate) const fn hour_of(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS)
}

/// Hours since 1970 of a minute since then.
pub(crate) const fn hour_of_minute(minute: i64) -> i64 {
    minute.div_euclid(60)
}

/// Bits of a row's key that hold the hour.
const HOUR_BITS: u32 = 48;
const MAX_HOUR: i64 = (1 << HOUR_BITS) - 1;

/// Key of a ring's row; hours before 1970 are in the first.
pub(crate) const fn key(ring: i64, hour: i64) -> i64 {
    let hour = if hour < 0 {
        0
    } else if hour > MAX_HOUR {
        MAX_HOUR
    } else {
        hour
    };
    ring << HOUR_BITS | hour
}

/// The hour of a row's key.
pub(crate) const fn hour_of_key(key: i64) -> i64 {
    key & MAX_HOUR
}

/// Removes the hours of a ring of which no row is left before `first_row`, the oldest one.
pub(crate) fn trim(db: &Connection, ring: i64, first_row: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM hour WHERE hour BETWEEN ?1 AND ?2 AND through_row < ?3";
    db.prepare_cached(sql)?.execute(params![key(ring, 0), key(ring, MAX_HOUR), signed(first_row)])?;
    Ok(())
}

/// Removes all hours of a ring.
pub(crate) fn remove(db: &Connection, ring: i64) -> rusqlite::Result<()> {
    db.execute("DELETE FROM hour WHERE hour BETWEEN ?1 AND ?2", [key(ring, 0), key(ring, MAX_HOUR)])?;
    Ok(())
}

/// The hours at hand, one for each ring that has rows in it.
///
/// For each ring of a commit: [`Hours::begin`], then [`Hours::count`] for each record that the encoder kept and
/// [`Hours::settle`] before it seals a block. Before the transaction's end [`Hours::save_due`], after it [`Hours::committed`] or
/// [`Hours::rollback`].
pub(crate) struct Hours {
    rings: HashMap<i64, Open>,
    /// The ring of the commit at hand.
    current: Option<i64>,
    tally: Tally,
    packer: Packer,
    unpacker: Unpacker,
    decoder: RefCell<Decoder>,
}

impl Hours {
    /// No hours; they are read when their rings get rows.
    ///
    /// # Errors
    /// There is no memory.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            rings: HashMap::new(),
            current: None,
            tally: Tally::default(),
            packer: Packer::new()?,
            unpacker: Unpacker::new()?,
            decoder: RefCell::new(Decoder::new()?),
        })
    }

    /// The rows that follow, from `next_row` on, belong to `ring` and to the hour of `processed_at`. Call it before the
    /// transaction changes anything of the ring.
    pub(crate) fn begin(
        &mut self,
        db: &Connection,
        ring: i64,
        next_row: u64,
        processed_at: i64,
    ) -> rusqlite::Result<()> {
        self.tally.clear();
        self.current = Some(ring);
        let is_known = self.rings.get(&ring).is_some_and(|open| open.through_row + 1 == next_row);
        if !is_known {
            self.rings.remove(&ring);
            self.load(db, ring, processed_at)?;
        }
        let limit = self.limit();
        let Self { rings, packer, .. } = self;
        let hour = hour_of(processed_at);
        let open = rings.entry(ring).or_insert_with(|| Open::new(hour, next_row, limit));
        if open.hour != hour {
            if open.is_dirty() {
                open.save(db, ring, packer, processed_at)?;
            }
            *open = Open::new(hour, next_row, limit);
        }
        open.is_touched = true;
        open.sums.iter_mut().for_each(|sums| sums.set_limit(limit));
        Ok(())
    }

    fn limit(&self) -> usize {
        (ALL_KEYS / self.rings.len().max(1)).clamp(MIN_KEYS, MAX_KEYS)
    }

    /// Counts `record`, which `encoder` took last.
    pub(crate) fn count(&mut self, record: &FlowRecord, encoder: &Encoder) {
        self.tally.add(record, encoder);
        if let Some(open) = self.current.and_then(|ring| self.rings.get_mut(&ring)) {
            open.through_row += 1;
        }
    }

    /// Adds what was counted since it was last called. Call it before `encoder` seals the block that has the records.
    pub(crate) fn settle(&mut self, encoder: &Encoder) {
        let Some(open) = self.current.and_then(|ring| self.rings.get_mut(&ring)) else { return };
        self.tally.settle(encoder, |dimension, key, label, sum| {
            if let Some(sums) = open.sums.get_mut(usize::from(dimension.code())) {
                sums.add(key, label, sum);
            }
        });
    }

    /// Writes the hours for which it is time.
    pub(crate) fn save_due(&mut self, db: &Connection, now_ms: i64) -> rusqlite::Result<()> {
        let Self { rings, packer, .. } = self;
        for (&ring, open) in rings.iter_mut() {
            if open.is_due(now_ms) {
                open.save(db, ring, packer, now_ms)?;
            }
        }
        Ok(())
    }

    /// Writes all hours that have rows which were not written.
    pub(crate) fn save_all(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let Self { rings, packer, .. } = self;
        for (&ring, open) in rings.iter_mut().filter(|(_, open)| open.is_dirty()) {
            open.save(db, ring, packer, open.hour.saturating_mul(HOUR_MS))?;
        }
        Ok(())
    }

    /// What the transaction changed is on the disk. Hours that are over and written are forgotten.
    pub(crate) fn committed(&mut self, now_ms: i64) {
        self.current = None;
        self.rings.values_mut().for_each(|open| open.is_touched = false);
        self.rings.retain(|_, open| open.is_dirty() || open.hour >= hour_of(now_ms));
    }

    /// Nothing that the transaction changed is on the disk. What it touched is read again when it is needed.
    pub(crate) fn rollback(&mut self) {
        self.current = None;
        self.tally.clear();
        self.rings.retain(|_, open| !open.is_touched);
    }

    /// Takes up the newest hour of `ring` where the last writer left it, and counts what came after.
    fn load(&mut self, db: &Connection, ring: i64, now_ms: i64) -> rusqlite::Result<()> {
        let Some(view) = Ring::numbered(db, ring)?.map(|ring| View::load(db, ring)).transpose()? else {
            return Ok(());
        };
        let limit = self.limit();
        let floor = view.oldest.max(view.next_row.saturating_sub(RECOUNT_ROWS));
        let mut open = self.newest(db, &view, floor, limit)?;
        let first = open.as_ref().map_or(floor, |open| (open.through_row + 1).max(floor));
        for (hour, rows) in view.hours(db, first)? {
            let is_next = |open: &Open| (open.hour, open.through_row + 1) == (hour, rows.start);
            if !open.as_ref().is_some_and(is_next) {
                if let Some(open) = open.as_mut().filter(|open| open.is_dirty()) {
                    open.save(db, ring, &mut self.packer, now_ms)?;
                }
                open = Some(Open::new(hour, rows.start, limit));
            }
            let Some(open) = &mut open else { continue };
            let (_, _) = view.each(db, &self.decoder, &rows, |_, record| {
                open.add(record);
                ControlFlow::Continue(())
            })?;
            open.through_row = rows.end.saturating_sub(1);
        }
        if let Some(open) = open {
            self.rings.insert(ring, open);
        }
        Ok(())
    }

    /// The newest hour that was written and can be read, if it counts rows from `floor` on.
    fn newest(
        &mut self,
        db: &Connection,
        view: &View,
        floor: u64,
        limit: usize,
    ) -> rusqlite::Result<Option<Open>> {
        let ring = view.ring.ring;
        let mut statement = db.prepare_cached(
            "SELECT hour, through_row, data FROM hour WHERE hour BETWEEN ?1 AND ?2
                AND through_row BETWEEN ?3 AND ?4 ORDER BY hour DESC",
        )?;
        let (first, last) = (signed(floor.saturating_sub(1)), signed(view.next_row.saturating_sub(1)));
        let mut rows = statement.query(params![key(ring, 0), key(ring, MAX_HOUR), first, last])?;
        while let Some(row) = rows.next()? {
            let (hour, through_row) = (hour_of_key(row.get(0)?), unsigned(row, 1)?);
            let data = row.get_ref(2)?.as_blob()?;
            let mut open = Open::new(hour, 1, limit);
            if let Some(first_row) = self.read((hour, through_row), data, &mut open.sums) {
                (open.first_row, open.through_row, open.saved_through) =
                    (first_row, through_row, through_row);
                open.bytes = data.len() as u64;
                return Ok(Some(open));
            }
        }
        Ok(None)
    }

    /// Reads all dimensions of an hour; answers its first row. None when it is damaged, which whoever reads it finds too.
    fn read(&mut self, of: (i64, u64), data: &[u8], sums: &mut [Sums]) -> Option<u64> {
        let mut first_row = None;
        for (dimension, sums) in Dimension::ALL.into_iter().zip(sums) {
            first_row = Some(self.unpacker.unpack(of, dimension, data, sums).ok()?.first_row);
        }
        first_row
    }
}
