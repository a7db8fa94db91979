//! IPFIX: templates, fields of any length and of other makers, lists, withdrawals.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fuzz::exports;

fuzz_target!(|input: &[u8]| {
    exports::check(&[0, 10], input);
});
