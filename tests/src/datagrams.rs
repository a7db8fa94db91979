//! What exporters send, octet by octet: NetFlow v5 (Cisco), v9 (RFC 3954) and IPFIX (RFC 7011).
//!
//! Lengths and counts are right unless a test puts its own octets in.

use std::net::Ipv4Addr;

/// What a stream of datagrams speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// NetFlow v5: no templates.
    V5,
    /// NetFlow v9.
    V9,
    /// IPFIX.
    Ipfix,
}

/// A flow in one direction, as all versions can say it.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Source address and port.
    pub src: (Ipv4Addr, u16),
    /// Destination address and port.
    pub dst: (Ipv4Addr, u16),
    /// IANA protocol number.
    pub proto: u8,
    /// Packets.
    pub packets: u32,
    /// IP octets.
    pub octets: u32,
}

impl Flow {
    /// The `number`th of many flows, all different.
    #[must_use]
    pub const fn numbered(number: u32) -> Self {
        let [_, a, b, c] = number.to_be_bytes();
        let (src, dst) = (Ipv4Addr::new(10, a, b, c), Ipv4Addr::new(198, 18, 0, 1));
        Self { src: (src, 40_000), dst: (dst, 443), proto: 6, packets: 2, octets: 120 }
    }
}

/// Number of the template that [`Stream::templates`] sends.
pub const TEMPLATE: u16 = 300;
/// Its fields: element and length. The last two are times, which v9 counts from the exporter's start.
const FIELDS_V9: [(u16, u16); 9] =
    [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (2, 4), (1, 4), (22, 4), (21, 4)];
const FIELDS_IPFIX: [(u16, u16); 9] =
    [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (2, 4), (1, 4), (152, 8), (153, 8)];
/// Milliseconds that an exporter has been up at the start of its stream.
const UPTIME: u32 = 3_600_000;
/// Milliseconds before the export at which every flow began.
const AGE: u32 = 1_500;

/// One exporter's datagrams, with the sequence numbers that its version asks for.
#[derive(Clone, Debug)]
pub struct Stream {
    version: Version,
    /// Observation domain, source ID, or engine.
    domain: u32,
    /// Seconds since 1970 at which everything is exported.
    exported: u32,
    sequence: u32,
}

impl Stream {
    /// A stream that begins; `exported` is the time in its headers, seconds since 1970.
    #[must_use]
    pub const fn new(version: Version, domain: u32, exported: u32) -> Self {
        Self { version, domain, exported, sequence: 0 }
    }

    /// A datagram with the template of all data; none of v5.
    #[must_use]
    pub fn templates(&mut self) -> Option<Vec<u8>> {
        match self.version {
            Version::V5 => None,
            Version::V9 => Some(self.datagram(1, 0, &template_set(0, TEMPLATE, &FIELDS_V9))),
            Version::Ipfix => Some(self.datagram(1, 0, &template_set(2, TEMPLATE, &FIELDS_IPFIX))),
        }
    }

    /// A datagram with these flows; v5 takes 30.
    #[must_use]
    pub fn data(&mut self, flows: &[Flow]) -> Vec<u8> {
        let records: Vec<u8> = flows.iter().flat_map(|flow| self.record(flow)).collect();
        let count = u16::try_from(flows.len()).expect("flows of one datagram");
        let body = if self.version == Version::V5 { records } else { set(TEMPLATE, &records) };
        self.datagram(count, u32::from(count), &body)
    }

    /// A datagram around `body`: `count` for the header, `records` for the sequence number of those that count them.
    #[must_use]
    pub fn datagram(&mut self, count: u16, records: u32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len() + 24);
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(if self.version == Version::V9 { 1 } else { records });
        let mut words = |words: &[u32]| words.iter().for_each(|word| out.extend(word.to_be_bytes()));
        match self.version {
            Version::V5 => {
                let [.., kind, engine] = self.domain.to_be_bytes();
                words(&[5 << 16 | u32::from(count), UPTIME, self.exported, 0, sequence]);
                out.extend([kind, engine, 0, 0]);
            }
            Version::V9 => {
                words(&[9 << 16 | u32::from(count), UPTIME, self.exported, sequence, self.domain]);
            }
            Version::Ipfix => {
                // A message can say no more of its length than 16 bits; what is longer no socket takes either.
                let length = u16::try_from(body.len() + 16).unwrap_or(u16::MAX);
                words(&[10 << 16 | u32::from(length), self.exported, sequence, self.domain]);
            }
        }
        out.extend(body);
        out
    }

    fn record(&self, flow: &Flow) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        let (first, last) = (UPTIME - AGE, UPTIME);
        out.extend(flow.src.0.octets());
        out.extend(flow.dst.0.octets());
        let ports = [flow.src.1.to_be_bytes(), flow.dst.1.to_be_bytes()].concat();
        if self.version == Version::V5 {
            // Next hop and interfaces.
            out.extend([0; 8]);
            for word in [flow.packets, flow.octets, first, last] {
                out.extend(word.to_be_bytes());
            }
            out.extend(ports);
            // Padding, TCP flags, protocol, type of service; AS numbers, masks, padding.
            out.extend([0, 0, flow.proto, 0]);
            out.extend([0; 8]);
            return out;
        }
        out.extend(ports);
        out.push(flow.proto);
        out.extend(flow.packets.to_be_bytes());
        out.extend(flow.octets.to_be_bytes());
        if self.version == Version::V9 {
            out.extend([first.to_be_bytes(), last.to_be_bytes()].concat());
        } else {
            let end = u64::from(self.exported) * 1_000;
            out.extend([(end - u64::from(AGE)).to_be_bytes(), end.to_be_bytes()].concat());
        }
        out
    }
}

/// A set, or flow set of v9, padded to four octets.
///
/// # Panics
/// Where it is longer than 65,535 octets.
#[must_use]
pub fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let length = (body.len() + 4).next_multiple_of(4);
    let mut out = [id, u16::try_from(length).expect("the length of a set")].map(u16::to_be_bytes).concat();
    out.extend(body);
    out.resize(length, 0);
    out
}

/// A set with one template; `set_id` is 0 in v9 and 2 in IPFIX.
#[must_use]
pub fn template_set(set_id: u16, id: u16, fields: &[(u16, u16)]) -> Vec<u8> {
    set(set_id, &template(id, fields))
}

/// A template record: element numbers and lengths.
///
/// # Panics
/// With more than 65,535 fields.
#[must_use]
pub fn template(id: u16, fields: &[(u16, u16)]) -> Vec<u8> {
    let count = u16::try_from(fields.len()).expect("a number of fields");
    let mut out = [id, count].map(u16::to_be_bytes).concat();
    out.extend(fields.iter().flat_map(|(element, length)| [*element, *length]).flat_map(u16::to_be_bytes));
    out
}

#[cfg(test)]
mod tests {
    use super::{FIELDS_IPFIX, FIELDS_V9, Flow, Stream, Version, template_set};

    fn word(datagram: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn records_are_as_long_as_their_templates_say() {
        let flows = [Flow::numbered(1)];
        for (version, length, fields) in [(Version::V9, 20, &FIELDS_V9), (Version::Ipfix, 16, &FIELDS_IPFIX)]
        {
            let record: u16 = fields.iter().map(|(_, length)| length).sum();
            let datagram = Stream::new(version, 0, 1_000).data(&flows);
            assert_eq!(datagram.len(), length + (4 + usize::from(record)).next_multiple_of(4));
        }
        assert_eq!(Stream::new(Version::V5, 0, 1_000).data(&flows).len(), 24 + 48);
        assert_eq!(template_set(0, 300, &FIELDS_V9).len(), 4 + 4 + 9 * 4);
    }

    #[test]
    fn sequence_numbers_count_what_their_version_counts() {
        let flows = [Flow::numbered(1), Flow::numbered(2)];
        for (version, at, expected) in
            [(Version::V5, 16, [0, 2, 4]), (Version::V9, 12, [1, 2, 3]), (Version::Ipfix, 8, [0, 2, 4])]
        {
            let mut stream = Stream::new(version, 0, 1_000);
            let _ = stream.templates();
            assert_eq!([(); 3].map(|()| word(&stream.data(&flows), at)), expected, "{version:?}");
        }
    }
}
