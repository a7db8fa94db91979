//! The database that is built in.

use std::path::Path;

use weir_flow::Timestamp;
use weir_geo::{Config, Geo, Level, build_from_csv};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

#[test]
fn it_is_what_its_list_makes() {
    let list = Path::new(DATA).join("networks.csv");
    let committed = std::fs::read(Path::new(DATA).join("default.mmdb")).unwrap();
    let text = std::fs::read_to_string(&list).unwrap();
    let reader = maxminddb::Reader::from_source(committed.clone()).unwrap();
    let epoch = reader.metadata().build_epoch;
    let mut made = Vec::new();
    build_from_csv(&list, &text, "Well-known networks, built into Weir", epoch, &mut made).unwrap();
    assert!(made == committed, "run `cargo run -p weir-geo --example build_default`");
}

#[test]
fn it_answers_without_any_configuration_and_says_so() {
    let (geo, notices) = Geo::open(&Config::default(), None, Timestamp::from_millis(1_795_219_200_000));
    assert!(notices.iter().all(|notice| notice.level == Level::Info), "{notices:?}");
    assert!(notices.iter().any(|notice| notice.text.contains("built-in")), "{notices:?}");
    let place = geo.lookup("8.8.8.8".parse().unwrap()).unwrap();
    assert_eq!(place.geo.as_ref().unwrap().country.as_deref(), Some("US"));
    assert_eq!(place.geo.as_ref().unwrap().country_name.as_deref(), Some("United States"));
    assert_eq!(place.asn.as_ref().unwrap().asn, 15_169);
    assert!(geo.lookup("192.0.2.1".parse().unwrap()).is_none());
}

#[test]
fn a_switch_turns_each_half_off() {
    let now = Timestamp::from_millis(1_795_219_200_000);
    let ip = "8.8.8.8".parse().unwrap();
    let (geo, _) = Geo::open(&Config { enabled: false, ..Config::default() }, None, now);
    let place = geo.lookup(ip).unwrap();
    assert!(place.geo.is_none() && place.asn.is_some());
    let (geo, _) = Geo::open(&Config { asn_enabled: false, ..Config::default() }, None, now);
    let place = geo.lookup(ip).unwrap();
    assert!(place.geo.is_some() && place.asn.is_none());
}
