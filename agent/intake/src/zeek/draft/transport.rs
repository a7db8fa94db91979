//! The protocol of a connection, and what its ports mean by that.

use weir_flow::{IcmpKind, icmp_counterpart};

use super::{Draft, Field, UNKNOWN_TRANSPORT};

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Protocols whose ports are ports: TCP, UDP, DCCP, SCTP, UDP-Lite. For others Zeek writes 0.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

impl Draft<'_> {
    /// Settles the protocol from its name, its number and the ends, then the ports.
    pub(super) fn protocol(&mut self) {
        let record = &mut self.record;
        let v6 = record.src_ip.or(record.dst_ip).is_some_and(|ip| ip.is_ipv6());
        record.proto = match record.proto {
            Some(ICMP) if v6 || self.ip_proto == Some(ICMPV6) => Some(ICMPV6),
            Some(proto) => Some(proto),
            None => self.ip_proto,
        };
        if let Some(ip_proto) = self.ip_proto
            && record.proto != Some(ip_proto)
        {
            self.extra.insert(Field::IpProto.name(), ip_proto);
        }
        if self.unknown_transport && record.proto.is_none() {
            self.extra.insert(Field::Proto.name(), UNKNOWN_TRANSPORT);
        }
        match record.proto {
            Some(proto @ (ICMP | ICMPV6)) => self.icmp(proto),
            Some(proto) if WITH_PORTS.contains(&proto) => {}
            None if !self.unknown_transport => {}
            _ if (record.src_port, record.dst_port) == (Some(0), Some(0)) => {
                (record.src_port, record.dst_port) = (None, None);
            }
            _ => {}
        }
    }

    /// Zeek writes the type of an ICMP message as the originator's port; as the responder's the type that answers it, and
    /// its code where there is none.
    fn icmp(&mut self, proto: u8) {
        let ports = (self.record.src_port.take(), self.record.dst_port.take());
        let (Some(orig), Some(resp)) = ports else {
            for (field, port) in [(Field::OrigP, ports.0), (Field::RespP, ports.1)] {
                if let Some(port) = port {
                    self.extra.insert(field.name(), port);
                }
            }
            return;
        };
        if let (Ok(kind), Ok(resp)) = (u8::try_from(orig), u8::try_from(resp)) {
            // Messages that are answered have no other code (RFC 792, RFC 4443 §4).
            let code = if icmp_counterpart(proto, kind) == Some(resp) { 0 } else { resp };
            self.record.icmp = Some(IcmpKind { kind, code });
        } else {
            self.extra.insert(Field::OrigP.name(), orig);
            self.extra.insert(Field::RespP.name(), resp);
        }
    }
}
