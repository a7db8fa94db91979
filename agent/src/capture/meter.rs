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

    /// Ends all flows.
    pub fn drain(&mut self, sink: &mut impl Sink) {
        self.table.drain(sink);
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
