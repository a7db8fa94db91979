//! Databases in MaxMind's format, put in the place of the one in use, and look-ups in those that are taken.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use weir_flow::Timestamp;
use weir_fuzz::scratch::Scratch;
use weir_geo::{Config, Geo, Locator};

static FILE: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Opened once: the built-in database takes longer to check than an input.
static GEO: LazyLock<Arc<Geo>> = LazyLock::new(|| {
    let config = Config { city_db: Some(FILE.path().to_owned()), ..Config::default() };
    Arc::new(Geo::open(&config, None, NOW).0)
});

/// 2026-11-21.
const NOW: Timestamp = Timestamp::from_millis(1_795_219_200_000);

fuzz_target!(|input: &[u8]| {
    let geo = &*GEO;
    FILE.fill(input);
    for notice in geo.refresh(NOW) {
        let line = notice.to_string();
        assert!(!line.contains(char::is_control), "not one line of text: {line:?}");
    }
    // What is refused leaves an earlier input in use.
    if geo.info().iter().any(|info| info.problem.is_some()) {
        return;
    }
    let mut locator = Locator::new(Arc::clone(geo));
    for ip in addresses() {
        assert_eq!(locator.locate(ip), geo.lookup(ip.to_canonical()), "{ip} with a cache and without");
    }
});

/// Both ends of both families, and some of every first octet.
fn addresses() -> impl Iterator<Item = IpAddr> {
    let v4 = (0..=255).step_by(5).map(|octet| Ipv4Addr::new(octet, 0, 2, 1).into());
    let v6 = (0..16).map(|at| Ipv6Addr::from(0x2001_0db8_u128 << 96 | 1 << (8 * at)).into());
    let edges = [Ipv6Addr::UNSPECIFIED, Ipv6Addr::from(u128::MAX), Ipv4Addr::BROADCAST.to_ipv6_mapped()];
    v4.chain(v6).chain(edges.into_iter().map(IpAddr::from))
}
