//! Columns of what exporters said beyond the flow.

use weir_flow::Exported;

use super::Damage;
use super::column::{Column, Input, Shorts, ShortsReader};
use super::list::{Addresses, AddressesReader, NumberColumn, NumberReader};
use crate::filter::{Filters, Term};

/// Which parts of [`Exported`] there are, by bit.
pub(super) const EXPORTER: u8 = 1;
const DOMAIN: u8 = 2;
const INGRESS: u8 = 4;
const EGRESS: u8 = 8;
pub(super) const NEXT_HOP: u8 = 16;
const SRC_AS: u8 = 32;
const DST_AS: u8 = 64;
const SAMPLING: u8 = 128;

/// Writes them, in this order.
#[derive(Debug, Default)]
pub(super) struct Route {
    has: Column,
    exporter: Shorts,
    next_hop: Shorts,
    addresses: Addresses,
    /// Observation domain, ingress and egress interface, source and destination AS, sampling.
    numbers: [NumberColumn; 6],
}

impl Route {
    pub(super) fn push(&mut self, exported: &Exported) {
        let mut has = 0;
        if let Some(address) = exported.exporter {
            has |= EXPORTER;
            self.exporter.push(self.addresses.code(address));
        }
        if let Some(address) = exported.next_hop {
            has |= NEXT_HOP;
            self.next_hop.push(self.addresses.code(address));
        }
        let numbers = [
            (exported.observation_domain, DOMAIN),
            (exported.ingress_if, INGRESS),
            (exported.egress_if, EGRESS),
            (exported.src_as, SRC_AS),
            (exported.dst_as, DST_AS),
            (exported.sampling, SAMPLING),
        ];
        for (column, (number, bit)) in self.numbers.iter_mut().zip(numbers) {
            if let Some(number) = number {
                has |= bit;
                column.push(number.into());
            }
        }
        self.has.octet(has);
    }

    /// Adds the terms of what was pushed. Next hops come with the exporters, whose list they share: they are few.
    pub(super) fn gather(&self, filters: &mut Filters) {
        self.addresses.entries().iter().for_each(|&address| filters.term(Term::exporter(address)));
    }

    pub(super) fn clear(&mut self) {
        self.has.clear();
        self.exporter.clear();
        self.next_hop.clear();
        self.addresses.clear();
        self.numbers.iter_mut().for_each(NumberColumn::clear);
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.has.write(out);
        self.exporter.write(out);
        self.next_hop.write(out);
        self.addresses.write(out);
        self.numbers.iter_mut().for_each(|column| column.write(out));
    }
}

/// Reads them.
pub(super) struct RouteReader<'a> {
    pub(super) has: Input<'a>,
    pub(super) exporter: ShortsReader<'a>,
    pub(super) next_hop: ShortsReader<'a>,
    pub(super) addresses: AddressesReader<'a>,
    numbers: [NumberReader<'a>; 6],
}

impl<'a> RouteReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self {
            has: block.column()?,
            exporter: ShortsReader::new(block)?,
            next_hop: ShortsReader::new(block)?,
            addresses: AddressesReader::new(block)?,
            numbers: [
                NumberReader::new(block)?,
                NumberReader::new(block)?,
                NumberReader::new(block)?,
                NumberReader::new(block)?,
                NumberReader::new(block)?,
                NumberReader::new(block)?,
            ],
        })
    }

    /// The sampling of the next row.
    pub(super) fn sampling(&mut self) -> Result<Option<u32>, Damage> {
        let has = self.has.octet()?;
        let [.., sampling] = &mut self.numbers;
        let number = (has & SAMPLING != 0).then(|| sampling.next()).transpose()?;
        number.map(u32::try_from).transpose().map_err(|_| Damage::Value("number of 32 bits"))
    }

    pub(super) fn next(&mut self) -> Result<Exported, Damage> {
        let has = self.has.octet()?;
        let mut exported = Exported::default();
        if has & EXPORTER != 0 {
            exported.exporter = Some(self.addresses.resolve(self.exporter.next()?)?);
        }
        if has & NEXT_HOP != 0 {
            exported.next_hop = Some(self.addresses.resolve(self.next_hop.next()?)?);
        }
        let numbers = [
            (&mut exported.observation_domain, DOMAIN),
            (&mut exported.ingress_if, INGRESS),
            (&mut exported.egress_if, EGRESS),
            (&mut exported.src_as, SRC_AS),
            (&mut exported.dst_as, DST_AS),
            (&mut exported.sampling, SAMPLING),
        ];
        for (column, (number, bit)) in self.numbers.iter_mut().zip(numbers) {
            if has & bit != 0 {
                *number =
                    Some(u32::try_from(column.next()?).map_err(|_| Damage::Value("number of 32 bits"))?);
            }
        }
        Ok(exported)
    }
}
