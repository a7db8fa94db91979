//! Makes the built-in database from its list of facts: `cargo run -p weir-geo --example build_default`.
//!
//! Run it after a change to `geo/data/networks.csv`; a test compares the two.

use std::error::Error;
use std::path::Path;

/// 2026-11-21, when the list was last gone through. Set it when you go through it again.
const BUILT: u64 = 1_795_219_200;

fn main() -> Result<(), Box<dyn Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let list = data.join("networks.csv");
    let mut database = Vec::new();
    let networks = weir_geo::build_from_csv(
        &list,
        &std::fs::read_to_string(&list)?,
        "Well-known networks, built into Weir",
        BUILT,
        &mut database,
    )?;
    std::fs::write(data.join("default.mmdb"), &database)?;
    println!("{networks} networks, {} octets", database.len());
    Ok(())
}
