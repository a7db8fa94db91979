//! The packet in a sample.

use weir_flow::{Counters, Kind, Source, Vlan};

use super::{
    ETHERNET, NOW, datagram, exported, frame, ipv4, opaque, plain, raw, read, record, sample, structure, tcp,
    words,
};
use crate::collect::{Fault, Faults};

const UDP: [u8; 8] = [0xd4, 0x31, 0x00, 0x35, 0, 8, 0, 0];

fn ip(text: &str) -> Option<std::net::IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn a_sampled_frame_is_a_record_of_one_packet() {
    let header = frame(&[0x6005], 0x0800, &ipv4(6, &tcp()));
    let record = record(&datagram(&[sample(&[raw(ETHERNET, &header)])]));
    assert_eq!((record.start, record.end), (NOW, NOW));
    assert_eq!((record.source, &record.kind), (Source::Sflow5, &Kind::Flow));
    assert_eq!((record.src_ip, record.dst_ip), (ip("10.0.0.9"), ip("198.51.100.7")));
    assert_eq!((record.src_port, record.dst_port, record.proto), (Some(49_152), Some(443), Some(6)));
    assert_eq!(record.forward, Counters { octets: 120, packets: 1 });
    assert_eq!(record.reverse, Counters::default());
    assert_eq!((record.tcp_flags_out, record.tcp_flags_in), (Some(0x12), None));
    assert_eq!((record.dscp, record.vlan), (Some(46), Some(Vlan { inner: 5, outer: None })));
    assert_eq!((record.end_reason, record.icmp, record.extra.as_ref()), (None, None, None));
    let exported = exported(&record);
    assert_eq!((exported.exporter, exported.observation_domain), (ip("192.0.2.1"), Some(2)));
    assert_eq!((exported.ingress_if, exported.egress_if, exported.sampling), (Some(3), Some(4), Some(400)));
}

#[test]
fn both_directions_are_told_as_they_were_sent() {
    let mut back = ipv4(6, &[0x01, 0xbb, 0xc0, 0x00]);
    back[12..16].copy_from_slice(&[198, 51, 100, 7]);
    back[16..20].copy_from_slice(&[10, 0, 0, 9]);
    let record = record(&datagram(&[sample(&[raw(11, &back)])]));
    assert_eq!((record.src_ip, record.dst_ip), (ip("198.51.100.7"), ip("10.0.0.9")));
    assert_eq!((record.src_port, record.dst_port), (Some(443), Some(49_152)));
}

#[test]
fn headers_of_every_link_lead_to_the_packet() {
    let v4 = ipv4(17, &UDP);
    let labels = [&[0x00, 0x01, 0x00, 0x40, 0x00, 0x02, 0x01, 0x40][..], &v4].concat();
    for (protocol, header) in [
        (1, frame(&[], 0x0800, &v4)),
        (1, frame(&[], 0x8847, &labels)),
        (7, [&[0x00, 0x21][..], &v4].concat()),
        (14, [&[0xff, 0x03, 0x00, 0x21][..], &v4].concat()),
        (14, [&[0x0f, 0x00, 0x08, 0x00][..], &v4].concat()),
        (10, v4.clone()),
        (11, v4.clone()),
        (13, labels.clone()),
    ] {
        let record = record(&datagram(&[sample(&[raw(protocol, &header)])]));
        assert_eq!((record.src_ip, record.dst_port), (ip("10.0.0.9"), Some(53)), "protocol {protocol}");
        assert_eq!(record.forward.octets, 28);
    }
}

#[test]
fn icmpv6_has_type_and_code_and_no_ports() {
    let mut packet = vec![0x60, 0, 0, 0, 0, 8, 58, 64];
    packet.extend([&[0xfe, 0x80][..], &[0; 13], &[1], &[0xff, 0x02], &[0; 13], &[2]].concat());
    packet.extend([129, 3, 0, 0, 0, 0, 0, 0]);
    let record = record(&datagram(&[sample(&[raw(12, &packet)])]));
    assert_eq!((record.src_ip, record.dst_ip), (ip("fe80::1"), ip("ff02::2")));
    assert_eq!(record.icmp.map(|icmp| (icmp.kind, icmp.code)), Some((129, 3)));
    assert_eq!((record.src_port, record.dst_port, record.tcp_flags_out), (None, None, None));
    assert_eq!(record.forward.octets, 48);
}

#[test]
fn a_header_that_ends_early_gives_what_it_holds() {
    let whole = ipv4(6, &tcp());
    for (octets, ports, flags) in
        [(20, None, None), (23, None, None), (24, Some(443), Some(0)), (34, Some(443), Some(0x12))]
    {
        let record = record(&datagram(&[sample(&[raw(11, &whole[..octets])])]));
        assert_eq!(
            (record.dst_ip, record.dst_port, record.tcp_flags_out),
            (ip("198.51.100.7"), ports, flags),
            "{octets}"
        );
        assert_eq!(record.forward.octets, 120, "the length of the packet, not of its piece");
    }
}

#[test]
fn what_is_not_ip_is_counted_and_no_fault() {
    for kind in [0x0806, 0x88cc, 0x0026] {
        let read = read(&datagram(&[sample(&[raw(ETHERNET, &frame(&[], kind, &[0; 46]))])]));
        assert_eq!(
            (read.records.len(), read.decoded.not_ip, read.faults),
            (0, 1, Faults::default()),
            "{kind:x}"
        );
    }
}

#[test]
fn a_header_without_a_readable_packet_is_a_bad_sample() {
    let (cut, odd) = (&ipv4(6, &[])[..19], [0x95; 40]);
    let endless = [0; 64];
    for (protocol, header) in [(11, cut), (11, &odd), (11, &[]), (1, &[2; 13]), (13, &endless)] {
        let read = read(&datagram(&[sample(&[raw(protocol, header)]), sample(&[plain()])]));
        assert_eq!((read.faults.of(Fault::BadSample), read.faults.total()), (1, 1), "protocol {protocol}");
        assert_eq!(read.records.len(), 1, "the next sample is read");
    }
}

#[test]
fn a_link_that_is_not_known_is_an_unknown_sample() {
    let read = read(&datagram(&[sample(&[raw(15, &[0; 60])]), sample(&[structure(2_209, &[0; 48])])]));
    assert_eq!((read.faults.of(Fault::UnknownSample), read.faults.total(), read.records.len()), (2, 2, 0));
    assert_eq!(read.decoded.flow_samples(), 2);
}

#[test]
fn sampled_fragments_do_not_lend_each_other_ports() {
    let (mut first, mut later) = (ipv4(17, &UDP), ipv4(17, &[0xff; 8]));
    first[6] = 0x20;
    later[7] = 1;
    let read = read(&datagram(&[sample(&[raw(11, &first)]), sample(&[raw(11, &later)])]));
    let ports: Vec<_> = read.records.iter().map(|record| record.dst_port).collect();
    assert_eq!(ports, [Some(53), None]);
}

#[test]
fn a_packet_whose_header_has_no_length_takes_that_of_the_frame() {
    let mut packet = ipv4(6, &tcp());
    packet[2..4].copy_from_slice(&[0, 0]);
    let header = frame(&[], 0x0800, &packet);
    for (frame_length, octets) in [(9_018, 9_000), (0, 120), (u32::MAX, 120)] {
        let part = structure(1, &[words(&[1, frame_length, 4]), opaque(&header)].concat());
        assert_eq!(record(&datagram(&[sample(&[part])])).forward.octets, octets, "{frame_length}");
    }
}

/// A structure with what the exporter read itself.
fn fields(ipv6: bool, length: u32, protocol: u32) -> Vec<u8> {
    let ends: Vec<u8> =
        if ipv6 { [[0x20; 16], [0xfd; 16]].concat() } else { vec![172, 16, 0, 1, 172, 16, 0, 2] };
    let body = [words(&[length, protocol]), ends, words(&[1_024, 53, 0x1ff, 0xb8])].concat();
    structure(if ipv6 { 4 } else { 3 }, &body)
}

#[test]
fn what_the_exporter_read_itself_is_a_record_too() {
    let v4 = record(&datagram(&[sample(&[fields(false, 300, 17)])]));
    assert_eq!((v4.src_ip, v4.dst_ip), (ip("172.16.0.1"), ip("172.16.0.2")));
    assert_eq!(
        (v4.src_port, v4.dst_port, v4.dscp, v4.tcp_flags_out),
        (Some(1_024), Some(53), Some(46), None)
    );
    assert_eq!(v4.forward, Counters { octets: 300, packets: 1 });
    let v6 = record(&datagram(&[sample(&[fields(true, 80, 6)])]));
    assert_eq!((v6.dst_ip, v6.tcp_flags_out), (ip("fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd"), Some(0xff)));
    let icmp = record(&datagram(&[sample(&[fields(false, 84, 1)])]));
    assert_eq!((icmp.src_port, icmp.dst_port, icmp.icmp), (None, None, None));
}

#[test]
fn the_header_outranks_what_the_exporter_read() {
    for parts in [[plain(), fields(false, 300, 17)], [fields(false, 300, 17), plain()]] {
        let record = record(&datagram(&[sample(&parts)]));
        assert_eq!((record.src_ip, record.proto, record.forward.octets), (ip("10.0.0.9"), Some(6), 120));
    }
    let cut = raw(11, &[0x45; 4]);
    let read = read(&datagram(&[sample(&[cut, fields(false, 300, 17)])]));
    assert_eq!(read.records[0].proto, Some(17), "unless it cannot be read");
    assert_eq!(read.faults.of(Fault::BadSample), 1);
}

#[test]
fn absurd_numbers_from_the_exporter_are_no_record() {
    for part in [fields(false, u32::MAX, 17), fields(true, 300, 256)] {
        let read = read(&datagram(&[sample(&[part])]));
        assert_eq!((read.records.len(), read.faults.of(Fault::BadSample)), (0, 1));
    }
}

#[test]
fn an_ethernet_description_alone_names_no_packet() {
    let ethernet = structure(2, &[words(&[64]), vec![2; 16], words(&[0x0806])].concat());
    let alone = read(&datagram(&[sample(std::slice::from_ref(&ethernet))]));
    assert_eq!((alone.records.len(), alone.decoded.not_ip, alone.faults.total()), (0, 1, 0));
    let with_ip = read(&datagram(&[sample(&[ethernet, fields(false, 300, 17)])]));
    assert_eq!((with_ip.records.len(), with_ip.decoded.not_ip, with_ip.faults.total()), (1, 0, 0));
}
