//! sFlow v5 (sflow.org, "sFlow Version 5"): flow samples of packet headers.

use super::layout::{Layout, low, put};
use crate::exports::sflow::{Datagram, Sampled};
use crate::exports::{Flow, UPTIME};
use crate::frames::link;
use crate::frames::transport::{tcp, udp};

const SAMPLES: usize = 9;
/// Version, agent address, sub-agent, sequence number, uptime, samples.
const HEADER: usize = 28;
/// Format and length of a sample, then eight words of its own.
const SAMPLE: usize = 8 + 32;
/// Format and length of a record, then four words before the sampled header.
const RECORD: usize = 8 + 16;
/// Ethernet, IPv4 and TCP, filled up to a multiple of 4.
const FRAME: usize = 56;
/// Header and check sequence of a frame.
const ETHERNET: u32 = 18;
/// An IPv4 header.
const IP: usize = 20;
const AGENT: [u8; 4] = [192, 0, 2, 1];
const SAMPLING: u32 = 1_000;

pub(super) static SFLOW: Layout = Layout {
    records: SAMPLES,
    first_record: HEADER,
    record_octets: SAMPLE + RECORD + FRAME,
    src_port: SAMPLE + RECORD + 14 + IP,
    counts_datagrams: true,
    write,
    header,
    times: |_, _, _, _| {},
    octets_of: ip_octets,
    packets_of: |_| 1,
};

/// The length in the sampled packet's IP header.
fn ip_octets(flow: &Flow) -> u32 {
    (flow.octets / flow.packets.max(1)).clamp(40, 1_500)
}

fn header(out: &mut [u8], _now_ms: u64, up_ms: u64, sequence: u32) {
    put(out, 16, &sequence.to_be_bytes());
    put(out, 20, &low(u64::from(UPTIME) + up_ms).to_be_bytes());
}

fn write(flows: &[Flow]) -> Vec<u8> {
    let sampled = |datagram: Datagram, flow: &Flow| {
        let interfaces = (flow.interfaces.0.into(), flow.interfaces.1.into());
        let what = Sampled { rate: SAMPLING, interfaces, frame_len: ip_octets(flow) + ETHERNET };
        datagram.sampled(what, &frame(flow))
    };
    flows.iter().fold(Datagram::new(AGENT.into(), 0, 0), sampled).bytes()
}

/// The first octets of a packet of the flow.
fn frame(flow: &Flow) -> Vec<u8> {
    let (src, dst) = (flow.src.into(), flow.dst.into());
    let segment = usize::try_from(ip_octets(flow)).expect("a packet") - IP;
    let packet = if flow.proto == 6 {
        tcp(src, dst, flow.tcp_flags, &vec![0; segment - 20])
    } else {
        udp(src, dst, &vec![0; segment - 8])
    };
    let mut frame = link::ethernet(&packet.dscp(flow.tos >> 2));
    frame.resize(FRAME, 0);
    frame
}
