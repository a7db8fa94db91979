//! Measures the ring: rows per second, bytes per row at rest, bytes written per row and per commit, and how fast rows
//! are read.
//!
//! `cargo run --release -p weir-store --example ring_bench -- DIR ROWS ROWS_PER_COMMIT`
//!
//! 50 flows/s are 100 rows per commit, 2,000 flows/s are 4,000. Give a directory on a disk: a memory file system writes
//! nothing.

#[path = "ring_bench/process.rs"]
mod process;
#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use support::{Office, at, soon};
use weir_flow::TenantId;
use weir_store::{Config, Order, Reader, Writer};

/// Batches are made before the clock starts and used in turn.
const PREPARED: usize = 50;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, rows, per_commit] = args.as_slice() else {
        return Err("usage: DIR ROWS ROWS_PER_COMMIT".into());
    };
    let (dir, rows, per_commit) = (PathBuf::from(dir), rows.parse::<usize>()?, per_commit.parse::<usize>()?);
    let (tenant, mut office) = (TenantId::default(), Office::new(1));
    let batches: Vec<_> = (0..PREPARED).map(|_| office.batch(&tenant, per_commit, at(0))).collect();
    let mut writer = Writer::open(&dir, &Config::default(), at(0))?;
    writer.commit(&batches[..1], at(0))?;
    let commits = rows / per_commit;
    let (wall, cpu, flash) = (Instant::now(), cpu_seconds()?, process::written_bytes()?);
    let mut done = weir_store::Committed::default();
    for commit in 0..commits {
        let now = at(2_000 * commit as i64);
        let batch = std::slice::from_ref(&batches[commit % PREPARED]);
        let committed = writer.commit(batch, now)?;
        done.rows += committed.rows;
        done.bytes += committed.bytes;
        done.sealed_blocks += committed.sealed_blocks;
        done.sealed_bytes += committed.sealed_bytes;
        writer.trim(now, true)?;
    }
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let flash = process::written_bytes()? - flash;
    let usage = writer.usage()?;
    let per_row = |bytes: u64| bytes as f64 / done.rows as f64;
    println!("rows                 {} in {commits} commits of {per_commit}", done.rows);
    println!(
        "rows/s               {:.0} of wall time, {:.0} of CPU time ({:.2} us/row)",
        done.rows as f64 / wall,
        done.rows as f64 / cpu,
        cpu * 1e6 / done.rows as f64
    );
    println!(
        "bytes/row            {:.1} in blocks at first, {:.1} in the ring, {:.1} in the file",
        per_row(done.bytes),
        per_row(Reader::open(&dir)?.stats(&tenant)?.ring_bytes),
        per_row(usage.used)
    );
    println!("sealed later         {} blocks, {} bytes", done.sealed_blocks, done.sealed_bytes);
    println!(
        "bytes written        {:.1} per row, {:.1} KiB per commit",
        per_row(flash),
        flash as f64 / 1_024.0 / commits as f64
    );
    writer.close()?;
    read(&dir, &tenant)
}

fn read(dir: &std::path::Path, tenant: &TenantId) -> Result<(), Failure> {
    let reader = Reader::open(dir)?;
    for limit in [20, 1_000, 50_000] {
        let start = Instant::now();
        let rows = reader.recent(tenant, limit, Order::NewestFirst, soon())?.len();
        println!("newest {rows:>6}        {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

/// User and system time of this process: proc(5), fields 14 and 15 of stat, in ticks of 10 ms.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}
