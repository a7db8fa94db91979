//! A block of the ring before compression, as a damaged disk or a stranger has it; what is read is stored again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_store::MaxRecordBytes;
use weir_store::block::{Encoder, Push, Records};

/// Octets before the columns that say how many rows there are.
const ROWS: usize = 2;

fuzz_target!(|input: &[u8]| {
    let Some((rows, columns)) = input.split_first_chunk::<ROWS>() else { return };
    let rows = u16::from_le_bytes(*rows).into();
    let Ok(mut records) = Records::new(columns, rows) else { return };
    let mut read = Vec::new();
    while let Some(Ok(record)) = records.next() {
        read.push((records.stored_at(), record));
    }
    let mut encoder = Encoder::new(MaxRecordBytes::default()).expect("zstd has memory");
    // Longer ones are what the encoder refuses; that is not what is looked at here.
    let kept = read.iter().take_while(|(stored_at, record)| {
        encoder.stored_at(*stored_at);
        encoder.push(record) == Push::Kept
    });
    let kept: Vec<_> = kept.collect();
    if kept.is_empty() {
        return;
    }
    let sealed = encoder.seal().expect("zstd has memory");
    let mut again = Records::new(sealed.raw, sealed.count).expect("what was just written can be read");
    for (stored_at, record) in kept {
        let read = again.next().expect("as many rows").expect("each row can be read");
        assert_eq!(json(&read), json(record));
        assert_eq!(again.stored_at(), *stored_at);
    }
});

fn json(record: &weir_flow::FlowRecord) -> Vec<u8> {
    let mut line = Vec::new();
    record.write_json(&mut line).expect("a record is JSON");
    line
}
