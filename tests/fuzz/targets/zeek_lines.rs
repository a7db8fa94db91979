//! Zeek's logs, line by line: TSV with any header, JSON, and a header that was kept.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_flow::Timestamp;
use weir_intake::zeek::{Join, Line, LogReader, log_name};

const NOW: Timestamp = Timestamp::from_micros(1_795_219_200_000_000);

/// Octets that a header may take when it is kept.
const MAX_KEPT: usize = 48 << 10;

fuzz_target!(|input: &[u8]| {
    let mut reader = LogReader::new(input.split(|&octet| octet == b'\n').next().and_then(named));
    let mut join = Join::new(2);
    for line in input.split(|&octet| octet == b'\n') {
        let kept = reader.header();
        assert!(kept.len() <= MAX_KEPT && kept.is_ascii(), "a header of {} octets", kept.len());
        let mut again = LogReader::new(None);
        again.restore(&kept);
        assert_eq!(again.header(), kept, "a header that is kept is the same when it is restored");
        if let Line::Record(mut record) = reader.line(line, NOW) {
            join.learn(&record);
            join.tell(&mut record);
            let mut json = Vec::new();
            record.write_json(&mut json).expect("a record can be written");
            assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok(), "a record is JSON");
        }
    }
    assert!(join.len() <= 2);
    // A header from a bookmark, which another program may have written.
    reader.restore(&String::from_utf8_lossy(input));
});

/// The name of a log, where the first line is that of a file.
fn named(line: &[u8]) -> Option<weir_flow::Text> {
    str::from_utf8(line).ok().and_then(log_name)
}
