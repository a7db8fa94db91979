//! The ring against a plain list, under random commits, trims and restarts.

mod support;

use proptest::prelude::*;
use support::{Office, START_MS, all_rows, at, bookmark, tenant};
use weir_store::{Config, Reader, RetentionDays, Writer, check};

const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Debug)]
enum Step {
    /// Rows for the first and for the second tenant, after so many milliseconds.
    Commit(usize, usize, i64),
    Trim(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..40, 0_usize..40, -DAY_MS..DAY_MS).prop_map(|(a, b, ms)| Step::Commit(a, b, ms)),
        2 => (0..DAY_MS).prop_map(Step::Trim),
        1 => Just(Step::Reopen),
    ]
}

/// A row: when it was processed, and its JSON.
type Model = Vec<(i64, String)>;

/// The rows that a trim at `now_ms` leaves.
fn expire(model: &Model, from: usize, now_ms: i64) -> usize {
    let oldest = (now_ms - 2 * DAY_MS).div_euclid(60_000) * 60_000;
    (from..model.len()).find(|&at| model[at].0 >= oldest).unwrap_or(model.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ring_is_a_list_that_loses_its_oldest_rows(
        steps in prop::collection::vec(step(), 1..30),
        seed in any::<u64>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { retention_days: RetentionDays::new(2).unwrap(), ..Config::default() };
        let mut writer = Writer::open(dir.path(), &config, at(0)).unwrap();
        let tenants = [tenant("a"), tenant("b")];
        let mut models = [Model::new(), Model::new()];
        let mut first = [0, 0];
        let (mut now_ms, mut commits, mut office) = (0, 0, Office::new(seed));
        for step in steps {
            match step {
                Step::Commit(a, b, ms) => {
                    now_ms += ms;
                    let mut batches = [(0, a), (1, b)].map(|(n, rows)| office.batch(&tenants[n], rows, at(now_ms)));
                    commits += 1;
                    batches[0].bookmark = bookmark("input", commits);
                    writer.commit(&batches, at(now_ms)).unwrap();
                    for (model, batch) in models.iter_mut().zip(&batches) {
                        let stamp = model.last().map_or(i64::MIN, |last| last.0).max(START_MS + now_ms);
                        model.extend(batch.records.iter().map(|r| (stamp, serde_json::to_string(r).unwrap())));
                    }
                }
                Step::Trim(ms) => {
                    now_ms += ms;
                    let expected = [0, 1].map(|n| expire(&models[n], first[n], START_MS + now_ms));
                    let gone: usize = expected.iter().sum::<usize>() - first.iter().sum::<usize>();
                    prop_assert_eq!(writer.trim(at(now_ms), true).unwrap().by_age, gone as u64);
                    first = expected;
                }
                Step::Reopen => {
                    writer.close().unwrap();
                    writer = Writer::open(dir.path(), &config, at(now_ms)).unwrap();
                }
            }
        }
        let reader = Reader::open(dir.path()).unwrap();
        for (n, tenant) in tenants.iter().enumerate() {
            let rows = all_rows(&reader, tenant);
            prop_assert_eq!(rows.len(), models[n].len() - first[n]);
            for (row, number) in rows.iter().zip(first[n]..) {
                let (stamp, json) = &models[n][number];
                let stamp = weir_flow::Timestamp::from_millis(*stamp);
                prop_assert_eq!(row.row, number as u64 + 1);
                prop_assert!(row.json.ends_with(&json[1..]));
                let processed_at = format!(r#""processed_at":"{stamp}""#);
                prop_assert!(row.json.contains(&processed_at));
            }
            let stats = reader.stats(tenant).unwrap();
            prop_assert_eq!(stats.next_row, models[n].len() as u64 + 1);
            let minutes = reader.minutes(tenant, i64::MIN, i64::MAX).unwrap();
            prop_assert_eq!(minutes.iter().map(|m| m.flows).sum::<u64>(), rows.len() as u64);
        }
        let expected = (commits > 0).then(|| commits.to_string());
        prop_assert_eq!(writer.bookmark("input").unwrap(), expected);
        let report = check(dir.path()).unwrap();
        prop_assert!(report.is_sound(), "{:?}", report);
    }
}
