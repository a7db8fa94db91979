//! Records beside the truth of generated traffic.

use std::collections::HashMap;

use serde_json::Value;

use crate::meter::number;
use crate::pcap::START;
use crate::traffic::Flow;

/// Protocol, originator with port, responder with port, VLAN; 0 for what a record has not.
type Key = (u64, String, u64, String, u64, u64);

fn key_of(record: &Value) -> Key {
    let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
    let port = |field: &str| record[field].as_u64().unwrap_or(0);
    (
        number(record, "proto_num"),
        text("src_ip"),
        port("src_port"),
        text("dst_ip"),
        port("dst_port"),
        port("vlan"),
    )
}

fn key(flow: &Flow) -> Key {
    let (src, dst) = (flow.src, flow.dst);
    let vlan = flow.tags.last().copied().unwrap_or(0);
    (
        flow.proto.into(),
        src.ip().to_string(),
        src.port().into(),
        dst.ip().to_string(),
        dst.port().into(),
        vlan.into(),
    )
}

/// Checks that every flow has one record with its packets and octets each way and its TCP flags, and that there is no
/// other record.
///
/// # Panics
/// Where that is not so.
pub fn assert_flows(flows: &[Flow], records: &[Value]) {
    let by_key = by_key(records);
    for flow in flows {
        let record = by_key.get(&key(flow)).unwrap_or_else(|| panic!("no record of {flow:?}"));
        let counts = |packets, bytes| (number(record, packets), number(record, bytes));
        assert_eq!(counts("packets_out", "bytes_out"), flow.forward, "forward of {flow:?}: {record}");
        assert_eq!(counts("packets_in", "bytes_in"), flow.reverse, "reverse of {flow:?}: {record}");
        if flow.proto == 6 {
            let flags = |field: &str| record[field].as_u64().unwrap_or(0);
            let expected = (flow.flags.0.into(), flow.flags.1.into());
            assert_eq!(
                (flags("tcp_flags_out"), flags("tcp_flags_in")),
                expected,
                "flags of {flow:?}: {record}"
            );
        }
    }
    assert_eq!(records.len(), flows.len(), "a flow was split or made up");
}

/// Checks that every record starts and ends with the first and last packet of its flow, to the millisecond.
///
/// # Panics
/// Where that is not so.
pub fn assert_times(flows: &[Flow], records: &[Value]) {
    let by_key = by_key(records);
    for flow in flows {
        let record = by_key[&key(flow)];
        let millis = |micros: u64| (START + micros) / 1_000;
        let times = (number(record, "ts_ms"), number(record, "end_ms"));
        assert_eq!(times, (millis(flow.seen.0), millis(flow.seen.1)), "times of {flow:?}: {record}");
    }
}

fn by_key(records: &[Value]) -> HashMap<Key, &Value> {
    records.iter().map(|record| (key_of(record), record)).collect()
}
