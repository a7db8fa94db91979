//! What happened in the last minutes: counts, percentiles and the number of distinct things, in fixed memory.
//!
//! From: the workers, as things happen. To: metrics and the dashboard. `second` is always the wall clock's now in seconds,
//! never a time out of a record. When the clock is set back, what was counted under the old time is forgotten.

mod distinct;
mod percentiles;

pub use distinct::Distinct;
pub use percentiles::{Percentiles, Summary};

/// Seconds that a [`Window`] can sum.
pub const WINDOW_SECONDS: i64 = 300;
/// Room beyond [`WINDOW_SECONDS`], so that the oldest step of a series is whole.
const SLOTS: usize = 320;
/// Threads disagree on now by less than this; an older second means that the clock was set back.
const LATE_SECONDS: i64 = 5;

/// The newest place of a ring of `len` places, each for one unit of time.
#[derive(Clone, Debug, Default)]
struct Head(Option<i64>);

impl Head {
    /// The place of unit `at`, once `clear` has emptied all places that stood for an older unit.
    fn place(&mut self, at: i64, len: usize, late: i64, mut clear: impl FnMut(usize)) -> usize {
        let whole = i64::try_from(len).unwrap_or(i64::MAX);
        match self.0 {
            Some(newest) if at <= newest && newest.saturating_sub(at) <= late => {}
            Some(newest) if at > newest && at.saturating_sub(newest) < whole => {
                (newest + 1..=at).for_each(|unit| clear(index(unit, len)));
                self.0 = Some(at);
            }
            _ => {
                (0..len).for_each(clear);
                self.0 = Some(at);
            }
        }
        index(at, len)
    }

    /// True when the ring of `len` places holds unit `at`.
    fn holds(&self, at: i64, len: usize) -> bool {
        let whole = i64::try_from(len).unwrap_or(i64::MAX);
        self.0.is_some_and(|newest| at <= newest && newest.saturating_sub(at) < whole)
    }
}

fn index(unit: i64, len: usize) -> usize {
    let whole = i64::try_from(len).unwrap_or(i64::MAX);
    usize::try_from(unit.rem_euclid(whole)).unwrap_or(0)
}

/// Counts of the last five minutes, second by second.
#[derive(Clone, Debug)]
pub struct Window {
    slots: [u64; SLOTS],
    head: Head,
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    /// Nothing counted.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: [0; SLOTS], head: Head(None) }
    }

    /// Counts `n` at `second`.
    pub fn add(&mut self, second: i64, n: u64) {
        let at = self.head.place(second, SLOTS, LATE_SECONDS, |place| self.slots[place] = 0);
        self.slots[at] = self.slots[at].saturating_add(n);
    }

    fn at(&self, second: i64) -> u64 {
        if self.head.holds(second, SLOTS) { self.slots[index(second, SLOTS)] } else { 0 }
    }

    /// Sum of the `secs` seconds before `end`.
    fn sum_before(&self, end: i64, secs: i64) -> u64 {
        let seconds = (1..=secs).filter_map(|ago| end.checked_sub(ago));
        seconds.fold(0, |sum, second| sum.saturating_add(self.at(second)))
    }

    /// Sum of the `secs` seconds that end with `now_second`, at most [`WINDOW_SECONDS`].
    #[must_use]
    pub fn sum_last(&self, now_second: i64, secs: u32) -> u64 {
        let secs = i64::from(secs).min(WINDOW_SECONDS);
        self.sum_before(now_second.saturating_add(1), secs)
    }

    /// Rates per second over steps of `step` seconds (1 to 20), `points` of them, oldest first, each with the end of its
    /// step in ms. Steps lie on multiples of `step`, and the running one is left out, so that a point never changes.
    pub fn series(&self, now_second: i64, step: u32, points: u32) -> impl Iterator<Item = (i64, f64)> {
        let step = i64::from(step.clamp(1, 20));
        let last = now_second.saturating_sub(now_second.rem_euclid(step));
        (0..i64::from(points)).rev().map(move |ago| {
            let end = last.saturating_sub(ago.saturating_mul(step));
            let sum =
                (1..=step).fold(0, |sum: u64, ago| sum.saturating_add(self.at(end.saturating_sub(ago))));
            #[expect(clippy::cast_precision_loss, reason = "a rate on a chart")]
            (end.saturating_mul(1_000), sum as f64 / step as f64)
        })
    }
}

#[cfg(test)]
mod tests;
