//! Columns of places: a list of them that both ends share.
//!
//! A place is an octet that says which parts it has, then these: country, its name, city, latitude, longitude, AS number,
//! organisation.

use std::sync::Arc;

use weir_flow::{Asn, FlowRecord, Geo, Place, Text};

use super::column::{Column, Input, Shorts, ShortsReader};
use super::dictionary::{Memo, Texts, TextsReader};
use super::{Damage, presence};
use crate::filter::{Filters, Space, Term};

const GEO: u8 = 1;
const COUNTRY: u8 = 2;
const COUNTRY_NAME: u8 = 4;
const CITY: u8 = 8;
const LAT: u8 = 16;
const LON: u8 = 32;
const ASN: u8 = 64;
const ORG: u8 = 128;

/// Writes them, in this order.
#[derive(Debug, Default)]
pub(super) struct Places {
    src: Shorts,
    dst: Shorts,
    list: Texts,
    memo: Memo<Place>,
    /// Where in the list the places of the last row are.
    spots: [usize; 2],
    scratch: Column,
}

impl Places {
    pub(super) fn push(&mut self, record: &FlowRecord) {
        let Self { src, dst, list, memo, spots: [from, to], scratch } = self;
        for (column, spot, place) in [(src, from, &record.src_place), (dst, to, &record.dst_place)] {
            let Some(place) = place else { continue };
            let find = |place: &Place| {
                describe(place, scratch);
                (list.code(&scratch.0), list.last())
            };
            let code = memo.code(place, find);
            *spot = usize::from(code).checked_sub(1).unwrap_or_else(|| list.last());
            column.push(code);
        }
    }

    /// Adds the terms of what was pushed.
    pub(super) fn gather(&self, filters: &mut Filters) {
        for place in self.list.entries().map_while(|octets| Located::read(octets).ok()) {
            place.country.into_iter().for_each(|country| filters.term(Term::exact(Space::Country, country)));
            place.asn.into_iter().for_each(|asn| filters.term(Term::exact(Space::Asn, &asn.to_le_bytes())));
        }
    }

    /// Where in the list the places of the originator and the responder of the last row are, if it has them.
    pub(super) const fn spots(&self) -> [usize; 2] {
        self.spots
    }

    pub(super) fn clear(&mut self) {
        self.src.clear();
        self.dst.clear();
        self.list.clear();
        self.memo.clear();
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.src.write(out);
        self.dst.write(out);
        self.list.write(out);
        self.memo.clear();
    }
}

fn describe(place: &Place, out: &mut Column) {
    out.clear();
    out.octet(0);
    let mut has = 0;
    let mut text = |part: Option<&Text>, bit, out: &mut Column| {
        if let Some(part) = part {
            has |= bit;
            out.text(part.as_bytes());
        }
    };
    let geo = place.geo.as_ref();
    text(geo.and_then(|geo| geo.country.as_ref()), COUNTRY, out);
    text(geo.and_then(|geo| geo.country_name.as_ref()), COUNTRY_NAME, out);
    text(geo.and_then(|geo| geo.city.as_ref()), CITY, out);
    for (degrees, bit) in [(geo.and_then(|geo| geo.lat), LAT), (geo.and_then(|geo| geo.lon), LON)] {
        if let Some(degrees) = degrees {
            has |= bit;
            out.real(degrees);
        }
    }
    if geo.is_some() {
        has |= GEO;
    }
    if let Some(asn) = &place.asn {
        has |= ASN;
        out.number(asn.asn.into());
        if let Some(org) = &asn.org {
            has |= ORG;
            out.text(org.as_bytes());
        }
    }
    if let Some(first) = out.0.first_mut() {
        *first = has;
    }
}

/// What is searched for of a place.
pub(super) struct Located<'a> {
    pub(super) country: Option<&'a [u8]>,
    pub(super) asn: Option<u32>,
}

impl<'a> Located<'a> {
    /// From a place as it is written.
    pub(super) fn read(octets: &'a [u8]) -> Result<Self, Damage> {
        let mut input = Input(octets);
        let has = input.octet()?;
        let mut text = |bit| (has & bit != 0).then(|| input.text()).transpose();
        let country = text(COUNTRY)?.filter(|_| has & GEO != 0).map(str::as_bytes);
        text(COUNTRY_NAME)?;
        text(CITY)?;
        for bit in [LAT, LON] {
            if has & bit != 0 {
                input.real()?;
            }
        }
        let asn = (has & ASN != 0).then(|| input.number()).transpose()?;
        let asn = asn.map(u32::try_from).transpose().map_err(|_| Damage::Value("AS number"))?;
        Ok(Self { country, asn })
    }
}

fn read(octets: &[u8]) -> Result<Arc<Place>, Damage> {
    let mut input = Input(octets);
    let has = input.octet()?;
    let text = |bit, input: &mut Input<'_>| match has & bit {
        0 => Ok(None),
        _ => input.text().map(|text| Some(Text::from(text))),
    };
    let real = |bit, input: &mut Input<'_>| match has & bit {
        0 => Ok(None),
        _ => input.real().map(Some),
    };
    let geo = Geo {
        country: text(COUNTRY, &mut input)?,
        country_name: text(COUNTRY_NAME, &mut input)?,
        city: text(CITY, &mut input)?,
        lat: real(LAT, &mut input)?,
        lon: real(LON, &mut input)?,
    };
    let asn = match has & ASN {
        0 => None,
        _ => {
            let asn = u32::try_from(input.number()?).map_err(|_| Damage::Value("AS number"))?;
            Some(Asn { asn, org: text(ORG, &mut input)? })
        }
    };
    Ok(Arc::new(Place { geo: (has & GEO != 0).then_some(geo), asn }))
}

/// Reads them.
pub(super) struct PlacesReader<'a> {
    pub(super) src: ShortsReader<'a>,
    pub(super) dst: ShortsReader<'a>,
    pub(super) list: TextsReader<'a, Arc<Place>>,
}

impl<'a> PlacesReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self {
            src: ShortsReader::new(block)?,
            dst: ShortsReader::new(block)?,
            list: TextsReader::new(block)?,
        })
    }

    /// Passes a row by.
    pub(super) fn pass(&mut self, has: u64) -> Result<(), Damage> {
        for (bit, column) in [(presence::SRC_PLACE, &mut self.src), (presence::DST_PLACE, &mut self.dst)] {
            if has & bit != 0 {
                self.list.resolve(column.next()?, read)?;
            }
        }
        Ok(())
    }

    pub(super) fn next(&mut self, has: u64, record: &mut FlowRecord) -> Result<(), Damage> {
        if has & presence::SRC_PLACE != 0 {
            record.src_place = Some(Arc::clone(self.list.resolve(self.src.next()?, read)?));
        }
        if has & presence::DST_PLACE != 0 {
            record.dst_place = Some(Arc::clone(self.list.resolve(self.dst.next()?, read)?));
        }
        Ok(())
    }
}
