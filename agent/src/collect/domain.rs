//! One observation domain of an exporter: its templates, what it said in options, its sequence numbers.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::Fault;
use super::netflow::knowledge::Knowledge;
use super::netflow::template::{Announced, Dialect, Kind, Template};
use super::sequence::Sequence;

/// Which observation domain of an exporter. Templates of NetFlow v9 and of IPFIX are apart, also under one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DomainKey {
    /// NetFlow v5 by type and slot of the engine; it has no templates.
    V5(u16),
    /// NetFlow v7.
    V7,
    /// NetFlow v9 or IPFIX by source ID or observation domain.
    Sets(Dialect, u32),
}

/// What became of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcement {
    /// It is as it was.
    Known,
    /// It was not known, or was another.
    New,
}

/// State of an observation domain.
#[derive(Debug)]
pub(super) struct Domain {
    pub(super) templates: HashMap<u16, Template, RandomState>,
    pub(super) knowledge: Knowledge,
    pub(super) sequence: Sequence,
    /// Memory of the templates, octets.
    pub(super) template_bytes: usize,
    /// Templates that came, changed or went.
    pub(super) changes: u64,
    /// When it was heard from last, in datagrams of its exporter.
    pub(super) used: u64,
}

impl Domain {
    pub(super) fn new(key: DomainKey) -> Self {
        let sequence = match key {
            DomainKey::V5(_) | DomainKey::V7 => Sequence::of_flows(),
            DomainKey::Sets(Dialect::V9, _) => Sequence::of_messages(),
            DomainKey::Sets(Dialect::Ipfix, _) => Sequence::of_records(),
        };
        Self {
            templates: HashMap::default(),
            knowledge: Knowledge::default(),
            sequence,
            template_bytes: 0,
            changes: 0,
            used: 0,
        }
    }

    /// Takes a template in, in the place of one with its number.
    ///
    /// # Errors
    /// It cannot be used; one with its number is gone all the same, since its data would be misread.
    pub(super) fn announce(
        &mut self,
        id: u16,
        announced: &Announced<'_>,
        turn: u64,
    ) -> Result<Announcement, Fault> {
        if let Some(known) = self.templates.get(&id)
            && known.kind == announced.kind
            && *known.wire == *announced.wire
        {
            known.used.set(turn);
            return Ok(Announcement::Known);
        }
        self.forget(id);
        let template = Template::compile(announced)?;
        template.used.set(turn);
        self.template_bytes += template.bytes();
        self.changes += 1;
        self.templates.insert(id, template);
        Ok(Announcement::New)
    }

    /// Forgets a template that the exporter takes back; with the number of a set of templates, all of that kind
    /// (RFC 7011 §8.1).
    pub(super) fn withdraw(&mut self, id: u16, kind: Kind) {
        if id >= 256 {
            return self.forget(id);
        }
        let gone: Vec<_> =
            self.templates.iter().filter(|(_, template)| template.kind == kind).map(|(&id, _)| id).collect();
        gone.into_iter().for_each(|id| self.forget(id));
    }

    /// Forgets a template.
    pub(super) fn forget(&mut self, id: u16) {
        if let Some(template) = self.templates.remove(&id) {
            self.template_bytes -= template.bytes();
            self.changes += 1;
        }
    }

    /// True when data of template `id` can be decoded; the template counts as used.
    pub(super) fn knows(&self, id: u16, turn: u64) -> bool {
        self.templates.get(&id).map(|template| template.used.set(turn)).is_some()
    }

    /// The template that was used longest ago.
    pub(super) fn oldest(&self) -> Option<(u64, u16)> {
        self.templates.iter().map(|(&id, template)| (template.used.get(), id)).min()
    }
}
