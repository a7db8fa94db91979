//! Lists that change, vanish and come back while the index is in use.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_ti::{Config, Indicators, Notice};

fn config(lists: &[&Path]) -> Config {
    Config { lists: lists.iter().map(|path| path.to_path_buf()).collect(), ..Config::default() }
}

/// Replaces a file as downloads should: written beside it, then renamed over it.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).and_then(|()| fs::rename(beside, path)).expect("a writable folder");
}

fn sources(indicators: &Indicators, ip: &str) -> Vec<String> {
    let ip: IpAddr = ip.parse().expect("an address");
    let verdict = indicators.index().matches(Some(ip), None, None);
    verdict.matches.iter().map(|found| found.source.to_string()).collect()
}

fn said(notices: &[Notice]) -> String {
    notices.iter().map(|notice| format!("{notice}\n")).collect()
}

fn two_lists(folder: &Path) -> (PathBuf, PathBuf, Indicators) {
    let (a, b) = (folder.join("a.txt"), folder.join("b.csv"));
    replace(&a, "45.1.1.1\ndomain:evil.com\n");
    replace(&b, "ip_or_cidr,category,confidence\n45.1.0.0/16,C2,85\n45.2.2.2,scan,20\n");
    let (indicators, notices) = Indicators::load(&config(&[&a, &b]));
    assert_eq!(said(&notices), "");
    (a, b, indicators)
}

#[test]
fn a_changed_list_is_swapped_in_whole_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (a, _, indicators) = two_lists(folder.path());
    let (before, generation) = (indicators.index(), indicators.generation());
    assert_eq!(sources(&indicators, "45.1.1.1"), ["a", "b"]);
    assert!(indicators.refresh().is_empty());
    assert_eq!(indicators.generation(), generation, "nothing changed, nothing is swapped");
    assert!(Arc::ptr_eq(&before, &indicators.index()));

    replace(&a, "45.2.2.2\n45.3.3.0/24\n");
    assert_eq!(said(&indicators.refresh()), "");
    assert_ne!(indicators.generation(), generation);
    assert_eq!(sources(&indicators, "45.1.1.1"), ["b"]);
    assert_eq!(sources(&indicators, "45.2.2.2"), ["a", "b"]);
    assert!(indicators.index().matches(None, None, Some("evil.com")).matches.is_empty());
    let info = indicators.info();
    assert_eq!((info[0].networks, info[0].addresses, info[0].domains, info[0].entries), (1, 1, 0, 2));
    assert_eq!((info[1].networks, info[1].addresses, info[1].domains, info[1].entries), (1, 1, 0, 2));
    let ip = Some([45, 1, 1, 1].into());
    assert_eq!(before.matches(ip, None, None).matches.len(), 2, "a reader keeps the index that it holds");
    let found = indicators.index().matches(ip, None, None).matches;
    assert_eq!((&*found[0].category, found[0].confidence), ("C2", 85), "what is carried over keeps its tags");
}

#[test]
fn names_of_an_unchanged_list_still_match_after_another_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, b, indicators) = two_lists(folder.path());
    replace(&b, "ip_or_cidr\nx.evil.com\n");
    assert_eq!(said(&indicators.refresh()), "");
    let found = indicators.index().matches(None, None, Some("y.x.evil.com")).matches;
    let found: Vec<_> = found.iter().map(|m| (&*m.indicator, &*m.source)).collect();
    assert_eq!(found, [("x.evil.com", "b"), ("evil.com", "a")]);
}

#[test]
fn a_list_that_vanishes_keeps_its_indicators_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let (a, _, indicators) = two_lists(folder.path());
    let away = folder.path().join("away");
    fs::rename(&a, &away).unwrap();
    let notices = indicators.refresh();
    assert_eq!(notices.len(), 1);
    let text = said(&notices);
    assert!(text.contains("a.txt") && text.contains("2 indicators stay in use"), "{text}");
    assert!(indicators.refresh().is_empty(), "told once");
    assert_eq!(sources(&indicators, "45.1.1.1"), ["a", "b"]);
    assert!(indicators.info()[0].error.is_some());

    fs::rename(&away, &a).unwrap();
    assert!(indicators.refresh().is_empty());
    assert_eq!(indicators.info()[0].error, None);
    assert_eq!(sources(&indicators, "45.1.1.1"), ["a", "b"]);
}

#[test]
fn a_list_that_turns_into_something_else_keeps_its_indicators() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, indicators) = two_lists(folder.path());
    let generation = indicators.generation();
    replace(&b, "1.2.3.4\n");
    let text = said(&indicators.refresh());
    assert!(text.contains("b.csv") && text.contains("ip_or_cidr") && text.contains("stay in use"), "{text}");
    assert_eq!(indicators.generation(), generation);
    assert!(indicators.refresh().is_empty());
    assert!(indicators.info()[1].error.is_some(), "the fault stands until the file changes");
    assert_eq!(sources(&indicators, "45.1.1.1"), ["a", "b"]);

    replace(&a, "45.4.4.4\n");
    replace(&b, "[]");
    assert!(said(&indicators.refresh()).contains("JSON"));
    assert_eq!(sources(&indicators, "45.4.4.4"), ["a"], "the good list is taken beside the bad one");
    assert_eq!(sources(&indicators, "45.1.1.1"), ["b"]);

    replace(&b, "ip_or_cidr\n45.5.5.5\n");
    assert_eq!(said(&indicators.refresh()), "");
    assert_eq!(
        (sources(&indicators, "45.5.5.5"), indicators.info()[1].error.clone()),
        (vec!["b".into()], None)
    );
}

#[test]
fn a_missing_list_is_told_and_taken_up_when_it_appears() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later.txt");
    let (indicators, notices) = Indicators::load(&config(&[&path]));
    let text = said(&notices);
    assert!(text.contains("later.txt") && text.contains("put the file there"), "{text}");
    fs::write(&path, "45.1.1.1\n").unwrap();
    assert_eq!(said(&indicators.refresh()), "");
    assert_eq!(sources(&indicators, "45.1.1.1"), ["later"]);
}

#[test]
fn a_folder_or_a_device_is_no_list() {
    let folder = tempfile::tempdir().unwrap();
    let (_, notices) = Indicators::load(&config(&[folder.path(), Path::new("/dev/zero")]));
    assert_eq!(said(&notices).matches("is not a regular file").count(), 2, "{notices:?}");
}

#[test]
fn the_built_in_list_is_clean_and_used_only_without_others() {
    let (indicators, notices) = Indicators::load(&Config::default());
    assert_eq!(said(&notices), "");
    assert_eq!(sources(&indicators, "203.0.113.9"), ["built-in"]);
    assert_eq!(sources(&indicators, "2001:db8::1"), ["built-in"]);
    assert_eq!(sources(&indicators, "192.168.1.1"), [""; 0]);
    assert_eq!(indicators.index().matches(None, None, Some("a.cnc.badco.org")).matches.len(), 1);

    let (none, _) = Indicators::load(&Config { embedded: false, ..Config::default() });
    let (off, notices) = Indicators::load(&Config { enabled: false, ..config(&[Path::new("/nowhere")]) });
    assert!(sources(&none, "203.0.113.9").is_empty() && sources(&off, "203.0.113.9").is_empty());
    assert!(notices.is_empty() && off.info().is_empty());
}

#[test]
fn more_lists_than_there_is_room_for_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..66).map(|n| folder.path().join(format!("{n}.txt"))).collect();
    for path in &paths {
        fs::write(path, "45.1.1.1\n").unwrap();
    }
    let (indicators, notices) = Indicators::load(&Config { lists: paths, ..Config::default() });
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert_eq!(indicators.info().len(), 64);
    let found = sources(&indicators, "45.1.1.1");
    assert_eq!(found, ["0", "1", "2", "3", "4", "5", "6", "7"], "bounded, in the order of the configuration");
}

#[test]
fn the_configuration_refuses_unknown_keys_and_has_defaults() {
    let config: Config = serde_json::from_str(r#"{"lists":["/a"],"allow_private":true}"#).unwrap();
    assert!(config.enabled && config.embedded && config.allow_private);
    assert_eq!(config.reload_seconds, 60);
    assert!(serde_json::from_str::<Config>(r#"{"list":[]}"#).is_err());
}
