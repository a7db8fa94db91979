use std::cell::Cell;
use std::net::IpAddr;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::capture::interface::LinkType;

/// What a program may ask the kernel about a frame.
#[derive(Clone, Copy)]
struct Packet<'a> {
    data: &'a [u8],
    packet_type: u32,
    network_at: usize,
}

const TCP: u8 = 6;
const UDP: u8 = 17;

fn load(packet: Packet<'_>, at: u32, size: usize) -> Option<u32> {
    let ether_type = || packet.network_at.checked_sub(2).and_then(|at| packet.data.get(at..at + 2));
    let bytes = match at {
        0xffff_f000 => return Some(ether_type()?.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))),
        0xffff_f004 => return Some(packet.packet_type),
        0xfff0_0000.. => packet.data.get(packet.network_at + (at - 0xfff0_0000) as usize..)?,
        _ => packet.data.get(at as usize..)?,
    };
    Some(bytes.get(..size)?.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
}

/// The machine of the paper, as net/core/filter.c runs it: a load past the end rejects the frame.
fn run(program: &Program, packet: Packet<'_>) -> u32 {
    let (mut a, mut x, mut memory, mut at) = (0_u32, 0_u32, [0_u32; 16], 0_usize);
    loop {
        let Instruction { code, jt, jf, k } = program.instructions()[at];
        at += 1;
        let operand = if code & 0x08 == 0 { k } else { x };
        let size = match code & 0x18 {
            0x00 => 4,
            0x08 => 2,
            _ => 1,
        };
        let mut branch = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            0x06 => return k,
            0x16 => return a,
            0x20 | 0x28 | 0x30 => match load(packet, k, size) {
                Some(value) => a = value,
                None => return 0,
            },
            0x40 | 0x48 | 0x50 => match load(packet, k.wrapping_add(x), size) {
                Some(value) => a = value,
                None => return 0,
            },
            0xb1 => match load(packet, k, 1) {
                Some(value) => x = 4 * (value & 0x0f),
                None => return 0,
            },
            0x80 => a = packet.data.len() as u32,
            0x81 => x = packet.data.len() as u32,
            0x00 => a = k,
            0x01 => x = k,
            0x60 => a = memory[k as usize],
            0x61 => x = memory[k as usize],
            0x02 => memory[k as usize] = a,
            0x03 => memory[k as usize] = x,
            0x07 => x = a,
            0x87 => a = x,
            0x05 => at += k as usize,
            0x15 | 0x1d => branch(a == operand),
            0x25 | 0x2d => branch(a > operand),
            0x35 | 0x3d => branch(a >= operand),
            0x45 | 0x4d => branch(a & operand != 0),
            0x04 | 0x0c => a = a.wrapping_add(operand),
            0x14 | 0x1c => a = a.wrapping_sub(operand),
            0x24 | 0x2c => a = a.wrapping_mul(operand),
            0x44 | 0x4c => a |= operand,
            0x54 | 0x5c => a &= operand,
            0x64 | 0x6c => a <<= operand,
            0x74 | 0x7c => a >>= operand,
            _ => panic!("operation {code:#x} is in no program of these tests"),
        }
    }
}

fn verdict(program: &Program, data: &[u8]) -> u32 {
    run(program, Packet { data, packet_type: 0, network_at: 14 })
}

fn ip(source: IpAddr, destination: IpAddr, proto: u8, ports: (u16, u16), fragment: u16) -> Vec<u8> {
    let mut out = Vec::new();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            out.extend([0x46, 0, 0, 32, 0, 1]);
            out.extend(fragment.to_be_bytes());
            out.extend([64, proto, 0, 0]);
            out.extend(source.octets());
            out.extend(destination.octets());
            out.extend([1, 1, 1, 1]);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            out.extend([0x60, 0, 0, 0, 0, 8, proto, 64]);
            out.extend(source.octets());
            out.extend(destination.octets());
        }
        _ => panic!("one family"),
    }
    out.extend(ports.0.to_be_bytes());
    out.extend(ports.1.to_be_bytes());
    out.extend([0; 4]);
    out
}

fn ethernet(ip: &[u8]) -> Vec<u8> {
    let mut out = vec![2; 12];
    out.extend(if ip[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] });
    out.extend(ip);
    out
}

fn compile(link: &str, expression: &str) -> Option<Program> {
    let Ok(output) = Command::new("tcpdump").args(["-y", link, "-s", "262144", "-ddd", expression]).output()
    else {
        assert!(std::env::var("CI").is_err(), "tcpdump is not installed");
        eprintln!("SKIPPED: tcpdump is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(Program::parse(std::str::from_utf8(&output.stdout).unwrap()).unwrap())
}

#[test]
fn reads_what_tcpdump_prints_and_gives_its_verdicts() {
    let [a, b]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
    let [c, d]: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
    let packets = [
        ethernet(&ip(a, b, TCP, (40_000, 443), 0)),
        ethernet(&ip(b, a, UDP, (53, 40_000), 0)),
        ethernet(&ip(c, d, TCP, (40_000, 22), 0)),
        ethernet(&ip(a, b, TCP, (443, 443), 0x2001)),
        vec![2; 14],
    ];
    for (expression, wanted) in [
        ("ip", [true, true, false, true, false]),
        ("ip6", [false, false, true, false, false]),
        ("tcp port 443", [true, false, false, false, false]),
        ("udp", [false, true, false, false, false]),
        ("host 10.0.0.2 and not port 53", [true, false, false, true, false]),
        ("dst net 2001:db8::/64 and portrange 20-30", [false, false, true, false, false]),
        ("ip[6:2] & 0x1fff != 0", [false, false, false, true, false]),
        ("len <= 14", [false, false, false, false, true]),
        ("ip[0] & 0xf > 5 and (ip[8] * 2 - 28 == 100)", [true, true, false, true, false]),
    ] {
        let Some(program) = compile("EN10MB", expression) else { return };
        let got = packets.each_ref().map(|packet| verdict(&program, packet) > 0);
        assert_eq!(got, wanted, "{expression}");
        let cut = program.with_snaplen(96);
        for packet in &packets {
            assert!([0, 96].contains(&verdict(&cut, packet)), "{expression}");
        }
    }
}

#[test]
fn takes_one_line_with_commas() {
    let lines = Program::parse("4\n40 0 0 12\n21 0 1 2048\n6 0 0 65535\n6 0 0 0\n").unwrap();
    assert_eq!(Program::parse("4,40 0 0 12,21 0 1 2048,6 0 0 65535,6 0 0 0,"), Ok(lines));
}

#[test]
fn says_what_is_wrong_and_in_which_line() {
    for (text, message) in [
        ("", "filter: no instructions: give the output of `tcpdump -ddd EXPRESSION`"),
        ("0", "filter: no instructions: give the output of `tcpdump -ddd EXPRESSION`"),
        (
            "tcp port 80",
            "filter: it begins with \"tcp port 80\", not with a count: give the output of `tcpdump -ddd EXPRESSION`",
        ),
        ("3\n6 0 0 1\n", "filter: says 3 instructions and has 1: give the whole output of `tcpdump -ddd`"),
        (
            "5000\n6 0 0 1",
            "filter: 5000 instructions, and the kernel takes 4096: choose a simpler expression",
        ),
        (
            "2\n\n21 0 256 1\n6 0 0 1",
            "filter, line 3: \"21 0 256 1\" is not `code jt jf k`, four numbers with jt and jf up to 255",
        ),
        ("2\n21 1 0 1\n6 0 0 1", "filter, line 2: a jump leaves the program"),
        ("2\n5 0 0 1\n6 0 0 1", "filter, line 2: a jump leaves the program"),
        ("2\n52 0 0 0\n6 0 0 1", "filter, line 2: operand 0 is out of range for the operation"),
        ("2\n96 0 0 16\n6 0 0 1", "filter, line 2: operand 16 is out of range for the operation"),
        ("1\n65535 0 0 0", "filter, line 2: operation 65535 does not exist in classic BPF"),
        ("1\n22 0 0 0", "filter, line 2: `ret a` is not supported: return a number"),
        ("1\n40 0 0 12", "filter, line 2: the last instruction does not return"),
        (
            "1\n6 0 0 \u{1b}[31m1",
            "filter, line 2: \"6 0 0 \\u{1b}[31m1\" is not `code jt jf k`, four numbers with jt and jf up to 255",
        ),
    ] {
        assert_eq!(Program::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn leaves_out_what_this_host_sends_only_on_request() {
    let all = Program::accept_all(64);
    let packet = |packet_type| Packet { data: &[0; 60], packet_type, network_at: 14 };
    assert_eq!(run(&all, packet(4)), 64);
    assert_eq!(run(&all.clone().without_outgoing().unwrap(), packet(4)), 0);
    assert_eq!(run(&all.without_outgoing().unwrap(), packet(0)), 64);
}

#[test]
fn refuses_more_connections_than_fit() {
    let own = OwnConnection { address: "10.0.0.1".parse().unwrap(), port: 1, proto: TCP, local: None };
    assert!(Program::accept_all(1).exclude(LinkType::Ethernet, &[own; 200]).is_ok());
    assert!(matches!(
        Program::accept_all(1).exclude(LinkType::Ethernet, &[own; 500]),
        Err(Error::TooLong(length)) if length > MAX_INSTRUCTIONS
    ));
}

#[test]
fn what_is_made_passes_the_checks_of_what_is_read() {
    let own = |address: &str| OwnConnection {
        address: address.parse().unwrap(),
        port: 8_883,
        proto: TCP,
        local: Some(address.parse().unwrap()),
    };
    let both = [own("192.0.2.1"), own("2001:db8::9")];
    for link in [LinkType::Ethernet, LinkType::RawIp] {
        let program = Program::accept_all(1).exclude(link, &both).unwrap().without_outgoing().unwrap();
        assert_eq!(check(program.instructions()), Ok(()));
    }
}

/// Few addresses and ports, so that packets often hit.
fn address(v6: bool) -> impl Strategy<Value = IpAddr> {
    (0_u8..4).prop_map(move |last| {
        if v6 {
            IpAddr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
        } else {
            IpAddr::from([10, 0, 0, last])
        }
    })
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    any::<bool>().prop_flat_map(|v6| {
        let parts = (address(v6), address(v6), prop_oneof![Just(TCP), Just(UDP)], (1_u16..4, 1_u16..4));
        (parts, prop_oneof![Just(0), Just(0x2000), Just(0x2001)], 0_usize..200).prop_map(
            |(parts, fragment, cut)| {
                let (source, destination, proto, ports) = parts;
                let mut packet = ip(source, destination, proto, ports, fragment);
                packet.truncate(packet.len().min(cut.max(1)));
                packet
            },
        )
    })
}

#[test]
fn leaves_out_exactly_the_own_connections() {
    let [remote4, remote6, local4]: [IpAddr; 3] =
        ["10.0.0.1", "2001:db8::1", "10.0.0.2"].map(|text| text.parse().unwrap());
    let own = [
        OwnConnection { address: remote4, port: 2, proto: TCP, local: Some(local4) },
        OwnConnection { address: remote4, port: 3, proto: UDP, local: None },
        OwnConnection { address: remote6, port: 2, proto: TCP, local: None },
    ];
    let either = |proto: &str, host: &str, port: u16, local: &str| {
        format!(
            "({proto} and ((src host {host} and src port {port}{}) or (dst host {host} and dst port {port}{})))",
            if local.is_empty() { String::new() } else { format!(" and dst host {local}") },
            if local.is_empty() { String::new() } else { format!(" and src host {local}") },
        )
    };
    let reference = format!(
        "{} or {} or {}",
        either("tcp", "10.0.0.1", 2, "10.0.0.2"),
        either("udp", "10.0.0.1", 3, ""),
        either("tcp", "2001:db8::1", 2, ""),
    );
    for (link, name) in [(LinkType::Ethernet, "EN10MB"), (LinkType::RawIp, "RAW")] {
        let Some(reference) = compile(name, &reference) else { return };
        let ours = Program::accept_all(77).exclude(link, &own).unwrap();
        let hits = Cell::new(0);
        proptest!(ProptestConfig::with_cases(4_000), |(packet in packet())| {
            let frame = if link == LinkType::Ethernet { ethernet(&packet) } else { packet.clone() };
            // tcpdump rejects what is cut short, and so do we only behind an option-bearing header.
            let whole = packet.len() >= if packet[0] >> 4 == 4 { 28 } else { 44 };
            if whole {
                let left_out = verdict(&reference, &frame) > 0;
                hits.set(hits.get() + u32::from(left_out));
                prop_assert_eq!(verdict(&ours, &frame), if left_out { 0 } else { 77 });
            } else if packet.len() < 24 {
                prop_assert_eq!(verdict(&ours, &frame), 77);
            }
        });
        assert!(hits.get() > 50, "{} packets were own: the test compares nothing", hits.get());
    }
}

/// As the kernel sees it: the outer tag taken out, the network header behind the Ethernet header.
fn spread(frame: &[u8]) -> u32 {
    run(&Program::by_address_pair(), Packet { data: frame, packet_type: 0, network_at: 14 })
}

#[test]
fn spreads_by_addresses_alike_in_both_directions_and_for_fragments() {
    for (a, b) in [("10.0.0.1", "10.9.0.77"), ("2001:db8::1", "2001:db8:5::abcd")] {
        let [a, b]: [IpAddr; 2] = [a.parse().unwrap(), b.parse().unwrap()];
        let plain = ip(a, b, UDP, (1, 2), 0);
        let wanted = spread(&ethernet(&plain));
        assert_ne!(wanted, 0);
        for other in [ip(b, a, UDP, (2, 1), 0), ip(a, b, UDP, (9, 9), 0x2001), ip(a, b, TCP, (5, 6), 0)] {
            assert_eq!(spread(&ethernet(&other)), wanted);
        }
        let v6 = a.is_ipv6();
        let ether_type: [u8; 2] = if v6 { [0x86, 0xdd] } else { [8, 0] };
        let inner_tag = [&[2; 12][..], &[0x81, 0, 0, 7], &ether_type, &plain].concat();
        assert_eq!(spread(&inner_tag), wanted);
        let ppp: [u8; 2] = if v6 { [0, 0x57] } else { [0, 0x21] };
        let pppoe = [&[2; 12][..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 40], &ppp, &plain].concat();
        assert_eq!(spread(&pppoe), wanted);
    }
    assert_eq!(spread(&[&[2; 12][..], &[8, 6], &[0; 28]].concat()), 0, "ARP");
}

#[test]
fn spreads_the_hosts_of_a_network_evenly() {
    let mut workers = [0_u32; 4];
    for host in 0..=255 {
        for server in 0..16 {
            let packet = ip([192, 168, 1, host].into(), [203, 0, 113, server].into(), TCP, (1, 2), 0);
            workers[(spread(&ethernet(&packet)) % 4) as usize] += 1;
        }
    }
    assert!(workers.iter().all(|&packets| (800..1_250).contains(&packets)), "{workers:?}");
}
