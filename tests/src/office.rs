//! A few minutes of a branch office: the capture that Weir ships for `weir run --replay`.
//!
//! Invented, but every frame is whole in its lengths and checksums. Data is cut after what an observer would read, as a
//! capture with a small snaplen has it. The suspicious ends are addresses reserved for documentation (RFC 5737).

use std::net::{IpAddr, SocketAddr};

use crate::frames::Packet;
use crate::frames::link::{self, Tag};
use crate::frames::transport::{ACK, RST, SYN, echo, icmp, tcp, udp};
use crate::payload;
use crate::pcap::Capture;
use crate::random::Random;
use crate::session::{From, Session};

const SECOND: u64 = 1_000_000;
/// Length of the capture.
const SPAN: u64 = 240 * SECOND;
/// Octets of application data that are kept of bulk.
const BARE: usize = 0;
/// Octets that are kept where the start of the data is worth reading.
const SPOKEN: usize = 200;

const TCP: u8 = 6;

const STAFF: u16 = 0;
const PHONES: u16 = 20;
const GUESTS: u16 = 30;

const RESOLVER: &str = "192.168.10.1:53";
const FILE_SERVER: &str = "192.168.10.10";
const UPSTREAMS: [&str; 3] = ["8.8.8.8:53", "1.1.1.1:53", "9.9.9.9:53"];
/// Names, and an address of the operator that the name suggests.
const SITES: [(&str, &str); 10] = [
    ("www.google.com", "142.250.74.36"),
    ("github.com", "140.82.121.4"),
    ("login.microsoftonline.com", "20.190.128.1"),
    ("www.apple.com", "17.253.144.10"),
    ("s3.amazonaws.com", "52.216.8.5"),
    ("www.cloudflare.com", "104.16.132.229"),
    ("deb.debian.org", "151.101.2.132"),
    ("www.wikipedia.org", "185.15.59.224"),
    ("dns.quad9.net", "9.9.9.9"),
    ("one.one.one.one", "1.1.1.1"),
];

/// Makes the capture; every call gives the same octets.
#[must_use]
pub fn capture() -> Capture {
    let mut office = Office { capture: Capture::new(link::ETHERNET), random: Random::new(20) };
    office.browsing();
    office.browsing_v6();
    office.files();
    office.telephone();
    office.housekeeping();
    office.scan();
    office.threats();
    office.upload();
    office.capture.sort();
    office.capture
}

struct Office {
    capture: Capture,
    random: Random,
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

impl Office {
    /// Puts a packet on the wire, keeping its headers and `keep` octets of its data.
    fn put(&mut self, when: u64, vlan: u16, packet: &Packet, keep: usize) {
        let tag = [Tag::q(vlan)];
        let tags = if vlan == STAFF { &tag[..0] } else { &tag };
        let frame = link::tagged(tags, packet);
        let lower = 14 + 4 * tags.len() + packet.bytes().len() - packet.body.len();
        let header = if packet.proto == TCP { 20 } else { 8 };
        self.capture.push_cut(when, frame, lower + header + keep);
    }

    fn port(&mut self) -> u16 {
        49_152 + u16::try_from(self.random.below(16_000)).expect("a port")
    }

    fn staff(&mut self) -> IpAddr {
        IpAddr::from([192, 168, 10, 20 + u8::try_from(self.random.below(12)).expect("few")])
    }

    /// A question to the office's resolver, which asks one of the public ones.
    fn name(&mut self, when: u64, station: IpAddr, name: &str, address: [u8; 4]) {
        let (client, id) =
            (SocketAddr::new(station, self.port()), u16::try_from(self.random.below(65_536)).expect("16"));
        let outside = (SocketAddr::new(at(RESOLVER).ip(), self.port()), at(self.random.pick(&UPSTREAMS)));
        for (delay, src, dst, answer) in [
            (0, client, at(RESOLVER), None),
            (700, outside.0, outside.1, None),
            (14_000, outside.1, outside.0, Some(address)),
            (14_400, at(RESOLVER), client, Some(address)),
        ] {
            self.put(when + delay, STAFF, &udp(src, dst, &payload::dns(id, name, answer)), SPOKEN);
        }
    }

    /// A TLS connection: `out` and `back` segments of data each way.
    fn tls(&mut self, when: u64, vlan: u16, ends: (SocketAddr, SocketAddr), name: &str, data: (u64, u64)) {
        let mut session = Session::new(ends.0, ends.1);
        for (packet, delay) in session.open().iter().zip([0, 18_000, 18_300]) {
            self.put(when + delay, vlan, packet, BARE);
        }
        let hello = session.send(From::Client, &payload::client_hello(name));
        self.put(when + 19_000, vlan, &hello, SPOKEN);
        let mut now = when + 40_000;
        for step in 0..data.0.max(data.1) {
            if step < data.1 {
                let packet = session.send(From::Server, &[0x17; 1_400]);
                self.put(now, vlan, &packet, BARE);
            }
            if step < data.0 {
                let packet = session.send(From::Client, &[0x17; 420]);
                self.put(now + 400, vlan, &packet, BARE);
            }
            now += 2_000 + self.random.below(400_000);
        }
        for (packet, delay) in session.close().iter().zip([0, 18_000, 18_200]) {
            self.put(now + delay, vlan, packet, BARE);
        }
    }

    fn browsing(&mut self) {
        for _ in 0..34 {
            let (station, when) = (self.staff(), self.random.below(SPAN - 20 * SECOND));
            let (name, address) = self.random.pick(&SITES);
            let IpAddr::V4(v4) = ip(address) else { unreachable!("the table has IPv4 addresses") };
            self.name(when, station, name, v4.octets());
            let ends = (SocketAddr::new(station, self.port()), SocketAddr::new(ip(address), 443));
            let data = (1 + self.random.below(4), 2 + self.random.below(10));
            self.tls(when + 16_000, STAFF, ends, name, data);
        }
        for guest in 2..8 {
            let when = self.random.below(SPAN / 2);
            let (name, address) = self.random.pick(&SITES);
            let ends = (
                SocketAddr::new(IpAddr::from([192, 168, 30, guest]), self.port()),
                SocketAddr::new(ip(address), 443),
            );
            self.tls(when, GUESTS, ends, name, (2, 6));
        }
    }

    fn browsing_v6(&mut self) {
        let resolver = at("[2606:4700:4700::1111]:53");
        let site = at("[2001:4860:4860::8888]:443");
        for host in 1..5_u16 {
            let station: IpAddr = IpAddr::from([0xfd10, 0, 0, 10, 0, 0, 0, 0x20 + host]);
            let (when, client) = (self.random.below(SPAN / 2), SocketAddr::new(station, self.port()));
            self.put(when, STAFF, &udp(client, resolver, &payload::dns(host, "dns.google", None)), SPOKEN);
            let answer = payload::dns(host, "dns.google", Some([8, 8, 8, 8]));
            self.put(when + 12_000, STAFF, &udp(resolver, client, &answer), SPOKEN);
            let ends = (SocketAddr::new(station, self.port()), site);
            self.tls(when + 14_000, STAFF, ends, "dns.google", (2, 4));
            // Neighbour solicitation for the router (RFC 4861 §4.3).
            let mut target = vec![0; 4];
            target.extend([0xfd, 0x10, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1]);
            let solicitation = icmp(station, ip("ff02::1:ff00:1"), 135, 0, &target);
            self.put(when - when / 3, STAFF, &solicitation, BARE);
        }
    }

    /// Documents from and to the file server, inside the office.
    fn files(&mut self) {
        for _ in 0..6 {
            let client = SocketAddr::new(self.staff(), self.port());
            let mut session = Session::new(client, SocketAddr::new(ip(FILE_SERVER), 445));
            let mut now = self.random.below(SPAN / 2);
            for packet in session.open() {
                self.put(now, STAFF, &packet, BARE);
                now += 200;
            }
            let hello = session.send(From::Client, &payload::smb2());
            self.put(now, STAFF, &hello, SPOKEN);
            for _ in 0..24 {
                now += 300 + self.random.below(3 * SECOND);
                let from = if self.random.chance(70) { From::Server } else { From::Client };
                let packet = session.send(from, &[0; 1_460]);
                self.put(now, STAFF, &packet, BARE);
            }
        }
    }

    /// A call from a desk phone through the provider.
    fn telephone(&mut self) {
        let (phone, provider) = (at("192.168.20.15:5060"), at("217.10.68.147:5060"));
        let start = 60 * SECOND;
        let mut now = start;
        for (out, line) in [
            (true, "INVITE sip:+4930123456@example.net SIP/2.0"),
            (false, "SIP/2.0 180 Ringing"),
            (false, "SIP/2.0 200 OK"),
            (true, "ACK sip:+4930123456@example.net SIP/2.0"),
        ] {
            let (src, dst) = if out { (phone, provider) } else { (provider, phone) };
            self.put(now, PHONES, &udp(src, dst, &payload::sip(line)).dscp(24), SPOKEN);
            now += 400_000;
        }
        let (ear, mouth) = (at("192.168.20.15:16384"), at("217.10.68.150:23456"));
        for sequence in 0..200_u16 {
            let when = now + u64::from(sequence) * 20_000;
            self.put(when, PHONES, &udp(ear, mouth, &payload::rtp(sequence, 1)).dscp(46), BARE);
            self.put(when + 9_000, PHONES, &udp(mouth, ear, &payload::rtp(sequence, 2)).dscp(46), BARE);
        }
    }

    /// Time, pings, a router that says no, ARP.
    fn housekeeping(&mut self) {
        for round in 0..4 {
            let (when, client) = (round * 60 * SECOND + 5_000, SocketAddr::new(ip("192.168.10.1"), 123));
            self.put(when, STAFF, &udp(client, at("162.159.200.123:123"), &payload::ntp(3)), SPOKEN);
            self.put(when + 9_000, STAFF, &udp(at("162.159.200.123:123"), client, &payload::ntp(4)), SPOKEN);
            self.capture.push(when + 2_000_000, link::arp());
        }
        for sequence in 0..30 {
            let (here, there) = (ip("192.168.10.21"), ip("8.8.8.8"));
            let when = 20 * SECOND + u64::from(sequence) * SECOND;
            self.put(when, STAFF, &echo(here, there, false, 77, sequence), BARE);
            self.put(when + 11_000, STAFF, &echo(there, here, true, 77, sequence), BARE);
        }
        let asked = udp(at("192.168.10.25:50000"), at("192.168.40.9:161"), b"who is there?");
        self.put(90 * SECOND, STAFF, &asked, SPOKEN);
        let rest = [&[0; 4][..], &asked.bytes()[..28]].concat();
        let refusal = icmp(ip("192.168.10.1"), ip("192.168.10.25"), 3, 1, &rest);
        self.put(90 * SECOND + 3_000, STAFF, &refusal, SPOKEN);
    }

    /// A guest tries the ports of the file server.
    fn scan(&mut self) {
        for port in 1..=120_u16 {
            let when = 100 * SECOND + u64::from(port) * 15_000;
            let (guest, server) = (at("192.168.30.66:40001"), SocketAddr::new(ip(FILE_SERVER), port));
            self.put(when, GUESTS, &tcp(guest, server, SYN, &[]), BARE);
            self.put(when + 300, GUESTS, &tcp(server, guest, RST | ACK, &[]), BARE);
        }
    }

    /// A name and addresses that are on the shipped indicator list.
    fn threats(&mut self) {
        let infected = ip("192.168.10.23");
        self.name(30 * SECOND, infected, "evil-example.com", [203, 0, 113, 7]);
        for round in 0..6 {
            let ends = (SocketAddr::new(infected, self.port()), at("203.0.113.7:443"));
            self.tls((31 + round * 30) * SECOND, STAFF, ends, "evil-example.com", (2, 1));
        }
        let knock = SocketAddr::new(ip("192.0.2.55"), 44_123);
        for (round, port) in [23, 445, 3389].into_iter().enumerate() {
            let (when, server) =
                (50 * SECOND + round as u64 * 40_000, SocketAddr::new(ip(FILE_SERVER), port));
            self.put(when, STAFF, &tcp(knock, server, SYN, &[]), BARE);
            self.put(when + 400, STAFF, &tcp(server, knock, RST | ACK, &[]), BARE);
        }
    }

    /// 1.2 MB leave the office for a remote desktop port.
    fn upload(&mut self) {
        let mut session = Session::new(at("192.168.10.31:51234"), at("198.51.100.99:3389"));
        let mut now = 150 * SECOND;
        for packet in session.open() {
            self.put(now, STAFF, &packet, BARE);
            now += 20_000;
        }
        for segment in 0..760 {
            let packet = session.send(From::Client, &[0; 1_460]);
            self.put(now, STAFF, &packet, BARE);
            now += 8_000;
            if segment % 6 == 5 {
                let packet = session.ack(From::Server);
                self.put(now, STAFF, &packet, BARE);
            }
        }
        for packet in session.close() {
            self.put(now, STAFF, &packet, BARE);
            now += 20_000;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_shipped_capture_is_small_and_always_the_same() {
        let bytes = super::capture().bytes();
        assert!(bytes.len() < 200_000, "{} octets", bytes.len());
        assert_eq!(bytes, super::capture().bytes());
    }
}
