//! What a collector kept for a restart, as a damaged disk gives it back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::collect::{Collector, Settings};

/// Exporters that are taken in.
const EXPORTERS: usize = 4;
/// Octets that one octet of it may become in memory.
const GROWTH: usize = 256;

fuzz_target!(|input: &[u8]| {
    let settings = Settings { max_exporters: EXPORTERS, ..Settings::default() };
    let mut collector = Collector::new(settings.clone());
    match collector.restore(input) {
        Err(reason) => {
            assert!(!reason.contains(char::is_control), "not one line of text: {reason:?}");
            assert_eq!(collector.report().template_bytes, 0, "a part of it was taken: {reason}");
        }
        Ok(()) => {
            let report = collector.report();
            assert!(report.template_bytes <= GROWTH * input.len(), "templates take too much: {report:?}");
            let mut again = Collector::new(settings);
            again.restore(&collector.keep()).unwrap_or_else(|e| panic!("kept and not read: {e}"));
            assert_eq!(again.report().template_bytes, report.template_bytes);
        }
    }
});
