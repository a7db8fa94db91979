//! Indicators picked out of an index: those that came since another, those that are left of another.
//!
//! By value, that is by address, network or name: which list has an indicator, and what it says about it, does not matter.

use std::net::IpAddr;
use std::sync::Arc;

use weir_flow::Text;

use crate::index::Index;
use crate::names::Names;
use crate::networks::{Address, Networks, Row};

/// Indicators that are few: they can be asked for one by one.
pub const MAX_FEW: usize = 64;
/// Networks shorter than this hold so much that asking for them one by one spares nothing.
const FEW_V4: u8 = 8;
const FEW_V6: u8 = 32;
/// More rows than this are not copied where the whole index has less than twice as many: the copy would take as much memory
/// as the index itself, for hours.
const SHARED_ROWS: usize = 500_000;

/// A few indicators, one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Few {
    /// First addresses of networks with their prefix lengths.
    pub networks: Vec<(IpAddr, u8)>,
    /// Names in lower case: these and all below them.
    pub names: Vec<Text>,
}

impl Index {
    /// The indicators that `before` does not have, and those that `also` has.
    ///
    /// The whole index when that would be a copy of most of a large one: then more are given than were asked for.
    #[must_use]
    pub fn added(self: &Arc<Self>, before: &Self, also: Option<&Self>) -> Arc<Self> {
        self.pick(
            |row| !before.v4().has(row) || also.is_some_and(|also| also.v4().has(row)),
            |row| !before.v6().has(row) || also.is_some_and(|also| also.v6().has(row)),
            |hash| !before.names().has(hash) || also.is_some_and(|also| also.names().has(hash)),
            also,
        )
    }

    /// The indicators that `of` has too; the whole index as for [`Self::added`].
    #[must_use]
    pub fn left(self: &Arc<Self>, of: &Self) -> Arc<Self> {
        self.pick(|row| of.v4().has(row), |row| of.v6().has(row), |hash| of.names().has(hash), Some(of))
    }

    /// Indicators; one that several lists have counts once.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.v4().distinct() + self.v6().distinct() + self.names().distinct()
    }

    /// True without indicators.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// The indicators one by one, if they are at most [`MAX_FEW`], none is a very wide network, and of each name the text is
    /// known: an index keeps hashes of names, and texts of the few that came last.
    #[must_use]
    pub fn few(&self) -> Option<Few> {
        if self.len() > MAX_FEW as u64 {
            return None;
        }
        let mut few = Few::default();
        self.v4().list(FEW_V4, &mut few.networks)?;
        self.v6().list(FEW_V6, &mut few.networks)?;
        for (hash, _) in self.names().rows() {
            let name = self.texts().iter().find(|(known, _)| *known == hash).map(|(_, name)| name.clone())?;
            few.names.push(name);
        }
        few.names.dedup();
        Some(few)
    }

    fn rows(&self) -> usize {
        self.v4().rows().len() + self.v6().rows().len() + self.names().rows().count()
    }

    fn pick(
        self: &Arc<Self>,
        v4: impl Fn(&Row<u32>) -> bool,
        v6: impl Fn(&Row<crate::networks::V6>) -> bool,
        names: impl Fn(u64) -> bool,
        texts: Option<&Self>,
    ) -> Arc<Self> {
        let wanted = self.v4().rows().iter().filter(|row| v4(row)).count()
            + self.v6().rows().iter().filter(|row| v6(row)).count()
            + self.names().rows().filter(|&(hash, _)| names(hash)).count();
        let all = self.rows();
        if wanted == all || wanted > SHARED_ROWS && wanted > all / 2 {
            return Arc::clone(self);
        }
        let picked = self.with(self.v4().picked(v4), self.v6().picked(v6), self.names().picked(names));
        let known = self.texts().iter().chain(texts.iter().flat_map(|other| other.texts()));
        let known = known.filter(|(hash, _)| picked.names().has(*hash)).cloned().collect();
        Arc::new(picked.knowing(known))
    }
}

impl<A: Address> Networks<A> {
    /// True when the network of `row` is among these.
    fn has(&self, row: &Row<A>) -> bool {
        let near = self.near(row.start);
        near.binary_search_by(|other| other.key().cmp(&row.key())).is_ok()
    }

    /// Networks, each once.
    fn distinct(&self) -> u64 {
        let mut last = None;
        self.rows().iter().filter(|row| last.replace(row.key()) != Some(row.key())).count() as u64
    }

    /// Appends each network once; none when one is shorter than `shortest`.
    fn list(&self, shortest: u8, to: &mut Vec<(IpAddr, u8)>) -> Option<()> {
        for row in self.rows() {
            let network = (row.start.ip(), row.len);
            if row.len < shortest {
                return None;
            }
            if to.last() != Some(&network) {
                to.push(network);
            }
        }
        Some(())
    }

    /// Those networks that are wanted.
    fn picked(&self, wanted: impl Fn(&Row<A>) -> bool) -> Self {
        let rows = self.rows().iter().filter(|row| wanted(row));
        Self::new(rows.map(|row| Row::new(row.start, row.len, row.tag)).collect())
    }
}

impl Names {
    /// True when a name of this hash is among these.
    fn has(&self, hash: u64) -> bool {
        self.near(hash).binary_search(&hash).is_ok()
    }

    /// Names, each once.
    fn distinct(&self) -> u64 {
        let mut last = None;
        self.rows().filter(|&(hash, _)| last.replace(hash) != Some(hash)).count() as u64
    }

    /// Those names that are wanted.
    fn picked(&self, wanted: impl Fn(u64) -> bool) -> Self {
        let rows: Vec<_> = self.rows().filter(|&(hash, _)| wanted(hash)).collect();
        Self::new(&rows, self.hasher().clone(), self.labels())
    }
}
