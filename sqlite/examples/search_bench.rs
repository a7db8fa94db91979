//! Measures searches over a ring of a branch office: an address that is in one of a hundred blocks, and what else is asked.
//!
//! `cargo run --release -p weir-store --example search_bench -- DIR ROWS` makes the ring where there is none, and asks each
//! question cold, as far as this process may drop the kernel's caches (root), and warm.

#[path = "../tests/support/branch.rs"]
mod branch;

use std::fs;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use branch::Branch;
use weir_flow::{Batch, TenantId, Timestamp};
use weir_store::{BudgetBytes, Config, Order, Page, Query, Reader, Writer};

type Failure = Box<dyn std::error::Error>;

/// What is asked, its conditions, and rows at most.
type Question<'a> = (&'a str, &'a [(&'a str, &'a str)], usize);

/// Records of a commit: a block.
const PER_COMMIT: usize = 4_096;
/// Of so many blocks one has the address that is looked for, five times.
const RARE_EVERY: usize = 100;
const RARE: &str = "203.0.113.77";
/// 2026-11-15T00:00Z in milliseconds; a commit follows each two seconds.
const START_MS: i64 = 1_794_700_800_000;
const STEP_MS: i64 = 2_000;
/// Warm runs, of which the median counts.
const RUNS: usize = 7;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, rows] = args.as_slice() else { return Err("usage: DIR ROWS".into()) };
    let dir = PathBuf::from(dir);
    if !dir.exists() {
        fill(&dir, rows.parse()?)?;
    }
    let questions: [Question<'_>; 8] = [
        ("one address in 1 % of blocks", &[("ip", RARE)], 100),
        ("an address that is nowhere", &[("ip", "203.0.113.78")], 100),
        ("its network /24", &[("ip", "203.0.113.0/24")], 100),
        ("a name that is nowhere", &[("domain", "absent.example")], 100),
        ("threats", &[("threat", "true")], 100),
        ("a port that clients pick", &[("port", "40001"), ("proto", "tcp")], 100),
        ("nothing in particular", &[], 100),
        ("a text that is nowhere", &[("text", "absent"), ("src_ip", "10.20.0.10")], 100),
    ];
    for (what, conditions, limit) in questions {
        let mut query = Query::default();
        conditions.iter().try_for_each(|(name, value)| query.set(name, value))?;
        ask(&dir, what, &query, limit)?;
    }
    total(&dir)
}

fn fill(dir: &Path, rows: usize) -> Result<(), Failure> {
    let config = Config { budget_bytes: BudgetBytes::new(4 << 30)?, ..Config::default() };
    let mut writer = Writer::open(dir, &config, Timestamp::from_millis(START_MS))?;
    let (mut branch, start, mut making) = (Branch::new(1), Instant::now(), Duration::ZERO);
    for commit in 0..rows / PER_COMMIT {
        let now = Timestamp::from_millis(START_MS + STEP_MS * commit as i64);
        let made = Instant::now();
        let mut records: Vec<_> = (0..PER_COMMIT).map(|_| branch.record(now)).collect();
        making += made.elapsed();
        if commit % RARE_EVERY == RARE_EVERY / 2 {
            records.iter_mut().step_by(900).for_each(|record| record.dst_ip = RARE.parse::<IpAddr>().ok());
        }
        writer.commit(&[Batch { records, handed_over: now, ..Batch::default() }], now)?;
    }
    println!("{:.0} records made a second", rows as f64 / making.as_secs_f64());
    println!("{:.1} s to fill", start.elapsed().as_secs_f64());
    Ok(writer.close()?)
}

fn ask(dir: &Path, what: &str, query: &Query, limit: usize) -> Result<(), Failure> {
    let is_cold = fs::write("/proc/sys/vm/drop_caches", "1").is_ok();
    let mut times = Vec::new();
    for _ in 0..=RUNS {
        let (start, cpu) = (Instant::now(), cpu_ms()?);
        let reader = Reader::open(dir)?;
        let page =
            Page { limit, order: Order::NewestFirst, after: None, deadline: start + Duration::from_secs(60) };
        let found = reader.search(&TenantId::default(), query, &page)?;
        times.push((start.elapsed().as_secs_f64() * 1e3, cpu_ms()? - cpu, found));
    }
    let (first, first_cpu, found) = times.remove(0);
    let mut cpu: Vec<f64> = times.iter().map(|time| time.1).collect();
    cpu.sort_by(f64::total_cmp);
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let cold = if is_cold { "cold" } else { "first" };
    println!(
        "{what:28} {cold} {first:7.1} ms (CPU {first_cpu:6.1}), warm {:7.1} ms (CPU {:6.1}), {:4} rows, {} blocks, {} read",
        times[RUNS / 2].0,
        cpu[RUNS / 2],
        found.rows.len(),
        found.progress.blocks,
        found.progress.blocks_read
    );
    Ok(())
}

/// Everything, counted and streamed.
fn total(dir: &Path) -> Result<(), Failure> {
    let reader = Reader::open(dir)?;
    let (tenant, query) = (TenantId::default(), Query::default());
    let (start, cpu) = (Instant::now(), cpu_ms()?);
    let count = reader.count(&tenant, &query, start + Duration::from_secs(600))?;
    let (took, cpu) = (start.elapsed().as_secs_f64(), cpu_ms()? - cpu);
    println!(
        "count of {} rows: {took:.2} s, {:.3} ms of CPU a block",
        count.rows,
        cpu / count.progress.blocks as f64
    );
    let (start, cpu, mut bytes, mut left) = (Instant::now(), cpu_ms()?, 0, 500_000);
    let page = Page {
        limit: usize::MAX,
        order: Order::OldestFirst,
        after: None,
        deadline: start + Duration::from_secs(600),
    };
    reader.each(&tenant, &query, &page, |_, json| {
        (bytes, left) = (bytes + json.len(), left - 1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    println!(
        "500,000 rows as JSON, {} MB: {:.2} s (CPU {:.2})",
        bytes >> 20,
        start.elapsed().as_secs_f64(),
        (cpu_ms()? - cpu) / 1e3
    );
    println!("peak memory {}", peak()?);
    Ok(())
}

/// Time of this thread on a processor: the first figure of /proc/self/schedstat, nanoseconds. On a machine that does other work
/// it says more than the clock.
fn cpu_ms() -> Result<f64, Failure> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("no time in /proc/self/schedstat")?.parse::<f64>()? / 1e6)
}

/// `VmHWM` of proc(5).
fn peak() -> Result<String, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.ok_or("no VmHWM in /proc/self/status")?.trim().to_owned())
}
