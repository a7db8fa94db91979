//! Datagrams from any address of 127.0.0.0/8, as many as a collector can read.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};

use crate::collecting::{LIMIT, queue};

/// The kernel's own share of a small datagram in a socket's buffer.
const SHARE: u64 = 768;
/// What Linux gives a socket by default.
const DEFAULT_BUFFER: u64 = 212_992;
const STEP: Duration = Duration::from_micros(100);

/// A source of many addresses.
#[derive(Debug)]
pub struct Flood {
    socket: UdpSocket,
    to: SocketAddr,
    /// Octets of the collector's buffer.
    buffer: u64,
    /// Octets sent since its queue was looked at.
    unseen: u64,
    /// Datagrams sent.
    pub sent: u64,
}

impl Flood {
    /// A flood of the collector at `to`.
    ///
    /// # Panics
    /// Without a socket.
    #[must_use]
    pub fn new(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        Self { socket, to, buffer: buffer(to).unwrap_or(DEFAULT_BUFFER), unseen: 0, sent: 0 }
    }

    /// Sends a datagram that seems to come from `from`, and waits where the collector does not keep up.
    ///
    /// # Panics
    /// Where the kernel does not take it, or the collector reads nothing any more.
    pub fn send(&mut self, from: Ipv4Addr, datagram: &[u8]) {
        let SocketAddr::V4(to) = self.to else { panic!("{} is no IPv4 address", self.to) };
        let address = in_addr { s_addr: u32::from_ne_bytes(from.octets()) };
        let source = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: in_addr { s_addr: 0 } };
        let control = [ControlMessage::Ipv4PacketInfo(&source)];
        let (parts, to) = ([IoSlice::new(datagram)], SockaddrIn::from(to));
        sendmsg(self.socket.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&to))
            .unwrap_or_else(|e| panic!("{} octets from {from}: {e}", datagram.len()));
        self.sent += 1;
        // Twice the length, since the kernel rounds up.
        self.unseen += SHARE + 2 * datagram.len() as u64;
        if self.unseen > self.buffer / 4 {
            self.wait();
        }
    }

    /// With what is sent until the next look, three quarters of the buffer are used: what is missing in the end was not
    /// lost by the kernel.
    fn wait(&mut self) {
        let limit = Instant::now() + LIMIT;
        while queue(self.to).expect("the collector listens").waiting > self.buffer / 2 {
            assert!(Instant::now() < limit, "the collector reads nothing");
            std::thread::sleep(STEP);
        }
        self.unseen = 0;
    }
}

/// Octets that the socket bound to `port` has room for, as iproute2 tells: `skmem:(r0,rb212992,…)`.
fn buffer(port: SocketAddr) -> Option<u64> {
    let filter = format!("sport = :{}", port.port());
    let output = Command::new("ss").args(["-H", "-uanm", &filter]).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.split_once(",rb")?.1.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_BUFFER, Flood, Ipv4Addr, UdpSocket, buffer};

    #[test]
    fn the_room_of_a_socket_is_known() {
        let collector = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let room = buffer(collector.local_addr().unwrap()).unwrap();
        assert!((4_096..1_000 * DEFAULT_BUFFER).contains(&room), "{room}");
    }

    #[test]
    fn each_datagram_has_the_source_that_was_asked_for() {
        let collector = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut flood = Flood::new(collector.local_addr().unwrap());
        for from in [Ipv4Addr::new(127, 1, 2, 3), Ipv4Addr::new(127, 255, 255, 254)] {
            flood.send(from, b"x");
            assert_eq!(collector.recv_from(&mut [0]).unwrap().1.ip(), from);
        }
        assert_eq!(flood.sent, 2);
    }
}
