//! Octets and packets of both directions, from the many ways in which they are said.

use super::names::Side;
use super::value::put;

/// What was said of one kind of counter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    both: Option<u64>,
    out: Option<u64>,
    back: Option<u64>,
    back_or_only: Option<u64>,
}

/// Both directions of one kind of counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) forward: u64,
    pub(super) reverse: u64,
    /// Nothing was said.
    pub(super) is_unknown: bool,
    /// A sum that was said and is not that of the directions.
    pub(super) left: Option<u64>,
}

impl Count {
    /// Takes in a value; false when another one was said before.
    pub(super) fn put(&mut self, side: Side, value: u64) -> bool {
        let place = match side {
            Side::Both => &mut self.both,
            Side::Out => &mut self.out,
            Side::In => &mut self.back,
            Side::InOrOnly => &mut self.back_or_only,
        };
        put(place, value, |known| *known == 0)
    }

    /// True when there is a counter of the direction there, or of both.
    pub(super) const fn has_forward(&self) -> bool {
        self.both.is_some() || self.out.is_some()
    }

    /// Both directions. `is_only` when the record has no counters of the direction there, of any kind: old routers count
    /// what left them in the elements that are the other direction's elsewhere, and nothing else.
    pub(super) fn resolve(self, is_only: bool) -> Resolved {
        let (out, back) = match (self.out, self.back.or(self.back_or_only)) {
            (None, None) => return Self::sum(self.both),
            (None, back) if is_only && self.back.is_none() => (back, None),
            pair => pair,
        };
        let (forward, reverse) = match (self.both, out, back) {
            (Some(sum), Some(out), None) => (out, sum.saturating_sub(out)),
            // The sum is the counter once more.
            (Some(sum), None, Some(back)) if sum <= back => (sum, 0),
            (Some(sum), None, Some(back)) => (sum - back, back),
            (_, out, back) => (out.unwrap_or(0), back.unwrap_or(0)),
        };
        let is_told = |sum: &u64| *sum == forward.saturating_add(reverse) || *sum == forward;
        let left = self.both.filter(|sum| !is_told(sum));
        Resolved { forward, reverse, is_unknown: false, left }
    }

    fn sum(sum: Option<u64>) -> Resolved {
        Resolved { forward: sum.unwrap_or(0), is_unknown: sum.is_none(), ..Resolved::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Resolved, Side};

    fn resolved(said: &[(Side, u64)], is_only: bool) -> (u64, u64) {
        let mut count = Count::default();
        assert!(said.iter().all(|&(side, value)| count.put(side, value)));
        let Resolved { forward, reverse, is_unknown, left } = count.resolve(is_only);
        assert_eq!((is_unknown, left), (said.is_empty(), None), "{said:?}");
        (forward, reverse)
    }

    #[test]
    fn one_counter_is_that_of_the_direction_there() {
        assert_eq!(resolved(&[], true), (0, 0));
        assert_eq!(resolved(&[(Side::Both, 5)], false), (5, 0));
        assert_eq!(resolved(&[(Side::Out, 5)], false), (5, 0));
        assert_eq!(resolved(&[(Side::InOrOnly, 5)], true), (5, 0));
        assert_eq!(resolved(&[(Side::InOrOnly, 5)], false), (0, 5));
        assert_eq!(resolved(&[(Side::In, 5)], true), (0, 5));
    }

    #[test]
    fn a_sum_tells_the_direction_that_is_missing() {
        assert_eq!(resolved(&[(Side::Both, 9), (Side::Out, 5)], false), (5, 4));
        assert_eq!(resolved(&[(Side::Both, 9), (Side::In, 5)], false), (4, 5));
        assert_eq!(resolved(&[(Side::Both, 5), (Side::InOrOnly, 5)], false), (5, 0));
        assert_eq!(resolved(&[(Side::Both, 9), (Side::Out, 5), (Side::In, 4)], false), (5, 4));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_told() {
        let mut count = Count::default();
        for (side, value) in [(Side::Both, 100), (Side::Out, 5), (Side::In, 4)] {
            assert!(count.put(side, value));
        }
        assert_eq!(
            count.resolve(false),
            Resolved { forward: 5, reverse: 4, is_unknown: false, left: Some(100) }
        );
        assert!(!count.put(Side::Out, 6), "another value");
        assert!(count.put(Side::Out, 5), "the same value");
    }
}
