//! The flow record.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::{CommunityId, Extra, Place, Risk, Timestamp, Verdict, community_id};

/// Text that many records share.
pub type Text = Arc<str>;

/// One flow, or one event of another kind: what an input said, then what enrichment added.
///
/// Originator and responder as in RFC 5103: `src` is the originator, `forward` counts originator → responder.
/// What is not known is `None`, never zero.
#[derive(Clone, Debug, Default)]
pub struct FlowRecord {
    /// First packet, or the time of the event.
    pub start: Timestamp,
    /// Last packet; equal to `start` where there is only one instant.
    pub end: Timestamp,
    /// The input that made the record.
    pub source: Source,
    /// What the record is about.
    pub kind: Kind,
    /// Interface, file or log path at which it was observed.
    pub observer: Option<Text>,
    /// What a flow exporter said beyond the flow itself.
    pub exported: Option<Exported>,
    /// Originator's address.
    pub src_ip: Option<IpAddr>,
    /// Responder's address.
    pub dst_ip: Option<IpAddr>,
    /// Originator's port; none for protocols without ports.
    pub src_port: Option<u16>,
    /// Responder's port.
    pub dst_port: Option<u16>,
    /// IANA protocol number.
    pub proto: Option<u8>,
    /// Originator → responder.
    pub forward: Counters,
    /// Responder → originator.
    pub reverse: Counters,
    /// Which of the counters the input does not have.
    pub uncounted: Uncounted,
    /// All TCP flags (RFC 9293 §3.1, low octet) that the originator sent; none if not TCP.
    pub tcp_flags_out: Option<u8>,
    /// All TCP flags that the responder sent.
    pub tcp_flags_in: Option<u8>,
    /// Why the flow ended.
    pub end_reason: Option<EndReason>,
    /// VLAN tags of the frame.
    pub vlan: Option<Vlan>,
    /// ICMP or ICMPv6 type and code of the first packet.
    pub icmp: Option<IcmpKind>,
    /// Differentiated services code point of the first packet (RFC 2474), 0 to 63.
    pub dscp: Option<u8>,
    /// Application protocol.
    pub service: Option<Text>,
    /// The name that the flow is about.
    pub domain: Option<Text>,
    /// Where the originator is.
    pub src_place: Option<Arc<Place>>,
    /// Where the responder is.
    pub dst_place: Option<Arc<Place>>,
    /// Which way the flow crosses the border of the local networks.
    pub direction: Option<Direction>,
    /// Threat matches; none when not looked up.
    pub verdict: Option<Verdict>,
    /// Risk and its reasons; none when not scored.
    pub risk: Option<Risk>,
    /// Marks set by enrichment.
    pub tags: Tags,
    /// Who sent it, for records that came over the API; shared by the records of a request.
    pub origin: Option<Arc<Origin>>,
    /// What the input said and the record has no field for.
    pub extra: Option<Box<Extra>>,
}

impl FlowRecord {
    /// Octets in both directions, as observed.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.forward.octets.saturating_add(self.reverse.octets)
    }

    /// Packets in both directions, as observed.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.forward.packets.saturating_add(self.reverse.packets)
    }

    /// Community ID v1; none without both addresses and the protocol. Computed, since it follows from the rest.
    #[must_use]
    pub fn community_id(&self) -> Option<CommunityId> {
        let ports = self.src_port.zip(self.dst_port);
        community_id(self.src_ip?, self.dst_ip?, self.proto?, ports, self.icmp)
    }

    /// The place of the end that is not local, else of the responder.
    #[must_use]
    pub fn remote_place(&self) -> Option<&Place> {
        match self.direction {
            Some(Direction::In) => self.src_place.as_deref(),
            _ => self.dst_place.as_deref(),
        }
    }

    /// True when an indicator matched.
    #[must_use]
    pub fn is_threat(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| !verdict.matches.is_empty())
    }
}

/// Octets of the IP layer (RFC 5102 `octetDeltaCount`) and packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// IP header and payload, no link layer.
    pub octets: u64,
    /// IP packets; each fragment is one.
    pub packets: u64,
}

/// Counters that an input does not have: they are zero in the record, and mean that nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncounted {
    /// Octets of both directions.
    pub octets: bool,
    /// Packets of both directions.
    pub packets: bool,
}

impl Uncounted {
    /// For records that count nothing: a DNS query, a notice.
    pub const ALL: Self = Self { octets: true, packets: true };
}

/// The request of the API that brought a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The collector, as it names itself in the envelope.
    pub collector_id: Option<Text>,
    /// Trace id of the request (W3C Trace Context §3.2.2.3).
    pub trace_id: Option<Text>,
}

/// What a flow exporter says beyond the flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Exported {
    /// Address of the exporter.
    pub exporter: Option<IpAddr>,
    /// Observation domain (RFC 7011 §3.1) or source ID (RFC 3954 §5.1).
    pub observation_domain: Option<u32>,
    /// SNMP index of the interface that the packets came in by.
    pub ingress_if: Option<u32>,
    /// SNMP index of the interface that they left by.
    pub egress_if: Option<u32>,
    /// Next hop of the route.
    pub next_hop: Option<IpAddr>,
    /// Source AS as exported.
    pub src_as: Option<u32>,
    /// Destination AS as exported.
    pub dst_as: Option<u32>,
    /// One of this many packets was seen.
    pub sampling: Option<u32>,
}

/// VLAN identifiers of a frame (IEEE 802.1Q), 1 to 4094.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// The customer's tag, next to the payload.
    pub inner: u16,
    /// The service tag before it, in QinQ frames (IEEE 802.1ad).
    pub outer: Option<u16>,
}

/// ICMP (RFC 792) or ICMPv6 (RFC 4443) message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpKind {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
}

/// The input that made a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// Packets.
    #[default]
    Capture,
    /// NetFlow v5.
    Netflow5,
    /// NetFlow v7.
    Netflow7,
    /// NetFlow v9 (RFC 3954).
    Netflow9,
    /// IPFIX (RFC 7011).
    Ipfix,
    /// sFlow v5.
    Sflow5,
    /// A Zeek log.
    Zeek,
    /// `POST /v1/ingest`.
    Api,
}

/// What a record is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Traffic between two ends.
    #[default]
    Flow,
    /// A DNS query.
    Dns,
    /// A TLS handshake.
    Tls,
    /// An HTTP request.
    Http,
    /// An alert.
    Alert,
    /// A stored record that a new indicator matches.
    Sighting,
    /// A detection.
    Detection,
    /// Several records in one.
    Aggregate,
    /// A host on the local network.
    Device,
    /// Another Zeek log, by name.
    Other(Text),
}

/// Why a flow ended: IPFIX `flowEndReason` (element 136, RFC 5102 §5.11.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// No packet for the idle timeout.
    Idle = 1,
    /// Open for the active timeout; the flow may go on in another record.
    Active = 2,
    /// The end of the flow was seen, FIN or RST.
    End = 3,
    /// The meter was told to stop.
    Forced = 4,
    /// The table was full.
    Resources = 5,
}

/// Which way a flow crosses the border of the local networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From outside.
    In,
    /// To the outside.
    Out,
    /// Both ends are local.
    Internal,
    /// Neither end is.
    Transit,
}

/// Marks that enrichment sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// `ti`: an indicator matched.
    Ti = 1,
    /// `risky_port`: the responder's port is in the list.
    RiskyPort = 2,
    /// `large_transfer`: many octets from an ephemeral port.
    LargeTransfer = 4,
}

/// A set of [`Tag`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags(u8);

impl Tags {
    /// Adds `tag`.
    pub fn insert(&mut self, tag: Tag) {
        self.0 |= tag as u8;
    }

    /// True when nothing is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when `tag` is set.
    #[must_use]
    pub const fn contains(self, tag: Tag) -> bool {
        self.0 & tag as u8 != 0
    }

    /// Names of the tags, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Tag::ALL.into_iter().filter(move |&tag| self.contains(tag)).map(Tag::as_str)
    }
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Capture,
        Self::Netflow5,
        Self::Netflow7,
        Self::Netflow9,
        Self::Ipfix,
        Self::Sflow5,
        Self::Zeek,
        Self::Api,
    ];

    /// The source of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }

    /// The name in JSON, CSV and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Netflow5 => "netflow5",
            Self::Netflow7 => "netflow7",
            Self::Netflow9 => "netflow9",
            Self::Ipfix => "ipfix",
            Self::Sflow5 => "sflow5",
            Self::Zeek => "zeek",
            Self::Api => "api",
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Kind {
    /// The kind of that name, or of a Zeek log of that name (`conn`, `ssl`).
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "flow" | "conn" => Self::Flow,
            "dns" => Self::Dns,
            "tls" | "ssl" => Self::Tls,
            "http" => Self::Http,
            "alert" => Self::Alert,
            "sighting" => Self::Sighting,
            "detection" => Self::Detection,
            "aggregate" => Self::Aggregate,
            "device" => Self::Device,
            other => Self::Other(other.into()),
        }
    }

    /// The name in JSON, CSV and filters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Flow => "flow",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Alert => "alert",
            Self::Sighting => "sighting",
            Self::Detection => "detection",
            Self::Aggregate => "aggregate",
            Self::Device => "device",
            Self::Other(name) => name,
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl EndReason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Idle, Self::Active, Self::End, Self::Forced, Self::Resources];

    /// The reason of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// The name in JSON, CSV and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::End => "end",
            Self::Forced => "forced",
            Self::Resources => "resources",
        }
    }
}

impl Serialize for EndReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Direction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::In, Self::Out, Self::Internal, Self::Transit];

    /// The direction of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|direction| direction.as_str() == name)
    }

    /// The name in JSON, CSV and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Internal => "internal",
            Self::Transit => "transit",
        }
    }
}

impl Serialize for Direction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Tag {
    /// All of them, in the order of their names in JSON.
    pub const ALL: [Self; 3] = [Self::Ti, Self::RiskyPort, Self::LargeTransfer];

    /// The tag of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| tag.as_str() == name)
    }

    /// The name in JSON, CSV and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ti => "ti",
            Self::RiskyPort => "risky_port",
            Self::LargeTransfer => "large_transfer",
        }
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
