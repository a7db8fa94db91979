//! The exporters that are kept apart, in bounded number: forged senders cannot drive out one that is at work.
//!
//! A sender that is new is on probation until it comes again after records of it were decoded; the few places of probation
//! are all that a flood of senders fights for. While there is much room that is enough to stay; when there is little, it
//! takes to be heard for a while, and one that has been silent for as long as it was heard makes room.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::Arrival;
use super::exporter::{Exporter, ExporterKey};

/// Senders on probation at a time.
const PROBATION: usize = 64;
/// How long an exporter has to be heard where there is little room.
const TRIAL: Duration = Duration::from_secs(10);
/// An exporter is kept for at least this long, and at most for [`LONGEST`], once it is silent.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// How often a full table is searched for one that makes room.
const SEARCH_EVERY: Duration = Duration::from_secs(1);

/// Exporters by address.
pub(super) struct Exporters {
    limit: usize,
    established: HashMap<ExporterKey, Exporter, RandomState>,
    /// In no order; few enough to be searched one by one.
    probation: Vec<Exporter>,
    searched: Option<Duration>,
}

impl Exporters {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, established: HashMap::default(), probation: Vec::new(), searched: None }
    }

    /// The exporter `key`, a new one if need be; with it one that had to make room.
    pub(super) fn find(&mut self, key: ExporterKey, at: Arrival) -> (&mut Exporter, Option<Exporter>) {
        let mut displaced = None;
        if !self.established.contains_key(&key) {
            let Some(place) = self.probation.iter().position(|one| one.key == key) else {
                return self.admit(key, at);
            };
            if !self.has_proved_itself(&self.probation[place]) {
                return (&mut self.probation[place], None);
            }
            if self.established.len() >= self.limit {
                let Some(silent) = self.silent(at.mono) else { return (&mut self.probation[place], None) };
                displaced = self.established.remove(&silent);
            }
            let exporter = self.probation.swap_remove(place);
            self.established.insert(key, exporter);
        }
        let exporter = self.established.entry(key).or_insert_with(|| Exporter::new(key, at));
        (exporter, displaced)
    }

    /// Begins a probation.
    fn admit(&mut self, key: ExporterKey, at: Arrival) -> (&mut Exporter, Option<Exporter>) {
        let mut displaced = None;
        if self.probation.len() >= PROBATION
            && let Some(oldest) =
                (0..self.probation.len()).min_by_key(|&place| self.probation[place].last.mono)
        {
            displaced = Some(self.probation.swap_remove(oldest));
        }
        let place = self.probation.len();
        self.probation.push(Exporter::new(key, at));
        (&mut self.probation[place], displaced)
    }

    fn has_proved_itself(&self, exporter: &Exporter) -> bool {
        let is_roomy = self.established.len() < self.limit.div_ceil(2);
        exporter.counts.records > 0 && (is_roomy || exporter.lifetime() >= TRIAL)
    }

    /// The one that has been silent longest, of those that were silent for as long as they were heard.
    fn silent(&mut self, now: Duration) -> Option<ExporterKey> {
        if self.searched.is_some_and(|at| now.saturating_sub(at) < SEARCH_EVERY) {
            return None;
        }
        self.searched = Some(now);
        let silence = |one: &Exporter| now.saturating_sub(one.last.mono);
        let is_over = |one: &&Exporter| silence(one) > one.lifetime().clamp(SHORTEST, LONGEST);
        self.established.values().filter(is_over).max_by_key(|one| silence(one)).map(|one| one.key)
    }

    /// Adds an exporter that was known before a restart, unless there is no room, or it is there.
    pub(super) fn add(&mut self, exporter: Exporter) {
        if self.established.len() < self.limit {
            self.established.entry(exporter.key).or_insert(exporter);
        }
    }

    /// Those that are not on probation.
    pub(super) fn established(&self) -> impl Iterator<Item = &Exporter> {
        self.established.values()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Exporter> {
        self.established.values().chain(&self.probation)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Exporter> {
        self.established.values_mut().chain(&mut self.probation)
    }
}
