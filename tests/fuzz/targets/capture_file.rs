//! Capture files, plain and compressed, read to their end or first fault and metered as `weir meter` does.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use weir::capture::file::{CaptureFile, FileClock};
use weir::capture::meter::Meter;
use weir::table::Config;
use weir_fuzz::ledger::Ledger;

/// A compressed input of a few octets may hold millions of frames; these are enough.
const MAX_FRAMES: usize = 4_096;
const MAX_OCTETS: u64 = 16 << 20;

fuzz_target!(|input: &[u8]| {
    let source = Box::new(Cursor::new(input.to_vec()));
    let mut file = match CaptureFile::from_reader(Path::new("input"), source) {
        Ok(file) => file,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut meter = Meter::new(Config { look_inside_tunnels: true, ..Config::default() });
    let (mut clock, mut ledger) = (FileClock::default(), Ledger::default());
    for _ in 0..MAX_FRAMES {
        match file.next() {
            Ok(Some((frame, link))) => meter.frame(link, &frame, clock.at(frame.timestamp), &mut ledger),
            Ok(None) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
        if file.offset() > MAX_OCTETS {
            break;
        }
    }
    ledger.balance(meter);
});
