//! One observation point: frames in, flow records out, everything counted.

use super::Frame;
use crate::packet::{Decoder, LinkType, NotIp};
use crate::table::{At, Config, FlowTable, Sink};

/// What an observation point has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames of any kind.
    pub frames: u64,
    /// IP packets; each is counted in exactly one flow.
    pub packets: u64,
    /// Their octets from the IP header.
    pub octets: u64,
    /// Frames without an IP packet, by [`NotIp`].
    pub not_ip: [u64; NotIp::ALL.len()],
}

impl Counts {
    /// Frames that should have held an IP packet and could not be read.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        NotIp::ALL.iter().filter(|why| why.is_undecodable()).map(|&why| self.not_ip[why as usize]).sum()
    }

    /// Reasons with their counts, those that occurred.
    pub fn reasons(&self) -> impl Iterator<Item = (NotIp, u64)> {
        NotIp::ALL.into_iter().map(|why| (why, self.not_ip[why as usize])).filter(|&(_, count)| count > 0)
    }
}

/// Decoder and flow table of one observation point.
pub struct Meter {
    decoder: Decoder,
    table: FlowTable,
    counts: Counts,
}

impl Meter {
    /// An observation point with an empty table.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            decoder: Decoder::new(config.look_inside_tunnels),
            table: FlowTable::new(config),
            counts: Counts::default(),
        }
    }

    /// Counts one frame; flows that ended by it go to `sink`.
    #[inline]
    pub fn frame(&mut self, link: LinkType, frame: &Frame<'_>, at: At, sink: &mut impl Sink) {
        self.counts.frames += 1;
        match self.decoder.decode(link, frame) {
            Ok(packet) => {
                self.counts.packets += 1;
                self.counts.octets += u64::from(packet.octets);
                self.table.ingest(&packet, at, sink);
            }
            Err(why) => self.counts.not_ip[why as usize] += 1,
        }
    }

    /// Ends flows that are idle at `table` time, at most `limit`; true while there may be more.
    pub fn expire(&mut self, table: i64, limit: usize, sink: &mut impl Sink) -> bool {
        self.table.expire(table, limit, sink)
    }

    /// Ends all flows, and forgets what belongs to them: the next frame may be of another capture.
    pub fn drain(&mut self, sink: &mut impl Sink) {
        self.table.drain(sink);
        self.decoder.forget();
    }

    /// What was seen so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The flow table.
    #[must_use]
    pub const fn table(&self) -> &FlowTable {
        &self.table
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::{FlowRecord, Timestamp};

    use super::Meter;
    use crate::capture::Frame;
    use crate::packet::LinkType;
    use crate::table::{At, Config};

    /// An IPv4 fragment of a UDP datagram: the first with its header, or a later one.
    fn fragment(offset_and_flags: u16) -> Vec<u8> {
        let mut ip = vec![0x45, 0, 0, 28, 0, 7, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        ip[6..8].copy_from_slice(&offset_and_flags.to_be_bytes());
        ip.extend([0x04, 0xd2, 0x00, 0x35, 0, 8, 0, 0]);
        ip
    }

    #[test]
    fn the_same_capture_gives_the_same_records_whatever_came_before() {
        let (later, first) = (fragment(1), fragment(0x2000));
        let mut meter = Meter::new(Config::default());
        let mut once = || {
            let mut records: Vec<FlowRecord> = Vec::new();
            let mut sink = |record| records.push(record);
            for (second, data) in [&later, &first].into_iter().enumerate() {
                let timestamp = Timestamp::from_millis(i64::try_from(second).unwrap() * 1_000);
                let frame = Frame { timestamp, wire_len: 28, data, vlan: None, outgoing: false };
                meter.frame(
                    LinkType::RawIp,
                    &frame,
                    At { wall: timestamp, table: timestamp.micros() },
                    &mut sink,
                );
            }
            meter.drain(&mut sink);
            format!("{records:?}")
        };
        assert_eq!(once(), once());
    }
}
