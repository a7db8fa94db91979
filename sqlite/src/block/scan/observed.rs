//! Conditions about when, where and by whom a row was observed, and about texts in `extra`.

use weir_flow::{Kind, Timestamp};

use super::{Codes, MAX_VALUES, Rows, Scan};
use crate::Query;
use crate::block::read::Records;
use crate::block::route::{EXPORTER, NEXT_HOP};
use crate::block::{Damage, code, presence};
use crate::search::{is_address, is_within_extra};

impl Scan<'_> {
    pub(super) fn narrow_time(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        if query.from.is_none() && query.to.is_none() {
            return Ok(());
        }
        let (from, to) = (query.from.map(Timestamp::micros), query.to.map(Timestamp::micros));
        let (mut ends, mut lengths) = (self.start.observed.end, self.start.observed.lasted);
        for (place, has) in self.fields() {
            let end = ends.next()?;
            let lasted = if has & presence::LASTED == 0 { 0 } else { lengths.next()? };
            let start = end.wrapping_sub(lasted);
            if from.is_some_and(|from| start < from) || to.is_some_and(|to| start >= to) {
                rows.remove(place);
            }
        }
        Ok(())
    }

    /// Source and kind.
    pub(super) fn narrow_kind(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        let observed = &self.start.observed;
        if !query.source.is_empty() {
            let mut sources = observed.source;
            let wanted: Vec<u8> = query.source.iter().map(|&source| code::source(source)).collect();
            for place in 0..self.count() {
                if !wanted.contains(&sources.octet()?) {
                    rows.remove(place);
                }
            }
        }
        if query.kind.is_empty() {
            return Ok(());
        }
        let is_other = |own: &[u8]| {
            query.kind.iter().any(|kind| matches!(kind, Kind::Other(name) if name.as_bytes() == own))
        };
        let names = observed.name.texts.judge(MAX_VALUES, |own| Ok(is_other(own)));
        let known: Vec<u8> = query.kind.iter().map(code::kind).filter(|&code| code != code::OTHER).collect();
        let (mut kinds, mut codes, mut seen) = (observed.kind, observed.name.codes, Codes::default());
        for place in 0..self.count() {
            let fits = match kinds.octet()? {
                code::OTHER => seen.value(codes.next()?, &names)?,
                code => known.contains(&code),
            };
            if !fits {
                rows.remove(place);
            }
        }
        Ok(())
    }

    /// Observer and exporter.
    pub(super) fn narrow_origin(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        let observed = &self.start.observed;
        if !query.observer.is_empty() {
            let column = &observed.observer;
            let is_wanted = |own: &[u8]| Ok(query.observer.iter().any(|name| name.as_bytes() == own));
            let fits = column.texts.judge(MAX_VALUES, is_wanted);
            self.narrow_codes(presence::OBSERVER, column.codes, &fits, rows)?;
        }
        if query.exporter.is_empty() {
            return Ok(());
        }
        let route = &observed.route;
        let fits = route.addresses.judge(MAX_VALUES, |own| is_address(&query.exporter, own));
        let (mut sets, mut exporters, mut hops) = (route.has, route.exporter, route.next_hop);
        let mut seen = Codes::default();
        for (place, has) in self.fields() {
            let parts = if has & presence::EXPORTED == 0 { 0 } else { sets.octet()? };
            let is_wanted = parts & EXPORTER != 0 && seen.value(exporters.next()?, &fits)?;
            if parts & NEXT_HOP != 0 {
                seen.value(hops.next()?, &fits)?;
            }
            if !is_wanted {
                rows.remove(place);
            }
        }
        Ok(())
    }

    /// Texts in `extra`, whose values are read for this.
    pub(super) fn narrow_text(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        if query.text.is_empty() {
            return Ok(());
        }
        let mut extras = Records::new(self.columns, self.has.len() as u64)?.extra;
        for (place, has) in self.fields() {
            let has_extra = has & presence::EXTRA != 0;
            if !rows.contains(place) {
                if has_extra {
                    extras.pass()?;
                }
                continue;
            }
            let extra = has_extra.then(|| extras.next()).transpose()?;
            let fits = |extra| query.text.iter().all(|text| is_within_extra(text, extra));
            if !extra.as_ref().is_some_and(fits) {
                rows.remove(place);
            }
        }
        Ok(())
    }
}
