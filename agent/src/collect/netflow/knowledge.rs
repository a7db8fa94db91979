//! What an exporter said of itself in options records: how it samples, what applications and interfaces are called.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use weir_flow::{Text, Timestamp};

use super::draft::Draft;
use super::said::Said;
use super::value::text;

/// Samplers of an observation domain; routers have one for each kind of interface.
const MAX_SAMPLERS: usize = 256;
/// Applications that have a name: makers' lists have up to 5,000.
const MAX_APPLICATIONS: usize = 8_192;
/// Interfaces that have a name: stacked switches have some hundreds, subscribers' gateways thousands.
const MAX_INTERFACES: usize = 4_096;
/// Names that data records gave, remembered so that each is kept once.
const MAX_NAMES: usize = 4_096;
/// Octets of a name.
const MAX_NAME: usize = 128;
/// Octets of an application's number: engine and selector (RFC 6759 §4) have 4 to 12.
const MAX_APPLICATION_ID: usize = 16;

/// Memory of an entry at most: a name with its counts, a key, and what the map adds.
const ENTRY_BYTES: usize = MAX_NAME + 80;
/// The same of a name that is its own key.
const NAME_BYTES: usize = 2 * MAX_NAME + 80;

type Map<K, V> = HashMap<K, V, RandomState>;

/// What is known of an observation domain.
#[derive(Debug, Default)]
pub(in crate::collect) struct Knowledge {
    /// One of this many packets, of samplers with a number.
    samplers: Map<u64, u32>,
    /// The same where no sampler is named.
    unnumbered: Option<u32>,
    /// That, or what all samplers have in common: found when one changes, not for each record.
    sampling: Option<u32>,
    applications: Map<Box<[u8]>, Text>,
    interfaces: Map<u32, Text>,
    /// When the exporter started.
    pub(in crate::collect) sys_init: Option<Timestamp>,
    names: Map<Box<[u8]>, Text>,
    changes: u64,
}

/// [`Knowledge`] in a form that can be written down.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(in crate::collect) struct Kept {
    samplers: Vec<(u64, u32)>,
    unnumbered: Option<u32>,
    applications: Vec<(Vec<u8>, String)>,
    interfaces: Vec<(u32, String)>,
    sys_init_us: Option<i64>,
}

impl Knowledge {
    /// Learns from an options record.
    pub(super) fn learn(&mut self, draft: &Draft<'_>) {
        if let Some(init) = draft.times.sys_init {
            replace(&mut self.sys_init, init, &mut self.changes);
        }
        let Some(said) = draft.said() else { return };
        if let Some(one_of) = said.sampling.one_of() {
            match said.sampler {
                0 => replace(&mut self.unnumbered, one_of, &mut self.changes),
                sampler => put(&mut self.samplers, MAX_SAMPLERS, sampler, one_of, &mut self.changes),
            }
            self.find_sampling();
        }
        if let Some(name) = name(said.application_name).or_else(|| name(said.description))
            && (1..=MAX_APPLICATION_ID).contains(&said.application.len())
        {
            let id = said.application.into();
            put(&mut self.applications, MAX_APPLICATIONS, id, name.as_ref().into(), &mut self.changes);
        }
        let index = draft.record.exported.and_then(|exported| exported.ingress_if);
        if let Some((index, name)) = index.zip(name(said.interface_name)) {
            put(&mut self.interfaces, MAX_INTERFACES, index, name.as_ref().into(), &mut self.changes);
        }
    }

    /// Memory that it takes, at most.
    pub(in crate::collect) fn bytes(&self) -> usize {
        let entries = self.samplers.len() + self.applications.len() + self.interfaces.len();
        entries * ENTRY_BYTES + self.names.len() * NAME_BYTES
    }

    /// Forgets names that data records gave, and if there are none, all that options said.
    pub(in crate::collect) fn forget(&mut self) {
        if self.names.is_empty() {
            *self = Self { changes: self.changes + 1, sys_init: self.sys_init, ..Self::default() };
        }
        self.names = Map::default();
    }

    /// Grows by one each time that something new was learnt.
    pub(in crate::collect) const fn changes(&self) -> u64 {
        self.changes
    }

    /// One of how many packets the exporter samples, where all its samplers do the same.
    pub(in crate::collect) const fn sampling(&self) -> Option<u32> {
        self.sampling
    }

    fn find_sampling(&mut self) {
        let mut rates = self.samplers.values().copied();
        let first = rates.next();
        let same = first.filter(|first| rates.all(|rate| rate == *first));
        self.sampling = self.unnumbered.or(same).filter(|&one_of| one_of > 1);
    }

    /// Fills in what a data record says by number only.
    pub(super) fn explain(&mut self, draft: &mut Draft<'_>) {
        let said = draft.said().copied();
        let sampling = match &said {
            Some(said) => said.sampling.one_of().or_else(|| self.sampler(said.sampler)),
            None => self.sampling(),
        };
        if let Some(one_of) = sampling.filter(|&one_of| one_of > 1) {
            draft.record.exported.get_or_insert_default().sampling = Some(one_of);
        }
        if let Some(said) = said {
            self.name(&said, draft);
        }
        if !self.interfaces.is_empty() {
            self.name_interfaces(draft);
        }
    }

    fn sampler(&self, number: u64) -> Option<u32> {
        if number == 0 { self.sampling() } else { self.samplers.get(&number).copied() }
    }

    /// Names of application and domain.
    fn name(&mut self, said: &Said<'_>, draft: &mut Draft<'_>) {
        if !said.application.is_empty() {
            draft.record.service = self.applications.get(said.application).cloned();
            if let Some(id) = application_id(said.application) {
                draft.note("application_id", id);
            }
        }
        if let Some(name) = self.remembered(said.application_name) {
            draft.record.service = Some(name);
        }
        if let Some(name) = self.remembered(said.domain_name) {
            draft.record.domain = Some(name);
        }
    }

    fn name_interfaces(&self, draft: &mut Draft<'_>) {
        let Some(exported) = draft.record.exported else { return };
        for (field, index) in
            [("ingress_if_name", exported.ingress_if), ("egress_if_name", exported.egress_if)]
        {
            if let Some(name) = index.and_then(|index| self.interfaces.get(&index)) {
                draft.note(field, name.as_ref());
            }
        }
    }

    /// A name out of a data record, kept once however often it comes.
    fn remembered(&mut self, octets: &[u8]) -> Option<Text> {
        if octets.is_empty() {
            return None;
        }
        let octets = &octets[..octets.len().min(MAX_NAME)];
        if let Some(known) = self.names.get(octets) {
            return Some(Arc::clone(known));
        }
        let text: Text = name(octets)?.as_ref().into();
        if self.names.len() >= MAX_NAMES {
            self.names.clear();
        }
        self.names.insert(octets.into(), Arc::clone(&text));
        Some(text)
    }

    /// A form that can be written down.
    pub(in crate::collect) fn keep(&self) -> Kept {
        Kept {
            samplers: self.samplers.iter().map(|(&id, &one_of)| (id, one_of)).collect(),
            unnumbered: self.unnumbered,
            applications: self
                .applications
                .iter()
                .map(|(id, name)| (id.to_vec(), name.to_string()))
                .collect(),
            interfaces: self.interfaces.iter().map(|(&index, name)| (index, name.to_string())).collect(),
            sys_init_us: self.sys_init.map(Timestamp::micros),
        }
    }

    /// What was written down; as much of it as may be kept.
    pub(in crate::collect) fn restore(kept: Kept) -> Self {
        let applications = kept.applications.into_iter().filter(|(id, _)| id.len() <= MAX_APPLICATION_ID);
        let short = |name: String| name.chars().take(MAX_NAME).collect::<String>().into();
        let mut knowledge = Self {
            samplers: kept.samplers.into_iter().take(MAX_SAMPLERS).collect(),
            unnumbered: kept.unnumbered,
            applications: applications
                .take(MAX_APPLICATIONS)
                .map(|(id, name)| (id.into(), short(name)))
                .collect(),
            interfaces: kept
                .interfaces
                .into_iter()
                .take(MAX_INTERFACES)
                .map(|(index, name)| (index, short(name)))
                .collect(),
            sys_init: kept.sys_init_us.map(Timestamp::from_micros),
            ..Self::default()
        };
        knowledge.find_sampling();
        knowledge
    }
}

/// Puts a value in where it is new, unless there is no room.
fn put<K: Eq + std::hash::Hash, V: PartialEq>(
    map: &mut Map<K, V>,
    limit: usize,
    key: K,
    value: V,
    changes: &mut u64,
) {
    if map.get(&key) != Some(&value) && (map.len() < limit || map.contains_key(&key)) {
        map.insert(key, value);
        *changes += 1;
    }
}

fn replace<T: PartialEq>(place: &mut Option<T>, value: T, changes: &mut u64) {
    if place.as_ref() != Some(&value) {
        *place = Some(value);
        *changes += 1;
    }
}

fn name(octets: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    text(&octets[..octets.len().min(MAX_NAME)])
}

/// Engine and selector (RFC 6759 §4), as in `3:53`.
fn application_id(octets: &[u8]) -> Option<String> {
    let (engine, selector) = octets.split_first()?;
    let selector = super::value::unsigned(selector)?;
    (*engine != 0 || selector != 0).then(|| format!("{engine}:{selector}"))
}
