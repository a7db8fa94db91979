//! Makers of whom a few elements are known.
//!
//! Sources, where a table names none: the codecs of Logstash and Filebeat, made from captures of their users.

use super::table::{Row, elements};

elements! {
    /// Nokia 7750 and others (enterprise 637): large scale address translation.
    NOKIA
    91 "alu_inside_service_id" Unsigned Extra;
    92 "alu_outside_service_id" Unsigned Extra;
    93 "alu_nat_sub_string" Text Extra;
}

elements! {
    /// Huawei (enterprise 2011). Source: NetGauze.
    HUAWEI
    1 "ingress_gpon_gem_port_id" Unsigned Extra;
    2 "egress_gpon_gem_port_id" Unsigned Extra;
}

elements! {
    /// Juniper (enterprise 2636). Source: Junos, "Log Dictionary for Template Types".
    JUNIPER
    107 "subscriber_flow_id" Unsigned Extra;
    152 "http_user_agent" Text Extra;
    154 "http_request_content_length" Unsigned Extra;
    155 "http_status_code" Unsigned Extra;
    156 "http_language" Text Extra;
    157 "http_host" Text Domain;
    158 "http_location" Text Extra;
    159 "http_request_method" Text Extra;
    160 "http_referer" Text Extra;
    502 "gateway_ip" Ipv4 Extra;
    503 "dpi_engine_version" Text Extra;
}

elements! {
    /// VMware NSX and the distributed switch (enterprise 6876). Source: NetGauze, from the NSX guide.
    VMWARE
    880 "tenant_protocol" Unsigned Extra;
    881 "tenant_source_ip" Ipv4 Extra;
    882 "tenant_destination_ip" Ipv4 Extra;
    883 "tenant_source_ip" Ipv6 Extra;
    884 "tenant_destination_ip" Ipv6 Extra;
    886 "tenant_source_port" Unsigned Extra;
    887 "tenant_destination_port" Unsigned Extra;
    888 "egress_interface_attribute" Unsigned Extra;
    889 "vxlan_export_role" Unsigned Extra;
    890 "ingress_interface_attribute" Unsigned Extra;
    898 "virtual_observation_id" Text Extra;
    950 "firewall_rule_id" Unsigned Extra;
    951 "vm_uuid" Text Extra;
    952 "vnic_index" Unsigned Extra;
    953 "session_flags" Unsigned Extra;
    954 "session_direction" Unsigned Extra;
    955 "alg_control_flow_id" Unsigned Extra;
    956 "alg_type" Unsigned Extra;
    957 "alg_flow_type" Unsigned Extra;
    958 "average_latency_microseconds" Unsigned Extra;
    959 "retransmission_count" Unsigned Extra;
    960 "vif_uuid" Octets Extra;
    961 "vif_id" Text Extra;
}

elements! {
    /// Astaro, Sophos (enterprise 9789).
    ASTARO
    1 "afc_protocol" Unsigned Extra;
    2 "afc_protocol_name" Text ApplicationName;
    4 "afc_flow_direction" Unsigned Extra;
}

elements! {
    /// Barracuda CloudGen (enterprise 10704, and 12326 of phion before it). Source: Wireshark 4.0 as well.
    BARRACUDA
    1 "timestamp" Seconds Observed;
    2 "firewall_operation" Unsigned Extra;
    3 "firewall_traffic_type" Unsigned Extra;
    4 "firewall_rule" Text Extra;
    5 "service_name" Text Extra;
    6 "firewall_reason" Unsigned Extra;
    7 "firewall_reason_text" Text Extra;
    8 "bind_ip" Ipv4 Extra;
    9 "bind_port" Unsigned Extra;
    10 "connection_ip" Ipv4 Extra;
    11 "connection_port" Unsigned Extra;
    12 "audit_counter" Unsigned Ignored;
}

elements! {
    /// Procera, Sandvine (enterprise 15397).
    PROCERA
    1 "service" Text ApplicationName;
    2 "base_service" Text Extra;
    3 "incoming_octets" Unsigned Extra;
    4 "outgoing_octets" Unsigned Extra;
    5 "incoming_packets" Unsigned Extra;
    6 "outgoing_packets" Unsigned Extra;
    7 "incoming_shaping_latency" Unsigned Extra;
    8 "outgoing_shaping_latency" Unsigned Extra;
    9 "incoming_shaping_drops" Unsigned Extra;
    10 "outgoing_shaping_drops" Unsigned Extra;
    11 "internal_rtt" Signed Extra;
    12 "external_rtt" Signed Extra;
    15 "flow_behavior" Text Extra;
    16 "content_categories" Text Extra;
    17 "property" Text Extra;
    18 "server_hostname" Text Domain;
    19 "http_request_method" Text Extra;
    20 "http_user_agent" Text Extra;
    21 "http_content_type" Text Extra;
    22 "http_url" Text Extra;
    23 "http_referer" Text Extra;
    24 "http_status_code" Unsigned Extra;
    25 "http_file_length" Unsigned Extra;
    26 "http_location" Text Extra;
    27 "http_language" Text Extra;
    28 "subscriber_identifier" Text Extra;
    29 "mobile_msisdn_number" Unsigned Extra;
    30 "mobile_imsi_number" Unsigned Extra;
    31 "radio_access_technology" Text Extra;
    32 "device_id" Unsigned Extra;
    33 "sgsn" Text Extra;
    34 "rnc" Unsigned Extra;
    35 "access_point_name" Text Extra;
    36 "user_location_information" Text Extra;
    37 "ggsn" Text Extra;
    38 "qoe_incoming_internal" Float Extra;
    39 "qoe_incoming_external" Float Extra;
    40 "qoe_outgoing_internal" Float Extra;
    41 "qoe_outgoing_external" Float Extra;
    42 "local_ip" Ipv4 Extra;
    43 "local_ip" Ipv6 Extra;
    44 "remote_ip" Ipv4 Extra;
    45 "remote_ip" Ipv6 Extra;
    46 "http_message_version" Text Extra;
    47 "template_name" Text Ignored;
}

elements! {
    /// The Linux module ipt-netflow (enterprise 21373).
    IPT_NETFLOW
    4 "netfilter_mark" Unsigned Extra;
    6 "conntrack_id" Unsigned Extra;
}

elements! {
    /// Gigamon (enterprise 26866). Source: Wireshark 4.0, `packet-netflow.c`.
    GIGAMON
    1 "http_url" Text Extra;
    2 "http_status_code" Unsigned Extra;
    101 "ssl_certificate_issuer_common_name" Text Extra;
    102 "ssl_certificate_subject_common_name" Text Extra;
    103 "ssl_certificate_issuer" Text Extra;
    104 "ssl_certificate_subject" Text Extra;
    105 "ssl_certificate_valid_not_before" Text Extra;
    106 "ssl_certificate_valid_not_after" Text Extra;
    107 "ssl_certificate_serial_number" Octets Extra;
    108 "ssl_certificate_signature_algorithm" Octets Extra;
    109 "ssl_certificate_subject_pub_algorithm" Octets Extra;
    110 "ssl_certificate_subject_pub_key_size" Unsigned Extra;
    111 "ssl_certificate_subject_alt_name" Text Extra;
    112 "tls_server_name" Text Domain;
    113 "ssl_server_version" Unsigned Extra;
    114 "ssl_server_cipher" Unsigned Extra;
    115 "ssl_server_compression_method" Unsigned Extra;
    116 "ssl_server_session_id" Octets Extra;
    201 "dns_transaction_id" Unsigned Extra;
    202 "dns_op_code" Unsigned Extra;
    203 "dns_response_code" Unsigned Extra;
    204 "dns_query_name" Text Domain;
    205 "dns_response_name" Text Extra;
    206 "dns_response_ttl" Unsigned Extra;
    207 "dns_response_ipv4_address" Ipv4 Extra;
    208 "dns_response_ipv6_address" Ipv6 Extra;
    209 "dns_bits" Text Extra;
    210 "dns_qd_count" Unsigned Extra;
    211 "dns_an_count" Unsigned Extra;
    212 "dns_ns_count" Unsigned Extra;
    213 "dns_ar_count" Unsigned Extra;
    214 "dns_query_type" Unsigned Extra;
    215 "dns_query_class" Unsigned Extra;
    216 "dns_response_type" Unsigned Extra;
    217 "dns_response_class" Unsigned Extra;
    218 "dns_response_rd_length" Unsigned Extra;
    219 "dns_response_rdata" Text Extra;
    220 "dns_authority_name" Text Extra;
    221 "dns_authority_type" Unsigned Extra;
    222 "dns_authority_class" Unsigned Extra;
    223 "dns_authority_ttl" Unsigned Extra;
    224 "dns_authority_rd_length" Unsigned Extra;
    225 "dns_authority_rdata" Text Extra;
    226 "dns_additional_name" Text Extra;
    227 "dns_additional_type" Unsigned Extra;
    228 "dns_additional_class" Unsigned Extra;
    229 "dns_additional_ttl" Unsigned Extra;
    230 "dns_additional_rd_length" Unsigned Extra;
    231 "dns_additional_rdata" Text Extra;
}

elements! {
    /// Cisco SD-WAN, Viptela (enterprise 41916).
    VIPTELA
    4321 "vpn_id" Unsigned Extra;
}

elements! {
    /// pmacct (enterprise 43874). Source: its `nfacctd.h`.
    PMACCT
    1 "tag" Unsigned Extra;
    2 "tag2" Unsigned Extra;
    3 "label" Text Extra;
}

elements! {
    /// Numbers of NetFlow v9 alone: octets and packets of the other direction, where IPFIX has what a middlebox made of
    /// this one; App-ID and User-ID of Palo Alto. Sources: nProbe and PAN-OS manuals.
    NETFLOW_V9
    23 "out_bytes" Unsigned ReverseOctets;
    24 "out_packets" Unsigned ReversePackets;
    56701 "app_id" Text ApplicationName;
    56702 "user_name" Text Extra;
}
