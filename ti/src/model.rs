//! The index against a model that looks at every indicator in turn.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use proptest::prelude::*;
use weir_flow::{Field, IndicatorKind, Match};

use crate::builder::Builder;
use crate::index::{Index, MAX_MATCHES_PER_FIELD};
use crate::indicator::Indicator;
use crate::tags::ListId;

#[derive(Clone, Debug)]
struct Entry {
    list: ListId,
    text: String,
    category: &'static str,
    confidence: u8,
}

const LISTS: ListId = 12;

/// Addresses from a small space, so that networks nest and repeat.
fn v4() -> impl Strategy<Value = Ipv4Addr> {
    (prop::sample::select(vec![0x2d95_0300_u32, 0x2d95_0000, 0x0808_0000, 0xffff_ff00]), 0..64_u32)
        .prop_map(|(base, low)| Ipv4Addr::from(base | low))
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    (
        prop::sample::select(vec![0x2001_0db8_u128 << 96, 0x2a02 << 112, 0x0100 << 112]),
        0..64_u128,
        any::<bool>(),
    )
        .prop_map(|(base, low, high)| Ipv6Addr::from(base | if high { low << 64 } else { low }))
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "evil", "notevil", "com", "Com"]), 1..5)
        .prop_map(|labels| labels.join("."))
}

fn indicator() -> impl Strategy<Value = String> {
    prop_oneof![
        v4().prop_map(|ip| ip.to_string()),
        (v4(), 1..=32_u8).prop_map(|(ip, len)| format!("{ip}/{len}")),
        (v4(), 97..=128_u8).prop_map(|(ip, len)| format!("::ffff:{ip}/{len}")),
        v6().prop_map(|ip| ip.to_string()),
        (v6(), 4..=128_u8).prop_map(|(ip, len)| format!("{ip}/{len}")),
        name().prop_map(|name| format!("domain:{name}")),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    (0..LISTS, indicator(), prop::sample::select(vec!["c2", "scan"]), 0..=100_u8)
        .prop_map(|(list, text, category, confidence)| Entry { list, text, category, confidence })
}

fn source(list: ListId) -> String {
    format!("list-{list}")
}

fn build(entries: &[Entry]) -> Index {
    let mut builder = Builder::after(&Index::default());
    for entry in entries {
        assert!(builder.push(
            entry.list,
            &Indicator::parse(&entry.text).unwrap(),
            entry.category,
            entry.confidence
        ));
    }
    builder.build((0..LISTS).map(|list| source(list).into()).collect())
}

/// How specific `indicator` is if it holds `ip`, and how a match shows it.
fn holds_ip(indicator: &Indicator, ip: IpAddr) -> Option<(usize, String, IndicatorKind)> {
    let (start, len, bits, hit): (IpAddr, u8, u8, bool) = match (indicator, ip.to_canonical()) {
        (&Indicator::V4(start, len), IpAddr::V4(ip)) => {
            let end = u64::from(start) + (1_u64 << (32 - len));
            (
                Ipv4Addr::from(start).into(),
                len,
                32,
                (u64::from(start)..end).contains(&u64::from(u32::from(ip))),
            )
        }
        (&Indicator::V6(start, len), IpAddr::V6(ip)) => {
            let last = start | u128::MAX.checked_shr(len.into()).unwrap_or(0);
            (Ipv6Addr::from(start).into(), len, 128, (start..=last).contains(&u128::from(ip)))
        }
        _ => return None,
    };
    let shown = if len == bits { start.to_string() } else { format!("{start}/{len}") };
    let kind = if len == bits { IndicatorKind::Ip } else { IndicatorKind::Cidr };
    hit.then_some((usize::from(len), shown, kind))
}

fn holds_name(indicator: &Indicator, name: &str) -> Option<(usize, String, IndicatorKind)> {
    let Indicator::Name(listed) = indicator else { return None };
    let name = name.to_lowercase();
    let below = name == *listed || name.ends_with(&format!(".{listed}"));
    below.then(|| (listed.len(), listed.clone(), IndicatorKind::Domain))
}

/// Of each list the most specific and then surest hit; all of them most specific first.
fn expected(
    entries: &[Entry],
    field: Field,
    holds: impl Fn(&Indicator) -> Option<(usize, String, IndicatorKind)>,
) -> Vec<(usize, Match)> {
    let mut found: Vec<(usize, Match)> = Vec::new();
    for list in 0..LISTS {
        let hits = entries.iter().filter(|entry| entry.list == list).filter_map(|entry| {
            let (length, shown, kind) = holds(&Indicator::parse(&entry.text).unwrap())?;
            Some((length, entry, shown, kind))
        });
        let best = hits.max_by_key(|(length, entry, ..)| (*length, entry.confidence));
        found.extend(best.map(|(length, entry, shown, kind)| {
            let category = entry.category.into();
            let indicator = shown.into();
            let source = source(list).into();
            (length, Match { indicator, kind, category, confidence: entry.confidence, source, field })
        }));
    }
    found.sort_by_key(|&(length, _)| usize::MAX - length);
    found
}

/// Equal but for the category where one list gives an indicator twice with the same confidence.
fn same(real: &[Match], model: &[(usize, Match)]) {
    assert_eq!(real.len(), model.len().min(MAX_MATCHES_PER_FIELD), "{real:?}\n{model:?}");
    for (real, (_, model)) in real.iter().zip(model) {
        assert_eq!(
            Match { category: "".into(), ..real.clone() },
            Match { category: "".into(), ..model.clone() }
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_answers_as_a_search_of_every_line(
        entries in prop::collection::vec(entry(), 0..60),
        src in prop_oneof![v4().prop_map(IpAddr::from), v6().prop_map(IpAddr::from), v4().prop_map(|ip| ip.to_ipv6_mapped().into())],
        domain in name(),
        dot in any::<bool>(),
    ) {
        let index = build(&entries);
        let queried = if dot { format!("{domain}.") } else { domain.clone() };
        let verdict = index.matches(Some(src), Some(src), Some(&queried));
        let (ends, names): (Vec<_>, Vec<_>) = verdict.matches.into_iter().partition(|m| m.field != Field::Domain);
        let (from, to): (Vec<_>, Vec<_>) = ends.into_iter().partition(|m| m.field == Field::SrcIp);
        same(&from, &expected(&entries, Field::SrcIp, |indicator| holds_ip(indicator, src)));
        same(&to, &expected(&entries, Field::DstIp, |indicator| holds_ip(indicator, src)));
        same(&names, &expected(&entries, Field::Domain, |indicator| holds_name(indicator, &domain)));
    }

    #[test]
    fn rows_carried_over_answer_as_before(entries in prop::collection::vec(entry(), 0..60), kept in 0..1_u64 << LISTS, src in v4(), domain in name()) {
        let old = build(&entries);
        let mut builder = Builder::after(&old);
        prop_assert_eq!(builder.carry(&old, kept), 0);
        let new = builder.build((0..LISTS).map(|list| source(list).into()).collect());
        let of_kept: Vec<Entry> = entries.into_iter().filter(|entry| kept >> entry.list & 1 == 1).collect();
        let again = build(&of_kept);
        let ask = |index: &Index| index.matches(Some(src.into()), None, Some(&domain)).matches;
        prop_assert_eq!(ask(&new).len(), ask(&again).len());
        prop_assert_eq!(new.counts(), again.counts());
    }
}

/// What `entries` say is bad, each once.
fn values(entries: &[Entry]) -> BTreeSet<String> {
    entries.iter().map(|entry| format!("{:?}", Indicator::parse(&entry.text).unwrap())).collect()
}

/// Those of `entries` whose value is wanted.
fn those(entries: &[Entry], wanted: impl Fn(&str) -> bool) -> Vec<Entry> {
    let value = |entry: &Entry| format!("{:?}", Indicator::parse(&entry.text).unwrap());
    entries.iter().filter(|entry| wanted(&value(entry))).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_new_and_what_is_left_goes_by_value_whatever_list_has_it(
        before in prop::collection::vec(entry(), 0..40),
        after in prop::collection::vec(entry(), 0..40),
        waiting in prop::collection::vec(entry(), 0..10),
        src in v4(),
        domain in name(),
    ) {
        let (old, new, also) = (build(&before), Arc::new(build(&after)), build(&waiting));
        let (of_old, of_also) = (values(&before), values(&waiting));
        let ask = |index: &Index| {
            let found = index.matches(Some(src.into()), None, Some(&domain)).matches;
            found.into_iter().map(|m| Match { category: "".into(), ..m }).collect::<Vec<_>>()
        };
        let cases = [
            (new.added(&old, None), those(&after, |value| !of_old.contains(value))),
            (new.added(&old, Some(&also)), those(&after, |value| !of_old.contains(value) || of_also.contains(value))),
            (new.left(&old), those(&after, |value| of_old.contains(value))),
        ];
        for (picked, entries) in cases {
            prop_assert_eq!(picked.len(), values(&entries).len() as u64);
            prop_assert_eq!(picked.is_empty(), entries.is_empty());
            prop_assert_eq!(ask(&picked), ask(&build(&entries)));
        }
        prop_assert_eq!(new.len(), values(&after).len() as u64);
    }
}

#[test]
fn a_carry_and_a_push_stop_at_the_limit() {
    let entries: Vec<Entry> = (0..10_u8)
        .map(|n| Entry { list: 0, text: format!("45.149.3.{n}"), category: "c2", confidence: 1 })
        .collect();
    let old = build(&entries);
    let mut builder = Builder::after(&old).with_limit(12);
    assert_eq!(builder.carry(&old, 1), 0);
    let push = |builder: &mut Builder| builder.push(1, &Indicator::parse("evil.com").unwrap(), "c2", 1);
    assert!(push(&mut builder) && push(&mut builder));
    assert!(!push(&mut builder));
    assert_eq!(Builder::after(&old).with_limit(4).carry(&old, 1), 6);
}

#[test]
fn the_parent_of_a_name_matches_and_a_name_with_the_same_end_does_not() {
    let evil = Entry { list: 0, text: "domain:evil.com".into(), category: "c2", confidence: 90 };
    let index = build(&[evil]);
    let hits = |name: &str| index.matches(None, None, Some(name)).matches.len();
    for name in ["evil.com", "EVIL.com.", "a.b.c.d.evil.com"] {
        assert_eq!(hits(name), 1, "{name}");
    }
    for name in ["notevil.com", "evil.com.au", "com", "", ".", "..", "evil", "évil.com", &"a.".repeat(200)] {
        assert_eq!(hits(name), 0, "{name}");
    }
}

#[test]
fn no_match_allocates_nothing_and_the_index_is_shared() {
    fn shared<T: Send + Sync>(_: &T) {}
    let index = build(&[]);
    shared(&index);
    let verdict = index.matches(Some([8, 8, 8, 8].into()), Some([9, 9, 9, 9].into()), Some("example.com"));
    assert_eq!(verdict.matches.capacity(), 0);
}
