//! From a frame to the IP packet in it: link types and what may stand between them and IP.

use super::NotIp;
use super::key::VlanIds;
use crate::capture::Frame;

/// Link-layer header types that Weir reads (www.tcpdump.org/linktypes.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// BSD loopback: a 4-octet address family in the byte order of the host.
    Null,
    /// Ethernet.
    Ethernet,
    /// PPP, with or without HDLC framing (RFC 1661, RFC 1662), or Cisco HDLC.
    Ppp,
    /// PPP over Ethernet session packets without Ethernet header (RFC 2516).
    PppEther,
    /// IPv4 or IPv6 without a link header.
    RawIp,
    /// Linux cooked capture v1.
    LinuxSll,
    /// Linux cooked capture v2.
    LinuxSll2,
    /// Netfilter log messages.
    Nflog,
}

impl LinkType {
    /// From the number in a capture file; `None` for one that Weir cannot read.
    #[must_use]
    pub const fn from_file(number: u16) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            9 | 50 | 104 => Self::Ppp,
            51 => Self::PppEther,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            113 => Self::LinuxSll,
            239 => Self::Nflog,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }
}

/// An IP packet as found in a frame; longer than the packet where the frame was padded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// From the IP header on.
    pub ip: &'a [u8],
    /// VLAN tags on the way.
    pub vlan: VlanIds,
    /// Octets from the IP header to the end of the frame on the wire; for packets whose header gives no length.
    pub wire: u32,
}

/// No frame has more tags or labels than this: stops a crafted frame from costing time.
const MAX_LAYERS: usize = 16;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Finds the IP packet in `frame`.
#[inline]
pub(super) fn find<'a>(link: LinkType, frame: &Frame<'a>) -> Result<Found<'a>, NotIp> {
    let data = frame.data;
    let mut vlan = VlanIds::default();
    if let Some(tag) = frame.vlan {
        vlan.push(tag.tci);
    }
    let walk = Walk { data, wire: frame.wire_len, vlan };
    match link {
        LinkType::Ethernet => walk.ether_type(12),
        LinkType::RawIp => walk.ip(0),
        LinkType::Null => walk.loopback(),
        LinkType::LinuxSll => walk.ether_type(14),
        LinkType::LinuxSll2 => match (walk.u16(0)?, walk.data.len() >= 20) {
            (_, false) => Err(NotIp::Truncated),
            (protocol, true) => walk.payload(protocol, 20, 0),
        },
        LinkType::Ppp => walk.hdlc(),
        LinkType::PppEther => walk.pppoe(0),
        LinkType::Nflog => walk.nflog(),
    }
}

impl VlanIds {
    /// Takes the next tag towards the payload; priority tags (identifier 0) name no VLAN.
    #[inline]
    fn push(&mut self, tci: u16) {
        let id = tci & 0x0fff;
        if id == 0 {
            return;
        }
        if self.outer == 0 && self.inner != 0 {
            self.outer = self.inner;
        }
        self.inner = id;
    }
}

struct Walk<'a> {
    data: &'a [u8],
    wire: u32,
    vlan: VlanIds,
}

impl<'a> Walk<'a> {
    #[inline]
    fn u16(&self, at: usize) -> Result<u16, NotIp> {
        match self.data.get(at..at + 2) {
            Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
            _ => Err(NotIp::Truncated),
        }
    }

    /// The Ethernet type at offset `at`, and what follows it.
    #[inline]
    fn ether_type(self, at: usize) -> Result<Found<'a>, NotIp> {
        let kind = self.u16(at)?;
        self.payload(kind, at + 2, 0)
    }

    /// What an Ethernet type announces at offset `at`.
    #[inline]
    fn payload(self, kind: u16, at: usize, layers: usize) -> Result<Found<'a>, NotIp> {
        match kind {
            IPV4 | IPV6 => self.ip(at),
            _ => self.other(kind, at, layers),
        }
    }

    fn other(mut self, kind: u16, at: usize, layers: usize) -> Result<Found<'a>, NotIp> {
        if layers == MAX_LAYERS {
            return Err(NotIp::OtherEtherType);
        }
        match kind {
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                self.vlan.push(self.u16(at)?);
                let next = self.u16(at + 2)?;
                self.payload(next, at + 4, layers + 1)
            }
            0x8847 | 0x8848 => self.mpls(at),
            0x8864 => self.pppoe(at),
            0x8863 => Err(NotIp::PppControl),
            0x0806 => Err(NotIp::Arp),
            0x88cc => Err(NotIp::Lldp),
            0..=1500 => Err(NotIp::Llc),
            _ => Err(NotIp::OtherEtherType),
        }
    }

    /// A label stack (RFC 3032); what is inside is known by its first four bits alone.
    fn mpls(self, mut at: usize) -> Result<Found<'a>, NotIp> {
        for _ in 0..MAX_LAYERS {
            let bottom = *self.data.get(at + 2).ok_or(NotIp::Truncated)? & 1 == 1;
            at += 4;
            if bottom {
                return match self.data.get(at).map(|first| first >> 4) {
                    Some(4 | 6) => self.ip(at),
                    Some(_) => Err(NotIp::Mpls),
                    None => Err(NotIp::Truncated),
                };
            }
        }
        Err(NotIp::Mpls)
    }

    /// A PPPoE session header (RFC 2516 §4), then PPP.
    fn pppoe(self, at: usize) -> Result<Found<'a>, NotIp> {
        match self.data.get(at + 1) {
            Some(0) => self.ppp(at + 6),
            Some(_) => Err(NotIp::PppControl),
            None => Err(NotIp::Truncated),
        }
    }

    /// PPP in HDLC-like framing (RFC 1662): address and control octets may be left out.
    fn hdlc(self) -> Result<Found<'a>, NotIp> {
        match self.data {
            [0xff, 0x03, ..] => self.ppp(2),
            // Cisco HDLC: address, control, then an Ethernet type.
            [0x0f | 0x8f, 0x00, ..] => self.ether_type(2),
            _ => self.ppp(0),
        }
    }

    /// A PPP protocol number, one octet when it is odd (RFC 1661 §2).
    fn ppp(self, at: usize) -> Result<Found<'a>, NotIp> {
        let first = *self.data.get(at).ok_or(NotIp::Truncated)?;
        let (protocol, at) =
            if first & 1 == 1 { (u16::from(first), at + 1) } else { (self.u16(at)?, at + 2) };
        match protocol {
            0x0021 | 0x0057 => self.ip(at),
            0x0281 | 0x0283 => self.mpls(at),
            _ => Err(NotIp::PppControl),
        }
    }

    /// An address family in either byte order: 2 is IPv4 everywhere, IPv6 differs by system.
    fn loopback(self) -> Result<Found<'a>, NotIp> {
        let family = match self.data {
            [0, 0, 0, family, ..] | [family, 0, 0, 0, ..] => *family,
            [_, _, _, _, ..] => return Err(NotIp::OtherEtherType),
            _ => return Err(NotIp::Truncated),
        };
        match family {
            2 | 10 | 24 | 28 | 30 => self.ip(4),
            _ => Err(NotIp::OtherEtherType),
        }
    }

    /// Netfilter log: address family, version, resource; then TLVs, of which number 9 is the packet.
    fn nflog(self) -> Result<Found<'a>, NotIp> {
        const PAYLOAD: u16 = 9;
        let mut at = 4;
        for _ in 0..64 {
            let Some(&[l0, l1, t0, t1]) = self.data.get(at..at + 4) else { break };
            // In the byte order of the capturing host: no TLV is longer than 64 KiB on either reading that fits.
            let (length, kind) = (u16::from_le_bytes([l0, l1]), u16::from_le_bytes([t0, t1]));
            let (length, kind) =
                if kind > 255 { (length.swap_bytes(), kind.swap_bytes()) } else { (length, kind) };
            if kind == PAYLOAD {
                return self.ip(at + 4);
            }
            if length < 4 {
                return Err(NotIp::Truncated);
            }
            at += usize::from(length).next_multiple_of(4);
        }
        Err(NotIp::Truncated)
    }

    #[inline]
    fn ip(self, at: usize) -> Result<Found<'a>, NotIp> {
        let ip = self.data.get(at..).ok_or(NotIp::Truncated)?;
        let before = u32::try_from(at).unwrap_or(u32::MAX);
        Ok(Found { ip, vlan: self.vlan, wire: self.wire.saturating_sub(before) })
    }
}
