//! sFlow version 5 datagrams made octet by octet (sflow.org, "sFlow Version 5").

use std::net::IpAddr;

use crate::frames::checksum::address;

/// Format numbers of samples, of enterprise 0.
mod format {
    pub(super) const FLOW_SAMPLE: u32 = 1;
    pub(super) const COUNTER_SAMPLE: u32 = 2;
    pub(super) const EXPANDED_FLOW_SAMPLE: u32 = 3;
}

/// A sampled packet and what the agent says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// One of this many packets is sampled.
    pub rate: u32,
    /// Interfaces in and out; 0 is unknown.
    pub interfaces: (u32, u32),
    /// Octets of the frame on the wire, with its check sequence.
    pub frame_len: u32,
}

/// A datagram to which samples are added.
#[derive(Clone, Debug)]
pub struct Datagram {
    agent: IpAddr,
    sub_agent: u32,
    sequence: u32,
    samples: Vec<Vec<u8>>,
}

impl Datagram {
    /// Without samples.
    #[must_use]
    pub const fn new(agent: IpAddr, sub_agent: u32, sequence: u32) -> Self {
        Self { agent, sub_agent, sequence, samples: Vec::new() }
    }

    /// Adds a flow sample: the first octets of an Ethernet frame, as a raw packet header.
    #[must_use]
    pub fn sampled(self, what: Sampled, header: &[u8]) -> Self {
        let (Sampled { rate, interfaces, .. }, sequence) = (what, self.next());
        // Data source: interface number `in`; pool and drops.
        let mut body = words([sequence, interfaces.0, rate, rate.wrapping_mul(sequence), 0]);
        body.extend(words([interfaces.0, interfaces.1, 1]));
        body.extend(raw_header(what.frame_len, header));
        self.sample(format::FLOW_SAMPLE, &body)
    }

    /// The same as an expanded flow sample, which has room for 32-bit interface numbers.
    #[must_use]
    pub fn expanded(self, what: Sampled, header: &[u8]) -> Self {
        let (Sampled { rate, interfaces, .. }, sequence) = (what, self.next());
        let mut body = words([sequence, 0, interfaces.0, rate, rate.wrapping_mul(sequence), 0]);
        body.extend(words([0, interfaces.0, 0, interfaces.1, 1]));
        body.extend(raw_header(what.frame_len, header));
        self.sample(format::EXPANDED_FLOW_SAMPLE, &body)
    }

    /// Adds a counter sample with the generic counters of an interface, all zero but for its number.
    #[must_use]
    pub fn counters(self, interface: u32) -> Self {
        const GENERIC: u32 = 1;
        const GENERIC_LEN: usize = 88;
        let mut counters = vec![0; GENERIC_LEN];
        counters[..4].copy_from_slice(&interface.to_be_bytes());
        let mut body = words([self.next(), interface, 1]);
        body.extend(opaque(GENERIC, &counters));
        self.sample(format::COUNTER_SAMPLE, &body)
    }

    /// Sequence number of the next sample, apart from those of the datagrams before it.
    fn next(&self) -> u32 {
        self.sequence + u32::try_from(self.samples.len()).expect("few samples")
    }

    fn sample(mut self, format: u32, body: &[u8]) -> Self {
        self.samples.push(opaque(format, body));
        self
    }

    /// The datagram's octets.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let family = if self.agent.is_ipv4() { 1 } else { 2 };
        let mut out = words([5, family]);
        out.extend(address(self.agent));
        let samples = u32::try_from(self.samples.len()).expect("few samples");
        out.extend(words([self.sub_agent, self.sequence, super::UPTIME, samples]));
        out.extend(self.samples.iter().flatten());
        out
    }
}

/// A flow record of format 1: the header of a sampled Ethernet frame.
fn raw_header(frame_len: u32, header: &[u8]) -> Vec<u8> {
    const RAW_PACKET_HEADER: u32 = 1;
    const ETHERNET: u32 = 1;
    /// The check sequence, which is not in the header.
    const STRIPPED: u32 = 4;
    let length = u32::try_from(header.len()).expect("a header is short");
    let mut body = words([ETHERNET, frame_len, STRIPPED, length]);
    body.extend(header);
    body.resize(body.len().next_multiple_of(4), 0);
    opaque(RAW_PACKET_HEADER, &body)
}

/// A structure behind its format and its length.
fn opaque(format: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("below 64 KiB");
    [words([format, length]), body.to_vec()].concat()
}

fn words<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::{Datagram, Sampled};

    #[test]
    fn lengths_lead_from_sample_to_sample() {
        let what = Sampled { rate: 400, interfaces: (1, 2), frame_len: 64 };
        let datagram = Datagram::new([192, 0, 2, 1].into(), 0, 9)
            .sampled(what, &[0xaa; 61])
            .expanded(what, &[0xbb; 60])
            .counters(3);
        let bytes = datagram.bytes();
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let (mut at, mut formats) = (28, Vec::new());
        for _ in 0..word(24) {
            formats.push(word(at));
            at += 8 + usize::try_from(word(at + 4)).unwrap();
        }
        assert_eq!((formats, at), (vec![1, 3, 2], bytes.len()));
    }
}
