use super::*;

#[test]
fn finds_the_loopback_interface_and_its_link() {
    let lo = find("lo").unwrap();
    assert!(lo.loopback);
    assert_eq!(lo.index, 1);
    assert_eq!(link_type("lo").unwrap(), LinkType::Ethernet);
}

#[test]
fn an_unknown_interface_is_answered_with_those_there_are() {
    let message = find("weir-none").unwrap_err().to_string();
    assert!(message.starts_with("no interface weir-none; there are: "), "{message}");
    assert!(message.contains("lo"), "{message}");
    assert!(matches!(link_type("weir-none"), Err(Error::Gone { .. })));
}

#[test]
fn a_link_that_weir_does_not_read_is_refused() {
    assert_eq!(of_hardware(1), Some(LinkType::Ethernet));
    assert_eq!(of_hardware(65_534), Some(LinkType::RawIp));
    // Wireless in monitor mode, InfiniBand, GRE, netlink monitor.
    for arphrd in [803, 32, 778, 824] {
        assert_eq!(of_hardware(arphrd), None);
    }
}

#[test]
fn the_default_route_with_the_lowest_metric_wins() {
    let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        wwan0\t00000000\t00000000\t0001\t0\t0\t700\t00000000\t0\t0\t0\n\
        eth1\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        dead0\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n\
        vpn0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n\
        eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    assert_eq!(default_v4(table).as_deref(), Some("eth1"));
    assert_eq!(default_v4("Iface\tDestination\n"), None);
}

#[test]
fn the_default_route_of_ipv6_is_found() {
    let zero = "0".repeat(32);
    let table = format!(
        "20010db8000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth9\n\
         {zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth2\n\
         {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
    );
    assert_eq!(default_v6(&table).as_deref(), Some("eth2"));
    assert_eq!(default_v6(&table.replace("00000003", "00000203")), None);
}

#[test]
fn a_prefix_has_no_host_bits() {
    for (address, length, network) in [
        ("192.168.7.9", 24, "192.168.7.0"),
        ("10.1.2.3", 0, "0.0.0.0"),
        ("10.1.2.3", 40, "10.1.2.3"),
        ("2001:db8::1", 64, "2001:db8::"),
        ("fe80::1", 128, "fe80::1"),
    ] {
        let prefix = Prefix::containing(address.parse().unwrap(), length);
        assert_eq!(prefix.network, network.parse::<IpAddr>().unwrap(), "{address}/{length}");
        assert!(prefix.length <= 128);
    }
}
