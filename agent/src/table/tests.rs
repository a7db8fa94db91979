//! Unit tests of the flow table: cases by name here, whole runs against a naive model in [`model`].

mod cases;
mod model;

use weir_flow::{FlowRecord, Timestamp};

use super::{At, Config, FlowTable, Seconds};
use crate::capture::{Frame, VlanTag};
use crate::packet::{Decoder, LinkType, Packet};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SECOND: i64 = 1_000_000;
const TICK: i64 = 1 << 20;

/// Host 10.0.0.`.0` and its port.
type End = (u8, u16);

/// An IPv4 packet of `octets`, as the decoder reads it.
fn packet(proto: u8, src: End, dst: End, flags: u8, octets: u16) -> Packet {
    tagged(None, proto, src, dst, flags, octets)
}

fn tagged(vlan: Option<u16>, proto: u8, src: End, dst: End, flags: u8, octets: u16) -> Packet {
    let mut bytes = vec![0x45, 0];
    bytes.extend(octets.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, src.0, 10, 0, 0, dst.0]);
    bytes.extend(src.1.to_be_bytes());
    bytes.extend(dst.1.to_be_bytes());
    bytes.extend([0; 9]);
    bytes.extend([flags, 0, 0, 0, 0, 0, 0]);
    let vlan = vlan.map(|tci| VlanTag { tci, tpid: 0x8100 });
    let frame = Frame {
        timestamp: Timestamp::default(),
        wire_len: octets.into(),
        data: &bytes,
        vlan,
        outgoing: false,
    };
    Decoder::new(false).decode(LinkType::RawIp, &frame).unwrap()
}

fn seconds(value: u64) -> Seconds {
    Seconds::try_from(value).unwrap()
}

/// An instant by two clocks that agree.
fn at(micros: i64) -> At {
    At { wall: Timestamp::from_micros(micros), table: micros }
}

/// A table, its packets at times in seconds, and what came of them.
struct Run {
    table: FlowTable,
    records: Vec<FlowRecord>,
}

impl Run {
    fn new() -> Self {
        Self { table: FlowTable::new(Config::default()), records: Vec::new() }
    }

    fn see(&mut self, at: At, packet: &Packet) {
        self.table.ingest(packet, at, &mut |record| self.records.push(record));
    }

    fn tcp(&mut self, second: i64, src: End, dst: End, flags: u8) {
        self.see(at(second * SECOND), &packet(TCP, src, dst, flags, 40));
    }

    fn expire(&mut self, table: i64, limit: usize) -> bool {
        self.table.expire(table, limit, &mut |record| self.records.push(record))
    }

    fn drained(mut self) -> Vec<FlowRecord> {
        self.table.drain(&mut |record| self.records.push(record));
        assert!(self.table.is_empty());
        self.records
    }
}
