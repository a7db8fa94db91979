//! The way of a packet allocates nothing once it has warmed up: not per packet, not per record.
#![expect(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use weir::batcher::{Batcher, Policy};
use weir::capture::Frame;
use weir::capture::meter::Meter;
use weir::clock::Clock;
use weir::collect::Faults;
use weir::collect::sflow::Agent;
use weir::link;
use weir::packet::LinkType;
use weir::pipeline::{Enricher, Knowledge, Networks, NetworksConfig, RiskConfig, Shared};
use weir::table::{At, Config};
use weir_flow::{FlowRecord, Timestamp};
use weir_geo::Geo;
use weir_ti::Indicators;

const SECOND: i64 = 1_000_000;

thread_local! {
    /// Of this thread alone: the test harness has others.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    ALLOCATIONS.with(|count| count.set(count.get() + 1));
}

// SAFETY: everything is handed to the system's allocator; counting allocates nothing, since the counter needs neither
// a lazy beginning nor an end.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: what holds for this call holds for the inner one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that `body` makes.
fn allocations(body: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    body();
    ALLOCATIONS.with(Cell::get) - before
}

fn config(max_flows: u64) -> Config {
    let text = format!("max_flows = {max_flows}\nlook_inside_tunnels = true");
    toml::from_str(&text).expect("a section [flow]")
}

fn v4(proto: u8, id: u16, flags: u16, host: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = host.to_be_bytes();
    let length = u16::try_from(20 + payload.len()).expect("a packet").to_be_bytes();
    let (id, flags) = (id.to_be_bytes(), flags.to_be_bytes());
    let mut ip = vec![0x45, 0, length[0], length[1], id[0], id[1], flags[0], flags[1], 64, proto, 0, 0];
    ip.extend([10, 0, high, low, 8, 8, 8, low % 20]);
    ip.extend(payload);
    ip
}

fn v6(next: u8, host: u16, payload: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x60, 0, 0, 0];
    ip.extend(u16::try_from(payload.len()).expect("a packet").to_be_bytes());
    ip.extend([next, 64]);
    ip.extend([&[0xfd; 14][..], &host.to_be_bytes()].concat());
    ip.extend([&[0x2a; 15][..], &[1]].concat());
    ip.extend(payload);
    ip
}

/// A frame of each kind that there is, of host number `host`.
fn kinds(host: u16) -> Vec<Vec<u8>> {
    let transport = [0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0];
    let echo = [8, 0, 0, 0, 0, 1, 0, 1];
    let inner = v4(6, 0, 0, host, &transport);
    let ipv4 = [
        v4(6, 0, 0, host, &transport),
        v4(17, 0, 0, host, &transport),
        v4(1, 0, 0, host, &echo),
        v4(132, 0, 0, host, &transport),
        v4(89, 0, 0, host, &transport),
        v4(17, host, 0x2000, host, &transport),
        v4(17, host, 3, host, &transport),
        v4(4, 0, 0, host, &inner),
        v4(47, 0, 0, host, &[&[0, 0, 8, 0][..], &inner].concat()),
    ];
    let options = [&[6, 0, 1, 4, 0, 0, 0, 0][..], &transport].concat();
    let fragment = [&[6, 0, 0, 1, 0, 0, 0, 9][..], &transport].concat();
    let ipv6 =
        [v6(17, host, &transport), v6(0, host, &options), v6(44, host, &fragment), v6(58, host, &echo)];
    let frame = |kind: [u8; 2], ip: &[u8]| [&[2; 12][..], &[0x81, 0, 0, 7], &kind, ip].concat();
    let mut frames: Vec<_> = ipv4.iter().map(|ip| frame([8, 0], ip)).collect();
    frames.extend(ipv6.iter().map(|ip| frame([0x86, 0xdd], ip)));
    frames.extend([frame([8, 6], &[0; 28]), frame([8, 0], &[0x45; 9]), frame([8, 0], &[0x40; 40])]);
    frames
}

/// Shows `frames` to `meter` one after the other, `gap` microseconds apart, from `time` on.
fn show(meter: &mut Meter, frames: &[Vec<u8>], time: &mut i64, gap: i64, sink: &mut impl FnMut(FlowRecord)) {
    for data in frames {
        *time += gap;
        let timestamp = Timestamp::from_micros(*time);
        let wire_len = u32::try_from(data.len()).expect("a frame");
        let frame = Frame { timestamp, wire_len, data, vlan: None, outgoing: false };
        meter.frame(LinkType::Ethernet, &frame, At { wall: timestamp, table: *time }, sink);
    }
}

#[test]
fn packets_of_flows_that_are_open_allocate_nothing() {
    let frames: Vec<_> = (0..300).flat_map(kinds).collect();
    let (mut meter, mut time, mut ended) = (Meter::new(config(16_384)), 0, 0_u64);
    let mut sink = |_| ended += 1;
    show(&mut meter, &frames, &mut time, 100, &mut sink);
    let open = meter.table().len();
    // Twenty minutes: the wheels turn, and active timeouts end every flow several times.
    let made = allocations(|| {
        for _ in 0..40 {
            show(&mut meter, &frames, &mut time, 30 * SECOND / 4_800, &mut sink);
        }
    });
    assert_eq!(made, 0, "for {} packets", meter.counts().packets);
    assert_eq!(meter.table().len(), open);
    assert!(open > 2_000 && ended >= 3 * open as u64, "{open} flows, {ended} records");
    assert!(meter.counts().reasons().count() >= 3, "frames of every kind");
}

/// Flows that begin and end, by their timeouts and for want of room.
#[test]
fn flows_that_come_and_go_allocate_nothing() {
    let frames: Vec<_> = (0..2_000).map(|host| kinds(host).swap_remove(1)).collect();
    let (mut meter, mut time, mut ended) = (Meter::new(config(1_024)), 0, 0_u64);
    let mut sink = |record: FlowRecord| ended += record.packets();
    for gap in [10, 300_000] {
        show(&mut meter, &frames, &mut time, gap, &mut sink);
    }
    let made = allocations(|| {
        for gap in [10, 300_000, 10, 100_000] {
            show(&mut meter, &frames, &mut time, gap, &mut sink);
        }
        while meter.expire(time + 3_600 * SECOND, 100, &mut sink) {}
    });
    assert_eq!(made, 0, "for {ended} packets of flows that ended");
    assert!(meter.table().evicted() > 2_000 && meter.table().is_empty());
    assert_eq!(ended, 12_000);
}

fn enricher() -> Enricher {
    let now = Timestamp::from_micros(0);
    Enricher::new(Arc::new(Shared::new(Knowledge {
        geo: Arc::new(Geo::open(&weir_geo::Config::default(), None, now).0),
        indicators: Arc::new(Indicators::load(&weir_ti::Config::default()).0),
        networks: Networks::new(NetworksConfig::default().local),
        risk: RiskConfig::default(),
    })))
}

#[test]
fn flows_to_addresses_seen_before_are_enriched_without_an_allocation() {
    let frames: Vec<_> = (0..20).flat_map(kinds).collect();
    let (mut meter, mut time, mut records) = (Meter::new(config(16_384)), 0, Vec::new());
    show(&mut meter, &frames, &mut time, 1, &mut |record| records.push(record));
    meter.drain(&mut |record| records.push(record));
    let mut enricher = enricher();
    records.iter_mut().for_each(|record| enricher.enrich(record));
    let made =
        allocations(|| (0..100).for_each(|_| records.iter_mut().for_each(|record| enricher.enrich(record))));
    assert_eq!(made, 0, "for {} records", 100 * records.len());
    assert!(records.len() > 100 && records.iter().any(|record| record.dst_place.is_some()));
}

/// A batch is one vector, and the name of its tenant.
#[test]
fn records_on_their_way_cost_two_allocations_a_batch() {
    const BATCH: u64 = 512;
    let frames: Vec<_> = (0..2_048).map(|host| kinds(host).swap_remove(1)).collect();
    let (sender, receiver) = link::channel("test", 100_000);
    let mut batcher = Batcher::new(sender, Policy::Offer, "eth0", Clock);
    let (mut meter, mut time) = (Meter::new(config(1_024)), 0);
    let mut made = 0;
    let mut records = 0;
    for _ in 0..4 {
        let before = receiver.stats().records_passed();
        made = allocations(|| {
            for data in &frames {
                time += SECOND / 100;
                let timestamp = Timestamp::from_micros(time);
                let frame = Frame { timestamp, wire_len: 100, data, vlan: None, outgoing: false };
                meter.frame(LinkType::Ethernet, &frame, At { wall: timestamp, table: time }, &mut batcher);
            }
        });
        records = receiver.stats().records_passed() - before;
        while receiver.stats().depth_records() > 0 {
            receiver.recv();
        }
    }
    assert!(records >= 2_000, "{records} records");
    assert!(made <= 2 * (records / BATCH + 1), "{made} allocations for {records} records");
}

/// An sFlow datagram with a sample of each of `frames`, as a switch makes it: VLANs, then the header.
fn sflow(sequence: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    let length = |octets: &[u8]| u32::try_from(octets.len()).expect("a datagram");
    let structure = |format: u32, body: &[u8]| [words(&[format, length(body)]), body.to_vec()].concat();
    let number = u32::try_from(frames.len()).expect("a datagram");
    let head = words(&[5, 1, 0xc000_0201, 0, sequence, 10 * sequence, number]);
    let samples = frames.iter().enumerate().flat_map(|(source, frame)| {
        let mut header = words(&[1, length(frame) + 4, 4, length(frame)]);
        header.extend(frame);
        header.resize(header.len().next_multiple_of(4), 0);
        let source = u32::try_from(source).expect("a datagram");
        let about = words(&[sequence, source, 100, 100 * sequence, 0, 3, 4, 2]);
        let switch = structure(1001, &words(&[7, 0, 7, 0]));
        structure(1, &[about, switch, structure(1, &header)].concat())
    });
    [head, samples.collect()].concat()
}

#[test]
fn packets_that_a_switch_sampled_allocate_nothing() {
    let datagrams: Vec<_> = (1..200).map(|number| sflow(number, &kinds(7))).collect();
    let (mut agent, mut faults, mut records) = (Agent::new(), Faults::default(), 0_u64);
    let exporter = [192, 0, 2, 1].into();
    let mut not_ip = 0;
    let mut decode = |datagram: &[u8]| {
        let mut sink = |record: FlowRecord| records += record.packets();
        not_ip += agent.datagram(datagram, exporter, None, &mut faults, &mut sink).not_ip;
    };
    decode(&datagrams[0]);
    let made = allocations(|| datagrams[1..].iter().for_each(|datagram| decode(datagram)));
    assert_eq!(made, 0, "for {records} records");
    let frames = kinds(7).len() as u64 * datagrams.len() as u64;
    assert_eq!(records + not_ip + faults.total(), frames, "{faults:?}");
    assert!(records > frames / 2);
}
