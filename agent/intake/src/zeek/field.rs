//! Fields that a record has a place for.

use super::log::Shape;

/// Which place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    Ts,
    Duration,
    OrigH,
    OrigP,
    RespH,
    RespP,
    Proto,
    IpProto,
    Service,
    OrigPkts,
    RespPkts,
    OrigIpBytes,
    RespIpBytes,
    ConnState,
    Vlan,
    InnerVlan,
    CommunityId,
    Query,
    ServerName,
    Host,
    Src,
    Dst,
    P,
    ClientAddr,
    ServerAddr,
    TxHosts,
    RxHosts,
    Path,
    /// The four ends in an object of their own, as some shippers nest dotted names.
    Id,
}

impl Field {
    /// True where a field of this name means that in such a log.
    pub(super) const fn is_of(self, shape: Shape) -> bool {
        match self {
            Self::Ts
            | Self::OrigH
            | Self::OrigP
            | Self::RespH
            | Self::RespP
            | Self::Proto
            | Self::CommunityId
            | Self::Path
            | Self::Id => true,
            Self::Duration
            | Self::IpProto
            | Self::Service
            | Self::OrigPkts
            | Self::RespPkts
            | Self::OrigIpBytes
            | Self::RespIpBytes
            | Self::ConnState
            | Self::Vlan
            | Self::InnerVlan => matches!(shape, Shape::Conn),
            Self::Query => matches!(shape, Shape::Dns),
            Self::ServerName => matches!(shape, Shape::Ssl | Shape::Quic),
            Self::Host => matches!(shape, Shape::Http),
            Self::Src | Self::Dst | Self::P => matches!(shape, Shape::Notice),
            Self::ClientAddr | Self::ServerAddr => matches!(shape, Shape::Dhcp),
            Self::TxHosts | Self::RxHosts => matches!(shape, Shape::Files),
        }
    }

    /// Zeek's name of the field, for who is told that its value is wrong.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ts => "ts",
            Self::Duration => "duration",
            Self::OrigH => "id.orig_h",
            Self::OrigP => "id.orig_p",
            Self::RespH => "id.resp_h",
            Self::RespP => "id.resp_p",
            Self::Proto => "proto",
            Self::IpProto => "ip_proto",
            Self::Service => "service",
            Self::OrigPkts => "orig_pkts",
            Self::RespPkts => "resp_pkts",
            Self::OrigIpBytes => "orig_ip_bytes",
            Self::RespIpBytes => "resp_ip_bytes",
            Self::ConnState => "conn_state",
            Self::Vlan => "vlan",
            Self::InnerVlan => "inner_vlan",
            Self::CommunityId => "community_id",
            Self::Query => "query",
            Self::ServerName => "server_name",
            Self::Host => "host",
            Self::Src => "src",
            Self::Dst => "dst",
            Self::P => "p",
            Self::ClientAddr => "client_addr",
            Self::ServerAddr => "server_addr",
            Self::TxHosts => "tx_hosts",
            Self::RxHosts => "rx_hosts",
            Self::Path => "_path",
            Self::Id => "id",
        }
    }

    /// A bit of its own.
    pub(super) const fn bit(self) -> u32 {
        1 << self as u8
    }
}
