//! Words for the values that analysts read.
//!
//! Sources: the registries below "IPFIX Information Elements" at IANA, of which the element's description names its own;
//! "ASA NetFlow Implementer's Guide" for `fw_ext_event`; Wireshark 4.0 for Barracuda's.

use super::Element;

/// What a value of an element means, if it is one of those that are numbers for words: `denied` for 3 of
/// `firewall_event`. Any other value has none, and is best shown as the number that it is.
#[must_use]
pub fn label(element: &Element, value: u64) -> Option<&'static str> {
    let words: &[&'static str] = match element.name {
        "biflow_direction" => &["arbitrary", "initiator", "reverse_initiator", "perimeter"],
        "firewall_event" => &["ignored", "created", "deleted", "denied", "alert", "updated"],
        "firewall_operation" => &FIREWALL_OPERATION,
        "firewall_traffic_type" => &["forwarding", "local_in", "local_out", "loopback"],
        "flow_direction" => &["ingress", "egress"],
        "forwarding_status" => return forwarding_status(value),
        "fw_ext_event" => return fw_ext_event(value),
        "mpls_top_label_type" => &MPLS_LABEL_TYPE,
        "nat_event" => &NAT_EVENT,
        "nat_quota_exceeded_event" => &NAT_QUOTA_EVENT,
        "nat_threshold_event" => &NAT_THRESHOLD_EVENT,
        "nat_type" => &NAT_TYPE,
        "observation_point_type" => &["", "physical_port", "port_channel", "vlan"],
        _ => return None,
    };
    word(words, value)
}

/// A word by its place; an empty one keeps the place of a number that is reserved.
fn word(words: &[&'static str], value: u64) -> Option<&'static str> {
    let word = words.get(usize::try_from(value).ok()?)?;
    (!word.is_empty()).then_some(word)
}

const NAT_EVENT: [&str; 19] = [
    "",
    "translation_created",
    "translation_deleted",
    "addresses_exhausted",
    "nat44_session_created",
    "nat44_session_deleted",
    "nat64_session_created",
    "nat64_session_deleted",
    "nat44_bib_created",
    "nat44_bib_deleted",
    "nat64_bib_created",
    "nat64_bib_deleted",
    "ports_exhausted",
    "quota_exceeded",
    "address_binding_created",
    "address_binding_deleted",
    "port_block_allocated",
    "port_block_deallocated",
    "threshold_reached",
];

const NAT_QUOTA_EVENT: [&str; 6] = [
    "",
    "max_session_entries",
    "max_bib_entries",
    "max_entries_per_user",
    "max_active_hosts_or_subscribers",
    "max_fragments_pending_reassembly",
];

const NAT_THRESHOLD_EVENT: [&str; 6] = [
    "",
    "address_pool_high",
    "address_pool_low",
    "address_port_mapping_high",
    "address_port_mapping_per_user_high",
    "global_address_mapping_high",
];

const NAT_TYPE: [&str; 7] = ["unknown", "nat44", "nat64", "nat46", "ipv4_no_nat", "nat66", "ipv6_no_nat"];

const MPLS_LABEL_TYPE: [&str; 11] = [
    "unknown",
    "te_midpoint",
    "pseudowire",
    "vpn",
    "bgp",
    "ldp",
    "path_computation_element",
    "ospfv2_segment_routing",
    "ospfv3_segment_routing",
    "isis_segment_routing",
    "bgp_segment_routing_prefix_sid",
];

const FIREWALL_OPERATION: [&str; 29] = [
    "unknown",
    "allow",
    "local_allow",
    "block",
    "local_block",
    "remove",
    "local_remove",
    "drop",
    "terminate",
    "local_terminate",
    "change",
    "operation",
    "startup",
    "configuration",
    "rule",
    "state",
    "local_state",
    "process",
    "admin_action",
    "deny",
    "local_deny",
    "security_event",
    "sync",
    "fail",
    "local_fail",
    "arp",
    "detect",
    "local_detect",
    "intermediate_report",
];

/// Status in the two upper bits of the octet, its reason in the six below (RFC 7270 §4.12).
fn forwarding_status(value: u64) -> Option<&'static str> {
    const REASON_BITS: u32 = 6;
    let words: &[&'static str] = match value >> REASON_BITS {
        0 => &["unknown"],
        1 => &["forwarded", "forwarded_fragmented", "forwarded_not_fragmented"],
        2 => &DROPPED,
        3 => &["consumed", "consumed_punt_adjacency", "consumed_incomplete_adjacency", "consumed_for_us"],
        _ => return None,
    };
    word(words, value & ((1 << REASON_BITS) - 1))
}

const DROPPED: [&str; 16] = [
    "dropped",
    "dropped_acl_deny",
    "dropped_acl_drop",
    "dropped_unroutable",
    "dropped_adjacency",
    "dropped_fragmentation_and_df",
    "dropped_bad_header_checksum",
    "dropped_bad_total_length",
    "dropped_bad_header_length",
    "dropped_bad_ttl",
    "dropped_policer",
    "dropped_wred",
    "dropped_rpf",
    "dropped_for_us",
    "dropped_bad_output_interface",
    "dropped_hardware",
];

/// Why an ASA denied a flow; events that it did not deny are the flow's own `firewall_event`.
const fn fw_ext_event(value: u64) -> Option<&'static str> {
    match value {
        1001 => Some("denied_by_ingress_acl"),
        1002 => Some("denied_by_egress_acl"),
        1003 => Some("denied_by_appliance"),
        1004 => Some("denied_first_packet_not_syn"),
        _ => None,
    }
}
