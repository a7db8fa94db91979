//! Commits without end into the directory that is named: to be killed at any moment.
//!
//! Each commit gives both tenants as many rows, and the bookmark the number of rows, so that whoever opens the
//! store afterwards sees whether it holds whole transactions only.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use support::{Office, Random, at, bookmark, tenant};
use weir_store::{BudgetBytes, Config, Writer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: commit_loop DIR SEED")?);
    let seed: u64 = args.next().and_then(|seed| seed.to_str()?.parse().ok()).unwrap_or(1);
    let (mut office, mut random) = (Office::new(seed), Random(seed));
    let config = Config { budget_bytes: BudgetBytes::new(BudgetBytes::MIN)?, ..Config::default() };
    let mut writer = Writer::open(&dir, &config, at(0))?;
    let mut rows: u64 = match writer.bookmark("loop")? {
        Some(position) => position.parse()?,
        None => 0,
    };
    loop {
        // Some are sealed at birth, the others in the tail until they are a block.
        let count = if random.below(20) == 0 { 2_048 } else { 1 + random.below(200) };
        rows += count;
        let mut batches = ["a", "b"].map(|name| office.batch(&tenant(name), count as usize, at(0)));
        batches[1].bookmark = bookmark("loop", rows);
        writer.commit(&batches, at(rows as i64))?;
        if random.below(10) == 0 {
            writer.trim(at(rows as i64), true)?;
        }
    }
}
