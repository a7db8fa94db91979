//! What messages of NetFlow and IPFIX become.

use std::net::IpAddr;

use weir_flow::{Source, Timestamp};

use super::super::testing::{
    Bench, EXPORT, FIVE_TUPLE, Field, VARIABLE, five_tuple, ipfix, options_template, set, template, v5, v9,
};
use super::super::{Arrival, Fault};

fn with_template(fields: &[Field], records: &[Vec<u8>]) -> Vec<u8> {
    ipfix(7, 0, &[set(2, &[template(256, fields)]), set(256, records)])
}

#[test]
fn a_template_and_its_data_make_records_in_both_dialects() {
    let mut bench = Bench::new();
    let data = set(300, &[five_tuple(1, 1_500), five_tuple(2, 40)]);
    bench.take(&v9(9, 1, &[set(0, &[template(300, &FIVE_TUPLE)]), data.clone()]));
    bench.take(&ipfix(9, 0, &[set(2, &[template(300, &FIVE_TUPLE)]), data]));
    assert_eq!(bench.records.len(), 4);
    for (record, source) in bench.records.iter().zip([Source::Netflow9, Source::Netflow9, Source::Ipfix]) {
        let exported = record.exported.unwrap();
        assert_eq!(record.source, source);
        assert_eq!(exported.exporter, Some(IpAddr::from([203, 0, 113, 1])));
        assert_eq!(exported.observation_domain, Some(9));
        assert_eq!((record.dst_port, record.proto), (Some(443), Some(6)));
        assert_eq!(record.forward.packets, 3);
        assert_eq!(record.reverse, weir_flow::Counters::default());
        assert_eq!(
            record.start.millis(),
            i64::from(EXPORT) * 1_000,
            "no time in the record: that of the export"
        );
    }
    assert_eq!(bench.records[1].forward.octets, 40);
    assert_eq!(bench.exporter().faults.total(), 0);
}

#[test]
fn version_5_has_its_uptimes_sampling_and_route() {
    let mut record = [0; 48];
    record[..4].copy_from_slice(&[10, 0, 0, 1]);
    record[4..8].copy_from_slice(&[10, 0, 0, 2]);
    record[13] = 3;
    record[19] = 9;
    record[22..24].copy_from_slice(&[2, 0]);
    record[24..28].copy_from_slice(&(super::super::testing::UPTIME - 5_000).to_be_bytes());
    record[28..32].copy_from_slice(&(super::super::testing::UPTIME - 1_000).to_be_bytes());
    record[34..36].copy_from_slice(&[8, 0]);
    record[38] = 1;
    record[39] = 0xb8;
    let mut bench = Bench::new();
    bench.take(&v5(0, 0x4000 | 100, &[record]));
    let flow = &bench.records[0];
    let exported = flow.exported.unwrap();
    assert_eq!((flow.start.millis(), flow.end.millis()), {
        let export = i64::from(EXPORT) * 1_000 + 250;
        (export - 5_000, export - 1_000)
    });
    assert_eq!((exported.sampling, exported.ingress_if, exported.egress_if), (Some(100), Some(3), None));
    assert_eq!((flow.forward.octets, flow.forward.packets, flow.dscp), (512, 9, Some(46)));
    assert_eq!(
        flow.icmp.map(|icmp| (icmp.kind, icmp.code)),
        Some((8, 0)),
        "in place of the destination port"
    );
    assert_eq!((flow.src_port, flow.dst_port), (None, None));
    assert_eq!(bench.exporter().sampling, Some(100));
}

#[test]
fn unknown_and_enterprise_fields_of_any_length_are_skipped_exactly() {
    let mut fields = vec![(9_999, 3, None), (77, VARIABLE, Some(4_242))];
    fields.extend(FIVE_TUPLE);
    fields.push((78, VARIABLE, Some(4_242)));
    let long = [vec![255, 1, 44], vec![0xee; 300]].concat();
    let records = [
        [vec![1, 2, 3], vec![0], five_tuple(1, 11), vec![2, 9, 9]].concat(),
        [vec![1, 2, 3], long, five_tuple(2, 22), vec![0]].concat(),
        [vec![1, 2, 3], vec![255, 0, 0], five_tuple(3, 33), vec![1, 0]].concat(),
    ];
    let mut bench = Bench::new();
    bench.take(&with_template(&fields, &records));
    let octets: Vec<_> = bench.records.iter().map(|record| record.forward.octets).collect();
    assert_eq!(octets, [11, 22, 33]);
    assert_eq!(bench.exporter().faults.total(), 0);
}

#[test]
fn records_of_one_octet_fill_their_set() {
    let mut bench = Bench::new();
    bench.take(&with_template(&[(4, 1, None)], &[vec![6, 17, 1, 58]]));
    let protocols: Vec<_> = bench.records.iter().filter_map(|record| record.proto).collect();
    assert_eq!(protocols, [6, 17, 1, 58]);
}

#[test]
fn what_was_decoded_before_junk_is_kept() {
    let good = [set(2, &[template(256, &FIVE_TUPLE)]), set(256, &[five_tuple(1, 5)])];
    let cases: [(Vec<u8>, Fault); 5] = [
        (vec![1, 0, 0, 2], Fault::BadLength),
        (vec![1, 0, 9], Fault::TrailingOctets),
        (set(255, &[vec![1; 8]]), Fault::BadTemplate),
        (set(2, &[template(257, &[(1, 0, None)])]), Fault::BadTemplate),
        (set(2, &[vec![1, 4, 0, 9, 0, 1]]), Fault::BadTemplate),
    ];
    for (junk, fault) in cases {
        let mut bench = Bench::new();
        bench.take(&ipfix(1, 0, &[good.concat(), junk]));
        assert_eq!(bench.records.len(), 1);
        assert_eq!(bench.exporter().faults.iter().collect::<Vec<_>>(), [(fault, 1)]);
    }
    let mut bench = Bench::new();
    let whole = ipfix(1, 0, &good);
    bench.take(&whole[..whole.len() - 1]);
    assert_eq!((bench.records.len(), bench.exporter().faults.of(Fault::Truncated)), (0, 1));
}

#[test]
fn what_is_shorter_than_a_record_is_padding_and_no_fault() {
    let mut bench = Bench::new();
    let leftover = five_tuple(2, 6)[..12].to_vec();
    let templates = set(0, &[template(256, &FIVE_TUPLE), vec![0x61, 0x6e, 0x61]]);
    bench.take(&v9(1, 0, &[templates, set(256, &[five_tuple(1, 5), leftover]), vec![0; 64]]));
    assert_eq!((bench.records.len(), bench.exporter().faults.total()), (1, 0));
}

#[test]
fn a_set_that_runs_past_the_length_of_its_message_is_read_as_far_as_the_datagram_goes() {
    let mut message = ipfix(1, 0, &[set(2, &[template(256, &FIVE_TUPLE)]), set(256, &[five_tuple(1, 5)])]);
    let length = u16::try_from(message.len() - 2).unwrap();
    message[2..4].copy_from_slice(&length.to_be_bytes());
    let mut bench = Bench::new();
    bench.take(&message);
    assert_eq!(bench.records.len(), 1);
}

#[test]
fn data_before_their_template_wait_and_keep_the_time_of_their_own_message() {
    let mut bench = Bench::new();
    let early = ipfix(1, 0, &[set(256, &[five_tuple(1, 5)])]);
    bench.take(&early);
    assert_eq!(bench.records.len(), 0);
    assert!(bench.collector.report().parked_bytes > 0);
    let mut late = ipfix(1, 1, &[set(2, &[template(256, &FIVE_TUPLE)])]);
    late[4..8].copy_from_slice(&(EXPORT + 60).to_be_bytes());
    bench.take(&late);
    assert_eq!(bench.records[0].start, Timestamp::from_millis(i64::from(EXPORT) * 1_000));
    assert_eq!(bench.collector.report().parked_bytes, 0);
    let exporter = bench.exporter();
    assert_eq!((exporter.records, exporter.faults.total(), exporter.lost), (1, 0, 0));
}

#[test]
fn templates_belong_to_address_version_and_domain_and_not_to_the_port() {
    let templates = ipfix(1, 0, &[set(2, &[template(256, &FIVE_TUPLE)])]);
    let data = set(256, &[five_tuple(1, 5)]);
    let mut bench = Bench::new();
    bench.take_from("203.0.113.1:1000", &templates);
    bench.take_from("203.0.113.1:2000", &ipfix(1, 0, std::slice::from_ref(&data)));
    assert_eq!(bench.records.len(), 1, "another port is the same exporter");
    bench.take_from("203.0.113.2:1000", &ipfix(1, 0, std::slice::from_ref(&data)));
    bench.take_from("203.0.113.1:1000", &ipfix(2, 0, std::slice::from_ref(&data)));
    bench.take_from("203.0.113.1:1000", &v9(1, 0, std::slice::from_ref(&data)));
    assert_eq!(bench.records.len(), 1, "another address, domain or version is not");
    bench.take_from("[::ffff:203.0.113.1]:1", &ipfix(1, 1, &[data]));
    assert_eq!(bench.records.len(), 2, "a mapped address is the same");
}

#[test]
fn a_template_that_changes_or_is_withdrawn_no_longer_reads_data() {
    let mut bench = Bench::new();
    bench.take(&with_template(&FIVE_TUPLE, &[five_tuple(1, 5)]));
    let mut shorter = FIVE_TUPLE;
    shorter[5].1 = 2;
    let mut record = five_tuple(1, 0x0007_0000);
    record.drain(15..17);
    bench.take(&with_template(&shorter, &[record]));
    assert_eq!(bench.records[1].forward.octets, 7);
    for withdrawal in [vec![1, 0, 0, 0], vec![0, 2, 0, 0]] {
        bench.take(&ipfix(7, 0, &[set(2, &[template(256, &FIVE_TUPLE)])]));
        assert_eq!(bench.exporter().templates, 1);
        bench.take(&ipfix(7, 0, &[set(2, &[withdrawal])]));
        assert_eq!(bench.exporter().templates, 0);
    }
}

#[test]
fn sampling_that_options_tell_is_in_the_records() {
    let mut bench = Bench::new();
    let interval = options_template(257, 1, &[(149, 4, None), (305, 4, None), (306, 4, None)]);
    let record = [1_u32.to_be_bytes(), 1_u32.to_be_bytes(), 999_u32.to_be_bytes()].concat();
    bench.take(&ipfix(7, 0, &[set(3, &[interval]), set(257, &[record])]));
    bench.take(&with_template(&FIVE_TUPLE, &[five_tuple(1, 5)]));
    assert_eq!(bench.records[0].exported.unwrap().sampling, Some(1_000));
    let exporter = bench.exporter();
    assert_eq!((exporter.sampling, exporter.options, exporter.records), (Some(1_000), 1, 1));
}

#[test]
fn a_sampler_is_found_by_its_number_in_version_9() {
    let mut bench = Bench::new();
    // Scope system, then sampler and interval.
    let options: Vec<u8> = [257_u16, 4, 8, 1, 4, 48, 1, 50, 4].iter().flat_map(|n| n.to_be_bytes()).collect();
    let sampler = |id: u8, one_of: u8| vec![0, 0, 0, 0, id, 0, 0, 0, one_of];
    bench.take(&v9(7, 1, &[set(1, &[options]), set(257, &[sampler(1, 10), sampler(2, 20)])]));
    let mut fields = FIVE_TUPLE.to_vec();
    fields.push((48, 1, None));
    let records = [2, 1, 9].map(|sampler| [five_tuple(1, 5), vec![sampler]].concat());
    bench.take(&v9(7, 2, &[set(0, &[template(256, &fields)]), set(256, &records)]));
    let sampling: Vec<_> = bench.records.iter().map(|record| record.exported.unwrap().sampling).collect();
    assert_eq!(sampling, [Some(20), Some(10), None]);
}

#[test]
fn both_directions_of_a_biflow_are_counted() {
    let mut fields = FIVE_TUPLE.to_vec();
    fields.extend([(1, 8, Some(29_305)), (2, 8, Some(29_305)), (6, 1, None), (6, 1, Some(29_305))]);
    let back = [[0, 0, 0, 0, 0, 0, 0, 77], [0, 0, 0, 0, 0, 0, 0, 2]].concat();
    let mut bench = Bench::new();
    bench.take(&with_template(&fields, &[[five_tuple(1, 5), back, vec![0x1b, 0x12]].concat()]));
    let record = &bench.records[0];
    assert_eq!((record.reverse.octets, record.reverse.packets), (77, 2));
    assert_eq!((record.tcp_flags_out, record.tcp_flags_in), (Some(0x1b), Some(0x12)));
}

#[test]
fn an_exporter_with_a_wrong_clock_is_corrected_or_marked() {
    let message = with_template(&FIVE_TUPLE, &[five_tuple(1, 5)]);
    let year = 365 * 86_400_000_000;
    for corrects_times in [true, false] {
        let settings = super::super::Settings { max_exporters: 4, corrects_times, ..Default::default() };
        let mut bench = Bench::with(settings);
        let now = bench.at.wall.unwrap().plus_micros(year);
        bench.at = Arrival { wall: Some(now), ..bench.at };
        bench.take(&message);
        let record = &bench.records[0];
        assert_eq!(record.start, if corrects_times { now } else { now.plus_micros(-year) });
        let offset = record.extra.as_ref().unwrap().get("exporter_clock_offset_s").unwrap().as_i64();
        assert_eq!(offset, Some(-year / 1_000_000));
        assert_eq!(bench.exporter().clock_offset_ms, Some(-year / 1_000));
    }
}

#[test]
fn flow_times_that_are_right_are_not_moved_by_an_export_time_that_is_wrong() {
    let settings = super::super::Settings { max_exporters: 4, corrects_times: true, ..Default::default() };
    let mut bench = Bench::with(settings);
    let now = bench.at.wall.unwrap().plus_micros(86_400_000_000);
    bench.at = Arrival { wall: Some(now), ..bench.at };
    let mut fields = FIVE_TUPLE.to_vec();
    fields.extend([(152, 8, None), (153, 8, None)]);
    let seen = u64::try_from(now.millis() - 3_000).unwrap().to_be_bytes();
    bench.take(&with_template(&fields, &[[five_tuple(1, 5), [seen, seen].concat()].concat()]));
    assert_eq!((bench.records[0].end, bench.records[0].extra.is_none()), (now.plus_micros(-3_000_000), true));
    assert_eq!(bench.exporter().clock_offset_ms, Some(-86_400_000), "it is told all the same");
}
