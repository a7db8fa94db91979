//! From a draft to a record: what its members say together.

use weir_flow::{FlowRecord, Source};

use super::Manner;
use super::counts::Resolved;
use super::draft::Draft;
use super::protocols::{self, ICMP, ICMPV6, TCP};
use super::times::Spoken;
use crate::object::Member;
use crate::{Reason, Rejected};

/// Microseconds by which a length of time may differ from the time between start and end: tools round to seconds.
const ROUNDED: u64 = 1_000_000;

impl<'a> Draft<'a, '_> {
    /// The record, and its source where the record says that and is believed.
    ///
    /// # Errors
    /// Where something is missing.
    pub(super) fn finish(mut self) -> Result<(FlowRecord, Option<Source>), Rejected> {
        self.times()?;
        let is_whole = self.record.src_ip.is_some() && self.record.dst_ip.is_some();
        if self.manner == Manner::Netflow && !is_whole {
            return Err(Reason::MissingFields.of("src_ip and dst_ip"));
        }
        self.counts();
        self.exporter();
        if self.is_own() {
            self.record.icmp = protocols::icmp(self.icmp_type, self.icmp_code, None);
        } else {
            self.protocol();
            self.community_id();
        }
        if let Some(origin) = self.origin.take() {
            self.record.origin = Some(self.texts.origin(origin));
        }
        Ok((self.record, self.source))
    }

    fn times(&mut self) -> Result<(), Rejected> {
        let mut left: Vec<Member<'a>> = Vec::new();
        let start = self.times.resolve(|member| left.push(member))?;
        self.record.start = start;
        let length = self.times.length.take();
        self.record.end = match (self.times.end.take(), length) {
            (None, None) => start,
            (None, Some(length)) => start.plus_micros(length.value),
            (Some(end), _) if self.is_own() => end.value,
            (Some(end), length) if end.value >= start => {
                let lasted = end.value.micros_since(start);
                left.extend(length.filter(|l| l.value.abs_diff(lasted) > ROUNDED).map(Spoken::member));
                end.value
            }
            (Some(end), length) => {
                left.push(end.member());
                length.map_or(start, |length| start.plus_micros(length.value))
            }
        };
        for (name, said) in left {
            self.extra(name, said);
        }
        Ok(())
    }

    fn counts(&mut self) {
        let is_only = !self.octets.has_forward() && !self.packets.has_forward();
        let (octets, packets) = (self.octets.resolve(is_only), self.packets.resolve(is_only));
        let record = &mut self.record;
        (record.forward.octets, record.reverse.octets) = (octets.forward, octets.reverse);
        (record.forward.packets, record.reverse.packets) = (packets.forward, packets.reverse);
        record.uncounted.octets = octets.is_unknown;
        record.uncounted.packets = packets.is_unknown;
        if !self.is_own() {
            self.sum("bytes", octets);
            self.sum("packets", packets);
        }
    }

    fn sum(&mut self, name: &'static str, resolved: Resolved) {
        if let Some(sum) = resolved.left {
            self.note(name, sum);
        }
    }

    fn note(&mut self, name: &'static str, value: impl Into<serde_json::Value>) {
        self.record.extra.get_or_insert_default().insert(name, value);
    }

    /// Logstash names who sent the export `host`.
    fn exporter(&mut self) {
        let Some((name, said)) = self.host.take() else { return };
        let exporter = self.record.exported.and_then(|exported| exported.exporter);
        let address = said.address();
        if self.is_netflow && exporter.is_none() {
            self.record.exported.get_or_insert_default().exporter = address;
        } else if address != exporter {
            self.extra_known("host", name, said);
        }
    }

    /// Flags are TCP's, type and code ICMP's; ports are those of protocols that have ports.
    fn protocol(&mut self) {
        let proto = self.record.proto;
        if proto.is_some() && proto != Some(TCP) {
            let flags = [
                ("tcp_flags", self.record.tcp_flags_out.take()),
                ("tcp_flags_in", self.record.tcp_flags_in.take()),
            ];
            for (name, flags) in flags {
                if let Some(flags) = flags.filter(|&flags| flags != 0) {
                    self.note(name, flags);
                }
            }
        }
        match proto {
            Some(ICMP | ICMPV6) => self.icmp(),
            Some(proto) => {
                self.no_icmp();
                if !protocols::WITH_PORTS.contains(&proto) {
                    self.record.src_port = self.record.src_port.filter(|&port| port != 0);
                    self.record.dst_port = self.record.dst_port.filter(|&port| port != 0);
                }
            }
            None => self.record.icmp = protocols::icmp(self.icmp_type, self.icmp_code, None),
        }
    }

    /// Exporters put type and code into the destination port.
    fn icmp(&mut self) {
        let (src, dst) = (self.record.src_port.take(), self.record.dst_port.take());
        self.record.icmp = protocols::icmp(self.icmp_type, self.icmp_code, dst);
        let said = self.record.icmp.map(|icmp| u16::from_be_bytes([icmp.kind, icmp.code]));
        if let Some(port) = src.filter(|&port| port != 0) {
            self.note("src_port", port);
        }
        if let Some(port) = dst.filter(|&port| port != 0 && Some(port) != said) {
            self.note("dst_port", port);
        }
    }

    /// Zeros are what tools write that have a place for the type in every record.
    fn no_icmp(&mut self) {
        if let Some(kind) = self.icmp_type.filter(|&kind| kind != 0) {
            self.note("icmp_type", kind);
        }
        if let Some(code) = self.icmp_code.filter(|&code| code != 0) {
            self.note("icmp_code", code);
        }
    }

    /// What follows from the rest is kept only where it does not.
    fn community_id(&mut self) {
        let Some((name, said)) = self.community_id.take() else { return };
        let ours = self.record.community_id();
        if ours.as_ref().map(weir_flow::CommunityId::as_str) != said.as_str() {
            self.extra_known("community_id", name, said);
        }
    }
}
