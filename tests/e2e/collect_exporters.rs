//! Real exporters: what they say they sent is what the ring holds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use weir_tests::collecting::{self, Collecting, assert_decoded, assert_in_sequence};
use weir_tests::exporters::{self, Nfcapd, Totals};
use weir_tests::meter::number;
use weir_tests::relay::{Passed, Relay, Tenth};
use weir_tests::{office, ring, traffic};

/// Milliseconds that a record may lie outside the capture's times: exporters round them.
const TOLERANCE_MS: u64 = 2_000;
/// An exporter reads its file and ends within this time.
const LIMIT: Duration = Duration::from_secs(60);
const LOCALHOST: &str = "127.0.0.1";

/// A capture of this minute on disk.
pub(crate) struct Input {
    pub(crate) file: PathBuf,
    times: [u64; 2],
    _folder: tempfile::TempDir,
}

impl Input {
    fn new(capture: Vec<u8>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("seen.pcap");
        let (capture, times) = exporters::recent(capture);
        std::fs::write(&file, capture).expect("room in the temporary folder");
        Self { file, times, _folder: folder }
    }

    /// The office that Weir ships.
    fn office() -> Self {
        Self::new(office::capture().bytes())
    }

    /// Checks that the flow of `record`, of these milliseconds since 1970, lies in the capture.
    pub(crate) fn assert_holds(&self, [start, end]: [u64; 2], record: &Value) {
        assert!(start <= end, "{record}");
        let times = self.times;
        assert!(start + TOLERANCE_MS >= times[0], "before the capture of {times:?}: {record}");
        assert!(end <= times[1] + TOLERANCE_MS, "after the capture of {times:?}: {record}");
    }

    /// Enough flows for more than a hundred datagrams of each version.
    pub(crate) fn mixed() -> Self {
        Self::new(traffic::mixed(17, 24_000, 3_000, 60).capture.bytes())
    }
}

/// What came of an export.
pub(crate) struct Collected {
    /// What the agent said of the exporter at its end.
    pub(crate) source: Value,
    /// Rows of its ring.
    pub(crate) records: Vec<Value>,
    /// What the network did.
    pub(crate) passed: Passed,
    /// What nfcapd got of the same, before the network.
    pub(crate) witness: Totals,
}

impl Collected {
    /// Sums over the records.
    pub(crate) fn totals(&self) -> Totals {
        let sum = |field| self.records.iter().map(|record| number(record, field)).sum();
        Totals { records: self.records.len() as u64, packets: sum("packets"), octets: sum("bytes") }
    }

    /// Checks that each record says where it came from, and when its flow was.
    fn assert_origin(&self, name: &str, input: &Input) {
        assert_eq!(self.source["versions"], serde_json::json!([name]), "{:#}", self.source);
        for record in &self.records {
            assert_eq!(
                (&record["source"], &record["exporter"]),
                (&name.into(), &LOCALHOST.into()),
                "{record}"
            );
            let moved = record["extra"]["exporter_clock_offset_s"].as_i64().unwrap_or(0) * 1_000;
            let told = |field| number(record, field).checked_add_signed(moved).expect("after 1970");
            input.assert_holds(["ts_ms", "end_ms"].map(told), record);
        }
    }

    /// Checks that everything arrived, and that nothing is said to have gone missing.
    fn assert_whole(&self) {
        assert_decoded(&self.source);
        assert_in_sequence(&self.source);
        assert_eq!(number(&self.source, "records"), self.records.len() as u64);
        assert_eq!(number(&self.source, "datagrams"), self.passed.came);
    }
}

/// Lets `export` send to a fresh agent over a network that treats each tenth datagram as said.
pub(crate) fn collect(tenth: Tenth, export: impl FnOnce(SocketAddr)) -> Collected {
    let mut collecting = Collecting::start("");
    let nfcapd = Nfcapd::start();
    let relay = Relay::start(Some(collecting.port), Some(nfcapd.port), tenth);
    export(relay.port);
    let passed = relay.settled(LIMIT);
    let source = collecting.heard(LOCALHOST, passed.delivered);
    let dropped = collecting::queue(collecting.port).expect("it listens").dropped;
    assert_eq!(dropped, 0, "the kernel had no room for what came");
    collecting.agent.stop();
    let records = ring::records(&collecting.agent.data_dir);
    Collected { source, records, passed, witness: nfcapd.totals() }
}

/// An export by softflowd over such a network: what softflowd says of it, and what came of it; `None` without it.
pub(crate) fn exported(input: &Input, arguments: &str, tenth: Tenth) -> Option<(Totals, Collected)> {
    let mut said = Totals::default();
    exporters::are_installed(&["softflowd", "nfcapd", "nfdump"]).then(|| {
        let collected = collect(tenth, |to| said = exporters::softflowd(&input.file, to, arguments));
        (said, collected)
    })
}

/// An export by softflowd over a good network: the ring holds what softflowd says.
fn softflowd(arguments: &str, name: &str) {
    for input in [Input::office(), Input::mixed()] {
        let Some((said, collected)) = exported(&input, arguments, Tenth::Passes) else { return };
        assert!(said.records > 100, "an export of {said:?} says nothing");
        collected.assert_whole();
        assert_eq!(collected.totals(), said);
        collected.assert_origin(name, &input);
    }
}

/// Exports of the office that say nothing of themselves: the ring holds what nfcapd has.
fn as_nfcapd_has_it(name: &str, programs: &[&str], export: impl FnOnce(&Path, SocketAddr)) {
    if !exporters::are_installed(&[programs, &["nfcapd", "nfdump"]].concat()) {
        return;
    }
    let input = Input::office();
    let collected = collect(Tenth::Passes, |to| export(&input.file, to));
    assert!(collected.witness.records > 100, "an export of {:?} says nothing", collected.witness);
    collected.assert_whole();
    assert_eq!(collected.totals(), collected.witness);
    collected.assert_origin(name, &input);
}

fn nfprobe(version: u8, name: &str) {
    as_nfcapd_has_it(name, &["pmacctd"], |file, to| exporters::nfprobe(file, to, version));
}

/// Flows that nfpcapd makes of the capture, sent by nfreplay.
fn nfreplay(version: u8, name: &str) {
    as_nfcapd_has_it(name, &["nfpcapd", "nfreplay"], |file, to| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        exporters::nfreplay(&exporters::nfpcapd(file, folder.path()), to, version);
    });
}

#[test]
fn what_softflowd_says_it_exports_is_what_nfcapd_collects() {
    if !exporters::are_installed(&["softflowd", "nfcapd", "nfdump"]) {
        return;
    }
    for input in [Input::office(), Input::mixed()] {
        for arguments in ["-v 5", "-v 9 -6", "-v 10 -6"] {
            let nfcapd = Nfcapd::start();
            let relay = Relay::start(None, Some(nfcapd.port), Tenth::Passes);
            let said = exporters::softflowd(&input.file, relay.port, arguments);
            let _ = relay.settled(LIMIT);
            assert_eq!(nfcapd.totals(), said, "{arguments}");
        }
    }
}

#[test]
fn netflow_v5_of_softflowd_arrives_whole() {
    softflowd("-v 5", "netflow5");
}

#[test]
fn netflow_v9_of_softflowd_arrives_whole() {
    softflowd("-v 9 -6", "netflow9");
}

#[test]
fn ipfix_of_softflowd_arrives_whole_and_without_a_false_gap() {
    softflowd("-v 10 -6", "ipfix");
}

#[test]
fn bidirectional_ipfix_of_softflowd_arrives_whole_and_without_a_false_gap() {
    softflowd("-v 10 -6 -b", "ipfix");
}

#[test]
fn netflow_v5_of_nfprobe_arrives_whole() {
    nfprobe(5, "netflow5");
}

#[test]
fn netflow_v9_of_nfprobe_arrives_whole() {
    nfprobe(9, "netflow9");
}

#[test]
fn ipfix_of_nfprobe_arrives_whole() {
    nfprobe(10, "ipfix");
}

#[test]
fn netflow_v5_of_nfreplay_arrives_whole() {
    nfreplay(5, "netflow5");
}

#[test]
fn netflow_v9_of_nfreplay_arrives_whole() {
    nfreplay(9, "netflow9");
}

#[test]
fn a_protocol_that_is_none_of_ours_is_counted_and_gives_no_record() {
    if !exporters::are_installed(&["nfpcapd"]) {
        return;
    }
    let input = Input::office();
    let mut collecting = Collecting::start("");
    let relay = Relay::start(Some(collecting.port), None, Tenth::Passes);
    exporters::nfpcapd_sends(&input.file, relay.port);
    let passed = relay.settled(LIMIT);
    collecting.agent.wait_for("a count of them", LIMIT, |_| {
        collecting::counted(&collecting.report(), "unknown_version") >= passed.delivered
    });
    assert_eq!(collecting::counted(&collecting.report(), "unknown_version"), passed.delivered);
    collecting.agent.stop();
    assert_eq!(ring::records(&collecting.agent.data_dir), Vec::<Value>::new());
}
