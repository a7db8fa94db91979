//! NetFlow v9: templates, options and data.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fuzz::exports;

fuzz_target!(|input: &[u8]| {
    exports::check(&[0, 9], input);
});
