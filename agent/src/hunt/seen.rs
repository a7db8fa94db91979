//! Sightings that a ring holds already.
//!
//! A ring may hold more of them than there is memory for: those of the newest originals are kept, down to a floor. A hunt goes
//! from new rows to old ones, and when it reaches the floor the next ones are read.

use std::hash::{BuildHasher, RandomState};

use serde::Deserialize;
use weir_store::StoredRow;

/// Pairs of row and indicator that are kept: 2 MiB, twice that while they are read.
const MAX_PAIRS: usize = 131_072;

/// Sightings of rows from a floor on.
pub(super) struct Seen {
    ring_id: String,
    below: u64,
    floor: u64,
    limit: usize,
    /// Row and hash of the indicator; sorted once all are read.
    pairs: Vec<(u64, u64)>,
    hasher: RandomState,
}

/// What of a stored sighting counts here.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    extra: Extra,
    #[serde(default)]
    ti: Ti,
}

#[derive(Default, Deserialize)]
struct Extra {
    sighted_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Ti {
    #[serde(default)]
    matches: Vec<Indicator>,
}

#[derive(Deserialize)]
struct Indicator {
    indicator: String,
}

impl Seen {
    /// None yet of the rows below `below` of the ring `ring_id`.
    pub(super) fn new(ring_id: &str, below: u64) -> Self {
        Self {
            ring_id: ring_id.to_owned(),
            below,
            floor: 0,
            limit: MAX_PAIRS,
            pairs: Vec::new(),
            hasher: RandomState::new(),
        }
    }

    #[cfg(test)]
    fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Takes a stored sighting in; what is none is left out.
    pub(super) fn add(&mut self, stored: &StoredRow) {
        let Ok(Stored { extra, ti }) = serde_json::from_str(&stored.json) else { return };
        let id = extra.sighted_id.as_deref().and_then(|id| id.rsplit_once('-'));
        let row = id.filter(|(ring, _)| *ring == self.ring_id).and_then(|(_, row)| row.parse().ok());
        let Some(row) = row.filter(|row| (self.floor..self.below).contains(row)) else { return };
        for found in ti.matches {
            self.pairs.push((row, self.hasher.hash_one(found.indicator)));
        }
        if self.pairs.len() >= self.limit.saturating_mul(2) {
            self.shrink();
        }
    }

    /// Keeps the newest rows.
    fn shrink(&mut self) {
        self.pairs.sort_unstable_by(|a, b| b.cmp(a));
        self.pairs.dedup();
        // The row in the middle of which the limit lies goes as a whole.
        let Some(&(row, _)) = self.pairs.get(self.limit) else { return };
        // One row alone is always kept, or a hunt would not get on.
        self.floor = row.saturating_add(1).min(self.below.saturating_sub(1));
        self.pairs.retain(|&(row, _)| row >= self.floor);
    }

    /// All are read.
    pub(super) fn close(&mut self) {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        self.pairs.shrink_to_fit();
    }

    /// Of rows below this one nothing is known.
    pub(super) const fn floor(&self) -> u64 {
        self.floor
    }

    /// True when `row` was sighted by `indicator`.
    pub(super) fn has(&self, row: u64, indicator: &str) -> bool {
        !self.pairs.is_empty() && self.pairs.binary_search(&(row, self.hasher.hash_one(indicator))).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use weir_store::StoredRow;

    use super::Seen;

    fn stored(original: u64, indicators: &[&str]) -> StoredRow {
        let matches: Vec<_> = indicators.iter().map(|one| format!(r#"{{"indicator":"{one}"}}"#)).collect();
        let json = format!(
            r#"{{"id":"r-9","extra":{{"sighted_id":"r-{original}"}},"ti":{{"matches":[{}]}}}}"#,
            matches.join(",")
        );
        StoredRow { id: String::new(), row: 9, json }
    }

    #[test]
    fn a_row_is_seen_by_the_indicators_that_sighted_it_and_by_no_others() {
        let mut seen = Seen::new("r", 100);
        seen.add(&stored(7, &["192.0.2.1", "evil.example"]));
        seen.add(&stored(100, &["192.0.2.1"]));
        for other in [r#"{"extra":{"sighted_id":"other-8"},"ti":{"matches":[{"indicator":"x"}]}}"#, "{}", "7"]
        {
            seen.add(&StoredRow { id: String::new(), row: 1, json: other.into() });
        }
        seen.close();
        assert!(seen.has(7, "192.0.2.1") && seen.has(7, "evil.example"));
        assert!(!seen.has(7, "192.0.2.2") && !seen.has(8, "x") && !seen.has(100, "192.0.2.1"));
        assert_eq!(seen.floor(), 0);
    }

    #[test]
    fn the_newest_originals_are_kept_whole_and_the_floor_tells_which() {
        let mut seen = Seen::new("r", u64::MAX).with_limit(100);
        // Originals in no order, three indicators each.
        for step in 0..1_000_u64 {
            seen.add(&stored(step * 337 % 1_000, &["a", "b", "c"]));
            assert!(seen.pairs.len() < 200 + 3);
        }
        seen.close();
        assert!(seen.floor() > 900 && seen.floor() < 1_000, "{}", seen.floor());
        for row in seen.floor()..1_000 {
            assert!(["a", "b", "c"].iter().all(|indicator| seen.has(row, indicator)), "{row}");
        }
        assert!(!seen.has(seen.floor() - 1, "a"));
    }
}
