//! What the agent writes to the device: read from the kernel once a second, for the store's sums and for the page.

use std::time::{Duration, Instant};

use crate::process;

/// Minutes of which the mean for a row is told.
const MINUTES: usize = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// Bytes and rows of the last hour, by the monotonic clock.
pub(super) struct Meter {
    begun: Instant,
    /// What the kernel had counted, and the rows that were stored, at the last look.
    bytes: u64,
    rows: u64,
    minutes: [Minute; MINUTES],
}

#[derive(Clone, Copy, Default)]
struct Minute {
    number: u64,
    bytes: u64,
    rows: u64,
}

impl Meter {
    /// Counts from the start of the process.
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, bytes: 0, rows: 0, minutes: [Minute::default(); MINUTES] }
    }

    /// Bytes written since the last look; none where the kernel does not tell.
    pub(super) fn look(&mut self, now: Instant, rows: u64) -> Option<u64> {
        process::written_bytes().ok().map(|bytes| self.add(now, bytes, rows))
    }

    /// Takes what was written and stored since the start of the process.
    fn add(&mut self, now: Instant, bytes: u64, rows: u64) -> u64 {
        let wrote = bytes.saturating_sub(self.bytes);
        let number = self.minute_of(now);
        let place = usize::try_from(number % MINUTES as u64).unwrap_or_default();
        if let Some(minute) = self.minutes.get_mut(place) {
            if minute.number != number {
                *minute = Minute { number, ..Minute::default() };
            }
            minute.bytes += wrote;
            minute.rows += rows.saturating_sub(self.rows);
        }
        (self.bytes, self.rows) = (bytes, rows);
        wrote
    }

    /// Bytes for each row of the last hour; none while there is no row.
    pub(super) fn per_row(&self, now: Instant) -> Option<f64> {
        let oldest = (self.minute_of(now) + 1).saturating_sub(MINUTES as u64);
        let recent = self.minutes.iter().filter(|minute| minute.number >= oldest);
        let (bytes, rows) =
            recent.fold((0, 0), |(bytes, rows), minute| (bytes + minute.bytes, rows + minute.rows));
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let ratio = || bytes as f64 / rows as f64;
        (rows > 0).then(ratio)
    }

    fn minute_of(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / MINUTE.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Meter;
    use crate::clock::Clock;

    #[test]
    fn the_mean_for_a_row_is_that_of_the_last_hour() {
        let start = Clock.monotonic();
        let after = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let mut meter = Meter::new(start);
        assert_eq!(meter.per_row(start), None);
        assert_eq!(meter.add(start, 50_000, 0), 50_000);
        assert_eq!(meter.per_row(start), None, "no row was stored yet");
        assert_eq!(meter.add(after(1), 60_000, 1_000), 10_000);
        assert_eq!(meter.per_row(after(1)), Some(60.0));
        assert_eq!(meter.add(after(30), 90_000, 2_000), 30_000);
        assert_eq!(meter.per_row(after(59)), Some(45.0));
        assert_eq!(meter.per_row(after(60)), Some(20.0), "the first minute is over an hour ago");
        assert_eq!(meter.per_row(after(90)), None);
        meter.add(after(150), 90_500, 2_100);
        assert_eq!(meter.per_row(after(150)), Some(5.0), "a place is used again");
    }
}
