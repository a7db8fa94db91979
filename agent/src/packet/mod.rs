//! From a frame to what the flow table counts: addresses, ports, octets, flags.
//!
//! Frames come from `capture`; a [`Packet`] goes to `table`. `link` finds the IP packet in the frame, `ip`
//! reads it: by hand where it is the plain TCP or UDP packet that most are, with etherparse for the rest. Who wants what
//! UDP carries gets it from `datagram`.

mod datagram;
mod fragment;
mod ip;
mod key;
mod link;
mod reassembly;
mod transport;
mod tunnel;

pub use datagram::{Content, Datagram, Datagrams};
pub use fragment::FragmentCache;
pub use key::Key;
pub use link::LinkType;

use crate::capture::Frame;

/// One IP packet as the flow table counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The flow it belongs to.
    pub key: Key,
    /// True when it was sent by the end that the key names `a`.
    pub from_a: bool,
    /// IP header and payload, from the IP header.
    pub octets: u32,
    /// TCP flags, low octet; 0 if not TCP or cut off.
    pub tcp_flags: u8,
    /// Differentiated services code point.
    pub dscp: u8,
    /// ICMP type and code; zero if not ICMP.
    pub icmp: (u8, u8),
}

/// Why a frame is not counted as an IP packet. None of these but the last two is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NotIp {
    /// ARP (RFC 826).
    Arp,
    /// IEEE 802.3 frames with a length: spanning tree, CDP, LLC.
    Llc,
    /// LLDP (IEEE 802.1AB).
    Lldp,
    /// PPP or PPPoE control.
    PppControl,
    /// MPLS with something else than IP inside.
    Mpls,
    /// Another protocol over the link.
    OtherEtherType,
    /// The frame ends before its IP header does.
    Truncated,
    /// The IP header contradicts itself.
    BadIpHeader,
}

impl NotIp {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [Self; 8] = [
        Self::Arp,
        Self::Llc,
        Self::Lldp,
        Self::PppControl,
        Self::Mpls,
        Self::OtherEtherType,
        Self::Truncated,
        Self::BadIpHeader,
    ];

    /// The name in summaries and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arp => "arp",
            Self::Llc => "llc",
            Self::Lldp => "lldp",
            Self::PppControl => "ppp_control",
            Self::Mpls => "mpls_not_ip",
            Self::OtherEtherType => "other_ethertype",
            Self::Truncated => "truncated",
            Self::BadIpHeader => "bad_ip_header",
        }
    }

    /// True for frames that should have held an IP packet and could not be read.
    #[must_use]
    pub const fn is_undecodable(self) -> bool {
        matches!(self, Self::Truncated | Self::BadIpHeader)
    }
}

/// Reads the frames of one observation point.
pub struct Decoder {
    look_inside: bool,
    fragments: FragmentCache,
}

impl Decoder {
    /// `look_inside` counts tunnelled packets by their inner header.
    #[must_use]
    pub fn new(look_inside: bool) -> Self {
        Self { look_inside, fragments: FragmentCache::default() }
    }

    /// Reads packets that an exporter sampled: each stands alone, since the other fragments of its datagram are hardly
    /// ever sampled too, so none is remembered. Tunnels are not looked into.
    #[must_use]
    pub fn of_samples() -> Self {
        Self { look_inside: false, fragments: FragmentCache::forgetful() }
    }

    /// Forgets the datagrams whose later fragments are awaited: what comes next is another capture.
    pub fn forget(&mut self) {
        self.fragments = FragmentCache::default();
    }

    /// Reads one frame of link type `link`.
    ///
    /// # Errors
    /// Why the frame holds no IP packet.
    #[inline]
    pub fn decode(&mut self, link: LinkType, frame: &Frame<'_>) -> Result<Packet, NotIp> {
        let found = link::find(link, frame)?;
        ip::read(found, self.look_inside, &mut self.fragments, frame.timestamp.micros())
    }
}

#[cfg(test)]
mod tests;
