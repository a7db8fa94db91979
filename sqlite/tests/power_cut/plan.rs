//! What is done to a store before its power is cut: steps from a seed, the same for whoever does them and whoever checks.
#![allow(dead_code, reason = "the program and the test each use a part of it")]

use weir_flow::{Batch, Counters, FlowRecord, Receipt, ReceiptKey, TenantId, Timestamp};
use weir_store::{BudgetBytes, Config, DeadLetterBytes, MaxRecordBytes, RetentionDays};

use crate::support::{Office, Random, at, bookmark, tenant};

/// The tenants, each with a ring of its own.
pub(crate) const TENANTS: [&str; 2] = ["a", "b"];
/// The input whose bookmark counts the commits.
pub(crate) const INPUT: &str = "loop";

/// As many rows of one ring are sealed at birth.
const LARGE: u64 = 2_048;
/// Octets of a record's text that the blocks cannot pack well: a few of these fill the budget.
const BULKY: usize = 1_500;
/// A record with such a text is refused and becomes a dead letter.
const OVERSIZE: usize = 6_000;
const HOUR_MS: i64 = 3_600_000;

/// The smallest budget, so that the log is copied into the file and rows are trimmed all the time.
pub(crate) fn config() -> Config {
    Config {
        budget_bytes: BudgetBytes::new(BudgetBytes::MIN).unwrap(),
        retention_days: RetentionDays::new(1).unwrap(),
        max_record_bytes: MaxRecordBytes::new(MaxRecordBytes::MIN).unwrap(),
        dead_letter_bytes: DeadLetterBytes::new(48 << 10).unwrap(),
        ..Config::default()
    }
}

/// A step; each changes what is in the store in one transaction, or not at all.
pub(crate) enum Step {
    Commit(Vec<Batch>, Timestamp),
    /// The same, and the oldest dead letter, if there is one, is what the first record was.
    Replay(Batch, Timestamp),
    Trim(Timestamp),
    /// In order, with a reader that looks on or without.
    Close(Timestamp, bool),
    /// Like a process that ends in the middle.
    Drop(Timestamp),
}

/// Steps from a seed.
pub(crate) struct Plan {
    random: Random,
    office: Office,
    now_ms: i64,
    commits: u64,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random(seed), office: Office::new(seed), now_ms: 0, commits: 0 }
    }

    pub(crate) fn step(&mut self) -> Step {
        self.now_ms += if self.random.below(30) == 0 { 3 * HOUR_MS } else { 2_000 };
        let now = at(self.now_ms);
        match self.random.below(100) {
            0..3 => Step::Close(now, self.random.below(2) == 0),
            3..5 => Step::Drop(now),
            5..20 => Step::Trim(now),
            20..25 => {
                let mut batch = self.office.batch(&tenant(TENANTS[0]), 1, now);
                batch.bookmark = self.bookmark();
                Step::Replay(batch, now)
            }
            kind => Step::Commit(self.commit(kind, now), now),
        }
    }

    fn bookmark(&mut self) -> Option<weir_flow::Bookmark> {
        self.commits += 1;
        bookmark(INPUT, self.commits)
    }

    fn commit(&mut self, kind: u64, now: Timestamp) -> Vec<Batch> {
        let [first, second] = TENANTS.map(tenant);
        let few = |random: &mut Random| 1 + random.below(60) as usize;
        let (one, two) = (few(&mut self.random), few(&mut self.random));
        let mut batches = match kind {
            // Both tenants, one of them with two batches.
            25..55 => vec![
                self.office.batch(&first, one, now),
                self.office.batch(&second, two, now),
                self.office.batch(&first, 3, now),
            ],
            55..75 => vec![self.office.batch(&second, two, now)],
            75..80 => {
                let many = LARGE + self.random.below(100);
                let records = (0..many).map(|_| self.plain(now)).collect();
                let many = Batch { tenant: first, records, handed_over: now, ..Batch::default() };
                vec![many, self.office.batch(&second, two, now)]
            }
            _ => vec![self.bulky(&first, now), self.bulky(&second, now)],
        };
        if self.random.below(6) == 0 {
            let record = self.office.bulky(now, OVERSIZE);
            batches[0].records.insert(0, record);
        }
        batches[0].bookmark = self.bookmark();
        if self.random.below(3) == 0 {
            let last = batches.len() - 1;
            batches[last].receipt = Some(Box::new(self.receipt(now)));
        }
        batches
    }

    /// Told apart from others, and cheap to read.
    fn plain(&mut self, now: Timestamp) -> FlowRecord {
        let octets = self.random.below(1 << 40);
        FlowRecord { start: now, end: now, forward: Counters { octets, packets: 1 }, ..FlowRecord::default() }
    }

    fn bulky(&mut self, tenant: &TenantId, now: Timestamp) -> Batch {
        let count = 20 + self.random.below(60);
        let records = (0..count).map(|_| self.office.bulky(now, BULKY)).collect();
        Batch { tenant: tenant.clone(), records, handed_over: now, ..Batch::default() }
    }

    fn receipt(&self, given: Timestamp) -> Receipt {
        let key = ReceiptKey {
            tenant: tenant(TENANTS[1]),
            key_id: "key".into(),
            route: "/v1/ingest".into(),
            header: format!("commit-{}", self.commits).into(),
        };
        Receipt { key, body_hash: [7; 32], status: 202, answer: "{}".into(), given }
    }
}
