//! Messages for tests, put together octet by octet.

use std::net::SocketAddr;
use std::time::Duration;

use weir_flow::{FlowRecord, Timestamp};

use super::{Arrival, Collector, Settings};

/// When test messages are exported: 2026-11-21T00:00:00Z.
pub(super) const EXPORT: u32 = 1_795_219_200;
/// The exporter's uptime then.
pub(super) const UPTIME: u32 = 600_000;
/// A length that stands for a variable one.
pub(super) const VARIABLE: u16 = 65_535;

/// An element with its length; `Some` enterprise sets the bit.
pub(super) type Field = (u16, u16, Option<u32>);

/// Source and destination address, ports, protocol, octets, packets.
pub(super) const FIVE_TUPLE: [Field; 7] =
    [(8, 4, None), (12, 4, None), (7, 2, None), (11, 2, None), (4, 1, None), (1, 4, None), (2, 4, None)];

/// A record of [`FIVE_TUPLE`], of 192.0.2.`host`.
pub(super) fn five_tuple(host: u8, octets: u32) -> Vec<u8> {
    let mut record = vec![192, 0, 2, host, 198, 51, 100, 7, 0xc0, 0x00, 0x01, 0xbb, 6];
    record.extend(octets.to_be_bytes());
    record.extend([0, 0, 0, 3]);
    record
}

fn field(&(id, length, enterprise): &Field) -> Vec<u8> {
    let bit = if enterprise.is_some() { 0x8000 } else { 0 };
    let mut specifier = [(id | bit).to_be_bytes(), length.to_be_bytes()].concat();
    specifier.extend(enterprise.map(u32::to_be_bytes).iter().flatten());
    specifier
}

/// A template record.
pub(super) fn template(id: u16, fields: &[Field]) -> Vec<u8> {
    let count = u16::try_from(fields.len()).unwrap();
    let mut record = [id.to_be_bytes(), count.to_be_bytes()].concat();
    fields.iter().for_each(|one| record.extend(field(one)));
    record
}

/// An IPFIX options template record.
pub(super) fn options_template(id: u16, scopes: u16, fields: &[Field]) -> Vec<u8> {
    let count = u16::try_from(fields.len()).unwrap();
    let mut record = [id.to_be_bytes(), count.to_be_bytes(), scopes.to_be_bytes()].concat();
    fields.iter().for_each(|one| record.extend(field(one)));
    record
}

/// A set.
pub(super) fn set(id: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let body = records.concat();
    let length = u16::try_from(body.len() + 4).unwrap();
    [id.to_be_bytes().to_vec(), length.to_be_bytes().to_vec(), body].concat()
}

/// An IPFIX message of observation domain `domain`.
pub(super) fn ipfix(domain: u32, sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let body = sets.concat();
    let length = u16::try_from(body.len() + 16).unwrap();
    let mut message = [10_u16.to_be_bytes(), length.to_be_bytes()].concat();
    [EXPORT, sequence, domain].iter().for_each(|number| message.extend(number.to_be_bytes()));
    message.extend(body);
    message
}

/// A NetFlow v9 message of source `domain`.
pub(super) fn v9(domain: u32, sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let mut message = [9_u16.to_be_bytes(), [0, 1]].concat();
    [UPTIME, EXPORT, sequence, domain].iter().for_each(|number| message.extend(number.to_be_bytes()));
    message.extend(sets.concat());
    message
}

/// A NetFlow v5 datagram with these records of 48 octets.
pub(super) fn v5(sequence: u32, sampling: u16, records: &[[u8; 48]]) -> Vec<u8> {
    let count = u16::try_from(records.len()).unwrap();
    let mut datagram = [5_u16.to_be_bytes(), count.to_be_bytes()].concat();
    [UPTIME, EXPORT, 250_000_000, sequence].iter().for_each(|number| datagram.extend(number.to_be_bytes()));
    datagram.extend([0, 0]);
    datagram.extend(sampling.to_be_bytes());
    datagram.extend(records.concat());
    datagram
}

/// A collector with what it gave.
pub(super) struct Bench {
    pub(super) collector: Collector,
    pub(super) records: Vec<FlowRecord>,
    /// Arrival of the next datagram.
    pub(super) at: Arrival,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Settings { max_exporters: 16, ..Settings::default() })
    }

    pub(super) fn with(settings: Settings) -> Self {
        let wall = Timestamp::from_millis(i64::from(EXPORT) * 1_000);
        let at = Arrival { wall: Some(wall), mono: Duration::ZERO };
        Self { collector: Collector::new(settings), records: Vec::new(), at }
    }

    /// A datagram of 203.0.113.1.
    pub(super) fn take(&mut self, payload: &[u8]) {
        self.take_from("203.0.113.1:4000", payload);
    }

    pub(super) fn take_from(&mut self, from: &str, payload: &[u8]) {
        let from: SocketAddr = from.parse().unwrap();
        let records = &mut self.records;
        self.collector.datagram(from, payload, self.at, &mut |record| records.push(record));
    }

    /// The first exporter of the report.
    pub(super) fn exporter(&self) -> super::report::Exporter {
        self.collector.report().exporters.remove(0)
    }
}
