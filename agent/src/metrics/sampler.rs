//! Once a second: from sums to windows.

use std::time::Instant;

use weir_flow::Timestamp;

use super::{Metrics, Point, Totals, held};
use crate::process::Usage;
use crate::window::Window;

/// What happened in each of the last seconds.
#[derive(Default)]
pub struct Windows {
    /// Records stored.
    pub events: Window,
    /// Batches stored.
    pub batches: Window,
    /// Octets that observation points read.
    pub octets: Window,
    /// Records that an indicator matched.
    pub threats: Window,
    /// Sum of scores.
    pub risk_sum: Window,
    /// Records with a score.
    pub risk_count: Window,
    /// Packets, datagrams and records lost.
    pub losses: Window,
    /// Processor time and memory of the process.
    pub usage: Option<Usage>,
    /// Per cent of one core over the last second.
    pub cpu_percent: f64,
}

/// Remembers the sums of the second before.
#[derive(Default)]
pub struct Sampler {
    totals: Totals,
    octets: u64,
    losses: u64,
}

impl Sampler {
    /// Adds to the windows of `metrics` what was counted since the last call.
    pub fn sample(&mut self, metrics: &Metrics, wall: Timestamp, mono: Instant) {
        metrics.collecting.sample(mono);
        let (totals, octets, losses) = (metrics.totals(), octets(metrics), losses(metrics));
        let second = wall.seconds();
        let mut windows = held(&metrics.windows);
        let before = &self.totals;
        windows.events.add(second, totals.rows - before.rows);
        windows.batches.add(second, totals.batches - before.batches);
        windows.threats.add(second, totals.threat_matches - before.threat_matches);
        windows.risk_sum.add(second, totals.risk_sum - before.risk_sum);
        windows.risk_count.add(second, totals.risk_count - before.risk_count);
        windows.octets.add(second, octets - self.octets);
        windows.losses.add(second, losses - self.losses);
        if let Ok(usage) = Usage::read(mono) {
            windows.cpu_percent =
                windows.usage.as_ref().map_or(0.0, |earlier| usage.cpu_percent_since(earlier));
            windows.usage = Some(usage);
        }
        drop(windows);
        (self.totals, self.octets, self.losses) = (totals, octets, losses);
    }
}

fn octets(metrics: &Metrics) -> u64 {
    metrics.points.iter().map(|point| point.reading().counts.octets).sum()
}

/// Everything that was lost since the start, packets, datagrams and records together.
fn losses(metrics: &Metrics) -> u64 {
    let point = |point: &Point| point.kernel().drops + point.reading().damaged;
    let kernel: u64 = metrics.points.iter().map(|at| point(at)).sum();
    let links: u64 = metrics.links.iter().map(|link| link.records_dropped()).sum();
    let totals = metrics.totals();
    kernel + metrics.collecting.kernel_drops() + links + totals.refused + totals.lost
}

#[cfg(test)]
mod tests {

    use weir_flow::Timestamp;

    use super::Sampler;
    use crate::clock::Clock;
    use crate::collect::Report;
    use crate::metrics::testing::exporter;
    use crate::metrics::{Collecting, Metrics, held};

    #[test]
    fn datagrams_that_a_full_socket_dropped_are_losses_and_missing_sequence_numbers_are_not() {
        let collecting = Collecting::new(["127.0.0.1:2055".parse().unwrap()]);
        let metrics = Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), collecting.into());
        let mut router = exporter([192, 0, 2, 1]);
        (router.datagrams, router.lost) = (5, 1_000);
        metrics.collecting.publish(Report { exporters: vec![router], ..Report::default() });
        let (mut sampler, wall, mono) =
            (Sampler::default(), Timestamp::from_millis(60_000), Clock.monotonic());
        sampler.sample(&metrics, wall, mono);
        metrics.collecting.listeners[0].count(0, 7);
        sampler.sample(&metrics, wall.plus_micros(1_000_000), mono);
        assert_eq!(held(&metrics.windows).losses.sum_last(61, 60), 7);
        let lately = metrics.collecting.recently([192, 0, 2, 1].into(), None, mono).unwrap();
        assert_eq!(lately.datagrams, 5, "each sample remembers the exporters too");
    }
}
