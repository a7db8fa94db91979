//! One flow in the table.

use weir_flow::{Counters, EndReason, FlowRecord, IcmpKind, Kind, Source, Timestamp};

use super::Config;
use crate::packet::{Key, Packet};

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Clocks that disagree by more than this about a flow's length: the wall clock was set meanwhile.
const CLOCK_WAS_SET_MICROS: i64 = 1_000_000;

/// A flow: two cache lines.
pub(super) struct Entry {
    key: Key,
    first: Timestamp,
    last: Timestamp,
    /// Table time of the last packet.
    pub(super) seen: i64,
    /// Table time of the first packet.
    opened: i64,
    /// From `a`, then from `b`.
    octets: [u64; 2],
    packets: [u64; 2],
    /// Neighbours in the wheel's slot.
    pub(super) next: u32,
    pub(super) previous: u32,
    /// The wheel's slot.
    pub(super) slot: u16,
    state: u8,
    flags: [u8; 2],
    dscp: u8,
    icmp: (u8, u8),
}

/// Bits of `state`: the originator is `a`.
const FROM_A: u8 = 0x04;
/// Bits of `state`: the wheel in which the entry is placed.
const PLACED: u8 = 0x03;

/// Which idle timeout a flow has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// TCP after FIN or RST.
    Closed = 0,
    /// All but TCP.
    Plain = 1,
    /// TCP that is open.
    Tcp = 2,
}

impl Class {
    pub(super) const COUNT: usize = 3;
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Closed, Self::Plain, Self::Tcp];

    /// Why a flow of this class ends when its timeout has passed.
    pub(super) const fn end_reason(self) -> EndReason {
        match self {
            Self::Closed => EndReason::End,
            Self::Plain | Self::Tcp => EndReason::Idle,
        }
    }
}

impl Entry {
    /// A flow without packets yet, that `packet` begins.
    pub(super) fn new(packet: &Packet, wall: Timestamp, now: i64) -> Self {
        // A server's SYN+ACK as the first packet seen: the one who answers is not the originator.
        let answers = packet.key.is_tcp() && packet.tcp_flags & (SYN | ACK) == SYN | ACK;
        Self {
            key: packet.key,
            first: wall,
            last: wall,
            seen: now,
            opened: now,
            octets: [0; 2],
            packets: [0; 2],
            next: NONE,
            previous: NONE,
            slot: 0,
            state: if packet.from_a == answers { 0 } else { FROM_A },
            flags: [0; 2],
            dscp: packet.dscp,
            icmp: packet.icmp,
        }
    }

    /// Begins the next record of the flow; after an active timeout the originator stays who it was.
    pub(super) fn restart(&mut self, packet: &Packet, wall: Timestamp, now: i64, goes_on: bool) {
        let fresh = Self::new(packet, wall, now);
        let originator = if goes_on { self.state } else { fresh.state } & FROM_A;
        *self = Self {
            next: self.next,
            previous: self.previous,
            slot: self.slot,
            state: self.state & PLACED | originator,
            ..fresh
        };
    }

    #[inline]
    pub(super) fn is(&self, key: &Key) -> bool {
        self.key == *key
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Adds `packet`.
    #[inline]
    pub(super) fn count(&mut self, packet: &Packet, wall: Timestamp, now: i64) {
        let side = usize::from(!packet.from_a);
        self.octets[side] += u64::from(packet.octets);
        self.packets[side] += 1;
        self.flags[side] |= packet.tcp_flags;
        self.first = self.first.min(wall);
        self.last = self.last.max(wall);
        self.seen = now;
    }

    /// Why the flow had ended before `packet` came at `now`, if it had.
    #[inline]
    pub(super) fn ended(&self, packet: &Packet, now: i64, config: &Config) -> Option<EndReason> {
        let class = self.class();
        if self.is_idle(now, config) {
            return Some(class.end_reason());
        }
        if class == Class::Closed && packet.tcp_flags & (SYN | ACK) == SYN {
            return Some(EndReason::End);
        }
        (now.saturating_sub(self.opened) >= config.active_micros()).then_some(EndReason::Active)
    }

    /// True when no packet came for the idle timeout.
    #[inline]
    fn is_idle(&self, now: i64, config: &Config) -> bool {
        now.saturating_sub(self.seen) >= config.idle_micros(self.class())
    }

    /// Which timeout the flow has now.
    #[inline]
    pub(super) fn class(&self) -> Class {
        if !self.key.is_tcp() {
            return Class::Plain;
        }
        let [a, b] = self.flags;
        let one_sided = self.packets[0] == 0 || self.packets[1] == 0;
        let closed = (a | b) & RST != 0 || a & b & FIN != 0 || (one_sided && (a | b) & FIN != 0);
        if closed { Class::Closed } else { Class::Tcp }
    }

    /// The wheel in which it is placed.
    #[inline]
    pub(super) fn placed_in(&self) -> Class {
        match self.state & PLACED {
            0 => Class::Closed,
            1 => Class::Plain,
            _ => Class::Tcp,
        }
    }

    pub(super) fn set_placed_in(&mut self, class: Class) {
        self.state = self.state & !PLACED | class as u8;
    }

    /// `reason`, unless the flow was closed or idle before: that is its end whatever came after.
    pub(super) fn end_reason(&self, reason: EndReason, now: i64, config: &Config) -> EndReason {
        let class = self.class();
        if class == Class::Closed || self.is_idle(now, config) { class.end_reason() } else { reason }
    }

    /// The flow as a record.
    pub(super) fn record(&self, reason: EndReason) -> FlowRecord {
        let (a, b) = self.key.addresses();
        let ports = self.key.ports().unzip();
        let side = |at: usize| Counters { octets: self.octets[at], packets: self.packets[at] };
        let (mut forward, mut reverse, mut flags) = (side(0), side(1), (self.flags[0], self.flags[1]));
        let ((mut src, mut src_port), (mut dst, mut dst_port)) = ((a, ports.0), (b, ports.1));
        if self.state & FROM_A == 0 {
            (src, src_port, dst, dst_port) = (dst, dst_port, src, src_port);
            (forward, reverse, flags) = (reverse, forward, (flags.1, flags.0));
        }
        let tcp = self.key.is_tcp();
        FlowRecord {
            start: self.start(),
            end: self.last,
            source: Source::Capture,
            kind: Kind::Flow,
            src_ip: Some(src),
            dst_ip: Some(dst),
            src_port,
            dst_port,
            proto: Some(self.key.proto()),
            forward,
            reverse,
            tcp_flags_out: tcp.then_some(flags.0),
            tcp_flags_in: tcp.then_some(flags.1),
            end_reason: Some(reason),
            vlan: self.key.vlan(),
            icmp: self.key.has_icmp().then_some(IcmpKind { kind: self.icmp.0, code: self.icmp.1 }),
            dscp: Some(self.dscp),
            ..FlowRecord::default()
        }
    }

    /// When the flow began by the clock that its end has.
    fn start(&self) -> Timestamp {
        let (by_wall, by_table) = (self.last.micros_since(self.first), self.seen.saturating_sub(self.opened));
        if by_wall.abs_diff(by_table) > CLOCK_WAS_SET_MICROS.unsigned_abs() {
            return self.last.plus_micros(-by_table);
        }
        self.first
    }
}

const _: () = assert!(size_of::<Entry>() == 128, "an entry is two cache lines");
