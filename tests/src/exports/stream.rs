//! What one exporter sends.

use super::{Flow, Message, Template, ipfix_template, netflow5_of, netflow9_template};

/// Number of a stream's template.
const TEMPLATE: u16 = 300;

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

/// One exporter's datagrams of IPv4 flows, with the sequence numbers that its version asks for.
#[derive(Clone, Debug)]
pub struct Stream {
    version: Version,
    domain: u32,
    exported: u32,
    sequence: u32,
    template: Template,
}

impl Stream {
    /// A stream that begins. `domain` is the observation domain, the source ID, or the engine, which has 16 bits;
    /// `exported` the time in all headers, seconds since 1970.
    #[must_use]
    pub fn new(version: Version, domain: u32, exported: u32) -> Self {
        let template = if version == Version::Ipfix { ipfix_template } else { netflow9_template };
        Self { version, domain, exported, sequence: 0, template: template(TEMPLATE, false) }
    }

    /// A datagram with the template of all data; none of v5.
    #[must_use]
    pub fn templates(&mut self) -> Option<Vec<u8>> {
        let message = self.message(0)?;
        Some(message.templates([&self.template]).bytes())
    }

    /// A datagram with these flows; v5 takes 30.
    ///
    /// # Panics
    /// Where they have no room in a datagram.
    #[must_use]
    pub fn data(&mut self, flows: &[Flow]) -> Vec<u8> {
        let count = u32::try_from(flows.len()).expect("flows of one datagram");
        if let Some(message) = self.message(count) {
            return message.flows(&self.template, flows).bytes();
        }
        let engine = u16::try_from(self.domain).expect("an engine");
        netflow5_of(engine, self.exported, self.counted(count), flows)
    }

    /// The next message, of `records` data records; none of v5.
    fn message(&mut self, records: u32) -> Option<Message> {
        let message = match self.version {
            Version::V5 => return None,
            Version::V9 => Message::netflow9(self.domain, self.counted(1)),
            Version::Ipfix => Message::ipfix(self.domain, self.counted(records)),
        };
        Some(message.at(self.exported))
    }

    /// The sequence number of a datagram that counts for `count`.
    const fn counted(&mut self, count: u32) -> u32 {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(count);
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::{Flow, Stream, Version};

    #[test]
    fn sequence_numbers_count_what_their_version_counts() {
        let flows = [Flow::number(1), Flow::number(2)];
        for (version, at, expected) in
            [(Version::V5, 16, [0, 2, 4]), (Version::V9, 12, [1, 2, 3]), (Version::Ipfix, 8, [0, 2, 4])]
        {
            let mut stream = Stream::new(version, 0, 1_000_000);
            let _ = stream.templates();
            let sequence = |datagram: Vec<u8>| u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap());
            assert_eq!([(); 3].map(|()| sequence(stream.data(&flows))), expected, "{version:?}");
        }
    }
}
