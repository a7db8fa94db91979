//! How long to rest after a slice of work, so that its share of a core is not exceeded.

use std::time::{Duration, Instant};

use crate::clock::Clock;

use super::config::CpuPercent;

/// When a slice began.
pub(super) struct Budget {
    percent: CpuPercent,
    clock: Clock,
    began: Instant,
    used: Duration,
}

impl Budget {
    /// Begins the first slice.
    pub(super) fn new(percent: CpuPercent, clock: Clock) -> Self {
        Self { percent, clock, began: clock.monotonic(), used: clock.thread_cpu() }
    }

    /// How long to rest now that a slice has ended. The work and the rest before it count together: what this thread waited
    /// for others is no work of its own.
    pub(super) fn rest(&self) -> Duration {
        let worked = self.clock.thread_cpu().saturating_sub(self.used);
        let passed = self.clock.monotonic().saturating_duration_since(self.began);
        rest(self.percent, worked, passed)
    }

    /// Begins the next slice.
    pub(super) fn begin(&mut self) {
        (self.began, self.used) = (self.clock.monotonic(), self.clock.thread_cpu());
    }
}

/// What is left of the time in which `worked` is `percent` of a core, `passed` of it being gone.
fn rest(percent: CpuPercent, worked: Duration, passed: Duration) -> Duration {
    (worked * 100 / percent.value().max(1)).saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CpuPercent, rest};

    #[test]
    fn the_rest_makes_the_work_its_share_of_the_time() {
        let ms = Duration::from_millis;
        let percent = |value: u32| CpuPercent::try_from(value).unwrap();
        assert_eq!(rest(percent(5), ms(50), ms(50)), ms(950));
        assert_eq!(rest(percent(5), ms(50), ms(400)), ms(600), "a busy machine has waited already");
        assert_eq!(rest(percent(100), ms(50), ms(50)), Duration::ZERO);
        assert_eq!(rest(percent(1), ms(50), ms(50)), ms(4_950));
        assert_eq!(rest(percent(50), ms(10), ms(100)), Duration::ZERO);
        for wrong in [0, 101, u32::MAX] {
            assert!(CpuPercent::try_from(wrong).is_err(), "{wrong}");
        }
    }
}
