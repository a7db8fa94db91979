//! Hostile exporters: memory stays where it is, and an exporter that behaves loses nothing beside them.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Instant;

use nix::sys::signal::Signal;
use weir_tests::collecting::{Collecting, LIMIT, assert_decoded, assert_in_sequence, counted, queue};
use weir_tests::exports::{Message, Template, VARIABLE, Version};
use weir_tests::flood::Flood;
use weir_tests::meter::number;
use weir_tests::player::{FLOWS, Player};
use weir_tests::random::Random;
use weir_tests::{clock, ring};

const MIB: u64 = 1 << 20;
/// What an exporter's templates (2) and its records on their way may add; without a limit they would add 300.
const TEMPLATES_ROOM: u64 = 16 * MIB;
/// What exporters and senders on probation with their waiting data (8) may add; without a limit they would add 1,000.
const EXPORTERS_ROOM: u64 = 24 * MIB;
/// What templates (16), waiting data (8), records on their way to the store with all that they carry (36), and in it (12)
/// may add, filled to their limits.
const NOISE_ROOM: u64 = 72 * MIB;
/// Exporters that are listed, at most.
const LISTED: usize = 4_096;
const MILLION: u32 = 1_000_000;
const GOOD: Ipv4Addr = Ipv4Addr::LOCALHOST;
const BAD: Ipv4Addr = Ipv4Addr::new(127, 66, 6, 6);

/// Floods an agent with `datagrams` datagrams made by `make`, from the address that comes with each; an exporter that
/// behaves sends its template once before, and data after every `pause`th of them.
fn withstand(datagrams: u32, pause: u32, room: u64, mut make: impl FnMut(u32) -> (Ipv4Addr, Vec<u8>)) {
    let mut collecting = Collecting::start("");
    let mut good = Player::new(Version::V9, GOOD.into(), collecting.port);
    good.templates();
    good.data(10);
    let _ = collecting.heard("127.0.0.1", good.datagrams);
    let before = collecting.agent.memory("RssAnon");
    let mut flood = Flood::new(collecting.port);
    let start = Instant::now();
    for number in 0..datagrams {
        let (from, datagram) = make(number);
        flood.send(from, &datagram);
        if number % pause == 0 {
            good.data(1);
        }
    }
    let rate = f64::from(datagrams) / start.elapsed().as_secs_f64();
    good.data(10);
    let source = collecting.heard("127.0.0.1", good.datagrams);
    let after = collecting.agent.memory("RssAnon");
    let mib = |octets: u64| octets as f64 / MIB as f64;
    println!("{datagrams} datagrams, {rate:.0} a second: {:.1}, {:.1} MiB", mib(before), mib(after));
    assert_eq!(queue(collecting.port).expect("it listens").dropped, 0, "the kernel had no room");
    assert!(after < before + room, "{before} octets became {after}");
    assert_eq!(number(&source, "records"), u64::from(good.flows), "{source:#}");
    assert_decoded(&source);
    assert_in_sequence(&source);
    assert!(source["sequence"]["restarts"] == 0, "{source:#}");
    let listed = collecting.report()["sources"].as_array().map_or(0, Vec::len);
    assert!(listed <= LISTED, "{listed} exporters are listed");
    collecting.agent.stop();
    let kept = ring::records(&collecting.agent.data_dir);
    let kept = kept.iter().filter(|record| record["exporter"] == "127.0.0.1").count();
    assert_eq!(kept as u64, u64::from(good.flows), "rows of the exporter that behaves");
}

/// Templates of one field, as many as a datagram has room for.
const TEMPLATES: u32 = 170;
/// Numbers that a template may have.
const NUMBERS: u32 = 65_536 - 256;

#[test]
fn a_million_templates_of_one_exporter_take_no_room_from_others() {
    withstand(MILLION / TEMPLATES, 20, TEMPLATES_ROOM, |datagram| {
        let first = datagram * TEMPLATES;
        let message = if datagram % 2 == 0 { Message::netflow9 } else { Message::ipfix };
        let template = |number| {
            let id = u16::try_from(256 + number % NUMBERS).expect("16 bits");
            Template::new(id, &[(1, 4 + u16::try_from(number % 4).expect("small"))])
        };
        let templates: Vec<_> = (first..first + TEMPLATES).map(template).collect();
        (BAD, message(first / NUMBERS, 0).at(clock::seconds()).templates(&templates).bytes())
    });
}

#[test]
fn a_million_exporters_do_not_displace_one_that_behaves() {
    let template = Template::new(300, &[(8, 4), (12, 4), (1, 4), (2, 4)]);
    withstand(MILLION, 2_500, EXPORTERS_ROOM, |number| {
        let [_, a, b, c] = (number + (1 << 20)).to_be_bytes();
        let from = Ipv4Addr::new(127, a, b, c);
        let message = if number % 2 == 0 {
            Message::netflow9(number, 0).templates([&template])
        } else {
            // Data that would wait for a template.
            Message::ipfix(number, 0).set(template.id, &[7; 32])
        };
        (from, message.bytes())
    });
}

#[test]
fn noise_and_giant_records_are_counted_and_forgotten() {
    const NOISE: u32 = 40_000;
    const LONGEST: u64 = 1_400;
    const GIANT: usize = 60_000;
    let mut random = Random::new(5);
    let versions = [[0, 5], [0, 7], [0, 9], [0, 10], [0, 0], [0, 240]];
    // A field that is longer than any datagram, and one that takes nearly a whole one; records of one octet, and of none.
    let [longest, giant] =
        [(400, 65_000), (401, VARIABLE)].map(|(id, length)| Template::new(id, &[(96, length)]));
    let [short, empty] = [Template::new(402, &[(4, 1)]), Template::new(403, &[(4, 0), (1, 0)])];
    let giant_record = giant.record(&[vec![b'a'; GIANT]]);
    let (netflow9, ipfix) = (Message::netflow9(1, 0).at(0), Message::ipfix(1, 0).at(0));
    withstand(NOISE, 100, NOISE_ROOM, |number| {
        let from = Ipv4Addr::new(127, 99, 0, u8::try_from(random.below(200)).expect("below 200"));
        let message = match number % 1_000 {
            0 => netflow9.clone().templates([&longest]),
            1 => ipfix.clone().templates([&giant]),
            2 => ipfix.clone().data(giant.id, [&giant_record]),
            3 => netflow9.clone().templates([&short]),
            4 => netflow9.clone().data(short.id, [&vec![6; 140]]),
            5 => netflow9.clone().templates([&empty]),
            6 => netflow9.clone().data(empty.id, [&vec![0; 1_400]]),
            _ => {
                let (version, length) = (random.pick(&versions), random.below(LONGEST));
                let noise = (0..length).map(|_| random.bits().to_be_bytes()[0]);
                return (from, version.into_iter().chain(noise).collect());
            }
        };
        (from, message.bytes())
    });
}

#[test]
fn an_exporter_that_is_not_allowed_gives_no_record_and_is_counted() {
    const DATAGRAMS: u32 = 5;
    let mut collecting = Collecting::start("allow = [\"127.0.0.2/32\"]\n");
    let mut allowed = Player::new(Version::V5, Ipv4Addr::new(127, 0, 0, 2).into(), collecting.port);
    let mut other = Player::new(Version::V5, IpAddr::V4(GOOD), collecting.port);
    other.data(DATAGRAMS);
    allowed.data(DATAGRAMS);
    let source = collecting.heard("127.0.0.2", DATAGRAMS.into());
    assert_eq!(number(&source, "records"), u64::from(DATAGRAMS * FLOWS));
    assert_decoded(&source);
    collecting.agent.wait_for("a count of what is not allowed", LIMIT, |_| {
        counted(&collecting.report(), "not_allowed") == u64::from(DATAGRAMS)
    });
    collecting.agent.stop();
    let records = ring::records(&collecting.agent.data_dir);
    assert_eq!(records.len() as u64, u64::from(DATAGRAMS * FLOWS));
    assert!(records.iter().all(|record| record["exporter"] == "127.0.0.2"));
}

#[test]
fn what_the_kernel_had_no_room_for_is_told() {
    // More than any buffer that a socket should have.
    const SENT: u32 = 100_000;
    let mut collecting = Collecting::start("");
    // While the agent is stopped nothing empties its socket.
    collecting.agent.signal(Signal::SIGSTOP);
    let socket = UdpSocket::bind((GOOD, 0)).expect("a free port");
    let datagram = Message::netflow9(0, 0).at(clock::seconds()).bytes();
    for _ in 0..SENT {
        socket.send_to(&datagram, collecting.port).expect("sent");
    }
    let dropped = queue(collecting.port).expect("it listens").dropped;
    assert!(dropped > 0, "its socket held {SENT} datagrams");
    collecting.agent.signal(Signal::SIGCONT);
    // The kernel tells of drops with the next datagram that it takes.
    let told = |agent: &weir_tests::agent::Agent| agent.metrics()["collect"]["datagrams"].as_u64() > Some(0);
    collecting.agent.wait_for("an empty queue", LIMIT, told);
    socket.send_to(&datagram, collecting.port).expect("sent");
    collecting.agent.wait_for("a loss of what was dropped", LIMIT, |agent| {
        let losses = agent.metrics()["losses"].as_array().expect("a list").clone();
        losses.iter().map(|loss| number(loss, "count")).sum::<u64>() == dropped
    });
    collecting.agent.stop();
}
