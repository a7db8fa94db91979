//! Information elements: which field of a record, or which name, the value of a number goes to.
//!
//! Sources: the IANA registry "IP Flow Information Export (IPFIX) Entities" as of 2026-07-22, RFC 3954 §8, RFC 5103, and the
//! manuals of the exporters' makers; each table names its own. What is in no table is skipped by its length.
//!
//! A name means one thing: the two of IPv4 and IPv6 that mean the same share one, and makers' own elements have the name of
//! the registry's where there is one. Octets that are payload, and values that are or may hold credentials, are known here
//! in order not to be kept.

mod cert;
mod cesnet;
mod cisco;
mod extracted;
mod flowmon;
mod iana_1;
mod iana_150;
mod iana_300;
mod ixia;
mod netscaler;
mod ntop_1;
mod ntop_300;
mod table;
#[cfg(test)]
mod tests;
mod vendor;
mod words;

pub use extracted::refine;
use table::{Row, find};
pub use words::label;

/// Private enterprise number (IANA) of the registry's own elements.
pub const IANA: u32 = 0;
/// Elements in the reverse direction of a biflow: the numbers of the registry, RFC 5103 §6.1.
pub const REVERSE: u32 = 29_305;
/// Stands for NetFlow v9, which has no enterprise numbers: the registry's numbers with the meaning that v9 gives them, and
/// the makers' own from 32,768 on.
pub const NETFLOW_V9: u32 = u32::MAX;
/// ntop (nProbe). In records that have an element of this enterprise, 23 and 24 of the registry mean what they do in
/// [`NETFLOW_V9`].
pub const NTOP: u32 = 35_632;

const CISCO: u32 = 9;
const CERT: u32 = 6871;

/// First number in NetFlow v9 that is a maker's own.
const V9_OWN: u16 = 0x8000;
/// Where nProbe's own elements begin in NetFlow v9: its number 0.
const V9_NTOP: u16 = 57_472;

/// The element with this number; none if it is not known.
///
/// Made for templates, not for every record: a search of some ten steps.
#[must_use]
pub fn element(enterprise: u32, id: u16) -> Option<&'static Element> {
    match enterprise {
        IANA => find(registry([iana_1::FORWARD, iana_150::FORWARD, iana_300::FORWARD], id), id),
        REVERSE => find(registry([iana_1::REVERSE, iana_150::REVERSE, iana_300::REVERSE], id), id),
        NETFLOW_V9 => find(vendor::NETFLOW_V9, id).or_else(|| netflow_v9(id)),
        CERT => cert_element(id),
        NTOP => find(if id < 300 { ntop_1::ROWS } else { ntop_300::ROWS }, id),
        _ => find(maker(enterprise)?, id),
    }
}

/// The part of the registry that a number is in.
const fn registry([from_1, from_150, from_300]: [&'static [Row]; 3], id: u16) -> &'static [Row] {
    match id {
        ..150 => from_1,
        150..300 => from_150,
        300.. => from_300,
    }
}

/// Numbers that NetFlow v9 shares: the enterprise bit of IPFIX is a part of Cisco's there.
fn netflow_v9(id: u16) -> Option<&'static Element> {
    match id {
        ..V9_OWN => element(IANA, id),
        V9_OWN..V9_NTOP => element(CISCO, id - V9_OWN),
        V9_NTOP.. => element(NTOP, id - V9_NTOP),
    }
}

fn cert_element(id: u16) -> Option<&'static Element> {
    if id & cert::REVERSE_BIT == 0 {
        find(cert::FORWARD, id).or_else(|| find(cert::ONE_WAY, id))
    } else {
        find(cert::REVERSE, id & !cert::REVERSE_BIT)
    }
}

const fn maker(enterprise: u32) -> Option<&'static [Row]> {
    Some(match enterprise {
        CISCO => cisco::ROWS,
        637 => vendor::NOKIA,
        2011 => vendor::HUAWEI,
        2636 => vendor::JUNIPER,
        3054 => ixia::ROWS,
        5951 => netscaler::ROWS,
        6876 => vendor::VMWARE,
        8057 => cesnet::ROWS,
        9789 => vendor::ASTARO,
        10_704 | 12_326 => vendor::BARRACUDA,
        15_397 => vendor::PROCERA,
        21_373 => vendor::IPT_NETFLOW,
        26_866 => vendor::GIGAMON,
        39_499 => flowmon::ROWS,
        41_916 => vendor::VIPTELA,
        43_874 => vendor::PMACCT,
        _ => return None,
    })
}

/// How the octets of a value are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Unsigned number of 1 to 8 octets, whatever its nominal size (RFC 7011 §6.2).
    Unsigned,
    /// Signed number.
    Signed,
    /// IEEE 754, 4 or 8 octets.
    Float,
    /// 1 is true, 2 is false.
    Boolean,
    /// 4 octets.
    Ipv4,
    /// 16 octets.
    Ipv6,
    /// 6 octets.
    Mac,
    /// UTF-8, ended by its length or padded with zeros.
    Text,
    /// Anything; shown as hexadecimal digits.
    Octets,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// NTP time stamp, RFC 7011 §6.1.9.
    Micros,
    /// NTP time stamp, RFC 7011 §6.1.10.
    Nanos,
    /// basicList, subTemplateList or subTemplateMultiList (RFC 6313): skipped whole.
    List,
}

/// What the value of an element says of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing that the record does not say already, or nothing that anyone asks for: not kept.
    Ignored,
    /// Kept in `extra` under the element's name, unless it is zero or empty.
    Extra,
    /// Source address.
    SrcIp,
    /// Destination address.
    DstIp,
    /// Source port.
    SrcPort,
    /// Destination port.
    DstPort,
    /// Protocol.
    Proto,
    /// Octets source → destination since the last record of the flow.
    Octets,
    /// Packets, in the same way.
    Packets,
    /// Octets since the flow began; used where there is no [`Role::Octets`].
    OctetsTotal,
    /// Packets, in the same way.
    PacketsTotal,
    /// Octets destination → source.
    ReverseOctets,
    /// Packets destination → source.
    ReversePackets,
    /// TCP flags of the source; of two octets the lower counts.
    TcpFlags,
    /// TCP flags of the destination.
    ReverseTcpFlags,
    /// Type of service or traffic class, the whole octet.
    Tos,
    /// Differentiated services code point alone.
    Dscp,
    /// SNMP index of the interface that packets came in by.
    IngressIf,
    /// SNMP index of the interface that they left by.
    EgressIf,
    /// Next hop.
    NextHop,
    /// Source AS.
    SrcAs,
    /// Destination AS.
    DstAs,
    /// VLAN identifier.
    Vlan,
    /// VLAN identifier of the service tag in front of it.
    OuterVlan,
    /// ICMP type in the upper, code in the lower octet.
    IcmpTypeCode,
    /// ICMP type.
    IcmpType,
    /// ICMP code.
    IcmpCode,
    /// Why the flow ended, IANA numbers 1 to 5.
    EndReason,
    /// First packet: milliseconds since the exporter's start.
    StartUptime,
    /// Last packet: milliseconds since the exporter's start.
    EndUptime,
    /// First packet, in the element's form.
    Start,
    /// Last packet, in the element's form.
    End,
    /// First packet, microseconds before the export time.
    StartDelta,
    /// Last packet, microseconds before the export time.
    EndDelta,
    /// When the exporter started, in the element's form.
    SysInit,
    /// When an event was observed; used where there is neither first nor last packet.
    Observed,
    /// Length of the flow, milliseconds.
    DurationMillis,
    /// Length of the flow, microseconds.
    DurationMicros,
    /// Classification engine and selector of an application (RFC 6759).
    ApplicationId,
    /// Name of an application; in an options record that of its [`Role::ApplicationId`].
    ApplicationName,
    /// Description of an application.
    ApplicationDescription,
    /// Name that the flow is about: host of a request, server name of a handshake, name asked for.
    Domain,
    /// Number of a sampler or selector.
    SamplerId,
    /// One of this many packets is sampled.
    SamplingInterval,
    /// Packets sampled in a row.
    SamplingPacketInterval,
    /// Packets left out after them.
    SamplingPacketSpace,
    /// Packets sampled of a population.
    SamplingSize,
    /// That population.
    SamplingPopulation,
    /// Probability that a packet is sampled.
    SamplingProbability,
    /// Name of an interface; in an options record that of its [`Role::IngressIf`].
    InterfaceName,
}

impl Role {
    /// Of the same element in the reverse direction of a biflow. Addresses, ports, times and what describes the exporter
    /// are those of the forward direction; what may differ is kept by its name.
    const fn reversed(self) -> Self {
        match self {
            Self::Octets | Self::OctetsTotal => Self::ReverseOctets,
            Self::Packets | Self::PacketsTotal => Self::ReversePackets,
            Self::TcpFlags => Self::ReverseTcpFlags,
            Self::Extra
            | Self::Tos
            | Self::Dscp
            | Self::IngressIf
            | Self::EgressIf
            | Self::NextHop
            | Self::Vlan
            | Self::OuterVlan
            | Self::IcmpTypeCode
            | Self::IcmpType
            | Self::IcmpCode => Self::Extra,
            _ => Self::Ignored,
        }
    }
}

/// An information element that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name, in `extra`: as registered, in snake case.
    pub name: &'static str,
    /// How it is read.
    pub form: Form,
    /// What it says.
    pub role: Role,
}
