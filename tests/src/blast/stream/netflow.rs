//! NetFlow v5, v9 (RFC 3954) and IPFIX (RFC 7011).

use super::layout::{Layout, low, put};
use crate::exports::{Message, Template, UPTIME, netflow5};

const V5_RECORDS: usize = 30;
const V9_RECORDS: usize = 24;
const IPFIX_RECORDS: usize = 24;
/// The template of both formats that have one.
const TEMPLATE: u16 = 256;
const DOMAIN: u32 = 7;
const SECOND_MS: u64 = 1_000;

/// Fields of the NetFlow v9 template with their lengths, between which [`Layout`] says what is patched.
const V9_FIELDS: &[(u16, u16)] = &[
    (8, 4),
    (12, 4),
    (7, 2),
    (11, 2),
    (4, 1),
    (6, 1),
    (5, 1),
    (1, 4),
    (2, 4),
    (22, 4),
    (21, 4),
    (10, 4),
    (14, 4),
    (16, 4),
    (17, 4),
    (15, 4),
];
/// The same for IPFIX: counters of 64 bits, times in milliseconds, end reason.
const IPFIX_FIELDS: &[(u16, u16)] = &[
    (8, 4),
    (12, 4),
    (7, 2),
    (11, 2),
    (4, 1),
    (6, 1),
    (5, 1),
    (1, 8),
    (2, 8),
    (152, 8),
    (153, 8),
    (10, 4),
    (14, 4),
    (136, 1),
];

pub(super) static V5: Layout = Layout {
    records: V5_RECORDS,
    first_record: 24,
    record_octets: 48,
    src_port: 32,
    counts_datagrams: false,
    write: |flows| netflow5(0, flows),
    header: v5_header,
    times: |record, seen, _, up_ms| uptimes(record, 24, seen, up_ms),
    octets_of: |flow| flow.octets,
    packets_of: |flow| flow.packets,
};

pub(super) static V9: Layout = Layout {
    records: V9_RECORDS,
    first_record: 24,
    record_octets: length(V9_FIELDS),
    src_port: 8,
    counts_datagrams: true,
    write: |flows| v9().flows(&v9_template(), flows).bytes(),
    header: v9_header,
    times: |record, seen, _, up_ms| uptimes(record, 23, seen, up_ms),
    octets_of: |flow| flow.octets,
    packets_of: |flow| flow.packets,
};

pub(super) static IPFIX: Layout = Layout {
    records: IPFIX_RECORDS,
    first_record: 20,
    record_octets: length(IPFIX_FIELDS),
    src_port: 8,
    counts_datagrams: false,
    write: |flows| ipfix().flows(&ipfix_template(), flows).bytes(),
    header: ipfix_header,
    times: ipfix_times,
    octets_of: |flow| flow.octets,
    packets_of: |flow| flow.packets,
};

const fn length(fields: &[(u16, u16)]) -> usize {
    let (mut sum, mut at) = (0, 0);
    while at < fields.len() {
        sum += fields[at].1 as usize;
        at += 1;
    }
    sum
}

fn v5_header(out: &mut [u8], now_ms: u64, up_ms: u64, sequence: u32) {
    put(out, 4, &uptime(UPTIME, up_ms).to_be_bytes());
    put(out, 8, &low(now_ms / SECOND_MS).to_be_bytes());
    put(out, 12, &low(now_ms % SECOND_MS * 1_000_000).to_be_bytes());
    put(out, 16, &sequence.to_be_bytes());
}

/// An uptime as a flow or a first datagram has it, by so much later.
fn uptime(uptime: u32, up_ms: u64) -> u32 {
    low(u64::from(uptime) + up_ms)
}

/// First and last packet in milliseconds of uptime, side by side.
fn uptimes(record: &mut [u8], at: usize, seen: (u32, u32), up_ms: u64) {
    put(record, at, &uptime(seen.0, up_ms).to_be_bytes());
    put(record, at + 4, &uptime(seen.1, up_ms).to_be_bytes());
}

pub(super) fn v9_templates() -> Vec<u8> {
    v9().templates([&v9_template()]).bytes()
}

const fn v9() -> Message {
    Message::netflow9(DOMAIN, 0)
}

fn v9_template() -> Template {
    Template::new(TEMPLATE, V9_FIELDS)
}

fn v9_header(out: &mut [u8], now_ms: u64, up_ms: u64, sequence: u32) {
    put(out, 4, &uptime(UPTIME, up_ms).to_be_bytes());
    put(out, 8, &low(now_ms / SECOND_MS).to_be_bytes());
    put(out, 12, &sequence.to_be_bytes());
}

pub(super) fn ipfix_templates() -> Vec<u8> {
    ipfix().templates([&ipfix_template()]).bytes()
}

const fn ipfix() -> Message {
    Message::ipfix(DOMAIN, 0)
}

fn ipfix_template() -> Template {
    Template::new(TEMPLATE, IPFIX_FIELDS)
}

fn ipfix_header(out: &mut [u8], now_ms: u64, _up_ms: u64, sequence: u32) {
    put(out, 4, &low(now_ms / SECOND_MS).to_be_bytes());
    put(out, 8, &sequence.to_be_bytes());
}

fn ipfix_times(record: &mut [u8], seen: (u32, u32), now_ms: u64, _up_ms: u64) {
    let time = |seen: u32| (now_ms - u64::from(UPTIME - seen)).to_be_bytes();
    put(record, 31, &time(seen.0));
    put(record, 39, &time(seen.1));
}
