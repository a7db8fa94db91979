//! Unit tests of the sFlow decoder; the datagrams are made here, structure by structure.

mod bounds;
mod counters;
mod extended;
mod packets;
mod samples;

use std::net::IpAddr;

use weir_flow::{Exported, FlowRecord, Timestamp};

use super::{Agent, Decoded};
use crate::collect::Faults;

const RAW: u32 = 1;
const ETHERNET: u32 = 1;
const SAMPLING: u32 = 400;
const UPTIME: u32 = 90_061_001;
const EXPORTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// When datagrams arrive.
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Octets with their length, padded.
fn opaque(octets: &[u8]) -> Vec<u8> {
    let mut out = words(&[u32::try_from(octets.len()).unwrap()]);
    out.extend(octets);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn structure(data_format: u32, body: &[u8]) -> Vec<u8> {
    [words(&[data_format]), opaque(body)].concat()
}

/// An address with its type.
fn address(text: &str) -> Vec<u8> {
    match text.parse().unwrap() {
        IpAddr::V4(v4) => [words(&[1]), v4.octets().to_vec()].concat(),
        IpAddr::V6(v6) => [words(&[2]), v6.octets().to_vec()].concat(),
    }
}

fn count(parts: &[Vec<u8>]) -> u32 {
    u32::try_from(parts.len()).unwrap()
}

/// The first octets of a packet under `protocol`; four octets of check sequence were stripped.
fn raw(protocol: u32, header: &[u8]) -> Vec<u8> {
    let length = u32::try_from(header.len()).unwrap() + 4;
    structure(RAW, &[words(&[protocol, length, 4]), opaque(header)].concat())
}

/// A flow sample in the compact form, from interface 3 to 4.
fn sample(parts: &[Vec<u8>]) -> Vec<u8> {
    sample_between(3, 4, parts)
}

fn sample_between(input: u32, output: u32, parts: &[Vec<u8>]) -> Vec<u8> {
    let head = words(&[1, 3, SAMPLING, 4_000, 0, input, output, count(parts)]);
    structure(1, &[head, parts.concat()].concat())
}

/// A datagram of the agent at the exporter's own address.
fn datagram(samples: &[Vec<u8>]) -> Vec<u8> {
    numbered(7, UPTIME, samples)
}

fn numbered(sequence: u32, uptime: u32, samples: &[Vec<u8>]) -> Vec<u8> {
    of_agent("192.0.2.1", 2, [sequence, uptime], samples)
}

fn of_agent(agent: &str, sub_agent: u32, numbers: [u32; 2], samples: &[Vec<u8>]) -> Vec<u8> {
    let [sequence, uptime] = numbers;
    let after = words(&[sub_agent, sequence, uptime, count(samples)]);
    [words(&[5]), address(agent), after, samples.concat()].concat()
}

/// What a fresh agent makes of one datagram.
struct Read {
    records: Vec<FlowRecord>,
    decoded: Decoded,
    faults: Faults,
}

fn read(payload: &[u8]) -> Read {
    read_by(&mut Agent::new(), payload)
}

fn read_by(agent: &mut Agent, payload: &[u8]) -> Read {
    let (mut records, mut faults) = (Vec::new(), Faults::default());
    let mut sink = |record| records.push(record);
    let decoded = agent.datagram(payload, EXPORTER, Some(NOW), &mut faults, &mut sink);
    assert_eq!(decoded.records, records.len() as u64);
    Read { records, decoded, faults }
}

/// The one record of a datagram without faults.
fn record(payload: &[u8]) -> FlowRecord {
    let mut read = read(payload);
    assert_eq!(read.faults, Faults::default());
    assert_eq!(read.records.len(), 1);
    read.records.remove(0)
}

fn exported(record: &FlowRecord) -> Exported {
    record.exported.unwrap()
}

/// An entry of `extra` as text.
fn extra(record: &FlowRecord, name: &str) -> Option<String> {
    let value = record.extra.as_ref()?.get(name)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// An IPv4 packet from 10.0.0.9 to 198.51.100.7, DSCP 46.
fn ipv4(proto: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut ip =
        vec![0x45, 0xb8, length[0], length[1], 0, 7, 0, 0, 64, proto, 0, 0, 10, 0, 0, 9, 198, 51, 100, 7];
    ip.extend(payload);
    ip
}

fn tcp() -> Vec<u8> {
    let mut header = vec![0xc0, 0x00, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0];
    header.resize(100, 0xaa);
    header
}

/// An Ethernet frame with `tags` in front of `kind`.
fn frame(tags: &[u16], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    for tag in tags {
        frame.extend([0x81, 0x00]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The frame of a TCP packet without tags.
fn plain() -> Vec<u8> {
    raw(ETHERNET, &frame(&[], 0x0800, &ipv4(6, &tcp())))
}
