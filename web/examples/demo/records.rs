//! Made-up flow records of a branch office.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use weir_flow::{
    Asn, Counters, Direction, EndReason, Field, FlowRecord, Geo, IndicatorKind, Match, Place, Reason, Risk,
    Tag, Text, Timestamp, Verdict,
};

use crate::scene::Scene;

/// Address, port, service, country, its name, AS, organisation, name.
type Peer = (&'static str, u16, &'static str, &'static str, &'static str, u32, &'static str, &'static str);

const PEERS: [Peer; 8] = [
    ("203.0.113.10", 443, "tls", "US", "United States", 64_496, "Example Cloud Inc.", "api.example.com"),
    ("198.51.100.53", 53, "dns", "DE", "Germany", 64_497, "Example Resolver GmbH", "www.example.org"),
    ("203.0.113.77", 443, "quic", "NL", "Netherlands", 64_498, "Example CDN B.V.", "cdn.example.net"),
    ("2001:db8:20::5", 443, "tls", "FR", "France", 64_499, "Example Télécom SA", "mail.example.fr"),
    ("192.0.2.44", 3389, "rdp", "BR", "Brazil", 64_500, "Example Hosting Ltda.", ""),
    ("198.51.100.9", 123, "ntp", "SE", "Sweden", 64_501, "Example Time AB", "ntp.example.se"),
    ("10.20.0.5", 445, "smb", "", "", 0, "", "files.branch.example"),
    ("192.0.2.200", 22, "ssh", "SG", "Singapore", 64_502, "Example Data Centres Pte. Ltd.", ""),
];

pub(crate) struct Records {
    scene: Scene,
    seed: u64,
}

impl Records {
    pub(crate) fn new(scene: Scene) -> Self {
        Self { scene, seed: 0x9e37_79b9_7f4a_7c15 }
    }

    /// The records of the next commit.
    pub(crate) fn next(&mut self, now: Timestamp) -> Vec<FlowRecord> {
        let many = if matches!(self.scene, Scene::Busy | Scene::Hostile) { 3 + self.roll(12) } else { 0 };
        (0..many).map(|_| self.record(now)).collect()
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.roll(200)).unwrap_or(0) + 10
    }

    fn record(&mut self, now: Timestamp) -> FlowRecord {
        let peer = PEERS[usize::try_from(self.roll(8)).unwrap_or(0)];
        let dst: IpAddr = peer.0.parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let host = self.octet();
        let src: IpAddr = if dst.is_ipv4() {
            [10, 20, 1, host].into()
        } else {
            [0x2001, 0xdb8, 0x10, 0, 0, 0, 0, u16::from(host)].into()
        };
        let port = 32_768 + u16::try_from(self.roll(28_000)).unwrap_or(0);
        let proto = if matches!(peer.1, 53 | 123) || peer.2 == "quic" { 17 } else { 6 };
        let lasted = i64::try_from(self.roll(90_000_000)).unwrap_or(0);
        let packets = 1 + self.roll(900);
        let threat = self.roll(25) == 0;
        FlowRecord {
            start: now.plus_micros(-lasted),
            end: now,
            observer: Some("eth0".into()),
            src_ip: Some(src),
            dst_ip: Some(dst),
            src_port: Some(port),
            dst_port: Some(peer.1),
            proto: Some(proto),
            forward: Counters { octets: packets * (60 + self.roll(400)), packets },
            reverse: Counters { octets: packets * (60 + self.roll(1300)), packets: packets + self.roll(90) },
            tcp_flags_out: (proto == 6).then_some(0x1b),
            tcp_flags_in: (proto == 6).then_some(0x13),
            end_reason: Some(if proto == 6 { EndReason::End } else { EndReason::Idle }),
            service: Some(peer.2.into()),
            domain: self.text(peer.7),
            dst_place: (peer.5 != 0).then(|| Arc::new(self.place(&peer))),
            direction: Some(if peer.5 == 0 { Direction::Internal } else { Direction::Out }),
            verdict: Some(verdict(threat, peer.0)),
            risk: Some(risk(threat, peer.1)),
            tags: [Tag::Ti].into_iter().filter(|_| threat).fold(
                weir_flow::Tags::default(),
                |mut tags, tag| {
                    tags.insert(tag);
                    tags
                },
            ),
            ..FlowRecord::default()
        }
    }

    fn text(&mut self, honest: &str) -> Option<Text> {
        if !matches!(self.scene, Scene::Hostile) {
            return (!honest.is_empty()).then(|| honest.into());
        }
        Some(match self.roll(4) {
            0 => "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>".into(),
            1 => "\u{202e}moc.elpmaxe\u{2066}\u{200b}\u{7}\u{1b}[31m.example".into(),
            2 => "a".repeat(10_000).into(),
            _ => "ﷺ\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}\u{30b}\u{30c}.example".into(),
        })
    }

    fn place(&mut self, peer: &Peer) -> Place {
        let country = Some(peer.3.into());
        let geo = Geo { country, country_name: Some(peer.4.into()), ..Geo::default() };
        Place { geo: Some(geo), asn: Some(Asn { asn: peer.5, org: self.text(peer.6) }) }
    }
}

fn verdict(threat: bool, indicator: &str) -> Verdict {
    let found = Match {
        indicator: indicator.into(),
        kind: IndicatorKind::Ip,
        category: "c2".into(),
        confidence: 85,
        source: "branch-list".into(),
        field: Field::DstIp,
    };
    Verdict { matches: if threat { vec![found] } else { Vec::new() } }
}

fn risk(threat: bool, port: u16) -> Risk {
    let mut risk = Risk::default();
    risk.add(Reason::Base, 10);
    if threat {
        risk.add(Reason::ThreatMatch, 60);
    }
    if matches!(port, 23 | 445 | 1433 | 3389) {
        risk.add(Reason::RiskyPort, 10);
    }
    risk
}
