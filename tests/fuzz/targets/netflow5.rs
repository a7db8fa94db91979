//! NetFlow v5 and v7: a header, and records of one form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fuzz::exports;

fuzz_target!(|input: &[u8]| {
    for version in [[0, 5], [0, 7]] {
        exports::check(&version, input);
    }
});
