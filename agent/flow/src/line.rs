//! A record as JSON, written straight into a buffer: the same octets as `Serialize` in `json.rs`, sooner.
//!
//! The ring, and the commands that print records, write every record once; a general serializer looks at each character
//! of names that are known beforehand.

mod value;

use std::ops::Range;

use serde_json::Result;

use crate::{Asn, Direction, Exported, FlowRecord, Geo, Place, Risk, Tags, Verdict, proto_name};
use value::{address, digits, duration, escaped, general, quoted, signed, text};

/// What most records need; a buffer grows once for each, not with every field.
const USUAL_BYTES: usize = 1_536;

impl FlowRecord {
    /// Appends the record to `out` as a JSON object, without a line feed: names and order of `README.md`, "A record".
    ///
    /// # Errors
    /// Those of values in `extra` that cannot be JSON; what was appended is no object then.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<()> {
        out.reserve(USUAL_BYTES);
        observed(self, out)?;
        counted(self, out)?;
        enriched(self, out)?;
        extra(self, out)?;
        out.push(b'}');
        Ok(())
    }
}

/// Name and value of a number, unless that is unknown. `$name` has its comma, quotes and colon.
macro_rules! number {
    ($out:expr, $name:literal, $value:expr) => {
        if let Some(value) = $value {
            $out.extend_from_slice($name);
            digits($out, u64::from(value));
        }
    };
}

/// Name and value of a text that needs no escapes, unless it is unknown.
macro_rules! word {
    ($out:expr, $name:literal, $value:expr) => {
        if let Some(value) = $value {
            $out.extend_from_slice($name);
            quoted($out, value);
        }
    };
}

fn observed(r: &FlowRecord, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(b"{\"ts\":\"");
    out.extend_from_slice(&r.start.rfc3339());
    out.extend_from_slice(b"\",\"ts_ms\":");
    signed(out, r.start.millis());
    out.extend_from_slice(b",\"end_ms\":");
    signed(out, r.end.millis());
    out.extend_from_slice(b",\"duration\":");
    duration(out, r.start, r.end)?;
    word!(out, b",\"source\":", Some(r.source.as_str()));
    out.extend_from_slice(b",\"kind\":");
    escaped(out, r.kind.as_str())?;
    text(out, b",\"observer\":", r.observer.as_ref())?;
    if let Some(origin) = r.origin.as_deref() {
        text(out, b",\"collector_id\":", origin.collector_id.as_ref())?;
        text(out, b",\"trace_id\":", origin.trace_id.as_ref())?;
    }
    let exported = r.exported.as_ref();
    address(out, b",\"exporter\":", exported.and_then(|e| e.exporter))?;
    number!(out, b",\"observation_domain\":", exported.and_then(|e| e.observation_domain));
    address(out, b",\"src_ip\":", r.src_ip)?;
    number!(out, b",\"src_port\":", r.src_port);
    address(out, b",\"dst_ip\":", r.dst_ip)?;
    number!(out, b",\"dst_port\":", r.dst_port);
    word!(out, b",\"proto\":", r.proto.and_then(proto_name));
    number!(out, b",\"proto_num\":", r.proto);
    Ok(())
}

fn counted(r: &FlowRecord, out: &mut Vec<u8>) -> Result<()> {
    let octets = |count: u64| (!r.uncounted.octets).then_some(count);
    let packets = |count: u64| (!r.uncounted.packets).then_some(count);
    number!(out, b",\"bytes_out\":", octets(r.forward.octets));
    number!(out, b",\"packets_out\":", packets(r.forward.packets));
    number!(out, b",\"bytes_in\":", octets(r.reverse.octets));
    number!(out, b",\"packets_in\":", packets(r.reverse.packets));
    number!(out, b",\"bytes\":", octets(r.octets()));
    number!(out, b",\"packets\":", packets(r.packets()));
    number!(out, b",\"tcp_flags_out\":", r.tcp_flags_out);
    number!(out, b",\"tcp_flags_in\":", r.tcp_flags_in);
    word!(out, b",\"end_reason\":", r.end_reason.map(crate::EndReason::as_str));
    number!(out, b",\"vlan\":", r.vlan.map(|vlan| vlan.inner));
    number!(out, b",\"icmp_type\":", r.icmp.map(|icmp| icmp.kind));
    number!(out, b",\"icmp_code\":", r.icmp.map(|icmp| icmp.code));
    number!(out, b",\"dscp\":", r.dscp);
    if let Some(exported) = r.exported.as_ref() {
        route(exported, out)?;
    }
    let id = r.community_id();
    word!(out, b",\"community_id\":", id.as_ref().map(crate::CommunityId::as_str));
    text(out, b",\"service\":", r.service.as_ref())?;
    text(out, b",\"domain\":", r.domain.as_ref())
}

fn route(e: &Exported, out: &mut Vec<u8>) -> Result<()> {
    number!(out, b",\"ingress_if\":", e.ingress_if);
    number!(out, b",\"egress_if\":", e.egress_if);
    address(out, b",\"next_hop\":", e.next_hop)?;
    number!(out, b",\"src_as\":", e.src_as);
    number!(out, b",\"dst_as\":", e.dst_as);
    number!(out, b",\"sampling\":", e.sampling);
    Ok(())
}

fn enriched(r: &FlowRecord, out: &mut Vec<u8>) -> Result<()> {
    let (src, dst) = (r.src_place.as_deref(), r.dst_place.as_deref());
    let geo_of =
        |place: Option<&Place>, out: &mut Vec<u8>, name: &[u8]| match place.and_then(|p| p.geo.as_ref()) {
            Some(value) => geo(out, name, value),
            None => Ok(0..0),
        };
    let asn_of =
        |place: Option<&Place>, out: &mut Vec<u8>, name: &[u8]| match place.and_then(|p| p.asn.as_ref()) {
            Some(value) => asn(out, name, value),
            None => Ok(0..0),
        };
    let geos = [geo_of(src, out, b",\"src_geo\":")?, geo_of(dst, out, b",\"dst_geo\":")?];
    let asns = [asn_of(src, out, b",\"src_asn\":")?, asn_of(dst, out, b",\"dst_asn\":")?];
    // The remote end's are one of them once more.
    let remote = usize::from(r.direction != Some(Direction::In));
    again(out, b",\"geo\":", geos.get(remote));
    again(out, b",\"asn\":", asns.get(remote));
    word!(out, b",\"direction\":", r.direction.map(Direction::as_str));
    if let Some(verdict) = &r.verdict {
        matches(out, verdict)?;
    }
    if let Some(risk) = &r.risk {
        scored(out, risk, r.tags);
    }
    Ok(())
}

fn matches(out: &mut Vec<u8>, verdict: &Verdict) -> Result<()> {
    if verdict.matches.is_empty() {
        out.extend_from_slice(b",\"ti\":{\"matched\":false,\"matches\":[]}");
        return Ok(());
    }
    out.extend_from_slice(b",\"ti\":");
    general(out, verdict)
}

fn scored(out: &mut Vec<u8>, risk: &Risk, tags: Tags) {
    out.extend_from_slice(b",\"risk_score\":");
    digits(out, risk.score().into());
    out.extend_from_slice(b",\"risk_reasons\":[");
    for (at, &(reason, points)) in risk.reasons().iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"reason\":" } else { b",{\"reason\":" });
        quoted(out, reason.as_str());
        out.extend_from_slice(b",\"points\":");
        digits(out, points.into());
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"tags\":[");
    for (at, name) in tags.names().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        quoted(out, name);
    }
    out.push(b']');
}

fn extra(r: &FlowRecord, out: &mut Vec<u8>) -> Result<()> {
    let outer = r.vlan.and_then(|vlan| vlan.outer);
    if r.extra.is_none() && outer.is_none() {
        return Ok(());
    }
    out.extend_from_slice(b",\"extra\":{");
    let begin = out.len();
    if let Some(outer) = outer {
        out.extend_from_slice(b"\"vlan_outer\":");
        digits(out, outer.into());
    }
    for (name, value) in r.extra.iter().flat_map(|extra| extra.iter()) {
        if out.len() > begin {
            out.push(b',');
        }
        escaped(out, name)?;
        out.push(b':');
        general(out, value)?;
    }
    out.push(b'}');
    Ok(())
}

/// Where in the buffer the value of an entry is.
type Written = Range<usize>;

fn geo(out: &mut Vec<u8>, name: &[u8], geo: &Geo) -> Result<Written> {
    out.extend_from_slice(name);
    let begin = out.len();
    text(out, b",\"country\":", geo.country.as_ref())?;
    text(out, b",\"country_name\":", geo.country_name.as_ref())?;
    text(out, b",\"city\":", geo.city.as_ref())?;
    for (name, degrees) in [(b",\"lat\":", geo.lat), (b",\"lon\":", geo.lon)] {
        if let Some(degrees) = degrees {
            out.extend_from_slice(name);
            general(out, &degrees)?;
        }
    }
    // The first comma is where the brace goes.
    match out.get_mut(begin) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
    Ok(begin..out.len())
}

fn asn(out: &mut Vec<u8>, name: &[u8], asn: &Asn) -> Result<Written> {
    out.extend_from_slice(name);
    let begin = out.len();
    out.extend_from_slice(b"{\"asn\":");
    digits(out, asn.asn.into());
    text(out, b",\"org\":", asn.org.as_ref())?;
    out.push(b'}');
    Ok(begin..out.len())
}

/// Writes what is at `written` once more.
fn again(out: &mut Vec<u8>, name: &[u8], written: Option<&Written>) {
    if let Some(written) = written.filter(|written| !written.is_empty()) {
        out.extend_from_slice(name);
        out.extend_from_within(written.clone());
    }
}

#[cfg(test)]
mod tests;
