//! Measures what sizes of pages and of the log cost in flash: bytes written to the device for a row, at two rates.
//!
//! `cargo run --release -p weir-store --example page_sizes -- DIR`, on a disk and not in memory, where nothing is counted.
//!
//! It writes what the store writes, by itself, since a store's sizes cannot be chosen: commits of two seconds go in place
//! into a tail of 256 KiB; what has become 4,096 rows goes into a block, with its summary and its filters, and frees the
//! oldest block of a ring that is full. Commits of half a block and more are blocks at once.

use std::error::Error;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};

type Failure = Box<dyn Error>;

const PAGES: [u64; 3] = [4_096, 8_192, 16_384];
/// Log pages of 4 KiB after which they are copied into the file.
const LOGS: [u64; 5] = [250, 500, 1_000, 2_000, 4_000];
const RATES: [u64; 2] = [50, 2_000];
const COMMIT_SECONDS: u64 = 2;
const SEALED_ROWS: u64 = 4_096;
/// Bytes of a row in a small block, and in a sealed one.
const TAIL_ROW: u64 = 45;
const SEALED_ROW: u64 = 25;
const HEAD: u64 = 96;
const TAIL: i64 = 256 << 10;
const SUMMARY: u64 = 1_600;
const TERMS: u64 = 2_400;
/// Blocks of the ring, and of the measurement after it was filled.
const RING_BLOCKS: u64 = 200;
const MEASURED_BLOCKS: u64 = 120;

fn main() -> Result<(), Failure> {
    let dir = std::env::args().nth(1).ok_or("usage: page_sizes DIR")?;
    let dir = Path::new(&dir);
    fs::create_dir_all(dir)?;
    println!(
        "| page | log, pages of 4 KiB | bytes a row, 50 flows/s | KiB a commit | bytes a row, 2,000 flows/s |"
    );
    println!("|---:|---:|---:|---:|---:|");
    for page in PAGES {
        for log in LOGS {
            let [slow, fast] = RATES.map(|rate| measure(dir, page, log, rate));
            let (slow, fast) = (slow?, fast?);
            let commit = slow * (RATES[0] * COMMIT_SECONDS) as f64 / 1_024.0;
            println!("| {page} | {log} | {slow:.1} | {commit:.1} | {fast:.1} |");
        }
    }
    Ok(())
}

/// Bytes written to the device for a row.
fn measure(dir: &Path, page: u64, log: u64, rate: u64) -> Result<f64, Failure> {
    let path = dir.join("sizes.db");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(dir.join(format!("sizes.db{suffix}")));
    }
    let mut ring = Ring { db: open(&path, page, log)?, blocks: 0, noise: 1 };
    while ring.blocks < RING_BLOCKS {
        ring.seal()?;
    }
    let (before, mut rows, mut tail_rows, mut at) = (written_bytes()?, 0, 0, 0);
    let commit = rate * COMMIT_SECONDS;
    while ring.blocks < RING_BLOCKS + MEASURED_BLOCKS {
        if commit >= SEALED_ROWS / 2 {
            ring.seal()?;
            rows += SEALED_ROWS;
            continue;
        }
        if tail_rows + commit > SEALED_ROWS {
            ring.seal()?;
            (tail_rows, at) = (0, 0);
        }
        at = ring.append(at, HEAD + commit * TAIL_ROW)?;
        tail_rows += commit;
        rows += commit;
    }
    ring.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok((written_bytes()? - before) as f64 / rows as f64)
}

fn open(path: &Path, page: u64, log: u64) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.execute_batch(&format!(
        "PRAGMA page_size = {page}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {};
        CREATE TABLE tail (ring INTEGER PRIMARY KEY, data BLOB NOT NULL);
        CREATE TABLE ring (ring INTEGER PRIMARY KEY, next_row INTEGER);
        CREATE TABLE minute (minute INTEGER PRIMARY KEY, flows INTEGER, octets INTEGER);
        CREATE TABLE block (block INTEGER PRIMARY KEY, count INTEGER, data BLOB NOT NULL);
        CREATE TABLE summary (block INTEGER PRIMARY KEY, addresses BLOB NOT NULL);
        CREATE TABLE terms (block INTEGER PRIMARY KEY, data BLOB NOT NULL);
        INSERT INTO ring VALUES (1, 1); INSERT INTO tail VALUES (1, zeroblob({TAIL}));",
        log * 4_096 / page
    ))?;
    Ok(db)
}

/// A ring that is written as the store's is.
struct Ring {
    db: Connection,
    blocks: u64,
    noise: u64,
}

impl Ring {
    /// Writes a small block in place; answers where the next one goes.
    fn append(&mut self, at: u64, length: u64) -> Result<u64, Failure> {
        let data = self.noise(length);
        let tx = self.db.transaction()?;
        let mut blob = tx.blob_open("main", "tail", "data", 1, false)?;
        blob.write_at(&data, usize::try_from(at)?)?;
        blob.close()?;
        tx.commit()?;
        Ok(at + length)
    }

    /// Writes a sealed block with what belongs to it, and drops the oldest of a full ring.
    fn seal(&mut self) -> Result<(), Failure> {
        let [data, summary, terms] =
            [SEALED_ROWS * SEALED_ROW, SUMMARY, TERMS].map(|bytes| self.noise(bytes));
        self.blocks += 1;
        let (block, oldest) =
            (self.blocks.cast_signed(), self.blocks.cast_signed() - RING_BLOCKS.cast_signed());
        let tx = self.db.transaction()?;
        for table in ["block", "summary", "terms"] {
            tx.execute(&format!("DELETE FROM {table} WHERE block <= ?1"), [oldest])?;
        }
        tx.execute("INSERT INTO block VALUES (?1, 4096, ?2)", params![block, data])?;
        tx.execute("INSERT INTO summary VALUES (?1, ?2)", params![block, summary])?;
        tx.execute("INSERT INTO terms VALUES (?1, ?2)", params![block, terms])?;
        tx.execute("REPLACE INTO minute VALUES (?1, 4096, 1000000)", [block])?;
        tx.execute("UPDATE ring SET next_row = next_row + 4096", [])?;
        tx.commit()?;
        Ok(())
    }

    fn noise(&mut self, length: u64) -> Vec<u8> {
        let next = |_| {
            self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.noise >> 56) as u8
        };
        (0..length).map(next).collect()
    }
}

/// Bytes that this process caused to be written to disk: proc(5), `write_bytes` of io.
fn written_bytes() -> Result<u64, Failure> {
    let io = fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("no write_bytes in /proc/self/io")?.parse()?)
}
