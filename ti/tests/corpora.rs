//! Real lists with independent counts. Formats that are not read must be said so, never panic.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_ti::{Config, Indicators, ListInfo, Notice};

/// The corpora, by `WEIR_CORPORA` or beside the workspace; `None` prints why the test checks nothing.
fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folder = std::env::var_os("WEIR_CORPORA").map_or(beside, PathBuf::from);
    if folder.join("intel_expect.jsonl").is_file() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no corpora at {}", folder.display());
    eprintln!("SKIPPED: no corpora at {}; set WEIR_CORPORA", folder.display());
    None
}

fn load(path: &Path) -> (ListInfo, Vec<Notice>) {
    let (indicators, notices) =
        Indicators::load(&Config { lists: vec![path.to_owned()], ..Config::default() });
    (indicators.info().remove(0), notices)
}

fn expectations(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("intel_expect.jsonl")).expect("the corpora can be read");
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON value a line")).collect()
}

#[test]
fn lists_of_real_trails_give_the_counts_of_an_independent_reader() {
    let Some(folder) = corpora() else { return };
    let mut lists = 0;
    for row in expectations(&folder).iter().filter(|row| row["format"] == "list") {
        let file = row["file"].as_str().unwrap();
        let count = |class: &str| row["by_class"][class].as_u64().unwrap_or(0);
        let (info, _) = load(&folder.join(file));
        let bad: &BTreeMap<_, _> = &info.bad_reasons;
        let ports = bad.get("port").copied().unwrap_or(0);
        let got = (info.entries + info.repeats, ports, info.bad_lines - ports);
        let expected = (count("domain") + count("ipv4"), count("ipport"), count("url") + count("other"));
        assert_eq!(got, expected, "{file} {bad:?}");
        assert_eq!(Some(info.bytes), row["bytes"].as_u64(), "{file}");
        lists += 1;
    }
    assert!(lists > 0, "the corpora hold no plain list");
}

#[test]
fn every_file_is_read_or_refused_in_words() {
    let Some(folder) = corpora() else { return };
    for row in expectations(&folder) {
        let file = row["file"].as_str().unwrap();
        let (info, notices) = load(&folder.join(file));
        let silent = notices.is_empty() && (info.entries == 0 || info.bad_lines > 0);
        assert!(!silent && notices.len() <= 16, "{file}: {info:?} {notices:?}");
        let foreign = ["stix", "misp-event", "misp-warninglist", "zeek-intel"].map(Value::from);
        if foreign.contains(&row["format"]) {
            assert_eq!(info.entries, 0, "{file}");
            assert_eq!(notices.len(), 1, "{file}: {notices:?}");
        }
    }
}

#[test]
fn feeds_in_the_forms_of_public_providers_give_their_indicators() {
    let Some(folder) = corpora() else { return };
    let folder = folder.join("intel/synthetic");
    for (file, networks, addresses, refused) in [
        ("feodo_ipblocklist.txt", 0, 2, 0),
        ("firehol_level1.netset", 2, 1, 2),
        ("spamhaus_drop.txt", 2, 0, 0),
    ] {
        let (info, notices) = load(&folder.join(file));
        assert_eq!(
            (info.networks, info.addresses, info.refused_local),
            (networks, addresses, refused),
            "{file}"
        );
        assert_eq!((info.bad_lines, notices.len()), (0, usize::from(refused > 0)), "{file}: {notices:?}");
    }
}
