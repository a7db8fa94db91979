//! Whether the disk is short of space: free space comes from the agent, the answer goes to the writer.

use crate::ReserveBytes;
use crate::reserve::MAX_RESERVE_BYTES;

/// How the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskState {
    /// There is room: the ring grows up to its budget.
    #[default]
    Normal,
    /// There is not: the ring keeps its size, new rows replace the oldest.
    Short,
}

/// A watch over free space that does not flap.
#[derive(Clone, Copy, Debug)]
pub struct Shortage {
    enter_below: u64,
    leave_from: u64,
    state: DiskState,
}

impl Shortage {
    /// A watch that leaves `reserve` free.
    #[must_use]
    pub const fn new(reserve: ReserveBytes) -> Self {
        let reserve = reserve.value();
        // Back to normal the writer makes its reserve file again, which must not make the disk short at once.
        let quarter = reserve / 4;
        let gap = if quarter > 2 * MAX_RESERVE_BYTES { quarter } else { 2 * MAX_RESERVE_BYTES };
        Self { enter_below: reserve, leave_from: reserve + gap, state: DiskState::Normal }
    }

    /// Takes the free space that the file system offers, and whether a write failed for want of it since.
    pub const fn step(&mut self, free_bytes: u64, write_failed_full: bool) -> DiskState {
        if write_failed_full || free_bytes < self.enter_below {
            self.state = DiskState::Short;
        } else if free_bytes >= self.leave_from {
            self.state = DiskState::Normal;
        }
        self.state
    }

    /// The state after the last step.
    #[must_use]
    pub const fn state(&self) -> DiskState {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::{DiskState, Shortage};
    use crate::ReserveBytes;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_disk_is_short_below_the_reserve_and_until_well_above_it() {
        let mut watch = Shortage::new(ReserveBytes::new(64 * MIB).unwrap());
        assert_eq!(watch.step(64 * MIB, false), DiskState::Normal);
        assert_eq!(watch.step(64 * MIB - 1, false), DiskState::Short);
        assert_eq!(watch.step(79 * MIB, false), DiskState::Short);
        assert_eq!(watch.step(80 * MIB, false), DiskState::Normal);
        assert_eq!(watch.step(65 * MIB, false), DiskState::Normal);
    }

    #[test]
    fn a_failed_write_makes_it_short_whatever_the_free_space_says() {
        let mut watch = Shortage::new(ReserveBytes::new(0).unwrap());
        assert_eq!(watch.step(u64::MAX, true), DiskState::Short);
        assert_eq!(watch.step(8 * MIB, false), DiskState::Short);
        assert_eq!(watch.step(16 * MIB, false), DiskState::Normal);
        assert_eq!(watch.state(), DiskState::Normal);
    }
}
