//! What `weir zeek` came across, and its summary.

use std::collections::BTreeMap;

use weir_flow::{FlowRecord, Text};
use weir_intake::Reason;
use weir_intake::zeek::Join;

use crate::command::offline::Progress;

/// Logs that are counted by name: more than Zeek has. Stops a file that names a new one in each line.
const MAX_LOGS: usize = 256;

/// What all others are counted as.
const OTHERS: &str = "other logs";

/// Counters of a file, or of all.
#[derive(Default)]
pub(super) struct Seen {
    /// Lines of any kind.
    pub(super) lines: u64,
    pub(super) records: u64,
    packets: u64,
    octets: u64,
    /// By [`Reason`].
    bad: [u64; Reason::ALL.len()],
    logs: BTreeMap<Text, u64>,
    /// The log of the latest records, and how many they are.
    latest: (Option<Text>, u64),
}

impl Seen {
    pub(super) fn record(&mut self, log: Option<&Text>, record: &FlowRecord) {
        self.records += 1;
        self.packets = self.packets.saturating_add(record.packets());
        self.octets = self.octets.saturating_add(record.octets());
        if self.latest.0.as_ref() != log {
            self.settle();
            self.latest.0 = log.cloned();
        }
        self.latest.1 += 1;
    }

    pub(super) fn bad(&mut self, reason: Reason) {
        if let Some(count) = self.bad.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// Counts the latest records where they belong.
    fn settle(&mut self) {
        let (log, count) = std::mem::take(&mut self.latest);
        if count > 0 {
            self.add(log.unwrap_or_else(|| "unnamed".into()), count);
        }
    }

    fn add(&mut self, log: Text, count: u64) {
        let full = self.logs.len() >= MAX_LOGS && !self.logs.contains_key(&log);
        *self.logs.entry(if full { OTHERS.into() } else { log }).or_default() += count;
    }

    /// Adds what was counted in a file.
    pub(super) fn merge(&mut self, mut file: Self) {
        file.settle();
        self.lines += file.lines;
        self.records += file.records;
        self.packets = self.packets.saturating_add(file.packets);
        self.octets = self.octets.saturating_add(file.octets);
        for (sum, count) in self.bad.iter_mut().zip(file.bad) {
            *sum += count;
        }
        for (log, count) in file.logs {
            self.add(log, count);
        }
    }

    /// Writes the summary to standard error; lines that could not be read are noted in `progress`.
    pub(super) fn tell(&self, files: usize, join: &Join, progress: &mut Progress) {
        eprintln!(
            "weir: {} records, {} packets, {} octets from {} lines in {files} file(s)",
            self.records, self.packets, self.octets, self.lines
        );
        for (log, count) in &self.logs {
            eprintln!("weir: log: {count} {}", log.escape_debug());
        }
        if join.dropped() > 0 {
            let (dropped, limit) = (join.dropped(), super::MAX_UIDS);
            eprintln!("weir: names of {dropped} connection(s) were given up, as {limit} are kept at a time");
        }
        let counted = Reason::ALL.into_iter().zip(self.bad).filter(|&(_, count)| count > 0);
        for (reason, count) in counted {
            progress.undecodable(format_args!("undecodable: {count} {}", reason.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::{FlowRecord, Text};

    use super::{MAX_LOGS, Seen};

    #[test]
    fn a_file_that_names_a_log_in_each_line_takes_no_memory() {
        let mut file = Seen::default();
        for number in 0..10_000 {
            let name: Text = number.to_string().into();
            file.record(Some(&name), &FlowRecord::default());
        }
        let mut all = Seen::default();
        all.merge(file);
        assert_eq!(all.logs.len(), MAX_LOGS + 1);
        assert_eq!(all.logs.values().sum::<u64>(), 10_000);
    }
}
