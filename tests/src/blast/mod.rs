//! Exporters' datagrams to a collector, at a chosen rate.

mod stream;

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, setsockopt, sockopt};

use crate::clock;
pub use stream::{Stream, Totals, Version};

/// Datagrams handed to the kernel at once.
const BATCH: usize = 32;
/// Between two looks at what is due: finer than any collector notices, coarse enough to leave it the processor.
const PAUSE: Duration = Duration::from_micros(500);
const SEND_BUFFER: usize = 4 << 20;

/// So many records a second for so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Records a second; 0 is as fast as it goes.
    pub rate: u64,
    /// Its length.
    pub seconds: u64,
}

impl Phase {
    /// From a word of a command line, `RATExSECONDS`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let (rate, seconds) = word.split_once('x')?;
        Some(Self { rate: rate.parse().ok()?, seconds: seconds.parse().ok()? })
    }
}

/// A socket that sends to one collector.
#[derive(Debug)]
pub struct Blaster {
    socket: UdpSocket,
    headers: MultiHeaders<SockaddrStorage>,
    slots: Vec<Vec<u8>>,
}

impl Blaster {
    /// A socket of this host's choice that sends to `collector`.
    ///
    /// # Panics
    /// When there is no way to it.
    #[must_use]
    pub fn new(collector: SocketAddr) -> Self {
        let any: SocketAddr = if collector.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).expect("a port is free");
        socket.connect(collector).unwrap_or_else(|e| panic!("no way to {collector}: {e}"));
        // The default holds too few datagrams for a batch.
        setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER).expect("a socket has a buffer");
        let slots = (0..BATCH).map(|_| Vec::with_capacity(2_048)).collect();
        Self { socket, headers: MultiHeaders::preallocate(BATCH, None), slots }
    }

    /// Sends what `stream` gives in one phase; answers what the kernel took and how long that lasted.
    pub fn run(&mut self, stream: &mut Stream, phase: Phase) -> (Totals, Duration) {
        let (start, length) = (Instant::now(), Duration::from_secs(phase.seconds));
        let mut sent = Totals::default();
        loop {
            let elapsed = start.elapsed().min(length);
            let due = match phase.rate {
                0 if elapsed < length => u64::MAX,
                0 => 0,
                rate => u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) * rate / 1_000_000,
            };
            if sent.records < due {
                self.batch(stream, due, &mut sent);
            } else if elapsed == length {
                return (sent, start.elapsed());
            } else {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Sends up to a batch, until `due` records are sent.
    fn batch(&mut self, stream: &mut Stream, due: u64, sent: &mut Totals) {
        let now_ms = clock::millis();
        let mut filled = 0;
        while filled < BATCH && sent.records < due {
            sent.add(stream.next(now_ms, &mut self.slots[filled]));
            filled += 1;
        }
        let Self { socket, headers, slots } = self;
        let slices: Vec<[IoSlice<'_>; 1]> = slots[..filled].iter().map(|slot| [IoSlice::new(slot)]).collect();
        let mut done = 0;
        while done < filled {
            let addresses = [None; BATCH];
            let rest = &slices[done..];
            let flags = MsgFlags::empty();
            match sendmmsg(socket.as_raw_fd(), headers, rest, &addresses[..rest.len()], [], flags) {
                Ok(results) => done += results.count(),
                // Nobody listens, which the kernel tells of an earlier datagram: it goes on to be the collector's loss.
                Err(Errno::ECONNREFUSED) => {}
                Err(Errno::ENOBUFS | Errno::EAGAIN) => std::thread::yield_now(),
                Err(e) => panic!("sending failed: {e}"),
            }
        }
    }
}
