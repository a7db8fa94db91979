//! Costs at a million indicators: `cargo test --profile ci -p weir-ti --test measure -- --ignored --nocapture`.

use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use weir_flow::Field;
use weir_ti::{Config, Index, Indicators};

const ENTRIES: usize = 1_000_000;
const LOOKUPS: usize = 2_000_000;
const RUN: usize = 1_000;

/// Splitmix64: the same numbers in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn v4(random: &mut Random) -> Ipv4Addr {
    loop {
        let ip = Ipv4Addr::from(random.next() as u32);
        if (1..224).contains(&ip.octets()[0]) && ip.octets()[0] != 10 && !ip.is_private() {
            return ip;
        }
    }
}

fn v6(random: &mut Random) -> Ipv6Addr {
    Ipv6Addr::from((0x2a00_u128 | u128::from(random.next() & 0xf)) << 112 | u128::from(random.next()) << 48)
}

fn name(random: &mut Random) -> String {
    format!("{:x}.bad-{:04x}.com", random.next() >> 24, random.next() & 0xffff)
}

fn load(lines: &[String]) -> Indicators {
    let folder = tempfile::tempdir().expect("a folder for the list");
    let path = folder.path().join("list.txt");
    let text = lines.join("\n");
    fs::write(&path, text).expect("room for the list");
    let began = Instant::now();
    let (indicators, notices) = Indicators::load(&Config { lists: vec![path], ..Config::default() });
    let took = began.elapsed();
    let info = &indicators.info()[0];
    assert!(info.entries as usize > ENTRIES * 9 / 10, "{info:?} {notices:?}");
    let bytes = indicators.index().heap_bytes();
    println!(
        "  {} entries loaded in {took:.2?}, {:.1} B an entry",
        info.entries,
        bytes as f64 / info.entries as f64
    );
    indicators
}

/// Times runs of lookups; the best is what the machine can do, the median what it did beside other work.
fn time<T>(what: &str, keys: &[T], mut look: impl FnMut(&T) -> usize) {
    let mut hits = 0;
    let mut nanos: Vec<f64> = (0..LOOKUPS / RUN)
        .map(|run| {
            let began = Instant::now();
            for n in run * RUN..(run + 1) * RUN {
                hits += black_box(look(black_box(&keys[n % keys.len()])));
            }
            began.elapsed().as_nanos() as f64 / RUN as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    let median = nanos[nanos.len() / 2];
    println!("  {what}: {:.0} ns a lookup at best, {median:.0} ns in the median, {hits} matches", nanos[0]);
}

fn ips(index: &Index, what: &str, keys: &[IpAddr]) {
    let mut out = Vec::with_capacity(8);
    time(what, keys, |&ip| {
        out.clear();
        index.lookup_ip(ip, Field::DstIp, &mut out);
        out.len()
    });
}

#[test]
#[ignore = "measurement"]
fn a_million_indicators() {
    let mut random = Random(1);
    println!("IPv4, one in ten a /24:");
    let lines: Vec<String> = (0..ENTRIES)
        .map(|n| if n % 10 == 0 { format!("{}/24", v4(&mut random)) } else { v4(&mut random).to_string() })
        .collect();
    let index = load(&lines).index();
    let misses: Vec<IpAddr> = (0..LOOKUPS)
        .map(|_| v4(&mut random).into())
        .filter(|&ip| index.matches(Some(ip), None, None).matches.is_empty())
        .collect();
    ips(&index, "miss", &misses);
    let hits: Vec<IpAddr> = lines.iter().rev().filter_map(|line| line.parse().ok()).collect();
    ips(&index, "hit (with its text made)", &hits);

    println!("IPv6:");
    let lines: Vec<String> = (0..ENTRIES).map(|_| format!("{}/64", v6(&mut random))).collect();
    let index = load(&lines).index();
    ips(&index, "miss", &(0..LOOKUPS).map(|_| v6(&mut random).into()).collect::<Vec<_>>());

    println!("names:");
    let lines: Vec<String> = (0..ENTRIES).map(|_| name(&mut random)).collect();
    let index = load(&lines).index();
    let misses: Vec<String> = (0..ENTRIES).map(|_| name(&mut random)).collect();
    let mut out = Vec::with_capacity(8);
    let mut look = |name: &String| {
        out.clear();
        index.lookup_domain(name, &mut out);
        out.len()
    };
    time("miss", &misses, &mut look);
    time("hit (with its text made)", &lines, &mut look);
}
