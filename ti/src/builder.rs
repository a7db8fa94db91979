//! Collects the indicators of all lists and makes an index of them.

use std::sync::Arc;

use foldhash::quality::RandomState;
use weir_flow::Text;

use crate::index::{Index, KnownName};
use crate::indicator::Indicator;
use crate::names::{self, Labels, Names};
use crate::networks::{Networks, Row, V6};
use crate::pick::MAX_FEW;
use crate::tags::{ListId, Tags};

/// Indicators of all lists together; more are refused and counted: a list that grows without end must not take the
/// gateway's memory. A row takes 12 bytes (IPv4), 24 (IPv6) or 16 (a name, 10 once in the index), beside the index
/// in use.
pub(crate) const MAX_ENTRIES: usize = 2_000_000;

/// Rows of the index to be, in order of arrival.
#[derive(Debug)]
pub(crate) struct Builder {
    v4: Vec<Row<u32>>,
    v6: Vec<Row<V6>>,
    names: Vec<(u64, u16)>,
    tags: Tags,
    hasher: RandomState,
    labels: Labels,
    limit: usize,
    /// The index in use, with whose names those to come are compared.
    before: Option<Arc<Index>>,
    /// Names that the index in use does not have, while they are few; one more tells that there are too many.
    texts: Vec<KnownName>,
}

/// How much a builder held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    v4: usize,
    v6: usize,
    names: usize,
}

impl Builder {
    /// Empty; hashes names as `old` does, so that its rows can be carried over.
    pub(crate) fn after(old: &Index) -> Self {
        Self {
            v4: Vec::new(),
            v6: Vec::new(),
            names: Vec::new(),
            tags: Tags::default(),
            hasher: old.names().hasher().clone(),
            labels: Labels::NONE,
            limit: MAX_ENTRIES,
            before: None,
            texts: Vec::new(),
        }
    }

    /// Keeps the texts of names that `before` does not have, if they are few.
    pub(crate) fn comparing(self, before: Arc<Index>) -> Self {
        Self { before: Some(before), ..self }
    }

    #[cfg(test)]
    pub(crate) fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Adds an indicator; false when there is no room.
    pub(crate) fn push(
        &mut self,
        list: ListId,
        indicator: &Indicator,
        category: &str,
        confidence: u8,
    ) -> bool {
        if self.is_full() {
            return false;
        }
        let tag = self.tags.intern(list, category, confidence);
        match indicator {
            Indicator::V4(start, len) => self.v4.push(Row::new(*start, *len, tag)),
            Indicator::V6(start, len) => self.v6.push(Row::new((*start).into(), *len, tag)),
            Indicator::Name(name) => {
                self.labels.add(name.as_bytes());
                let hash = names::hash(&self.hasher, name.as_bytes());
                self.names.push((hash, tag));
                self.note(hash, name);
            }
        }
        true
    }

    fn note(&mut self, hash: u64, name: &str) {
        let is_new = self.before.as_ref().is_some_and(|before| !before.names().near(hash).contains(&hash));
        if is_new && self.texts.len() <= MAX_FEW && !self.texts.iter().any(|(known, _)| *known == hash) {
            self.texts.push((hash, name.into()));
        }
    }

    /// Takes the rows of those lists over from `old` whose bit is set; answers how many had no room.
    pub(crate) fn carry(&mut self, old: &Index, lists: u64) -> u64 {
        let renamed: Vec<Option<u16>> = old
            .tags()
            .iter()
            .map(|tag| {
                (lists >> tag.list & 1 == 1)
                    .then(|| self.tags.intern(tag.list, &tag.category, tag.confidence))
            })
            .collect();
        let new = |tag: u16| renamed[usize::from(tag)];
        let v4 = old.v4().rows().iter().filter_map(|row| Some(Row::new(row.start, row.len, new(row.tag)?)));
        let v6 = old.v6().rows().iter().filter_map(|row| Some(Row::new(row.start, row.len, new(row.tag)?)));
        let names = old.names().rows().filter_map(|(hash, tag)| Some((hash, new(tag)?)));
        let mut room = self.limit.saturating_sub(self.len());
        let refused = take(&mut self.v4, &mut room, v4)
            + take(&mut self.v6, &mut room, v6)
            + take(&mut self.names, &mut room, names);
        self.labels.join(old.names().labels());
        refused
    }

    /// Where the builder stands.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { v4: self.v4.len(), v6: self.v6.len(), names: self.names.len() }
    }

    /// Forgets what came after `mark`.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.v4.truncate(mark.v4);
        self.v6.truncate(mark.v6);
        self.names.truncate(mark.names);
    }

    /// The index, in which a list has an indicator once, with its highest confidence.
    pub(crate) fn build(mut self, sources: Vec<Text>) -> Index {
        settle(&mut self.v4, &self.tags, |row| (row.key(), row.tag));
        settle(&mut self.v6, &self.tags, |row| (row.key(), row.tag));
        settle(&mut self.names, &self.tags, |&row| row);
        let texts = if self.texts.len() > MAX_FEW { Vec::new() } else { self.texts };
        let index = Index::new(
            Networks::new(self.v4),
            Networks::new(self.v6),
            Names::new(&self.names, self.hasher, self.labels),
            self.tags.into_vec(),
            sources,
        );
        index.knowing(texts)
    }

    fn len(&self) -> usize {
        self.v4.len() + self.v6.len() + self.names.len()
    }

    fn is_full(&self) -> bool {
        self.len() >= self.limit
    }
}

/// Moves rows as long as there is room; answers how many had none.
fn take<R>(to: &mut Vec<R>, room: &mut usize, mut rows: impl Iterator<Item = R>) -> u64 {
    let before = to.len();
    to.extend(rows.by_ref().take(*room));
    *room -= to.len() - before;
    rows.count() as u64
}

/// Sorts by key, then by list; of one list's repeats only the surest stays.
fn settle<R, K: Ord>(rows: &mut Vec<R>, tags: &Tags, parts: impl Fn(&R) -> (K, u16)) {
    rows.sort_unstable_by(|a, b| {
        let ((a, a_tag), (b, b_tag)) = (parts(a), parts(b));
        a.cmp(&b).then_with(|| tags.rank(a_tag).cmp(&tags.rank(b_tag)))
    });
    rows.dedup_by(|later, earlier| {
        let ((later, later_tag), (earlier, earlier_tag)) = (parts(later), parts(earlier));
        later == earlier && tags.list(later_tag) == tags.list(earlier_tag)
    });
}
