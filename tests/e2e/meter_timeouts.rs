//! When a flow ends, and why.

use std::net::SocketAddr;

use serde_json::Value;
use weir_tests::frames::transport::{ACK, FIN, RST, SYN, tcp, udp};
use weir_tests::frames::{Packet, link};
use weir_tests::meter::meter_bytes;
use weir_tests::pcap::Capture;

const SECOND: u64 = 1_000_000;

fn ends() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([10, 0, 0, 1], 40_000)), SocketAddr::from(([10, 0, 0, 2], 443)))
}

/// Meters packets at given microseconds; answers packets and end reason of each record, in order of start.
fn metered(packets: &[(u64, Packet)], settings: &[(&str, &str)]) -> Vec<(u64, String)> {
    let mut capture = Capture::new(link::ETHERNET);
    for (at, packet) in packets {
        capture.push(*at, link::ethernet(packet));
    }
    let run = meter_bytes(settings, "timeouts.pcap", &capture.bytes());
    run.assert_orderly("timeouts.pcap");
    let mut records = run.records();
    records.sort_by_key(|record| record["ts_ms"].as_u64());
    let reason =
        |record: &Value| record["end_reason"].as_str().expect("a record says why it ended").to_owned();
    records.iter().map(|record| (record["packets"].as_u64().expect("a count"), reason(record))).collect()
}

fn pairs(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|&(packets, reason)| (packets, reason.to_owned())).collect()
}

fn datagrams(times: &[u64]) -> Vec<(u64, Packet)> {
    let (a, b) = ends();
    times.iter().map(|&at| (at * SECOND, udp(a, b, b"x"))).collect()
}

fn segments(rows: &[(u64, u8)]) -> Vec<(u64, Packet)> {
    let (a, b) = ends();
    rows.iter().map(|&(at, flags)| (at * SECOND, tcp(a, b, flags, b""))).collect()
}

#[test]
fn udp_ends_after_a_minute_of_silence() {
    assert_eq!(metered(&datagrams(&[0, 59, 118]), &[]), pairs(&[(3, "forced")]));
    assert_eq!(metered(&datagrams(&[0, 10, 71]), &[]), pairs(&[(2, "idle"), (1, "forced")]));
}

#[test]
fn open_tcp_waits_for_five_minutes() {
    let long = [("WEIR_FLOW_ACTIVE_SECONDS", "3600")];
    assert_eq!(metered(&segments(&[(0, SYN), (298, ACK)]), &long), pairs(&[(2, "forced")]));
    assert_eq!(metered(&segments(&[(0, SYN), (302, ACK)]), &long), pairs(&[(1, "idle"), (1, "forced")]));
}

#[test]
fn tcp_ends_five_seconds_after_fin_or_rst() {
    let (a, b) = ends();
    let mut both = segments(&[(0, SYN), (1, FIN | ACK)]);
    both.push((2 * SECOND, tcp(b, a, FIN | ACK, b"")));
    both.push((3 * SECOND, tcp(a, b, ACK, b"")));
    both.push((20 * SECOND, tcp(a, b, SYN, b"")));
    assert_eq!(metered(&both, &[]), pairs(&[(4, "end"), (1, "forced")]));
    let reset = segments(&[(0, SYN), (1, RST), (20, SYN)]);
    assert_eq!(metered(&reset, &[]), pairs(&[(2, "end"), (1, "forced")]));
}

#[test]
fn a_long_flow_is_recorded_every_five_minutes() {
    let times: Vec<u64> = (0..=620).step_by(10).collect();
    let records = metered(&datagrams(&times), &[]);
    let reasons: Vec<&str> = records.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["active", "active", "forced"]);
    assert_eq!(records.iter().map(|(packets, _)| packets).sum::<u64>(), times.len() as u64);
}

#[test]
fn a_full_table_ends_the_longest_idle_flow_and_loses_no_packet() {
    const FLOWS: u64 = 3_000;
    const ROOM: usize = 1_024;
    let mut packets = Vec::new();
    for flow in 0..FLOWS {
        let port = u16::try_from(1_024 + flow).expect("a port");
        let src = SocketAddr::from(([10, 0, 0, 1], port));
        packets.push((flow * 1_000, udp(src, ends().1, b"x")));
        // One flow stays busy and must not be the one that goes.
        packets.push((flow * 1_000 + 500, udp(ends().0, ends().1, b"busy")));
    }
    let records = metered(&packets, &[("WEIR_FLOW_MAX_FLOWS", "1024")]);
    let count = |reason: &str| records.iter().filter(|(_, why)| why == reason).count();
    assert_eq!(records.iter().map(|(packets, _)| packets).sum::<u64>(), 2 * FLOWS);
    assert_eq!(count("forced"), ROOM);
    assert_eq!(count("resources"), FLOWS as usize + 1 - ROOM);
    assert!(records.contains(&(FLOWS, "forced".to_owned())), "the busy flow was ended");
}
