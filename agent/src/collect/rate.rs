//! Records a second of one exporter, over the last minute.

/// Steps that a minute has.
const STEPS: usize = 12;
/// Calls of [`Rate::tick`], one a second, that make a step.
const TICKS: u8 = 5;

/// Counts of the last steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    steps: [u64; STEPS],
    at: usize,
    /// Steps that were filled, up to [`STEPS`].
    filled: usize,
    current: u64,
    ticks: u8,
}

impl Rate {
    pub(super) const fn add(&mut self, records: u64) {
        self.current += records;
    }

    /// To be called once a second.
    pub(super) fn tick(&mut self) {
        self.ticks += 1;
        if self.ticks < TICKS {
            return;
        }
        self.steps[self.at] = self.current;
        self.at = (self.at + 1) % STEPS;
        self.filled = (self.filled + 1).min(STEPS);
        (self.current, self.ticks) = (0, 0);
    }

    /// Records a second.
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    pub(super) fn per_second(&self) -> f64 {
        let seconds = self.filled * usize::from(TICKS) + usize::from(self.ticks);
        let records = self.steps.iter().sum::<u64>() + self.current;
        if seconds == 0 { records as f64 } else { records as f64 / seconds as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn a_steady_stream_has_its_rate_and_a_silent_one_none() {
        let mut rate = Rate::default();
        for second in 1..=200 {
            rate.add(7);
            rate.tick();
            assert!((rate.per_second() - 7.0).abs() < 1.0, "{second}: {}", rate.per_second());
        }
        (0..65).for_each(|_| rate.tick());
        assert_eq!(rate.per_second(), 0.0);
    }
}
