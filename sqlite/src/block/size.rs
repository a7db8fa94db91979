//! How much a record can become, found without writing it: what one text or number can take at most, added up.

use serde_json::Value;
use weir_flow::{FlowRecord, Kind, Place};

use super::MAX_DEPTH;

/// Octets of JSON without texts, extra and matches: all names, the longest numbers and addresses.
const JSON_FIXED: usize = 2_048;
/// Octets of columns without those.
const COLUMNS_FIXED: usize = 512;
/// JSON writes one octet as six at most, `\u001f` (RFC 8259 §7).
const ESCAPE: usize = 6;
/// Code and length of a text.
const TEXT_COLUMNS: usize = 12;
/// A match without its texts, as JSON and in columns.
const MATCH_JSON: usize = 128;
const MATCH_COLUMNS: usize = 32;
/// A number as JSON and in columns, with a comma or what is before it.
const NUMBER_JSON: usize = 26;
const NUMBER_COLUMNS: usize = 11;
/// Quotes, colon and comma of an entry; its columns, when its name is new.
const ENTRY_JSON: usize = 4;
const ENTRY_COLUMNS: usize = 48;

/// Octets at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bound {
    /// As a line of JSON.
    pub(super) json: usize,
    /// In columns, before compression.
    pub(super) columns: usize,
}

impl Bound {
    /// The bound of a record; none when `extra` is nested too deep.
    pub(super) fn of(record: &FlowRecord) -> Option<Self> {
        let mut bound = Self { json: JSON_FIXED, columns: COLUMNS_FIXED };
        let origin = record.origin.as_deref();
        let kind = match &record.kind {
            Kind::Other(name) => Some(name),
            _ => None,
        };
        let texts = [
            kind,
            record.observer.as_ref(),
            origin.and_then(|origin| origin.collector_id.as_ref()),
            origin.and_then(|origin| origin.trace_id.as_ref()),
            record.service.as_ref(),
            record.domain.as_ref(),
        ];
        texts.into_iter().flatten().for_each(|text| bound.text(text));
        for place in [&record.src_place, &record.dst_place].into_iter().flatten() {
            bound.place(place);
        }
        for found in record.verdict.iter().flat_map(|verdict| &verdict.matches) {
            bound.json += MATCH_JSON;
            bound.columns += MATCH_COLUMNS;
            [&found.indicator, &found.category, &found.source].into_iter().for_each(|text| bound.text(text));
        }
        for (name, value) in record.extra.iter().flat_map(|extra| extra.iter()) {
            bound.entry(name);
            bound.value(value, 0)?;
        }
        Some(bound)
    }

    fn text(&mut self, text: &str) {
        self.json += ESCAPE * text.len() + 2;
        self.columns += text.len() + TEXT_COLUMNS;
    }

    /// JSON says the place of the remote end twice.
    fn place(&mut self, place: &Place) {
        let geo = place.geo.as_ref();
        let texts = [
            geo.and_then(|geo| geo.country.as_ref()),
            geo.and_then(|geo| geo.country_name.as_ref()),
            geo.and_then(|geo| geo.city.as_ref()),
            place.asn.as_ref().and_then(|asn| asn.org.as_ref()),
        ];
        let length: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        self.json += 2 * ESCAPE * length;
        self.columns += length + TEXT_COLUMNS;
    }

    fn entry(&mut self, name: &str) {
        self.json += ESCAPE * name.len() + ENTRY_JSON;
        self.columns += name.len() + ENTRY_COLUMNS;
    }

    fn value(&mut self, value: &Value, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.json += NUMBER_JSON;
                self.columns += NUMBER_COLUMNS;
            }
            Value::String(text) => self.text(text),
            Value::Array(list) => {
                self.text("");
                list.iter().try_for_each(|value| self.value(value, depth + 1))?;
            }
            Value::Object(map) => {
                self.text("");
                for (name, value) in map {
                    self.entry(name);
                    self.value(value, depth + 1)?;
                }
            }
        }
        Some(())
    }
}
