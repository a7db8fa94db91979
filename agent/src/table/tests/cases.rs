//! What the table does in cases that have a name.

use std::net::IpAddr;

use weir_flow::{FlowRecord, IcmpKind, Timestamp};

use super::{
    ACK, At, Config, End, FIN, FlowTable, RST, Run, SECOND, SYN, TCP, TICK, UDP, at, packet, tagged,
};

const A: End = (1, 40_000);
const B: End = (2, 443);
const ICMP: u8 = 1;

fn host(number: u8) -> Option<IpAddr> {
    Some([10, 0, 0, number].into())
}

/// Packets each way and end reason of every record, in order of start.
fn shape(mut records: Vec<FlowRecord>) -> Vec<(u64, u64, &'static str)> {
    records.sort_by_key(|record| record.start);
    let shape = |r: &FlowRecord| (r.forward.packets, r.reverse.packets, r.end_reason.unwrap().as_str());
    records.iter().map(shape).collect()
}

#[test]
fn the_sender_of_the_first_packet_is_the_originator() {
    let mut run = Run::new();
    run.tcp(0, B, A, ACK);
    run.tcp(0, A, B, ACK | FIN);
    let record = run.drained().remove(0);
    assert_eq!(
        (record.src_ip, record.src_port, record.dst_ip, record.dst_port),
        (host(2), Some(443), host(1), Some(40_000))
    );
    assert_eq!((record.tcp_flags_out, record.tcp_flags_in), (Some(ACK), Some(ACK | FIN)));
    assert_eq!((record.forward.octets, record.reverse.octets), (40, 40));
}

#[test]
fn who_answers_a_syn_is_not_the_originator() {
    for (first, second) in [(A, B), (B, A)] {
        let mut run = Run::new();
        run.tcp(0, second, first, SYN | ACK);
        run.tcp(0, first, second, ACK);
        run.tcp(0, first, second, ACK);
        let record = run.drained().remove(0);
        assert_eq!((record.src_port, record.forward.packets, record.reverse.packets), (Some(first.1), 2, 1));
        assert_eq!(record.tcp_flags_in, Some(SYN | ACK));
    }
}

#[test]
fn the_originator_stays_who_it_was_after_an_active_timeout() {
    let mut run = Run::new();
    run.tcp(0, A, B, SYN);
    for second in (50..=350).step_by(50) {
        run.tcp(second, B, A, ACK);
    }
    let records = run.drained();
    assert_eq!(shape(records.clone()), [(1, 5, "active"), (0, 2, "forced")]);
    assert!(records.iter().all(|record| record.src_ip == host(1)));
    assert_eq!(records[1].start.micros(), 300 * SECOND);
}

#[test]
fn a_connection_ends_five_seconds_after_both_fins() {
    let mut run = Run::new();
    run.tcp(0, A, B, SYN);
    run.tcp(1, B, A, SYN | ACK);
    run.tcp(2, A, B, FIN | ACK);
    run.tcp(100, B, A, FIN | ACK);
    run.tcp(104, A, B, ACK);
    assert!(run.records.is_empty());
    run.expire(109 * SECOND + TICK, usize::MAX);
    assert_eq!(shape(run.records.clone()), [(3, 2, "end")]);
    assert_eq!(run.records[0].end.micros(), 104 * SECOND);
}

#[test]
fn one_fin_closes_only_what_is_seen_one_way() {
    let mut run = Run::new();
    run.tcp(0, A, B, ACK);
    run.tcp(1, A, B, FIN | ACK);
    run.tcp(2, B, A, ACK);
    run.expire(200 * SECOND, usize::MAX);
    assert!(run.records.is_empty(), "the other side may go on");
    run.expire(302 * SECOND + TICK, usize::MAX);
    assert_eq!(shape(run.drained()), [(2, 1, "idle")]);

    let mut run = Run::new();
    run.tcp(0, A, B, ACK);
    run.tcp(1, A, B, FIN | ACK);
    run.expire(6 * SECOND + TICK, usize::MAX);
    assert_eq!(shape(run.drained()), [(2, 0, "end")]);
}

#[test]
fn a_syn_on_a_closed_connection_begins_another_flow() {
    let mut run = Run::new();
    run.tcp(0, A, B, SYN);
    run.tcp(1, B, A, RST | ACK);
    run.tcp(2, B, A, SYN);
    run.tcp(2, A, B, SYN | ACK);
    let records = run.drained();
    assert_eq!(shape(records.clone()), [(1, 1, "end"), (1, 1, "forced")]);
    assert_eq!((records[0].src_ip, records[1].src_ip), (host(1), host(2)));
    assert_eq!(records[1].tcp_flags_out, Some(SYN));
}

#[test]
fn a_syn_sent_again_is_of_the_same_connection() {
    let mut run = Run::new();
    run.tcp(0, A, B, SYN);
    run.tcp(1, A, B, SYN);
    run.tcp(3, B, A, SYN | ACK);
    assert_eq!(shape(run.drained()), [(2, 1, "forced")]);
}

#[test]
fn a_closed_connection_says_end_whatever_ends_it() {
    let mut run = Run::new();
    run.tcp(0, A, B, RST);
    assert_eq!(shape(run.drained()), [(1, 0, "end")]);

    let mut run = Run::new();
    run.tcp(0, A, B, SYN);
    run.tcp(299, B, A, RST);
    run.tcp(301, B, A, ACK);
    let records = run.drained();
    assert_eq!(shape(records.clone()), [(1, 1, "end"), (0, 1, "forced")]);
    assert_eq!(records[1].src_ip, host(1), "a straggler does not turn the connection round");
}

/// The wheel sees to a whole tick at a time; what a record says is exact.
#[test]
fn a_flow_that_was_idle_says_so_when_the_table_is_drained_before_its_turn() {
    let mut run = Run::new();
    run.see(at(0), &packet(UDP, A, B, 0, 40));
    run.see(at(900_000), &packet(UDP, A, (4, 1), 0, 40));
    run.see(at(60 * SECOND - 1), &packet(UDP, B, (3, 1), 0, 40));
    run.see(at(60 * SECOND + 10), &packet(UDP, B, (3, 1), 0, 40));
    assert!(run.records.is_empty());
    assert_eq!(shape(run.drained()), [(1, 0, "idle"), (1, 0, "forced"), (2, 0, "forced")]);
}

#[test]
fn vlans_are_flows_of_their_own() {
    let mut run = Run::new();
    for vlan in [None, Some(7), Some(8), Some(0x2007)] {
        run.see(at(0), &tagged(vlan, UDP, A, B, 0, 40));
    }
    let mut vlans: Vec<_> =
        run.drained().iter().map(|record| (record.vlan.map(|vlan| vlan.inner), record.packets())).collect();
    vlans.sort_unstable();
    assert_eq!(vlans, [(None, 1), (Some(7), 2), (Some(8), 1)], "the priority bits name no VLAN");
}

#[test]
fn an_echo_and_its_reply_are_one_flow_and_an_error_is_one_way() {
    let icmp =
        |src, dst, kind: u8, code: u8| packet(ICMP, (src, u16::from_be_bytes([kind, code])), (dst, 0), 0, 84);
    let mut run = Run::new();
    run.see(at(0), &icmp(2, 1, 8, 0));
    run.see(at(1), &icmp(1, 2, 0, 0));
    run.see(at(2), &icmp(2, 1, 3, 1));
    run.see(at(3), &icmp(1, 2, 3, 1));
    let mut records = run.drained();
    records.sort_by_key(|record| record.start);
    assert_eq!(shape(records.clone()), [(1, 1, "forced"), (1, 0, "forced"), (1, 0, "forced")]);
    assert_eq!(records[0].icmp, Some(IcmpKind { kind: 8, code: 0 }));
    assert_eq!((records[1].src_ip, records[1].icmp), (host(2), Some(IcmpKind { kind: 3, code: 1 })));
    assert_eq!((records[2].src_ip, records[2].src_port), (host(1), None));
}

#[test]
fn protocols_without_ports_are_flows_between_addresses() {
    for proto in [0, 2, 47, 50, 88, 253, 255] {
        let mut run = Run::new();
        run.see(at(0), &packet(proto, (2, 11), (1, 12), 0, 100));
        run.see(at(1), &packet(proto, (1, 13), (2, 14), 0, 200));
        let records = run.drained();
        assert_eq!(shape(records.clone()), [(1, 1, "forced")], "protocol {proto}");
        let r = &records[0];
        assert_eq!(
            (r.src_ip, r.src_port, r.dst_port, r.icmp, r.proto),
            (host(2), None, None, None, Some(proto))
        );
        assert_eq!((r.forward.octets, r.reverse.octets, r.tcp_flags_out), (100, 200, None));
    }
}

#[test]
fn a_host_that_speaks_with_itself_has_one_flow() {
    let mut run = Run::new();
    run.see(at(0), &packet(UDP, (1, 5), (1, 5), 0, 40));
    run.see(at(1), &packet(UDP, (1, 5), (1, 5), 0, 40));
    run.see(at(1), &packet(UDP, (1, 6), (1, 5), 0, 40));
    run.see(at(1), &packet(UDP, (1, 5), (1, 6), 0, 40));
    assert_eq!(shape(run.drained()), [(2, 0, "forced"), (1, 1, "forced")]);
}

/// A gateway without a clock chip boots in 1970 and learns the time from the network.
#[test]
fn a_flow_over_a_step_of_the_clock_is_as_long_as_it_was() {
    let wall = |micros| Timestamp::from_micros(micros);
    let mut run = Run::new();
    let flow = packet(UDP, A, B, 0, 40);
    run.see(At { wall: wall(100 * SECOND), table: 0 }, &flow);
    run.see(At { wall: wall(1_760_000_010 * SECOND), table: 10 * SECOND }, &flow);
    let record = run.drained().remove(0);
    assert_eq!((record.start, record.end), (wall(1_760_000_000 * SECOND), wall(1_760_000_010 * SECOND)));

    let mut run = Run::new();
    run.see(At { wall: wall(5_000 * SECOND), table: 0 }, &flow);
    run.see(At { wall: wall(1_400 * SECOND), table: 10 * SECOND }, &flow);
    let record = run.drained().remove(0);
    assert_eq!(record.end.micros_since(record.start), 10 * SECOND);
}

#[test]
fn packets_out_of_order_widen_the_flow() {
    let mut run = Run::new();
    let flow = packet(UDP, A, B, 0, 40);
    run.see(at(5_000), &flow);
    run.see(At { wall: Timestamp::from_micros(4_000), table: 5_000 }, &flow);
    let record = run.drained().remove(0);
    assert_eq!((record.start.micros(), record.end.micros()), (4_000, 5_000));
}

#[test]
fn idle_flows_end_in_the_order_in_which_they_fell_silent() {
    let mut run = Run::new();
    for second in 0..50 {
        run.see(
            at(2 * second * SECOND),
            &packet(UDP, (1, 1), (2, 50 - u16::try_from(second).unwrap()), 0, 40),
        );
    }
    let silent: Vec<_> = run.drained().iter().map(|record| record.end).collect();
    assert_eq!(silent.len(), 50);
    assert!(silent.is_sorted(), "{silent:?}");
}

#[test]
fn one_packet_pays_for_no_more_than_a_few_idle_flows() {
    let mut run = Run::new();
    for port in 1..=1_000 {
        run.see(at(0), &packet(UDP, (1, port), B, 0, 40));
    }
    run.see(at(3_600 * SECOND), &packet(UDP, (3, 1), B, 0, 40));
    assert_eq!(run.records.len(), super::super::EXPIRED_PER_PACKET);
    assert!(run.expire(3_600 * SECOND, 100));
    assert_eq!(run.records.len(), 100 + super::super::EXPIRED_PER_PACKET);
    while run.expire(3_600 * SECOND, 100) {}
    assert_eq!((run.records.len(), run.table.len()), (1_000, 1));
}

/// With more idle flows than one packet may end, what comes after a jump waits far from what came before it.
#[test]
fn a_jump_over_ages_neither_loses_flows_nor_takes_time() {
    for jump in [3_600 * SECOND, 136 * 365 * 86_400 * SECOND, i64::MAX / 2, i64::MAX] {
        let mut run = Run::new();
        for port in 1..=200 {
            run.see(at(0), &packet(UDP, (1, port), B, 0, 40));
            run.tcp(0, (1, port), B, ACK);
        }
        for port in 1..=200 {
            run.see(at(jump), &packet(UDP, (1, port), B, 0, 40));
            run.tcp(jump / SECOND, (1, port), B, ACK);
        }
        run.see(at(jump.saturating_add(2 * TICK)), &packet(UDP, (1, 1), B, 0, 40));
        assert_eq!(run.records.len(), 400, "after {jump}");
        assert_eq!(shape(run.drained()).iter().filter(|record| record.2 == "forced").count(), 400);
    }
}

#[test]
fn jump_after_jump_is_as_quick() {
    let mut run = Run::new();
    for port in 1..=60_000 {
        run.see(at(0), &packet(UDP, (1, port), B, 0, 40));
    }
    for jump in 1..=3_000 {
        run.see(at(jump * 200 * SECOND), &packet(UDP, (3, u16::try_from(jump).unwrap()), B, 0, 40));
    }
    let records = run.drained();
    assert_eq!(records.len(), 63_000);
    assert_eq!(records.iter().filter(|record| record.end_reason.unwrap().as_str() == "forced").count(), 1);
}

#[test]
fn the_ends_of_time_are_times_too() {
    let mut run = Run::new();
    run.see(at(i64::MIN), &packet(UDP, A, B, 0, 40));
    run.see(at(i64::MIN + 30 * SECOND), &packet(UDP, B, A, 0, 40));
    run.see(at(i64::MAX), &packet(UDP, A, B, 0, 40));
    run.see(at(i64::MAX), &packet(UDP, A, B, 0, 40));
    assert_eq!(shape(run.drained()), [(1, 1, "idle"), (2, 0, "forced")]);
}

#[test]
fn time_begins_anew_in_a_drained_table() {
    let mut table = FlowTable::new(Config::default());
    let mut records = Vec::new();
    let mut sink = |record| records.push(record);
    table.ingest(&packet(UDP, A, B, 0, 40), at(1_000_000 * SECOND), &mut sink);
    table.drain(&mut sink);
    table.ingest(&packet(UDP, A, B, 0, 40), at(0), &mut sink);
    table.ingest(&packet(UDP, A, B, 0, 40), at(61 * SECOND), &mut sink);
    table.drain(&mut sink);
    assert_eq!(shape(records), [(1, 0, "idle"), (1, 0, "forced"), (1, 0, "forced")]);
}

#[test]
fn octets_of_the_largest_packets_add_up_beyond_32_bits() {
    let mut run = Run::new();
    let largest = packet(UDP, A, B, 0, u16::MAX);
    let many = (u64::from(u32::MAX) / u64::from(u16::MAX)) + 10;
    for _ in 0..many {
        run.see(at(0), &largest);
    }
    let record = run.drained().remove(0);
    assert_eq!((record.forward.packets, record.forward.octets), (many, many * u64::from(u16::MAX)));
}

#[test]
fn tcp_without_its_header_is_a_flow_without_ports() {
    let record = {
        let mut run = Run::new();
        let mut cut = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        cut.extend([0, 80, 0]);
        let frame = crate::capture::Frame {
            timestamp: Timestamp::default(),
            wire_len: 40,
            data: &cut,
            vlan: None,
            outgoing: false,
        };
        let packet =
            crate::packet::Decoder::new(false).decode(crate::packet::LinkType::RawIp, &frame).unwrap();
        run.see(at(0), &packet);
        run.drained().remove(0)
    };
    assert_eq!((record.src_port, record.dst_port, record.octets()), (None, None, 40));
    assert_eq!(record.tcp_flags_out, Some(0));
}
