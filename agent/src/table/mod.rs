//! The flow table: packets in, flow records out. No clock, no I/O.
//!
//! Packets come from `packet`, one at a time with their time; records go to the sink that the caller hands in.
//! Time is the *table time*: microseconds that never run backwards, made by the caller from packet timestamps, so
//! that a step of the wall clock neither ends nor prolongs a flow. A record carries wall-clock times.

mod config;
mod entry;
mod wheel;

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use weir_flow::{EndReason, FlowRecord, Timestamp};

pub use config::{Config, Seconds};
use entry::{Class, Entry, NONE};
use wheel::Wheel;

use crate::packet::{Key, Packet};

/// When a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// By the wall clock, for the record.
    pub wall: Timestamp,
    /// By the table's own clock, microseconds, for timeouts.
    pub table: i64,
}

/// Flows that a packet's arrival may end besides its own: keeps the cost of one packet small after a quiet time.
const EXPIRED_PER_PACKET: usize = 16;

/// Where finished flows go.
pub trait Sink {
    /// Takes one record.
    fn take(&mut self, record: FlowRecord);
}

impl<F: FnMut(FlowRecord)> Sink for F {
    fn take(&mut self, record: FlowRecord) {
        self(record);
    }
}

/// Live flows, bounded, with their timeouts.
pub struct FlowTable {
    config: Config,
    hasher: RandomState,
    index: HashTable<Place>,
    entries: Vec<Entry>,
    /// Entries of `entries` that are not in use, linked by `next`.
    free: u32,
    wheels: [Wheel; Class::COUNT],
    now: i64,
    /// The tick up to which idle flows have been ended.
    expired_tick: i64,
    evicted: u64,
}

/// Where a key's entry is; with the hash beside it, a miss or a resize touches no entry.
#[derive(Clone, Copy)]
struct Place {
    hash: u32,
    entry: u32,
}

impl Place {
    /// The hash as wide as `hashbrown` wants it: it looks at the highest and at the lowest bits.
    const fn wide(hash: u32) -> u64 {
        (hash as u64) << 32 | hash as u64
    }
}

impl FlowTable {
    /// An empty table; memory grows with the flows, up to the ceiling of `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            hasher: RandomState::default(),
            index: HashTable::new(),
            entries: Vec::new(),
            free: NONE,
            wheels: Class::ALL.map(|class| Wheel::new(class, config.idle_micros(class))),
            now: i64::MIN,
            expired_tick: i64::MIN,
            evicted: 0,
            config,
        }
    }

    /// Flows that are open now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True without any open flow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Flows that were ended only because the table was full, since it was made: records with `resources`.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Counts `packet`, and ends what its time and its flags say has ended.
    #[inline]
    pub fn ingest(&mut self, packet: &Packet, at: At, sink: &mut impl Sink) {
        self.advance(at.table, EXPIRED_PER_PACKET, sink);
        let now = self.now;
        let hash = self.hash(&packet.key);
        let (entries, key) = (&self.entries, &packet.key);
        let same = |place: &Place| place.hash == hash && entries[place.entry as usize].is(key);
        let Some(&Place { entry: number, .. }) = self.index.find(Place::wide(hash), same) else {
            return self.insert(hash, packet, at.wall, sink);
        };
        let entry = &mut self.entries[number as usize];
        if let Some(reason) = entry.ended(packet, now, &self.config) {
            sink.take(entry.record(entry.end_reason(reason, now, &self.config)));
            entry.restart(packet, at.wall, now, reason == EndReason::Active);
        }
        entry.count(packet, at.wall, now);
        let class = entry.class();
        if class != entry.placed_in() {
            let from = entry.placed_in();
            self.wheels[from as usize].remove(&mut self.entries, number);
            self.wheels[class as usize].place(&mut self.entries, number);
        }
    }

    /// Moves the table's time to `table` and ends at most `limit` idle flows; true while there may be more.
    pub fn expire(&mut self, table: i64, limit: usize, sink: &mut impl Sink) -> bool {
        self.advance(table, limit, sink)
    }

    /// Ends every flow, the longest idle first; table time may begin anew then.
    pub fn drain(&mut self, sink: &mut impl Sink) {
        // What has been idle for its timeout needs no order: it goes first, however much there is of it.
        self.expire_ticks(usize::MAX, sink);
        while let Some(number) = self.longest_idle() {
            self.end(number, EndReason::Forced, sink);
        }
        (self.now, self.expired_tick) = (i64::MIN, i64::MIN);
    }

    #[inline]
    fn advance(&mut self, table: i64, limit: usize, sink: &mut impl Sink) -> bool {
        self.now = self.now.max(table);
        self.now >> wheel::TICK_BITS != self.expired_tick && self.expire_ticks(limit, sink)
    }

    #[inline(never)]
    fn expire_ticks(&mut self, limit: usize, sink: &mut impl Sink) -> bool {
        let mut left = limit;
        for class in Class::ALL {
            let Some(until) = self.now.checked_sub(self.config.idle_micros(class)) else { continue };
            while let Some(number) = self.wheels[class as usize].expired(&mut self.entries, until) {
                if left == 0 {
                    return true;
                }
                left -= 1;
                self.end(number, class.end_reason(), sink);
            }
        }
        self.expired_tick = self.now >> wheel::TICK_BITS;
        false
    }

    /// Keyed, so that nobody can choose addresses that collide.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
    fn hash(&self, key: &Key) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    #[inline(never)]
    fn insert(&mut self, hash: u32, packet: &Packet, wall: Timestamp, sink: &mut impl Sink) {
        if self.len() >= self.config.max_flows.get() {
            self.evict(sink);
        }
        let mut entry = Entry::new(packet, wall, self.now);
        entry.count(packet, wall, self.now);
        let class = entry.class();
        let number = self.store(entry);
        self.wheels[class as usize].place(&mut self.entries, number);
        let place = Place { hash, entry: number };
        self.index.insert_unique(Place::wide(hash), place, |place| Place::wide(place.hash));
    }

    /// Puts `entry` where one was freed, else at the end.
    fn store(&mut self, entry: Entry) -> u32 {
        if self.free == NONE {
            self.entries.push(entry);
            return u32::try_from(self.entries.len() - 1).unwrap_or(NONE);
        }
        let number = self.free;
        let slot = &mut self.entries[number as usize];
        self.free = slot.next;
        *slot = entry;
        number
    }

    fn evict(&mut self, sink: &mut impl Sink) {
        if let Some(number) = self.longest_idle() {
            self.end(number, EndReason::Resources, sink);
        }
    }

    /// The flow whose last packet is oldest, to the tick.
    fn longest_idle(&mut self) -> Option<u32> {
        let Self { wheels, entries, .. } = self;
        let oldest = wheels.iter_mut().filter_map(|wheel| wheel.longest_idle(entries));
        oldest.min_by_key(|&(seen, number)| (seen, number)).map(|(_, number)| number)
    }

    fn end(&mut self, number: u32, reason: EndReason, sink: &mut impl Sink) {
        let entry = &self.entries[number as usize];
        let reason = entry.end_reason(reason, self.now, &self.config);
        self.evicted += u64::from(reason == EndReason::Resources);
        sink.take(entry.record(reason));
        let hash = Place::wide(self.hash(entry.key()));
        let wheel = entry.placed_in() as usize;
        if let Ok(place) = self.index.find_entry(hash, |place| place.entry == number) {
            place.remove();
        }
        self.wheels[wheel].remove(&mut self.entries, number);
        self.entries[number as usize].next = self.free;
        self.free = number;
    }
}

#[cfg(test)]
mod tests;
