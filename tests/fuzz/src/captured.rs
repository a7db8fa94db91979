//! Exports that were captured from real devices, where the corpora are: `netflow_expect.jsonl` says which files belong
//! together.

use std::fs;
use std::path::Path;

use serde_json::Value;
use weir::capture::file::CaptureFile;
use weir_tests::exports::corpus::octets;

/// UDP port of sFlow, to which the datagrams in captures go.
const SFLOW: [u8; 2] = 6_343_u16.to_be_bytes();
/// Length and checksum of a UDP header, after its ports.
const UDP_REST: usize = 4;

/// The datagrams of one exporter, in order.
#[derive(Debug)]
pub struct Group {
    /// A name that can be one of a file.
    pub name: String,
    /// Payloads of UDP.
    pub datagrams: Vec<Vec<u8>>,
}

/// All of `corpora`; none where it has no list.
///
/// # Panics
/// Where a file of the list cannot be read.
#[must_use]
pub fn groups(corpora: &Path) -> Vec<Group> {
    let list = fs::read_to_string(corpora.join("netflow_expect.jsonl")).unwrap_or_default();
    list.lines().map(|line| group(corpora, line)).collect()
}

fn group(corpora: &Path, line: &str) -> Group {
    let row: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
    let name = row["id"].as_str().expect("a name").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let mut datagrams = Vec::new();
    for file in row["files"].as_array().expect("a list of files") {
        let path = corpora.join(file.as_str().expect("a path"));
        match row["input"].as_str() {
            Some("dgrams-jsonl") => lines(&path, &mut datagrams),
            Some("pcap") => frames(&path, &mut datagrams),
            _ => datagrams.push(content(&path)),
        }
    }
    Group { name, datagrams }
}

fn content(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

/// Lines with a datagram each, in hexadecimal digits.
fn lines(path: &Path, datagrams: &mut Vec<Vec<u8>>) {
    let text = String::from_utf8(content(path)).expect("lines of text");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
        datagrams.push(octets(line["hex"].as_str().expect("digits")));
    }
}

/// A capture: what follows the first pair of octets that is sFlow's port is taken for the datagram.
fn frames(path: &Path, datagrams: &mut Vec<Vec<u8>>) {
    let mut file = CaptureFile::open(path).unwrap_or_else(|e| panic!("failed to {e}"));
    // A cut capture ends here as one that is whole.
    while let Ok(Some((frame, _))) = file.next() {
        let port = frame.data.windows(SFLOW.len()).position(|octets| octets == SFLOW);
        let payload = port.and_then(|at| frame.data.get(at + SFLOW.len() + UDP_REST..));
        datagrams.extend(payload.map(<[u8]>::to_vec));
    }
}
