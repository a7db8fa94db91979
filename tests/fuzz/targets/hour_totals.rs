//! Totals of an hour, as a damaged disk or a stranger has them; what is read is written again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_store::hour_totals;

/// Keys that are written whatever they have.
const LISTED: usize = 256;

fuzz_target!(|input: &[u8]| {
    let Some([read, again]) = hour_totals(input) else { return };
    assert!(again.iter().all(|entry| read.binary_search(entry).is_ok()), "a key that was not there");
    assert!(again.len() >= read.len().min(LISTED), "a key is missing");
});
