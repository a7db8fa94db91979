//! Exports of real routers, firewalls and probes, kept outside the project, with what they hold.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::corpora;
use crate::frames::{link, transport};
use crate::meter::number;
use crate::pcap::Capture;

/// One line of the expectations, and the files that it is about, as the command reads them.
#[derive(Debug)]
pub struct Case {
    /// The line.
    pub row: Value,
    /// Captures, or bare exports, in order.
    pub files: Vec<PathBuf>,
    /// Addresses that exports came from; none where they are bare.
    pub exporters: Vec<String>,
    /// What does not lie in the collection.
    _made: tempfile::TempDir,
}

impl Case {
    /// A text of the line; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.row[name].as_str().unwrap_or_default()
    }

    /// A number of the line.
    #[must_use]
    pub fn expected(&self, name: &str) -> Option<u64> {
        self.row[name].as_u64()
    }
}

/// All of them; `None` where the machine has no such collection.
///
/// # Panics
/// Where they make no sense, and, where `CI=true`, without the collection.
#[must_use]
pub fn cases() -> Option<Vec<Case>> {
    let folder = corpora::folder("netflow")?.parent()?.to_owned();
    let text = fs::read_to_string(folder.join("netflow_expect.jsonl")).expect("it lies beside the exports");
    let cases: Vec<_> = text.lines().map(|line| case(&folder, line)).collect();
    assert!(!cases.is_empty(), "no expectations");
    Some(cases)
}

fn case(folder: &Path, line: &str) -> Case {
    let row: Value = serde_json::from_str(line).expect("a row is JSON");
    let made = tempfile::tempdir().expect("a temporary folder");
    let names = row["files"].as_array().expect("a row has files").iter();
    let files = names.map(|name| folder.join(name.as_str().expect("a name"))).collect::<Vec<_>>();
    let (files, exporters) = match row["input"].as_str() {
        Some("payload") => (files, Vec::new()),
        Some("pcap") => {
            let senders = files.iter().flat_map(|file| senders(&fs::read(file).expect("it can be read")));
            let senders = senders.collect();
            (files, senders)
        }
        Some("dgrams-jsonl") => {
            let capture = made.path().join("datagrams.pcap");
            let exporters = files.iter().flat_map(|file| captured(file, &capture)).collect();
            assert_eq!(files.len(), 1, "one capture for one file");
            (vec![capture], exporters)
        }
        other => panic!("{}: input {other:?}", row["id"]),
    };
    Case { row, files, exporters, _made: made }
}

/// Source addresses of the IPv4 packets in a little-endian pcap file of Ethernet frames.
fn senders(pcap: &[u8]) -> Vec<String> {
    let (mut rest, mut senders) = (&pcap[24..], Vec::new());
    while let Some(head) = rest.first_chunk::<16>() {
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        let frame = &rest[16..16 + usize::try_from(length).expect("a length")];
        if frame[12..14] == [0x08, 0x00] {
            senders.push(IpAddr::from([frame[26], frame[27], frame[28], frame[29]]).to_string());
        }
        rest = &rest[16 + frame.len()..];
    }
    senders
}

/// Makes a capture of a file of datagrams; who sent them.
fn captured(file: &Path, to: &Path) -> Vec<String> {
    let (mut capture, mut exporters) = (Capture::new(link::RAW), Vec::new());
    for line in fs::read_to_string(file).expect("it can be read").lines() {
        let datagram: Value = serde_json::from_str(line).expect("a datagram is JSON");
        let port = |name: &str| u16::try_from(number(&datagram, name)).expect("a port");
        let src: IpAddr = datagram["src"].as_str().expect("an address").parse().expect("an address");
        let payload = octets(datagram["hex"].as_str().expect("hexadecimal digits"));
        let (from, to) = (SocketAddr::new(src, port("sport")), SocketAddr::new(src, port("dport")));
        capture.push(capture.len() as u64 * 1_000, transport::udp(from, to, &payload).bytes());
        exporters.push(src.to_string());
    }
    capture.write(to);
    exporters
}

/// The octets that hexadecimal digits stand for.
///
/// # Panics
/// Where they are others.
#[must_use]
pub fn octets(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).expect("a digit")).expect("below 16");
    hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
