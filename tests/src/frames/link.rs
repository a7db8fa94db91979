//! Link layers around an IP packet.

use super::Packet;
use super::checksum::address;

/// `LINKTYPE_ETHERNET` (www.tcpdump.org/linktypes.html, as are the others).
pub const ETHERNET: u32 = 1;
/// `LINKTYPE_NULL`: BSD loopback, family in the byte order of the machine.
pub const NULL: u32 = 0;
/// `LINKTYPE_PPP`.
pub const PPP: u32 = 9;
/// `LINKTYPE_RAW`: IPv4 or IPv6 by its version.
pub const RAW: u32 = 101;
/// `LINKTYPE_LOOP`: OpenBSD loopback, family in network order.
pub const LOOP: u32 = 108;
/// `LINKTYPE_LINUX_SLL`.
pub const LINUX_SLL: u32 = 113;
/// `LINKTYPE_IPV4`.
pub const IPV4: u32 = 228;
/// `LINKTYPE_IPV6`.
pub const IPV6: u32 = 229;
/// `LINKTYPE_LINUX_SLL2`.
pub const LINUX_SLL2: u32 = 276;

/// Shortest Ethernet frame without its check sequence.
pub const SHORTEST: usize = 60;

/// A VLAN tag.
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    /// Tag protocol: 0x8100 (802.1Q), 0x88a8 (802.1ad), 0x9100.
    pub tpid: u16,
    /// VLAN identifier, 0 to 4095.
    pub vid: u16,
}

impl Tag {
    /// An 802.1Q tag.
    #[must_use]
    pub const fn q(vid: u16) -> Self {
        Self { tpid: 0x8100, vid }
    }

    /// An 802.1ad service tag.
    #[must_use]
    pub const fn ad(vid: u16) -> Self {
        Self { tpid: 0x88a8, vid }
    }
}

fn ethertype(packet: &Packet) -> u16 {
    if packet.src.is_ipv4() { 0x0800 } else { 0x86dd }
}

/// A locally administered address made from the end of an IP address.
fn mac(ip: std::net::IpAddr) -> [u8; 6] {
    let octets = address(ip);
    let [.., a, b, c] = octets[..] else { unreachable!("an address has 4 or 16 octets") };
    [2, 0, octets[0], a, b, c]
}

fn macs(packet: &Packet) -> Vec<u8> {
    [mac(packet.dst), mac(packet.src)].concat()
}

/// Pads to the shortest frame, as a network card does: the IP length is then less than the frame's.
fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(SHORTEST), 0);
    frame
}

/// An Ethernet frame.
#[must_use]
pub fn ethernet(packet: &Packet) -> Vec<u8> {
    ethernet_of(packet, &packet.bytes())
}

/// An Ethernet frame around `bytes`, a fragment of `packet`.
#[must_use]
pub fn ethernet_of(packet: &Packet, bytes: &[u8]) -> Vec<u8> {
    tagged_of(&[], packet, bytes)
}

/// An Ethernet frame with VLAN tags, outermost first.
#[must_use]
pub fn tagged(tags: &[Tag], packet: &Packet) -> Vec<u8> {
    tagged_of(tags, packet, &packet.bytes())
}

fn tagged_of(tags: &[Tag], packet: &Packet, bytes: &[u8]) -> Vec<u8> {
    let mut frame = macs(packet);
    for tag in tags {
        frame.extend(tag.tpid.to_be_bytes());
        frame.extend(tag.vid.to_be_bytes());
    }
    frame.extend(ethertype(packet).to_be_bytes());
    frame.extend(bytes);
    padded(frame)
}

/// An Ethernet frame with MPLS labels (RFC 3032), outermost first.
#[must_use]
pub fn mpls(labels: &[u32], packet: &Packet) -> Vec<u8> {
    let mut frame = macs(packet);
    frame.extend([0x88, 0x47]);
    for (at, label) in labels.iter().enumerate() {
        let bottom = u32::from(at + 1 == labels.len());
        frame.extend((label << 12 | bottom << 8 | 64).to_be_bytes());
    }
    frame.extend(packet.bytes());
    padded(frame)
}

/// A PPPoE session frame (RFC 2516).
#[must_use]
pub fn pppoe(session: u16, packet: &Packet) -> Vec<u8> {
    let bytes = packet.bytes();
    let mut frame = macs(packet);
    frame.extend([0x88, 0x64, 0x11, 0]);
    frame.extend(session.to_be_bytes());
    frame.extend(u16::try_from(bytes.len() + 2).expect("below 64 KiB").to_be_bytes());
    frame.extend(ppp_protocol(packet));
    frame.extend(bytes);
    padded(frame)
}

fn ppp_protocol(packet: &Packet) -> [u8; 2] {
    if packet.src.is_ipv4() { [0x00, 0x21] } else { [0x00, 0x57] }
}

/// A PPP frame in HDLC framing (RFC 1662), as captures of `PPP` have it.
#[must_use]
pub fn ppp(packet: &Packet) -> Vec<u8> {
    [&[0xff, 0x03][..], &ppp_protocol(packet), &packet.bytes()].concat()
}

/// A Linux cooked frame, version 1.
#[must_use]
pub fn cooked(packet: &Packet) -> Vec<u8> {
    let mut frame = vec![0, 0, 0, 1, 0, 6];
    frame.extend(mac(packet.src));
    frame.extend([0, 0]);
    frame.extend(ethertype(packet).to_be_bytes());
    frame.extend(packet.bytes());
    frame
}

/// A Linux cooked frame, version 2.
#[must_use]
pub fn cooked2(packet: &Packet) -> Vec<u8> {
    let mut frame = ethertype(packet).to_be_bytes().to_vec();
    frame.extend([0, 0, 0, 0, 0, 2, 0, 1, 0, 6]);
    frame.extend(mac(packet.src));
    frame.extend([0, 0]);
    frame.extend(packet.bytes());
    frame
}

/// A BSD loopback frame in little-endian order; `v6_family` is 24, 28 or 30 by system.
#[must_use]
pub fn null(v6_family: u8, packet: &Packet) -> Vec<u8> {
    let family = if packet.src.is_ipv4() { 2 } else { v6_family };
    [&[family, 0, 0, 0][..], &packet.bytes()].concat()
}

/// An OpenBSD loopback frame.
#[must_use]
pub fn bsd_loop(packet: &Packet) -> Vec<u8> {
    let family = if packet.src.is_ipv4() { 2 } else { 24 };
    [&[0, 0, 0, family][..], &packet.bytes()].concat()
}

/// An ARP request: a frame that carries no IP packet.
#[must_use]
pub fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 10, 0, 0, 1, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend([2, 0, 10, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    padded(frame)
}
