//! Data that came before their template: they wait, within bounds, and are decoded when it comes.

use std::collections::VecDeque;
use std::time::Duration;

use super::netflow::WrongClock;
use super::netflow::template::Dialect;
use super::netflow::time::Header;
use super::{Fault, Faults};

/// How long data wait: exporters repeat their templates each 20 messages to each 30 minutes.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Octets that the data of one exporter may take: half a minute of a busy router.
pub(super) const MAX_BYTES: usize = 2 << 20;

/// One data set, with what its message said.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) dialect: Dialect,
    pub(super) domain: u32,
    pub(super) id: u16,
    pub(super) header: Header,
    pub(super) clock: WrongClock,
    pub(super) since: Duration,
    pub(super) body: Box<[u8]>,
}

impl Parked {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.len()
    }
}

/// The data of one exporter that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Park {
    sets: VecDeque<Parked>,
    bytes: usize,
}

impl Park {
    /// Octets that are taken.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a data set in; older ones give way.
    pub(super) fn put(&mut self, set: Parked, faults: &mut Faults) {
        self.bytes += set.bytes();
        self.sets.push_back(set);
        while self.bytes > MAX_BYTES {
            self.drop_oldest(faults);
        }
    }

    /// Gives the oldest data set up; false when there is none.
    pub(super) fn drop_oldest(&mut self, faults: &mut Faults) -> bool {
        let Some(set) = self.sets.pop_front() else { return false };
        self.bytes -= set.bytes();
        faults.count(Fault::NoTemplate);
        true
    }

    /// Gives up what has waited too long.
    pub(super) fn expire(&mut self, now: Duration, faults: &mut Faults) {
        while self.sets.front().is_some_and(|set| now.saturating_sub(set.since) > PATIENCE) {
            self.drop_oldest(faults);
        }
    }

    /// Takes out what waited for a template, oldest first.
    pub(super) fn take(&mut self, dialect: Dialect, domain: u32, id: u16) -> Vec<Parked> {
        let is_wanted = |set: &Parked| (set.dialect, set.domain, set.id) == (dialect, domain, id);
        if !self.sets.iter().any(is_wanted) {
            return Vec::new();
        }
        let (wanted, rest) = std::mem::take(&mut self.sets).into_iter().partition::<Vec<_>, _>(is_wanted);
        self.bytes -= wanted.iter().map(Parked::bytes).sum::<usize>();
        self.sets = rest.into();
        wanted
    }
}
