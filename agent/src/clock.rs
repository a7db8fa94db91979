//! The only place that reads clocks, and the way from packet time to a time that never jumps.
//!
//! From: the wall clock, which anyone may set, and the monotonic clock. To: `now` arguments everywhere else.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use weir_flow::Timestamp;

/// A change of the wall clock by more than this between two looks is a step, less is drift or slewing (NTP, RFC 5905,
/// slews up to 128 ms; the rest is a busy machine between two reads).
const STEP_MICROS: i64 = 500_000;
/// A packet waits no longer than this between the kernel's time stamp and its reading.
const BACKLOG_MICROS: i64 = 30_000_000;

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Wall time; before 1970 it is negative.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn now(self) -> Timestamp {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => micros(since),
            Err(before) => -micros(before.duration()),
        })
    }

    /// Time that only goes forward; the base of timeouts and rates.
    #[must_use]
    pub fn monotonic(self) -> Instant {
        Instant::now()
    }

    /// Processor time that the calling thread has used; none where the system does not tell.
    #[must_use]
    pub fn thread_cpu(self) -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
    }

    /// False while `now` lies before this version was made: a gateway without a clock chip boots in 1970.
    #[must_use]
    pub fn is_set(now: Timestamp) -> bool {
        now >= weir_store::CLOCK_FLOOR
    }
}

/// Maps the packets' wall time to table time, which runs on when the wall clock is stepped.
///
/// Table time starts as wall time and follows its drift, but not its steps: the sum of all steps is taken off. So no
/// timeout fires because someone set the clock.
#[derive(Clone, Debug)]
pub struct Anchor {
    wall: Timestamp,
    mono: Instant,
    /// Sum of the steps that the wall clock made, µs.
    correction: i64,
    /// The same before the latest step, for packets stamped before it and read after.
    previous: i64,
    steps: u64,
}

impl Anchor {
    /// Starts table time at `wall`, read at the same moment as `mono`.
    #[must_use]
    pub const fn new(wall: Timestamp, mono: Instant) -> Self {
        Self { wall, mono, correction: 0, previous: 0, steps: 0 }
    }

    /// Table time in µs of a packet that the kernel stamped `packet_wall`; `wall_now` and `mono_now` are read together.
    ///
    /// A stamp that fits neither the clock of now nor that of before the latest step is taken for now.
    pub fn table_time(&mut self, packet_wall: Timestamp, wall_now: Timestamp, mono_now: Instant) -> i64 {
        self.observe(wall_now, mono_now);
        let now = wall_now.micros().saturating_sub(self.correction);
        let stamp = packet_wall.micros();
        [self.correction, self.previous]
            .into_iter()
            .map(|correction| stamp.saturating_sub(correction))
            .find(|&time| (-BACKLOG_MICROS..=STEP_MICROS).contains(&time.saturating_sub(now)))
            .unwrap_or(now)
    }

    /// Wall time, as the clock now goes, of a moment in table time.
    #[must_use]
    pub const fn to_wall(&self, table_time: i64) -> Timestamp {
        Timestamp::from_micros(table_time.saturating_add(self.correction))
    }

    /// How often the wall clock was stepped.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Takes a step of the wall clock since the last look into the correction.
    fn observe(&mut self, wall_now: Timestamp, mono_now: Instant) {
        let elapsed = mono_now.saturating_duration_since(self.mono).as_micros();
        let elapsed = i64::try_from(elapsed).unwrap_or(i64::MAX);
        let step = wall_now.micros_since(self.wall).saturating_sub(elapsed);
        if step.saturating_abs() > STEP_MICROS {
            self.previous = self.correction;
            self.correction = self.correction.saturating_add(step);
            self.steps += 1;
        }
        (self.wall, self.mono) = (wall_now, self.mono.max(mono_now));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use weir_flow::Timestamp;

    use super::{Anchor, Clock, STEP_MICROS};

    const SECOND: i64 = 1_000_000;
    const FIFTY_YEARS: i64 = 50 * 365 * 86_400 * SECOND;

    /// A machine whose wall clock can be set.
    struct Machine {
        start: Instant,
        elapsed: i64,
        wall: i64,
    }

    impl Machine {
        fn new(wall: i64) -> Self {
            Self { start: Clock.monotonic(), elapsed: 0, wall }
        }

        fn wait(&mut self, micros: i64) {
            self.elapsed += micros;
            self.wall += micros;
        }

        fn wall(&self) -> Timestamp {
            Timestamp::from_micros(self.wall)
        }

        fn mono(&self) -> Instant {
            self.start + Duration::from_micros(u64::try_from(self.elapsed).unwrap())
        }

        fn anchor(&self) -> Anchor {
            Anchor::new(self.wall(), self.mono())
        }

        /// Table time of a packet stamped `ago` µs before now.
        fn packet(&self, anchor: &mut Anchor, ago: i64) -> i64 {
            anchor.table_time(self.wall().plus_micros(-ago), self.wall(), self.mono())
        }
    }

    #[test]
    fn the_clock_knows_whether_it_was_set() {
        assert!(Clock::is_set(Clock.now()), "this machine's clock is set");
        assert!(!Clock::is_set(Timestamp::from_micros(0)));
        assert!(!Clock::is_set(Timestamp::from_micros(-1)));
        assert_eq!(weir_store::CLOCK_FLOOR.to_string(), "2026-01-01T00:00:00.000Z");
    }

    #[test]
    fn without_steps_table_time_is_wall_time() {
        let mut machine = Machine::new(1_800_000_000 * SECOND);
        let mut anchor = machine.anchor();
        machine.wait(5 * SECOND);
        let time = machine.packet(&mut anchor, 1_000);
        assert_eq!(time, machine.wall - 1_000);
        assert_eq!(anchor.to_wall(time).micros(), machine.wall - 1_000);
        assert_eq!(anchor.steps(), 0);
    }

    #[test]
    fn a_step_of_fifty_years_forward_moves_no_table_time() {
        let mut machine = Machine::new(10 * SECOND);
        let mut anchor = machine.anchor();
        let before = machine.packet(&mut anchor, 0);
        machine.wait(SECOND);
        machine.wall += FIFTY_YEARS;
        let after = machine.packet(&mut anchor, 0);
        assert_eq!(after - before, SECOND);
        assert_eq!(anchor.to_wall(before).micros(), 10 * SECOND + FIFTY_YEARS);
        assert_eq!(anchor.steps(), 1);
    }

    #[test]
    fn a_step_back_moves_no_table_time() {
        let mut machine = Machine::new(1_800_000_000 * SECOND);
        let mut anchor = machine.anchor();
        let before = machine.packet(&mut anchor, 0);
        machine.wait(SECOND);
        machine.wall -= 3_600 * SECOND;
        assert_eq!(machine.packet(&mut anchor, 0) - before, SECOND);
        machine.wait(SECOND);
        assert_eq!(machine.packet(&mut anchor, 0) - before, 2 * SECOND);
        assert_eq!(anchor.steps(), 1);
    }

    #[test]
    fn packets_stamped_before_a_step_and_read_after_keep_their_time() {
        let mut machine = Machine::new(10 * SECOND);
        let mut anchor = machine.anchor();
        let stamped = machine.wall();
        let direct = machine.packet(&mut anchor, 0);
        machine.wait(200_000);
        machine.wall += FIFTY_YEARS;
        assert_eq!(anchor.table_time(stamped, machine.wall(), machine.mono()), direct);
    }

    #[test]
    fn packets_stamped_after_a_step_that_is_not_yet_seen_count_as_now() {
        let mut machine = Machine::new(10 * SECOND);
        let mut anchor = machine.anchor();
        machine.wait(SECOND);
        let ahead = machine.wall().plus_micros(FIFTY_YEARS);
        assert_eq!(anchor.table_time(ahead, machine.wall(), machine.mono()), 11 * SECOND);
    }

    #[test]
    fn drift_is_followed_and_is_never_a_step() {
        let mut machine = Machine::new(1_800_000_000 * SECOND);
        let mut anchor = machine.anchor();
        // 500 ppm, the most that Linux slews, for ten days.
        for _ in 0..86_400 {
            machine.wait(10 * SECOND);
            machine.wall += 5_000;
            let time = machine.packet(&mut anchor, 0);
            assert_eq!(time, machine.wall);
        }
        assert_eq!(anchor.steps(), 0);
    }

    proptest! {
        #[test]
        fn table_time_advances_like_the_monotonic_clock_whatever_is_done_to_the_wall_clock(
            moves in proptest::collection::vec((0..20 * SECOND, -FIFTY_YEARS..FIFTY_YEARS, any::<bool>()), 1..40)
        ) {
            let mut machine = Machine::new(1_800_000_000 * SECOND);
            let mut anchor = machine.anchor();
            let mut last = machine.packet(&mut anchor, 0);
            for (wait, step, stepped) in moves {
                machine.wait(wait);
                let small = step.abs() <= STEP_MICROS;
                if stepped && !small {
                    machine.wall += step;
                }
                let time = machine.packet(&mut anchor, 0);
                prop_assert_eq!(time - last, wait);
                prop_assert_eq!(anchor.to_wall(time), machine.wall());
                last = time;
            }
        }
    }
}
