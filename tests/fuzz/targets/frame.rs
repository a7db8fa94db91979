//! Frames of every link type, decoded and counted by the flow table.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::capture::file::FileClock;
use weir::capture::meter::Meter;
use weir::capture::{Frame, VlanTag};
use weir::table::Config;
use weir_flow::Timestamp;
use weir_fuzz::frames::{self, LOOK_INSIDE, STEP_MICROS};
use weir_fuzz::ledger::Ledger;

/// Where time begins: 2025-10-09.
const START: i64 = 1_760_000_000_000_000;

fuzz_target!(|input: &[u8]| {
    let (options, steps) = frames::read(input);
    let mut meter =
        Meter::new(Config { look_inside_tunnels: options & LOOK_INSIDE != 0, ..Config::default() });
    let (mut clock, mut ledger, mut now) = (FileClock::default(), Ledger::default(), START);
    for step in steps {
        now += i64::from(step.step) * STEP_MICROS;
        let timestamp = Timestamp::from_micros(now);
        let vlan = (step.vlan != 0).then(|| VlanTag { tci: step.vlan.into(), tpid: 0x8100 });
        let wire_len = u32::try_from(step.data.len()).expect("at most 255");
        let frame = Frame { timestamp, wire_len, data: step.data, vlan, outgoing: false };
        meter.frame(step.link, &frame, clock.at(timestamp), &mut ledger);
    }
    ledger.balance(meter);
});
