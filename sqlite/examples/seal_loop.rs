//! Commits without end, few rows and many, and trims, under the smallest budget: to be killed at any moment, which is often
//! one at which rows are put together or removed. Its clock takes a minute for each commit.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use support::{Office, Random, START_MS, at, bookmark, tenant};
use weir_store::{BudgetBytes, Config, Reader, Writer};

/// Bytes of text in some records: the budget is reached within seconds.
const BULKY: usize = 20_000;
const MINUTE_MS: i64 = 60_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: seal_loop DIR SEED")?);
    let seed: u64 = args.next().and_then(|seed| seed.to_str()?.parse().ok()).unwrap_or(1);
    let (mut office, mut random) = (Office::new(seed), Random(seed));
    let config = Config { budget_bytes: BudgetBytes::new(BudgetBytes::MIN)?, ..Config::default() };
    let mut writer = Writer::open(&dir, &config, at(0))?;
    let newest = Reader::open(&dir)?.stats(&tenant("a"))?.newest_ts;
    let mut now_ms = newest.map_or(0, |newest| newest.millis() - START_MS);
    for commit in 1.. {
        now_ms += MINUTE_MS;
        let now = at(now_ms);
        // Now and then as many as are put into blocks at once.
        let count = if random.below(40) == 0 { 2_050 } else { 1 + random.below(40) };
        let mut batches = ["a", "b"].map(|name| office.batch(&tenant(name), count as usize, now));
        batches[0].records.extend((0..random.below(12)).map(|_| office.bulky(now, BULKY)));
        batches[1].bookmark = bookmark("loop", commit);
        writer.commit(&batches, now)?;
        if random.below(3) == 0 {
            writer.trim(now, true)?;
        }
    }
    Ok(())
}
