//! Databases that are written, and replaced while they are in use.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use ipnetwork::{IpNetwork, Ipv4Network};
use proptest::prelude::*;
use weir_flow::Timestamp;
use weir_geo::{Config, Geo, Level, Locator, Value, Writer};

const NOW: Timestamp = Timestamp::from_millis(1_795_219_200_000);
const BUILT: u64 = 1_795_000_000;

fn record(asn: u32) -> Value<'static> {
    Value::Map(vec![("autonomous_system_number", Value::U32(asn))])
}

fn database(networks: &[(IpNetwork, u32)]) -> Vec<u8> {
    let mut writer = Writer::new("Test-ASN", "made by a test", networks.len());
    for &(network, asn) in networks {
        let record = writer.add(&record(asn)).unwrap();
        writer.insert(network, record).unwrap();
    }
    let mut bytes = Vec::new();
    writer.finish(BUILT, &mut bytes).unwrap();
    bytes
}

fn put(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

fn asn(geo: &Geo, ip: &str) -> Option<u32> {
    Some(geo.lookup(ip.parse().unwrap())?.asn.as_ref()?.asn)
}

#[test]
fn a_replaced_file_is_swapped_in_and_a_torn_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (source, copies) = (dir.path().join("asn.mmdb"), dir.path().join("copies"));
    let network: IpNetwork = "198.51.100.0/24".parse().unwrap();
    put(&source, &database(&[(network, 1)]));
    let config = Config { asn_db: Some(source.clone()), ..Config::default() };
    let (geo, notices) = Geo::open(&config, Some(&copies), NOW);
    assert!(notices.iter().all(|notice| notice.level == Level::Info), "{notices:?}");
    let geo = Arc::new(geo);
    let mut locator = Locator::new(Arc::clone(&geo));
    let ip = "198.51.100.7".parse().unwrap();
    let located = |locator: &mut Locator| locator.locate(ip).and_then(|place| Some(place.asn.as_ref()?.asn));
    assert_eq!((asn(&geo, "198.51.100.7"), located(&mut locator)), (Some(1), Some(1)));

    assert!(geo.refresh(NOW).is_empty(), "nothing was changed");
    put(&source, &database(&[(network, 2)]));
    geo.refresh(NOW);
    assert_eq!((asn(&geo, "198.51.100.7"), located(&mut locator)), (Some(2), Some(2)));

    let whole = database(&[(network, 3)]);
    put(&source, &whole[..whole.len() / 2]);
    let told = geo.refresh(NOW);
    assert!(told.iter().any(|notice| notice.level == Level::Error), "{told:?}");
    assert_eq!(asn(&geo, "198.51.100.7"), Some(2), "the old one stays");
    assert!(geo.refresh(NOW).is_empty(), "it was told once");

    fs::remove_file(&source).unwrap();
    geo.refresh(NOW);
    assert_eq!(asn(&geo, "198.51.100.7"), Some(2), "the old one stays");
    put(&source, &whole);
    geo.refresh(NOW);
    assert_eq!((asn(&geo, "198.51.100.7"), located(&mut locator)), (Some(3), Some(3)));
    assert_eq!(fs::read_dir(&copies).unwrap().count(), 1, "old copies are removed");
}

#[test]
fn what_is_mapped_survives_the_truncation_of_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("asn.mmdb");
    fs::write(&source, database(&[("203.0.113.0/24".parse().unwrap(), 7)])).unwrap();
    let config = Config { asn_db: Some(source.clone()), ..Config::default() };
    let (geo, _) = Geo::open(&config, Some(&dir.path().join("copies")), NOW);
    fs::write(&source, b"").unwrap();
    assert_eq!(asn(&geo, "203.0.113.1"), Some(7));
}

#[test]
fn an_old_database_is_warned_about() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("asn.mmdb");
    fs::write(&source, database(&[("203.0.113.0/24".parse().unwrap(), 7)])).unwrap();
    let config = Config { asn_db: Some(source), ..Config::default() };
    let later = NOW.plus_micros(200 * 86_400_000_000);
    let (_, notices) = Geo::open(&config, None, later);
    assert!(notices.iter().any(|notice| notice.level == Level::Warning), "{notices:?}");
    let (_, notices) = Geo::open(&config, None, NOW);
    assert!(notices.iter().all(|notice| notice.level == Level::Info), "{notices:?}");
}

fn networks() -> impl Strategy<Value = Vec<(IpNetwork, u32)>> {
    let network = (any::<u32>(), 1u8..=32).prop_map(|(bits, length)| {
        // Few distinct high bits, so that networks lie within each other.
        let ip = Ipv4Addr::from_bits(bits & 0x0103_0f3f);
        let wide = Ipv4Network::new(ip, length).unwrap();
        IpNetwork::V4(Ipv4Network::new(wide.network(), length).unwrap())
    });
    proptest::collection::vec((network, 1u32..1_000), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_written_database_answers_with_the_longest_network_and_the_last_of_equals(
        networks in networks(), probes in proptest::collection::vec(any::<u32>(), 50),
    ) {
        let mut ordered: Vec<_> = networks.clone();
        ordered.sort_by_key(|(network, _)| network.prefix());
        let reader = maxminddb::Reader::from_source(database(&ordered)).unwrap();
        for bits in probes.into_iter().map(|bits| bits & 0x0103_0f3f) {
            let ip = IpAddr::from(Ipv4Addr::from_bits(bits));
            let expected = ordered.iter().enumerate().filter(|(_, (network, _))| network.contains(ip))
                .max_by_key(|(at, (network, _))| (network.prefix(), *at)).map(|(_, &(_, asn))| asn);
            let found = reader.lookup(ip).unwrap();
            let found: Option<serde_json::Value> = found.decode().unwrap();
            let found = found.and_then(|record| record["autonomous_system_number"].as_u64());
            prop_assert_eq!(found, expected.map(u64::from));
        }
    }
}
