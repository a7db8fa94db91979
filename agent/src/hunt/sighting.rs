//! The record of a sighting: when and between whom it was is the original's, what is known against it is new.

use weir_flow::{
    Counters, Exported, Extra, FlowRecord, Kind, Match, Tag, Tags, Timestamp, Uncounted, Verdict,
};
use weir_ti::Index;

use crate::pipeline::{RiskConfig, score};

/// Members of a sighting's `extra`: the event id of the original, its kind, when it was stored, and when the indicator was new.
pub(super) const SIGHTED_ID: &str = "sighted_id";
const SIGHTED_KIND: &str = "sighted_kind";
const SIGHTED_AT: &str = "sighted_processed_at";
const ADDED_AT: &str = "indicator_added_at";
/// Members of the record that tells of sightings that were too many.
const SUPPRESSED: &str = "sightings_suppressed";
const REASON: &str = "reason";

/// The matches of `record` in `index` that are news to it: it does not have their indicators itself, and `is_seen` does not
/// know them.
pub(super) fn matches(index: &Index, record: &FlowRecord, is_seen: impl Fn(&str) -> bool) -> Vec<Match> {
    if record.kind == Kind::Sighting {
        return Vec::new();
    }
    let mut matches = index.matches(record.src_ip, record.dst_ip, record.domain.as_deref()).matches;
    if !matches.is_empty() {
        let own = record.verdict.as_ref().map_or(&[][..], |verdict| &verdict.matches);
        matches
            .retain(|new| !own.iter().any(|own| own.indicator == new.indicator) && !is_seen(&new.indicator));
    }
    matches
}

/// Where and when the original was stored, and when the indicators were new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Original<'a> {
    pub(super) ring_id: &'a str,
    pub(super) row: u64,
    pub(super) processed_at: Timestamp,
    pub(super) added: Timestamp,
}

/// A sighting of `record`. It counts no octets: the original did.
pub(super) fn sighting(
    record: &FlowRecord,
    matches: Vec<Match>,
    original: Original<'_>,
    risk: &RiskConfig,
) -> FlowRecord {
    let verdict = Verdict { matches };
    let mut extra = Extra::with_capacity(4);
    extra.append(SIGHTED_ID, format!("{}-{}", original.ring_id, original.row));
    extra.append(SIGHTED_KIND, record.kind.as_str());
    extra.append(SIGHTED_AT, original.processed_at.to_string());
    extra.append(ADDED_AT, original.added.to_string());
    let exported = record.exported.map(|exported| Exported { sampling: None, ..exported });
    FlowRecord {
        start: record.start,
        end: record.end,
        source: record.source,
        kind: Kind::Sighting,
        observer: record.observer.clone(),
        exported,
        src_ip: record.src_ip,
        dst_ip: record.dst_ip,
        src_port: record.src_port,
        dst_port: record.dst_port,
        proto: record.proto,
        forward: Counters::default(),
        reverse: Counters::default(),
        uncounted: Uncounted::ALL,
        vlan: record.vlan,
        icmp: record.icmp,
        service: record.service.clone(),
        domain: record.domain.clone(),
        src_place: record.src_place.clone(),
        dst_place: record.dst_place.clone(),
        direction: record.direction,
        // A large transfer is one by the octets of the original.
        risk: Some(score(risk, record, &verdict)),
        tags: tags(record, risk),
        verdict: Some(verdict),
        extra: Some(Box::new(extra)),
        ..FlowRecord::default()
    }
}

fn tags(record: &FlowRecord, risk: &RiskConfig) -> Tags {
    let mut tags = Tags::default();
    tags.insert(Tag::Ti);
    if risk.is_risky_port(record) {
        tags.insert(Tag::RiskyPort);
    }
    if risk.is_large_transfer(record) {
        tags.insert(Tag::LargeTransfer);
    }
    tags
}

/// The record that tells of `suppressed` rows that matched beyond `limit`.
pub(super) fn summary(suppressed: u64, limit: u64, added: Timestamp, now: Timestamp) -> FlowRecord {
    let reason = format!(
        "new indicators match {suppressed} more stored rows than the {limit} that were sighted; \
         look for very wide networks in the lists"
    );
    let mut extra = Extra::with_capacity(3);
    extra.append(SUPPRESSED, suppressed);
    extra.append(REASON, reason);
    extra.append(ADDED_AT, added.to_string());
    FlowRecord {
        start: now,
        end: now,
        kind: Kind::Sighting,
        uncounted: Uncounted::ALL,
        extra: Some(Box::new(extra)),
        ..FlowRecord::default()
    }
}
