//! MaxMind's test databases: the answers that they must give, and the damaged ones that must not do harm.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_flow::{Place, Timestamp};
use weir_geo::{Config, Geo, Level};

const NOW: Timestamp = Timestamp::from_millis(1_795_219_200_000);

fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let path = std::env::var_os("WEIR_CORPORA").map_or(beside, PathBuf::from);
    if path.join("mmdb_expect.jsonl").is_file() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no corpora at {}", path.display());
    eprintln!("SKIPPED: no corpora at {}; set WEIR_CORPORA", path.display());
    None
}

fn expectations(corpora: &Path) -> Vec<Value> {
    let file = BufReader::new(File::open(corpora.join("mmdb_expect.jsonl")).unwrap());
    // One record holds an infinite number, which JSON does not know.
    let number =
        |line: String| line.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
    file.lines().map(|line| serde_json::from_str(&number(line.unwrap())).unwrap()).collect()
}

fn open(path: &Path, is_asn: bool) -> (Geo, Vec<weir_geo::Notice>) {
    let path = Some(path.to_owned());
    let config = if is_asn {
        Config { asn_db: path, ..Config::default() }
    } else {
        Config { city_db: path, ..Config::default() }
    };
    Geo::open(&config, None, NOW)
}

/// Compares a place with a record as the database has it, field by field.
fn assert_place(place: Option<&Place>, record: &Value, what: &str) {
    let geo = place.and_then(|place| place.geo.as_ref());
    let country = ["country", "registered_country"].into_iter().find(|at| record.get(at).is_some());
    let country = country.map(|at| &record[at]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let of = |field: Option<&weir_flow::Text>| field.map(ToString::to_string);
    assert_eq!(
        of(geo.and_then(|geo| geo.country.as_ref())),
        country.and_then(|country| text(&country["iso_code"])),
        "{what}"
    );
    assert_eq!(of(geo.and_then(|geo| geo.city.as_ref())), text(&record["city"]["names"]["en"]), "{what}");
    assert_eq!(geo.and_then(|geo| geo.lat), record["location"]["latitude"].as_f64(), "{what}");
    assert_eq!(geo.and_then(|geo| geo.lon), record["location"]["longitude"].as_f64(), "{what}");
}

#[test]
fn places_are_those_that_the_databases_hold() {
    let Some(corpora) = corpora() else { return };
    let mut checked = 0;
    for row in expectations(&corpora) {
        let (Some(ip), Some(db)) = (row["ip"].as_str(), row["db"].as_str()) else { continue };
        let is_asn = db.contains("ASN");
        if !(is_asn || db.contains("GeoLite2-City") || db.contains("GeoLite2-Country")) {
            continue;
        }
        let (geo, _) = open(&corpora.join(db), is_asn);
        let ip: IpAddr = ip.parse().unwrap();
        let place = geo.lookup(ip);
        let record = &row["record"];
        if is_asn {
            let asn = place.as_ref().and_then(|place| place.asn.as_ref());
            let number = asn.map(|asn| u64::from(asn.asn));
            assert_eq!(number, record["autonomous_system_number"].as_u64(), "{row}");
            let org = asn.and_then(|asn| asn.org.as_deref());
            assert_eq!(org, record["autonomous_system_organization"].as_str(), "{row}");
        } else {
            assert_place(place.as_deref(), record, &row.to_string());
        }
        checked += 1;
    }
    assert!(checked >= 30, "{checked} rows only");
}

#[test]
fn an_ipv4_mapped_address_is_that_ipv4_address() {
    let Some(corpora) = corpora() else { return };
    let (geo, _) = open(&corpora.join("mmdb/test-data/GeoLite2-ASN-Test.mmdb"), true);
    let plain = geo.lookup("1.0.0.0".parse().unwrap());
    assert!(plain.is_some());
    assert_eq!(geo.lookup("::ffff:1.0.0.0".parse().unwrap()), plain);
}

#[test]
fn damaged_databases_are_refused_or_answer_and_never_end_the_process() {
    let Some(corpora) = corpora() else { return };
    let (mut seen, mut refused) = (0, 0);
    for row in expectations(&corpora) {
        let Some(db) = row["db"].as_str().filter(|db| db.contains("bad-data") || db.contains("roken")) else {
            continue;
        };
        seen += 1;
        let (geo, notices) = open(&corpora.join(db), false);
        refused += usize::from(notices.iter().any(|notice| notice.level == Level::Error));
        for high in 0..=255u8 {
            let v6 = IpAddr::from([u16::from(high) << 8, 7, 7, 7, 7, 7, 7, 7]);
            for ip in [IpAddr::from([high, high, 1, 1]), v6] {
                let _ = geo.lookup(ip);
            }
        }
    }
    assert!(seen >= 9 && refused >= 7, "{refused} of {seen} refused");
}

#[test]
fn a_file_that_is_no_database_is_refused_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"not a database").unwrap();
    let (geo, notices) = open(file.path(), false);
    let told = notices.iter().find(|notice| notice.level == Level::Error).unwrap();
    assert!(told.text.contains(&file.path().display().to_string()), "{told}");
    assert_eq!(geo.lookup("8.8.8.8".parse().unwrap()).and_then(|place| place.geo.clone()), None);
}
