//! Which log a record is of.

use std::sync::LazyLock;

use weir_flow::{Kind, Text};

/// Longest name of a log. Zeek's own have 25 characters at most; stops a forged one from being carried by every record.
const MAX_NAME: usize = 64;

/// What Zeek's log streams are called where nobody changed it (docs.zeek.org, "Log files"), sorted.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "analyzer", "analyzer_debug", "audit", "barnyard2", "broker", "capture_loss", "cluster", "config", "conn",
    "dce_rpc", "dhcp", "dnp3", "dns", "dpd", "ecat_arp_info", "files", "ftp", "http", "intel", "irc", "kerberos",
    "known_certs", "known_devices", "known_hosts", "known_modbus", "known_services", "ldap", "ldap_search",
    "loaded_scripts", "modbus", "modbus_register_change", "mqtt_connect", "mqtt_publish", "mqtt_subscribe",
    "mysql", "netcontrol", "netcontrol_catch_release", "netcontrol_drop", "netcontrol_shunt", "notice",
    "notice_alarm", "ntlm", "ntp", "ocsp", "openflow", "packet_filter", "pe", "postgresql", "print", "prof",
    "quic", "radius", "rdp", "redis", "reporter", "rfb", "signatures", "sip", "smb_cmd", "smb_files",
    "smb_mapping", "smtp", "snmp", "socks", "software", "ssh", "ssl", "stats", "stderr", "stdout", "syslog",
    "telemetry", "telemetry_histogram", "traceroute", "tunnel", "unknown_protocols", "websocket", "weird",
    "weird_stats", "wireguard", "x509",
];

/// Kinds of the named logs, so that records share them.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| NAMES.iter().map(|name| Kind::named(name)).collect());

/// How the fields of a log are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Connections.
    Conn,
    /// DNS queries.
    Dns,
    /// TLS handshakes.
    Ssl,
    /// HTTP requests.
    Http,
    /// QUIC connections.
    Quic,
    /// Files on the wire.
    Files,
    /// Notices.
    Notice,
    /// DHCP leases.
    Dhcp,
    /// Any other: the ends of a connection, the rest as it is.
    Other,
}

/// A log: how it is understood, and what its records are.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) shape: Shape,
    pub(super) kind: Kind,
    /// Every record of the log is understood alike: its name says how.
    pub(super) is_certain: bool,
}

impl Log {
    /// The log of that name. One that is called otherwise, as filters do, is what its fields show.
    pub(super) fn new(name: Option<&str>, has: &dyn Fn(&str) -> bool) -> Self {
        if let Some(log) = name.and_then(Self::named) {
            return log;
        }
        let seen = looks_like(has);
        let shape = seen.map_or(Shape::Other, Shape::named);
        let kind = shape.kind().unwrap_or_else(|| Kind::named(name.or(seen).unwrap_or(UNNAMED)));
        Self { shape, kind, is_certain: false }
    }

    fn named(name: &str) -> Option<Self> {
        let at = NAMES.binary_search(&name).ok()?;
        Some(Self { shape: Shape::named(name), kind: KINDS.get(at)?.clone(), is_certain: true })
    }
}

/// The kind of records of a log without a name that looks like none.
const UNNAMED: &str = "zeek";

impl Shape {
    fn named(name: &str) -> Self {
        match name {
            "conn" => Self::Conn,
            "dns" => Self::Dns,
            "ssl" => Self::Ssl,
            "http" => Self::Http,
            "quic" => Self::Quic,
            "files" => Self::Files,
            "notice" => Self::Notice,
            "dhcp" => Self::Dhcp,
            _ => Self::Other,
        }
    }

    /// The kind that records of this shape have whatever their log is called.
    fn kind(self) -> Option<Kind> {
        match self {
            Self::Conn => Some(Kind::Flow),
            Self::Dns => Some(Kind::Dns),
            Self::Ssl => Some(Kind::Tls),
            Self::Http => Some(Kind::Http),
            _ => None,
        }
    }
}

/// The log whose fields these are, of those that have fields of their own.
pub(super) fn looks_like(has: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    if has("conn_state") || has("orig_pkts") {
        return Some("conn");
    }
    if has("query") && (has("qtype") || has("qtype_name") || has("trans_id")) {
        return Some("dns");
    }
    if has("client_initial_dcid") {
        return Some("quic");
    }
    if has("ssl_history") || has("ja3") || has("server_name") || (has("cipher") && has("curve")) {
        return Some("ssl");
    }
    // SIP has methods, URIs and codes too.
    if !has("call_id") && ((has("method") && has("uri")) || (has("status_code") && has("host"))) {
        return Some("http");
    }
    // A connection of which little is said; other logs with a protocol say what they are about.
    let about = ["trans_id", "note", "facility", "analyzer", "failure_reason", "name"];
    let ends = (has("id.orig_h") && has("id.resp_h")) || (has("id_orig_h") && has("id_resp_h")) || has("id");
    (ends && has("proto") && !about.iter().any(|&name| has(name))).then_some("conn")
}

/// The name of the log in a file of this name: `conn` for `conn.log`, `conn.2026-11-21-10-00-00.log.gz`, `conn.ndjson`.
///
/// The last part of the name that Zeek calls a log by; without one the first part. Parts are between `.` and `__`.
#[must_use]
pub fn log_name(file: &str) -> Option<Text> {
    let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let file = file.strip_prefix("json_streaming_").unwrap_or(file);
    let parts = || file.split('.').flat_map(|part| part.split("__"));
    let known = parts().filter(|part| NAMES.binary_search(part).is_ok()).last();
    known.or_else(|| parts().find(|part| !part.is_empty())).and_then(usable)
}

/// A name that a log gives itself; its last part where that is a path.
pub(super) fn usable(name: &str) -> Option<Text> {
    let name = name.rsplit('/').next().unwrap_or(name).trim();
    ((1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control)).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::{Log, NAMES, Shape, log_name, looks_like};

    #[test]
    fn names_are_sorted_so_that_the_search_finds_each() {
        assert!(NAMES.is_sorted());
        for name in NAMES {
            assert!(Log::named(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_name_of_a_file_tells_its_log() {
        for (file, log) in [
            ("conn.log", "conn"),
            ("/var/log/zeek/conn.2026-11-21-10-00-00.log.gz", "conn"),
            ("conn.ndjson", "conn"),
            ("json_streaming_dns.log", "dns"),
            ("core.tunnels.gre__dns.log", "dns"),
            ("smb_files.10:00:00-11:00:00.log.gz", "smb_files"),
            ("my_own.log", "my_own"),
            ("scripts.base.frameworks.logging__http.log", "http"),
        ] {
            assert_eq!(log_name(file).as_deref(), Some(log), "{file}");
        }
        assert_eq!(log_name(""), None);
        assert_eq!(log_name(&"x".repeat(300)), None);
    }

    #[test]
    fn fields_tell_the_log_where_no_name_does() {
        let seen = |names: &[&str]| looks_like(&|name: &str| names.contains(&name));
        assert_eq!(seen(&["ts", "conn_state"]), Some("conn"));
        assert_eq!(seen(&["ts", "id.orig_h", "id.resp_h", "proto", "query", "trans_id"]), Some("dns"));
        assert_eq!(seen(&["server_name", "client_initial_dcid"]), Some("quic"));
        assert_eq!(seen(&["server_name"]), Some("ssl"));
        assert_eq!(seen(&["cipher", "request_type"]), None, "kerberos");
        assert_eq!(seen(&["method", "uri", "call_id"]), None, "sip");
        assert_eq!(seen(&["method", "uri"]), Some("http"));
        assert_eq!(seen(&["id_orig_h", "id_resp_h", "proto"]), Some("conn"));
        assert_eq!(seen(&["id.orig_h", "id.resp_h", "proto", "note"]), None);
    }

    #[test]
    fn a_log_of_another_name_is_what_its_fields_show() {
        let has = |name: &str| name == "conn_state";
        assert_eq!(Log::new(Some("conn-internal"), &has).shape, Shape::Conn);
        assert_eq!(Log::new(Some("ssh"), &has).shape, Shape::Other);
        assert_eq!(Log::new(Some("my_own"), &|_| false).kind.as_str(), "my_own");
        assert_eq!(Log::new(None, &|_| false).kind.as_str(), "zeek");
    }
}
