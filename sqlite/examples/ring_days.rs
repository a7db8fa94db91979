//! Simulates weeks of an office and looks at the ring each hour: budget, retention, rows, totals, and the writer's time.
//!
//! `cargo run --release -p weir-store --example ring_days -- DIR [BUDGET_MIB]`

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "../tests/support/days.rs"]
mod days;

use std::path::PathBuf;

use days::{Plan, simulate};

/// As much as nine quiet days take, and not as much as a busy week does.
const BUDGET_MIB: u64 = 96;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: ring_days DIR [BUDGET_MIB]")?);
    let budget = args.next().map_or(Ok(BUDGET_MIB), |mib| mib.parse())?;
    let plan = Plan {
        days: 24,
        retention_days: 7,
        budget: budget << 20,
        tenants: 4,
        rows: 250_000,
        busy_rows: 650_000,
        busy: 9..17,
        text: 0,
        pause: 2..60,
        drift_percent: Some(20.0),
    };
    let seen = simulate(&dir, &plan)?;
    println!("| day |     rows |  in ring |    by age | by budget |    MiB | µs/row |");
    println!("|----:|---------:|---------:|----------:|----------:|-------:|-------:|");
    seen.table.iter().for_each(|line| println!("{line}"));
    println!("{} rows; at most {} of {} bytes on the disk", seen.rows, seen.most, plan.budget);
    if seen.by_age == 0 || seen.by_budget == 0 {
        return Err("rows went by age only, or by budget only: choose another budget".into());
    }
    Ok(())
}
