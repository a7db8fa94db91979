//! Frames onto an interface, at a chosen rate.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockType, bind, sendmmsg, setsockopt, socket,
    sockopt,
};

/// Frames handed to the kernel at once.
const BATCH: usize = 64;
const SEND_BUFFER: usize = 8 << 20;

/// A packet socket on an interface of the current network namespace.
#[derive(Debug)]
pub struct Sender {
    socket: OwnedFd,
    headers: MultiHeaders<LinkAddr>,
}

impl std::fmt::Debug for Frames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} frames", self.0.len())
    }
}

/// Frames to send again and again.
pub struct Frames<'a>(pub &'a [Vec<u8>]);

impl Sender {
    /// Opens a socket that only sends.
    ///
    /// # Panics
    /// Without the interface or the right to.
    #[must_use]
    pub fn open(interface: &str) -> Self {
        let all = getifaddrs().expect("interfaces can be listed");
        let mut links = all.filter(|each| each.interface_name == interface).filter_map(|each| each.address);
        let link = links.find_map(|address| address.as_link_addr().copied());
        let link = link.unwrap_or_else(|| panic!("no interface {interface}"));
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
        let socket = socket.expect("root may open packet sockets");
        setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).expect("root may have a large buffer");
        // The address has protocol 0: nothing that arrives is copied to this socket.
        bind(socket.as_raw_fd(), &link).expect("the interface is up");
        Self { socket, headers: MultiHeaders::preallocate(BATCH, None) }
    }

    /// Sends `count` frames, going round in `frames`, at `rate` frames a second (0: as fast as it goes).
    /// Answers how many the kernel took and how long it took.
    pub fn send(&mut self, frames: &Frames<'_>, count: u64, rate: u64) -> (u64, Duration) {
        let start = Instant::now();
        let mut sent: u64 = 0;
        let mut round = frames.0.iter().cycle();
        while sent < count {
            let due = if rate == 0 { count } else { (start.elapsed().as_micros() as u64) * rate / 1_000_000 };
            let now = due.min(count).saturating_sub(sent).min(BATCH as u64);
            if now == 0 {
                std::thread::sleep(Duration::from_micros(50));
                continue;
            }
            let batch: Vec<[IoSlice<'_>; 1]> = round
                .by_ref()
                .take(usize::try_from(now).expect("a batch"))
                .map(|frame| [IoSlice::new(frame)])
                .collect();
            sent += self.flush(&batch);
        }
        (sent, start.elapsed())
    }

    fn flush(&mut self, batch: &[[IoSlice<'_>; 1]]) -> u64 {
        let mut done = 0;
        while done < batch.len() {
            let rest = &batch[done..];
            let addresses = vec![None; rest.len()];
            let fd = self.socket.as_raw_fd();
            match sendmmsg(fd, &mut self.headers, rest, &addresses, [], MsgFlags::empty()) {
                Ok(results) => done += results.count(),
                Err(nix::errno::Errno::ENOBUFS | nix::errno::Errno::EAGAIN) => std::thread::yield_now(),
                Err(e) => panic!("sending failed: {e}"),
            }
        }
        done as u64
    }
}
