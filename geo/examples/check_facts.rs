//! Checks a list of networks against IPFire's location database, and prints the lines that agree.
//!
//! `cargo run -p weir-geo --example check_facts -- geo/data/candidates.csv /usr/share/libloc-location/location.db`
//! (Debian package `libloc-database`). A line agrees when 95 % of its addresses have its country and its AS in
//! the database. Lines that disagree go to standard error, with what the database says.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

use ipnetwork::IpNetwork;
use maxminddb::Reader;
use serde_json::Value;

/// Share of a network's addresses that must agree.
const AGREEMENT: f64 = 0.95;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [list, location] = arguments.as_slice() else {
        return Err("usage: check_facts LIST.csv LOCATION_DB".into());
    };
    let directory = tempfile::tempdir()?;
    let database = directory.path().join("location.mmdb");
    weir_geo::import_location_db(Path::new(location), &database, &mut |_| {})?;
    let reader = Reader::open_readfile(&database)?;
    let (mut agree, mut disagree) = (0, 0);
    for line in std::fs::read_to_string(list)?.lines() {
        let fields: Vec<_> = line.splitn(4, ',').collect();
        let Ok(network) = fields[0].parse::<IpNetwork>() else {
            println!("{line}");
            continue;
        };
        let shares = shares(&reader, network)?;
        let claim = (fields[1].to_owned(), fields[2].parse().ok());
        if shares.get(&claim).copied().unwrap_or_default() >= AGREEMENT {
            agree += 1;
            println!("{line}");
        } else {
            disagree += 1;
            let best = shares.iter().max_by(|a, b| a.1.total_cmp(b.1));
            eprintln!("{line}  -- {best:?}");
        }
    }
    eprintln!("{agree} agree, {disagree} do not");
    Ok(())
}

type Answer = (String, Option<u64>);

/// Which share of the network's addresses has which country and AS.
fn shares(reader: &Reader<Vec<u8>>, network: IpNetwork) -> Result<HashMap<Answer, f64>, Box<dyn Error>> {
    let mut shares = HashMap::new();
    for found in reader.within(network, maxminddb::WithinOptions::default())? {
        let found = found?;
        let part = found.network()?;
        // A part that is wider than the network answers for all of it.
        let bits = i32::from(part.prefix().max(network.prefix()) - network.prefix());
        let record: Value = found.decode()?.unwrap_or_default();
        let country = record["country"]["iso_code"].as_str().unwrap_or_default().to_owned();
        let asn = record["autonomous_system_number"].as_u64();
        *shares.entry((country, asn)).or_insert(0.0) += 0.5_f64.powi(bits);
    }
    Ok(shares)
}
