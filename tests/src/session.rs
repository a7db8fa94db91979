//! TCP connections as packets, with sequence numbers that add up.

use std::net::SocketAddr;

use crate::frames::Packet;
use crate::frames::transport::{ACK, FIN, PSH, RST, SYN, tcp_at};

/// A TCP connection between two ends; each call makes the next packet.
#[derive(Clone, Debug)]
pub struct Session {
    client: SocketAddr,
    server: SocketAddr,
    sent: [u32; 2],
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The end that opened the connection.
    Client,
    /// The other end.
    Server,
}

impl Session {
    /// A connection not opened yet.
    #[must_use]
    pub const fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self { client, server, sent: [1_000, 9_000] }
    }

    /// SYN, SYN+ACK, ACK.
    pub fn open(&mut self) -> [Packet; 3] {
        let syn = self.next(From::Client, SYN, &[]);
        let answer = self.next(From::Server, SYN | ACK, &[]);
        [syn, answer, self.next(From::Client, ACK, &[])]
    }

    /// Data from one end.
    pub fn send(&mut self, from: From, payload: &[u8]) -> Packet {
        self.next(from, PSH | ACK, payload)
    }

    /// An acknowledgement without data.
    pub fn ack(&mut self, from: From) -> Packet {
        self.next(from, ACK, &[])
    }

    /// FIN from the client, FIN from the server, the last ACK.
    pub fn close(&mut self) -> [Packet; 3] {
        let first = self.next(From::Client, FIN | ACK, &[]);
        let second = self.next(From::Server, FIN | ACK, &[]);
        [first, second, self.next(From::Client, ACK, &[])]
    }

    /// RST from one end.
    pub fn reset(&mut self, from: From) -> Packet {
        self.next(from, RST | ACK, &[])
    }

    fn next(&mut self, from: From, flags: u8, payload: &[u8]) -> Packet {
        let (me, src, dst) = match from {
            From::Client => (0, self.client, self.server),
            From::Server => (1, self.server, self.client),
        };
        let numbers = (self.sent[me], self.sent[1 - me]);
        let phantom = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        let octets = u32::try_from(payload.len()).expect("a segment is short");
        self.sent[me] = self.sent[me].wrapping_add(octets + phantom);
        tcp_at(src, dst, flags, numbers, payload)
    }
}
