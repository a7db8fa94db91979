use super::{MAX_MESSAGE, first_message, is_plausible, length, sflow_samples};

/// 2025-10-09, in seconds.
const NOW: u32 = 1_760_000_000;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn netflow5(flows: u32, exported: u32) -> Vec<u8> {
    let mut out = words(&[5 << 16 | flows, 1, exported, 0, 0, 0]);
    out.resize(24 + 48 * usize::try_from(flows).unwrap(), 0xee);
    out
}

/// With a set of data whose octets look like anything.
fn netflow9(exported: u32) -> Vec<u8> {
    words(&[9 << 16 | 1, 1, exported, 0, 0, 256 << 16 | 16, 9 << 16 | 9, NOW, u32::MAX])
}

fn ipfix(exported: u32) -> Vec<u8> {
    words(&[10 << 16 | 28, exported, 0, 0, 256 << 16 | 12, 0x000a_001c, NOW])
}

fn sflow() -> Vec<u8> {
    let head = words(&[5, 1, 0xc000_0201, 0, 1, 1, 2]);
    [head, words(&[1, 8, 5, 5]), words(&[4, 4, 5])].concat()
}

fn all() -> [Vec<u8>; 4] {
    [netflow5(3, NOW), netflow9(NOW), ipfix(NOW), sflow()]
}

#[test]
fn every_version_says_its_length() {
    for message in all() {
        assert_eq!(length(&message), Some(message.len()), "{message:02x?}");
        assert!(is_plausible(&message), "{message:02x?}");
        assert_eq!(length(&message[..message.len() - 1]), None, "cut: {message:02x?}");
    }
}

#[test]
fn messages_that_lie_one_after_the_other_are_told_apart() {
    for message in all() {
        let twice = [&message[..], &message].concat();
        assert_eq!(first_message(&twice, true), Some(message.len()), "{message:02x?}");
        assert_eq!(first_message(&message, true), Some(message.len()), "{message:02x?}");
        assert_eq!(first_message(&message, false), None, "more may follow: {message:02x?}");
    }
}

#[test]
fn an_exporter_without_a_clock_is_told_apart_in_a_file_and_not_believed_in_a_capture() {
    for message in [netflow5(1, 7), netflow9(7), ipfix(7)] {
        assert!(!is_plausible(&message));
        let twice = [&message[..], &message].concat();
        assert_eq!(first_message(&twice, true), Some(message.len()), "{message:02x?}");
    }
}

#[test]
fn octets_that_begin_no_message_belong_to_the_one_before() {
    for message in all() {
        for after in [&[0; 64][..], &[0xff], b"junk behind the message, of some length, and more of it"] {
            let padded = [&message[..], after].concat();
            assert_eq!(first_message(&padded, true), Some(padded.len()), "{message:02x?}");
            assert_eq!(first_message(&padded, false), None, "{message:02x?}");
        }
    }
}

#[test]
fn what_is_too_much_for_a_message_is_none() {
    let mut much = ipfix(NOW);
    much.resize(MAX_MESSAGE + 1, 0xff);
    assert_eq!(first_message(&much, true), None);
    much.pop();
    assert_eq!(first_message(&much, true), Some(MAX_MESSAGE));
    assert_eq!(first_message(&[], true), Some(0));
}

#[test]
fn an_answer_of_a_name_server_is_no_export() {
    // Identification 9 or 10, a response with one question, answer and so on; then a name.
    for id in [5, 7, 9, 10] {
        let mut answer = vec![0, id, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 1];
        answer.extend(
            b"\x03www\x07example\x03org\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\xc6\x33\x64\x07",
        );
        assert!(!is_plausible(&answer), "{id}");
    }
}

#[test]
fn samples_are_listed_up_to_the_first_that_is_cut() {
    let datagram = sflow();
    let formats = |octets| sflow_samples(octets).map(Iterator::collect::<Vec<_>>);
    assert_eq!(formats(&datagram), Some(vec![1, 4]));
    assert_eq!(formats(&datagram[..datagram.len() - 1]), Some(vec![1]));
    assert_eq!(formats(&netflow9(NOW)), None);
}

proptest::proptest! {
    #[test]
    fn no_octets_lead_out_of_bounds(
        start in proptest::sample::select(vec![5_u16, 7, 9, 10, 0]),
        rest in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        at_end in proptest::prelude::any::<bool>(),
    ) {
        let octets = [&start.to_be_bytes()[..], &rest].concat();
        let _ = is_plausible(&octets);
        proptest::prop_assert!(length(&octets).is_none_or(|length| (1..=octets.len()).contains(&length)));
        let first = first_message(&octets, at_end);
        proptest::prop_assert!(first.is_none_or(|length| (1..=octets.len()).contains(&length)));
    }
}
