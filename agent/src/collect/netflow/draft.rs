//! One record while its fields are read: what they say is put together at the end, since it depends on each other.

use std::net::IpAddr;

use weir_flow::{EndReason, Extra, FlowRecord, IcmpKind, Vlan};

use super::element::{Element, Role, refine};
use super::said::Said;
use super::time::{Header, Times};
use super::value::{address, extra, instant, is_giant, unsigned, unsigned32};

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Protocols with ports at the place of TCP's: TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [TCP, 17, 33, 132, 136];
/// Entries of `extra`; more than any real record has, few enough for the ring.
const MAX_EXTRA: usize = 64;
/// Memory of `extra`. A proxy's records, which have most, take 2 KiB.
const MAX_EXTRA_BYTES: usize = 8 << 10;

/// Roles that occurred, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
struct Seen(u64);

const _: () = assert!((Role::InterfaceName as u32) < u64::BITS, "the last role has no bit in `Seen`");

impl Seen {
    /// Adds `role`; true when it is the first of its kind.
    #[inline]
    fn first(&mut self, role: Role) -> bool {
        let bit = 1 << role as u64;
        let is_first = self.0 & bit == 0;
        self.0 |= bit;
        is_first
    }

    #[inline]
    const fn has(self, role: Role) -> bool {
        self.0 & 1 << role as u64 != 0
    }
}

/// Values of one record. Of an element that is repeated the last value that is not zero counts for addresses, ports,
/// protocol and flags (the inner header of a tunnel comes last), the first for counters.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    pub(super) record: FlowRecord,
    seen: Seen,
    octets_total: u64,
    packets_total: u64,
    pub(super) times: Times,
    icmp: u16,
    /// Flags, and which element said them last.
    tcp_flags: (u8, Option<&'static Element>),
    reverse_tcp_flags: (u8, Option<&'static Element>),
    vlan: (u16, u16),
    /// Not everything that the record said is kept.
    pub(super) is_cut: bool,
    /// [`Self::said`] was written to.
    has_said: bool,
    pub(super) said: Said<'a>,
}

impl<'a> Draft<'a> {
    /// Makes room for the next record. One draft serves a whole set: it is larger than what a record writes to it.
    #[inline]
    pub(super) fn clear(&mut self) {
        (self.seen, self.octets_total, self.packets_total) = (Seen::default(), 0, 0);
        (self.icmp, self.tcp_flags, self.reverse_tcp_flags, self.vlan) = (0, (0, None), (0, None), (0, 0));
        self.times = Times::default();
        self.record = FlowRecord::default();
        self.is_cut = false;
        if std::mem::take(&mut self.has_said) {
            self.said = Said::default();
        }
    }

    /// What options records say, and the record if it does.
    pub(super) const fn said(&self) -> Option<&Said<'a>> {
        if self.has_said { Some(&self.said) } else { None }
    }

    /// Takes the value of one field.
    #[inline]
    pub(super) fn set(&mut self, element: &'static Element, octets: &'a [u8]) {
        let role = element.role;
        match role {
            Role::SrcIp => latest(&mut self.record.src_ip, address(octets), IpAddr::is_unspecified),
            Role::DstIp => latest(&mut self.record.dst_ip, address(octets), IpAddr::is_unspecified),
            Role::SrcPort => latest(&mut self.record.src_port, number(octets), is_zero),
            Role::DstPort => latest(&mut self.record.dst_port, number(octets), is_zero),
            Role::Proto => latest(&mut self.record.proto, number(octets), is_zero),
            Role::Octets => self.counter(role, octets, |draft| &mut draft.record.forward.octets),
            Role::Packets => self.counter(role, octets, |draft| &mut draft.record.forward.packets),
            Role::ReverseOctets => self.counter(role, octets, |draft| &mut draft.record.reverse.octets),
            Role::ReversePackets => self.counter(role, octets, |draft| &mut draft.record.reverse.packets),
            Role::OctetsTotal => self.counter(role, octets, |draft| &mut draft.octets_total),
            Role::PacketsTotal => self.counter(role, octets, |draft| &mut draft.packets_total),
            Role::TcpFlags => self.flags(element, octets, |draft| &mut draft.tcp_flags),
            Role::ReverseTcpFlags => self.flags(element, octets, |draft| &mut draft.reverse_tcp_flags),
            Role::Tos => latest(&mut self.record.dscp, number(octets).map(|tos: u8| tos >> 2), is_zero),
            Role::Dscp => latest(&mut self.record.dscp, number(octets).map(|dscp: u8| dscp & 0x3f), is_zero),
            Role::StartUptime | Role::EndUptime | Role::Start | Role::End => self.time(element, octets),
            _ => self.set_rarer(element, octets),
        }
    }

    /// The route, and what few records have.
    fn set_rarer(&mut self, element: &'static Element, octets: &'a [u8]) {
        let role = element.role;
        let exported = self.record.exported.get_or_insert_default();
        match role {
            Role::IngressIf => latest(&mut exported.ingress_if, unsigned32(octets), is_zero),
            Role::EgressIf => latest(&mut exported.egress_if, unsigned32(octets), is_zero),
            Role::NextHop => latest(&mut exported.next_hop, address(octets), IpAddr::is_unspecified),
            Role::SrcAs => latest(&mut exported.src_as, unsigned32(octets), is_zero),
            Role::DstAs => latest(&mut exported.dst_as, unsigned32(octets), is_zero),
            Role::Vlan => self.vlan.0 = number(octets).unwrap_or(self.vlan.0),
            Role::OuterVlan => self.vlan.1 = number(octets).unwrap_or(self.vlan.1),
            Role::IcmpTypeCode | Role::IcmpType | Role::IcmpCode => self.icmp(role, octets),
            Role::EndReason => self.record.end_reason = end_reason(octets).or(self.record.end_reason),
            Role::Extra => self.extra(element, octets),
            Role::SysInit
            | Role::Observed
            | Role::StartDelta
            | Role::EndDelta
            | Role::DurationMillis
            | Role::DurationMicros => self.time(element, octets),
            _ => self.say(role, octets),
        }
    }

    #[inline]
    fn counter(&mut self, role: Role, octets: &[u8], place: impl FnOnce(&mut Self) -> &mut u64) {
        if self.seen.first(role)
            && let Some(value) = unsigned(octets)
        {
            *place(self) = value;
        }
    }

    /// Of one element that is repeated the last flags count; YAF has an element for the first packet's flags and one for
    /// those of all others.
    #[inline]
    fn flags(
        &mut self,
        element: &'static Element,
        octets: &[u8],
        place: impl FnOnce(&mut Self) -> &mut (u8, Option<&'static Element>),
    ) {
        let is_first = self.seen.first(element.role);
        let Some(&flags) = octets.last() else { return };
        let (known, of) = place(self);
        if is_first || of.is_some_and(|of| std::ptr::eq(of, element)) && flags != 0 {
            *known = flags;
        } else {
            *known |= flags;
        }
        *of = Some(element);
    }

    fn icmp(&mut self, role: Role, octets: &[u8]) {
        let Some(value) = unsigned(octets) else { return };
        let low = u16::try_from(value & 0xff).unwrap_or(0);
        let both = u16::try_from(value & 0xffff).unwrap_or(0);
        // The numbers of ICMP and ICMPv6 may stand side by side, one of them zero.
        self.icmp = match role {
            Role::IcmpTypeCode => self.icmp | both,
            Role::IcmpType => self.icmp | low << 8,
            _ => self.icmp | low,
        };
        self.seen.first(Role::IcmpTypeCode);
    }

    #[inline]
    fn time(&mut self, element: &Element, octets: &[u8]) {
        match element.role {
            Role::Start => self.times.start.instant(element.form, instant(element.form, octets)),
            Role::End => self.times.end.instant(element.form, instant(element.form, octets)),
            Role::SysInit => self.times.sys_init = instant(element.form, octets),
            Role::Observed => self.times.observed = instant(element.form, octets).or(self.times.observed),
            role => {
                let value = unsigned(octets);
                match role {
                    Role::StartUptime => self.times.start.uptime = value,
                    Role::EndUptime => self.times.end.uptime = value,
                    Role::StartDelta => self.times.start.delta = value,
                    Role::EndDelta => self.times.end.delta = value,
                    Role::DurationMillis => self.times.duration = value.and_then(|ms| ms.checked_mul(1_000)),
                    Role::DurationMicros => self.times.duration = value,
                    _ => {}
                }
            }
        }
    }

    fn say(&mut self, role: Role, octets: &'a [u8]) {
        self.has_said = true;
        self.said.set(role, octets);
    }

    fn extra(&mut self, element: &'static Element, octets: &'a [u8]) {
        let (element, octets) = refine(element, octets);
        if element.role != Role::Extra {
            self.say(element.role, octets);
        } else if let Some(value) = extra(element, octets) {
            self.is_cut |= is_giant(element, octets);
            self.note(element.name, value);
        }
    }

    /// Adds to `extra`, as much as a record may have.
    pub(super) fn note(&mut self, name: &'static str, value: impl Into<serde_json::Value>) {
        let extra = self.record.extra.get_or_insert_with(Box::default);
        if extra.len() < MAX_EXTRA && extra.bytes() < MAX_EXTRA_BYTES {
            Extra::insert(extra, name, value);
        } else {
            self.is_cut = true;
        }
    }

    /// The flow record that the values make; instants are resolved with the message's `header`.
    pub(super) fn finish(&mut self, header: &Header) -> &mut FlowRecord {
        let (start, end) = self.times.resolve(header);
        (self.record.start, self.record.end) = (start, end);
        self.count();
        if self.record.proto == Some(TCP) {
            self.record.tcp_flags_out = self.seen.has(Role::TcpFlags).then_some(self.tcp_flags.0);
            self.record.tcp_flags_in =
                self.seen.has(Role::ReverseTcpFlags).then_some(self.reverse_tcp_flags.0);
        }
        let (vlan, outer) = (self.vlan.0 & 0xfff, self.vlan.1 & 0xfff);
        if vlan != 0 {
            self.record.vlan = Some(Vlan { inner: vlan, outer: (outer != 0).then_some(outer) });
        }
        if let Some(exported) = &mut self.record.exported {
            // Zero says that the exporter does not know.
            exported.ingress_if = exported.ingress_if.filter(|&index| index != 0);
            exported.egress_if = exported.egress_if.filter(|&index| index != 0);
            exported.src_as = exported.src_as.filter(|&number| number != 0);
            exported.dst_as = exported.dst_as.filter(|&number| number != 0);
            exported.next_hop = exported.next_hop.filter(|hop| !hop.is_unspecified());
        }
        self.ports();
        &mut self.record
    }

    /// Counters of both directions: what was counted since the last record, where the exporter says that and a total.
    fn count(&mut self) {
        let FlowRecord { forward, reverse, .. } = &mut self.record;
        let seen = self.seen;
        if !seen.has(Role::Octets) {
            forward.octets = self.octets_total;
        }
        if !seen.has(Role::Packets) {
            forward.packets = self.packets_total;
        }
        let says = |one: Role, other: Role| seen.has(one) || seen.has(other);
        let is_forward = says(Role::Octets, Role::OctetsTotal) || says(Role::Packets, Role::PacketsTotal);
        // Old routers count what left them in the elements that are the other direction's elsewhere, and nothing else.
        if !is_forward && says(Role::ReverseOctets, Role::ReversePackets) {
            std::mem::swap(forward, reverse);
        }
    }

    /// Ports are those of protocols that have ports; exporters put ICMP's type and code into the destination port.
    fn ports(&mut self) {
        let record = &mut self.record;
        match record.proto {
            Some(ICMP | ICMPV6) => {
                let said = self.seen.has(Role::IcmpTypeCode) && self.icmp != 0;
                let [kind, code] = if said { self.icmp } else { record.dst_port.unwrap_or(0) }.to_be_bytes();
                if said || self.seen.has(Role::IcmpTypeCode) || record.dst_port.is_some() {
                    record.icmp = Some(IcmpKind { kind, code });
                }
                (record.src_port, record.dst_port) = (None, None);
            }
            Some(proto) if !WITH_PORTS.contains(&proto) => {
                record.src_port = record.src_port.filter(|&port| port != 0);
                record.dst_port = record.dst_port.filter(|&port| port != 0);
            }
            _ => {}
        }
    }
}

/// Ports of a record that always has room for them; a protocol without ports leaves it empty.
pub(super) fn ports(proto: u8, src: u16, dst: u16) -> (Option<u16>, Option<u16>) {
    let said = |port: u16| Some(port).filter(|&port| port != 0 || WITH_PORTS.contains(&proto));
    (said(src), said(dst))
}

/// Puts `value` in unless it is `empty` and something is there.
#[inline]
fn latest<T>(place: &mut Option<T>, value: Option<T>, empty: impl Fn(&T) -> bool) {
    if let Some(value) = value
        && (place.is_none() || !empty(&value))
    {
        *place = Some(value);
    }
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A number that has to fit; one in more octets than its type is fine as long as it does.
#[inline]
fn number<T: TryFrom<u64>>(octets: &[u8]) -> Option<T> {
    unsigned(octets).and_then(|value| T::try_from(value).ok())
}

fn end_reason(octets: &[u8]) -> Option<EndReason> {
    Some(match unsigned(octets)? {
        1 => EndReason::Idle,
        2 => EndReason::Active,
        3 => EndReason::End,
        4 => EndReason::Forced,
        5 => EndReason::Resources,
        _ => return None,
    })
}
