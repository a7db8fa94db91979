//! Names of services, shared by the records that have them.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;
use weir_flow::Text;

use super::log::Shape;

/// Services that `conn.log` usually names, from Zeek's protocol analyzers.
#[rustfmt::skip]
const USUAL: &[&str] = &[
    "ayiya", "dce_rpc", "dhcp", "dnp3_tcp", "dnp3_udp", "dns", "ftp", "ftp-data", "geneve", "gssapi", "gtpv1", "http",
    "imap", "irc", "irc-dcc-data", "krb", "krb_tcp", "ldap_tcp", "ldap_udp", "modbus", "mqtt", "mysql", "netbios-ns",
    "ntlm", "ntp", "ntp,dhcp", "pop3", "postgresql", "quic", "quic,ssl", "radius", "rdp", "rdpeudp", "redis", "rfb",
    "sip", "smb", "smtp", "snmp", "socks", "ssh", "ssl", "ssl,http", "syslog", "teredo", "vxlan", "websocket", "xmpp",
];

static TEXTS: LazyLock<HashMap<&'static str, Text, FixedState>> =
    LazyLock::new(|| USUAL.iter().map(|&name| (name, name.into())).collect());

/// The service of that name.
pub(super) fn named(name: &str) -> Text {
    TEXTS.get(name).cloned().unwrap_or_else(|| name.into())
}

/// The service that every record of a log is about.
pub(super) fn of_log(shape: Shape) -> Option<Text> {
    match shape {
        Shape::Dns => Some(named("dns")),
        Shape::Ssl => Some(named("ssl")),
        Shape::Http => Some(named("http")),
        Shape::Quic => Some(named("quic")),
        _ => None,
    }
}
