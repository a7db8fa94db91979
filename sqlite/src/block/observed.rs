//! Columns of when, where and by whom a row was observed.

use std::sync::Arc;

use weir_flow::{FlowRecord, Kind, Origin, Text, Timestamp};

use super::column::{Column, Input, Micros, MicrosReader, Shorts, ShortsReader};
use super::dictionary::{Memo, TextColumn, TextColumnReader, Texts, TextsReader, shared};
use super::route::{Route, RouteReader};
use super::{Damage, code, presence};
use crate::filter::{Filters, Space, Term};

/// Writes them, in this order.
#[derive(Debug, Default)]
pub(super) struct Observed {
    end: Micros,
    lasted: Micros,
    source: Column,
    kind: Column,
    name: TextColumn,
    observer: TextColumn,
    origin: Shorts,
    origins: Texts,
    route: Route,
    memo: Memo<Origin>,
    scratch: Column,
}

impl Observed {
    pub(super) fn push(&mut self, record: &FlowRecord) {
        let (start, end) = (record.start.micros(), record.end.micros());
        self.end.push(end);
        if start != end {
            self.lasted.push(end.wrapping_sub(start));
        }
        self.source.octet(code::source(record.source));
        self.kind.octet(code::kind(&record.kind));
        if let Kind::Other(name) = &record.kind {
            self.name.push(name.as_bytes());
        }
        if let Some(observer) = &record.observer {
            self.observer.push(observer.as_bytes());
        }
        if let Some(origin) = &record.origin {
            let Self { origins, scratch, .. } = self;
            let code = self.memo.code(origin, |origin| {
                describe(origin, scratch);
                (origins.code(&scratch.0), origins.last())
            });
            self.origin.push(code);
        }
        if let Some(exported) = &record.exported {
            self.route.push(exported);
        }
    }

    /// Adds the terms of what was pushed.
    pub(super) fn gather(&self, filters: &mut Filters) {
        filters.octets(Space::Source, &self.source.0);
        filters.octets(Space::Kind, &self.kind.0);
        self.name.entries().for_each(|name| filters.term(code::kind_term(code::OTHER, name)));
        self.observer.entries().for_each(|name| filters.term(Term::exact(Space::Observer, name)));
        self.route.gather(filters);
    }

    pub(super) fn clear(&mut self) {
        self.end.clear();
        self.lasted.clear();
        self.source.clear();
        self.kind.clear();
        self.name.clear();
        self.observer.clear();
        self.origin.clear();
        self.origins.clear();
        self.route.clear();
        self.memo.clear();
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.end.write(true, out);
        self.lasted.write(false, out);
        self.source.write(out);
        self.kind.write(out);
        self.name.write(out);
        self.observer.write(out);
        self.origin.write(out);
        self.origins.write(out);
        self.route.write(out);
        self.memo.clear();
    }
}

/// An octet that says which are there, then the texts.
fn describe(origin: &Origin, out: &mut Column) {
    out.clear();
    let parts = [&origin.collector_id, &origin.trace_id];
    out.octet(parts.iter().zip([1, 2]).map(|(part, bit)| if part.is_some() { bit } else { 0 }).sum());
    parts.into_iter().flatten().for_each(|part| out.text(part.as_bytes()));
}

fn read_origin(octets: &[u8]) -> Result<Arc<Origin>, Damage> {
    let mut input = Input(octets);
    let bits = input.octet()?;
    let mut part =
        |bit| if bits & bit == 0 { Ok(None) } else { input.text().map(|text| Some(Text::from(text))) };
    let (collector_id, trace_id) = (part(1)?, part(2)?);
    Ok(Arc::new(Origin { collector_id, trace_id }))
}

/// Reads them.
pub(super) struct ObservedReader<'a> {
    pub(super) end: MicrosReader<'a>,
    pub(super) lasted: MicrosReader<'a>,
    pub(super) source: Input<'a>,
    pub(super) kind: Input<'a>,
    pub(super) name: TextColumnReader<'a, Text>,
    pub(super) observer: TextColumnReader<'a, Text>,
    origin: ShortsReader<'a>,
    origins: TextsReader<'a, Arc<Origin>>,
    pub(super) route: RouteReader<'a>,
}

impl<'a> ObservedReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self {
            end: MicrosReader::new(true, block)?,
            lasted: MicrosReader::new(false, block)?,
            source: block.column()?,
            kind: block.column()?,
            name: TextColumnReader::new(block)?,
            observer: TextColumnReader::new(block)?,
            origin: ShortsReader::new(block)?,
            origins: TextsReader::new(block)?,
            route: RouteReader::new(block)?,
        })
    }

    /// Passes a row by.
    pub(super) fn pass(&mut self, has: u64) -> Result<(), Damage> {
        self.end.next()?;
        if has & presence::LASTED != 0 {
            self.lasted.next()?;
        }
        self.source.octet()?;
        if self.kind.octet()? == code::OTHER {
            self.name.next(shared)?;
        }
        if has & presence::OBSERVER != 0 {
            self.observer.next(shared)?;
        }
        if has & presence::ORIGIN != 0 {
            self.origins.resolve(self.origin.next()?, read_origin)?;
        }
        if has & presence::EXPORTED != 0 {
            self.route.next()?;
        }
        Ok(())
    }

    pub(super) fn next(&mut self, has: u64, record: &mut FlowRecord) -> Result<(), Damage> {
        let end = self.end.next()?;
        let lasted = if has & presence::LASTED == 0 { 0 } else { self.lasted.next()? };
        record.end = Timestamp::from_micros(end);
        record.start = Timestamp::from_micros(end.wrapping_sub(lasted));
        record.source = code::to_source(self.source.octet()?)?;
        record.kind = match self.kind.octet()? {
            code::OTHER => Kind::Other(self.name.next(shared)?.clone()),
            known => code::to_kind(known)?,
        };
        if has & presence::OBSERVER != 0 {
            record.observer = Some(self.observer.next(shared)?.clone());
        }
        if has & presence::ORIGIN != 0 {
            record.origin = Some(self.origins.resolve(self.origin.next()?, read_origin)?.clone());
        }
        if has & presence::EXPORTED != 0 {
            record.exported = Some(self.route.next()?);
        }
        Ok(())
    }
}
