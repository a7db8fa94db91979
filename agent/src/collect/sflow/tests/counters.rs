//! Counters of interfaces.

use super::super::{Agent, Interface, MAX_INTERFACES, Traffic};
use super::{NOW, UPTIME, count, datagram, numbered, read, read_by, structure, words};
use crate::collect::{Fault, Faults};

/// Counters of interface `index`; octets in are `octets`.
fn generic(index: u32, octets: u64) -> Vec<u8> {
    let [high, low] = [(octets >> 32) as u32, octets as u32];
    let ahead = words(&[index, 6, 2, 0x540b_e400, 1, 3]);
    let ingress = words(&[high, low, 10, 11, 12, 13, 14, 15]);
    let egress = words(&[0, 99, 20, 21, 22, 23, 24, 2]);
    structure(1, &[ahead, ingress, egress].concat())
}

fn sample(parts: &[Vec<u8>]) -> Vec<u8> {
    structure(2, &[words(&[1, 3, count(parts)]), parts.concat()].concat())
}

fn expanded(parts: &[Vec<u8>]) -> Vec<u8> {
    structure(4, &[words(&[1, 0, 3, count(parts)]), parts.concat()].concat())
}

#[test]
fn the_latest_counters_of_an_interface_are_kept() {
    let mut agent = Agent::new();
    let ethernet = structure(2, &[0; 52]);
    read_by(&mut agent, &datagram(&[sample(&[generic(3, 1)]), sample(&[generic(9, 1)])]));
    let octets = 0x1_0000_0005;
    let read = read_by(&mut agent, &numbered(8, UPTIME + 1, &[expanded(&[ethernet, generic(3, octets)])]));
    assert_eq!(
        (read.decoded.skipped, read.decoded.counter_samples(), read.faults),
        (1, 1, Faults::default())
    );
    let interfaces: Vec<_> = agent.interfaces().collect();
    assert_eq!(interfaces.iter().map(|interface| interface.index).collect::<Vec<_>>(), [3, 9]);
    let traffic = |octets, first| Traffic {
        octets: Some(octets),
        unicast: Some(first),
        multicast: Some(first + 1),
        broadcast: Some(first + 2),
        discards: Some(first + 3),
        errors: Some(first + 4),
    };
    assert_eq!(
        *interfaces[0],
        Interface {
            agent: Some([192, 0, 2, 1].into()),
            index: 3,
            at: NOW,
            uptime_millis: UPTIME + 1,
            kind: 6,
            speed: 10_000_000_000,
            duplex: 1,
            admin_up: true,
            oper_up: true,
            promiscuous: Some(false),
            unknown_protocols: Some(15),
            ingress: traffic(octets, 10),
            egress: traffic(99, 20),
        }
    );
}

#[test]
fn counters_that_are_not_kept_are_none() {
    let part = structure(1, &[words(&[3, 6, 0, 0, 0, 1]), vec![0xff; 64]].concat());
    let mut agent = Agent::new();
    assert_eq!(read_by(&mut agent, &datagram(&[sample(&[part])])).faults, Faults::default());
    let interface = *agent.interfaces().next().unwrap();
    assert_eq!((interface.ingress, interface.egress), (Traffic::default(), Traffic::default()));
    assert_eq!((interface.unknown_protocols, interface.promiscuous), (None, None));
    assert!(interface.admin_up && !interface.oper_up);
}

#[test]
fn counters_cut_off_anywhere_are_no_interface() {
    let body = generic(3, 1).split_off(8);
    for octets in 0..body.len() {
        let mut agent = Agent::new();
        let read = read_by(&mut agent, &datagram(&[sample(&[structure(1, &body[..octets])])]));
        assert_eq!((read.faults.of(Fault::BadRecord), read.faults.total()), (1, 1), "{octets}");
        assert_eq!(agent.interfaces().count(), 0);
    }
}

#[test]
fn a_sample_that_promises_more_parts_than_it_has_keeps_those() {
    let mut agent = Agent::new();
    let lying = structure(2, &[words(&[1, 3, u32::MAX]), generic(3, 1)].concat());
    let read = read_by(&mut agent, &datagram(&[lying, sample(&[generic(4, 1)])]));
    assert_eq!((read.faults.of(Fault::BadLength), read.faults.total()), (1, 1));
    assert_eq!(agent.interfaces().count(), 2);
}

#[test]
fn interfaces_beyond_the_limit_replace_those_silent_for_long() {
    let mut agent = Agent::new();
    let most = u32::try_from(MAX_INTERFACES).unwrap();
    for index in (1..=most).chain([1, most + 1]) {
        read_by(&mut agent, &datagram(&[sample(&[generic(index, 1)])]));
    }
    let known: Vec<_> = agent.interfaces().map(|interface| interface.index).collect();
    assert_eq!(known.len(), MAX_INTERFACES);
    assert!(known.contains(&1) && !known.contains(&2) && known.contains(&(most + 1)));
}

#[test]
fn counters_make_no_record() {
    let read = read(&datagram(&[sample(&[generic(3, 1)])]));
    assert_eq!((read.records.len(), read.decoded.records, read.decoded.sampling), (0, 0, None));
}
