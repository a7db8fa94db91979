//! What sequence numbers say: missing, late, begun again.

/// A jump forward by more is a sequence that began elsewhere. An hour without a path at 250 datagrams a second fits;
/// stops one forged datagram from claiming four billion lost.
const MAX_GAP: u32 = 1_000_000;
/// A datagram made this long before the latest one is not late: its agent began again. Milliseconds.
const MAX_LATE_MILLIS: i32 = 10_000;
/// Flow samples may be late by this many: those of a few datagrams.
const MAX_LATE_SAMPLES: u32 = 1_024;

/// The datagrams of one sub-agent (sFlow Version 5 §5, `sample_datagram_v5`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Datagrams {
    latest: Option<Latest>,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    sequence: u32,
    uptime: u32,
    /// Bit n is set when the datagram n before the latest came, or was sent before the first.
    came: u64,
}

/// What the number of one datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first, or the next.
    InOrder,
    /// This many are missing before it.
    Gap(u32),
    /// After a later one; `missed` when it had been counted as missing.
    Late { missed: bool },
    /// The agent began again.
    Restart,
}

impl Datagrams {
    /// Takes the number of a datagram, and the milliseconds since its agent started.
    pub(super) fn step(&mut self, sequence: u32, uptime: u32) -> Step {
        let fresh = Latest { sequence, uptime, came: u64::MAX };
        let Some(latest) = self.latest else {
            self.latest = Some(fresh);
            return Step::InOrder;
        };
        // Both wrap: uptime after 49.7 days.
        let ahead = sequence.wrapping_sub(latest.sequence).cast_signed();
        let younger = latest.uptime.wrapping_sub(uptime).cast_signed();
        // Whatever was made after the latest datagram is not late.
        let backward = ahead < 0 && younger < 0;
        let too_far = ahead > MAX_GAP.cast_signed();
        if younger > MAX_LATE_MILLIS || backward || too_far {
            self.latest = Some(fresh);
            return Step::Restart;
        }
        match u32::try_from(ahead) {
            Ok(ahead @ 1..) => {
                let came = latest.came.checked_shl(ahead).unwrap_or(0) | 1;
                self.latest = Some(Latest { came, ..fresh });
                if ahead == 1 { Step::InOrder } else { Step::Gap(ahead - 1) }
            }
            _ => self.late(latest, ahead.unsigned_abs()),
        }
    }

    fn late(&mut self, latest: Latest, behind: u32) -> Step {
        let Some(bit) = 1_u64.checked_shl(behind) else { return Step::Late { missed: false } };
        self.latest = Some(Latest { came: latest.came | bit, ..latest });
        Step::Late { missed: latest.came & bit == 0 }
    }
}

/// The flow samples of one data source (`flow_sample`): their numbers, and what the sampler dropped.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Samples {
    latest: Option<(u32, u32)>,
}

impl Samples {
    /// Takes the number of a sample and the sampler's count of drops; answers samples missing, and newly dropped.
    pub(super) fn step(&mut self, sequence: u32, drops: u32) -> (u64, u64) {
        let Some((latest, dropped)) = self.latest.replace((sequence, drops)) else { return (0, 0) };
        let (ahead, behind) = (sequence.wrapping_sub(latest), latest.wrapping_sub(sequence));
        match ahead {
            1..=MAX_GAP => {
                let more = drops.wrapping_sub(dropped);
                // A count that goes back began again.
                let more = if more.cast_signed() < 0 { 0 } else { more };
                (u64::from(ahead - 1), u64::from(more))
            }
            _ if behind < MAX_LATE_SAMPLES => {
                self.latest = Some((latest, dropped));
                (0, 0)
            }
            _ => (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Datagrams, MAX_GAP, Samples, Step};

    /// Steps of datagrams 10 milliseconds apart by their numbers.
    fn steps(numbers: &[u32]) -> Vec<Step> {
        let mut datagrams = Datagrams::default();
        numbers.iter().map(|&number| datagrams.step(number, number.wrapping_mul(10))).collect()
    }

    #[test]
    fn gaps_are_counted_and_late_datagrams_fill_them() {
        use Step::{Gap, InOrder, Late};
        assert_eq!(
            steps(&[7, 8, 12, 10, 10, 13]),
            [InOrder, InOrder, Gap(3), Late { missed: true }, Late { missed: false }, InOrder]
        );
    }

    #[test]
    fn what_came_before_the_first_is_not_missing() {
        assert_eq!(
            steps(&[100, 99, 100]),
            [Step::InOrder, Step::Late { missed: false }, Step::Late { missed: false }]
        );
    }

    #[test]
    fn numbers_and_uptime_wrap() {
        let mut datagrams = Datagrams::default();
        datagrams.step(u32::MAX, u32::MAX - 5);
        assert_eq!(datagrams.step(0, 20), Step::InOrder);
        assert_eq!(datagrams.step(2, 30), Step::Gap(1));
        assert_eq!(datagrams.step(1, 25), Step::Late { missed: true });
    }

    #[test]
    fn uptime_going_back_is_a_restart_whatever_the_number() {
        for number in [1, 1_000, 1_001, 5_000] {
            let mut datagrams = Datagrams::default();
            datagrams.step(1_000, 3_600_000);
            assert_eq!(datagrams.step(number, 500), Step::Restart, "{number}");
            assert_eq!(datagrams.step(number + 1, 600), Step::InOrder);
        }
    }

    #[test]
    fn a_number_going_back_while_uptime_goes_on_is_a_restart() {
        let mut datagrams = Datagrams::default();
        datagrams.step(30, 1_000);
        assert_eq!(datagrams.step(1, 2_000), Step::Restart);
    }

    #[test]
    fn a_jump_beyond_any_outage_is_not_counted_as_lost() {
        assert_eq!(steps(&[1, 1 + MAX_GAP]).pop(), Some(Step::Gap(MAX_GAP - 1)));
        let mut datagrams = Datagrams::default();
        datagrams.step(1, 0);
        assert_eq!(datagrams.step(2 + MAX_GAP, 10), Step::Restart);
    }

    #[test]
    fn a_late_datagram_beyond_the_window_is_late_and_nothing_else() {
        let mut datagrams = Datagrams::default();
        datagrams.step(1, 0);
        assert_eq!(datagrams.step(200, 10), Step::Gap(198));
        assert_eq!(datagrams.step(136, 5), Step::Late { missed: false });
        assert_eq!(datagrams.step(137, 5), Step::Late { missed: true });
    }

    #[test]
    fn samples_say_what_is_missing_and_what_their_sampler_dropped() {
        let mut samples = Samples::default();
        let steps = [(5, 100), (6, 100), (9, 103), (8, 101), (10, 0), (1 << 30, 7), (1, 9), (2, 10)];
        let said = steps.map(|(number, drops)| samples.step(number, drops));
        assert_eq!(said, [(0, 0), (0, 0), (2, 3), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1)]);
    }
}
