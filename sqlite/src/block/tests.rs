//! What is written is read back, whatever a record holds; what is not a block is refused and harms nobody.

pub(crate) mod made;

use std::net::IpAddr;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use weir_flow::{
    Asn, Counters, Direction, EndReason, Exported, Extra, FlowRecord, Geo, IcmpKind, Kind, Origin, Place,
    Reason, Risk, Source, Tag, Tags, Timestamp, Uncounted, Verdict, Vlan,
};

use made::{record, records};

use super::size::Bound;
use super::{
    COLUMNS, Damage, Decoder, Encoder, KEPT_BUFFER_BYTES, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_BLOCK_TEXT,
    MAX_DEPTH, MAX_RECORD_BYTES, Packed, Push, Records, Sealed,
};
use crate::MaxRecordBytes;

fn json(record: &FlowRecord) -> String {
    let mut line = Vec::new();
    record.write_json(&mut line).unwrap();
    String::from_utf8(line).unwrap()
}

fn packed<'a>(sealed: &Sealed<'a>) -> Packed<'a> {
    Packed {
        encoding: sealed.encoding,
        raw_bytes: sealed.raw.len() as u64,
        rows: sealed.count,
        data: sealed.data,
    }
}

fn lines(decoder: &mut Decoder, block: Packed<'_>) -> Result<Vec<String>, Damage> {
    let mut lines = Vec::new();
    decoder.lines(block, 0..block.rows, |_, _, line| lines.push(line.to_owned()))?;
    Ok(lines)
}

fn at(start_ms: i64) -> FlowRecord {
    let start = Timestamp::from_millis(start_ms);
    FlowRecord { start, end: start, ..FlowRecord::default() }
}

fn with_extra(length: usize) -> FlowRecord {
    let extra = Extra::from_iter([("text", "x".repeat(length))]);
    FlowRecord { extra: Some(Box::new(extra)), ..FlowRecord::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sealed_is_read_back_to_the_last_octet(blocks in vec(records(), 1..3)) {
        let (mut encoder, mut decoder) = (Encoder::new(MaxRecordBytes::default()).unwrap(), Decoder::new().unwrap());
        for records in blocks {
            for record in &records {
                prop_assert_eq!(encoder.push(record), Push::Kept);
            }
            let sealed = encoder.seal().unwrap();
            let starts = || records.iter().map(|record| record.start.millis());
            prop_assert_eq!((Some(sealed.min_ts), Some(sealed.max_ts)), (starts().min(), starts().max()));
            let expected: Vec<_> = records.iter().map(json).collect();
            prop_assert_eq!(&lines(&mut decoder, packed(&sealed)).unwrap(), &expected);
            for (record, read) in records.iter().zip(decoder.records(packed(&sealed)).unwrap()) {
                let read = read.unwrap();
                prop_assert_eq!((read.start, read.end, read.tags), (record.start, record.end, record.tags));
                prop_assert_eq!((read.forward, read.reverse), (record.forward, record.reverse));
            }
        }
    }

    #[test]
    fn no_record_is_larger_than_its_bound(record in record()) {
        let bound = Bound::of(&record).unwrap();
        let length = json(&record).len();
        prop_assert!(length <= bound.json, "{length} of {bound:?}");
        let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
        encoder.push(&record);
        let length = encoder.seal().unwrap().raw.len();
        prop_assert!(length <= bound.columns + 512, "{length} of {bound:?}");
    }

    #[test]
    fn a_block_that_was_changed_or_cut_is_refused_or_read_but_never_ends_the_program(
        records in records(),
        at in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
        is_cut in any::<bool>(),
    ) {
        let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
        records.iter().for_each(|record| assert_eq!(encoder.push(record), Push::Kept));
        let sealed = encoder.seal().unwrap();
        let mut raw = sealed.raw.to_vec();
        let at = at.index(raw.len());
        if is_cut {
            raw.truncate(at);
            prop_assert!(Records::new(&raw, sealed.count).is_err());
        } else {
            raw[at] ^= bits;
            for record in Records::new(&raw, sealed.count).into_iter().flatten().flatten() {
                json(&record);
            }
        }
    }
}

#[test]
fn rows_are_read_from_the_middle_of_a_block() {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    (0..100).for_each(|start| assert_eq!(encoder.push(&at(start)), Push::Kept));
    let sealed = encoder.seal().unwrap();
    let mut read = Vec::new();
    let mut decoder = Decoder::new().unwrap();
    decoder.lines(packed(&sealed), 40..43, |place, _, line| read.push((place, line.to_owned()))).unwrap();
    let expected: Vec<_> = (40..43_u64).map(|place| (place, json(&at(place.cast_signed())))).collect();
    assert_eq!(read, expected);
}

#[test]
fn a_block_in_the_encoding_of_an_earlier_version_is_told_as_that() {
    let data = zstd::bulk::compress(&[2, 0], 1).unwrap();
    let mut decoder = Decoder::new().unwrap();
    for (encoding, told) in [(1, "an earlier version"), (2, "an earlier version"), (4, "a later version")] {
        let block = Packed { encoding, raw_bytes: 2, rows: 1, data: &data };
        let damage = lines(&mut decoder, block).unwrap_err();
        assert!(matches!(damage, Damage::Encoding(found) if found == encoding), "{damage}");
        assert!(damage.to_string().contains(told), "{damage}");
    }
    assert!(matches!(Records::new(&[2, 0], 1), Err(Damage::Encoding(2))));
}

#[test]
fn a_block_knows_when_each_row_was_stored_and_what_a_search_asks_first() {
    let mut risk = Risk::default();
    risk.add(Reason::ThreatMatch, 60);
    let threat = weir_flow::Match {
        indicator: "198.51.100.7".into(),
        kind: weir_flow::IndicatorKind::Ip,
        category: "botnet".into(),
        confidence: 90,
        source: "list".into(),
        field: weir_flow::Field::DstIp,
    };
    let verdict = Some(Verdict { matches: vec![threat] });
    let listed = FlowRecord { risk: Some(risk), verdict, ..at(30) };
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    for (stamp, record) in [(1_000, at(50)), (1_000, listed), (3_000, at(40)), (2_000, at(45))] {
        encoder.stored_at(stamp);
        assert_eq!(encoder.push(&record), Push::Kept);
    }
    let sealed = encoder.seal().unwrap();
    assert_eq!((sealed.first_processed_at, sealed.processed_at), (1_000, 3_000));
    assert_eq!((sealed.min_ts, sealed.max_ts, sealed.threats), (30, 50, 1));
    assert_eq!(sealed.max_risk, Some(60));
    let mut decoder = Decoder::new().unwrap();
    let mut stamps = Vec::new();
    decoder.lines(packed(&sealed), 1..4, |place, stamp, _| stamps.push((place, stamp))).unwrap();
    assert_eq!(stamps, [(1, 1_000), (2, 3_000), (3, 3_000)]);
    encoder.stored_at(500);
    encoder.push(&at(1));
    let next = encoder.seal().unwrap();
    assert_eq!((next.first_processed_at, next.max_risk, next.threats), (500, None, 0));
}

#[test]
fn a_burst_keeps_its_buffers_and_gives_them_back_when_it_is_over() {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    for _ in 0..2 {
        let texts = (500_000..).map(with_extra);
        let kept = texts.map(|record| encoder.push(&record)).take_while(|&fate| fate == Push::Kept).count();
        assert!(kept >= 5, "{kept}");
        encoder.seal().unwrap();
        encoder.clear();
        assert!(encoder.buffers() > 2_000_000, "{}", encoder.buffers());
    }
    encoder.push(&at(0));
    encoder.seal().unwrap();
    encoder.clear();
    assert!(encoder.buffers() <= KEPT_BUFFER_BYTES);
}

#[test]
fn a_changed_octet_is_noticed() {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    (0..100).for_each(|start| assert_eq!(encoder.push(&at(start * start)), Push::Kept));
    let sealed = encoder.seal().unwrap();
    let block = packed(&sealed);
    let mut decoder = Decoder::new().unwrap();
    let expected = lines(&mut decoder, block).unwrap();
    let mut silent = 0;
    for at in 0..block.data.len() {
        let mut data = block.data.to_vec();
        data[at] ^= 1;
        // Some bits of zstd's headers say nothing; then the rows are right all the same.
        if let Ok(read) = lines(&mut decoder, Packed { data: &data, ..block }) {
            assert_eq!(read, expected, "octet {at}");
            silent += 1;
        }
    }
    assert!(silent < 5, "{silent} octets say nothing");
    for wrong in [
        Packed { raw_bytes: block.raw_bytes + 1, ..block },
        Packed { raw_bytes: block.raw_bytes - 1, ..block },
        Packed { raw_bytes: MAX_BLOCK_BYTES as u64 + 1, ..block },
        Packed { rows: 99, ..block },
        Packed { encoding: COLUMNS + 1, ..block },
    ] {
        assert!(lines(&mut decoder, wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_block_is_full_by_rows_and_by_octets() {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    (0..MAX_BLOCK_ROWS).for_each(|_| assert_eq!(encoder.push(&at(0)), Push::Kept));
    assert_eq!(encoder.push(&at(0)), Push::Full);
    assert_eq!(encoder.seal().unwrap().count, MAX_BLOCK_ROWS as u64);

    let large = with_extra(MAX_RECORD_BYTES - 1_000);
    let kept = std::iter::repeat_with(|| encoder.push(&large)).take_while(|&fate| fate == Push::Kept).count();
    assert_eq!(kept, 3);
    assert!(encoder.seal().unwrap().raw.len() <= MAX_BLOCK_BYTES);
    assert_eq!(encoder.push(&large), Push::Kept);
}

#[test]
fn a_text_that_all_rows_share_does_not_make_gigabytes_of_lines() {
    let record = FlowRecord { domain: Some("\u{1}".repeat(20_000).into()), ..FlowRecord::default() };
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    while encoder.push(&record) == Push::Kept {}
    let sealed = encoder.seal().unwrap();
    let length: usize =
        lines(&mut Decoder::new().unwrap(), packed(&sealed)).unwrap().iter().map(String::len).sum();
    assert!((MAX_BLOCK_TEXT / 2..=MAX_BLOCK_TEXT).contains(&length), "{length}");

    // Whoever writes more rows of the same into the block finds that a reader takes no more than that.
    let mut more = Encoder::new(MaxRecordBytes::default()).unwrap();
    let short = FlowRecord { domain: Some("x".repeat(20_000).into()), ..FlowRecord::default() };
    (0..4_096).for_each(|_| more.push_unbounded(&short));
    let sealed = more.seal().unwrap();
    let told = lines(&mut Decoder::new().unwrap(), packed(&sealed)).unwrap_err();
    assert!(matches!(told, Damage::TextTooLong), "{told}");
}

#[test]
fn a_record_that_is_too_long_or_too_deep_leaves_no_trace() {
    let mut deep = Value::Null;
    for _ in 0..=MAX_DEPTH {
        deep = vec![deep].into();
    }
    let deep = Box::new(Extra::from_iter([("deep", deep)]));
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    encoder.push(&at(1));
    assert_eq!(encoder.push(&with_extra(MAX_RECORD_BYTES)), Push::TooLong);
    assert_eq!(encoder.push(&FlowRecord { extra: Some(deep), ..at(7) }), Push::TooLong);
    encoder.push(&at(2));
    let sealed = encoder.seal().unwrap();
    assert_eq!((sealed.count, sealed.min_ts, sealed.max_ts), (2, 1, 2));
}

#[test]
fn a_record_whose_bound_is_too_long_is_measured() {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    assert_eq!(encoder.push(&with_extra(MAX_RECORD_BYTES - 2_000)), Push::Kept);
    // The worst that a megabyte of JSON can be: numbers of few characters that take nine octets.
    let numbers = vec![Value::from(1e99); MAX_RECORD_BYTES / 7];
    let record =
        FlowRecord { extra: Some(Box::new(Extra::from_iter([("n", numbers)]))), ..FlowRecord::default() };
    encoder.seal().unwrap();
    assert_eq!(encoder.push(&record), Push::Kept);
    let sealed = encoder.seal().unwrap();
    assert!(sealed.raw.len() <= MAX_BLOCK_BYTES);
    assert_eq!(lines(&mut Decoder::new().unwrap(), packed(&sealed)).unwrap(), [json(&record)]);
}

#[test]
fn names_without_end_do_not_make_columns_without_end() {
    let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
    let entries = |row: u32| (0..40).map(move |n| (format!("{row}-{n}"), Value::from(n)));
    let records: Vec<_> = (0..100)
        .map(|row| FlowRecord { extra: Some(Box::new(Extra::from_iter(entries(row)))), ..at(row.into()) })
        .chain([FlowRecord {
            extra: Some(Box::new(Extra::from_iter((0..5_000).map(|n| (n.to_string(), Value::from(n)))))),
            ..at(0)
        }])
        .collect();
    records.iter().for_each(|record| assert_eq!(encoder.push(record), Push::Kept));
    assert!(encoder.names() <= 1_024);
    let sealed = encoder.seal().unwrap();
    let expected: Vec<_> = records.iter().map(json).collect();
    assert_eq!(lines(&mut Decoder::new().unwrap(), packed(&sealed)).unwrap(), expected);
}

#[test]
fn a_record_with_everything_is_within_the_fixed_bound() {
    let six = IpAddr::from([0xffff_u16; 8]);
    let mut risk = Risk::default();
    (0..8).for_each(|_| risk.add(Reason::LargeTransfer, 12));
    let mut tags = Tags::default();
    [Tag::Ti, Tag::RiskyPort, Tag::LargeTransfer].into_iter().for_each(|tag| tags.insert(tag));
    let geo = Geo {
        lat: Some(-1.234_567_890_123_456_7e-300),
        lon: Some(-1.234_567_890_123_456_7e-300),
        ..Geo::default()
    };
    let place = Arc::new(Place { geo: Some(geo), asn: Some(Asn { asn: u32::MAX, org: Some("".into()) }) });
    let counters = Counters { octets: u64::MAX, packets: u64::MAX };
    let most = Some(u32::MAX);
    let record = FlowRecord {
        start: Timestamp::from_micros(i64::MIN),
        end: Timestamp::from_micros(i64::MAX),
        source: Source::Netflow9,
        kind: Kind::Aggregate,
        observer: Some("".into()),
        exported: Some(Exported {
            exporter: Some(six),
            next_hop: Some(six),
            observation_domain: most,
            ingress_if: most,
            egress_if: most,
            src_as: most,
            dst_as: most,
            sampling: most,
        }),
        src_ip: Some(six),
        dst_ip: Some(six),
        src_port: Some(u16::MAX),
        dst_port: Some(u16::MAX),
        proto: Some(135),
        forward: counters,
        reverse: counters,
        uncounted: Uncounted::default(),
        tcp_flags_out: Some(u8::MAX),
        tcp_flags_in: Some(u8::MAX),
        end_reason: Some(EndReason::Resources),
        vlan: Some(Vlan { inner: u16::MAX, outer: Some(u16::MAX) }),
        icmp: Some(IcmpKind { kind: u8::MAX, code: u8::MAX }),
        dscp: Some(u8::MAX),
        service: Some("".into()),
        domain: Some("".into()),
        src_place: Some(Arc::clone(&place)),
        dst_place: Some(place),
        direction: Some(Direction::Internal),
        verdict: Some(Verdict::default()),
        risk: Some(risk),
        tags,
        origin: Some(Arc::new(Origin { collector_id: Some("".into()), trace_id: Some("".into()) })),
        extra: Some(Box::default()),
    };
    let (bound, length) = (Bound::of(&record).unwrap(), json(&record).len());
    assert!(length <= bound.json && bound.json <= 2 * length, "{length} of {bound:?}");
}
