//! sFlow v5: samples of packets and of counters, and the packets in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fuzz::exports;

fuzz_target!(|input: &[u8]| {
    exports::check(&[0, 0, 0, 5], input);
});
