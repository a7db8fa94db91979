//! Export datagrams made octet by octet: NetFlow v5, v7 and v9, IPFIX, and sFlow v5.
//!
//! [`netflow5`] and [`netflow7`] make whole datagrams of [`Flow`]s. A [`Message`] is NetFlow v9 or IPFIX: templates,
//! options and data in any order; [`netflow9_template`] and [`ipfix_template`] are for [`Flow`]s. A [`Stream`] is what
//! one exporter sends, with the sequence numbers of its version. [`sflow`] has datagrams of sFlow.

pub mod corpus;
pub mod sflow;
mod stream;
mod template;

use std::net::{IpAddr, Ipv4Addr};

use crate::frames::checksum::address;
use crate::frames::transport::FIN;
pub use stream::{Stream, Version};
pub use template::{Field, Template, VARIABLE, ipfix_template, netflow9_template};

/// Export time of messages that name no other: 2025-10-09T08:53:20Z, in seconds.
pub const EXPORTED: u32 = 1_760_000_000;
/// Uptime of every exporter at its export, in milliseconds: longer than any flow.
pub const UPTIME: u32 = 3_600_000;
/// The router that every flow went to next.
const NEXT_HOP: [u8; 4] = [10, 20, 0, 1];
/// Prefix lengths of both ends.
const PREFIXES: [u8; 2] = [24, 16];

/// A flow as an exporter tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address and port.
    pub src: (IpAddr, u16),
    /// Destination address, of the same family, and port.
    pub dst: (IpAddr, u16),
    /// IANA protocol number.
    pub proto: u8,
    /// IP octets.
    pub octets: u32,
    /// Packets.
    pub packets: u32,
    /// TCP flags.
    pub tcp_flags: u8,
    /// Type of service, the whole octet.
    pub tos: u8,
    /// SNMP indexes of the interfaces in and out.
    pub interfaces: (u16, u16),
    /// Autonomous systems of source and destination.
    pub systems: (u16, u16),
    /// First and last packet, in milliseconds of the exporter's uptime, which is [`UPTIME`] at the export.
    pub seen: (u32, u32),
}

impl Flow {
    /// A TCP flow of 10 packets and 1,500 octets, `number` of which tells it from others by its source port.
    #[must_use]
    pub fn number(number: u16) -> Self {
        Self::between([10, 0, 0, 1].into(), [198, 51, 100, 7].into(), number)
    }

    /// The same between other hosts.
    #[must_use]
    pub const fn between(src: IpAddr, dst: IpAddr, number: u16) -> Self {
        Self {
            src: (src, number),
            dst: (dst, 443),
            proto: 6,
            octets: 1_500,
            packets: 10,
            tcp_flags: 0x1b,
            tos: 0xb8,
            interfaces: (3, 4),
            systems: (64_512, 13_198),
            seen: (UPTIME - 5_000, UPTIME - 1_000),
        }
    }

    /// Its value, in a message exported at that second, of an element that a [`Flow`] has; others are zero.
    fn value(&self, field: &Field, exported: u32) -> Vec<u8> {
        let since_epoch = |uptime| u64::from(exported) * 1_000 + u64::from(uptime) - u64::from(UPTIME);
        let number: u64 = match (field.enterprise, field.element) {
            (None, 8 | 27) => return address(self.src.0),
            (None, 12 | 28) => return address(self.dst.0),
            (None, 15) => return NEXT_HOP.into(),
            (None, 7) => self.src.1.into(),
            (None, 11) => self.dst.1.into(),
            (None, 4) => self.proto.into(),
            (None, 1) => self.octets.into(),
            (None, 2) => self.packets.into(),
            (None, 6) => self.tcp_flags.into(),
            (None, 5) => self.tos.into(),
            (None, 10) => self.interfaces.0.into(),
            (None, 14) => self.interfaces.1.into(),
            (None, 16) => self.systems.0.into(),
            (None, 17) => self.systems.1.into(),
            (None, 22) => self.seen.0.into(),
            (None, 21) => self.seen.1.into(),
            (None, 152) => since_epoch(self.seen.0),
            (None, 153) => since_epoch(self.seen.1),
            // The end was seen, or nothing more came.
            (None, 136) => 1 + 2 * u64::from(self.tcp_flags & FIN),
            _ => 0,
        };
        let octets = number.to_be_bytes();
        octets[octets.len() - usize::from(field.length)..].into()
    }

    /// The record of NetFlow v5 up to the flags, where that of v7 differs.
    fn netflow5(&self) -> Vec<u8> {
        let mut out = [address(self.src.0), address(self.dst.0), vec![0; 4]].concat();
        assert_eq!(out.len(), 12, "NetFlow v5 and v7 have IPv4 only: {self:?}");
        out.extend([self.interfaces.0, self.interfaces.1].into_iter().flat_map(u16::to_be_bytes));
        let words = [self.packets, self.octets, self.seen.0, self.seen.1];
        out.extend(words.into_iter().flat_map(u32::to_be_bytes));
        out.extend([self.src.1, self.dst.1].into_iter().flat_map(u16::to_be_bytes));
        out.extend([0, self.tcp_flags, self.proto, self.tos]);
        out.extend([self.systems.0, self.systems.1].into_iter().flat_map(u16::to_be_bytes));
        out.extend(PREFIXES);
        out.extend([0; 2]);
        out
    }
}

/// A NetFlow v5 datagram, at most 30 flows; `sequence` counts flows.
#[must_use]
pub fn netflow5(sequence: u32, flows: &[Flow]) -> Vec<u8> {
    netflow5_of(0, EXPORTED, sequence, flows)
}

/// The same of an engine, which stands for type and identifier, exported at that second.
fn netflow5_of(engine: u16, exported: u32, sequence: u32, flows: &[Flow]) -> Vec<u8> {
    let mut out = legacy_header(5, exported, sequence, flows.len());
    out.extend(engine.to_be_bytes());
    // Nothing is sampled.
    out.extend([0; 2]);
    out.extend(flows.iter().flat_map(Flow::netflow5));
    out
}

/// A NetFlow v7 datagram, at most 28 flows, whose switch took the shortcut of `router`.
#[must_use]
pub fn netflow7(sequence: u32, router: Ipv4Addr, flows: &[Flow]) -> Vec<u8> {
    let mut out = legacy_header(7, EXPORTED, sequence, flows.len());
    out.extend([0; 4]);
    for flow in flows {
        out.extend(flow.netflow5());
        out.extend(router.octets());
    }
    out
}

fn legacy_header(version: u16, exported: u32, sequence: u32, flows: usize) -> Vec<u8> {
    let mut out = version.to_be_bytes().to_vec();
    out.extend(u16::try_from(flows).expect("a datagram's flows").to_be_bytes());
    out.extend([UPTIME, exported, 0, sequence].into_iter().flat_map(u32::to_be_bytes));
    out
}

/// A message of NetFlow v9 or IPFIX.
#[derive(Clone, Debug)]
pub struct Message {
    ipfix: bool,
    exported: u32,
    sequence: u32,
    domain: u32,
    records: usize,
    sets: Vec<u8>,
}

impl Message {
    /// An empty message of NetFlow v9, whose sequence counts datagrams.
    #[must_use]
    pub const fn netflow9(domain: u32, sequence: u32) -> Self {
        Self { ipfix: false, exported: EXPORTED, sequence, domain, records: 0, sets: Vec::new() }
    }

    /// An empty message of IPFIX, whose sequence counts data records.
    #[must_use]
    pub const fn ipfix(domain: u32, sequence: u32) -> Self {
        let mut message = Self::netflow9(domain, sequence);
        message.ipfix = true;
        message
    }

    /// Sets the export time, in seconds since 1970.
    #[must_use]
    pub const fn at(mut self, exported: u32) -> Self {
        self.exported = exported;
        self
    }

    /// Adds templates: those of flows in one set, those of options in another.
    #[must_use]
    pub fn templates<'a>(mut self, templates: impl IntoIterator<Item = &'a Template>) -> Self {
        let mut sets = [Vec::new(), Vec::new()];
        for template in templates {
            self.records += 1;
            sets[usize::from(template.scope > 0)].extend(template.bytes(self.ipfix));
        }
        let first = if self.ipfix { 2 } else { 0 };
        let filled = (first..).zip(&sets).filter(|(_, body)| !body.is_empty());
        filled.fold(self, |message, (number, body)| message.set(number, body))
    }

    /// Adds a set of data records, each as [`Template::record`] makes it.
    #[must_use]
    pub fn data<'a>(mut self, id: u16, records: impl IntoIterator<Item = &'a Vec<u8>>) -> Self {
        let mut body = Vec::new();
        for record in records {
            self.records += 1;
            body.extend(record);
        }
        self.set(id, &body)
    }

    /// Adds a set of flows under `template`.
    #[must_use]
    pub fn flows(self, template: &Template, flows: &[Flow]) -> Self {
        let values = |flow: &Flow| -> Vec<_> {
            template.fields.iter().map(|field| flow.value(field, self.exported)).collect()
        };
        let records: Vec<_> = flows.iter().map(|flow| template.record(&values(flow))).collect();
        self.data(template.id, &records)
    }

    /// Adds a set as it stands, padded to four octets.
    #[must_use]
    pub fn set(mut self, number: u16, body: &[u8]) -> Self {
        let length = (4 + body.len()).next_multiple_of(4);
        let end = self.sets.len() + length;
        self.sets.extend(number.to_be_bytes());
        self.sets.extend(u16::try_from(length).expect("a set is below 64 KiB").to_be_bytes());
        self.sets.extend(body);
        self.sets.resize(end, 0);
        self
    }

    /// The message's octets.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let short = |value| u16::try_from(value).expect("below 64 KiB");
        let (version, second, words) = if self.ipfix {
            (10_u16, short(16 + self.sets.len()), vec![self.exported, self.sequence, self.domain])
        } else {
            (9, short(self.records), vec![UPTIME, self.exported, self.sequence, self.domain])
        };
        let mut out = [version, second].into_iter().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        out.extend(words.into_iter().flat_map(u32::to_be_bytes));
        out.extend(&self.sets);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Flow, Message, ipfix_template, netflow5, netflow7};

    #[test]
    fn records_of_fixed_formats_have_their_lengths() {
        let flows = [Flow::number(1), Flow::number(2)];
        assert_eq!(netflow5(0, &flows).len(), 24 + 2 * 48);
        assert_eq!(netflow7(0, [192, 0, 2, 1].into(), &flows).len(), 24 + 2 * 52);
    }

    #[test]
    fn a_message_says_its_length() {
        let template = ipfix_template(300, false);
        let message = Message::ipfix(1, 0).templates([&template]).flows(&template, &[Flow::number(1)]);
        let bytes = message.bytes();
        assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len());
        assert_eq!(bytes[16..20], [0, 2, 0, 60], "a set of templates with 13 fields");
    }
}
