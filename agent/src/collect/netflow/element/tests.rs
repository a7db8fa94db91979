use std::collections::{BTreeMap, BTreeSet};

use super::table::Row;
use super::{
    CERT, CISCO, Element, Form, IANA, NETFLOW_V9, NTOP, REVERSE, Role, cert, cesnet, cisco, element, flowmon,
    iana_1, iana_150, iana_300, ixia, label, netscaler, ntop_1, ntop_300, refine, vendor,
};

fn tables() -> Vec<&'static [Row]> {
    vec![
        iana_1::FORWARD,
        iana_1::REVERSE,
        iana_150::FORWARD,
        iana_150::REVERSE,
        iana_300::FORWARD,
        iana_300::REVERSE,
        cert::FORWARD,
        cert::REVERSE,
        cert::ONE_WAY,
        cesnet::ROWS,
        cisco::ROWS,
        flowmon::ROWS,
        ixia::ROWS,
        netscaler::ROWS,
        ntop_1::ROWS,
        ntop_300::ROWS,
        vendor::ASTARO,
        vendor::BARRACUDA,
        vendor::GIGAMON,
        vendor::HUAWEI,
        vendor::IPT_NETFLOW,
        vendor::JUNIPER,
        vendor::NETFLOW_V9,
        vendor::NOKIA,
        vendor::PMACCT,
        vendor::PROCERA,
        vendor::VIPTELA,
        vendor::VMWARE,
    ]
}

fn all() -> impl Iterator<Item = &'static Element> {
    tables().into_iter().flatten().map(|(_, element)| element)
}

fn known(enterprise: u32, id: u16) -> &'static Element {
    element(enterprise, id).unwrap_or_else(|| panic!("{enterprise}/{id} is not known"))
}

#[test]
fn every_table_is_in_the_order_of_its_numbers_and_has_each_once() {
    for table in tables() {
        for pair in table.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{pair:?}");
        }
    }
}

#[test]
fn every_part_of_the_registry_holds_the_numbers_that_are_looked_for_there() {
    let enterprises: [(u32, &[&'static [Row]]); 3] = [
        (IANA, &[iana_1::FORWARD, iana_150::FORWARD, iana_300::FORWARD]),
        (REVERSE, &[iana_1::REVERSE, iana_150::REVERSE, iana_300::REVERSE]),
        (NTOP, &[ntop_1::ROWS, ntop_300::ROWS]),
    ];
    for (enterprise, parts) in enterprises {
        let listed: BTreeMap<u16, Element> = parts.iter().copied().flatten().copied().collect();
        for id in 0..=u16::MAX {
            assert_eq!(element(enterprise, id), listed.get(&id), "{enterprise}/{id}");
        }
    }
}

#[test]
fn the_registry_is_whole_but_for_numbers_that_it_keeps_free() {
    let free: BTreeSet<u16> = (65..=69).chain(97..=97).chain(105..=127).chain([416, 419]).collect();
    for id in 1..=533 {
        assert_eq!(element(IANA, id).is_none(), free.contains(&id), "{id}");
    }
    assert_eq!(element(IANA, 0), None);
    assert_eq!(element(IANA, 534), None);
}

#[test]
fn names_are_snake_case() {
    for element in all() {
        let name = element.name;
        assert!(name.starts_with(|first: char| first.is_ascii_lowercase()), "{name}");
        assert!(!name.ends_with('_') && !name.contains("__"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
    }
}

#[test]
fn one_name_is_one_meaning() {
    // What is read alike: addresses of both families, numbers and the text of numbers.
    let kind = |form| match form {
        Form::Ipv6 => Form::Ipv4,
        Form::Unsigned | Form::Signed => Form::Text,
        form => form,
    };
    let mut seen: BTreeMap<&str, Form> = BTreeMap::new();
    for element in all().filter(|element| element.role != Role::Ignored) {
        let first = *seen.entry(element.name).or_insert_with(|| kind(element.form));
        assert_eq!(first, kind(element.form), "{}", element.name);
    }
}

#[test]
fn every_role_has_a_form_that_it_can_be_read_from() {
    use Form::{Float, Ipv4, Ipv6, List, Micros, Millis, Nanos, Octets, Seconds, Text, Unsigned};
    for element in all() {
        let fits = match element.role {
            Role::Ignored => true,
            Role::Extra => !matches!(element.form, List | Seconds | Millis | Micros | Nanos),
            Role::SrcIp | Role::DstIp | Role::NextHop => matches!(element.form, Ipv4 | Ipv6),
            Role::Start | Role::End | Role::SysInit | Role::Observed => {
                matches!(element.form, Seconds | Millis | Micros | Nanos)
            }
            Role::ApplicationId => element.form == Octets,
            Role::ApplicationName | Role::ApplicationDescription | Role::Domain | Role::InterfaceName => {
                element.form == Text
            }
            Role::SamplingProbability => element.form == Float,
            _ => element.form == Unsigned,
        };
        assert!(fits, "{element:?}");
    }
}

#[test]
fn numbers_of_rfc_3954_have_the_meaning_that_it_gives_them() {
    let fields = [
        (1, Role::Octets),
        (2, Role::Packets),
        (4, Role::Proto),
        (5, Role::Tos),
        (6, Role::TcpFlags),
        (7, Role::SrcPort),
        (8, Role::SrcIp),
        (10, Role::IngressIf),
        (11, Role::DstPort),
        (12, Role::DstIp),
        (14, Role::EgressIf),
        (15, Role::NextHop),
        (16, Role::SrcAs),
        (17, Role::DstAs),
        (21, Role::EndUptime),
        (22, Role::StartUptime),
        (23, Role::ReverseOctets),
        (24, Role::ReversePackets),
        (27, Role::SrcIp),
        (28, Role::DstIp),
        (32, Role::IcmpTypeCode),
        (34, Role::SamplingInterval),
        (48, Role::SamplerId),
        (50, Role::SamplingInterval),
        (58, Role::Vlan),
        (60, Role::Ignored),
        (61, Role::Extra),
        (62, Role::NextHop),
    ];
    for (id, role) in fields {
        assert_eq!(known(NETFLOW_V9, id).role, role, "{id}");
    }
}

#[test]
fn octets_after_a_middlebox_are_not_those_of_the_other_direction() {
    assert_eq!((known(IANA, 23).name, known(IANA, 23).role), ("post_octet_delta_count", Role::Extra));
    assert_eq!((known(IANA, 24).name, known(IANA, 24).role), ("post_packet_delta_count", Role::Extra));
    assert_eq!(known(NETFLOW_V9, 22), known(IANA, 22));
}

#[test]
fn elements_of_the_registry_have_its_names_and_types() {
    let registered = [
        (31, "flow_label_ipv6", Form::Unsigned),
        (56, "src_mac", Form::Mac),
        (70, "mpls_top_label_stack_section", Form::Octets),
        (95, "application_id", Form::Octets),
        (147, "wlan_ssid", Form::Text),
        (156, "flow_start_nanoseconds", Form::Nanos),
        (225, "nat_src_ip", Form::Ipv4),
        (228, "nat_dst_port", Form::Unsigned),
        (234, "ingress_vrf_id", Form::Unsigned),
        (236, "vrf_name", Form::Text),
        (276, "data_records_reliability", Form::Boolean),
        (282, "nat_dst_ip", Form::Ipv6),
        (295, "ipsec_spi", Form::Unsigned),
        (311, "sampling_probability", Form::Float),
        (323, "observation_time_milliseconds", Form::Millis),
        (371, "user_name", Form::Text),
        (434, "mib_object_value_integer", Form::Signed),
        (460, "http_request_host", Form::Text),
        (513, "ipv6_extension_header_type", Form::Unsigned),
        (533, "path_delay_sum_delta_microseconds", Form::Unsigned),
    ];
    for (id, name, form) in registered {
        assert_eq!((known(IANA, id).name, known(IANA, id).form), (name, form), "{id}");
    }
}

#[test]
fn the_other_direction_has_its_own_counters_and_flags_and_no_second_addresses() {
    let turned = [
        (1, "reverse_octet_delta_count", Role::ReverseOctets),
        (86, "reverse_packet_total_count", Role::ReversePackets),
        (6, "reverse_tcp_control_bits", Role::ReverseTcpFlags),
        (5, "reverse_ip_class_of_service", Role::Extra),
        (184, "reverse_tcp_sequence_number", Role::Extra),
        (8, "reverse_source_ipv4_address", Role::Ignored),
        (152, "reverse_flow_start_milliseconds", Role::Ignored),
        (34, "reverse_sampling_interval", Role::Ignored),
    ];
    for (id, name, role) in turned {
        let element = known(REVERSE, id);
        assert_eq!((element.name, element.role), (name, role), "{id}");
        assert_eq!(element.form, known(IANA, id).form, "{id}");
    }
}

#[test]
fn yaf_has_the_other_direction_at_numbers_of_its_own() {
    assert_eq!(known(CERT, 14).role, Role::TcpFlags);
    assert_eq!(known(CERT, 14 + 16_384).role, Role::ReverseTcpFlags);
    assert_eq!(known(CERT, 500 + 16_384).name, "reverse_small_packet_count");
    assert_eq!(known(CERT, 294).role, Role::Domain);
    assert_eq!(element(CERT, 294 + 16_384), None, "a server's name has no direction");
}

#[test]
fn makers_own_numbers_of_v9_are_those_of_their_enterprise() {
    assert_eq!(known(NETFLOW_V9, 33_002).name, "fw_ext_event");
    assert_eq!(known(NETFLOW_V9, 40_000), known(CISCO, 7232));
    assert_eq!(known(NETFLOW_V9, 40_005).name, "firewall_event");
    assert_eq!(known(NETFLOW_V9, 45_003), known(CISCO, 12_235));
    assert_eq!(known(NETFLOW_V9, 57_590), known(NTOP, 118));
    assert_eq!(known(NETFLOW_V9, 57_591).role, Role::ApplicationName);
    assert_eq!(known(NETFLOW_V9, 56_701).role, Role::ApplicationName);
    assert_eq!(known(NETFLOW_V9, 56_702).name, "user_name");
    assert_eq!(element(IANA, 40_000), None);
}

#[test]
fn makers_that_are_not_known_have_no_elements() {
    for id in 0..=u16::MAX {
        assert_eq!(element(4_711, id), None);
    }
}

#[test]
fn fields_that_a_cisco_router_extracts_are_told_apart_by_their_first_octets() {
    let field = known(CISCO, 12_235);
    let host = [&[3, 0, 0, 80, 0x34, 2], b"example.org".as_slice()].concat();
    let (element, value) = refine(field, &host);
    assert_eq!((element.name, element.role, value), ("http_host", Role::Domain, b"example.org".as_slice()));
    let common_name = [&[13, 0, 1, 0xc5, 0x34, 1], b"example.net".as_slice()].concat();
    assert_eq!(refine(field, &common_name).0.role, Role::Domain);
    let (element, value) = refine(field, &host[..6]);
    assert_eq!((element.name, value.len()), ("http_host", 0), "the router did not see the field");
    for odd in [&host[..5], &[], &[9; 20]] {
        assert_eq!(refine(field, odd), (field, odd));
    }
    let other = known(IANA, 95);
    assert_eq!(refine(other, &host), (other, host.as_slice()));
}

#[test]
fn values_have_the_words_of_their_registries() {
    let words = [
        (233, 3, Some("denied")),
        (233, 5, Some("updated")),
        (233, 6, None),
        (230, 4, Some("nat44_session_created")),
        (230, 18, Some("threshold_reached")),
        (230, 0, None),
        (61, 0, Some("ingress")),
        (61, 1, Some("egress")),
        (89, 0x40, Some("forwarded")),
        (89, 0x89, Some("dropped_bad_ttl")),
        (89, 0xc3, Some("consumed_for_us")),
        (89, 0xff, None),
        (89, 0x1_0040, None),
        (239, 2, Some("reverse_initiator")),
        (277, 3, Some("vlan")),
        (297, u64::MAX, None),
        (1, 1, None),
    ];
    for (id, value, word) in words {
        assert_eq!(label(known(IANA, id), value), word, "{id}: {value}");
    }
    assert_eq!(label(known(NETFLOW_V9, 33_002), 1001), Some("denied_by_ingress_acl"));
    assert_eq!(label(known(10_704, 2), 19), Some("deny"));
}

#[test]
fn words_belong_to_elements_that_exist_and_are_kept() {
    let mut names = BTreeSet::new();
    for element in all() {
        if (0..=2000).any(|value| label(element, value).is_some()) {
            assert_eq!((element.form, element.role), (Form::Unsigned, Role::Extra), "{}", element.name);
            names.insert(element.name);
        }
    }
    assert_eq!(names.len(), 13, "{names:?}");
}

#[test]
fn payload_and_credentials_are_not_kept() {
    let secret = |name: &str| {
        let parts = ["cookie", "password", "authorization", "ftp_pass", "payload", "pop3_text"];
        let counted = ["length", "type", "hash", "entropy", "size", "deviation"];
        parts.iter().any(|part| name.contains(part)) && !counted.iter().any(|part| name.contains(part))
    };
    let mut found = 0;
    for element in all().filter(|element| secret(element.name)) {
        assert_eq!(element.role, Role::Ignored, "{}", element.name);
        found += 1;
    }
    assert!(found >= 10, "{found}");
}

/// What occurs in the templates of captured exporters: Cisco, Juniper, Nokia, Palo Alto, MikroTik, Ubiquiti, H3C, VMware,
/// NetScaler, Barracuda, Viptela, nProbe, softflowd, pmacct, YAF. First and last of each run of numbers.
const CAPTURED: [(u32, &str); 10] = [
    (
        IANA,
        "1-18 21-22 25-32 34-44 48-50 53-62 64 70-72 80-86 89 92-96 130-131 135-136 138-139 143-144 147-155 160-161 164 \
         167 176-179 181-182 184 195-196 201 210 214-215 223 225-228 231-236 243 256 281-282 293 304-306 322-323 346 351 \
         365 367 371",
    ),
    (REVERSE, "1-2 5-6 32 58 85-86 139 184 223"),
    (637, "91-93"),
    (5951, "128-133 140-147 151 153 156-162 169-171 182-183 185-190 192-193 205 267-269"),
    (
        CERT,
        "14-15 18 21 33 38-40 100-105 289-293 500-508 510 550-551 553-554 16398-16399 16402 16422 16424 16884-16890 16892 \
         16894",
    ),
    (6876, "880-884 886-890"),
    (10_704, "1-12"),
    (NTOP, "109-110 118 123-125 127-128 180-182 184 187-188 205-209 352 360-361 398 460-461 489-490 493-495"),
    (41_916, "4321"),
    (NETFLOW_V9, "33000-33002 40000 56701-56702 57590-57591"),
];

#[test]
fn what_captured_exporters_send_is_known() {
    for (enterprise, runs) in CAPTURED {
        for run in runs.split_whitespace() {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            for id in first.parse().unwrap()..=last.parse().unwrap() {
                known(enterprise, id);
            }
        }
    }
}
