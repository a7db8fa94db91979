//! Records as JSON, in every dialect. The first octet of the input is how many seconds after 1970 it is now.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use weir_flow::{FlowRecord, Source, Timestamp, write_csv};
use weir_intake::{Dialect, Reader, Reason};

/// The last millisecond that RFC 3339 has a text for.
const LAST_MS: i64 = 253_402_300_799_999;

fuzz_target!(|input: &[u8]| {
    let Some((&now, json)) = input.split_first() else { return };
    let now = Timestamp::from_millis(i64::from(now) * 1_000);
    // serde_json is the judge of what is an object; texts that are none may hide in what it passes over.
    let is_object = serde_json::from_slice::<&RawValue>(json).is_ok_and(|raw| raw.get().starts_with('{'));
    let mut reader = Reader::new(Source::Api);
    for dialect in [Dialect::Any, Dialect::Flow, Dialect::Netflow, Dialect::Own, Dialect::Zeek(None)] {
        match reader.read(json, &dialect, now) {
            Ok(record) => {
                assert!(is_object, "not an object, and taken");
                check(&record, &dialect);
                let again = Reader::new(Source::Api).read(json, &dialect, now).map(|record| written(&record));
                assert_eq!(again, Ok(written(&record)), "read twice");
            }
            Err(rejected) => {
                let said = rejected.to_string();
                assert!(!said.contains(char::is_control), "not one line of text: {said:?}");
                let is_valid = serde_json::from_slice::<Value>(json).is_ok();
                assert!(
                    !is_valid || rejected.reason != Reason::InvalidJson,
                    "valid JSON, and refused as if it were not"
                );
            }
        }
    }
});

fn check(record: &FlowRecord, dialect: &Dialect) {
    let text = written(record);
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert!(value.is_object());
    write_csv(record, &mut std::io::sink()).expect("a record is a CSV line");
    if matches!(dialect, Dialect::Flow | Dialect::Netflow) {
        assert!((0..=LAST_MS).contains(&record.start.millis()) && record.end >= record.start, "{text}");
        assert!(record.vlan.is_none_or(|vlan| (1..4_095).contains(&vlan.inner)), "{text}");
        assert!(record.dscp.is_none_or(|dscp| dscp < 64), "{text}");
    }
    if *dialect == Dialect::Netflow {
        assert!(record.src_ip.is_some() && record.dst_ip.is_some(), "{text}");
    }
}

fn written(record: &FlowRecord) -> String {
    let mut out = Vec::new();
    record.write_json(&mut out).expect("a record is JSON");
    String::from_utf8(out).expect("JSON is UTF-8")
}
