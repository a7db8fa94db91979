//! How far an exporter's clock is from ours.

use weir_flow::Timestamp;

use super::netflow::WrongClock;

/// A clock that is off by more than this is not believed: exporters send within a second of what they write, and the wall
/// clocks of routers with a time server agree within less.
pub const MAX_OFFSET_MICROS: i64 = 10 * 60 * 1_000_000;
/// Datagrams of one exporter differ by the second to which most round; only a change beyond that is one of the clock.
const JITTER_MICROS: i64 = 2_000_000;

/// The latest difference, held still against rounding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offset(Option<i64>);

impl Offset {
    /// Takes the export time of a datagram that came at `received`; answers how wrong the clock is.
    pub(super) fn observe(
        &mut self,
        export: Timestamp,
        received: Option<Timestamp>,
        is_corrected: bool,
    ) -> WrongClock {
        let Some(received) = received else { return WrongClock::default() };
        let ahead = export.micros_since(received);
        let held = self.0.filter(|held| ahead.abs_diff(*held) <= JITTER_MICROS.unsigned_abs());
        let ahead = held.unwrap_or(ahead);
        self.0 = Some(ahead);
        let is_wrong = ahead.saturating_abs() > MAX_OFFSET_MICROS;
        if is_wrong { WrongClock { ahead, received, is_corrected } } else { WrongClock::default() }
    }

    /// Milliseconds that the exporter's clock is ahead.
    pub(super) fn millis(&self) -> Option<i64> {
        self.0.map(|micros| micros.div_euclid(1_000))
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::super::netflow::WrongClock;
    use super::Offset;

    const RECEIVED: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_clock_is_believed_unless_it_is_minutes_off() {
        let mut offset = Offset::default();
        let export = RECEIVED.plus_micros(-599_000_000);
        assert_eq!(offset.observe(export, Some(RECEIVED), true), WrongClock::default());
        assert_eq!(offset.millis(), Some(-599_000));
        let day = 86_400_000_000;
        let wrong = offset.observe(RECEIVED.plus_micros(day), Some(RECEIVED), true);
        assert_eq!(wrong, WrongClock { ahead: day, received: RECEIVED, is_corrected: true });
        assert_eq!(offset.observe(RECEIVED, None, true), WrongClock::default(), "nothing to compare with");
    }

    #[test]
    fn rounding_to_seconds_does_not_move_corrected_times() {
        let mut offset = Offset::default();
        let at = |micros: i64| RECEIVED.plus_micros(micros);
        let first = offset.observe(Timestamp::from_millis(5_000), Some(at(0)), true);
        assert_eq!(offset.observe(Timestamp::from_millis(5_000), Some(at(900_000)), true).ahead, first.ahead);
        assert_ne!(offset.observe(Timestamp::from_millis(9_000), Some(at(0)), true).ahead, first.ahead);
    }
}
