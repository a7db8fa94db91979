//! A ring as a list, and whether the store answers what the list says.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use weir_flow::{FlowRecord, Kind, Place, TenantId, Timestamp};
use weir_store::{
    Dimension, Measure, Order, Page, Query, Reader, SeriesQuery, Step, StoredRow, TopEntry, TopQuery,
};

use crate::records::Maker;
use crate::support::soon;

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Rows of a look whose records are compared letter by letter.
const COMPARED: u64 = 60;

/// Rows of a long list.
const LONG: usize = 1_000;

/// What must hold, or what does not.
pub(crate) type Outcome = Result<(), String>;

/// Fails with what was found.
macro_rules! ensure {
    ($holds:expr, $($told:tt)+) => {
        if !$holds {
            return Err(format!($($told)+));
        }
    };
}
pub(crate) use ensure;

#[expect(clippy::needless_pass_by_value, reason = "so that it can be handed to map_err")]
pub(crate) fn told(error: weir_store::Error) -> String {
    format!("failed to {error}")
}

/// All that was ever in a ring, and what of it is there.
#[derive(Clone)]
pub(crate) struct Ring {
    pub(crate) tenant: TenantId,
    /// When each was stored, milliseconds, and what it is; the first is row 1.
    pub(crate) rows: Vec<(i64, FlowRecord)>,
    /// Rows that were trimmed.
    pub(crate) gone: usize,
    /// Rows that are damaged, by number.
    pub(crate) damaged: Option<RangeInclusive<u64>>,
}

impl Ring {
    pub(crate) fn new(tenant: TenantId) -> Self {
        Self { tenant, rows: Vec::new(), gone: 0, damaged: None }
    }

    pub(crate) fn append(&mut self, records: impl Iterator<Item = FlowRecord>, now_ms: i64) {
        // A clock that is set back changes the order of nothing.
        let stamp = self.rows.last().map_or(now_ms, |last| last.0.max(now_ms));
        self.rows.extend(records.map(|record| (stamp, record)));
    }

    /// Number, stamp and record of the rows that can be read, ascending.
    fn present(&self) -> impl DoubleEndedIterator<Item = (u64, i64, &FlowRecord)> {
        let rows =
            (1..).zip(&self.rows).skip(self.gone).map(|(number, (stamp, record))| (number, *stamp, record));
        let is_there = |number: &u64| self.damaged.as_ref().is_none_or(|damaged| !damaged.contains(number));
        rows.collect::<Vec<_>>().into_iter().filter(move |(number, ..)| is_there(number))
    }

    /// Looks at everything that a reader answers.
    pub(crate) fn look(&self, reader: &Reader, maker: &mut Maker) -> Outcome {
        self.figures(reader)?;
        if self.damaged.is_none() {
            self.reads(reader, maker)?;
            self.minutes(reader)?;
            self.top(reader, maker)?;
            self.series(reader, maker)?;
        }
        let orders = [Order::NewestFirst, Order::OldestFirst];
        // Long lists are searched once, so that there is time for more cases.
        let skipped = if self.rows.len() > LONG { maker.below(2) as usize } else { orders.len() };
        for (_, order) in orders.into_iter().enumerate().filter(|(at, _)| *at != skipped) {
            let query = maker.query(&self.rows);
            self.search(reader, maker, &query, order)?;
        }
        if self.damaged.is_some() {
            self.search(reader, maker, &Query::default(), Order::NewestFirst)?;
        }
        Ok(())
    }

    fn figures(&self, reader: &Reader) -> Outcome {
        let stats = reader.stats(&self.tenant).map_err(told)?;
        let (next, first) = (self.rows.len() as u64 + 1, self.gone as u64 + 1);
        let found = (stats.next_row, stats.first_row, stats.rows);
        // A damaged block at either end may be set aside, and a ring then seem to begin later.
        let fits = if self.damaged.is_some() {
            stats.next_row == next
        } else {
            found == (next, first, next - first)
        };
        ensure!(fits, "{:?}: {found:?} are next, first and number of rows, not {next}, {first}", self.tenant);
        Ok(())
    }

    fn is_row(&self, row: &StoredRow) -> Outcome {
        let (stamp, record) =
            usize::try_from(row.row - 1).ok().and_then(|place| self.rows.get(place)).unwrap();
        let mut line = Vec::new();
        record.write_json(&mut line).map_err(|error| error.to_string())?;
        let line = String::from_utf8(line).map_err(|error| error.to_string())?;
        let head = format!(
            r#"{{"id":"{}","tenant_id":"{}","processed_at":"{}","#,
            row.id,
            self.tenant.as_str(),
            Timestamp::from_millis(*stamp)
        );
        let fits = row.json == format!("{head}{}", &line[1..]) && row.id.ends_with(&format!("-{}", row.row));
        ensure!(fits, "row {} is {} where {head}{line} was stored", row.row, row.json);
        Ok(())
    }

    fn some_rows(&self, rows: &[StoredRow], maker: &mut Maker) -> Outcome {
        let often = (rows.len() as u64).div_ceil(COMPARED).max(1);
        rows.iter().filter(|_| maker.below(often) == 0).try_for_each(|row| self.is_row(row))
    }

    fn reads(&self, reader: &Reader, maker: &mut Maker) -> Outcome {
        let wanted: Vec<u64> = self.present().map(|(number, ..)| number).collect();
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let limit = 1 + maker.below(2_000) as usize;
            let page = reader.rows(&self.tenant, after, limit, soon()).map_err(told)?;
            let Some(last) = page.last() else { break };
            ensure!(page.len() <= limit, "{} rows where {limit} were asked for", page.len());
            after = last.row;
            rows.extend(page);
        }
        ensure!(
            rows.iter().map(|row| row.row).eq(wanted.iter().copied()),
            "{} of {} rows",
            rows.len(),
            wanted.len()
        );
        self.some_rows(&rows, maker)?;
        let limit = 1 + maker.below(300) as usize;
        let newest = reader.recent(&self.tenant, limit, Order::NewestFirst, soon()).map_err(told)?;
        let fits = newest.iter().map(|row| row.row).eq(wanted.iter().rev().take(limit).copied());
        ensure!(fits, "the newest {limit} rows are others");
        self.some_rows(&newest, maker)
    }

    /// Stamps from which on totals are those of the rows: where rows were trimmed, the oldest minute or hour may count
    /// more.
    fn whole_from(&self, unit: i64) -> i64 {
        let first = self.rows.get(self.gone).map_or(i64::MAX, |first| first.0.div_euclid(unit) * unit + unit);
        if self.gone == 0 { i64::MIN } else { first }
    }

    fn minutes(&self, reader: &Reader) -> Outcome {
        let from = self.whole_from(MINUTE_MS);
        let mut wanted: BTreeMap<i64, Step> = BTreeMap::new();
        for (_, stamp, record) in self.present().filter(|&(_, stamp, _)| stamp >= from) {
            add(wanted.entry(stamp.div_euclid(MINUTE_MS)).or_default(), record);
        }
        let found = reader.minutes(&self.tenant, from.div_euclid(MINUTE_MS), i64::MAX).map_err(told)?;
        let found: BTreeMap<i64, Step> = found
            .into_iter()
            .map(|total| {
                let (packets, octets) = (total.packets, total.octets);
                let (risk_sum, risk_count) = (total.risk_sum, total.risk_count);
                let step = Step { packets, octets, risk_sum, risk_count, ..Step::default() };
                (total.minute, Step { flows: total.flows, threats: total.threats, ..step })
            })
            .collect();
        ensure!(found == wanted, "the minutes are {found:?}, not {wanted:?}");
        Ok(())
    }

    fn search(&self, reader: &Reader, maker: &mut Maker, query: &Query, order: Order) -> Outcome {
        let mut wanted: Vec<u64> = self.fitting(query).map(|(number, ..)| number).collect();
        if order == Order::NewestFirst {
            wanted.reverse();
        }
        let (mut found, mut after, mut damaged) = (Vec::new(), None, BTreeSet::new());
        loop {
            let limit = 1 + maker.below((wanted.len() as u64).max(20)) as usize;
            let page = Page { limit, order, after, deadline: soon() };
            let answer = reader.search(&self.tenant, query, &page).map_err(told)?;
            ensure!(answer.progress.complete, "{query:?}: given up in time: {:?}", answer.progress);
            ensure!(answer.rows.len() <= limit, "{} rows where {limit} were asked for", answer.rows.len());
            self.some_rows(&answer.rows, maker)?;
            found.extend(answer.rows.iter().map(|row| row.row));
            damaged.extend(answer.progress.damaged.into_iter().flatten());
            after = answer.next;
            if after.is_none() || answer.rows.is_empty() {
                break;
            }
        }
        ensure!(found == wanted, "{query:?}, {order:?}: rows {found:?}, not {wanted:?}");
        self.tells_damage(query, &damaged)?;
        self.count(reader, query)
    }

    fn count(&self, reader: &Reader, query: &Query) -> Outcome {
        let mut wanted = Step::default();
        let mut rows = 0;
        self.fitting(query).for_each(|(.., record)| {
            rows += 1;
            add(&mut wanted, record);
        });
        let count = reader.count(&self.tenant, query, soon()).map_err(told)?;
        let found = (count.rows, count.packets, count.octets);
        let wanted = (rows, wanted.packets, wanted.octets);
        ensure!(found == wanted, "{query:?}: {found:?} are rows, packets and octets, not {wanted:?}");
        self.tells_damage(query, &count.progress.damaged.into_iter().flatten().collect())
    }

    /// All that is damaged is told where it may fit, and nothing else ever.
    fn tells_damage(&self, query: &Query, found: &BTreeSet<u64>) -> Outcome {
        let wanted: BTreeSet<u64> = self.damaged.iter().cloned().flatten().collect();
        let is_all = *query == Query::default();
        let fits = if is_all { *found == wanted } else { found.is_empty() || *found == wanted };
        ensure!(fits, "{query:?}: {found:?} are told as damaged, not {wanted:?}");
        Ok(())
    }

    fn fitting<'a>(
        &'a self,
        query: &'a Query,
    ) -> impl DoubleEndedIterator<Item = (u64, i64, &'a FlowRecord)> {
        self.present().filter(|(.., record)| query.matches(record))
    }

    /// A range of stamps: everything, or hours and minutes of it.
    fn range(&self, maker: &mut Maker) -> (i64, i64) {
        let (Some(first), Some(last)) = (self.rows.get(self.gone), self.rows.last()) else {
            return (0, HOUR_MS);
        };
        let (first, last) = (first.0.div_euclid(HOUR_MS) * HOUR_MS, last.0 + 1);
        let span = (last - first).unsigned_abs();
        let from = first + if maker.below(2) == 0 { 0 } else { maker.below(span).cast_signed() };
        let to = last - if maker.below(2) == 0 { 0 } else { maker.below(span).cast_signed() };
        let from = from.max(self.whole_from(HOUR_MS)).min(last + HOUR_MS);
        (from, to.max(from))
    }

    fn top(&self, reader: &Reader, maker: &mut Maker) -> Outcome {
        use Dimension::{Asns, Countries, Domains, Ports, Services, Talkers, Threats};
        let dimensions = [Talkers, Countries, Asns, Ports, Services, Domains, Threats];
        let dimension = dimensions[maker.below(7) as usize];
        let measure = [Measure::Octets, Measure::Packets, Measure::Flows][maker.below(3) as usize];
        let only = if maker.below(3) == 0 { maker.query(&self.rows) } else { Query::default() };
        let ((from, to), limit) = (self.range(maker), 1 + maker.below(30) as usize);
        let (from_ts, to_ts) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        let query = TopQuery { dimension, measure, from: from_ts, to: to_ts, limit, only };
        let top = reader.top(&self.tenant, &query, soon()).map_err(told)?;
        // The range is rounded outwards, and the answer says to what.
        ensure!(top.from <= from_ts && top.to >= to_ts, "{query:?}: {top:?}");
        let covered = top.from.millis()..top.to.millis();
        let mut wanted: BTreeMap<String, Step> = BTreeMap::new();
        let mut rows = BTreeMap::new();
        for (_, _, record) in self.fitting(&query.only).filter(|(_, stamp, _)| covered.contains(stamp)) {
            for key in keys(dimension, record) {
                add(wanted.entry(key.clone()).or_default(), record);
                *rows.entry(key).or_insert(0) += 1;
            }
        }
        let value = |step: &Step, key: &str| match measure {
            Measure::Octets => step.octets,
            Measure::Packets => step.packets,
            Measure::Flows => rows[key],
        };
        let mut wanted: Vec<(u64, String)> =
            wanted.iter().map(|(key, step)| (value(step, key), key.clone())).collect();
        wanted.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let said = |entry: &TopEntry| match measure {
            Measure::Octets => entry.octets,
            Measure::Packets => entry.packets,
            Measure::Flows => entry.flows,
        };
        let told = || format!("{query:?}: {top:?}, not {wanted:?}");
        ensure!(top.progress.complete && top.exact == (top.error == 0), "{}", told());
        ensure!(top.entries.len() <= limit, "{}", told());
        ensure!(top.exact || query.only == Query::default(), "every record was looked at: {}", told());
        if top.exact {
            let found: Vec<u64> = top.entries.iter().map(said).collect();
            let greatest: Vec<u64> = wanted.iter().take(limit).map(|entry| entry.0).collect();
            ensure!(found == greatest, "{}", told());
        }
        let truth: BTreeMap<&str, u64> = wanted.iter().map(|(value, key)| (key.as_str(), *value)).collect();
        for entry in &top.entries {
            let (least, true_value) = (said(entry), truth.get(entry.key.as_str()).copied().unwrap_or(0));
            ensure!((least..=least + entry.error).contains(&true_value), "{}: {}", entry.key, told());
            ensure!(entry.error <= top.error, "{}: {}", entry.key, told());
        }
        // Whoever is not listed has no more than the last who is, give or take the error.
        let listed: BTreeSet<&str> = top.entries.iter().map(|entry| entry.key.as_str()).collect();
        let last = if top.entries.len() < limit { 0 } else { top.entries.last().map_or(0, said) };
        let missed =
            wanted.iter().find(|(value, key)| !listed.contains(key.as_str()) && *value > last + top.error);
        ensure!(missed.is_none(), "{missed:?} is missing: {}", told());
        Ok(())
    }

    fn series(&self, reader: &Reader, maker: &mut Maker) -> Outcome {
        let minutes = [1, 5, 60][maker.below(3) as usize];
        let step_ms = i64::from(minutes) * MINUTE_MS;
        let only = if maker.below(3) == 0 { maker.query(&self.rows) } else { Query::default() };
        let (from, to) = self.range(maker);
        // Whole steps: the first begins at a multiple, and no total is cut.
        let (from, to) = (from.div_euclid(step_ms) * step_ms, (to.div_euclid(step_ms) + 1) * step_ms);
        let from = if self.gone == 0 { from } else { from + step_ms };
        if from >= to {
            return Ok(());
        }
        let mut wanted: BTreeMap<i64, Step> = BTreeMap::new();
        for (_, stamp, record) in self.fitting(&only).filter(|&(_, stamp, _)| (from..to).contains(&stamp)) {
            let ts_ms = stamp.div_euclid(step_ms) * step_ms;
            add(wanted.entry(ts_ms).or_insert(Step { ts_ms, ..Step::default() }), record);
        }
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        let query = SeriesQuery { from, to, step_minutes: minutes, only };
        let series = reader.series(&self.tenant, &query, soon()).map_err(told)?;
        let wanted: Vec<Step> = wanted.into_values().collect();
        ensure!(series.progress.complete && series.steps == wanted, "{query:?}: {series:?}, not {wanted:?}");
        Ok(())
    }
}

/// Adds a record to totals.
fn add(step: &mut Step, record: &FlowRecord) {
    let sampling = record.exported.as_ref().and_then(|exported| exported.sampling).unwrap_or(1).max(1);
    step.flows += u64::from(record.kind == Kind::Flow);
    step.packets += record.packets() * u64::from(sampling);
    step.octets += record.octets() * u64::from(sampling);
    step.threats += u64::from(record.is_threat());
    if let Some(risk) = &record.risk {
        step.risk_sum += u64::from(risk.score());
        step.risk_count += 1;
    }
}

/// What a record counts for in a ranking, each once.
fn keys(dimension: Dimension, record: &FlowRecord) -> BTreeSet<String> {
    let places = || [&record.src_place, &record.dst_place].into_iter().flatten().map(AsRef::as_ref);
    let country = |place: &Place| Some(place.geo.as_ref()?.country.as_ref()?.to_string());
    let asn = |place: &Place| Some(place.asn.as_ref()?.asn.to_string());
    match dimension {
        Dimension::Talkers => {
            [record.src_ip, record.dst_ip].iter().flatten().map(ToString::to_string).collect()
        }
        Dimension::Countries => places().filter_map(country).collect(),
        Dimension::Asns => places().filter_map(asn).collect(),
        Dimension::Ports => record.dst_port.iter().map(ToString::to_string).collect(),
        Dimension::Services => record.service.iter().map(ToString::to_string).collect(),
        Dimension::Domains => record.domain.iter().map(ToString::to_string).collect(),
        Dimension::Threats => {
            let matches = record.verdict.iter().flat_map(|verdict| &verdict.matches);
            matches.map(|found| found.indicator.to_string()).collect()
        }
    }
}
