//! Names of fields that Zeek's logs have: which of them a record has a place for, and those that need no memory of their
//! own in `extra`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::field::Field;

/// A name, and what is done with its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// None where the value is for `extra` in every log.
    pub(super) field: Option<Field>,
}

impl Known {
    /// What is known of `name`.
    pub(super) fn find(name: &str) -> Option<Self> {
        TABLE.get(name).copied()
    }
}

/// `name` for `extra`, without memory of its own where it is a usual one.
pub(super) fn interned(name: Cow<'_, str>) -> Cow<'static, str> {
    match Known::find(&name) {
        Some(known) => Cow::Borrowed(known.name),
        None => Cow::Owned(name.into_owned()),
    }
}

/// The keys are fixed: what is searched for can be long, but cannot fill a table.
static TABLE: LazyLock<HashMap<&'static str, Known, FixedState>> = LazyLock::new(|| {
    let fields = FIELDS.iter().map(|&(name, field)| Known { name, field: Some(field) });
    let others = OTHERS.iter().map(|&name| Known { name, field: None });
    fields.chain(others).map(|known| (known.name, known)).collect()
});

/// Names with a place in the record, at least in some logs.
const FIELDS: &[(&str, Field)] = &[
    ("ts", Field::Ts),
    ("duration", Field::Duration),
    ("id.orig_h", Field::OrigH),
    ("id.orig_p", Field::OrigP),
    ("id.resp_h", Field::RespH),
    ("id.resp_p", Field::RespP),
    ("id_orig_h", Field::OrigH),
    ("id_orig_p", Field::OrigP),
    ("id_resp_h", Field::RespH),
    ("id_resp_p", Field::RespP),
    ("proto", Field::Proto),
    ("ip_proto", Field::IpProto),
    ("service", Field::Service),
    ("orig_pkts", Field::OrigPkts),
    ("resp_pkts", Field::RespPkts),
    ("orig_ip_bytes", Field::OrigIpBytes),
    ("resp_ip_bytes", Field::RespIpBytes),
    ("conn_state", Field::ConnState),
    ("vlan", Field::Vlan),
    ("inner_vlan", Field::InnerVlan),
    ("community_id", Field::CommunityId),
    ("query", Field::Query),
    ("server_name", Field::ServerName),
    ("host", Field::Host),
    ("src", Field::Src),
    ("dst", Field::Dst),
    ("p", Field::P),
    ("client_addr", Field::ClientAddr),
    ("server_addr", Field::ServerAddr),
    ("tx_hosts", Field::TxHosts),
    ("rx_hosts", Field::RxHosts),
    ("_path", Field::Path),
    ("id", Field::Id),
];

/// The others, of the logs of Zeek and of packages that are often beside it.
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    "AA", "RA", "RD", "TC", "TTLs", "Z", "_node_name", "_stream", "_system_name", "_write_ts", "acks", "action",
    "actions", "active_dns_requests", "active_files", "active_icmp_conns", "active_tcp_conns", "active_timers",
    "active_udp_conns", "addl", "agent_remote_id", "analyzer", "analyzer_id", "analyzer_kind", "analyzer_name",
    "analyzers", "answers", "app", "arg", "argument", "assigned_addr", "assigned_ip", "auth", "auth_attempts",
    "auth_success", "authentication_method", "basic_constraints.ca", "basic_constraints.path_len", "bound.host",
    "bound.name", "bound_p", "bytes", "bytes_recv", "call_id", "cc", "cert", "certStatus", "cert_chain_fps",
    "cert_chain_fuids", "cert_count", "cert_hash", "cert_permanent", "cert_type", "certificate.curve",
    "certificate.exponent", "certificate.issuer", "certificate.key_alg", "certificate.key_length",
    "certificate.key_type", "certificate.not_valid_after", "certificate.not_valid_before", "certificate.serial",
    "certificate.sig_alg", "certificate.subject", "certificate.version", "cipher", "cipher_alg", "cipher_suites",
    "circuit_id", "client", "client_build", "client_cert", "client_cert_chain_fps", "client_cert_chain_fuids",
    "client_cert_fuid", "client_cert_subject", "client_dig_product_id", "client_fqdn", "client_header_names",
    "client_id", "client_initial_dcid", "client_issuer", "client_issuer_subject", "client_major_version",
    "client_message", "client_minor_version", "client_name", "client_protocol", "client_scid", "client_software",
    "client_subject", "cmd", "cmd.key", "cmd.name", "cmd.value", "command", "community", "compile_ts",
    "compression_alg", "conn_uids", "connect_info", "connect_status", "content_type", "cookie", "cshka", "curve",
    "data_channel.orig_h", "data_channel.passive", "data_channel.resp_h", "data_channel.resp_p", "date",
    "dcc_file_name", "dcc_file_size", "dcc_mime_type", "depth", "desktop_height", "desktop_name", "desktop_width",
    "diagnostic_message", "direction", "display_string", "dns_requests", "domain", "domainname", "dropped",
    "email_dest", "encryption_level", "encryption_method", "endpoint", "entropy", "error_msg", "established",
    "events_proc", "events_queued", "exception", "exploit", "extracted", "extracted_cutoff", "extracted_size",
    "facility", "failure_data", "failure_reason", "fc_reply", "fc_request", "file_desc", "file_mime_type",
    "file_size", "filename", "files", "fingerprint", "first_received", "forwardable", "fqdn", "framed_addr",
    "from", "from_client", "fuid", "fuids", "func", "gaps", "get_bulk_requests", "get_requests", "get_responses",
    "has_cert_table", "has_debug_data", "has_export_table", "has_import_table", "hash", "hashAlgorithm", "hassh",
    "hasshAlgorithms", "hasshServer", "hasshVersion", "height", "helo", "history", "hits", "host_cert",
    "host_key_alg", "host_key_fingerprint", "host_name", "host_p", "hostname", "icmp_conns", "id.orig_ep_status",
    "id.resp_ep_status", "identifiers", "iin", "in_reply_to", "indicator", "indicator_type", "info_code",
    "info_msg", "is_64bit", "is_exe", "is_orig", "is_webmail", "issuer", "issuerKeyHash", "issuerNameHash",
    "issuer_subject", "ja3", "ja3s", "ja4", "ja4h", "ja4l", "ja4s", "ja4ssh", "kex_alg", "keyboard_layout",
    "last_alert", "last_reply", "lease_time", "level", "local_orig", "local_resp", "location", "mac", "mac_alg",
    "machine", "mailfrom", "matched", "md5", "mem", "message", "message_id", "method", "mime_type",
    "missed_bytes", "missing_bytes", "mode", "msg", "msg_id", "msg_orig", "msg_types", "n", "name", "named_pipe",
    "native_file_system", "nextUpdate", "next_protocol", "nick", "nodes", "not_valid_after", "not_valid_before",
    "note", "notice", "num_exts", "object", "ocsp_status", "opcode", "opcode_name", "operation", "org_time",
    "orig_bytes", "orig_cc", "orig_filenames", "orig_fuids", "orig_l2_addr", "orig_mime_types", "orig_spcap",
    "origin", "original_query", "os", "overflow_bytes", "parent_fuid", "password", "path", "payload",
    "payload_len", "pcr", "pcr_str", "pdu_type", "pe", "peer", "peer_descr", "peer_name", "percent_lost",
    "pkt_lag", "pkts_dropped", "pkts_link", "pkts_proc", "poll", "port_num", "port_proto", "precision",
    "prev_name", "proto_name", "proto_version", "proxied", "qclass", "qclass_name", "qos", "qtype", "qtype_name",
    "rcode", "rcode_name", "rcptto", "reassem_file_size", "reassem_frag_size", "reassem_tcp_size",
    "reassem_unknown_size", "rec_time", "ref_id", "ref_time", "referrer", "rejected", "remote_ip",
    "remote_location.city", "remote_location.country_code", "remote_location.latitude",
    "remote_location.longitude", "remote_location.region", "renewable", "rep_size", "reply.value", "reply_code",
    "reply_msg", "reply_to", "request.host", "request.name", "request_body_len", "request_from", "request_p",
    "request_path", "request_to", "request_type", "requested_addr", "requested_color_depth", "resp_bytes",
    "resp_cc", "resp_filenames", "resp_fuids", "resp_l2_addr", "resp_mime_types", "response", "response_body_len",
    "response_from", "response_path", "response_to", "result", "resumed", "retain", "revokereason", "revoketime",
    "root_delay", "root_disp", "rows", "rtt", "san.dns", "san.email", "san.ip", "san.uri", "second_received",
    "section_names", "security_level", "security_protocol", "seen.conn", "seen.host", "seen.indicator",
    "seen.indicator_type", "seen.node", "seen.where", "seen_bytes", "seq", "serialNumber", "server",
    "server_cert_fuid", "server_cert_subject", "server_dns_computer_name", "server_header_names",
    "server_major_version", "server_message", "server_minor_version", "server_nb_computer_name", "server_scid",
    "server_software", "server_tree_name", "session_id", "set_requests", "severity", "sha1", "sha256",
    "share_flag", "share_type", "sid", "size", "sni_matches_cert", "software_type", "source", "sources", "spcap",
    "sshka", "ssl", "ssl_history", "status", "status_code", "status_msg", "stratum", "sub", "subject",
    "subsystem", "success", "suppress_for", "suri_ids", "tags", "tcp_conns", "thisUpdate", "tid", "till",
    "timedout", "timers", "times.accessed", "times.changed", "times.created", "times.modified", "tls", "to",
    "topic", "total_bytes", "trans_depth", "trans_id", "ts_delta", "ttl", "tunnel_client", "tunnel_parents",
    "tunnel_type", "udp_conns", "uid", "uids", "uniq_hosts", "unit", "unparsed_version", "up_since", "uri",
    "user", "user_agent", "username", "uses_aslr", "uses_code_integrity", "uses_dep", "uses_seh",
    "validation_code", "validation_status", "value", "version", "version.addl", "version.major", "version.minor",
    "version.minor2", "version.minor3", "warning", "width", "will_payload", "will_topic", "x_originating_ip",
    "xmt_time",
];

#[cfg(test)]
mod tests {
    use super::{FIELDS, Known, OTHERS, TABLE};

    #[test]
    fn every_name_is_there_once() {
        assert_eq!(TABLE.len(), FIELDS.len() + OTHERS.len());
        assert!(Known::find("id.orig_h").is_some_and(|known| known.field.is_some()));
        assert!(Known::find("uid").is_some_and(|known| known.field.is_none()));
        assert!(Known::find("no such name").is_none());
    }
}
