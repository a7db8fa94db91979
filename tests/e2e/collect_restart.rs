//! A restart in the middle of a stream: templates are remembered, and data that comes before its template waits for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use weir_tests::collecting::{self, Collecting, assert_decoded, assert_in_sequence, counted};
use weir_tests::exporters;
use weir_tests::exports::Version;
use weir_tests::meter::number;
use weir_tests::player::{FLOWS, Player};
use weir_tests::relay::{Relay, Tenth};
use weir_tests::ring;

use crate::collect_exporters::Input;

const LOCALHOST: &str = "127.0.0.1";
/// Data datagrams of each half of a stream.
const DATAGRAMS: u32 = 12;
const HALF: u64 = (DATAGRAMS * FLOWS) as u64;
const LIMIT: Duration = Duration::from_secs(60);

fn exporter(version: Version, to: SocketAddr) -> Player {
    Player::new(version, Ipv4Addr::LOCALHOST.into(), to)
}

/// Waits until the records of the exporter are `count`.
fn records(collecting: &Collecting, count: u64) {
    collecting.agent.wait_for(&format!("{count} records"), LIMIT, |_| {
        collecting.source(LOCALHOST)["records"].as_u64() == Some(count)
    });
}

/// Checks that the ring in `data_dir` holds each of `count` flows once.
fn assert_each_once(data_dir: &Path, count: u64) {
    let mut addresses: Vec<String> =
        ring::records(data_dir).iter().map(|record| record["src_ip"].to_string()).collect();
    assert_eq!(addresses.len() as u64, count, "rows");
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len() as u64, count, "different flows");
}

fn stop(collecting: &mut Collecting, signal: Signal) {
    collecting.agent.signal(signal);
    let status = collecting.agent.wait();
    assert_eq!(status.success(), signal == Signal::SIGTERM, "{signal} ended it with {status}");
}

#[test]
fn after_a_stop_data_is_decoded_though_no_template_comes_again() {
    for version in [Version::V9, Version::Ipfix] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (data_dir, port) = (folder.path().join("data"), collecting::free_port());
        let mut exporter = exporter(version, port);
        let mut before = Collecting::start_in(Some(&data_dir), port, "");
        exporter.templates();
        exporter.data(DATAGRAMS);
        records(&before, HALF);
        stop(&mut before, Signal::SIGTERM);
        let mut after = Collecting::start_in(Some(&data_dir), port, "");
        exporter.data(DATAGRAMS);
        records(&after, HALF);
        let source = after.source(LOCALHOST);
        assert_decoded(&source);
        assert_in_sequence(&source);
        assert_eq!(counted(&after.report(), "no_template"), 0, "{version:?}");
        after.agent.stop();
        assert_each_once(&data_dir, 2 * HALF);
    }
}

#[test]
fn after_a_kill_data_waits_for_its_template_and_then_counts() {
    for version in [Version::V9, Version::Ipfix] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (data_dir, port) = (folder.path().join("data"), collecting::free_port());
        let mut exporter = exporter(version, port);
        let mut before = Collecting::start_in(Some(&data_dir), port, "");
        exporter.templates();
        exporter.data(DATAGRAMS);
        records(&before, HALF);
        before
            .agent
            .wait_for("a commit", LIMIT, |agent| agent.metrics()["store"]["rows"].as_u64() == Some(HALF));
        stop(&mut before, Signal::SIGKILL);
        let mut after = Collecting::start_in(Some(&data_dir), port, "");
        exporter.data(DATAGRAMS);
        let heard = after.heard(LOCALHOST, DATAGRAMS.into());
        assert_decoded(&heard);
        exporter.templates();
        records(&after, HALF);
        assert_decoded(&after.source(LOCALHOST));
        after.agent.stop();
        assert_each_once(&data_dir, 2 * HALF);
    }
}

#[test]
fn data_whose_template_never_comes_gives_no_record() {
    for version in [Version::V9, Version::Ipfix] {
        let port = collecting::free_port();
        let mut exporter = exporter(version, port);
        let mut collecting = Collecting::start_in(None, port, "");
        exporter.data(DATAGRAMS);
        let source = collecting.heard(LOCALHOST, DATAGRAMS.into());
        assert_eq!(number(&source, "records"), 0, "{source:#}");
        stop(&mut collecting, Signal::SIGTERM);
        assert_eq!(ring::read(&collecting.agent.data_dir, |_| ()).rows, 0);
    }
}

/// Softflowd sends its templates with every sixteenth datagram: the second half of the stream begins after one of those.
#[test]
fn a_stop_in_the_middle_of_softflowds_stream_loses_nothing() {
    const TEMPLATES_EACH: usize = 16;
    const SECOND_HALF: usize = 2 * TEMPLATES_EACH + 4;
    if !exporters::are_installed(&["softflowd"]) {
        return;
    }
    let (folder, input) = (tempfile::tempdir().expect("a temporary folder"), Input::mixed());
    for arguments in ["-v 9 -6", "-v 10 -6", "-v 10 -6 -b"] {
        let recorder = Relay::start(None, None, Tenth::Passes);
        let said = exporters::softflowd(&input.file, recorder.port, arguments);
        let datagrams = recorder.settled(LIMIT).datagrams;
        assert!(datagrams.len() > SECOND_HALF + 4, "only {} datagrams", datagrams.len());
        let (first, second) = datagrams.split_at(SECOND_HALF);
        let (data_dir, port) = (folder.path().join(arguments), collecting::free_port());
        let mut exporter = exporter(Version::V9, port);
        let mut rows = 0;
        for half in [first, second] {
            let mut collecting = Collecting::start_in(Some(&data_dir), port, "");
            half.iter().for_each(|datagram| exporter.send(datagram));
            let source = collecting.heard(LOCALHOST, half.len() as u64);
            assert_decoded(&source);
            assert_in_sequence(&source);
            rows += number(&source, "records");
            stop(&mut collecting, Signal::SIGTERM);
        }
        // Softflowd's times count from its start, which its IPFIX tells with the templates only.
        let sums = ring::read(&data_dir, |record| {
            input.assert_holds(["ts_ms", "end_ms"].map(|field| number(&record, field)), &record);
        });
        assert_eq!((sums.rows, rows), (said.records, said.records), "{arguments}");
        assert_eq!((sums.packets, sums.octets), (said.packets, said.octets), "{arguments}");
    }
}
