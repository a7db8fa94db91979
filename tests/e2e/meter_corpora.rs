//! Real captures: every IP packet and octet is in exactly one record, the output never changes, nothing panics.

use std::fs;

use serde_json::Value;
use weir_tests::{corpora, meter};

fn expectations() -> Option<Vec<(std::path::PathBuf, Value)>> {
    let folder = corpora::folder("pcap")?;
    let text =
        fs::read_to_string(folder.join("expect.jsonl")).expect("the expectations lie beside the captures");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a row is JSON"));
    Some(rows.map(|row| (folder.join(row["file"].as_str().expect("a row names its file")), row)).collect())
}

#[test]
fn packets_and_octets_equal_the_independent_count() {
    let Some(rows) = expectations() else { return };
    let mut wrong = Vec::new();
    let mut counted = 0;
    for (file, row) in rows.iter().filter(|(_, row)| row["only"].is_null()) {
        let run = meter::meter(&[], file);
        run.assert_orderly(file.display());
        let got = (run.code, run.sum("packets"), run.sum("bytes"));
        let expected = (Some(0), meter::number(row, "ip_packets"), meter::number(row, "ip_octets"));
        if got != expected {
            wrong.push(format!("{}: {got:?}, expected {expected:?}; {}", file.display(), run.stderr.trim()));
        }
        counted += 1;
    }
    assert!(counted > 0, "no expectation has counts");
    assert!(wrong.is_empty(), "{} of {counted} captures:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_second_run_gives_the_same_octets() {
    let Some(rows) = expectations() else { return };
    for (file, _) in &rows {
        let (first, second) = (meter::meter(&[], file), meter::meter(&[], file));
        assert!(first.stdout == second.stdout, "{} gives other records the second time", file.display());
    }
}

#[test]
fn damaged_captures_end_in_an_orderly_way() {
    let Some(rows) = expectations() else { return };
    let damaged: Vec<_> = rows.iter().filter(|(_, row)| !row["only"].is_null()).collect();
    assert!(!damaged.is_empty(), "no expectation is of a damaged capture");
    for (file, _) in damaged {
        let run = meter::meter(&[], file);
        run.assert_orderly(file.display());
        assert!(matches!(run.code, Some(0 | 65)), "{}: {:?}\n{}", file.display(), run.code, run.stderr);
        // What could be read is still whole records.
        let _ = run.records();
    }
}
