//! How long it takes to read a record: CPU nanoseconds for each, the median of several rounds and the least.
//!
//!   cargo run --profile ci -p weir-intake --example read_bench [RECORDS [KIND]]

use std::hint::black_box;
use std::process::ExitCode;

use weir_flow::{Source, Timestamp};
use weir_intake::{Dialect, Reader};

/// Records of a round.
const RECORDS: u32 = 200_000;
const ROUNDS: usize = 9;
/// Ports that change from record to record, so that no two neighbours are the same.
const PORTS: u32 = 1_000;

type Make = fn(u32) -> String;

fn flow(at: u32) -> String {
    format!(
        r#"{{"ts":1795223307.{at:06},"src_ip":"192.168.1.{}","dst_ip":"198.51.100.8","src_port":{},"dst_port":443,"protocol":"tcp","bytes":{},"packets":{},"service":"https","duration":2.5}}"#,
        at % 250,
        50_000 + at,
        1_000 + at,
        1 + at % 90,
    )
}

fn netflow(at: u32) -> String {
    format!(
        r#"{{"type":"NETFLOW_V9","time_received_ns":1795223400000000000,"sequence_num":{at},"sampling_rate":100,"sampler_address":"10.0.0.1","time_flow_start_ns":1795223307150000000,"time_flow_end_ns":1795223309650000000,"bytes":{},"packets":5,"src_addr":"192.168.1.100","dst_addr":"198.51.100.8","etype":"IPv4","proto":"TCP","src_port":{},"dst_port":443,"in_if":13,"out_if":7}}"#,
        1_000 + at,
        50_000 + at,
    )
}

fn conn(at: u32) -> String {
    format!(
        r#"{{"ts":1795223307.{at:06},"uid":"CHhAvVGS1DHFjwGM9","id.orig_h":"192.168.1.100","id.orig_p":{},"id.resp_h":"198.51.100.8","id.resp_p":443,"proto":"tcp","service":"ssl","duration":2.5,"orig_bytes":517,"resp_bytes":4096,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":12,"orig_ip_bytes":1021,"resp_pkts":14,"resp_ip_bytes":4832}}"#,
        50_000 + at,
    )
}

/// User and system time of this process so far, nanoseconds; `None` where the kernel does not tell.
fn cpu() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok()
}

fn main() -> ExitCode {
    let records = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(RECORDS);
    let kinds: [(&str, Make, Dialect); 3] = [
        ("flows.v1", flow, Dialect::Any),
        ("goflow2", netflow, Dialect::Netflow),
        ("zeek conn", conn, Dialect::Any),
    ];
    let only = std::env::args().nth(2);
    for (name, make, dialect) in kinds {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let texts: Vec<_> = (0..PORTS).map(make).collect();
        let octets: usize = texts.iter().map(String::len).sum();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut reader = Reader::new(Source::Api);
            let Some(begin) = cpu() else {
                eprintln!("the kernel does not tell the CPU time of a process");
                return ExitCode::FAILURE;
            };
            for text in texts.iter().cycle().take(records as usize) {
                if let Err(rejected) =
                    black_box(reader.read(black_box(text.as_bytes()), &dialect, Timestamp::default()))
                {
                    eprintln!("{name}: {rejected}: {text}");
                    return ExitCode::FAILURE;
                }
            }
            rounds.push(cpu().unwrap_or(begin).saturating_sub(begin) / u64::from(records.max(1)));
        }
        rounds.sort_unstable();
        let (least, median) = (rounds.first().unwrap_or(&0), rounds.get(ROUNDS / 2).unwrap_or(&0));
        let octets = octets / texts.len().max(1);
        println!("{name:<10} {octets:>4} octets  {median:>6} ns CPU a record, least {least}");
    }
    ExitCode::SUCCESS
}
