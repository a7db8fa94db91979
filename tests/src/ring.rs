//! The ring that an agent left behind: whole, without a gap, and adding up.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_flow::TenantId;
use weir_store::{Reader, StoredRow};

use crate::meter::number;

const DEADLINE: Duration = Duration::from_secs(60);
const ROWS_PER_READ: usize = 10_000;

/// Sums over a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Rows.
    pub rows: u64,
    /// Packets of all rows.
    pub packets: u64,
    /// IP octets of all rows.
    pub octets: u64,
}

/// Checks that the store in `dir` is sound; answers how many rows it has.
///
/// # Panics
/// Where it is not.
pub fn assert_sound(dir: &Path) -> u64 {
    let report = weir_store::check(dir).unwrap_or_else(|e| panic!("failed to check {}: {e}", dir.display()));
    assert!(report.is_sound(), "{:#?}", report.problems);
    report.rows
}

/// Reads every row of the default tenant's ring.
///
/// Checks that rows are contiguous and their ids made of the ring's id and their number; where nothing was trimmed, also
/// that the minutes' totals, which are written in the same transactions, add up to the rows.
///
/// # Panics
/// Where a check fails.
pub fn read(dir: &Path, mut each: impl FnMut(Value)) -> Sums {
    assert_sound(dir);
    let reader = Reader::open(dir).unwrap_or_else(|e| panic!("failed to {e}"));
    let tenant = TenantId::default();
    let stats = reader.stats(&tenant).unwrap_or_else(|e| panic!("failed to {e}"));
    let (mut sums, mut next) = (Sums::default(), stats.first_row);
    // What minutes count: each record times its sampling.
    let mut scaled = (0_u64, 0_u64);
    loop {
        let rows = reader.rows(&tenant, next - 1, ROWS_PER_READ, Instant::now() + DEADLINE);
        let rows = rows.unwrap_or_else(|e| panic!("failed to {e}"));
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let record = record(&row, stats.ring_id.as_deref(), next);
            next += 1;
            sums.rows += 1;
            let (packets, octets) = (number(&record, "packets"), number(&record, "bytes"));
            let sampling = record["sampling"].as_u64().unwrap_or(1);
            sums.packets += packets;
            sums.octets += octets;
            scaled.0 = scaled.0.saturating_add(packets.saturating_mul(sampling));
            scaled.1 = scaled.1.saturating_add(octets.saturating_mul(sampling));
            each(record);
        }
    }
    assert_eq!((next, sums.rows), (stats.next_row, stats.rows), "rows are missing");
    if stats.first_row == 1 {
        let minutes = reader.minutes(&tenant, 0, i64::MAX).unwrap_or_else(|e| panic!("failed to {e}"));
        let packets = minutes.iter().map(|minute| minute.packets).sum::<u64>();
        let octets = minutes.iter().map(|minute| minute.octets).sum::<u64>();
        assert_eq!((packets, octets), scaled, "minutes and rows differ: a torn transaction");
    }
    sums
}

fn record(row: &StoredRow, ring: Option<&str>, expected: u64) -> Value {
    assert_eq!(row.row, expected, "a gap in the rows");
    let record: Value = serde_json::from_str(&row.json).unwrap_or_else(|e| panic!("{e} in {}", row.json));
    assert_eq!(record["id"], format!("{}-{expected}", ring.unwrap_or_default()));
    assert_eq!(record["tenant_id"], TenantId::DEFAULT);
    record
}

/// All records of the ring, for rings that fit into memory.
#[must_use]
pub fn records(dir: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    read(dir, |record| records.push(record));
    records
}
