//! Ports, flags and ICMP types: the first octets of a transport header.

use weir_flow::icmp_counterpart;

use super::key::Ports;

/// What the transport header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport {
    /// Ports, or what stands for them.
    pub ports: Ports,
    /// TCP flags; 0 if not TCP or cut off.
    pub tcp_flags: u8,
    /// ICMP type and code.
    pub icmp: (u8, u8),
}

/// Reads the header of protocol `proto` at the start of `payload`, as far as it was captured.
#[inline]
#[must_use]
pub(super) fn read(proto: u8, payload: &[u8]) -> Transport {
    match proto {
        6 => Transport {
            ports: ports(payload),
            tcp_flags: payload.get(13).copied().unwrap_or(0),
            icmp: (0, 0),
        },
        17 | 33 | 132 | 136 => Transport { ports: ports(payload), tcp_flags: 0, icmp: (0, 0) },
        1 | 58 => icmp(proto, payload),
        _ => Transport { ports: Ports::None, tcp_flags: 0, icmp: (0, 0) },
    }
}

/// The four octets with which TCP, UDP, DCCP, SCTP and UDP-Lite begin.
#[inline]
fn ports(payload: &[u8]) -> Ports {
    match payload {
        [a, b, c, d, ..] => Ports::Both(u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])),
        _ => Ports::Unknown,
    }
}

fn icmp(proto: u8, payload: &[u8]) -> Transport {
    let [kind, code, ..] = *payload else {
        return Transport { ports: Ports::Unknown, tcp_flags: 0, icmp: (0, 0) };
    };
    let ports = match icmp_counterpart(proto, kind) {
        Some(answer) => Ports::Both(kind.into(), answer.into()),
        None => Ports::OneWay(kind.into(), code.into()),
    };
    Transport { ports, tcp_flags: 0, icmp: (kind, code) }
}
