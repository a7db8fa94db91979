//! Measures the ring: rows per second, bytes per row at rest, bytes written per row, and how fast rows are read.
//!
//! `cargo run --release -p weir-store --example ring_bench -- DIR ROWS ROWS_PER_COMMIT`

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
    let (wall, cpu, flash) = (Instant::now(), cpu_seconds()?, written_bytes()?);
    let mut done = weir_store::Committed::default();
    for commit in 0..rows / per_commit {
        let batch = std::slice::from_ref(&batches[commit % PREPARED]);
        let committed = writer.commit(batch, at(2_000 * commit as i64))?;
        done.rows += committed.rows;
        done.bytes += committed.bytes;
    }
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let usage = writer.usage()?;
    let flash = written_bytes()? - flash;
    let per_row = |bytes: u64| bytes as f64 / done.rows as f64;
    println!("rows                 {} in commits of {per_commit}", done.rows);
    println!(
        "rows/s               {:.0} of wall time, {:.0} of CPU time",
        done.rows as f64 / wall,
        done.rows as f64 / cpu
    );
    println!(
        "bytes/row            {:.1} in blocks, {:.1} in the file",
        per_row(done.bytes),
        per_row(usage.used)
    );
    println!("bytes written/row    {:.1}", per_row(flash));
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

/// Bytes that this process caused to be written to disk: proc(5), `write_bytes` of io.
fn written_bytes() -> Result<u64, Failure> {
    let io = fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("no write_bytes in /proc/self/io")?.parse()?)
}
