//! What a network loses or delays of real exports is told, in numbers.

use weir_tests::collecting::assert_decoded;
use weir_tests::exporters;
use weir_tests::meter::number;
use weir_tests::relay::Tenth;

use crate::collect_exporters::{Input, collect, exported};

/// What a network loses is what the agent says is lost: records of v5 and IPFIX, datagrams of v9.
fn loses(arguments: &str, unit: &str) {
    let Some((said, collected)) = exported(&Input::mixed(), arguments, Tenth::Lost) else { return };
    let (lost, arrived) = (collected.passed.lost, collected.records.len() as u64);
    assert!(lost >= 5, "a network that lost {lost} datagrams says nothing");
    assert!(arrived < said.records, "nothing was missing of {said:?}");
    let sequence = &collected.source["sequence"];
    let missing = if unit == "records" { said.records - arrived } else { lost };
    assert_eq!((number(sequence, "lost"), &sequence["unit"]), (missing, &unit.into()), "{sequence}");
    assert_eq!((number(sequence, "gaps"), number(sequence, "reordered")), (lost, 0), "{sequence}");
    assert_decoded(&collected.source);
}

#[test]
fn records_lost_of_netflow_v5_are_counted_exactly() {
    loses("-v 5", "records");
}

#[test]
fn datagrams_lost_of_netflow_v9_are_counted_exactly() {
    loses("-v 9 -6", "datagrams");
}

#[test]
fn records_lost_of_softflowds_ipfix_are_counted_exactly() {
    loses("-v 10 -6", "records");
}

#[test]
fn records_lost_of_bidirectional_ipfix_are_counted_exactly() {
    loses("-v 10 -6 -b", "records");
}

#[test]
fn records_lost_of_ipfix_that_counts_as_the_standard_says_are_counted_exactly() {
    if !exporters::are_installed(&["pmacctd", "nfcapd", "nfdump"]) {
        return;
    }
    let input = Input::mixed();
    let collected = collect(Tenth::Lost, |to| exporters::nfprobe(&input.file, to, 10));
    let (lost, arrived) = (collected.passed.lost, collected.records.len() as u64);
    assert!(lost >= 5, "a network that lost {lost} datagrams says nothing");
    let sequence = &collected.source["sequence"];
    assert_eq!(number(sequence, "lost"), collected.witness.records - arrived, "{sequence}");
    assert_eq!((number(sequence, "gaps"), number(sequence, "reordered")), (lost, 0), "{sequence}");
}

/// A network that turns datagrams around loses none, and that is what the agent says.
fn comes_late(arguments: &str) {
    let Some((said, collected)) = exported(&Input::mixed(), arguments, Tenth::Late) else { return };
    let late = collected.passed.late;
    assert!(late >= 5, "a network with {late} late datagrams says nothing");
    assert_eq!(collected.totals(), said);
    let sequence = &collected.source["sequence"];
    assert_eq!((number(sequence, "lost"), number(sequence, "reordered")), (0, late), "{sequence}");
    assert_eq!(number(sequence, "restarts"), 0, "{sequence}");
    assert_decoded(&collected.source);
}

#[test]
fn late_datagrams_of_netflow_v5_are_not_lost() {
    comes_late("-v 5");
}

#[test]
fn late_datagrams_of_netflow_v9_are_not_lost() {
    comes_late("-v 9 -6");
}

#[test]
fn late_datagrams_of_ipfix_are_not_lost() {
    comes_late("-v 10 -6");
}
