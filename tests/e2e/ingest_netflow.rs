//! Flows as exporters' tools write them in JSON: the names of every tool, one meaning.

use serde_json::{Value, json};
use weir_tests::corpora;
use weir_tests::ingest::{
    INGEST, Request, accepted, agent, assert_accepted, assert_refused, body, post, stored, wait_rows,
};
use weir_tests::meter::number;

const NETFLOW: &str = "/v1/ingest/netflow";
const BULK: &str = "/v1/ingest/bulk";

/// What every row about the one flow below says, whoever told of it.
const SAME: [&str; 12] = [
    "ts_ms",
    "end_ms",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "proto",
    "proto_num",
    "bytes_out",
    "bytes_in",
    "packets_out",
    "kind",
];

#[test]
fn a_record_with_timestamp_and_a_numeric_protocol_is_accepted_and_normalised() {
    let agent = agent("");
    let record = json!({
        "timestamp": 1_790_000_000, "src_ip": "10.0.0.100", "dst_ip": "8.8.8.8", "src_port": 54_321, "dst_port": 53,
        "protocol": 17, "bytes": 64, "packets": 1,
    });
    assert_accepted(&post(&agent, NETFLOW, &record), 1);
    wait_rows(&agent, 1);
    assert_accepted(&post(&agent, NETFLOW, &json!({"records": [record, record]})), 2);
    for row in stored(&agent, 3) {
        assert_eq!((&row["proto"], &row["proto_num"]), (&json!("udp"), &json!(17)), "{row}");
        assert_eq!(row["ts"], "2026-09-21T14:13:20.000Z", "{row}");
        assert_eq!(row["dst_geo"]["country"], "US", "{row}");
    }
}

#[test]
fn one_flow_in_the_names_of_every_tool_makes_equal_rows() {
    let agent = agent("");
    let told = json!([
        {"ts": 1_700_000_132_000_u64, "end_ms": 1_700_000_155_881_u64, "src_ip": "192.0.2.1", "src_port": 21, "dst_ip": "198.51.100.2",
            "dst_port": 40_284, "protocol": "tcp", "bytes": 5_598, "packets": 44},
        // nfdump -o json, 1.7.1
        {"type": "FLOW", "sampled": 0, "export_sysid": 1, "first": "2023-11-14T22:15:32.000", "last": "2023-11-14T22:15:55.881",
            "received": "2026-11-21T02:00:42.928", "in_packets": 44, "in_bytes": 5_598, "proto": 6, "tcp_flags": "...APRSF",
            "src_port": 21, "dst_port": 40_284, "src_tos": 0, "src4_addr": "192.0.2.1", "dst4_addr": "198.51.100.2",
            "ip4_router": "127.0.0.1", "label": "<none>"},
        // pmacct's print plugin, 1.7.7
        {"event_type": "purge", "peer_ip_src": "127.0.0.1", "iface_in": 0, "iface_out": 0, "ip_src": "192.0.2.1",
            "ip_dst": "198.51.100.2", "port_src": 21, "port_dst": 40_284, "tcp_flags": "31", "ip_proto": "tcp", "tos": 0,
            "timestamp_start": "2023-11-14T22:15:32.000000Z", "timestamp_end": "2023-11-14T22:15:55.881000Z", "packets": 44,
            "bytes": 5_598},
        // goflow2
        {"type": "NETFLOW_V9", "time_received_ns": 1_700_000_160_000_000_000_u64, "sequence_num": 1, "sampling_rate": 0,
            "sampler_address": "127.0.0.1", "time_flow_start_ns": 1_700_000_132_000_000_000_u64,
            "time_flow_end_ns": 1_700_000_155_881_000_000_u64, "bytes": 5_598, "packets": 44, "src_addr": "192.0.2.1",
            "dst_addr": "198.51.100.2", "etype": "IPv4", "proto": "TCP", "src_port": 21, "dst_port": 40_284},
        // ntopng and nProbe
        {"IPV4_SRC_ADDR": "192.0.2.1", "IPV4_DST_ADDR": "198.51.100.2", "L4_SRC_PORT": 21, "L4_DST_PORT": 40_284, "PROTOCOL": 6,
            "IN_BYTES": 5_598, "IN_PKTS": 44, "OUT_BYTES": 0, "OUT_PKTS": 0, "FLOW_START_MILLISECONDS": 1_700_000_132_000_u64,
            "FLOW_END_MILLISECONDS": 1_700_000_155_881_u64},
        // the names of the information elements (IPFIX)
        {"sourceIPv4Address": "192.0.2.1", "destinationIPv4Address": "198.51.100.2", "sourceTransportPort": 21,
            "destinationTransportPort": 40_284, "protocolIdentifier": 6, "octetDeltaCount": 5_598, "packetDeltaCount": 44,
            "flowStartMilliseconds": 1_700_000_132_000_u64, "flowEndMilliseconds": 1_700_000_155_881_u64},
        // Elastic Common Schema
        {"@timestamp": "2023-11-14T22:15:32.000Z", "event": {"start": "2023-11-14T22:15:32.000Z", "end": "2023-11-14T22:15:55.881Z"},
            "source": {"ip": "192.0.2.1", "port": 21, "bytes": 5_598, "packets": 44},
            "destination": {"ip": "198.51.100.2", "port": 40_284}, "network": {"transport": "tcp"}},
    ]);
    let count = told.as_array().expect("a list").len() as u64;
    assert_accepted(&post(&agent, NETFLOW, &told), count);
    let rows = stored(&agent, count);
    for (at, row) in rows.iter().enumerate() {
        for name in SAME {
            assert_eq!(row[name], rows[0][name], "{name} of {}\nmade {row}", told[at]);
        }
    }
    assert_eq!(
        (&rows[0]["ts_ms"], &rows[0]["end_ms"]),
        (&json!(1_700_000_132_000_u64), &json!(1_700_000_155_881_u64))
    );
    assert_eq!((number(&rows[0], "bytes_out"), number(&rows[0], "packets_out")), (5_598, 44));
}

/// The records in a file of nfdump (an array) or pmacct and goflow2 (lines).
fn read(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("readable");
    match serde_json::from_str(&text) {
        Ok(Value::Array(records)) => records,
        _ => text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect(),
    }
}

#[test]
fn real_output_of_nfdump_pmacct_and_goflow2_is_accepted_to_the_last_record() {
    let Some(folder) = corpora::folder("flowjson") else { return };
    let agent = agent("");
    let (mut rows, mut files) = (0, 0);
    let (mut octets, mut packets) = (0, 0);
    for tool in ["nfdump-1.7.1", "pmacct-1.7.7-print", "goflow2"] {
        for entry in std::fs::read_dir(folder.join(tool)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let records = read(&path);
            let answer = Request::post(INGEST, std::fs::read(&path).expect("readable")).send(&agent);
            assert!(answer.status == 200, "{}: {}", path.display(), answer.json());
            assert_accepted(&answer, records.len() as u64);
            rows += records.len() as u64;
            files += 1;
            let sum = |names: [&str; 3]| -> u64 {
                records
                    .iter()
                    .flat_map(|record| names.map(|name| record[name].as_u64().unwrap_or_default()))
                    .sum()
            };
            octets += sum(["bytes", "in_bytes", "out_bytes"]);
            packets += sum(["packets", "in_packets", "out_packets"]);
        }
    }
    assert!(files > 20 && rows > 1_000, "{files} files, {rows} records");
    let data_dir = agent.data_dir.clone();
    let mut agent = agent;
    agent.stop();
    let sums = weir_tests::ring::read(&data_dir, |_| ());
    assert_eq!((sums.rows, sums.octets, sums.packets), (rows, octets, packets));
}

#[test]
fn the_netflow_route_needs_a_time_and_both_addresses() {
    let agent = agent("");
    let whole = json!({"timestamp": 1_790_000_000, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2"});
    for (missing, named) in [("timestamp", "timestamp"), ("src_ip", "src_ip"), ("dst_ip", "dst_ip")] {
        let mut cut = whole.clone();
        cut.as_object_mut().expect("an object").remove(missing);
        let said = assert_refused(&post(&agent, NETFLOW, &json!([cut])), 400, "validation_failed");
        assert!(said.to_string().contains(named), "{said}");
    }
    assert_accepted(&post(&agent, NETFLOW, &whole), 1);
    wait_rows(&agent, 1);
}

#[test]
fn the_bulk_route_takes_both_types_and_refuses_others() {
    let agent = agent("");
    let flow = json!({"first_switched": 1_790_000_000, "ipv4_src_addr": "10.0.0.1", "ipv4_dst_addr": "10.0.0.2", "protocolIdentifier": 6});
    let conn = json!({"ts": 1_790_000_000, "id.orig_h": "10.0.0.3", "id.orig_p": 1, "id.resp_h": "10.0.0.4", "id.resp_p": 2, "proto": "tcp"});
    assert_accepted(&post(&agent, BULK, &json!({"type": "netflow", "records": [flow, flow]})), 2);
    wait_rows(&agent, 2);
    assert_accepted(&post(&agent, BULK, &json!({"records": [conn], "type": "zeek"})), 1);
    let rows = stored(&agent, 3);
    assert_eq!((&rows[0]["src_ip"], &rows[0]["proto"]), (&json!("10.0.0.1"), &json!("tcp")), "{}", rows[0]);
    assert_eq!((&rows[2]["src_ip"], &rows[2]["kind"]), (&json!("10.0.0.3"), &json!("flow")), "{}", rows[2]);
    for wrong in [
        json!({"type": "syslog", "records": [flow]}),
        json!({"records": [flow]}),
        json!({"type": 5, "records": [flow]}),
    ] {
        let answer = post(&agent, BULK, &wrong);
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.json());
        assert_eq!(answer.json()["detail"], "Type must be 'zeek' or 'netflow'", "{wrong}");
    }
    wait_rows(&agent, 3);
}

#[test]
fn a_flow_that_was_counted_in_both_directions_keeps_them_apart() {
    let agent = agent("");
    let both = json!([
        {"first": "2026-09-21T14:13:20.000", "last": "2026-09-21T14:13:21.000", "src4_addr": "10.0.0.1", "dst4_addr": "10.0.0.2", "proto": 6,
            "src_port": 1, "dst_port": 2, "in_bytes": 100, "in_packets": 2, "out_bytes": 900, "out_packets": 3},
        {"ts": 1_790_000_000, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "protocol": 6, "bytes_out": 100, "packets_out": 2,
            "bytes_in": 900, "packets_in": 3},
    ]);
    accepted(&agent, &both, 2);
    for row in stored(&agent, 2) {
        assert_eq!(
            (number(&row, "bytes_out"), number(&row, "bytes_in"), number(&row, "bytes")),
            (100, 900, 1_000),
            "{row}"
        );
        assert_eq!(
            (number(&row, "packets_out"), number(&row, "packets_in"), number(&row, "packets")),
            (2, 3, 5),
            "{row}"
        );
    }
}

#[test]
fn lines_from_an_exporter_may_be_compressed_and_posted_as_they_are() {
    let agent = agent("");
    let record = json!({"timestamp_start": "2026-09-21 14:13:20.000000", "ip_src": "10.0.0.1", "ip_dst": "10.0.0.2", "ip_proto": "udp",
        "port_src": 5, "port_dst": 53, "packets": 1, "bytes": 60, "peer_ip_src": "192.0.2.9"});
    let lines = body::gzip(&body::lines(&[record.clone(), record]));
    assert_accepted(&Request::post(NETFLOW, lines).with("Content-Encoding", "gzip").send(&agent), 2);
    for row in stored(&agent, 2) {
        assert_eq!(
            (&row["exporter"], &row["ts"]),
            (&json!("192.0.2.9"), &json!("2026-09-21T14:13:20.000Z")),
            "{row}"
        );
    }
}
