//! The table time of a capture file.

use weir_flow::Timestamp;

use crate::table::At;

/// Frames may be out of order by this much; more is a clock that was set back, or another capture joined on.
const DISORDER_MICROS: i64 = 60_000_000;

/// A longer silence is no longer for the flow table: every timeout has passed. Stops one damaged timestamp, thousands
/// of years ahead, from leaving no time to count on with.
const LONGEST_SILENCE_MICROS: i64 = 2 * 3_600 * 1_000_000;

/// Makes table time, which never runs back, from the timestamps of frames, which may; it begins at 0.
#[derive(Debug, Default)]
pub struct FileClock {
    /// The frame whose time `table` is.
    newest: Option<Timestamp>,
    table: i64,
}

impl FileClock {
    /// The time of a frame.
    #[inline]
    pub fn at(&mut self, wall: Timestamp) -> At {
        let ahead = wall.micros_since(*self.newest.get_or_insert(wall));
        if ahead > 0 {
            self.table = self.table.saturating_add(ahead.min(LONGEST_SILENCE_MICROS));
        }
        if !(-DISORDER_MICROS..=0).contains(&ahead) {
            self.newest = Some(wall);
        }
        At { wall, table: self.table }
    }
}

#[cfg(test)]
mod tests {
    use super::{FileClock, LONGEST_SILENCE_MICROS};
    use weir_flow::Timestamp;

    #[test]
    fn table_time_never_runs_back_and_goes_on_after_a_step() {
        let mut clock = FileClock::default();
        let mut table =
            |seconds: i64| clock.at(Timestamp::from_micros(seconds * 1_000_000)).table / 1_000_000;
        assert_eq!(table(1_000), 0);
        assert_eq!(table(990), 0, "disorder");
        assert_eq!(table(1_001), 1);
        assert_eq!(table(941), 1, "disorder, just");
        assert_eq!(table(1_002), 2);
        assert_eq!(table(941), 2, "another capture");
        assert_eq!(table(943), 4, "its time goes on");
    }

    #[test]
    fn time_goes_on_after_damaged_timestamps() {
        let mut clock = FileClock::default();
        let mut last = 0;
        for micros in [i64::MIN, i64::MAX, 5, i64::MAX, i64::MIN, i64::MAX, 0, 1_000_000] {
            let at = clock.at(Timestamp::from_micros(micros));
            assert_eq!(at.wall.micros(), micros);
            assert!((last..=last + LONGEST_SILENCE_MICROS).contains(&at.table), "{} after {last}", at.table);
            last = at.table;
        }
        assert_eq!(clock.at(Timestamp::from_micros(3_000_000)).table - last, 2_000_000);
    }
}
