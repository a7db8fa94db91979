//! Mixed traffic of which every flow is known: packets, octets, flags and times of each one are right.

use weir_tests::{meter, traffic, truth};

#[test]
fn every_flow_has_the_packets_and_octets_it_was_made_of() {
    let made = traffic::mixed(1, 50_000, 2_000, 100);
    let run = meter::meter_bytes(&[], "mixed.pcap", &made.capture.bytes());
    run.assert_orderly("mixed.pcap");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let records = run.records();
    truth::assert_flows(&made.flows, &records);
    truth::assert_times(&made.flows, &records);
    assert_eq!(made.packets() + made.not_ip, made.capture.len() as u64);
}

#[test]
fn other_seeds_give_exact_sums_too() {
    for seed in 2..6 {
        let made = traffic::mixed(seed, 5_000, 400, 900);
        let run = meter::meter_bytes(&[], "mixed.pcap", &made.capture.bytes());
        assert_eq!((run.sum("packets"), run.sum("bytes")), (made.packets(), made.octets()), "seed {seed}");
    }
}
