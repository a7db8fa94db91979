use std::net::{SocketAddr, UdpSocket};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

use super::{BATCH, Buffers, Error, Socket};

const BUFFER: usize = 128 << 10;
/// Largest payload of UDP over IPv4 and IPv6: 65,535 octets less the headers that the length counts.
const LARGEST_V4: usize = 65_535 - 20 - 8;
const LARGEST_V6: usize = 65_535 - 8;

/// A socket on a port that is free.
fn open(ip: &str, buffer: usize) -> Socket {
    let probe = UdpSocket::bind((ip, 0)).unwrap();
    let address = probe.local_addr().unwrap();
    drop(probe);
    Socket::open(address, buffer).unwrap()
}

fn sender(to: &Socket) -> UdpSocket {
    let local = if to.address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let sender = UdpSocket::bind(local).unwrap();
    sender.connect(to.address).unwrap();
    sender
}

/// One batch, once there is something.
fn batch(socket: &mut Socket, buffers: &mut Buffers) -> (Vec<(SocketAddr, Vec<u8>)>, u32) {
    let mut asked = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut asked, PollTimeout::from(10_000_u16)).unwrap(), 1, "nothing came");
    let mut taken = Vec::new();
    let received = socket.receive(buffers, |from, payload| taken.push((from, payload.to_vec()))).unwrap();
    assert_eq!(received.datagrams, taken.len());
    (taken, received.dropped)
}

#[test]
fn datagrams_of_several_senders_come_in_order_each_with_its_sender() {
    let (mut socket, mut buffers) = (open("127.0.0.1", BUFFER), Buffers::default());
    let senders: Vec<_> = (0..3).map(|_| sender(&socket)).collect();
    let mut sent = Vec::new();
    for round in 0..BATCH as u8 {
        for sender in &senders {
            sender.send(&[round; 9]).unwrap();
            sent.push((sender.local_addr().unwrap(), vec![round; 9]));
        }
    }
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let (taken, dropped) = batch(&mut socket, &mut buffers);
        assert!(taken.len() <= BATCH && dropped == 0);
        received.extend(taken);
    }
    assert_eq!(received, sent);
    let nothing = socket.receive(&mut buffers, |_, _| panic!("a datagram too many")).unwrap();
    assert_eq!(nothing, super::Received::default());
}

#[test]
fn the_largest_and_the_empty_datagram_come_whole() {
    for (ip, largest) in [("127.0.0.1", LARGEST_V4), ("::1", LARGEST_V6)] {
        let (mut socket, mut buffers) = (open(ip, 4 << 20), Buffers::default());
        let sender = sender(&socket);
        let octets: Vec<u8> = (0..largest).map(|at| (at % 251) as u8).collect();
        for payload in [&octets[..], b"", b"short", &octets[..]] {
            sender.send(payload).unwrap();
            let (taken, _) = batch(&mut socket, &mut buffers);
            assert_eq!(taken, [(sender.local_addr().unwrap(), payload.to_vec())]);
        }
    }
}

#[test]
fn buffers_serve_ipv6_after_ipv4() {
    let mut buffers = Buffers::default();
    for ip in ["127.0.0.1", "::1", "127.0.0.1"] {
        let mut socket = open(ip, BUFFER);
        let sender = sender(&socket);
        sender.send(b"x").unwrap();
        assert_eq!(batch(&mut socket, &mut buffers).0, [(sender.local_addr().unwrap(), b"x".to_vec())]);
    }
}

#[test]
fn every_datagram_is_received_or_counted_as_dropped() {
    const SENT: u32 = 2_000;
    let (mut socket, mut buffers) = (open("127.0.0.1", 0), Buffers::default());
    let sender = sender(&socket);
    let (mut came, mut dropped) = (0, 0);
    // The second round finds headers that were in use, and a count that goes on.
    for round in 1..=2 {
        for _ in 0..SENT {
            sender.send(&[7; 1_000]).unwrap();
        }
        let before = dropped;
        loop {
            let received = socket.receive(&mut buffers, |_, _| came += 1).unwrap();
            dropped += received.dropped;
            if received.datagrams == 0 {
                break;
            }
        }
        // The kernel says what it dropped with the next datagram that it had room for.
        sender.send(b"after").unwrap();
        let (taken, more) = batch(&mut socket, &mut buffers);
        assert_eq!(taken.len(), 1);
        dropped += more;
        assert!(dropped > before, "a tiny buffer held everything");
        assert_eq!(came + dropped, SENT * round, "came {came}, dropped {dropped}");
    }
}

#[test]
fn the_kernels_word_on_the_receive_buffer_is_told() {
    let small = open("127.0.0.1", 16 << 10);
    assert_eq!(small.receive_buffer(), 16 << 10);
    // The limit is out of sight in a network namespace of an older kernel.
    let Ok(text) = std::fs::read_to_string("/proc/sys/net/core/rmem_max") else { return };
    let most: usize = text.trim().parse().unwrap();
    assert_eq!(open("127.0.0.1", most + 4_096).receive_buffer(), most);
}

#[test]
fn ipv6_leaves_the_port_to_ipv4() {
    let v6 = open("::", BUFFER);
    let v4 = SocketAddr::from(([0, 0, 0, 0], v6.address.port()));
    assert!(Socket::open(v4, BUFFER).is_ok());
}

#[test]
fn what_cannot_be_bound_is_told_with_address_reason_and_remedy() {
    let holder = open("127.0.0.1", BUFFER);
    let told = |address: SocketAddr| Socket::open(address, BUFFER).unwrap_err();
    let taken = told(holder.address);
    assert!(matches!(taken, Error::Taken(_)), "{taken}");
    let text = taken.to_string();
    assert!(text.contains(&holder.address.to_string()) && text.contains("ss -lunp"), "{text}");
    let elsewhere = told("192.0.2.77:2055".parse().unwrap());
    assert!(matches!(elsewhere, Error::NoAddress(_)), "{elsewhere}");
    assert!(elsewhere.to_string().contains("192.0.2.77:2055"), "{elsewhere}");
}
