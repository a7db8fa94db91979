//! What a block must have for anything in it to fit: terms for its filters, and bounds for its summary.

use std::ops::Range;

use ipnetwork::IpNetwork;
use weir_flow::Timestamp;

use super::Query;
use super::query::canonical;
use crate::block::code;
use crate::filter::{EPHEMERAL, Filter, Space, Term, networks, tail_of};

/// Highest risk score.
const MAX_RISK: u8 = 100;

/// A query as blocks are asked.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// For the filter of addresses: of each list one term must be there.
    pub(super) addresses: Vec<Vec<Term>>,
    /// For the filter of everything else likewise.
    pub(super) terms: Vec<Vec<Term>>,
    /// Flows start from here, and not after there, in milliseconds.
    starts: (Option<i64>, Option<i64>),
    min_risk: Option<u8>,
    threat: Option<bool>,
    /// Nothing can fit.
    pub(super) is_void: bool,
}

/// What the summary of a block says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) starts: (i64, i64),
    pub(super) max_risk: Option<u8>,
    pub(super) threats: u64,
}

impl Plan {
    pub(super) fn new(query: &Query) -> Self {
        let names_match = !query.indicator.is_empty() || !query.category.is_empty();
        let is_backwards = query.from.zip(query.to).is_some_and(|(from, to)| from >= to);
        Self {
            addresses: groups([&query.ip, &query.src_ip, &query.dst_ip].map(|list| each(list, network))),
            terms: terms(query),
            starts: (query.from.map(Timestamp::millis), query.to.map(Timestamp::millis)),
            min_risk: query.min_risk,
            threat: if names_match { Some(true) } else { query.threat },
            is_void: is_backwards
                || query.min_risk.is_some_and(|least| least > MAX_RISK)
                || (names_match && query.threat == Some(false)),
        }
    }

    /// False when no flow that starts then fits.
    pub(super) fn admits_starts(&self, (earliest, latest): (i64, i64)) -> bool {
        self.starts.0.is_none_or(|from| latest >= from) && self.starts.1.is_none_or(|to| earliest <= to)
    }

    /// False when nothing in a block of this summary fits.
    pub(super) fn admits(&self, summary: &Summary) -> bool {
        let risk_fits =
            self.min_risk.is_none_or(|least| summary.max_risk.is_some_and(|highest| highest >= least));
        let threat_fits = match self.threat {
            Some(true) => summary.threats > 0,
            Some(false) => summary.threats < summary.count,
            None => true,
        };
        risk_fits && threat_fits && self.admits_starts(summary.starts)
    }
}

/// False when the filter `data` says that of one of `lists` nothing is there.
pub(super) fn may_hold(lists: &[Vec<Term>], data: &[u8]) -> bool {
    let Some(filter) = Filter::read(data) else { return true };
    lists.iter().all(|list| list.iter().any(|&term| filter.may_hold(term)))
}

/// A term for each value; none when one has no term, so that blocks cannot be passed by for it.
fn each<T>(values: &[T], term: impl Fn(&T) -> Option<Term>) -> Option<Vec<Term>> {
    values.iter().map(term).collect()
}

/// The lists of conditions that are given and help.
fn groups<const N: usize>(lists: [Option<Vec<Term>>; N]) -> Vec<Vec<Term>> {
    lists.into_iter().flatten().filter(|list| !list.is_empty()).collect()
}

/// The narrowest network around `wanted` that filters have.
fn network(wanted: &IpNetwork) -> Option<Term> {
    let wanted = canonical(*wanted);
    let mut best = None;
    networks(wanted.network(), |length, term| {
        if length <= wanted.prefix() {
            best = Some(term);
        }
    });
    best
}

fn terms(query: &Query) -> Vec<Vec<Term>> {
    let port = |&port: &u16| (port < EPHEMERAL).then(|| Term::exact(Space::Port, &port.to_le_bytes()));
    let folded = |space| move |text: &String| Some(Term::folded(space, text.as_bytes()));
    let exact = |space| move |text: &String| Some(Term::exact(space, text.as_bytes()));
    groups([
        each(&query.indicator, folded(Space::Indicator)),
        each(&query.domain, |name| Some(Term::domain(tail_of(name).as_bytes()))),
        each(&query.asn, |asn| Some(Term::exact(Space::Asn, &asn.to_le_bytes()))),
        each(&query.country, exact(Space::Country)),
        each(&query.port, port),
        each(&query.src_port, port),
        each(&query.dst_port, port),
        each(&query.service, folded(Space::Service)),
        each(&query.category, folded(Space::Category)),
        each(&query.exporter, |&address| Some(Term::exporter(address))),
        each(&query.observer, exact(Space::Observer)),
        each(&query.kind, |kind| Some(code::term_of_kind(kind))),
        each(&query.source, |&source| Some(code::source_term(source))),
        each(&query.proto, |&proto| Some(Term::exact(Space::Proto, &[proto]))),
        each(&query.direction, |&direction| Some(code::direction_term(direction))),
        each(&query.tag, |&tag| Some(code::tag_term(tag))),
    ])
}

/// Numbers of rows, first and last.
pub(super) type Stretch = (u64, u64);

/// What is left to be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frontier {
    pub(super) is_descending: bool,
    pub(super) low: u64,
    pub(super) high: u64,
}

impl Frontier {
    pub(super) const fn is_empty(&self) -> bool {
        self.low > self.high
    }

    /// What of `stretch` is left.
    pub(super) fn clip(&self, (first, last): Stretch) -> Option<Stretch> {
        let (first, last) = (first.max(self.low), last.min(self.high));
        (first <= last).then_some((first, last))
    }

    /// What is left before `stretch` comes.
    pub(super) const fn before(&self, (first, last): Stretch) -> Option<Stretch> {
        if self.is_descending {
            if last < self.high { Some((last + 1, self.high)) } else { None }
        } else if first > self.low {
            Some((self.low, first - 1))
        } else {
            None
        }
    }

    /// Goes beyond `stretch`.
    pub(super) fn pass(&mut self, (first, last): Stretch) {
        if !self.is_descending {
            self.low = self.low.max(last.saturating_add(1));
        } else if first == 0 {
            (self.low, self.high) = (1, 0);
        } else {
            self.high = self.high.min(first - 1);
        }
    }
}

/// The rows that `query` names by number or id in the ring of `ring_id`, ascending; none when it names none.
pub(super) fn named_rows(query: &Query, ring_id: &str) -> Option<Vec<u64>> {
    if query.id.is_empty() {
        return None;
    }
    let own = query.id.iter().filter(|id| id.ring_id == ring_id);
    let mut rows: Vec<u64> = own.map(|id| id.row).collect();
    rows.sort_unstable();
    rows.dedup();
    Some(rows)
}

/// The places of `stretch` in a block that begins with `first_row`.
pub(super) fn places(stretch: Stretch, first_row: u64) -> Range<usize> {
    let place = |row: u64| usize::try_from(row.saturating_sub(first_row)).unwrap_or(usize::MAX);
    place(stretch.0)..place(stretch.1.saturating_add(1))
}
