//! Programs of Weir's own: what it does not want to see of itself, and how frames are spread over workers.

use std::net::IpAddr;

use super::{Error, Instruction, JUMP_ALWAYS, MAX_INSTRUCTIONS, Program, RET_K};
use crate::capture::interface::LinkType;

/// A connection of this process that capture leaves out, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnConnection {
    /// Address of the far end.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// IANA protocol number, TCP or UDP.
    pub proto: u8,
    /// Address of this end; when unknown, connections of other hosts to the same far end are left out as well.
    pub local: Option<IpAddr>,
}

const LD_W: u16 = 0x20;
const LD_H: u16 = 0x28;
const LD_B: u16 = 0x30;
const LD_H_X: u16 = 0x48;
const LD_LEN: u16 = 0x80;
/// x ← 4 × (low nibble of an octet): the length of an IPv4 header.
const LDX_MSH: u16 = 0xb1;
const TAX: u16 = 0x07;
const ADD_X: u16 = 0x0c;
const MUL_K: u16 = 0x24;
const AND_K: u16 = 0x54;
const RSH_K: u16 = 0x74;
const RET_A: u16 = 0x16;
const JEQ: u16 = 0x15;
const JGE: u16 = 0x35;
const JSET: u16 = 0x45;

/// Offsets from here up are the kernel's own data about a frame (`SKF_AD_OFF`, linux/filter.h).
const ANCILLARY: u32 = 0xffff_f000;
const ETHER_TYPE: u32 = ANCILLARY;
const PACKET_TYPE: u32 = ANCILLARY + 4;
/// Offsets from here up to [`ANCILLARY`] count from the network header (`SKF_NET_OFF`).
const NETWORK: u32 = 0xfff0_0000;

const PACKET_OUTGOING: u32 = 4;
const ETHERTYPE_IPV4: u32 = 0x0800;
const ETHERTYPE_IPV6: u32 = 0x86dd;
const ETHERTYPE_VLAN: u32 = 0x8100;
const ETHERTYPE_PPPOE: u32 = 0x8864;
const PPP_IPV4: u32 = 0x0021;
const PPP_IPV6: u32 = 0x0057;
const FRAGMENT_OFFSET: u32 = 0x1fff;
/// 2³² over the golden ratio: spreads neighbouring addresses (D. Knuth, TAOCP 3, §6.4).
const GOLDEN: u32 = 0x9e37_79b1;

const fn op(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

impl Program {
    /// The same program, without the frames of `connections`.
    ///
    /// Later fragments of a datagram and packets with IPv6 extension headers carry no ports at the place looked at and
    /// stay in.
    ///
    /// # Errors
    /// [`Error::TooLong`] when there are more connections than fit in a program.
    pub fn exclude(self, link: LinkType, connections: &[OwnConnection]) -> Result<Self, Error> {
        let mut code = Vec::new();
        for v6 in [false, true] {
            let blocks: Vec<_> = connections
                .iter()
                .filter(|own| own.address.is_ipv6() == v6)
                .flat_map(|own| block(link, own))
                .collect();
            if !blocks.is_empty() {
                code.extend(family(link, v6, blocks));
            }
        }
        code.extend(self.0);
        if code.len() > MAX_INSTRUCTIONS { Err(Error::TooLong(code.len())) } else { Ok(Self(code)) }
    }

    /// The same program, without the frames that this host sends: on the loopback interface each of them is seen once
    /// more as received.
    ///
    /// # Errors
    /// [`Error::TooLong`] when there is no room for it in the program.
    pub fn without_outgoing(self) -> Result<Self, Error> {
        let mut code = vec![op(LD_W, PACKET_TYPE), jump(JEQ, PACKET_OUTGOING, 0, 1), op(RET_K, 0)];
        code.extend(self.0);
        if code.len() > MAX_INSTRUCTIONS { Err(Error::TooLong(code.len())) } else { Ok(Self(code)) }
    }

    /// Not a filter: returns a number made from the two addresses of an IP packet, the same in both directions, with
    /// which the kernel chooses a worker. Fragments of a datagram and all flows between two hosts stay together; what
    /// is not IP, or lies under MPLS or more than one tag left in the frame, goes to the first worker.
    #[must_use]
    pub fn by_address_pair() -> Self {
        let mut code = vec![op(LD_H, ETHER_TYPE)];
        addresses(&mut code, ETHERTYPE_IPV4, ETHERTYPE_IPV6, NETWORK);
        for (outer, inner_at, ip_at, ipv4, ipv6) in [
            (ETHERTYPE_VLAN, 2, 4, ETHERTYPE_IPV4, ETHERTYPE_IPV6),
            (ETHERTYPE_PPPOE, 6, 8, PPP_IPV4, PPP_IPV6),
        ] {
            let mut inner = vec![op(LD_H, NETWORK + inner_at)];
            addresses(&mut inner, ipv4, ipv6, NETWORK + ip_at);
            inner.push(op(RET_K, 0));
            code.extend(guard([jump(JEQ, outer, 1, 0)], inner));
        }
        code.push(op(RET_K, 0));
        Self(code)
    }
}

/// `body` when `test` ends by skipping one instruction, else what follows `body`.
fn guard(test: impl IntoIterator<Item = Instruction>, body: Vec<Instruction>) -> Vec<Instruction> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut code: Vec<_> = test.into_iter().collect();
    code.push(op(JUMP_ALWAYS, length));
    code.extend(body);
    code
}

/// With the protocol in the accumulator: returns the mixed addresses of the packet at `ip`, or falls through.
fn addresses(code: &mut Vec<Instruction>, ipv4: u32, ipv6: u32, ip: u32) {
    for (proto, first, words) in [(ipv4, ip + 12, 2), (ipv6, ip + 8, 8)] {
        let mut sum = vec![op(LD_W, first)];
        for word in 1..words {
            sum.extend([op(TAX, 0), op(LD_W, first + 4 * word), op(ADD_X, 0)]);
        }
        sum.extend([op(MUL_K, GOLDEN), op(RSH_K, 16), op(RET_A, 0)]);
        code.extend(guard([jump(JEQ, proto, 1, 0)], sum));
    }
}

const fn link_header(link: LinkType) -> u32 {
    match link {
        LinkType::Ethernet => 14,
        LinkType::RawIp => 0,
    }
}

/// `blocks` behind the questions they share: is the frame long enough (a load past its end would reject it), is it of
/// this family, is it no later fragment.
fn family(link: LinkType, v6: bool, mut blocks: Vec<Instruction>) -> Vec<Instruction> {
    let ip = link_header(link);
    if !v6 {
        blocks.insert(0, op(LDX_MSH, ip));
        blocks = guard([op(LD_H, ip + 6), jump(JSET, FRAGMENT_OFFSET, 0, 1)], blocks);
    }
    let right_family = match link {
        LinkType::Ethernet => {
            guard([op(LD_H, 12), jump(JEQ, if v6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 }, 1, 0)], blocks)
        }
        LinkType::RawIp => {
            guard([op(LD_B, 0), op(AND_K, 0xf0), jump(JEQ, if v6 { 0x60 } else { 0x40 }, 1, 0)], blocks)
        }
    };
    let headers = if v6 { 40 + 4 } else { 20 + 4 };
    guard([op(LD_LEN, 0), jump(JGE, ip + headers, 1, 0)], right_family)
}

/// Returns 0 when the packet belongs to `own`, else falls through to what follows.
fn block(link: LinkType, own: &OwnConnection) -> Vec<Instruction> {
    let ip = link_header(link);
    let (proto_at, source, destination) =
        if own.address.is_ipv6() { (ip + 6, ip + 8, ip + 24) } else { (ip + 9, ip + 12, ip + 16) };
    let mut ways = one_way(own, ip, (source, destination), 0);
    ways.extend(one_way(own, ip, (destination, source), 2));
    guard([op(LD_B, proto_at), jump(JEQ, own.proto.into(), 1, 0)], ways)
}

/// One direction: far end's address at `ends.0`, this end's at `ends.1`, far end's port `port_at` into the ports.
fn one_way(own: &OwnConnection, ip: u32, ends: (u32, u32), port_at: u32) -> Vec<Instruction> {
    let mut tests = Vec::new();
    compare(&mut tests, ends.0, own.address);
    if let Some(local) = own.local.filter(|local| local.is_ipv6() == own.address.is_ipv6()) {
        compare(&mut tests, ends.1, local);
    }
    let port = if own.address.is_ipv6() { op(LD_H, ip + 40 + port_at) } else { op(LD_H_X, ip + port_at) };
    tests.push((port, own.port.into()));
    let mut code = vec![op(RET_K, 0)];
    for (load, value) in tests.into_iter().rev() {
        let to_end = u8::try_from(code.len()).unwrap_or(u8::MAX);
        code.splice(0..0, [load, jump(JEQ, value, 0, to_end)]);
    }
    code
}

fn compare(tests: &mut Vec<(Instruction, u32)>, at: u32, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => tests.push((op(LD_W, at), v4.to_bits())),
        IpAddr::V6(v6) => {
            let words = v6.octets();
            let words = words.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
            tests.extend((at..).step_by(4).zip(words).map(|(at, word)| (op(LD_W, at), word)));
        }
    }
}
