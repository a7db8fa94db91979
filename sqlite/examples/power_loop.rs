//! Does the steps of a plan to the store in the directory that is named, and says after each what is safe: to be recorded
//! by strace, so that a test can cut the power at any write.

#![expect(clippy::unwrap_used, reason = "a program for a test fails by panicking")]

#[path = "../tests/power_cut/facts.rs"]
mod facts;
#[path = "../tests/power_cut/plan.rs"]
mod plan;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use facts::Facts;
use plan::{Plan, Step, config};
use support::at;
use weir_store::{Control, Reader, Selection, Writer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, seed, steps] = args.as_slice() else { return Err("usage: power_loop DIR SEED STEPS".into()) };
    let (dir, seed, steps) = (PathBuf::from(dir), seed.parse()?, steps.parse::<usize>()?);
    let mut plan = Plan::new(seed);
    let mut writer = Writer::open(&dir, &config(), at(0))?;
    println!("{}", Facts::of(&dir)?);
    for _ in 0..steps {
        match plan.step() {
            Step::Commit(batches, now) => {
                writer.commit(&batches, now)?;
            }
            Step::Replay(mut batch, now) => {
                let letters = Control::open(&dir)?.dead_letters(&Selection::default(), 0, 1)?.letters;
                batch.replayed = letters.iter().map(|letter| letter.id).collect();
                writer.commit(&[batch], now)?;
            }
            Step::Trim(now) => {
                writer.trim(now, true)?;
            }
            Step::Close(now, watched) => {
                let reader = watched.then(|| Reader::open(&dir)).transpose()?;
                writer.close()?;
                writer = Writer::open(&dir, &config(), now)?;
                drop(reader);
            }
            Step::Drop(now) => {
                drop(writer);
                writer = Writer::open(&dir, &config(), now)?;
            }
        }
        println!("{}", Facts::of(&dir)?);
    }
    writer.close()?;
    println!("{}", Facts::of(&dir)?);
    Ok(())
}
