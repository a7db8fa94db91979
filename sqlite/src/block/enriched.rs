//! Columns of what a row is about, and of what enrichment found.

use weir_flow::{FlowRecord, Match, Risk, Text, Verdict};

use super::column::{Column, Input};
use super::dictionary::{TextColumn, TextColumnReader, shared};
use super::place::{Places, PlacesReader};
use super::{Damage, MAX_MATCHES, code, presence};
use crate::filter::{Filters, Space, Term};

/// Writes them, in this order.
#[derive(Debug, Default)]
pub(super) struct Enriched {
    pub(super) service: TextColumn,
    pub(super) domain: TextColumn,
    pub(super) places: Places,
    direction: Column,
    /// Matches, see [`read_verdict`].
    pub(super) verdict: TextColumn,
    risk: TextColumn,
    tags: Column,
    scratch: Column,
}

impl Enriched {
    pub(super) fn push(&mut self, record: &FlowRecord, has: u64) {
        if let Some(service) = &record.service {
            self.service.push(service.as_bytes());
        }
        if let Some(domain) = &record.domain {
            self.domain.push(domain.as_bytes());
        }
        self.places.push(record);
        record.direction.into_iter().for_each(|direction| self.direction.octet(code::direction(direction)));
        if let Some(verdict) = record.verdict.as_ref().filter(|_| has & presence::MATCHES != 0) {
            describe(verdict, &mut self.scratch);
            self.verdict.push(&self.scratch.0);
        }
        if let Some(risk) = &record.risk {
            self.scratch.clear();
            for &(reason, points) in risk.reasons() {
                self.scratch.octet(code::reason(reason));
                self.scratch.octet(points);
            }
            self.risk.push(&self.scratch.0);
        }
        if has & presence::TAGS != 0 {
            self.tags.octet(code::tags(record.tags));
        }
    }

    /// Adds the terms of what was pushed.
    pub(super) fn gather(&self, filters: &mut Filters) {
        self.service.entries().for_each(|name| filters.term(Term::folded(Space::Service, name)));
        self.domain.entries().for_each(|name| filters.domain(name));
        self.places.gather(filters);
        filters.octets(Space::Direction, &self.direction.0);
        for bits in 0..=code::ALL_TAGS {
            if self.tags.0.contains(&bits) {
                code::bits(bits).for_each(|bit| filters.term(Term::exact(Space::Tag, &[bit])));
            }
        }
        for verdict in self.verdict.entries() {
            for found in Named::all(verdict).map_while(Result::ok) {
                filters.term(Term::folded(Space::Indicator, found.indicator));
                filters.term(Term::folded(Space::Category, found.category));
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.service.clear();
        self.domain.clear();
        self.places.clear();
        self.direction.clear();
        self.verdict.clear();
        self.risk.clear();
        self.tags.clear();
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.service.write(out);
        self.domain.write(out);
        self.places.write(out);
        self.direction.write(out);
        self.verdict.write(out);
        self.risk.write(out);
        self.tags.write(out);
    }
}

/// The matches one after the other: indicator, its kind, category, confidence, source, field.
fn describe(verdict: &Verdict, out: &mut Column) {
    out.clear();
    for found in &verdict.matches {
        out.text(found.indicator.as_bytes());
        out.octet(code::indicator(found.kind));
        out.text(found.category.as_bytes());
        out.octet(found.confidence);
        out.text(found.source.as_bytes());
        out.octet(code::field(found.field));
    }
}

/// What a match is called, without what else it says.
pub(super) struct Named<'a> {
    pub(super) indicator: &'a [u8],
    pub(super) category: &'a [u8],
}

impl<'a> Named<'a> {
    /// Those of a verdict as it is written.
    pub(super) fn all(octets: &'a [u8]) -> impl Iterator<Item = Result<Self, Damage>> {
        let mut input = Input(octets);
        std::iter::from_fn(move || (!input.is_empty()).then(|| Self::read(&mut input)))
    }

    fn read(input: &mut Input<'a>) -> Result<Self, Damage> {
        let indicator = input.text()?.as_bytes();
        input.octet()?;
        let category = input.text()?.as_bytes();
        input.octet()?;
        input.text()?;
        input.octet()?;
        Ok(Self { indicator, category })
    }
}

pub(super) fn read_verdict(octets: &[u8]) -> Result<Verdict, Damage> {
    let mut input = Input(octets);
    let mut matches = Vec::new();
    while !input.is_empty() {
        if matches.len() == MAX_MATCHES {
            return Err(Damage::Value("number of matches"));
        }
        matches.push(Match {
            indicator: input.text()?.into(),
            kind: code::to_indicator(input.octet()?)?,
            category: input.text()?.into(),
            confidence: input.octet()?,
            source: input.text()?.into(),
            field: code::to_field(input.octet()?)?,
        });
    }
    Ok(Verdict { matches })
}

pub(super) fn read_risk(octets: &[u8]) -> Result<Risk, Damage> {
    let mut input = Input(octets);
    let mut risk = Risk::default();
    while !input.is_empty() {
        risk.add(code::to_reason(input.octet()?)?, input.octet()?);
    }
    Ok(risk)
}

/// Reads them.
pub(super) struct EnrichedReader<'a> {
    pub(super) service: TextColumnReader<'a, Text>,
    pub(super) domain: TextColumnReader<'a, Text>,
    pub(super) places: PlacesReader<'a>,
    pub(super) direction: Input<'a>,
    /// As they are written: what they take in memory is taken for one row at a time.
    pub(super) verdict: TextColumnReader<'a, &'a [u8]>,
    pub(super) risk: TextColumnReader<'a, Risk>,
    pub(super) tags: Input<'a>,
}

impl<'a> EnrichedReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self {
            service: TextColumnReader::new(block)?,
            domain: TextColumnReader::new(block)?,
            places: PlacesReader::new(block)?,
            direction: block.column()?,
            verdict: TextColumnReader::new(block)?,
            risk: TextColumnReader::new(block)?,
            tags: block.column()?,
        })
    }

    /// Passes a row by.
    pub(super) fn pass(&mut self, has: u64) -> Result<(), Damage> {
        let is = |bit| has & bit != 0;
        for (bit, column) in [(presence::SERVICE, &mut self.service), (presence::DOMAIN, &mut self.domain)] {
            if is(bit) {
                column.next(shared)?;
            }
        }
        self.places.pass(has)?;
        if is(presence::DIRECTION) {
            self.direction.octet()?;
        }
        if is(presence::MATCHES) {
            self.verdict.next(Ok)?;
        }
        if is(presence::RISK) {
            self.risk.next(read_risk)?;
        }
        if is(presence::TAGS) {
            self.tags.octet()?;
        }
        Ok(())
    }

    pub(super) fn next(&mut self, has: u64, record: &mut FlowRecord) -> Result<(), Damage> {
        let is = |bit| has & bit != 0;
        if is(presence::SERVICE) {
            record.service = Some(self.service.next(shared)?.clone());
        }
        if is(presence::DOMAIN) {
            record.domain = Some(self.domain.next(shared)?.clone());
        }
        self.places.next(has, record)?;
        if is(presence::DIRECTION) {
            record.direction = Some(code::to_direction(self.direction.octet()?)?);
        }
        if is(presence::MATCHES) {
            record.verdict = Some(read_verdict(self.verdict.next(Ok)?)?);
        } else if is(presence::VERDICT) {
            record.verdict = Some(Verdict::default());
        }
        if is(presence::RISK) {
            record.risk = Some(*self.risk.next(read_risk)?);
        }
        if is(presence::TAGS) {
            record.tags = code::to_tags(self.tags.octet()?);
        }
        Ok(())
    }
}
