//! How quickly a client takes a body that may be gigabytes long.

use std::time::Duration;

use crate::counters::Refusal;

/// Time of waiting for the client after which it is looked at.
const WINDOW: Duration = Duration::from_secs(30);
/// Octets that it must have taken then: 4 KiB a second. Whoever takes less holds a worker for days.
const LEAST: usize = 120 * 1024;

/// What a client took, while it was waited for; the time that the body's writer takes is not the client's.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Duration,
    taken: usize,
}

impl Pace {
    /// How long the next piece may be waited for.
    pub(super) const fn left(&self) -> Duration {
        WINDOW.saturating_sub(self.waited)
    }

    /// Notes that `octets` were taken after a wait.
    pub(super) fn note(&mut self, waited: Duration, octets: usize) -> Result<(), Refusal> {
        self.waited += waited;
        self.taken += octets;
        if self.taken >= LEAST {
            *self = Self::default();
        }
        if self.waited >= WINDOW { Err(Refusal::SlowReader) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LEAST, Pace, WINDOW};

    const SECOND: Duration = Duration::from_secs(1);

    fn seconds(octets_per_second: usize) -> usize {
        let mut pace = Pace::default();
        (1..10_000).find(|_| pace.note(SECOND, octets_per_second).is_err()).unwrap_or(10_000)
    }

    #[test]
    fn a_client_may_be_slow_but_not_slower_than_4_kib_a_second() {
        assert_eq!(seconds(0), 30);
        assert_eq!(seconds(4_000), 30);
        assert_eq!(seconds(4_096), 10_000);
        assert_eq!(seconds(LEAST), 10_000);
    }

    #[test]
    fn who_stops_after_a_quick_start_is_given_up_one_window_later() {
        let mut pace = Pace::default();
        pace.note(SECOND, LEAST).unwrap();
        assert_eq!(pace.left(), WINDOW);
        pace.note(SECOND * 29, LEAST - 1).unwrap();
        assert_eq!(pace.left(), SECOND);
        assert!(pace.note(SECOND, 0).is_err());
    }
}
