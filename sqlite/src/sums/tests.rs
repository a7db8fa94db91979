use std::collections::HashMap;

use proptest::prelude::*;

use super::{Entry, KeyRef, MAX_TEXT, Sum, Sums};

/// What `sums` say of `key` at least and at most.
fn told(sums: &Sums, key: u32) -> (Sum, Sum) {
    let is_key = |entry: &&Entry| entry.key.by_ref() == KeyRef::Number(key);
    match sums.entries().iter().find(is_key) {
        Some(entry) => (entry.sum, entry.sum.plus(sums.missed(entry))),
        None => (Sum::ZERO, sums.unknown()),
    }
}

fn holds(sums: &Sums, truth: &HashMap<u32, Sum>) {
    for (&key, sum) in truth {
        let (least, most) = told(sums, key);
        assert_eq!(least.less(*sum), Sum::ZERO, "{key}: {least:?} is told where {sum:?} is true");
        assert_eq!(sum.less(most), Sum::ZERO, "{key}: {most:?} is said to be the most where {sum:?} is true");
    }
}

fn additions() -> impl Strategy<Value = Vec<(u32, [u64; 3])>> {
    let sum = prop_oneof![
        9 => [0_u64..1_500, 0_u64..10, 1_u64..2],
        1 => [any::<u64>(), any::<u64>(), any::<u64>()],
    ];
    let key = prop_oneof![3 => 0_u32..12, 2 => 0_u32..2_000];
    prop::collection::vec((key, sum), 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_true_lies_between_what_is_told_and_what_may_be_missing(
        parts in prop::collection::vec((additions(), 4_usize..300), 1..4),
        limit in 4_usize..200,
    ) {
        let mut truth: HashMap<u32, Sum> = HashMap::new();
        let mut all = Sums::new(limit);
        for (additions, limit) in parts {
            let mut sums = Sums::new(limit);
            for (key, sum) in additions {
                sums.add(KeyRef::Number(key), None, Sum(sum));
                truth.entry(key).or_default().add(Sum(sum));
                prop_assert!(sums.entries().len() <= limit);
            }
            all.merge(&sums);
            prop_assert!(all.entries().len() <= all.limit);
        }
        holds(&all, &truth);
    }

    #[test]
    fn sums_are_exact_while_there_is_room(additions in additions()) {
        let mut sums = Sums::new(2_000);
        let mut truth: HashMap<u32, Sum> = HashMap::new();
        for (key, sum) in additions {
            sums.add(KeyRef::Number(key), None, Sum(sum));
            truth.entry(key).or_default().add(Sum(sum));
        }
        prop_assert_eq!(sums.unknown(), Sum::ZERO);
        prop_assert_eq!(sums.entries().len(), truth.len());
        for (key, sum) in truth {
            prop_assert_eq!(told(&sums, key), (sum, sum));
        }
    }
}

#[test]
fn a_scan_does_not_push_out_who_has_much() {
    let mut sums = Sums::new(256);
    for scanned in 0..100_000 {
        sums.add(KeyRef::Number(1_000 + scanned), None, Sum([40, 1, 1]));
        if scanned % 100 == 0 {
            sums.add(KeyRef::Number(1), None, Sum([1_000_000, 700, 1]));
            sums.add(KeyRef::Number(2), None, Sum([40, 1, 1]));
        }
    }
    assert_eq!(told(&sums, 1), (Sum([1_000_000_000, 700_000, 1_000]), Sum([1_000_000_000, 700_000, 1_000])));
    // 102,000 flows over 128 keys that are dropped at a time.
    assert!(sums.unknown().0[2] <= 102_000 / 64, "{:?}", sums.unknown());
}

#[test]
fn keys_that_are_too_long_are_in_no_entry_but_bounded() {
    let mut sums = Sums::new(16);
    let long = "x".repeat(MAX_TEXT + 1);
    sums.add(KeyRef::Text(&long[1..]), Some(&long.as_str().into()), Sum([1, 1, 1]));
    sums.add(KeyRef::Text(&long), None, Sum([5, 4, 3]));
    let [entry] = sums.entries() else { panic!("one key is short enough") };
    assert_eq!((entry.label.as_deref(), sums.missed(entry)), (Some(&long[1..]), Sum::ZERO));
    assert_eq!(sums.unknown(), Sum([5, 4, 3]));
}

#[test]
fn a_label_is_cut_between_characters() {
    let mut sums = Sums::new(16);
    sums.add(KeyRef::Number(1), Some(&"ä".repeat(MAX_TEXT).into()), Sum([1, 1, 1]));
    assert_eq!(sums.entries()[0].label.as_deref(), Some("ä".repeat(MAX_TEXT / 2).as_str()));
}
