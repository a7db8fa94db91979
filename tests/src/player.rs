//! Plays an exporter: a [`Stream`] over a socket of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::clock;
use crate::exports::{Flow, Stream, Version};

/// Flows in each datagram of data.
pub const FLOWS: u32 = 20;
/// After each datagram, so that a collector in a debug build keeps up.
const PACE: Duration = Duration::from_millis(1);
/// Observation domain.
const DOMAIN: u32 = 7;
/// Source of the first flow.
const NETWORK: u32 = Ipv4Addr::new(10, 0, 0, 0).to_bits();

/// An exporter made here. It sends from one port for as long as it lives, and every flow is a new one.
#[derive(Debug)]
pub struct Player {
    socket: UdpSocket,
    to: SocketAddr,
    stream: Stream,
    /// Flows sent.
    pub flows: u32,
    /// Datagrams sent.
    pub datagrams: u64,
}

impl Player {
    /// An exporter at the address `from`, which is this machine's.
    ///
    /// # Panics
    /// Without a free port there.
    #[must_use]
    pub fn new(version: Version, from: IpAddr, to: SocketAddr) -> Self {
        let socket = UdpSocket::bind((from, 0)).expect("a free port of this machine");
        Self { socket, to, stream: Stream::new(version, DOMAIN, clock::seconds()), flows: 0, datagrams: 0 }
    }

    /// Sends the octets of a datagram.
    ///
    /// # Panics
    /// Where the kernel does not take them.
    pub fn send(&mut self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.to).expect("loopback takes it");
        self.datagrams += 1;
        std::thread::sleep(PACE);
    }

    /// Sends the template of its data.
    ///
    /// # Panics
    /// In v5, which has none.
    pub fn templates(&mut self) {
        let datagram = self.stream.templates().expect("a version with templates");
        self.send(&datagram);
    }

    /// Sends datagrams of [`FLOWS`] flows.
    pub fn data(&mut self, datagrams: u32) {
        for _ in 0..datagrams {
            let flows: Vec<Flow> = (self.flows..self.flows + FLOWS).map(flow).collect();
            self.flows += FLOWS;
            let datagram = self.stream.data(&flows);
            self.send(&datagram);
        }
    }
}

/// A flow from the `number`th source.
fn flow(number: u32) -> Flow {
    let src = (Ipv4Addr::from_bits(NETWORK + number).into(), 40_000);
    Flow { src, ..Flow::number(0) }
}
