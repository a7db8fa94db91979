use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::percentiles::{BUCKETS, MAX_VALUE, bucket, middle};
use super::{Distinct, LATE_SECONDS, Percentiles, Summary, Window};

const NOW: i64 = 1_800_000_000;

#[test]
fn sums_slide_by_the_second() {
    let mut window = Window::new();
    (0..600).for_each(|second| window.add(NOW + second, 10));
    let last = NOW + 599;
    assert_eq!(window.sum_last(last, 1), 10);
    assert_eq!(window.sum_last(last, 60), 600);
    assert_eq!(window.sum_last(last, 300), 3_000);
    assert_eq!(window.sum_last(last, 1_000), 3_000);
    assert_eq!(window.sum_last(last + 30, 60), 300);
    assert_eq!(window.sum_last(last + 60, 60), 0);
    assert_eq!(window.sum_last(last + 5_000, 300), 0);
}

#[test]
fn a_series_has_whole_steps_that_do_not_change() {
    let mut window = Window::new();
    (0..400).for_each(|second| window.add(NOW + second, 3));
    let now = NOW + 399;
    let points: Vec<_> = window.series(now, 5, 60).collect();
    assert_eq!(points.len(), 60);
    assert!(points.iter().all(|&(_, rate)| (rate - 3.0).abs() < 1e-9), "{points:?}");
    assert_eq!(points[59].0, (NOW + 395) * 1_000);
    assert!(points.windows(2).all(|pair| pair[1].0 - pair[0].0 == 5_000));
    window.add(now + 1, 1_000);
    let next: Vec<_> = window.series(now + 1, 5, 60).collect();
    assert_eq!(next[..59], points[1..]);
}

#[test]
fn a_series_before_anything_was_counted_is_zero() {
    assert!(Window::new().series(NOW, 5, 60).all(|(_, rate)| rate == 0.0));
}

#[test]
fn a_clock_that_is_set_counts_on() {
    let mut window = Window::new();
    window.add(10, 7);
    window.add(NOW, 5);
    assert_eq!(window.sum_last(NOW, 300), 5);
    window.add(NOW - 3_600, 2);
    assert_eq!(window.sum_last(NOW - 3_600, 300), 2);
    window.add(NOW - 3_599, 1);
    assert_eq!(window.sum_last(NOW - 3_599, 300), 3);
    assert_eq!(window.sum_last(NOW, 300), 0);
    for extreme in [i64::MIN, i64::MAX - 1, i64::MIN + 1, 0, i64::MAX - 9] {
        window.add(extreme, 1);
        assert_eq!(window.sum_last(extreme, 300), 1);
        assert_eq!(window.series(extreme, 5, 60).count(), 60);
    }
}

#[test]
fn a_thread_that_is_a_little_late_is_counted_in_its_second() {
    let mut window = Window::new();
    window.add(NOW, 1);
    window.add(NOW - 2, 4);
    assert_eq!(window.sum_last(NOW, 60), 5);
    assert_eq!(window.sum_last(NOW - 2, 1), 4);
}

proptest! {
    /// Against a plain map, while time goes forward with a little disorder.
    #[test]
    fn a_window_agrees_with_a_plain_map(
        adds in proptest::collection::vec((0..40_i64, 0..LATE_SECONDS, 0..1_000_u64), 1..200),
        secs in 1..=300_u32,
    ) {
        let mut window = Window::new();
        let mut map = BTreeMap::<i64, u64>::new();
        let mut now = NOW;
        for (forward, late, n) in adds {
            now += forward;
            window.add(now, 0);
            window.add(now - late, n);
            *map.entry(now - late).or_default() += n;
            let expected: u64 = map.range(now - i64::from(secs) + 1..=now).map(|(_, n)| n).sum();
            prop_assert_eq!(window.sum_last(now, secs), expected);
        }
    }

    #[test]
    fn a_bucket_stands_for_its_values_within_two_percent(value in 0..=MAX_VALUE) {
        let shown = middle(bucket(value));
        #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
        let error = shown.abs_diff(value) as f64 / value.max(1) as f64;
        prop_assert!(error <= 1.0 / 64.0, "{value} is shown as {shown}");
    }

    #[test]
    fn percentiles_are_within_two_percent_of_the_exact_ones(
        mut values in proptest::collection::vec(0..10_000_000_u64, 1..500)
    ) {
        let mut percentiles = Percentiles::new();
        values.iter().for_each(|&value| percentiles.add(NOW, value));
        values.sort_unstable();
        let Summary { count, p50, p95, p99 } = percentiles.summary(NOW).unwrap();
        prop_assert_eq!(count, u64::try_from(values.len()).unwrap());
        for (percent, shown) in [(50, p50), (95, p95), (99, p99)] {
            let exact = values[(values.len() * percent).div_ceil(100) - 1];
            prop_assert!(shown.abs_diff(exact) * 50 <= exact, "p{percent}: {exact} shown as {shown}");
        }
    }
}

#[test]
fn buckets_are_in_order_and_end_with_the_largest_value() {
    assert_eq!(bucket(0), 0);
    assert_eq!(bucket(MAX_VALUE), BUCKETS - 1);
    assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    assert!((1..BUCKETS).all(|at| middle(at - 1) < middle(at) && bucket(middle(at)) == at));
}

#[test]
fn percentiles_forget_after_a_minute() {
    let mut percentiles = Percentiles::new();
    assert_eq!(percentiles.summary(NOW), None);
    (0..100).for_each(|_| percentiles.add(NOW, 1_000_000));
    (0..100).for_each(|_| percentiles.add(NOW + 30, 10));
    assert_eq!(percentiles.summary(NOW + 30).unwrap().count, 200);
    let later = percentiles.summary(NOW + 75).unwrap();
    assert_eq!((later.count, later.p99), (100, 10));
    assert_eq!(percentiles.summary(NOW + 200), None);
    percentiles.add(NOW - 86_400, 5);
    assert_eq!(percentiles.summary(NOW - 86_400), Some(Summary { count: 1, p50: 5, p95: 5, p99: 5 }));
}

/// The default hash with a fixed key, so that a run can be repeated; the items carry a seed instead.
type Fixed = BuildHasherDefault<DefaultHasher>;

#[test]
fn distinct_is_exact_for_few_and_close_for_many() {
    let mut worst: f64 = 0.0;
    for seed in 0..8_u32 {
        let mut distinct = Distinct::with_hasher(Fixed::default());
        assert_eq!(distinct.estimate(), 0);
        let mut added = 0_u32;
        for size in [1_u32, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000] {
            while added < size {
                let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + added));
                distinct.insert(&(seed, address));
                distinct.insert(&(seed, address));
                added += 1;
            }
            let estimate = distinct.estimate();
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let error = (estimate as f64 - f64::from(size)).abs() / f64::from(size);
            // Four standard errors; a fair hash exceeds them once in 15,000.
            assert!(error <= 0.065, "seed {seed}: {size} estimated as {estimate}");
            if size <= 10 {
                assert!(estimate.abs_diff(u64::from(size)) <= 1, "seed {seed}: {size} as {estimate}");
            }
            worst = worst.max(error);
        }
        distinct.clear();
        assert_eq!(distinct.estimate(), 0);
    }
    assert!(worst > 0.0, "an estimate that is never off is no estimate");
}

#[test]
fn distinct_has_no_bias() {
    for size in [2_000_u32, 8_000, 12_000, 16_000] {
        let mut sum = 0.0;
        for seed in 100..130_u32 {
            let mut distinct = Distinct::with_hasher(Fixed::default());
            (0..size).for_each(|n| distinct.insert(&(seed, IpAddr::V6(Ipv6Addr::from(u128::from(n) << 64)))));
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let estimate = distinct.estimate() as f64;
            sum += estimate / f64::from(size) - 1.0;
        }
        let mean: f64 = sum / 30.0;
        assert!(mean.abs() < 0.01, "{size}: {mean}");
    }
}

#[test]
fn two_counters_have_different_keys() {
    let (mut one, mut other) = (Distinct::default(), Distinct::default());
    (0..1_000_u32).for_each(|n| {
        one.insert(&n);
        other.insert(&n);
    });
    assert_ne!(one.registers, other.registers);
}
