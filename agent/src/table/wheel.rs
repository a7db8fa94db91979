//! A lazy timer wheel: entries by the tick of their last packet, one wheel for each idle timeout.
//!
//! A packet moves nothing. When a slot comes up, entries that have seen packets since are put where they belong by
//! then; the rest have expired. The same order gives the longest idle flow.

use super::entry::{Class, Entry, NONE};

/// A tick is 2^20 microseconds.
pub(super) const TICK_BITS: u32 = 20;

/// Slots beyond those of the timeout.
const SPARE_SLOTS: u64 = 8;

pub(super) struct Wheel {
    class: Class,
    /// First entry of each slot, a power of two of them; then of those that wait beyond the wheel's reach.
    slots: Vec<u32>,
    /// No entry in the slots is placed at a tick before this one.
    oldest: i64,
    /// No entry beyond the wheel's reach belongs to a tick before this one.
    far_oldest: i64,
    /// Entries in the slots.
    near: usize,
    /// Entries beyond the wheel's reach: after a jump in time, until what is older has gone.
    far: usize,
}

impl Wheel {
    pub(super) fn new(class: Class, timeout_micros: i64) -> Self {
        let ticks = timeout_micros.unsigned_abs() >> TICK_BITS;
        let slots = usize::try_from((ticks + SPARE_SLOTS).next_power_of_two()).unwrap_or(1 << 13);
        Self { class, slots: vec![NONE; slots + 1], oldest: 0, far_oldest: 0, near: 0, far: 0 }
    }

    /// Links entry `number` by the tick of its last packet.
    pub(super) fn place(&mut self, entries: &mut [Entry], number: u32) {
        if self.near + self.far == 0 {
            self.oldest = tick(entries, number);
        }
        self.put(entries, number);
    }

    /// Unlinks entry `number`.
    pub(super) fn remove(&mut self, entries: &mut [Entry], number: u32) {
        let Entry { next, previous, slot, .. } = entries[number as usize];
        if previous == NONE {
            self.slots[usize::from(slot)] = next;
        } else {
            entries[previous as usize].next = next;
        }
        if next != NONE {
            entries[next as usize].previous = previous;
        }
        if usize::from(slot) == self.beyond() {
            self.far -= 1;
        } else {
            self.near -= 1;
        }
    }

    /// An entry whose last packet came at or before `until`; it stays linked.
    pub(super) fn expired(&mut self, entries: &mut [Entry], until: i64) -> Option<u32> {
        let last = until >> TICK_BITS;
        let (seen, number) = self.oldest_until(entries, last, last - 1)?;
        (seen <= until).then_some(number)
    }

    /// The entry whose last packet is oldest, to the tick, and its time.
    pub(super) fn longest_idle(&mut self, entries: &mut [Entry]) -> Option<(i64, u32)> {
        self.oldest_until(entries, i64::MAX, i64::MIN)
    }

    /// The first entry that is where it belongs, in ticks up to `last`; those that are not are moved on.
    ///
    /// Entries from before `enough` need no order among them: after a jump they are taken together.
    fn oldest_until(&mut self, entries: &mut [Entry], last: i64, enough: i64) -> Option<(i64, u32)> {
        while self.near + self.far > 0 {
            if self.near == 0 {
                self.oldest = self.far_oldest.max(enough);
            }
            if self.oldest > last {
                break;
            }
            if self.far > 0 && self.far_oldest <= self.oldest {
                self.gather(entries);
            }
            let number = self.slots[self.slot(self.oldest)];
            if number == NONE {
                self.oldest += 1;
                continue;
            }
            if tick(entries, number) <= self.oldest {
                return Some((entries[number as usize].seen, number));
            }
            self.remove(entries, number);
            self.place(entries, number);
        }
        None
    }

    /// Puts entries from beyond the wheel's reach into the slots, those that are within it by now.
    fn gather(&mut self, entries: &mut [Entry]) {
        let beyond = self.beyond();
        let mut number = std::mem::replace(&mut self.slots[beyond], NONE);
        self.far = 0;
        while number != NONE {
            let next = entries[number as usize].next;
            self.put(entries, number);
            number = next;
        }
    }

    fn put(&mut self, entries: &mut [Entry], number: u32) {
        let tick = tick(entries, number).max(self.oldest);
        let within = usize::try_from(tick - self.oldest).is_ok_and(|ahead| ahead < self.beyond());
        let slot = if within {
            self.near += 1;
            self.slot(tick)
        } else {
            self.far_oldest = if self.far == 0 { tick } else { self.far_oldest.min(tick) };
            self.far += 1;
            self.beyond()
        };
        self.link(entries, number, slot);
    }

    /// The slot of those beyond the wheel's reach; also the number of the others.
    fn beyond(&self) -> usize {
        self.slots.len() - 1
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the low bits are what is wanted"
    )]
    fn slot(&self, tick: i64) -> usize {
        tick as usize & (self.beyond() - 1)
    }

    fn link(&mut self, entries: &mut [Entry], number: u32, slot: usize) {
        let head = std::mem::replace(&mut self.slots[slot], number);
        let entry = &mut entries[number as usize];
        (entry.next, entry.previous, entry.slot) = (head, NONE, u16::try_from(slot).unwrap_or(0));
        entry.set_placed_in(self.class);
        if head != NONE {
            entries[head as usize].previous = number;
        }
    }
}

fn tick(entries: &[Entry], number: u32) -> i64 {
    entries[number as usize].seen >> TICK_BITS
}
