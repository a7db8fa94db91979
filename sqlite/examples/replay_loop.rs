//! Puts dead letters back into the ring, a few at a time and some of them twice: to be killed at any moment.
//!
//! Each record carries the number of its letter, so that whoever opens the store afterwards sees whether every record
//! is there exactly once, as a letter or as a row.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use support::{Random, at};
use weir_flow::{Batch, Extra, FlowRecord, TenantId};
use weir_store::{Config, Control, Selection, Writer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: replay_loop DIR SEED")?);
    let seed: u64 = args.next().and_then(|seed| seed.to_str()?.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    let mut writer = Writer::open(&dir, &Config::default(), at(0))?;
    let control = Control::open(&dir)?;
    loop {
        let limit = 1 + random.below(8) as usize;
        let letters = control.dead_letters(&Selection::default(), 0, limit)?.letters;
        let record = |payload: &str| -> Result<FlowRecord, serde_json::Error> {
            let json: serde_json::Value = serde_json::from_str(payload)?;
            let extra = Extra::from_iter([("number", json["extra"]["number"].clone())]);
            Ok(FlowRecord { extra: Some(Box::new(extra)), ..FlowRecord::default() })
        };
        let batch = Batch {
            tenant: TenantId::default(),
            records: letters.iter().map(|letter| record(&letter.payload)).collect::<Result<_, _>>()?,
            replayed: letters.iter().map(|letter| letter.id).collect(),
            ..Batch::default()
        };
        writer.commit(std::slice::from_ref(&batch), at(0))?;
        if random.below(4) == 0 {
            writer.commit(&[batch], at(0))?;
        }
        // It waits to be killed.
        if letters.is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
