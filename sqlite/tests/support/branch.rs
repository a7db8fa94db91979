//! Flows as a branch office has them, from a seed and fast: some hundred hosts, thousands of servers of which a few have most of
//! the flows, hundreds of names, ports that clients pick for themselves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use weir_flow::{
    Asn, Counters, Direction, EndReason, Field, FlowRecord, Geo, IndicatorKind, Match, Place, Reason, Risk,
    Tag, Text, Timestamp, Verdict,
};

/// Hosts of the office.
const HOSTS: u64 = 180;
/// Servers that they talk to; one of ten has IPv6.
const SERVERS: u64 = 20_000;
/// Names of these servers.
const NAMES: usize = 900;
/// Places of these servers.
const PLACES: usize = 700;
/// Of so many flows one comes from a scanner, one goes to a host of the office, one meets an indicator.
const SCAN_EVERY: u64 = 60;
const INTERNAL_EVERY: u64 = 8;
const THREAT_EVERY: u64 = 2_000;
/// Steps of the table of ranks.
const RANKS: usize = 4_096;

/// Makes the flows.
pub(crate) struct Branch {
    state: u64,
    servers: Vec<Server>,
    /// Servers in the order of a draw: the first has as many places as the rank of a Zipf distribution gives it.
    ranks: Vec<(u32, u32)>,
    services: [(u16, u8, Text); 5],
    observer: Text,
    places: Vec<Arc<Place>>,
}

struct Server {
    address: IpAddr,
    /// Index into [`Branch::services`].
    service: usize,
    domain: Option<Text>,
    place: usize,
}

impl Branch {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = seed;
        let names: Vec<Text> = (0..NAMES).map(|n| name(n, &mut random)).collect();
        let servers = (0..SERVERS).map(|rank| Server {
            address: address(next(&mut random)),
            service: [0, 0, 0, 0, 0, 0, 1, 2, 3, 4][(next(&mut random) % 10) as usize],
            domain: (!next(&mut random).is_multiple_of(5)).then(|| names[rank as usize % NAMES].clone()),
            place: (next(&mut random) as usize) % PLACES,
        });
        let servers = servers.collect();
        // The rank is log-uniform, which is Zipf's law with exponent 1: between two steps it is uniform.
        let edge = |step: usize| (SERVERS as f64).powf(step as f64 / RANKS as f64) as u32;
        let ranks = (0..RANKS).map(|step| (edge(step) - 1, edge(step + 1).max(edge(step) + 1) - 1)).collect();
        let service = |port, proto, name: &str| (port, proto, Text::from(name));
        Self {
            state: random,
            servers,
            ranks,
            services: [
                service(443, 6, "tls"),
                service(443, 17, "quic"),
                service(80, 6, "http"),
                service(993, 6, "imaps"),
                service(123, 17, "ntp"),
            ],
            observer: "eth0".into(),
            places: (0..PLACES).map(place).collect(),
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        next(&mut self.state) % limit
    }

    /// A flow that ended a moment before `now`.
    pub(crate) fn record(&mut self, now: Timestamp) -> FlowRecord {
        let lasted = self.below(1 << 27) as i64 >> self.below(16);
        let end = now.plus_micros(-(self.below(2_000_000) as i64));
        let packets = 1 + (self.below(4_096) >> self.below(12));
        let mut record = FlowRecord {
            start: end.plus_micros(-lasted),
            end,
            observer: Some(Arc::clone(&self.observer)),
            src_port: Some(32_768 + self.below(28_232) as u16),
            forward: Counters { octets: packets * (52 + self.below(300)), packets },
            reverse: Counters { octets: packets * (52 + self.below(1_300)), packets },
            verdict: Some(Verdict::default()),
            ..FlowRecord::default()
        };
        let mut risk = Risk::default();
        risk.add(Reason::Base, 10);
        record.risk = Some(risk);
        if self.below(SCAN_EVERY) == 0 {
            self.scan(&mut record);
        } else if self.below(INTERNAL_EVERY) == 0 {
            self.resolve(&mut record);
        } else {
            self.browse(&mut record);
        }
        let is_tcp = record.proto == Some(6);
        record.tcp_flags_out = is_tcp.then_some(0x1b);
        record.tcp_flags_in = is_tcp.then_some(0x1b);
        record.end_reason = Some(if is_tcp { EndReason::End } else { EndReason::Idle });
        if self.below(THREAT_EVERY) == 0 {
            meet(&mut record);
        }
        record
    }

    fn host(&mut self) -> IpAddr {
        let host = self.below(HOSTS);
        Ipv4Addr::new(10, 20, (host / 60) as u8, 10 + (host % 60) as u8).into()
    }

    /// From a host to a server.
    fn browse(&mut self, record: &mut FlowRecord) {
        let step = self.below(RANKS as u64) as usize;
        let (low, high) = self.ranks[step];
        let rank = u64::from(low) + self.below(u64::from(high - low).max(1));
        record.src_ip = Some(self.host());
        let server = &self.servers[rank.min(SERVERS - 1) as usize];
        let (port, proto, service) = &self.services[server.service];
        (record.dst_port, record.proto) = (Some(*port), Some(*proto));
        record.service = Some(Arc::clone(service));
        record.dst_ip = Some(server.address);
        record.domain.clone_from(&server.domain);
        record.dst_place = Some(Arc::clone(&self.places[server.place]));
        record.direction = Some(Direction::Out);
    }

    /// From a host to the resolver of the office.
    fn resolve(&mut self, record: &mut FlowRecord) {
        record.src_ip = Some(self.host());
        record.dst_ip = Some(Ipv4Addr::new(10, 20, 0, 1).into());
        (record.dst_port, record.proto) = (Some(53), Some(17));
        record.service = Some("dns".into());
        record.direction = Some(Direction::Internal);
    }

    /// From anywhere to a port of the office.
    fn scan(&mut self, record: &mut FlowRecord) {
        let stranger = self.below(1 << 32) as u32;
        record.src_ip = Some(Ipv4Addr::from(stranger | 0x0100_0000).into());
        record.dst_ip = Some(Ipv4Addr::new(198, 51, 100, 7).into());
        let port = self.below(1_024) as u16;
        (record.dst_port, record.proto) = (Some(port), Some(6));
        record.reverse = Counters::default();
        record.src_place = Some(Arc::clone(&self.places[stranger as usize % PLACES]));
        record.direction = Some(Direction::In);
    }
}

/// SplitMix64 (S. Vigna).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn address(random: u64) -> IpAddr {
    if random.is_multiple_of(10) {
        let carrier = (random >> 32) as u16 % 64;
        return Ipv6Addr::new(0x2a00, 0x1000 + carrier, (random >> 16) as u16, 0, 0, 0, 0, 1).into();
    }
    // A third of the servers are in the networks of a few carriers.
    let octets = (random >> 8).to_le_bytes();
    let first = if random.is_multiple_of(3) {
        [13, 34, 104, 142][(octets[0] % 4) as usize]
    } else {
        23 + octets[0] % 180
    };
    Ipv4Addr::new(first, octets[1], octets[2], octets[3]).into()
}

fn name(n: usize, random: &mut u64) -> Text {
    let host = ["www", "cdn", "api", "img", "login", "mail"][(next(random) % 6) as usize];
    let end = ["example", "test", "invalid"][(next(random) % 3) as usize];
    format!("{host}.site{:x}-{n}.{end}", next(random) & 0xffff).into()
}

fn place(n: usize) -> Arc<Place> {
    let countries = [("US", "United States"), ("DE", "Germany"), ("NL", "Netherlands"), ("IE", "Ireland")];
    let (country, name) = countries[n % countries.len()];
    Arc::new(Place {
        geo: Some(Geo {
            country: Some(country.into()),
            country_name: Some(name.into()),
            city: Some(format!("City {}", n / 3).into()),
            lat: Some((n as f64).mul_add(0.1, -30.0)),
            lon: Some((n as f64).mul_add(0.2, -70.0)),
        }),
        asn: Some(Asn { asn: 64_500 + n as u32 / 4, org: Some(format!("Carrier {} AG", n / 4).into()) }),
    })
}

/// Has an indicator match.
fn meet(record: &mut FlowRecord) {
    if let Some(risk) = &mut record.risk {
        risk.add(Reason::ThreatMatch, 60);
    }
    record.tags.insert(Tag::Ti);
    let indicator = record.dst_ip.map(|address| address.to_string()).unwrap_or_default();
    let found = Match {
        indicator: indicator.into(),
        kind: IndicatorKind::Ip,
        category: "botnet".into(),
        confidence: 90,
        source: "list".into(),
        field: Field::DstIp,
    };
    record.verdict = Some(Verdict { matches: vec![found] });
}
