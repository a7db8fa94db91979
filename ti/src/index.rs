//! All indicators of all lists, ready to be asked; never changed once made.

use std::net::IpAddr;
use std::sync::LazyLock;

use foldhash::quality::RandomState;
use weir_flow::{Field, IndicatorKind, Match, Text, Verdict};

use crate::names::{Labels, Names};
use crate::networks::{Address, Networks, V6};
use crate::tags::{ListId, Tag};

/// Matches that one field of a record can have, one for each list; the least specific are left out. A name or address
/// that all lists hold must not make a record large.
pub const MAX_MATCHES_PER_FIELD: usize = 8;

/// Hashes names in all indexes of this process, so that these can be compared; another process has another key.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A name's hash, and the name.
pub(crate) type KnownName = (u64, Text);

/// An immutable set of indicators.
#[derive(Debug)]
pub struct Index {
    v4: Networks<u32>,
    v6: Networks<V6>,
    names: Names,
    tags: Vec<Tag>,
    sources: Vec<Text>,
    /// Of the names that came last, when they are few; others are known by their hashes alone.
    texts: Vec<KnownName>,
}

/// Indicators of one list in an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) networks: u64,
    pub(crate) addresses: u64,
    pub(crate) domains: u64,
}

impl Default for Index {
    /// Without indicators.
    fn default() -> Self {
        let names = Names::new(&[], HASHER.clone(), Labels::NONE);
        Self::new(Networks::new(Vec::new()), Networks::new(Vec::new()), names, Vec::new(), Vec::new())
    }
}

impl Index {
    pub(crate) const fn new(
        v4: Networks<u32>,
        v6: Networks<V6>,
        names: Names,
        tags: Vec<Tag>,
        sources: Vec<Text>,
    ) -> Self {
        Self { v4, v6, names, tags, sources, texts: Vec::new() }
    }

    /// The same with texts of names.
    pub(crate) fn knowing(self, texts: Vec<KnownName>) -> Self {
        Self { texts, ..self }
    }

    /// Other rows with the tags of this index.
    pub(crate) fn with(&self, v4: Networks<u32>, v6: Networks<V6>, names: Names) -> Self {
        Self::new(v4, v6, names, self.tags.clone(), self.sources.clone())
    }

    /// What is known against a record's ends and its name: originator, responder, name, within each the most
    /// specific first, at most [`MAX_MATCHES_PER_FIELD`] each. Allocates only when something matches.
    #[must_use]
    pub fn matches(&self, src_ip: Option<IpAddr>, dst_ip: Option<IpAddr>, domain: Option<&str>) -> Verdict {
        let mut matches = Vec::new();
        if let Some(ip) = src_ip {
            self.lookup_ip(ip, Field::SrcIp, &mut matches);
        }
        if let Some(ip) = dst_ip {
            self.lookup_ip(ip, Field::DstIp, &mut matches);
        }
        if let Some(name) = domain {
            self.lookup_domain(name, &mut matches);
        }
        Verdict { matches }
    }

    /// Appends the longest prefix of every list that holds `ip` (an IPv4-mapped address counts as IPv4).
    pub fn lookup_ip(&self, ip: IpAddr, field: Field, out: &mut Vec<Match>) {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.lookup(&self.v4, u32::from(ip), field, out),
            IpAddr::V6(ip) => self.lookup(&self.v6, u128::from(ip).into(), field, out),
        }
    }

    /// Appends, of every list, the longest name that is `name` or a parent of it, whatever its case.
    pub fn lookup_domain(&self, name: &str, out: &mut Vec<Match>) {
        let mut lists = Lists::default();
        self.names.above(name, |listed, tag| {
            self.report(tag, &mut lists, out, Field::Domain, IndicatorKind::Domain, || {
                listed.to_ascii_lowercase().into()
            });
        });
    }

    fn lookup<A: Address>(&self, networks: &Networks<A>, address: A, field: Field, out: &mut Vec<Match>) {
        let mut lists = Lists::default();
        for row in networks.around(address) {
            let kind = if row.is_host() { IndicatorKind::Ip } else { IndicatorKind::Cidr };
            self.report(row.tag, &mut lists, out, field, kind, || match kind {
                IndicatorKind::Ip => row.start.ip().to_string().into(),
                _ => format!("{}/{}", row.start.ip(), row.len).into(),
            });
        }
    }

    fn report(
        &self,
        tag: u16,
        lists: &mut Lists,
        out: &mut Vec<Match>,
        field: Field,
        kind: IndicatorKind,
        indicator: impl FnOnce() -> Text,
    ) {
        let tag = &self.tags[usize::from(tag)];
        if lists.admit(tag.list) {
            out.push(Match {
                indicator: indicator(),
                kind,
                category: tag.category.clone(),
                confidence: tag.confidence,
                source: self.sources[usize::from(tag.list)].clone(),
                field,
            });
        }
    }

    /// Bytes on the heap, without the texts of categories and sources.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.v4.heap_bytes()
            + self.v6.heap_bytes()
            + self.names.heap_bytes()
            + self.tags.capacity() * size_of::<Tag>()
    }

    /// Indicators of all lists, each list's own.
    pub(crate) fn counts(&self) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.sources.len()];
        let v4 = self.v4.rows().iter().map(|row| (row.is_host(), row.tag));
        let v6 = self.v6.rows().iter().map(|row| (row.is_host(), row.tag));
        for (host, tag) in v4.chain(v6) {
            let of_list = &mut counts[usize::from(self.tags[usize::from(tag)].list)];
            *(if host { &mut of_list.addresses } else { &mut of_list.networks }) += 1;
        }
        for (_, tag) in self.names.rows() {
            counts[usize::from(self.tags[usize::from(tag)].list)].domains += 1;
        }
        counts
    }

    pub(crate) const fn v4(&self) -> &Networks<u32> {
        &self.v4
    }

    pub(crate) const fn v6(&self) -> &Networks<V6> {
        &self.v6
    }

    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    /// Names whose text is known.
    pub(crate) fn texts(&self) -> &[KnownName] {
        &self.texts
    }

    pub(crate) fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

/// Lists that have matched a field already.
#[derive(Default)]
struct Lists(u64);

impl Lists {
    /// True the first time for a list, while there is room for a match.
    fn admit(&mut self, list: ListId) -> bool {
        let bit = 1 << list;
        let admitted = self.0 & bit == 0 && (self.0.count_ones() as usize) < MAX_MATCHES_PER_FIELD;
        if admitted {
            self.0 |= bit;
        }
        admitted
    }
}
