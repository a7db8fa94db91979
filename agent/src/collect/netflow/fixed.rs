//! NetFlow v5 and v7: records of one layout (Cisco, "NetFlow Services Solutions Guide", tables B-3, B-4, B-7 and B-8).

use std::net::{IpAddr, Ipv4Addr};

use weir_flow::{Counters, Exported, FlowRecord, IcmpKind, Source, Timestamp};

use super::Origin;
use super::time::Header;
use crate::collect::wire::Reader;
use crate::collect::{Fault, Faults};
use crate::table::Sink;

/// Octets of the header of both, with version and count.
const HEADER: usize = 24;
const V5_RECORD: usize = 48;
const V7_RECORD: usize = 52;
/// The packet interval has the lower 14 bits; the mode above it says nothing of how many packets were seen.
const INTERVAL: u16 = 0x3fff;
const TCP: u8 = 6;
const ICMP: u8 = 1;

/// What the header of a datagram said, and how many records it held.
#[derive(Clone, Copy, Debug)]
pub(in crate::collect) struct Datagram {
    pub(in crate::collect) source: Source,
    pub(in crate::collect) header: Header,
    /// Flow records before this datagram.
    pub(in crate::collect) sequence: u32,
    /// Type and slot of the flow-switching engine; v7 has none.
    pub(in crate::collect) engine: u16,
    /// One of this many packets is sampled; none when all are, or the exporter does not say.
    pub(in crate::collect) sampling: Option<u32>,
    count: u16,
}

impl Datagram {
    /// Reads the header.
    ///
    /// # Errors
    /// It is cut off.
    pub(in crate::collect) fn read(payload: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(payload);
        Self::header(&mut reader).ok_or(Fault::Truncated)
    }

    fn header(reader: &mut Reader<'_>) -> Option<Self> {
        let source = if reader.u16()? == 5 { Source::Netflow5 } else { Source::Netflow7 };
        let count = reader.u16()?;
        let uptime = reader.u32()?;
        let (seconds, nanos) = (reader.u32()?, reader.u32()?);
        let sequence = reader.u32()?;
        let (engine, sampling) = (reader.u16()?, reader.u16()?);
        let is_v5 = source == Source::Netflow5;
        let micros = i64::from(seconds) * 1_000_000 + i64::from(nanos.min(999_999_999) / 1_000);
        let export = Timestamp::from_micros(micros);
        Some(Self {
            source,
            header: Header { export, uptime: Some(uptime), sys_init: None },
            sequence,
            engine: if is_v5 { engine } else { 0 },
            sampling: Some(u32::from(sampling & INTERVAL)).filter(|&one_of| is_v5 && one_of > 1),
            count,
        })
    }

    /// Octets that the datagram should have.
    pub(in crate::collect) fn length(&self) -> usize {
        HEADER + usize::from(self.count) * self.record()
    }

    const fn record(&self) -> usize {
        if matches!(self.source, Source::Netflow5) { V5_RECORD } else { V7_RECORD }
    }

    /// Decodes as many records as there are; returns their number.
    pub(in crate::collect) fn records(
        &self,
        payload: &[u8],
        origin: Origin,
        faults: &mut Faults,
        sink: &mut impl Sink,
    ) -> u32 {
        let body = payload.get(HEADER..).unwrap_or_default();
        let mut records = 0;
        for record in body.chunks_exact(self.record()).take(self.count.into()) {
            if let Some(flow) = self.flow(record, origin) {
                records += 1;
                sink.take(flow);
            }
        }
        if records < u32::from(self.count) {
            faults.count(Fault::Truncated);
        } else if payload.len() > self.length() {
            faults.count(Fault::TrailingOctets);
        }
        records
    }

    fn flow(&self, record: &[u8], origin: Origin) -> Option<FlowRecord> {
        let mut reader = Reader::new(record);
        let mut address = || reader.array::<4>().map(Ipv4Addr::from);
        let (src, dst, next_hop) = (address()?, address()?, address()?);
        let (ingress, egress) = (reader.u16()?, reader.u16()?);
        let (packets, octets) = (reader.u32()?, reader.u32()?);
        let (first, last) = (reader.u32()?, reader.u32()?);
        let (src_port, dst_port) = (reader.u16()?, reader.u16()?);
        let [_, flags, proto, tos] = reader.array()?;
        let (src_as, dst_as) = (reader.u16()?, reader.u16()?);
        let masks = (reader.u8()?, reader.u8()?);
        let at = |uptime: u32| self.header.at_uptime(uptime.into()).unwrap_or(self.header.export);
        let known = |number: u16| Some(u32::from(number)).filter(|&number| number != 0);
        let mut flow = FlowRecord {
            start: at(first),
            end: at(last),
            source: self.source,
            src_ip: Some(src.into()),
            dst_ip: Some(dst.into()),
            proto: Some(proto),
            forward: Counters { octets: octets.into(), packets: packets.into() },
            tcp_flags_out: (proto == TCP).then_some(flags),
            dscp: Some(tos >> 2),
            exported: Some(Exported {
                exporter: origin.exporter,
                observation_domain: known(self.engine),
                ingress_if: known(ingress),
                egress_if: known(egress),
                next_hop: Some(IpAddr::from(next_hop)).filter(|hop| !hop.is_unspecified()),
                src_as: known(src_as),
                dst_as: known(dst_as),
                sampling: self.sampling,
            }),
            ..FlowRecord::default()
        };
        let [kind, code] = dst_port.to_be_bytes();
        match proto {
            ICMP => flow.icmp = Some(IcmpKind { kind, code }),
            _ => (flow.src_port, flow.dst_port) = super::draft::ports(proto, src_port, dst_port),
        }
        for (name, length) in
            [("source_ipv4_prefix_length", masks.0), ("destination_ipv4_prefix_length", masks.1)]
        {
            if length != 0 {
                flow.extra.get_or_insert_default().insert(name, length);
            }
        }
        origin.correct(&mut flow);
        Some(flow)
    }
}
