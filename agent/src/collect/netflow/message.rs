//! Messages of NetFlow v9 (RFC 3954 §5) and IPFIX (RFC 7011 §3): a header, then sets of templates, options and data.

use weir_flow::{Source, Timestamp};

use super::Origin;
use super::draft::Draft;
use super::template::{self, Dialect, Found, Kind, Template};
use super::time::Header;
use crate::collect::domain::{Announcement, Domain};
use crate::collect::park::{Park, Parked};
use crate::collect::sequence::Counted;
use crate::collect::wire::Reader;
use crate::collect::{Fault, Faults};
use crate::table::Sink;

const IPFIX_HEADER: usize = 16;
/// Octets of a set's own header: number and length.
const SET_HEADER: usize = 4;
/// Numbers from here on are those of templates; below, sets have a meaning of their own.
const FIRST_TEMPLATE: u16 = 256;

/// One message before its sets are read.
#[derive(Clone, Copy, Debug)]
pub(in crate::collect) struct Message<'a> {
    pub(in crate::collect) dialect: Dialect,
    pub(in crate::collect) header: Header,
    /// Observation domain (RFC 7011 §3.1) or source ID (RFC 3954 §5.1).
    pub(in crate::collect) domain: u32,
    pub(in crate::collect) sequence: u32,
    /// Everything after the header.
    sets: &'a [u8],
    /// Octets of it that the header speaks of; v9 does not say.
    length: Option<usize>,
}

/// What a message is decoded with, and into.
pub(in crate::collect) struct Job<'a, S> {
    pub(in crate::collect) origin: Origin,
    pub(in crate::collect) domain: &'a mut Domain,
    pub(in crate::collect) park: &'a mut Park,
    pub(in crate::collect) faults: &'a mut Faults,
    /// The exporter's count of datagrams, as time of use.
    pub(in crate::collect) turn: u64,
    /// For what has to wait.
    pub(in crate::collect) now: std::time::Duration,
    pub(in crate::collect) sink: &'a mut S,
    /// What was decoded, that of earlier messages which waited included.
    pub(in crate::collect) decoded: Counted,
    /// Some of this message's data could not be counted.
    pub(in crate::collect) is_incomplete: bool,
}

impl<'a> Message<'a> {
    /// Reads the header of a v9 or IPFIX message.
    ///
    /// # Errors
    /// It is cut off, or its length is less than its own.
    pub(in crate::collect) fn read(payload: &'a [u8], dialect: Dialect) -> Result<Self, Fault> {
        let mut reader = Reader::new(payload);
        let message = match dialect {
            Dialect::V9 => Self::v9(&mut reader),
            Dialect::Ipfix => Self::ipfix(&mut reader),
        };
        let message = message.ok_or(Fault::Truncated)?;
        if message.length.is_some_and(|length| length < IPFIX_HEADER) {
            return Err(Fault::BadLength);
        }
        Ok(message)
    }

    fn v9(reader: &mut Reader<'a>) -> Option<Self> {
        // The count of records is wrong in several exporters; the sets say for themselves how much they hold.
        let (_version, _count) = (reader.u16()?, reader.u16()?);
        let (uptime, seconds) = (reader.u32()?, reader.u32()?);
        let (sequence, domain) = (reader.u32()?, reader.u32()?);
        let header = Header { export: at(seconds), uptime: Some(uptime), sys_init: None };
        Some(Self { dialect: Dialect::V9, header, domain, sequence, sets: reader.rest(), length: None })
    }

    fn ipfix(reader: &mut Reader<'a>) -> Option<Self> {
        let (_version, length) = (reader.u16()?, reader.u16()?);
        let (seconds, sequence, domain) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let header = Header { export: at(seconds), uptime: None, sys_init: None };
        let length = Some(length.into());
        Some(Self { dialect: Dialect::Ipfix, header, domain, sequence, sets: reader.rest(), length })
    }

    /// The record's `source`.
    pub(in crate::collect) const fn source(&self) -> Source {
        match self.dialect {
            Dialect::V9 => Source::Netflow9,
            Dialect::Ipfix => Source::Ipfix,
        }
    }

    /// Decodes all sets; what is wrong with one does not concern those before it.
    pub(in crate::collect) fn decode<S: Sink>(&self, job: &mut Job<'_, S>) {
        let end = self.length.map_or(self.sets.len(), |length| length - IPFIX_HEADER);
        if end > self.sets.len() {
            job.fault(Fault::Truncated);
        }
        let mut reader = Reader::new(self.sets);
        while !reader.is_empty() && self.sets.len() - reader.len() < end {
            if is_padding(reader.rest()) {
                return;
            }
            if let Err(fault) = self.set(&mut reader, job) {
                return job.fault(fault);
            }
        }
        if !is_padding(reader.rest()) {
            job.faults.count(Fault::TrailingOctets);
        }
    }

    /// Decodes the next set.
    ///
    /// # Errors
    /// What follows it cannot be found.
    fn set<S: Sink>(&self, reader: &mut Reader<'a>, job: &mut Job<'_, S>) -> Result<(), Fault> {
        let id = reader.u16().ok_or(Fault::TrailingOctets)?;
        let length = usize::from(reader.u16().ok_or(Fault::TrailingOctets)?);
        let length = length.checked_sub(SET_HEADER).ok_or(Fault::BadLength)?;
        let (body, is_cut) = match reader.take(length) {
            Some(body) => (body, false),
            None => (reader.take(reader.len()).unwrap_or_default(), true),
        };
        let (templates, options) = match self.dialect {
            Dialect::V9 => (0, 1),
            Dialect::Ipfix => (2, 3),
        };
        match id {
            _ if id == templates => self.templates(body, Kind::Data, job),
            _ if id == options => self.templates(body, Kind::Options, job),
            FIRST_TEMPLATE.. => job.data(self, id, body, is_cut),
            _ => job.fault(Fault::BadTemplate),
        }
        if is_cut { Err(Fault::BadLength) } else { Ok(()) }
    }

    fn templates<S: Sink>(&self, body: &'a [u8], kind: Kind, job: &mut Job<'_, S>) {
        let mut reader = Reader::new(body);
        while reader.len() >= self.dialect.shortest_template() && !is_padding(reader.rest()) {
            match template::next(&mut reader, self.dialect, kind) {
                Ok(Found::Template(id, announced)) => match job.domain.announce(id, &announced, job.turn) {
                    Ok(Announcement::Known) => {}
                    Ok(Announcement::New) => job.unpark(self, id),
                    Err(fault) => job.fault(fault),
                },
                Ok(Found::Withdrawal(id)) => job.domain.withdraw(id, kind),
                Ok(Found::Refused(fault)) => job.fault(fault),
                Err(fault) => return job.fault(fault),
            }
        }
    }
}

impl<S: Sink> Job<'_, S> {
    /// Counts what cannot be decoded; how many records it held is not known.
    fn fault(&mut self, fault: Fault) {
        self.faults.count(fault);
        self.is_incomplete = true;
    }

    fn data(&mut self, message: &Message<'_>, id: u16, body: &[u8], is_cut: bool) {
        if self.domain.knows(id, self.turn) {
            self.records(message.source(), message.domain, &message.header, id, body);
            self.is_incomplete |= is_cut;
            return;
        }
        self.is_incomplete = true;
        let (dialect, domain, header) = (message.dialect, message.domain, message.header);
        let clock = self.origin.clock;
        self.park.put(
            Parked { dialect, domain, id, header, clock, since: self.now, body: body.into() },
            self.faults,
        );
    }

    /// Decodes the data that waited for template `id`.
    fn unpark(&mut self, message: &Message<'_>, id: u16) {
        let clock = self.origin.clock;
        for set in self.park.take(message.dialect, message.domain, id) {
            self.origin.clock = set.clock;
            self.records(message.source(), set.domain, &set.header, id, &set.body);
        }
        self.origin.clock = clock;
    }

    fn records(&mut self, source: Source, number: u32, header: &Header, id: u16, body: &[u8]) {
        let Domain { templates, knowledge, .. } = &mut *self.domain;
        let Some(template) = templates.get(&id) else { return };
        let header = Header { sys_init: knowledge.sys_init, ..*header };
        let (origin, sink, decoded) = (self.origin, &mut *self.sink, &mut self.decoded);
        let mut cut = 0;
        let read = match template.kind {
            Kind::Options => template.records(body, |draft| {
                decoded.options += 1;
                knowledge.learn(draft);
            }),
            Kind::Data => template.records(body, |draft| {
                decoded.flows += 1;
                knowledge.explain(draft);
                cut += u64::from(draft.is_cut);
                let record = draft.finish(&header);
                record.source = source;
                let exported = record.exported.get_or_insert_default();
                exported.exporter = origin.exporter;
                exported.observation_domain = Some(number);
                origin.correct(record);
                sink.take(std::mem::take(record));
            }),
        };
        self.faults.add(Fault::GiantField, cut);
        if let Err(fault) = read {
            self.fault(fault);
        }
    }
}

/// True for what stands between the last record and the end (RFC 7011 §3.3.1), and for nothing.
fn is_padding(octets: &[u8]) -> bool {
    octets.iter().all(|&octet| octet == 0)
}

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_micros(i64::from(seconds) * 1_000_000)
}

impl Template {
    /// Reads the records of a data set.
    ///
    /// # Errors
    /// A record runs past the set; those before it were read.
    fn records<'a>(&self, body: &'a [u8], mut each: impl FnMut(&mut Draft<'a>)) -> Result<(), Fault> {
        let (mut reader, mut draft) = (Reader::new(body), Draft::default());
        while reader.len() >= self.shortest {
            match self.fixed {
                Some(length) => self.fixed_record(reader.take(length).unwrap_or_default(), &mut draft),
                None => self.variable_record(&mut reader, &mut draft).ok_or(Fault::BadRecord)?,
            }
            each(&mut draft);
            draft.clear();
        }
        // What is shorter than a record is padding, whatever it holds: some exporters leave old memory there.
        Ok(())
    }

    #[inline]
    fn fixed_record<'a>(&self, record: &'a [u8], draft: &mut Draft<'a>) {
        for step in &self.steps {
            let at = usize::from(step.at);
            if let Some(element) = step.element
                && let Some(octets) = record.get(at..at + usize::from(step.length))
            {
                draft.set(element, octets);
            }
        }
    }

    fn variable_record<'a>(&self, reader: &mut Reader<'a>, draft: &mut Draft<'a>) -> Option<()> {
        for step in &self.steps {
            let length = match step.length {
                template::VARIABLE => variable_length(reader)?,
                length => length.into(),
            };
            let octets = reader.take(length)?;
            if let Some(element) = step.element {
                draft.set(element, octets);
            }
        }
        Some(())
    }
}

/// The length in front of a field of variable length (RFC 7011 §7): one octet, or 255 and two more.
fn variable_length(reader: &mut Reader<'_>) -> Option<usize> {
    match reader.u8()? {
        255 => reader.u16().map(usize::from),
        length => Some(length.into()),
    }
}
