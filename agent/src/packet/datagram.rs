//! The UDP datagrams of a capture, whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::NotIp;
use super::link::{self, LinkType};
use super::reassembly::{Identity, Piece, Reassembly};
use crate::capture::Frame;

const UDP: u8 = 17;
const UDP_HEADER: usize = 8;

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// The port that it was sent to.
    pub port: u16,
    /// Its payload, as far as it was captured.
    pub payload: &'a [u8],
}

/// What a frame holds for who asks for datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A datagram, or the last fragment that was missing of one.
    Datagram(Datagram<'a>),
    /// A fragment of a datagram whose others have not come yet.
    Fragment,
    /// An IP packet that is not UDP, or UDP whose header is missing.
    Other,
}

/// Finds datagrams in frames, and puts together those that came in fragments.
#[derive(Default)]
pub struct Datagrams {
    reassembly: Reassembly,
}

impl Datagrams {
    /// Reads one frame of link type `link`. Datagrams that will not become whole any more go to `lost`: the port that
    /// they were sent to and the payload, as far as it came; no port where the first fragment is missing.
    ///
    /// # Errors
    /// Why the frame holds no IP packet.
    pub fn read<'a>(
        &'a mut self,
        link: LinkType,
        frame: &Frame<'a>,
        lost: &mut impl FnMut(Option<u16>, &[u8]),
    ) -> Result<Content<'a>, NotIp> {
        let found = link::find(link, frame)?;
        let packet = match *found.ip {
            [first, ..] if first >> 4 == 4 => v4(found.ip)?,
            [first, ..] if first >> 4 == 6 => v6(found.ip)?,
            [] => return Err(NotIp::Truncated),
            _ => return Err(NotIp::BadIpHeader),
        };
        let Packet { src, dst, proto: UDP, identification, piece } = packet else {
            return Ok(Content::Other);
        };
        let whole = match identification {
            None => piece.octets,
            Some(number) => {
                let identity = Identity { src, dst, number };
                let lost = &mut |start: &[u8]| report(start, lost);
                match self.reassembly.add(identity, piece, frame.timestamp.micros(), lost) {
                    Some(whole) => whole,
                    None => return Ok(Content::Fragment),
                }
            }
        };
        Ok(datagram(src, whole).map_or(Content::Other, Content::Datagram))
    }

    /// Gives up what is not whole: what comes next is another capture.
    pub fn forget(&mut self, lost: &mut impl FnMut(Option<u16>, &[u8])) {
        self.reassembly.drain(&mut |start: &[u8]| report(start, lost));
    }
}

/// What `lost` is told of a datagram of which this much came.
fn report(start: &[u8], lost: &mut impl FnMut(Option<u16>, &[u8])) {
    match datagram(Ipv4Addr::UNSPECIFIED.into(), start) {
        Some(datagram) => lost(Some(datagram.port), datagram.payload),
        None => lost(None, &[]),
    }
}

/// Reads the UDP header at the start of `octets`. A length of 0 is that of a jumbogram (RFC 2675 §4).
fn datagram(src: IpAddr, octets: &[u8]) -> Option<Datagram<'_>> {
    let (&[s0, s1, d0, d1, l0, l1, _, _], rest) = octets.split_first_chunk::<UDP_HEADER>()?;
    let said = match usize::from(u16::from_be_bytes([l0, l1])) {
        0 => rest.len(),
        length => length.checked_sub(UDP_HEADER)?,
    };
    Some(Datagram {
        from: SocketAddr::new(src, u16::from_be_bytes([s0, s1])),
        port: u16::from_be_bytes([d0, d1]),
        payload: rest.get(..said).unwrap_or(rest),
    })
}

/// An IP packet, or a fragment of one.
struct Packet<'a> {
    src: IpAddr,
    dst: IpAddr,
    proto: u8,
    /// That of the datagram which this is a fragment of.
    identification: Option<u32>,
    piece: Piece<'a>,
}

/// RFC 791 §3.1.
fn v4(ip: &[u8]) -> Result<Packet<'_>, NotIp> {
    let head: &[u8; 20] = ip.first_chunk().ok_or(NotIp::Truncated)?;
    let header = usize::from(head[0] & 0x0f) * 4;
    let said = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if header < head.len() || (said != 0 && said < header) {
        return Err(NotIp::BadIpHeader);
    }
    // The network card's offloads leave the length out.
    let end = if said == 0 { ip.len() } else { said.min(ip.len()) };
    let field = u16::from_be_bytes([head[6], head[7]]);
    let (more, offset) = (field & 0x2000 != 0, field & 0x1fff);
    let address = |at: usize| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]).into();
    Ok(Packet {
        src: address(12),
        dst: address(16),
        proto: head[9],
        identification: (more || offset != 0).then(|| u16::from_be_bytes([head[4], head[5]]).into()),
        piece: Piece { offset, more, octets: ip.get(header..end).unwrap_or_default() },
    })
}

/// RFC 8200 §3 and §4.
fn v6(ip: &[u8]) -> Result<Packet<'_>, NotIp> {
    const HEADER: usize = 40;
    let head: &[u8; HEADER] = ip.first_chunk().ok_or(NotIp::Truncated)?;
    let said = usize::from(u16::from_be_bytes([head[4], head[5]]));
    // Nothing is said of jumbograms, and by the network card's offloads.
    let end = if said == 0 { ip.len() } else { (HEADER + said).min(ip.len()) };
    let (proto, fragment, octets) = extensions(head[6], ip.get(HEADER..end).unwrap_or_default());
    let (identification, offset, more) = match fragment {
        Some((number, offset, more)) if more || offset != 0 => (Some(number), offset, more),
        _ => (None, 0, false),
    };
    Ok(Packet {
        src: v6_address(head, 8),
        dst: v6_address(head, 24),
        proto,
        identification,
        piece: Piece { offset, more, octets },
    })
}

fn v6_address(head: &[u8; 40], at: usize) -> IpAddr {
    let octets = head.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    Ipv6Addr::from(octets).into()
}

/// Identification, offset in units of 8 octets, and whether more follow.
type V6Fragment = (u32, u16, bool);

/// Passes over extension headers: what they carry, the fragment header if there is one, and what follows. The chain
/// ends where the packet does, as each header takes 8 octets at least.
fn extensions(mut next: u8, mut rest: &[u8]) -> (u8, Option<V6Fragment>, &[u8]) {
    let mut fragment = None;
    while let (0 | 43 | 44 | 51 | 60, Some(&head)) = (next, rest.first_chunk::<8>()) {
        let [following, length, f0, f1, number @ ..] = head;
        let octets = match next {
            44 => {
                let field = u16::from_be_bytes([f0, f1]);
                fragment = Some((u32::from_be_bytes(number), field >> 3, field & 1 == 1));
                8
            }
            51 => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        (next, rest) = (following, rest.get(octets..).unwrap_or_default());
        if fragment.is_some_and(|(_, offset, _)| offset != 0) {
            break;
        }
    }
    (next, fragment, rest)
}
