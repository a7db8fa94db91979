//! The range of time that a ranking is about.

use weir_flow::Timestamp;

use crate::hour::HOUR_MS;
use crate::minute::{MINUTE_MS, minute_of};

const DAY_MS: i64 = 24 * HOUR_MS;

/// Whole minutes; whole hours when it is longer than a day, since an hour of a busy network takes seconds to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    from: i64,
    to: i64,
}

impl Span {
    /// What `from` and `to` are in, rounded outwards.
    pub(crate) fn new(from: Timestamp, to: Timestamp) -> Self {
        let is_long = to.millis().saturating_sub(from.millis()) > DAY_MS;
        Self::of(from, to, if is_long { HOUR_MS } else { MINUTE_MS })
    }

    /// What `from` and `to` are in, rounded outwards to minutes.
    pub(crate) fn minutes_of(from: Timestamp, to: Timestamp) -> Self {
        Self::of(from, to, MINUTE_MS)
    }

    fn of(from: Timestamp, to: Timestamp, unit: i64) -> Self {
        let (from, to) = (from.millis(), to.millis().max(from.millis()));
        let ceil = to.div_euclid(unit) + i64::from(to.rem_euclid(unit) != 0);
        Self { from: from.div_euclid(unit) * unit, to: ceil * unit }
    }

    /// From and to without, in milliseconds since 1970.
    pub(crate) const fn millis(&self) -> (i64, i64) {
        (self.from, self.to)
    }

    /// From and to without, in minutes since 1970.
    pub(crate) const fn minutes(&self) -> (i64, i64) {
        (minute_of(self.from), minute_of(self.to))
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::Span;

    #[test]
    fn a_range_is_rounded_outwards_to_minutes_and_beyond_a_day_to_hours() {
        let span = |from, to| Span::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).millis();
        assert_eq!(span(59_999, 60_001), (0, 120_000));
        assert_eq!(span(60_000, 120_000), (60_000, 120_000));
        assert_eq!(span(60_000, 60_000 + 86_400_000), (60_000, 86_460_000));
        assert_eq!(span(60_000, 60_001 + 86_400_000), (0, 90_000_000));
        assert_eq!(span(-1, -1), (-60_000, 0));
    }

    #[test]
    fn any_two_instants_make_a_range() {
        let ends = [i64::MIN, i64::MIN / 1_000, -1, 0, 1, i64::MAX / 1_000, i64::MAX];
        for (from, to) in ends.into_iter().flat_map(|from| ends.map(|to| (from, to))) {
            let (from, to) = (Timestamp::from_micros(from), Timestamp::from_micros(to));
            let (begin, end) = Span::new(from, to).millis();
            assert!(begin <= end && begin <= from.millis());
        }
    }
}
