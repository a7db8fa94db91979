//! Percentiles of the last minute from a histogram with logarithmic buckets.

use super::{Head, index};

/// Bits of a value that a bucket keeps, so that it spans at most 1/32 of its values and its middle is off by 1/64.
const SUB_BITS: u32 = 5;
const SUB_BUCKETS: usize = 1 << SUB_BITS;
/// Largest value told apart, 2^36 − 1; as µs, 19 hours.
pub(super) const MAX_VALUE: u64 = (1 << 36) - 1;
pub(super) const BUCKETS: usize = SUB_BUCKETS * 32;
const SLICE_SECONDS: i64 = 10;
/// Six whole slices and the running one: 60 to 70 seconds.
const SLICES: usize = 7;

/// Distribution of values (waiting times in µs, say) over the last minute, to 1.6 %.
#[derive(Clone, Debug)]
pub struct Percentiles {
    slices: Box<[[u32; BUCKETS]]>,
    head: Head,
}

/// Percentiles of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many values there were.
    pub count: u64,
    /// Half are at or below.
    pub p50: u64,
    /// 95 of 100 are at or below.
    pub p95: u64,
    /// 99 of 100 are at or below.
    pub p99: u64,
}

impl Default for Percentiles {
    fn default() -> Self {
        Self::new()
    }
}

impl Percentiles {
    /// No values; 28 KiB.
    #[must_use]
    pub fn new() -> Self {
        Self { slices: vec![[0; BUCKETS]; SLICES].into_boxed_slice(), head: Head(None) }
    }

    /// Notes `value` at `second`; values above 2^36 − 1 count as that.
    pub fn add(&mut self, second: i64, value: u64) {
        let slice = second.div_euclid(SLICE_SECONDS);
        let at = self.head.place(slice, SLICES, 1, |place| self.slices[place].fill(0));
        let count = &mut self.slices[at][bucket(value)];
        *count = count.saturating_add(1);
    }

    /// The last minute's percentiles; `None` when there was no value.
    #[must_use]
    pub fn summary(&self, now_second: i64) -> Option<Summary> {
        let mut total = [0_u64; BUCKETS];
        let now = now_second.div_euclid(SLICE_SECONDS);
        for ago in 0..SLICES {
            let slice = now.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX));
            if self.head.holds(slice, SLICES) {
                let counts = &self.slices[index(slice, SLICES)];
                total.iter_mut().zip(counts).for_each(|(sum, &count)| *sum += u64::from(count));
            }
        }
        let count: u64 = total.iter().sum();
        let at = |percent: u64| rank(&total, (count * percent).div_ceil(100));
        (count > 0).then(|| Summary { count, p50: at(50), p95: at(95), p99: at(99) })
    }
}

/// The value of place `rank`, from 1, in ascending order.
fn rank(counts: &[u64; BUCKETS], rank: u64) -> u64 {
    let mut seen = 0;
    let found = counts.iter().position(|count| {
        seen += count;
        seen >= rank
    });
    found.map_or(MAX_VALUE, middle)
}

/// Below 32 a bucket for each value, above 32 for each power of two.
pub(super) fn bucket(value: u64) -> usize {
    let value = value.min(MAX_VALUE);
    let shift = value.checked_ilog2().unwrap_or(0).saturating_sub(SUB_BITS);
    let within = usize::try_from(value >> shift).unwrap_or(0);
    SUB_BUCKETS * shift as usize + within
}

/// The middle of what falls into `bucket`.
pub(super) fn middle(bucket: usize) -> u64 {
    let shift = (bucket / SUB_BUCKETS).saturating_sub(1);
    let within = bucket - SUB_BUCKETS * shift;
    let low = u64::try_from(within).unwrap_or(0) << shift;
    low + ((1_u64 << shift) >> 1)
}
