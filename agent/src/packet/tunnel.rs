//! What is inside a tunnel, for those who ask: GRE, VXLAN, GENEVE, IP in IP.

use super::ip::{Fragment, Header, inner};

/// Tunnels within tunnels that are followed: stops a crafted packet from costing time.
const MAX_DEPTH: usize = 4;

const VXLAN_PORT: u16 = 4789;
const GENEVE_PORT: u16 = 6081;
const ETHERNET: u16 = 0x6558;

/// The header of the innermost IP packet that can be read; `outer` itself where there is no tunnel.
pub(super) fn innermost(outer: Header<'_>) -> Header<'_> {
    let mut header = outer;
    for _ in 0..MAX_DEPTH {
        if header.fragment != Fragment::Whole {
            break;
        }
        match inside(&header) {
            Some(next) => header = next,
            None => break,
        }
    }
    header
}

fn inside<'a>(outer: &Header<'a>) -> Option<Header<'a>> {
    let ip = match outer.ends.proto {
        4 | 41 => outer.payload,
        47 => gre(outer.payload)?,
        17 => udp(outer.payload)?,
        _ => return None,
    };
    inner(ip, outer.ends.vlan).ok()
}

/// GRE version 0 with its optional fields (RFC 2784, RFC 2890).
fn gre(payload: &[u8]) -> Option<&[u8]> {
    let &[flags, version, t0, t1] = payload.first_chunk()?;
    let routing = flags & 0x40 != 0;
    if version & 0x07 != 0 || routing {
        return None;
    }
    let optional = [flags & 0x80, flags & 0x20, flags & 0x10].into_iter().filter(|&bit| bit != 0).count();
    by_type(u16::from_be_bytes([t0, t1]), payload.get(4 + 4 * optional..)?)
}

/// VXLAN (RFC 7348 §5) and GENEVE (RFC 8926 §3.4) over UDP.
fn udp(payload: &[u8]) -> Option<&[u8]> {
    let &[_, _, d0, d1, ..] = payload.first_chunk::<8>()?;
    let body = payload.get(8..)?;
    match u16::from_be_bytes([d0, d1]) {
        VXLAN_PORT => {
            let valid_vni = body.first()? & 0x08 != 0;
            if valid_vni { by_type(ETHERNET, body.get(8..)?) } else { None }
        }
        GENEVE_PORT => {
            let &[first, _, t0, t1] = body.first_chunk()?;
            let options = usize::from(first & 0x3f) * 4;
            if first >> 6 != 0 {
                return None;
            }
            by_type(u16::from_be_bytes([t0, t1]), body.get(8 + options..)?)
        }
        _ => None,
    }
}

/// What an Ethernet type announces, inside a tunnel: IP, or a frame with IP and at most two tags.
fn by_type(kind: u16, body: &[u8]) -> Option<&[u8]> {
    match kind {
        0x0800 | 0x86dd => Some(body),
        ETHERNET => ethernet(body),
        _ => None,
    }
}

fn ethernet(frame: &[u8]) -> Option<&[u8]> {
    let mut at = 12;
    for _ in 0..3 {
        let &[high, low] = frame.get(at..)?.first_chunk()?;
        match u16::from_be_bytes([high, low]) {
            0x0800 | 0x86dd => return frame.get(at + 2..),
            0x8100 | 0x88a8 => at += 4,
            _ => return None,
        }
    }
    None
}
