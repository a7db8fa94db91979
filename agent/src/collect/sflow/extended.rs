//! What the exporter adds to a sampled packet: VLANs, route, AS numbers, users, translations.
//!
//! Structures of sFlow Version 5 §5, and of the sFlow Tunnel and Dropped Packet Notification Structures. Every function
//! answers `None` when its structure is cut off; what it read before stays.

use std::net::IpAddr;

use serde_json::Value;

use super::super::wire::Reader;
use super::super::{Fault, Faults};
use super::draft::{self, Draft};
use super::header::Fields;
use super::xdr;

/// Reads one structure by its data format; `Some(false)` for a format that says nothing for the record.
pub(super) fn read(
    data_format: u32,
    part: &mut Reader<'_>,
    draft: &mut Draft,
    faults: &mut Faults,
) -> Option<bool> {
    match data_format {
        1001 => switch(part, draft)?,
        1002 => router(part, draft)?,
        1003 => gateway(part, draft)?,
        1004 => user(part, draft, faults)?,
        1005 => url(part, draft, faults)?,
        1006 => mpls(part, draft)?,
        1007 => nat(part, draft)?,
        1012 => vlan_tunnel(part, draft)?,
        1020 => nat_ports(part, draft)?,
        1023..=1026 => tunnel(part, data_format >= 1025, draft)?,
        1029 | 1030 => draft.add("vni", part.u32()?),
        1037 => acl(part, draft, faults)?,
        1038 => named("drop_function", part, draft, faults)?,
        1041 => {
            named("drop_trap_group", part, draft, faults)?;
            named("drop_trap", part, draft, faults)?;
        }
        1042 => named("drop_linux_reason", part, draft, faults)?,
        _ => return Some(false),
    }
    Some(true)
}

/// VLANs before and after the switch (`extended_switch`).
fn switch(part: &mut Reader<'_>, draft: &mut Draft) -> Option<()> {
    let (vlan_in, _priority_in, vlan_out, _priority_out) =
        (part.u32()?, part.u32()?, part.u32()?, part.u32()?);
    draft.vlan_in = draft::vlan(vlan_in);
    draft.vlan_out = draft::vlan(vlan_out);
    Some(())
}

/// The route (`extended_router`).
fn router(part: &mut Reader<'_>, draft: &mut Draft) -> Option<()> {
    draft.exported.next_hop = xdr::address(part)?;
    let (source, destination) = (part.u32()?, part.u32()?);
    for (name, length) in [("src_prefix_length", source), ("dst_prefix_length", destination)] {
        if (1..=128).contains(&length) {
            draft.add(name, length);
        }
    }
    Some(())
}

/// AS numbers (`extended_gateway`): where the source is local, or the path is empty, the router's own.
fn gateway(part: &mut Reader<'_>, draft: &mut Draft) -> Option<()> {
    draft.other_next_hop = xdr::address(part)?;
    let (own, source, _source_peer) = (part.u32()?, part.u32()?, part.u32()?);
    let known = |number: u32| (number != 0).then_some(number);
    draft.exported.src_as = known(source).or(known(own));
    let mut last = None;
    for _ in 0..part.u32()? {
        let _set_or_sequence = part.u32()?;
        let length = usize::try_from(part.u32()?).ok()?.checked_mul(4)?;
        let segment = part.take(length)?;
        last = segment.last_chunk().copied().map(u32::from_be_bytes).or(last);
    }
    draft.exported.dst_as = last.and_then(known).or(known(own));
    Some(())
}

/// Users at both ends (`extended_user`).
fn user(part: &mut Reader<'_>, draft: &mut Draft, faults: &mut Faults) -> Option<()> {
    for name in ["user_name", "dst_user_name"] {
        let _charset = part.u32()?;
        named(name, part, draft, faults)?;
    }
    Some(())
}

/// An HTTP request (`extended_url`).
fn url(part: &mut Reader<'_>, draft: &mut Draft, faults: &mut Faults) -> Option<()> {
    let _direction = part.u32()?;
    named("http_url", part, draft, faults)?;
    if let Some(host) = text(part, faults)? {
        draft.record.domain = domain(&host).map(Into::into);
    }
    Some(())
}

/// The name in the `Host` of a request (RFC 9110 §7.2): without a port, and not an address.
fn domain(host: &str) -> Option<String> {
    let is_address = |text: &str| text.starts_with('[') || text.parse::<IpAddr>().is_ok();
    if is_address(host) {
        return None;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.');
    (!name.is_empty() && !is_address(name)).then(|| name.to_ascii_lowercase())
}

/// The label that the packet came with (`extended_mpls`).
fn mpls(part: &mut Reader<'_>, draft: &mut Draft) -> Option<()> {
    draft.other_next_hop = draft.other_next_hop.or(xdr::address(part)?);
    if part.u32()? > 0 {
        draft.add("mpls_top_label", part.u32()? >> 12);
    }
    Some(())
}

/// Addresses after translation (`extended_nat`).
fn nat(part: &mut Reader<'_>, draft: &mut Draft) -> Option<()> {
    let (source, destination) = (xdr::address(part)?, xdr::address(part)?);
    draft.add_address("nat_src_ip", source);
    draft.add_address("nat_dst_ip", destination);
    Some(())
}

/// Ports after translation (`extended_nat_port`).
fn nat_ports(part: &mut Reader<'_>, draft: &mut Draft) -> Option<()> {
    let (source, destination) = (part.u32()?, part.u32()?);
    for (name, port) in [("nat_src_port", source), ("nat_dst_port", destination)] {
        if let Some(port) = u16::try_from(port).ok().filter(|&port| port != 0) {
            draft.add(name, port);
        }
    }
    Some(())
}

/// Tags that were taken off, outermost first (`extended_vlan_tunnel`): the one next to the frame counts.
fn vlan_tunnel(part: &mut Reader<'_>, draft: &mut Draft) -> Option<()> {
    let length = usize::try_from(part.u32()?).ok()?.checked_mul(4)?;
    let tags = part.take(length)?;
    let innermost = tags.last_chunk().copied().map(u32::from_be_bytes);
    draft.vlan_stripped = innermost.and_then(|tag| draft::vlan(tag & 0x0fff));
    Some(())
}

/// The ends of a tunnel that the packet came by or left by (`extended_ipv4_tunnel_egress` and its kin).
fn tunnel(part: &mut Reader<'_>, ipv6: bool, draft: &mut Draft) -> Option<()> {
    let Fields { src, dst, .. } = Fields::read(part, ipv6)?;
    draft.add_address("tunnel_src_ip", Some(src));
    draft.add_address("tunnel_dst_ip", Some(dst));
    Some(())
}

/// The access list that decided (`extended_acl`).
fn acl(part: &mut Reader<'_>, draft: &mut Draft, faults: &mut Faults) -> Option<()> {
    let number = part.u32()?;
    if number != 0 {
        draft.add("acl_number", number);
    }
    named("acl_name", part, draft, faults)
}

/// Text under a name, unless it is empty.
fn named(name: &'static str, part: &mut Reader<'_>, draft: &mut Draft, faults: &mut Faults) -> Option<()> {
    if let Some(text) = text(part, faults)? {
        draft.add(name, Value::String(text));
    }
    Some(())
}

fn text(part: &mut Reader<'_>, faults: &mut Faults) -> Option<Option<String>> {
    Some(match xdr::text(part)? {
        Ok(text) => (!text.is_empty()).then_some(text),
        Err(xdr::TooLong) => {
            faults.count(Fault::GiantField);
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::domain;

    #[test]
    fn the_host_of_a_request_names_a_domain_unless_it_is_an_address() {
        for (host, name) in [
            ("Www.Example.COM", Some("www.example.com")),
            ("example.com.:8080", Some("example.com")),
            ("192.0.2.1:80", None),
            ("[2001:db8::1]:80", None),
            ("2001:db8::1", None),
            (":80", None),
        ] {
            assert_eq!(domain(host).as_deref(), name, "{host}");
        }
    }
}
