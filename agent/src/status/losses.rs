//! Every place that can lose something, with what it lost.

use weir_web::{Loss, LossUnit};

use crate::collect::Fault;
use crate::metrics::{Collecting, Following, Metrics, Point};
use crate::packet::NotIp;

/// Collects lines.
struct Lines(Vec<Loss>);

impl Lines {
    fn add(&mut self, reason: &'static str, place: &str, count: u64, unit: LossUnit) {
        self.0.push(Loss { reason: reason.into(), place: place.to_owned().into(), count, unit });
    }
}

/// All losses since the start, in the order of the data path; places that lost nothing are there too.
pub(super) fn losses(metrics: &Metrics) -> Vec<Loss> {
    let mut lines = Lines(Vec::new());
    for point in &metrics.points {
        captured(&mut lines, point);
    }
    collected(&mut lines, &metrics.collecting);
    followed(&mut lines, &metrics.following);
    for link in &metrics.links {
        lines.add("link_full", link.name, link.records_dropped(), LossUnit::Records);
    }
    let totals = metrics.totals();
    lines.add("record_too_large", "store", totals.refused, LossUnit::Records);
    lines.add("disk_full", "store", totals.lost, LossUnit::Records);
    lines.add("block_damaged", "store", totals.damaged, LossUnit::Records);
    lines.0
}

fn captured(lines: &mut Lines, point: &Point) {
    let reading = point.reading();
    lines.add("kernel_ring_full", point.name(), reading.kernel.drops, LossUnit::Packets);
    lines.add("bad_ring_header", point.name(), reading.damaged, LossUnit::Packets);
    for why in NotIp::ALL.into_iter().filter(|why| why.is_undecodable()) {
        lines.add(why.as_str(), point.name(), reading.counts.not_ip[why as usize], LossUnit::Undecoded);
    }
}

/// Not what sequence numbers miss: that was lost before it came here, in the exporter or on the way, often by design (a
/// router that is too busy to export); it is told beside its exporter in `/v1/sources`.
fn collected(lines: &mut Lines, collecting: &Collecting) {
    for listener in &collecting.listeners {
        let dropped = listener.kernel_drops();
        lines.add("socket_buffer_full", &listener.address.to_string(), dropped, LossUnit::Datagrams);
    }
    if collecting.listeners.is_empty() {
        return;
    }
    let report = collecting.report();
    for fault in Fault::ALL {
        lines.add(fault.as_str(), "collect", report.faults.of(fault), LossUnit::Undecoded);
    }
}

/// A file that was gone counts as one: of what it held often nothing is known. `zeek` in the metrics has the octets that are.
fn followed(lines: &mut Lines, following: &Following) {
    if !following.enabled {
        return;
    }
    let report = following.report();
    lines.add("zeek_file_gone", "zeek", report.gone.files, LossUnit::Files);
    lines.add("zeek_file_damaged", "zeek", report.damaged, LossUnit::Undecoded);
    for (reason, count) in report.bad().iter() {
        lines.add(reason.as_str(), "zeek", count, LossUnit::Undecoded);
    }
}

#[cfg(test)]
mod tests {

    use weir_web::LossUnit;

    use super::losses;
    use crate::clock::Clock;
    use crate::collect::{Fault, Faults, Report};
    use crate::metrics::testing::exporter;
    use crate::metrics::{Collecting, Metrics};

    fn metrics(collecting: Collecting) -> Metrics {
        Metrics::new(Clock.monotonic(), Vec::new(), Vec::new(), collecting.into())
    }

    #[test]
    fn each_listener_and_each_fault_has_its_line_and_missing_sequence_numbers_have_none() {
        let addresses = ["127.0.0.1:2055", "[::1]:6343"].map(|address| address.parse().unwrap());
        let collecting = Collecting::new(addresses);
        collecting.listeners[1].count(0, 9);
        let mut faults = Faults::default();
        faults.add(Fault::NoTemplate, 4);
        let mut missing = exporter([192, 0, 2, 1]);
        missing.lost = 1_000;
        collecting.publish(Report { faults, exporters: vec![missing], ..Report::default() });
        let lines = losses(&metrics(collecting));
        let real: Vec<_> = lines.iter().filter(|loss| loss.count > 0).collect();
        let told = |at: usize| (&*real[at].reason, &*real[at].place, real[at].count, real[at].unit);
        assert_eq!(told(0), ("socket_buffer_full", "[::1]:6343", 9, LossUnit::Datagrams));
        assert_eq!(told(1), ("no_template", "collect", 4, LossUnit::Undecoded));
        assert_eq!(real.len(), 2, "{real:?}");
        assert_eq!(lines.iter().filter(|loss| loss.place == "collect").count(), Fault::ALL.len());
    }

    #[test]
    fn without_listeners_nothing_is_said_of_collection() {
        let lines = losses(&metrics(Collecting::default()));
        assert!(lines.iter().all(|loss| loss.place == "store"), "{lines:?}");
    }
}
