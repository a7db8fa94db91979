//! What `weir collect` came across, and its summary.

use super::Wanted;
use crate::collect::report::SequenceUnit;
use crate::collect::{Report, extent};
use crate::command::offline::Progress;
use crate::packet::NotIp;

/// Samples of sFlow by their format, those that the standard has; then all others.
const SAMPLES: [&str; 5] =
    ["flow_sample", "counters_sample", "flow_sample_expanded", "counters_sample_expanded", "other_sample"];

/// Counters of a run.
#[derive(Default)]
pub(super) struct Seen {
    /// Frames of captures, and bare messages.
    pub(super) looked: u64,
    /// Frames without an IP packet, by [`NotIp`].
    pub(super) not_ip: [u64; NotIp::ALL.len()],
    /// IP packets that are not UDP.
    pub(super) other_packets: u64,
    /// UDP datagrams that are no exports.
    pub(super) other_datagrams: u64,
    /// Datagrams of which fragments are missing.
    incomplete: u64,
    /// By [`SAMPLES`].
    samples: [u64; SAMPLES.len()],
}

impl Seen {
    /// A datagram did not become whole. Without its first fragment nobody knows whether it was an export.
    pub(super) fn lost(&mut self, wanted: Wanted<'_>, port: Option<u16>, payload: &[u8]) {
        if port.is_none_or(|port| wanted.takes(port, payload)) {
            self.incomplete += 1;
        } else {
            self.other_datagrams += 1;
        }
    }

    /// Counts samples, if this is sFlow.
    pub(super) fn samples(&mut self, payload: &[u8]) {
        for format in extent::sflow_samples(payload).into_iter().flatten() {
            let at = match format {
                1..=4 => format as usize - 1,
                _ => SAMPLES.len() - 1,
            };
            if let Some(count) = self.samples.get_mut(at) {
                *count += 1;
            }
        }
    }

    /// Writes the summary to standard error; what could not be decoded is noted in `progress`.
    pub(super) fn tell(&self, report: &Report, records: u64, files: usize, progress: &mut Progress) {
        let options: u64 = report.exporters.iter().map(|exporter| exporter.options).sum();
        let templates: usize = report.exporters.iter().map(|exporter| exporter.templates).sum();
        eprintln!(
            "weir: {} datagrams, {} octets, {records} flow records, {options} options records, {templates} templates \
             from {} exporter(s) in {files} file(s)",
            report.datagrams,
            report.octets,
            report.exporters.len()
        );
        for (name, count) in counted(SAMPLES, self.samples) {
            eprintln!("weir: sFlow: {count} {name}");
        }
        self.tell_others();
        tell_missing(report);
        self.tell_undecodable(report, progress);
    }

    /// What is in a capture beside exports: no fault of it.
    fn tell_others(&self) {
        let others = [("datagrams", self.other_datagrams), ("other_packets", self.other_packets)];
        for (name, count) in others.into_iter().filter(|&(_, count)| count > 0) {
            eprintln!("weir: not an export: {count} {name}");
        }
        for (why, count) in counted(NotIp::ALL, self.not_ip).filter(|(why, _)| !why.is_undecodable()) {
            eprintln!("weir: not IP: {count} {}", why.as_str());
        }
    }

    fn tell_undecodable(&self, report: &Report, progress: &mut Progress) {
        for (why, count) in counted(NotIp::ALL, self.not_ip).filter(|(why, _)| why.is_undecodable()) {
            progress.undecodable(format_args!("undecodable frames: {count} {}", why.as_str()));
        }
        if self.incomplete > 0 {
            progress.undecodable(format_args!("undecodable: {} missing_fragments", self.incomplete));
        }
        for (fault, count) in report.faults.iter() {
            progress.undecodable(format_args!("undecodable: {count} {}", fault.as_str()));
        }
    }
}

/// Names with their counts, those that occurred.
fn counted<T, const N: usize>(names: [T; N], counts: [u64; N]) -> impl Iterator<Item = (T, u64)> {
    names.into_iter().zip(counts).filter(|&(_, count)| count > 0)
}

/// What sequence numbers say is missing: lost before it came into the file, no fault of the file.
fn tell_missing(report: &Report) {
    for (unit, name) in [(SequenceUnit::Records, "records"), (SequenceUnit::Datagrams, "datagrams")] {
        let lossy =
            report.exporters.iter().filter(|exporter| exporter.lost_unit == unit && exporter.lost > 0);
        let (exporters, lost) =
            lossy.fold((0, 0), |(count, lost), exporter| (count + 1, lost + exporter.lost));
        if lost > 0 {
            eprintln!("weir: missing by sequence: {lost} {name} of {exporters} exporter(s)");
        }
    }
    if report.displaced > 0 {
        let (displaced, limit) = (report.displaced, super::MAX_EXPORTERS);
        eprintln!("weir: {displaced} exporter(s) had to make room for others, as more than {limit} sent");
    }
}
