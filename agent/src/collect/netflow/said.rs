//! What options records say, and few data records: names by number, and how packets are sampled.

use super::element::Role;
use super::value::{float, unsigned};

/// What options records say, and few data records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) sampler: u64,
    pub(super) sampling: Sampling,
    pub(super) application: &'a [u8],
    pub(super) application_name: &'a [u8],
    pub(super) description: &'a [u8],
    pub(super) interface_name: &'a [u8],
    pub(super) domain_name: &'a [u8],
}

impl<'a> Said<'a> {
    pub(super) fn set(&mut self, role: Role, octets: &'a [u8]) {
        let value = unsigned(octets).unwrap_or(0);
        match role {
            Role::ApplicationId => self.application = octets,
            Role::ApplicationName => self.application_name = octets,
            Role::ApplicationDescription => self.description = octets,
            Role::InterfaceName => self.interface_name = octets,
            // nProbe has elements for several protocols' names, all but one of them empty.
            Role::Domain if self.domain_name.iter().all(|&octet| octet == 0) => self.domain_name = octets,
            Role::SamplerId => self.sampler = value,
            Role::SamplingInterval => self.sampling.interval = value,
            Role::SamplingPacketInterval => self.sampling.taken = value,
            Role::SamplingPacketSpace => self.sampling.left_out = value,
            Role::SamplingSize => self.sampling.size = value,
            Role::SamplingPopulation => self.sampling.population = value,
            Role::SamplingProbability => self.sampling.probability = float(octets).unwrap_or(0.0),
            _ => {}
        }
    }
}

/// The ways in which an exporter says that it samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sampling {
    interval: u64,
    taken: u64,
    left_out: u64,
    size: u64,
    population: u64,
    probability: f64,
}

impl Sampling {
    /// One of how many packets is sampled: 1 says all, none says nothing.
    pub(super) fn one_of(&self) -> Option<u32> {
        let ratio = |all: u64, some: u64| all.checked_div(some).filter(|&all| all > 0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and saturates"
        )]
        let inverse = |probability: f64| (1.0 / probability).round() as u64;
        let said = (self.interval > 0)
            .then_some(self.interval)
            .or_else(|| ratio(self.taken.saturating_add(self.left_out), self.taken))
            .or_else(|| ratio(self.population, self.size))
            .or_else(|| {
                (self.probability > 0.0 && self.probability <= 1.0).then(|| inverse(self.probability))
            });
        said.map(|one_of| u32::try_from(one_of).unwrap_or(u32::MAX))
    }
}
