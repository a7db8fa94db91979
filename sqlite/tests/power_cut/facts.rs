//! What a store holds, in one line: written by whoever was told that it is safe, and held against what is there later.
#![allow(dead_code, reason = "the program and the test each use a part of it")]

use std::fmt::{self, Display};
use std::path::Path;
use std::str::FromStr;

use weir_store::{Control, Reader, Selection};

use crate::plan::{INPUT, TENANTS};
use crate::support::tenant;

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) rings: [RingFacts; 2],
    /// Commits, by the bookmark.
    pub(crate) commits: u64,
    pub(crate) receipts: u64,
    /// Dead letters, and the number of the newest.
    pub(crate) letters: (u64, i64),
}

/// What a ring holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RingFacts {
    /// First half of its event ids; `-` before its first commit.
    pub(crate) id: String,
    pub(crate) first_row: u64,
    pub(crate) next_row: u64,
}

impl Facts {
    /// Looks at the store in `dir`.
    pub(crate) fn of(dir: &Path) -> Result<Self, weir_store::Error> {
        Self::seen(&Reader::open(dir)?, &Control::open(dir)?)
    }

    /// Looks at a store that is open.
    pub(crate) fn seen(reader: &Reader, control: &Control) -> Result<Self, weir_store::Error> {
        let mut facts = Self::default();
        for (ring, name) in facts.rings.iter_mut().zip(TENANTS) {
            let stats = reader.stats(&tenant(name))?;
            let id = stats.ring_id.unwrap_or_else(|| "-".into());
            *ring = RingFacts { id, first_row: stats.first_row, next_row: stats.next_row };
        }
        for (_, position) in reader.bookmarks(INPUT)? {
            facts.commits = position.parse().unwrap_or(u64::MAX);
        }
        facts.receipts = control.receipts()?;
        let letters = control.dead_letters(&Selection::default(), 0, 1_000)?.letters;
        facts.letters = (letters.len() as u64, letters.last().map_or(0, |letter| letter.id));
        Ok(facts)
    }
}

impl Display for Facts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ring in &self.rings {
            write!(out, "{} {} {} ", ring.id, ring.first_row, ring.next_row)?;
        }
        let (letters, newest) = self.letters;
        write!(out, "{} {} {letters} {newest}", self.commits, self.receipts)
    }
}

impl FromStr for Facts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let [id, first, next, other_id, other_first, other_next, rest @ ..] = words.as_slice() else {
            return Err(format!("facts were expected, not {text:?}"));
        };
        let number = |word: &str| word.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
        let ring = |id: &str, first: &str, next: &str| -> Result<RingFacts, String> {
            Ok(RingFacts { id: id.into(), first_row: number(first)?, next_row: number(next)? })
        };
        let &[commits, receipts, letters, newest] = rest else {
            return Err(format!("facts were expected, not {text:?}"));
        };
        Ok(Self {
            rings: [ring(id, first, next)?, ring(other_id, other_first, other_next)?],
            commits: number(commits)?,
            receipts: number(receipts)?,
            letters: (number(letters)?, number(newest)?.cast_signed()),
        })
    }
}
