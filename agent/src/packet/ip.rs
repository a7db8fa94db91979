//! The IP header: who, whom, how many octets, and which fragment.

use etherparse::err::ipv4::HeaderSliceError;
use etherparse::{IpNumber, Ipv6FragmentHeaderSlice, LaxIpv4Slice, LaxIpv6Slice};

use super::fragment::FragmentCache;
use super::key::{Ends, Key, Ports, VlanIds, Words};
use super::link::Found;
use super::transport::{self, Transport};
use super::{NotIp, Packet, tunnel};

/// Longest packet whose header gives no length (segmentation offload, jumbograms) that is believed: Linux's
/// `GSO_MAX_SIZE`. Stops a capture file that claims a frame of 4 GiB from being counted as such.
const MAX_OFFLOADED: u32 = 524_280;

/// What the IP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) ends: Ends,
    pub(super) octets: u32,
    pub(super) dscp: u8,
    pub(super) fragment: Fragment,
    /// What follows the last extension header, as far as it was captured.
    pub(super) payload: &'a [u8],
}

/// Which part of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragment {
    /// All of it.
    Whole,
    /// The first part, with the transport header, of this datagram.
    First(Datagram),
    /// A later part.
    Later(Datagram),
}

/// What the parts of a datagram share beside its ends: the identification, and in IPv4 the protocol (RFC 791 §3.2,
/// RFC 8200 §4.5).
pub(super) type Datagram = u64;

/// Reads the packet that `link` found.
#[inline]
pub(super) fn read(
    found: Found<'_>,
    look_inside: bool,
    fragments: &mut FragmentCache,
    now_micros: i64,
) -> Result<Packet, NotIp> {
    let mut header = header(found)?;
    if look_inside {
        header = tunnel::innermost(header);
    }
    let transport = match header.fragment {
        Fragment::Whole => transport::read(header.ends.proto, header.payload),
        Fragment::First(datagram) => {
            let transport = transport::read(header.ends.proto, header.payload);
            fragments.remember(&header.ends, datagram, transport, now_micros);
            transport
        }
        Fragment::Later(datagram) => {
            let first = fragments.recall(&header.ends, datagram, now_micros);
            later(&mut header.ends, first)
        }
    };
    let (key, from_a) = Key::new(&header.ends, transport.ports);
    Ok(Packet {
        key,
        from_a,
        octets: header.octets,
        tcp_flags: transport.tcp_flags,
        dscp: header.dscp,
        icmp: transport.icmp,
    })
}

/// A later fragment has the protocol and the ports of the first, and none of its flags.
fn later(ends: &mut Ends, first: Option<(u8, Transport)>) -> Transport {
    if let Some((proto, first)) = first {
        ends.proto = proto;
        return Transport { tcp_flags: 0, ..first };
    }
    let ports = match ends.proto {
        1 | 6 | 17 | 33 | 58 | 132 | 136 => Ports::Unknown,
        _ => Ports::None,
    };
    Transport { ports, tcp_flags: 0, icmp: (0, 0) }
}

/// Reads the IP header at the start of `found`: by hand when it has neither fragments nor extensions.
#[inline]
pub(super) fn header(found: Found<'_>) -> Result<Header<'_>, NotIp> {
    match plain(found) {
        Some(header) => Ok(header),
        None => unusual(found),
    }
}

#[inline]
pub(super) fn plain(found: Found<'_>) -> Option<Header<'_>> {
    match *found.ip.first()? >> 4 {
        4 => plain_v4(found),
        6 => plain_v6(found),
        _ => None,
    }
}

#[inline]
fn plain_v4(found: Found<'_>) -> Option<Header<'_>> {
    let head: &[u8; 20] = found.ip.first_chunk()?;
    let header_len = usize::from(head[0] & 0x0f) * 4;
    let octets = u16::from_be_bytes([head[2], head[3]]);
    let more_fragments_or_offset = u16::from_be_bytes([head[6], head[7]]) & 0x3fff;
    if header_len < 20 || usize::from(octets) < header_len || more_fragments_or_offset != 0 || head[9] == 51 {
        return None;
    }
    let end = found.ip.len().min(octets.into());
    let ends = v4_ends(head, found.vlan);
    let payload = found.ip.get(header_len..end).unwrap_or_default();
    Some(Header { ends, octets: octets.into(), dscp: head[1] >> 2, fragment: Fragment::Whole, payload })
}

#[inline]
fn plain_v6(found: Found<'_>) -> Option<Header<'_>> {
    let head: &[u8; 40] = found.ip.first_chunk()?;
    let payload_len = u16::from_be_bytes([head[4], head[5]]);
    if payload_len == 0 || !matches!(head[6], 6 | 17 | 58) {
        return None;
    }
    let octets = u32::from(payload_len) + 40;
    let end = found.ip.len().min(usize::from(payload_len) + 40);
    let ends = Ends {
        src: v6_words(head, 8),
        dst: v6_words(head, 24),
        ipv6: true,
        vlan: found.vlan,
        proto: head[6],
    };
    let dscp = (head[0] & 0x0f) << 2 | head[1] >> 6;
    let payload = found.ip.get(40..end).unwrap_or_default();
    Some(Header { ends, octets, dscp, fragment: Fragment::Whole, payload })
}

/// Everything else, with etherparse: fragments, extension headers, cut and odd packets.
#[inline(never)]
pub(super) fn unusual(found: Found<'_>) -> Result<Header<'_>, NotIp> {
    match found.ip.first().ok_or(NotIp::Truncated)? >> 4 {
        4 => unusual_v4(found),
        6 => unusual_v6(found),
        _ => Err(NotIp::BadIpHeader),
    }
}

fn unusual_v4(found: Found<'_>) -> Result<Header<'_>, NotIp> {
    let head: &[u8; 20] = found.ip.first_chunk().ok_or(NotIp::Truncated)?;
    let (proto, said) = (head[9], u16::from_be_bytes([head[2], head[3]]));
    let flags_and_offset = u16::from_be_bytes([head[6], head[7]]);
    let datagram = u64::from(proto) << 16 | u64::from(u16::from_be_bytes([head[4], head[5]]));
    let mut header = Header {
        ends: v4_ends(head, found.vlan),
        octets: octets(said.into(), said == 0, found),
        dscp: head[1] >> 2,
        fragment: fragment(flags_and_offset & 0x2000 != 0, flags_and_offset & 0x1fff, datagram),
        payload: &[],
    };
    match LaxIpv4Slice::from_slice(found.ip) {
        // A later part does not begin with the header that the protocol field names.
        Ok(_) if matches!(header.fragment, Fragment::Later(_)) => {}
        Ok((v4, _)) => (header.ends.proto, header.payload) = (v4.payload().ip_number.0, v4.payload().payload),
        // The capture ends among the options.
        Err(HeaderSliceError::Len(_)) => {}
        Err(HeaderSliceError::Content(_)) => return Err(NotIp::BadIpHeader),
    }
    Ok(header)
}

fn unusual_v6(found: Found<'_>) -> Result<Header<'_>, NotIp> {
    const NO_NEXT_HEADER: u8 = 59;
    if found.ip.len() < 40 {
        return Err(NotIp::Truncated);
    }
    let (v6, _) = LaxIpv6Slice::from_slice(found.ip).map_err(|_| NotIp::BadIpHeader)?;
    let (head, payload) = (v6.header(), v6.payload());
    let said = u32::from(head.payload_length());
    let says_none = said == 0 && head.next_header().0 != NO_NEXT_HEADER;
    let (fragment, proto, payload) = match v6_fragment(&v6) {
        Some((fragment @ Fragment::Later(_), proto)) => (fragment, proto, &[][..]),
        Some((fragment, _)) => (fragment, payload.ip_number.0, payload.payload),
        None => (Fragment::Whole, payload.ip_number.0, payload.payload),
    };
    let ends = Ends {
        src: v6_words(head.slice(), 8),
        dst: v6_words(head.slice(), 24),
        ipv6: true,
        vlan: found.vlan,
        proto,
    };
    let octets = octets(said + 40, says_none, found);
    Ok(Header { ends, octets, dscp: head.traffic_class() >> 2, fragment, payload })
}

/// The length that the header says; where it says none, that of the frame on the wire.
fn octets(said: u32, says_none: bool, found: Found<'_>) -> u32 {
    if says_none {
        let captured = u32::try_from(found.ip.len()).unwrap_or(u32::MAX);
        return if found.wire <= MAX_OFFLOADED { found.wire.max(captured) } else { captured };
    }
    said
}

fn fragment(more: bool, offset: u16, datagram: Datagram) -> Fragment {
    match (more, offset) {
        (false, 0) => Fragment::Whole,
        (true, 0) => Fragment::First(datagram),
        _ => Fragment::Later(datagram),
    }
}

/// The fragment header, if there is one, and the protocol that it names.
///
/// Not with etherparse's iterator: that of 0.21 reads past the end of the packet where the header after the last whole
/// one was cut off.
fn v6_fragment(v6: &LaxIpv6Slice<'_>) -> Option<(Fragment, u8)> {
    let extensions = v6.extensions();
    let (mut kind, mut rest) = (extensions.first_header()?, extensions.slice());
    loop {
        let &[next, length] = rest.first_chunk()?;
        let octets = match kind {
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let head = Ipv6FragmentHeaderSlice::from_slice(rest).ok()?;
                let (more, offset) = (head.more_fragments(), head.fragment_offset().value());
                return Some((fragment(more, offset, head.identification().into()), next));
            }
            IpNumber::AUTHENTICATION_HEADER => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        (kind, rest) = (IpNumber(next), rest.get(octets..)?);
    }
}

#[inline]
fn v4_ends(head: &[u8; 20], vlan: VlanIds) -> Ends {
    Ends {
        src: v4_words([head[12], head[13], head[14], head[15]]),
        dst: v4_words([head[16], head[17], head[18], head[19]]),
        ipv6: false,
        vlan,
        proto: head[9],
    }
}

#[inline]
fn v4_words(octets: [u8; 4]) -> Words {
    [0, u32::from_be_bytes(octets).into()]
}

#[inline]
fn v6_words(head: &[u8], at: usize) -> Words {
    let word =
        |at: usize| head.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_be_bytes);
    [word(at), word(at + 8)]
}

/// Reads the IP packet inside a tunnel; its VLAN is that of the outer frame.
pub(super) fn inner(ip: &[u8], vlan: VlanIds) -> Result<Header<'_>, NotIp> {
    let wire = u32::try_from(ip.len()).unwrap_or(u32::MAX);
    header(Found { ip, vlan, wire })
}
