//! Conditions about names, and about what enrichment found.

use super::{Codes, MAX_VALUES, Rows, Scan};
use crate::Query;
use crate::block::column::ShortsReader;
use crate::block::enriched::{Named, read_risk};
use crate::block::place::Located;
use crate::block::{Damage, presence};
use crate::search::{is_below_one, is_like_one};

/// What a place fits.
const COUNTRY: u8 = 1;
const ASN: u8 = 2;
/// What a verdict fits.
const INDICATOR: u8 = 1;
const CATEGORY: u8 = 2;
/// It has a match.
const THREAT: u8 = 4;

const fn bit(fits: bool, bit: u8) -> u8 {
    if fits { bit } else { 0 }
}

impl Scan<'_> {
    pub(super) fn narrow_names(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        let enriched = &self.start.enriched;
        if !query.domain.is_empty() {
            let column = &enriched.domain;
            let fits = column.texts.judge(MAX_VALUES, |name| Ok(is_below_one(&query.domain, name)));
            self.narrow_codes(presence::DOMAIN, column.codes, &fits, rows)?;
        }
        if !query.service.is_empty() && !rows.is_empty() {
            let column = &enriched.service;
            let fits = column.texts.judge(MAX_VALUES, |name| Ok(is_like_one(&query.service, name)));
            self.narrow_codes(presence::SERVICE, column.codes, &fits, rows)?;
        }
        Ok(())
    }

    pub(super) fn narrow_places(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        let need = bit(!query.country.is_empty(), COUNTRY) | bit(!query.asn.is_empty(), ASN);
        if need == 0 {
            return Ok(());
        }
        let places = &self.start.enriched.places;
        let fits = places.list.judge(MAX_VALUES, |octets| {
            let place = Located::read(octets)?;
            let is_country =
                place.country.is_some_and(|own| query.country.iter().any(|name| name.as_bytes() == own));
            let is_asn = place.asn.is_some_and(|own| query.asn.contains(&own));
            Ok(bit(is_country, COUNTRY) | bit(is_asn, ASN))
        });
        if fits.iter().fold(0, |all, own| all | own) & need != need {
            rows.clear();
            return Ok(());
        }
        let (mut src, mut dst, mut seen) = (places.src, places.dst, Codes::default());
        for (place, has) in self.fields() {
            let mut end = |bit, codes: &mut ShortsReader<'_>| {
                if has & bit == 0 { Ok(0) } else { seen.value(codes.next()?, &fits) }
            };
            let either = end(presence::SRC_PLACE, &mut src)? | end(presence::DST_PLACE, &mut dst)?;
            if either & need != need {
                rows.remove(place);
            }
        }
        Ok(())
    }

    /// Matches and risk.
    pub(super) fn narrow_verdict(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        let need = bit(!query.indicator.is_empty(), INDICATOR) | bit(!query.category.is_empty(), CATEGORY);
        if need != 0 || query.threat.is_some() {
            self.narrow_matches(query, need, rows)?;
        }
        let Some(least) = query.min_risk else { return Ok(()) };
        let risk = &self.start.enriched.risk;
        let fits = risk.texts.judge(MAX_VALUES, |octets| Ok(read_risk(octets)?.score() >= least));
        self.narrow_codes(presence::RISK, risk.codes, &fits, rows)
    }

    fn narrow_matches(&self, query: &Query, need: u8, rows: &mut Rows) -> Result<(), Damage> {
        let verdict = &self.start.enriched.verdict;
        let fits = verdict.texts.judge(MAX_VALUES, |octets| {
            Named::all(octets).try_fold(0, |all, found| {
                let found = found?;
                let is_indicator = is_like_one(&query.indicator, found.indicator);
                let is_category = is_like_one(&query.category, found.category);
                Ok(all | THREAT | bit(is_indicator, INDICATOR) | bit(is_category, CATEGORY))
            })
        });
        let (mut codes, mut seen) = (verdict.codes, Codes::default());
        for (place, has) in self.fields() {
            let own = if has & presence::MATCHES == 0 { 0 } else { seen.value(codes.next()?, &fits)? };
            let is_threat = own & THREAT != 0;
            if own & need != need || query.threat.is_some_and(|wanted| wanted != is_threat) {
                rows.remove(place);
            }
        }
        Ok(())
    }
}
