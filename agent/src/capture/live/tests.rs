//! Against the real kernel: each test runs itself again in a network namespace of its own, with the veth pair
//! `wska` and `wskb`, and needs root.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Instant, SystemTime};

use pnet::datalink::{self, Channel, DataLinkSender};

use super::*;
use crate::capture::bpf::OwnConnection;
use crate::capture::frame::VlanTag;
use crate::capture::interface::{LinkType, may_capture};
use crate::capture::socket::FanoutBy;

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "WEIR_TEST_NAMESPACE";
const SHORT: Duration = Duration::from_millis(100);

/// Runs `body` in a fresh namespace: in the first process this starts the same test again inside of one.
fn in_namespace(test: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let name = format!("wsk-{}-{test}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output();
    if !made.as_ref().is_ok_and(|made| made.status.success()) {
        assert!(std::env::var("CI").is_err(), "no network namespace: {made:?}");
        eprintln!("SKIPPED {test}: needs root and `ip netns`");
        return;
    }
    let inside = |command: &[&str]| Command::new("ip").args(["netns", "exec", &name]).args(command).output();
    let pair = ["link", "add", "wska", "mtu", "1600", "type", "veth", "peer", "name", "wskb", "mtu", "1600"];
    let script = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";
    let mut steps = vec![inside(&["sh", "-c", script]), inside(&[&["ip"], &pair[..]].concat())];
    steps.extend(["lo", "wska", "wskb"].map(|link| inside(&["ip", "link", "set", link, "up"])));
    let executable = std::env::current_exe().unwrap();
    let path = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let ran = Command::new("ip")
        .args(["netns", "exec", &name])
        .arg(executable)
        .args(["--exact", &path, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    Command::new("ip").args(["netns", "del", &name]).output().unwrap();
    for step in steps {
        assert!(step.as_ref().is_ok_and(|step| step.status.success()), "{step:?}");
    }
    let ran = ran.unwrap();
    let [out, err] = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(ran.status.success() && out.contains("1 passed"), "{out}{err}");
}

fn ip(arguments: &str) {
    let ran = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(ran.status.success(), "ip {arguments}: {ran:?}");
}

/// Waits until the kernel carries frames between the two ends: it does so a moment after they are up.
fn wait_for_carrier() {
    let is_up = |end: &str| {
        let shown = Command::new("ip").args(["-o", "link", "show", end]).output().unwrap();
        String::from_utf8_lossy(&shown.stdout).contains("state UP")
    };
    for _ in 0..500 {
        if is_up("wska") && is_up("wskb") {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no carrier after five seconds");
}

#[expect(clippy::disallowed_methods, reason = "compared with the kernel's clock")]
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(since.as_micros() as i64)
}

fn start(interface: &str, settings: &Settings) -> Live {
    open(interface, settings, wall).unwrap()
}

fn sender(interface: &str) -> Box<dyn DataLinkSender> {
    let found = datalink::interfaces().into_iter().find(|one| one.name == interface).unwrap();
    let config = datalink::Config { promiscuous: false, ..datalink::Config::default() };
    match datalink::channel(&found, config).unwrap() {
        Channel::Ethernet(sender, _) => sender,
        _ => panic!("no sender"),
    }
}

fn send(sender: &mut Box<dyn DataLinkSender>, frame: &[u8]) {
    sender.send_to(frame, None).unwrap().unwrap();
}

/// Ethernet, `tags`, then UDP from 10.0.0.`host` port 7 to 10.0.1.1 `port` with `payload` octets.
fn udp(tags: &[[u8; 4]], host: u8, port: u16, payload: u8) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1];
    out.extend(tags.concat());
    out.extend([8, 0, 0x45, 0, 0, 28 + payload, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, host, 10, 0, 1, 1, 0, 7]);
    out.extend(port.to_be_bytes());
    out.extend([0, 8 + payload, 0, 0]);
    out.resize(out.len() + usize::from(payload), 0xaa);
    out
}

/// A frame that has outlived its block.
#[derive(Debug)]
struct Kept {
    timestamp: Timestamp,
    wire_len: u32,
    data: Vec<u8>,
    vlan: Option<VlanTag>,
    outgoing: bool,
}

/// All frames until `wanted` have come, or none has for a while.
fn collect(source: &mut Live, wanted: usize) -> Vec<Kept> {
    let mut kept = Vec::new();
    let mut quiet = 0;
    while kept.len() < wanted && quiet < 20 {
        let polled = source
            .poll(SHORT, &mut |frame: Frame<'_>| {
                let Frame { timestamp, wire_len, data, vlan, outgoing } = frame;
                kept.push(Kept { timestamp, wire_len, data: data.to_vec(), vlan, outgoing });
            })
            .unwrap();
        assert_eq!(polled.damaged, 0);
        quiet += u32::from(polled.frames == 0);
    }
    kept
}

/// What is still to come after `stop`.
fn drain(source: &mut Live) -> u64 {
    source.stop().unwrap();
    let mut frames = 0;
    loop {
        match source.poll(DRAIN, &mut |_| ()).unwrap().frames {
            0 => return frames,
            more => frames += u64::from(more),
        }
    }
}

#[test]
fn vlan_tags_are_kept() {
    in_namespace("vlan_tags_are_kept", || {
        let mut source = start("wskb", &Settings::default());
        assert_eq!((source.describe(), source.ring_bytes()), ("tpacket_v3", 16 << 20));
        let mut wska = sender("wska");
        let [single, service, customer, priority] =
            [[0x81, 0, 0xe0, 7], [0x88, 0xa8, 0, 100], [0x81, 0, 0, 200], [0x81, 0, 0x60, 0]];
        let sent: [&[[u8; 4]]; 4] = [&[], &[single], &[service, customer], &[priority]];
        for tags in sent {
            send(&mut wska, &udp(tags, 1, 5_000, 40));
        }
        let tag = |tpid, tci| Some(VlanTag { tci, tpid });
        let wanted = [
            (None, udp(&[], 1, 5_000, 40)),
            (tag(0x8100, 0xe007), udp(&[], 1, 5_000, 40)),
            (tag(0x88a8, 100), udp(&[customer], 1, 5_000, 40)),
            (tag(0x8100, 0x6000), udp(&[], 1, 5_000, 40)),
        ];
        let seen = collect(&mut source, 4);
        assert_eq!(seen.len(), 4);
        for (seen, (vlan, data)) in seen.iter().zip(wanted) {
            assert_eq!((seen.vlan, &seen.data), (vlan, &data));
            assert_eq!(seen.wire_len as usize, data.len());
            assert!(!seen.outgoing);
        }
    });
}

#[test]
fn a_frame_carries_its_time_and_length_when_it_is_cut() {
    in_namespace("a_frame_carries_its_time_and_length_when_it_is_cut", || {
        let mut source = start("wskb", &Settings { snaplen: 64, ..Settings::default() });
        let before = wall();
        send(&mut sender("wska"), &udp(&[], 1, 5_000, 200));
        let after = wall();
        let seen = collect(&mut source, 1);
        assert_eq!(seen[0].data, udp(&[], 1, 5_000, 200)[..64]);
        assert_eq!(seen[0].wire_len, 242);
        let slack = 1_000;
        assert!(seen[0].timestamp.micros_since(before) >= -slack, "{before} {:?}", seen[0].timestamp);
        assert!(after.micros_since(seen[0].timestamp) >= -slack, "{after} {:?}", seen[0].timestamp);
    });
}

#[test]
fn frames_sent_are_told_from_frames_received() {
    in_namespace("frames_sent_are_told_from_frames_received", || {
        let mut source = start("wska", &Settings::default());
        send(&mut sender("wska"), &udp(&[], 1, 5_000, 0));
        send(&mut sender("wskb"), &udp(&[], 1, 5_001, 0));
        let seen = collect(&mut source, 2);
        assert_eq!(seen.iter().map(|frame| frame.outgoing).collect::<Vec<_>>(), [true, false]);
    });
}

#[test]
fn loopback_frames_come_once() {
    in_namespace("loopback_frames_come_once", || {
        let mut source = start("lo", &Settings::default());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10 {
            socket.send_to(b"once", socket.local_addr().unwrap()).unwrap();
        }
        let seen = collect(&mut source, 11);
        assert_eq!(seen.len(), 10);
        assert!(seen.iter().all(|frame| frame.data.ends_with(b"once")));
    });
}

#[test]
fn nothing_passes_that_the_filter_does_not_want() {
    in_namespace("nothing_passes_that_the_filter_does_not_want", || {
        // UDP destination port 5,000 and nothing else, while both kinds flow from before the socket is opened.
        let text = "6\n40 0 0 12\n21 0 3 2048\n40 0 0 36\n21 0 1 5000\n6 0 0 262144\n6 0 0 0\n";
        let filter = Program::parse(text).unwrap();
        let own = OwnConnection { address: "10.0.0.2".parse().unwrap(), port: 7, proto: 17, local: None };
        let filter = filter.exclude(LinkType::Ethernet, &[own]).unwrap();
        let settings = Settings { filter, ring_bytes: 1 << 20, ..Settings::default() };
        std::thread::scope(|scope| {
            let (go, gone) = std::sync::mpsc::sync_channel::<()>(0);
            scope.spawn(move || {
                let mut wska = sender("wska");
                let frames = [(1, 5_000), (1, 5_001), (2, 5_000)].map(|(host, port)| udp(&[], host, port, 9));
                while gone.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    frames.iter().for_each(|frame| send(&mut wska, frame));
                }
            });
            for _ in 0..20 {
                let seen = collect(&mut start("wskb", &settings), 200);
                assert!(seen.len() >= 200);
                assert!(seen.iter().all(|frame| frame.data == udp(&[], 1, 5_000, 9)));
            }
            drop(go);
        });
    });
}

#[test]
fn promiscuous_mode_ends_with_the_source() {
    in_namespace("promiscuous_mode_ends_with_the_source", || {
        let is_promiscuous = || {
            let text = std::fs::read_to_string("/sys/class/net/wskb/flags").unwrap();
            u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).unwrap() & 0x100 != 0
        };
        let modest = start("wskb", &Settings { promiscuous: false, ..Settings::default() });
        assert!(!is_promiscuous());
        drop(modest);
        let mut source = start("wskb", &Settings::default());
        assert!(is_promiscuous());
        send(&mut sender("wska"), &udp(&[], 1, 5_000, 0));
        assert_eq!(collect(&mut source, 1)[0].data[..6], [2, 0, 0, 0, 0, 9], "for another host");
        drop(source);
        assert!(!is_promiscuous());
    });
}

#[test]
fn every_frame_is_handed_over_or_counted_as_dropped() {
    in_namespace("every_frame_is_handed_over_or_counted_as_dropped", || {
        let mut source =
            start("wskb", &Settings { ring_bytes: 64 << 10, snaplen: 256, ..Settings::default() });
        let mut wska = sender("wska");
        let frame = udp(&[], 1, 5_000, 100);
        for _ in 0..5_000 {
            send(&mut wska, &frame);
        }
        let middle = source.stats().unwrap();
        for _ in 0..5_000 {
            send(&mut wska, &frame);
        }
        let handed = drain(&mut source);
        let stats = source.stats().unwrap();
        assert!(middle.drops > 0 && middle.drops < stats.drops, "{middle:?} {stats:?}");
        assert_eq!(stats.packets, 10_000);
        assert_eq!(handed + stats.drops, 10_000);
        assert!(stats.freezes > 0);
        // With room again, frames flow again.
        let Live::Ring(ring) = &source else { panic!("no ring") };
        ring.socket().attach(&Program::accept_all(64)).unwrap();
        send(&mut wska, &frame);
        assert_eq!(collect(&mut source, 1).len(), 1);
    });
}

#[test]
fn an_interface_that_falls_is_reported_and_waited_for() {
    in_namespace("an_interface_that_falls_is_reported_and_waited_for", || {
        let mut source = start("wskb", &Settings::default());
        let poll = |source: &mut Live| source.poll(SHORT, &mut |_| ());
        assert_eq!(poll(&mut source).unwrap(), Polled::default());
        ip("link set wskb down");
        assert!(matches!(poll(&mut source), Err(Error::Down { interface }) if interface == "wskb"));
        assert_eq!(poll(&mut source).unwrap(), Polled::default(), "told once");
        let mut early = start("wskb", &Settings::default());
        assert!(matches!(poll(&mut early), Err(Error::Down { .. })));
        ip("link set wskb up");
        wait_for_carrier();
        send(&mut sender("wska"), &udp(&[], 1, 5_000, 0));
        assert_eq!(collect(&mut source, 1).len(), 1);
        assert_eq!(collect(&mut early, 1).len(), 1);
        ip("link del wskb");
        assert!(matches!(poll(&mut source), Err(Error::Gone { interface }) if interface == "wskb"));
        let error = open("wskb", &Settings::default(), wall).err().unwrap();
        assert!(error.is_transient(), "{error}");
        ip("link add wska type veth peer name wskb");
        ip("link set wska up");
        ip("link set wskb up");
        wait_for_carrier();
        assert!(matches!(poll(&mut early), Err(Error::Gone { .. })), "another interface of the same name");
        let mut source = start("wskb", &Settings::default());
        send(&mut sender("wska"), &udp(&[], 1, 5_000, 0));
        assert_eq!(collect(&mut source, 1).len(), 1);
        ip("link set wskb down");
        assert!(matches!(poll(&mut source), Err(Error::Down { .. })));
        ip("link del wskb");
        assert!(matches!(poll(&mut source), Err(Error::Gone { .. })), "removed while down");
    });
}

#[test]
fn workers_share_frames_without_repeating_or_parting_any() {
    in_namespace("workers_share_frames_without_repeating_or_parting_any", || {
        let fanout = Some(Fanout { group: 77, by: FanoutBy::AddressPair });
        let settings = Settings { fanout, ring_bytes: 1 << 20, ..Settings::default() };
        let mut workers = [start("wskb", &settings), start("wskb", &settings)];
        let [mut wska, mut wskb] = [sender("wska"), sender("wskb")];
        for host in 0..100 {
            let there = udp(&[], host, 5_000, 40);
            let mut fragment = there.clone();
            fragment[20..22].copy_from_slice(&[0x20, 1]);
            let tagged = udp(&[[0x81, 0, 0, 1], [0x81, 0, 0, 2]], host, 5_000, 40);
            for frame in [&there, &fragment, &tagged] {
                send(&mut wska, frame);
            }
            let mut back = there;
            let (ours, theirs) = back[26..34].split_at_mut(4);
            ours.swap_with_slice(theirs);
            send(&mut wskb, &back);
        }
        let seen = workers.each_mut().map(|worker| collect(worker, usize::MAX));
        assert_eq!(seen[0].len() + seen[1].len(), 400);
        for worker in &seen {
            assert!(worker.len() >= 80, "{} of 400 frames", worker.len());
            let mut of_host = [0; 256];
            for frame in worker {
                let ip = &frame.data[if frame.data[12] == 0x81 { 18 } else { 14 }..];
                let host = if ip[14] == 0 { ip[15] } else { ip[19] };
                of_host[usize::from(host)] += 1;
            }
            assert!(of_host.iter().all(|&frames| frames == 0 || frames == 4), "{of_host:?}");
        }
    });
}

#[test]
fn the_fallback_reads_the_same_frames_and_counts_losses() {
    in_namespace("the_fallback_reads_the_same_frames_and_counts_losses", || {
        let text = "4\n40 0 0 36\n21 0 1 5000\n6 0 0 262144\n6 0 0 0\n";
        let settings = Settings {
            filter: Program::parse(text).unwrap().with_snaplen(64),
            snaplen: 64,
            ring_bytes: 256 << 10,
            ..Settings::default()
        };
        let source = PnetSource::open("wskb", &settings, &settings.filter, wall).unwrap();
        let mut source = Live::Pnet(source);
        assert!(source.fallback_reason().is_some());
        let mut wska = sender("wska");
        send(&mut wska, &udp(&[], 1, 5_001, 100));
        send(&mut wska, &udp(&[], 1, 5_000, 100));
        let seen = collect(&mut source, 2);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].data, udp(&[], 1, 5_000, 100)[..64]);
        for _ in 0..5_000 {
            send(&mut wska, &udp(&[], 1, 5_000, 100));
        }
        let handed = drain(&mut source);
        let stats = source.stats().unwrap();
        assert!(stats.drops > 0);
        assert_eq!((stats.packets, handed + stats.drops), (5_001, 5_000));
        ip("link set wskb down");
        assert!(matches!(source.poll(SHORT, &mut |_| ()), Err(Error::Down { .. })));
        ip("link del wskb");
        assert!(matches!(source.poll(SHORT, &mut |_| ()), Err(Error::Gone { .. })));
    });
}

#[test]
fn without_the_right_it_says_how_to_get_it() {
    in_namespace("without_the_right_it_says_how_to_get_it", || {
        if std::env::var_os("WEIR_TEST_WITHOUT_RIGHT").is_none() {
            assert!(may_capture("wskb").is_ok());
            let again = Command::new("setpriv")
                .args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"])
                .arg(std::env::current_exe().unwrap())
                .args(std::env::args().skip(1))
                .env("WEIR_TEST_WITHOUT_RIGHT", "1")
                .output()
                .unwrap();
            let out = String::from_utf8_lossy(&again.stdout);
            assert!(again.status.success() && out.contains("1 passed"), "{again:?}");
            return;
        }
        let error = may_capture("wskb").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no right to capture on wskb: run as root or give CAP_NET_RAW: `setcap cap_net_raw+ep weir`"
        );
        assert!(matches!(open("wskb", &Settings::default(), wall), Err(Error::NoRight { .. })));
    });
}

#[test]
fn a_poll_waits_no_longer_than_asked() {
    in_namespace("a_poll_waits_no_longer_than_asked", || {
        let mut source = start("wskb", &Settings::default());
        let before = Instant::now();
        assert_eq!(source.poll(SHORT, &mut |_| ()).unwrap(), Polled::default());
        let waited = before.elapsed();
        assert!(waited >= SHORT && waited < 10 * SHORT, "{waited:?}");
    });
}
