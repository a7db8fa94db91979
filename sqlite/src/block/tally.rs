//! What the rows of a block add to the totals, found by the lists of the block.
//!
//! The encoder has looked each value up already and knows its place in a list; to add what a flow counts at that place costs no
//! search. Once for each block the lists say which key was meant. What has no list of the block gets one here: ports, countries
//! and autonomous systems, the latter two found by the place of a place.

use std::sync::Arc;

use weir_flow::{FlowRecord, Place, Text};

use super::Encoder;
use super::dictionary::{Dictionary, Texts};
use super::enriched::read_verdict;
use crate::Dimension;
use crate::sums::{KeyRef, Sum};

/// Of a place without country or AS.
const NONE: usize = usize::MAX;

/// What the rows of the block at hand have, by place in a list.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    addresses: Counts,
    services: Counts,
    domains: Counts,
    verdicts: Counts,
    ports: Dictionary<u16>,
    by_port: Counts,
    homes: Vec<Option<Home>>,
    countries: Texts,
    by_country: Counts,
    /// For each country, a place that has its name.
    in_country: Vec<Arc<Place>>,
    asns: Dictionary<u32>,
    by_asn: Counts,
    in_asn: Vec<Arc<Place>>,
}

/// Country and AS of a place, by their place in a list.
#[derive(Clone, Copy, Debug)]
struct Home {
    country: usize,
    asn: usize,
}

impl Tally {
    /// Adds `record`, which `encoder` took last.
    pub(crate) fn add(&mut self, record: &FlowRecord, encoder: &Encoder) {
        let sum = Sum::of(record);
        let columns = encoder.columns();
        let [src, dst] = columns.ends.spots();
        let ends = [record.src_ip.map(|_| src), record.dst_ip.map(|_| dst)];
        self.addresses.add_once(ends, sum);
        if let Some(port) = record.dst_port {
            self.ports.code(port);
            self.by_port.add(self.ports.last(), sum);
        }
        if record.service.is_some() {
            self.services.add(columns.enriched.service.texts().last(), sum);
        }
        if record.domain.is_some() {
            self.domains.add(columns.enriched.domain.texts().last(), sum);
        }
        if record.is_threat() {
            self.verdicts.add(columns.enriched.verdict.texts().last(), sum);
        }
        let [src, dst] = columns.enriched.places.spots();
        let src = record.src_place.as_ref().map(|place| self.home(src, place));
        let dst = record.dst_place.as_ref().map(|place| self.home(dst, place));
        self.by_country.add_once([src, dst].map(|home| Some(home?.country)), sum);
        self.by_asn.add_once([src, dst].map(|home| Some(home?.asn)), sum);
    }

    /// Country and AS of `place`, which is at `spot` in the block's list.
    fn home(&mut self, spot: usize, place: &Arc<Place>) -> Home {
        if let Some(Some(home)) = self.homes.get(spot) {
            return *home;
        }
        let country = place.geo.as_ref().and_then(|geo| geo.country.as_ref()).map_or(NONE, |country| {
            if self.countries.code(country.as_bytes()) == 0 {
                self.in_country.push(Arc::clone(place));
            }
            self.countries.last()
        });
        let asn = place.asn.as_ref().map_or(NONE, |asn| {
            if self.asns.code(asn.asn) == 0 {
                self.in_asn.push(Arc::clone(place));
            }
            self.asns.last()
        });
        let home = Home { country, asn };
        if spot >= self.homes.len() {
            self.homes.resize(spot + 1, None);
        }
        if let Some(own) = self.homes.get_mut(spot) {
            *own = Some(home);
        }
        home
    }

    /// Hands what was added to `take`, by key, and begins anew. To be called before `encoder` seals the block.
    pub(crate) fn settle(
        &mut self,
        encoder: &Encoder,
        mut take: impl FnMut(Dimension, KeyRef<'_>, Option<&Text>, Sum),
    ) {
        let columns = encoder.columns();
        for (address, sum) in columns.ends.addresses().iter().zip(self.addresses.sums()) {
            when_any(sum, || take(Dimension::Talkers, KeyRef::Address(*address), None, sum));
        }
        for (port, sum) in self.ports.entries().iter().zip(self.by_port.sums()) {
            take(Dimension::Ports, KeyRef::Number((*port).into()), None, sum);
        }
        let enriched = &columns.enriched;
        let lists = [
            (Dimension::Services, enriched.service.texts(), &self.services),
            (Dimension::Domains, enriched.domain.texts(), &self.domains),
        ];
        for (dimension, texts, counts) in lists {
            for (place, sum) in counts.sums().enumerate() {
                let Some(Ok(text)) = texts.get(place).map(std::str::from_utf8) else { continue };
                when_any(sum, || take(dimension, KeyRef::Text(text), None, sum));
            }
        }
        for (place, sum) in self.in_country.iter().zip(self.by_country.sums()) {
            let Some((country, name)) = crate::top::country(place) else { continue };
            take(Dimension::Countries, KeyRef::Text(country), name, sum);
        }
        for (place, sum) in self.in_asn.iter().zip(self.by_asn.sums()) {
            let Some(asn) = &place.asn else { continue };
            take(Dimension::Asns, KeyRef::Number(asn.asn), asn.org.as_ref(), sum);
        }
        for (place, sum) in self.verdicts.sums().enumerate().filter(|&(_, sum)| sum != Sum::ZERO) {
            let verdict = enriched.verdict.texts().get(place).map(read_verdict);
            let Some(Ok(verdict)) = verdict else { continue };
            crate::top::indicators(&verdict, |key, label| take(Dimension::Threats, key, label, sum));
        }
        self.clear();
    }

    /// Forgets what was added.
    pub(crate) fn clear(&mut self) {
        for counts in [
            &mut self.addresses,
            &mut self.services,
            &mut self.domains,
            &mut self.verdicts,
            &mut self.by_port,
            &mut self.by_country,
            &mut self.by_asn,
        ] {
            counts.0.clear();
        }
        self.ports.clear();
        self.countries.clear();
        self.asns.clear();
        self.homes.clear();
        self.in_country.clear();
        self.in_asn.clear();
    }
}

/// A list can hold what rows before the first that was added brought.
fn when_any(sum: Sum, take: impl FnOnce()) {
    if sum != Sum::ZERO {
        take();
    }
}

/// Sums by place in a list.
#[derive(Debug, Default)]
struct Counts(Vec<Sum>);

impl Counts {
    fn add(&mut self, place: usize, sum: Sum) {
        if place >= self.0.len() {
            self.0.resize(place + 1, Sum::ZERO);
        }
        if let Some(own) = self.0.get_mut(place) {
            own.add(sum);
        }
    }

    /// Adds to the places of both ends; once where they are one.
    fn add_once(&mut self, [src, dst]: [Option<usize>; 2], sum: Sum) {
        let [src, dst] = [src, dst].map(|place| place.filter(|&place| place != NONE));
        if let Some(place) = src {
            self.add(place, sum);
        }
        if let Some(place) = dst.filter(|_| src != dst) {
            self.add(place, sum);
        }
    }

    fn sums(&self) -> impl Iterator<Item = Sum> {
        self.0.iter().copied()
    }
}
