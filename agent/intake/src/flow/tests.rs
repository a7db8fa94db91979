use serde_json::{Value, json};
use weir_flow::{Source, Timestamp};

use crate::{Dialect, Reader, Reason, Rejected};

fn read(record: &Value, dialect: &Dialect) -> Result<Value, Rejected> {
    let record =
        Reader::new(Source::Api).read(record.to_string().as_bytes(), dialect, Timestamp::default())?;
    Ok(serde_json::to_value(record).unwrap())
}

/// The record as JSON; `fields` of it have to be as they are here, and what is `null` here has to be absent.
#[track_caller]
fn reads(record: &Value, fields: Value) {
    let read = read(record, &Dialect::Flow).unwrap();
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    for (name, value) in fields {
        assert_eq!(read.get(&name).unwrap_or(&Value::Null), &value, "{name} of {read}");
    }
}

#[track_caller]
fn refused(record: &Value, rejected: Rejected) {
    assert_eq!(read(record, &Dialect::Flow).err(), Some(rejected), "{record}");
}

/// One flow, whichever tool's words it is in.
fn expected() -> Value {
    json!({
        "ts": "2026-11-21T01:08:27.150Z", "end_ms": 1_795_223_309_650_i64, "src_ip": "192.168.1.100", "src_port": 51_000,
        "dst_ip": "198.51.100.8", "dst_port": 443, "proto": "tcp", "proto_num": 6, "bytes_out": 2_717, "packets_out": 5,
        "source": "api", "kind": "flow",
    })
}

/// What an exporter says beyond it.
fn exported() -> Value {
    json!({"tcp_flags_out": 27, "dscp": 46, "exporter": "10.0.0.1", "ingress_if": 13, "egress_if": null, "next_hop": null})
}

#[test]
fn records_of_flows_v1_are_read_in_every_usual_form() {
    let flows = json!({
        "ts": 1_795_223_307.15, "end": 1_795_223_309.65, "src_ip": "192.168.1.100", "dst_ip": "198.51.100.8", "src_port": 51_000,
        "dst_port": 443, "protocol": "tcp", "bytes": 2_717, "packets": 5,
    });
    let load_script = json!({
        "time": 1_795_223_307_150_i64, "duration": 2.5, "src_ip": "192.168.1.100", "dst_ip": "198.51.100.8", "src_port": "51000",
        "dst_port": "443", "proto": 6, "bytes": "2717", "packets": "5",
    });
    for record in [flows, load_script] {
        reads(&record, expected());
    }
}

#[test]
fn records_of_collectors_give_the_same_fields() {
    let nfdump = json!({
        "type": "FLOW", "sampled": 0, "export_sysid": 1, "first": "2026-11-21T01:08:27.150", "last": "2026-11-21T01:08:29.650",
        "received": "2026-11-21T02:00:31.422", "in_packets": 5, "in_bytes": 2_717, "proto": 6, "tcp_flags": "...AP.SF",
        "src_port": 51_000, "dst_port": 443, "src_tos": 184, "src4_addr": "192.168.1.100", "dst4_addr": "198.51.100.8",
        "input_snmp": 13, "output_snmp": 0, "ip4_next_hop": "0.0.0.0", "src_vlan": 7, "ip4_router": "10.0.0.1", "label": "<none>",
    });
    let pmacct = json!({
        "event_type": "purge", "peer_ip_src": "10.0.0.1", "iface_in": 13, "iface_out": 0, "ip_src": "192.168.1.100",
        "ip_dst": "198.51.100.8", "port_src": 51_000, "port_dst": 443, "tcp_flags": "27", "ip_proto": "tcp", "tos": 184,
        "timestamp_start": "2026-11-21 01:08:27.150000", "timestamp_end": "2026-11-21T01:08:29.650000Z",
        "stamp_inserted": "2026-11-21 01:05:00", "packets": 5, "bytes": 2_717, "vlan": 7,
    });
    let goflow2 = json!({
        "type": "NETFLOW_V9", "time_received_ns": 1_795_223_400_000_000_000_i64, "sampling_rate": 0, "sampler_address": "10.0.0.1",
        "time_flow_start_ns": 1_795_223_307_150_000_000_i64, "time_flow_end_ns": 1_795_223_309_650_000_000_i64, "bytes": 2_717,
        "packets": 5, "src_addr": "192.168.1.100", "dst_addr": "198.51.100.8", "etype": "IPv4", "proto": "TCP", "src_port": 51_000,
        "dst_port": 443, "in_if": 13, "out_if": 0, "ip_tos": 184, "tcp_flags": 27, "icmp_type": 0, "icmp_code": 0, "next_hop": "",
    });
    let goflow1 = json!({
        "Type": "NETFLOW_V9", "TimeReceived": 1_795_223_400, "SamplerAddress": "10.0.0.1", "TimeFlowStartMs": 1_795_223_307_150_i64,
        "TimeFlowEndMs": 1_795_223_309_650_i64, "Bytes": 2_717, "Packets": 5, "SrcAddr": "192.168.1.100",
        "DstAddr": "198.51.100.8", "Etype": 2_048, "Proto": 6, "SrcPort": 51_000, "DstPort": 443, "InIf": 13, "OutIf": 0,
        "IPTos": 184, "TCPFlags": 27,
    });
    for record in [nfdump, pmacct, goflow2, goflow1] {
        reads(&record, expected());
        reads(&record, exported());
    }
    reads(&json!({"ts": 1, "proto": 17, "tcp_flags": 0}), json!({"tcp_flags_out": null, "extra": null}));
}

#[test]
fn records_in_the_words_of_netflow_and_ipfix_give_the_same_fields() {
    let ntopng = json!({
        "IPV4_SRC_ADDR": "192.168.1.100", "IPV4_DST_ADDR": "198.51.100.8", "L4_SRC_PORT": 51_000, "L4_DST_PORT": 443, "PROTOCOL": 6,
        "FIRST_SWITCHED": 1_795_223_307.15, "LAST_SWITCHED": 1_795_223_309.65, "IN_BYTES": 2_717, "IN_PKTS": 5, "TCP_FLAGS": 27,
        "SRC_TOS": 184, "INPUT_SNMP": 13, "EXPORTER_IPV4_ADDRESS": "10.0.0.1", "IPV6_SRC_ADDR": "::", "IPV6_DST_ADDR": "::",
        "NTOPNG_INSTANCE_NAME": "branch-7", "L7_PROTO": "91.126",
    });
    let numbers = json!({
        "8": "192.168.1.100", "12": "198.51.100.8", "7": 51_000, "11": 443, "4": 6, "22": 1_795_223_307.15, "21": 1_795_223_309.65,
        "1": 2_717, "2": 5, "6": 27, "5": 184, "10": 13, "130": "10.0.0.1", "57590": 91,
    });
    let ipfix = json!({
        "sourceIPv4Address": "192.168.1.100", "destinationIPv4Address": "198.51.100.8", "sourceTransportPort": 51_000,
        "destinationTransportPort": 443, "protocolIdentifier": 6, "octetDeltaCount": 2_717, "packetDeltaCount": 5,
        "flowStartMilliseconds": 1_795_223_307_150_i64, "flowEndMilliseconds": "2026-11-21T01:08:29.650Z", "tcpControlBits": "0x1b",
        "ipClassOfService": 184, "ingressInterface": 13, "exporter": "10.0.0.1",
    });
    for record in [ntopng, numbers, ipfix] {
        reads(&record, expected());
        reads(&record, exported());
    }
}

#[test]
fn records_with_objects_within_give_the_same_fields() {
    let logstash = json!({
        "@timestamp": "2026-11-21T01:10:00.000Z", "@version": "1", "host": "10.0.0.1",
        "netflow": {
            "version": 9, "flow_seq_num": 8, "ipv4_src_addr": "192.168.1.100", "l4_src_port": 51_000, "ipv4_dst_addr": "198.51.100.8",
            "l4_dst_port": 443, "protocol": 6, "in_bytes": 2_717, "in_pkts": 5, "first_switched": "2026-11-21T01:08:27.150Z",
            "last_switched": "2026-11-21T01:08:29.650Z", "tcp_flags": 27, "src_tos": 184, "input_snmp": 13, "output_snmp": 0,
            "ipv4_next_hop": "0.0.0.0", "src_as": 0, "dst_as": 0, "icmp_type": 0,
        },
    });
    let filebeat = json!({
        "@timestamp": "2026-11-21T01:10:00.000Z",
        "source": {"ip": "192.168.1.100", "port": 51_000, "bytes": 2_717, "packets": 5, "locality": "internal"},
        "destination": {"ip": "198.51.100.8", "port": 443, "locality": "external"},
        "network": {"transport": "tcp", "iana_number": "6", "bytes": 2_717, "packets": 5, "direction": "outbound"},
        "event": {"start": "2026-11-21T01:08:27.150Z", "end": "2026-11-21T01:08:29.650Z", "duration": 2_500_000_000_i64, "kind": "event"},
        "observer": {"ip": "10.0.0.1"},
        "netflow": {
            "type": "netflow_flow", "source_ipv4_address": "192.168.1.100", "octet_delta_count": 2_717, "packet_delta_count": 5,
            "tcp_control_bits": 27, "ip_class_of_service": 184, "ingress_interface": 13,
            "exporter": {"address": "10.0.0.1:2055", "source_id": 0, "version": 9, "timestamp": "2026-11-21T01:10:00.000Z"},
        },
    });
    for record in [logstash, filebeat] {
        reads(&record, expected());
        reads(&record, exported());
    }
}

#[test]
fn flows_both_ways_keep_their_directions() {
    let both = json!({"bytes_out": 100, "packets_out": 2, "bytes_in": 50, "packets_in": 1, "bytes": 150, "packets": 3, "extra": null});
    for record in [
        json!({"in_bytes": 100, "in_packets": 2, "out_bytes": 50, "out_packets": 1}),
        json!({"IN_BYTES": 100, "IN_PKTS": 2, "OUT_BYTES": 50, "OUT_PKTS": 1}),
        json!({"inOctets": 100, "inPackets": 2, "outOctets": 50, "outPackets": 1}),
        json!({"orig_bytes": 100, "orig_pkts": 2, "resp_bytes": 50, "resp_pkts": 1}),
        json!({"bytes_out": 100, "packets_out": 2, "bytes_in": 50, "packets_in": 1, "bytes": 150, "packets": 3}),
        json!({"bytes": 150, "packets": 3, "source": {"bytes": 100, "packets": 2}}),
        json!({"flow": {"bytes_toserver": 100, "pkts_toserver": 2, "bytes_toclient": 50, "pkts_toclient": 1}}),
    ] {
        let mut record = record;
        record["ts"] = json!(1_790_000_000);
        reads(&record, both.clone());
    }
    let only_out = json!({"ts": 1_790_000_000, "outOctets": 70, "outPackets": 3});
    reads(&only_out, json!({"bytes_out": 70, "bytes_in": 0, "packets_out": 3, "packets_in": 0}));
}

#[test]
fn counters_that_nobody_said_are_absent() {
    reads(&json!({"ts": 1}), json!({"bytes": null, "bytes_out": null, "packets": null, "packets_in": null}));
    reads(&json!({"ts": 1, "bytes": 5}), json!({"bytes": 5, "packets": null}));
    reads(&json!({"ts": 1, "packets": 0}), json!({"bytes": null, "packets": 0}));
}

#[test]
fn times_are_those_of_the_flow_before_those_of_the_record() {
    let second = 1_790_000_000_i64;
    let start =
        |record: Value, ts_ms: i64, end_ms: i64| reads(&record, json!({"ts_ms": ts_ms, "end_ms": end_ms}));
    start(json!({"@timestamp": second + 60, "first_switched": second}), second * 1_000, second * 1_000);
    start(
        json!({"timestamp": second, "first_switched": 123_456, "last_switched": 124_000}),
        second * 1_000,
        second * 1_000,
    );
    start(json!({"first_switched": 5, "last_switched": 9}), 5_000, 9_000);
    start(json!({"received": second, "timestamp": second - 5}), (second - 5) * 1_000, (second - 5) * 1_000);
    start(json!({"end": second, "duration": 2.5}), second * 1_000 - 2_500, second * 1_000);
    start(json!({"ts": second, "duration_ms": 1_500}), second * 1_000, second * 1_000 + 1_500);
    start(
        json!({"ts": second, "event": {"duration": 1_500_000_000}}),
        second * 1_000,
        second * 1_000 + 1_500,
    );
    start(json!({"time_flow_start_ns": 5_000_000}), 5, 5);
    start(
        json!({"ts": "2026-11-21T01:08:27Z", "time": "half past one"}),
        1_795_223_307_000,
        1_795_223_307_000,
    );
    start(
        json!({"first": "1970-01-01T00:00:00.000", "last": "1970-01-01T00:00:00.000", "received": second}),
        0,
        0,
    );
    let late = json!({"ts": second, "timestamp": second + 7, "time": "x"});
    reads(&late, json!({"extra": {"timestamp": second + 7, "time": "x"}}));
}

#[test]
fn an_end_before_the_start_is_the_start_and_kept() {
    let record = json!({"ts": 1_790_000_000, "end": 1_789_999_999});
    reads(
        &record,
        json!({"end_ms": 1_790_000_000_000_i64, "duration": 0.0, "extra": {"end": 1_789_999_999}}),
    );
}

#[test]
fn what_the_record_cannot_do_without_is_refused_by_name() {
    for (record, reason, field) in [
        (json!({}), Reason::MissingFields, "ts, time, @timestamp or timestamp"),
        (
            json!({"src_ip": "10.0.0.1", "ts": null, "time": ""}),
            Reason::MissingFields,
            "ts, time, @timestamp or timestamp",
        ),
        (json!({"ts": "soon"}), Reason::BadTime, "ts"),
        (json!({"ts": -1}), Reason::BadTime, "ts"),
        (json!({"timestamp": "soon"}), Reason::BadTime, "timestamp"),
        (json!({"ts": 1, "end": "later"}), Reason::BadTime, "end"),
        (json!({"ts": 1, "duration": -1}), Reason::BadTime, "duration"),
        (json!({"ts": 1, "src_ip": "999.1.1.1"}), Reason::BadAddress, "src_ip"),
        (json!({"ts": 1, "SRC-IP": 7}), Reason::BadAddress, "src_ip"),
        (json!({"ts": 1, "destination": {"ip": "x"}}), Reason::BadAddress, "destination.ip"),
        (json!({"ts": 1, "dst_port": 65_536}), Reason::BadPort, "dst_port"),
        (json!({"ts": 1, "src_port": "https"}), Reason::BadPort, "src_port"),
        (json!({"ts": 1, "protocol": "carrier pigeon"}), Reason::BadProtocol, "protocol"),
        (json!({"ts": 1, "proto": 256}), Reason::BadProtocol, "proto"),
        (json!({"ts": 1, "bytes": -5}), Reason::BadNumber, "bytes"),
        (json!({"ts": 1, "packets": 1.5}), Reason::BadNumber, "packets"),
        (json!({"ts": 1, "in_bytes": "many"}), Reason::BadNumber, "in_bytes"),
    ] {
        refused(&record, reason.of(field));
    }
}

#[test]
fn exports_need_both_addresses() {
    let missing = Err(Reason::MissingFields.of("src_ip and dst_ip"));
    let record = json!({"ts": 1, "src_ip": "10.0.0.1"});
    assert_eq!(read(&record, &Dialect::Netflow), missing);
    assert!(read(&record, &Dialect::Flow).is_ok());
    assert!(read(&json!({"ts": 1, "src_ip": "10.0.0.1", "dst_ip": "::1"}), &Dialect::Netflow).is_ok());
}

#[test]
fn what_is_odd_in_a_lesser_field_is_kept_and_fails_nothing() {
    let odd = json!({
        "vlan": 5_000, "tos": 300, "tcp_flags": "none", "exporter": "gw1", "in_if": "eth0", "src_as": "AS1", "end_reason": "tired",
        "next_hop": "x", "sampling_rate": "1:100", "icmp_type": "echo", "dscp": 64, "service": ["a"], "domain": "a b",
    });
    let mut record = odd.clone();
    record["ts"] = json!(1);
    record["proto"] = json!("tcp");
    let kept = read(&record, &Dialect::Flow).unwrap();
    assert_eq!(kept["extra"], odd);
    for name in odd.as_object().unwrap().keys() {
        assert_eq!(kept.get(name), None, "{name}");
    }
}

#[test]
fn unknown_members_are_kept_as_they_were_said_and_nothing_is_left_out() {
    let record = json!({
        "ts": 1, "app": "dns", "App": "DNS", "note": {"a": [1, 2.5, null]}, "big": 18_446_744_073_709_551_615_u64, "flag": false,
        "nothing": null, "empty": "", "label": "<none>", "é": "é\n", "source": "script", "kind": "alert", "observer": "me",
        "risk_score": 99, "tags": ["x"], "id": "7-7", "direction": 1,
    });
    reads(
        &record,
        json!({
            "source": "api", "kind": "flow", "observer": null, "service": null, "risk_score": null, "id": null,
            "extra": {
                "app": "dns", "App": "DNS", "note": {"a": [1, 2.5, null]}, "big": 18_446_744_073_709_551_615_u64, "flag": false,
                "é": "é\n", "source": "script", "kind": "alert", "observer": "me", "risk_score": 99, "tags": ["x"], "id": "7-7",
                "direction": 1,
            },
        }),
    );
    reads(&json!({"ts": 1, "extra": {"a": null, "b": ""}}), json!({"extra": {"a": null, "b": ""}}));
}

#[test]
fn the_first_word_for_a_field_stands_and_another_is_not_lost() {
    let record =
        br#"{"ts":1,"src_ip":"10.0.0.1","ipv4_src_addr":"10.0.0.2","source":{"ip":"10.0.0.1","mac":"x"}}"#;
    let record = Reader::new(Source::Api).read(record, &Dialect::Flow, Timestamp::default()).unwrap();
    assert_eq!(record.src_ip, Some([10, 0, 0, 1].into()));
    let extra = serde_json::to_value(&record).unwrap()["extra"].take();
    assert_eq!(extra, json!({"ipv4_src_addr": "10.0.0.2", "source.mac": "x"}));
}

#[test]
fn icmp_has_a_type_instead_of_ports() {
    let type_and_code = |record: Value, kind: Value, code: Value| {
        reads(
            &record,
            json!({"icmp_type": kind, "icmp_code": code, "src_port": null, "dst_port": null, "extra": null}),
        );
    };
    type_and_code(json!({"ts": 1, "proto": 1, "src_port": 0, "dst_port": 2048}), json!(8), json!(0));
    type_and_code(json!({"ts": 1, "proto": 1, "src_port": 0, "dst_port": 0}), Value::Null, Value::Null);
    type_and_code(
        json!({"ts": 1, "proto": "ipv6-icmp", "icmp_type": 143, "icmp_code": 0}),
        json!(143),
        json!(0),
    );
    type_and_code(
        json!({"ts": 1, "proto": 1, "netflow": {"icmp_type": 771, "l4_dst_port": 771}}),
        json!(3),
        json!(3),
    );
    type_and_code(json!({"ts": 1, "proto": 1, "icmpTypeCodeIPv4": 0, "dst_port": 2048}), json!(8), json!(0));
    reads(
        &json!({"ts": 1, "proto": 47, "src_port": 0, "dst_port": 0}),
        json!({"src_port": null, "dst_port": null}),
    );
    reads(&json!({"ts": 1, "proto": 6, "src_port": 0}), json!({"src_port": 0}));
}

#[test]
fn names_are_those_that_a_flow_is_about() {
    let domain =
        |record: Value, name: Value, kind: &str| reads(&record, json!({"domain": name, "kind": kind}));
    domain(json!({"ts": 1, "sni": "Example.COM."}), json!("example.com"), "flow");
    domain(json!({"ts": 1, "host": "example.com:8443"}), json!("example.com"), "flow");
    domain(json!({"ts": 1, "dns_query": "evil.example"}), json!("evil.example"), "dns");
    domain(json!({"ts": 1, "query": "SELECT * FROM t"}), Value::Null, "flow");
    reads(&json!({"ts": 1, "host": "gw1"}), json!({"domain": null, "extra": {"host": "gw1"}}));
    reads(&json!({"ts": 1, "host": "10.0.0.9"}), json!({"exporter": null, "extra": {"host": "10.0.0.9"}}));
    reads(&json!({"ts": 1, "L7_PROTO_NAME": "TLS.Google"}), json!({"service": "TLS.Google"}));
}

#[test]
fn a_community_id_is_kept_only_where_it_is_another() {
    let flow = json!({"ts": 1, "src_ip": "128.232.110.120", "dst_ip": "66.35.250.204", "src_port": 34_855, "dst_port": 80, "proto": 6});
    let with = |id: &str| {
        let mut flow = flow.clone();
        flow["network"] = json!({"community_id": id});
        flow
    };
    let ours = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
    reads(&with(ours), json!({"community_id": ours, "extra": null}));
    reads(&with("1:other"), json!({"community_id": ours, "extra": {"network.community_id": "1:other"}}));
}

#[test]
fn a_record_may_name_its_collector() {
    reads(&json!({"ts": 1, "collector_id": "branch-7"}), json!({"collector_id": "branch-7", "extra": null}));
}

#[test]
fn objects_within_are_bounded_too() {
    let many: serde_json::Map<_, _> = (0..200).map(|at| (at.to_string(), json!(at))).collect();
    let record = json!({"ts": 1, "source": many, "destination": many});
    refused(&record, Reason::TooLarge.of(""));
}
