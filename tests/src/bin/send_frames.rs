//! Sends mixed UDP flows on an interface at a chosen rate:
//! `send_frames INTERFACE COUNT RATE FLOWS [OCTETS]` (rate 0: as fast as it goes; octets of payload, default 64).
//!
//! The last line on stdout is `sent N in S s`. Every packet has `28 + OCTETS` IP octets.

use std::net::SocketAddr;

use weir_tests::frames::{link, transport};
use weir_tests::sender::{Frames, Sender};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, count, rate, flows, rest @ ..] = &arguments[..] else {
        panic!("usage: send_frames INTERFACE COUNT RATE FLOWS [OCTETS]");
    };
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|e| panic!("{text}: {e}"));
    let payload = vec![0x42; rest.first().map_or(64, |text| number(text) as usize)];
    let frames: Vec<Vec<u8>> = (0..number(flows)).map(|flow| frame(flow, &payload)).collect();
    let (sent, took) = Sender::open(interface).send(&Frames(&frames), number(count), number(rate));
    println!("sent {sent} in {:.3} s", took.as_secs_f64());
}

/// A datagram of flow number `flow`: 32,768 ports on as many addresses as are needed.
fn frame(flow: u64, payload: &[u8]) -> Vec<u8> {
    let port = u16::try_from(1_024 + flow % 32_768).expect("a port");
    let [.., high, low] = (flow / 32_768 + 1).to_be_bytes();
    let src = SocketAddr::from(([10, 9, high, low], port));
    link::ethernet(&transport::udp(src, SocketAddr::from(([10, 8, 0, 1], 9_999)), payload))
}
