//! The captures that the tests rest on are themselves right, as others read them.

use std::path::Path;
use std::process::Command;

use weir_tests::frames::{link, transport};
use weir_tests::{meter, office, traffic};

/// What tcpdump says of a capture, checksums checked; `None`, loudly, without it.
fn tcpdump(file: &Path) -> Option<String> {
    let mut command = Command::new("tcpdump");
    command.args(["-nn", "-v", "-r"]).arg(file);
    let Ok(output) = command.output() else {
        weir_tests::skip("no tcpdump");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn tcpdump_finds_no_wrong_checksum_or_length() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, capture) in
        [("mixed", traffic::mixed(9, 5_000, 300, 60).capture), ("office", office::capture())]
    {
        let file = folder.path().join(name);
        capture.write(&file);
        let Some(text) = tcpdump(&file) else { return };
        let wrong: Vec<&str> = text
            .lines()
            .filter(|line| {
                line.contains("bad cksum") || line.contains("(incorrect") || line.contains("truncated-ip")
            })
            .collect();
        assert!(wrong.is_empty(), "{name}: {} lines such as {}", wrong.len(), wrong[0]);
        let correct = text.lines().filter(|line| line.contains("(correct)")).count();
        assert!(name == "office" || correct > 1_000, "tcpdump checked only {correct} checksums of {name}");
    }
}

#[test]
fn tcpdump_notices_a_wrong_checksum() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("wrong");
    let (a, b) = ("10.0.0.1:1".parse().expect("an address"), "10.0.0.2:2".parse().expect("an address"));
    let mut frame = link::ethernet(&transport::tcp(a, b, transport::SYN, b""));
    frame[14 + 20 + 16] ^= 0xff;
    let mut capture = weir_tests::pcap::Capture::new(link::ETHERNET);
    capture.push(0, frame);
    capture.write(&file);
    let Some(text) = tcpdump(&file) else { return };
    assert!(text.contains("(incorrect"), "{text}");
}

#[test]
fn the_shipped_capture_is_the_generated_one() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/assets/office.pcap");
    let bytes = std::fs::read(&shipped).unwrap_or_else(|e| panic!("cannot read {}: {e}", shipped.display()));
    assert!(bytes == office::capture().bytes(), "run `cargo run -p weir-tests --example make_office`");
    let run = meter::meter(&[], &shipped);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.records().len() > 250, "{} records", run.records().len());
}
