//! Filters by themselves.

use super::{BITS_PER_TERM, Filter, MAX_BITS_BYTES, Space, Term, Terms, build};

fn term(number: u32) -> Term {
    Term::exact(Space::Asn, &number.to_le_bytes())
}

fn filter_of(count: u32) -> Vec<u8> {
    let (mut terms, mut out) = (Terms::default(), Vec::new());
    // Each twice: what returns is counted once.
    (0..count).chain(0..count).for_each(|number| terms.insert(term(number)));
    build(&terms, &mut out);
    out
}

/// How many of 100,000 terms that are not there seem to be, in thousandths.
fn false_positives(count: u32) -> u32 {
    let data = filter_of(count);
    let filter = Filter::read(&data).unwrap();
    assert!((0..count).all(|number| filter.may_hold(term(number))), "a term that is there is hidden");
    (1_000_000..1_100_000).filter(|&number| filter.may_hold(term(number))).count() as u32 / 100
}

#[test]
fn fewer_than_one_in_a_hundred_terms_that_are_not_there_seem_to_be() {
    for count in [1, 10, 500, 3_000, 10_000] {
        let thousandths = false_positives(count);
        assert!(thousandths < 10, "{thousandths} of 1000 with {count} terms");
    }
}

#[test]
fn a_filter_takes_twelve_bits_a_term_and_is_bounded() {
    assert_eq!(filter_of(2_000).len(), 2 + 2_000 * BITS_PER_TERM / 8);
    assert_eq!(filter_of(32_768).len(), 2 + MAX_BITS_BYTES);
    let thousandths = false_positives(32_768);
    assert!(thousandths < 200, "{thousandths} of 1000 in a filter that is too full");
}

#[test]
fn terms_never_change() {
    assert_eq!(Term::exact(Space::Port, &443_u16.to_le_bytes()).0, EXPECTED[0]);
    assert_eq!(Term::folded(Space::Service, b"TLS").0, EXPECTED[1]);
    assert_eq!(Term::domain(b"Example.com").0, EXPECTED[2]);
    assert_eq!(Term::exporter([192, 0, 2, 1].into()).0, EXPECTED[3]);
}

/// From a reckoning by itself (`python3`), by what `term.rs` says.
const EXPECTED: [u64; 4] =
    [0x4eb0_5c3b_6b56_5e6e, 0xc543_2401_d1e9_ef70, 0x4cc1_9c82_357a_ca18, 0x6950_edda_026d_08e1];
