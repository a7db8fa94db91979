//! What reading Zeek's `conn.log` costs: 200,000 generated lines, TSV and JSON, made into records over and over.
//!
//! `cargo run --release -p weir-intake --example zeek_bench -- [ROUNDS [DIR]]`
//!
//! Prints a table of medians, and ends with 1 when TSV is slower than its limit. With `DIR` the two logs are written there.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use weir_flow::Timestamp;
use weir_intake::zeek::{Line, LogReader, log_name};

const LINES: u64 = 200_000;
const USUAL_ROUNDS: usize = 9;
/// Lines of TSV that a second of processor time must be enough for.
const LEAST: f64 = 400_000.0;

const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
#open\t2026-11-21-10-00-00\n\
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\t\
conn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\t\
tunnel_parents\tip_proto\n\
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\t\
count\tcount\tcount\tcount\tset[string]\tcount\n";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let rounds = args.next().map_or(Ok(USUAL_ROUNDS), |rounds| rounds.parse())?.max(1);
    let (tsv, json) = logs()?;
    if let Some(folder) = args.next() {
        fs::write(Path::new(&folder).join("conn.log"), &tsv)?;
        fs::write(Path::new(&folder).join("conn.ndjson"), &json)?;
    }
    println!("| log | lines | MB | lines/s of CPU time (median, min to max) |");
    println!("|---|---|---|---|");
    let median = measure("conn.log, TSV", &tsv, rounds)?;
    measure("conn.log, JSON", &json, rounds)?;
    if median < LEAST {
        return Err(format!("{median:.0} lines of TSV a second are less than {LEAST:.0}").into());
    }
    Ok(())
}

/// Reads `log` `rounds` times; answers with the median.
fn measure(name: &str, log: &str, rounds: usize) -> Result<f64, Failure> {
    let mut rates = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let before = cpu_seconds()?;
        let mut reader = LogReader::new(log_name("conn.log"));
        let (mut records, mut octets) = (0, 0_u64);
        for line in log.as_bytes().split(|&octet| octet == b'\n') {
            match reader.line(line, Timestamp::default()) {
                Line::Record(record) => {
                    records += 1;
                    // The sum keeps the compiler from leaving out what nobody reads.
                    octets = octets.wrapping_add(record.octets());
                    black_box(record);
                }
                Line::Nothing => {}
                Line::Bad(rejected) => return Err(format!("{name}: {rejected}").into()),
            }
        }
        if records != LINES || octets == 0 {
            return Err(format!("{name}: {records} records of {LINES} lines").into());
        }
        rates.push(LINES as f64 / (cpu_seconds()? - before));
    }
    rates.sort_by(f64::total_cmp);
    let (min, median, max) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
    println!("| {name} | {LINES} | {:.1} | {median:.0} ({min:.0} to {max:.0}) |", log.len() as f64 / 1e6);
    Ok(median)
}

/// Numbers that look random and are the same in every run (Steele, Lea, Flood: SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// The same connections as TSV and as JSON.
fn logs() -> Result<(String, String), Failure> {
    const KINDS: [(&str, u8, &str, u16); 8] = [
        ("tcp", 6, "ssl", 443),
        ("tcp", 6, "ssl", 443),
        ("udp", 17, "dns", 53),
        ("udp", 17, "dns", 53),
        ("udp", 17, "quic", 443),
        ("tcp", 6, "http", 80),
        ("tcp", 6, "-", 8_443),
        ("udp", 17, "ntp", 123),
    ];
    const STATES: [(&str, &str); 5] =
        [("SF", "ShADadFf"), ("S0", "S"), ("RSTO", "ShADadR"), ("OTH", "Cc"), ("SF", "Dd")];
    let mut numbers = Numbers(1);
    let (mut tsv, mut json) = (HEADER.to_owned(), String::new());
    for line in 0..LINES {
        let (proto, number, service, port) = numbers.of(&KINDS);
        let (state, history) = numbers.of(&STATES);
        let six = numbers.below(10) == 0;
        let n = &mut numbers;
        let (src, dst) = if six {
            (
                format!("2001:db8:{:x}::{:x}", n.below(9), n.below(60_000)),
                format!("2606:4700::{:x}:{:x}", n.below(60_000), n.below(60_000)),
            )
        } else {
            (
                format!("10.{}.{}.{}", n.below(4), n.below(256), n.below(256)),
                format!("{}.{}.{}.{}", 11 + n.below(180), n.below(256), n.below(256), n.below(256)),
            )
        };
        let ts = format!("{}.{:06}", 1_795_219_200 + line / 500, n.below(1_000_000));
        let uid = format!("C{:016x}", n.below(u64::MAX));
        let duration = format!("{}.{:06}", n.below(300), n.below(1_000_000));
        let (sport, out, back) = (1_024 + n.below(60_000), n.below(100_000), n.below(5_000_000));
        let (packets_out, packets_in) = (1 + out / 900, back / 1_300);
        let (ip_out, ip_in) = (out + packets_out * 40, back + packets_in * 40);
        writeln!(
            tsv,
            "{ts}\t{uid}\t{src}\t{sport}\t{dst}\t{port}\t{proto}\t{service}\t{duration}\t{out}\t{back}\t{state}\tT\tF\t0\t\
             {history}\t{packets_out}\t{ip_out}\t{packets_in}\t{ip_in}\t-\t{number}"
        )?;
        let service = if service == "-" { String::new() } else { format!("\"service\":\"{service}\",") };
        writeln!(
            json,
            "{{\"ts\":{ts},\"uid\":\"{uid}\",\"id.orig_h\":\"{src}\",\"id.orig_p\":{sport},\"id.resp_h\":\"{dst}\",\
             \"id.resp_p\":{port},\"proto\":\"{proto}\",{service}\"duration\":{duration},\"orig_bytes\":{out},\
             \"resp_bytes\":{back},\"conn_state\":\"{state}\",\"local_orig\":true,\"local_resp\":false,\"missed_bytes\":0,\
             \"history\":\"{history}\",\"orig_pkts\":{packets_out},\"orig_ip_bytes\":{ip_out},\"resp_pkts\":{packets_in},\
             \"resp_ip_bytes\":{ip_in},\"ip_proto\":{number}}}"
        )?;
    }
    Ok((tsv, json))
}

/// Processor time that this process has used so far (proc(5), `/proc/self/schedstat`).
fn cpu_seconds() -> Result<f64, Failure> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let nanos: f64 = text.split_whitespace().next().unwrap_or_default().parse()?;
    Ok(nanos / 1e9)
}
