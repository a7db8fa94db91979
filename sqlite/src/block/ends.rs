//! Columns of the two ends, and of what went between them.

use std::net::IpAddr;

use weir_flow::{Counters, FlowRecord, IcmpKind, Uncounted, Vlan};

use super::column::{Column, Input, Shorts, ShortsReader};
use super::list::{Addresses, AddressesReader, NumberColumn, NumberReader};
use super::{Damage, code, presence};
use crate::filter::{Filters, Space};

/// Writes them, in this order.
#[derive(Debug, Default)]
pub(super) struct Ends {
    src: Shorts,
    dst: Shorts,
    addresses: Addresses,
    /// Where in that list the addresses of the last row are.
    spots: [usize; 2],
    src_port: Shorts,
    dst_port: Shorts,
    proto: Column,
    /// Octets and packets of the originator, then of the responder.
    counters: [Column; 4],
    tcp_flags_out: Column,
    tcp_flags_in: Column,
    end_reason: Column,
    vlan: NumberColumn,
    outer: NumberColumn,
    icmp: Shorts,
    dscp: Column,
}

impl Ends {
    pub(super) fn push(&mut self, record: &FlowRecord, has: u64) {
        if let Some(address) = record.src_ip {
            self.src.push(self.addresses.code(address));
            self.spots[0] = self.addresses.list().last();
        }
        if let Some(address) = record.dst_ip {
            self.dst.push(self.addresses.code(address));
            self.spots[1] = self.addresses.list().last();
        }
        record.src_port.into_iter().for_each(|port| self.src_port.push(port));
        record.dst_port.into_iter().for_each(|port| self.dst_port.push(port));
        record.proto.into_iter().for_each(|proto| self.proto.octet(proto));
        let [octets, packets, back_octets, back_packets] = &mut self.counters;
        if has & presence::FORWARD != 0 {
            octets.number(record.forward.octets);
            packets.number(record.forward.packets);
        }
        if has & presence::REVERSE != 0 {
            back_octets.number(record.reverse.octets);
            back_packets.number(record.reverse.packets);
        }
        record.tcp_flags_out.into_iter().for_each(|flags| self.tcp_flags_out.octet(flags));
        record.tcp_flags_in.into_iter().for_each(|flags| self.tcp_flags_in.octet(flags));
        record.end_reason.into_iter().for_each(|reason| self.end_reason.octet(code::end_reason(reason)));
        if let Some(vlan) = record.vlan {
            self.vlan.push(vlan.inner.into());
            vlan.outer.into_iter().for_each(|outer| self.outer.push(outer.into()));
        }
        record.icmp.into_iter().for_each(|icmp| self.icmp.push(u16::from_le_bytes([icmp.kind, icmp.code])));
        record.dscp.into_iter().for_each(|dscp| self.dscp.octet(dscp));
    }

    /// Adds the terms of what was pushed.
    pub(super) fn gather(&self, filters: &mut Filters) {
        self.addresses.entries().iter().for_each(|&address| filters.address(address));
        self.src_port.values().chain(self.dst_port.values()).for_each(|port| filters.port(port));
        filters.octets(Space::Proto, &self.proto.0);
    }

    /// The addresses of the block.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        self.addresses.list().entries()
    }

    /// Where in [`Ends::addresses`] the originator and the responder of the last row are, if it has them.
    pub(super) const fn spots(&self) -> [usize; 2] {
        self.spots
    }

    pub(super) fn clear(&mut self) {
        for column in [&mut self.src, &mut self.dst, &mut self.src_port, &mut self.dst_port, &mut self.icmp] {
            column.clear();
        }
        self.addresses.clear();
        self.counters.iter_mut().for_each(Column::clear);
        for column in [
            &mut self.proto,
            &mut self.tcp_flags_out,
            &mut self.tcp_flags_in,
            &mut self.end_reason,
            &mut self.dscp,
        ] {
            column.clear();
        }
        self.vlan.clear();
        self.outer.clear();
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.src.write(out);
        self.dst.write(out);
        self.addresses.write(out);
        self.src_port.write(out);
        self.dst_port.write(out);
        self.proto.write(out);
        self.counters.iter_mut().for_each(|column| column.write(out));
        self.tcp_flags_out.write(out);
        self.tcp_flags_in.write(out);
        self.end_reason.write(out);
        self.vlan.write(out);
        self.outer.write(out);
        self.icmp.write(out);
        self.dscp.write(out);
    }
}

/// Reads them.
pub(super) struct EndsReader<'a> {
    pub(super) src: ShortsReader<'a>,
    pub(super) dst: ShortsReader<'a>,
    pub(super) addresses: AddressesReader<'a>,
    pub(super) src_port: ShortsReader<'a>,
    pub(super) dst_port: ShortsReader<'a>,
    pub(super) proto: Input<'a>,
    pub(super) counters: [Input<'a>; 4],
    tcp_flags_out: Input<'a>,
    tcp_flags_in: Input<'a>,
    end_reason: Input<'a>,
    vlan: NumberReader<'a>,
    outer: NumberReader<'a>,
    icmp: ShortsReader<'a>,
    dscp: Input<'a>,
}

impl<'a> EndsReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self {
            src: ShortsReader::new(block)?,
            dst: ShortsReader::new(block)?,
            addresses: AddressesReader::new(block)?,
            src_port: ShortsReader::new(block)?,
            dst_port: ShortsReader::new(block)?,
            proto: block.column()?,
            counters: [block.column()?, block.column()?, block.column()?, block.column()?],
            tcp_flags_out: block.column()?,
            tcp_flags_in: block.column()?,
            end_reason: block.column()?,
            vlan: NumberReader::new(block)?,
            outer: NumberReader::new(block)?,
            icmp: ShortsReader::new(block)?,
            dscp: block.column()?,
        })
    }

    /// Passes a row by.
    pub(super) fn pass(&mut self, has: u64) -> Result<(), Damage> {
        let is = |bit| has & bit != 0;
        for (bit, column) in [(presence::SRC_IP, &mut self.src), (presence::DST_IP, &mut self.dst)] {
            if is(bit) {
                self.addresses.resolve(column.next()?)?;
            }
        }
        for (bit, column) in [
            (presence::SRC_PORT, &mut self.src_port),
            (presence::DST_PORT, &mut self.dst_port),
            (presence::ICMP, &mut self.icmp),
        ] {
            if is(bit) {
                column.next()?;
            }
        }
        let [octets, packets, back_octets, back_packets] = &mut self.counters;
        for (bit, columns) in
            [(presence::FORWARD, [octets, packets]), (presence::REVERSE, [back_octets, back_packets])]
        {
            if is(bit) {
                columns.into_iter().try_for_each(Input::pass_number)?;
            }
        }
        self.pass_octets(has)?;
        for (bit, column) in [(presence::VLAN, &mut self.vlan), (presence::VLAN_OUTER, &mut self.outer)] {
            if is(bit) {
                column.next()?;
            }
        }
        Ok(())
    }

    fn pass_octets(&mut self, has: u64) -> Result<(), Damage> {
        let columns = [
            (presence::PROTO, &mut self.proto),
            (presence::TCP_FLAGS_OUT, &mut self.tcp_flags_out),
            (presence::TCP_FLAGS_IN, &mut self.tcp_flags_in),
            (presence::END_REASON, &mut self.end_reason),
            (presence::DSCP, &mut self.dscp),
        ];
        columns
            .into_iter()
            .filter(|&(bit, _)| has & bit != 0)
            .try_for_each(|(_, column)| column.octet().map(drop))
    }

    pub(super) fn next(&mut self, has: u64, record: &mut FlowRecord) -> Result<(), Damage> {
        let is = |bit| has & bit != 0;
        if is(presence::SRC_IP) {
            record.src_ip = Some(self.addresses.resolve(self.src.next()?)?);
        }
        if is(presence::DST_IP) {
            record.dst_ip = Some(self.addresses.resolve(self.dst.next()?)?);
        }
        record.src_port = is(presence::SRC_PORT).then(|| self.src_port.next()).transpose()?;
        record.dst_port = is(presence::DST_PORT).then(|| self.dst_port.next()).transpose()?;
        record.proto = is(presence::PROTO).then(|| self.proto.octet()).transpose()?;
        let [octets, packets, back_octets, back_packets] = &mut self.counters;
        if is(presence::FORWARD) {
            record.forward = Counters { octets: octets.number()?, packets: packets.number()? };
        }
        if is(presence::REVERSE) {
            record.reverse = Counters { octets: back_octets.number()?, packets: back_packets.number()? };
        }
        record.uncounted =
            Uncounted { octets: is(presence::UNCOUNTED_OCTETS), packets: is(presence::UNCOUNTED_PACKETS) };
        record.tcp_flags_out = is(presence::TCP_FLAGS_OUT).then(|| self.tcp_flags_out.octet()).transpose()?;
        record.tcp_flags_in = is(presence::TCP_FLAGS_IN).then(|| self.tcp_flags_in.octet()).transpose()?;
        if is(presence::END_REASON) {
            record.end_reason = Some(code::to_end_reason(self.end_reason.octet()?)?);
        }
        if is(presence::VLAN) {
            let inner = tag(&mut self.vlan)?;
            let outer = is(presence::VLAN_OUTER).then(|| tag(&mut self.outer)).transpose()?;
            record.vlan = Some(Vlan { inner, outer });
        }
        if is(presence::ICMP) {
            let [kind, code] = self.icmp.next()?.to_le_bytes();
            record.icmp = Some(IcmpKind { kind, code });
        }
        record.dscp = is(presence::DSCP).then(|| self.dscp.octet()).transpose()?;
        Ok(())
    }
}

fn tag(column: &mut NumberReader<'_>) -> Result<u16, Damage> {
    u16::try_from(column.next()?).map_err(|_| Damage::Value("number of 16 bits"))
}
