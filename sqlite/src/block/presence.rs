//! Which fields a row has: one number per row, of which a block has few.

use weir_flow::FlowRecord;

/// A bit for each optional field. The numbers belong to the format: they are never given another meaning.
macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident = $bit:literal => $test:expr;)*) => {
        $($(#[$doc])* pub(super) const $name: u64 = 1 << $bit;)*

        /// What `record` has.
        pub(super) fn of(record: &FlowRecord) -> u64 {
            let mut bits = 0;
            $(
                let test: fn(&FlowRecord) -> bool = $test;
                bits |= u64::from(test(record)) << $bit;
            )*
            bits
        }
    };
}

bits! {
    OBSERVER = 0 => |r| r.observer.is_some();
    ORIGIN = 1 => |r| r.origin.is_some();
    EXPORTED = 2 => |r| r.exported.is_some();
    SRC_IP = 3 => |r| r.src_ip.is_some();
    DST_IP = 4 => |r| r.dst_ip.is_some();
    SRC_PORT = 5 => |r| r.src_port.is_some();
    DST_PORT = 6 => |r| r.dst_port.is_some();
    PROTO = 7 => |r| r.proto.is_some();
    /// Octets or packets of the originator.
    FORWARD = 8 => |r| r.forward.octets | r.forward.packets != 0;
    /// Octets or packets of the responder.
    REVERSE = 9 => |r| r.reverse.octets | r.reverse.packets != 0;
    UNCOUNTED_OCTETS = 10 => |r| r.uncounted.octets;
    UNCOUNTED_PACKETS = 11 => |r| r.uncounted.packets;
    TCP_FLAGS_OUT = 12 => |r| r.tcp_flags_out.is_some();
    TCP_FLAGS_IN = 13 => |r| r.tcp_flags_in.is_some();
    END_REASON = 14 => |r| r.end_reason.is_some();
    VLAN = 15 => |r| r.vlan.is_some();
    /// A service tag before the customer's.
    VLAN_OUTER = 16 => |r| r.vlan.is_some_and(|vlan| vlan.outer.is_some());
    ICMP = 17 => |r| r.icmp.is_some();
    DSCP = 18 => |r| r.dscp.is_some();
    SERVICE = 19 => |r| r.service.is_some();
    DOMAIN = 20 => |r| r.domain.is_some();
    SRC_PLACE = 21 => |r| r.src_place.is_some();
    DST_PLACE = 22 => |r| r.dst_place.is_some();
    DIRECTION = 23 => |r| r.direction.is_some();
    VERDICT = 24 => |r| r.verdict.is_some();
    /// The verdict has matches.
    MATCHES = 25 => |r| r.verdict.as_ref().is_some_and(|verdict| !verdict.matches.is_empty());
    RISK = 26 => |r| r.risk.is_some();
    TAGS = 27 => |r| !r.tags.is_empty();
    EXTRA = 28 => |r| r.extra.is_some();
    /// The flow lasted, or ended before it began.
    LASTED = 29 => |r| r.start != r.end;
}

/// All bits that have a meaning.
pub(super) const ALL: u64 = (1 << 30) - 1;
