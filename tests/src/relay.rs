//! A piece of network between an exporter and a collector: it may lose datagrams, or put them out of order.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

/// After this time without a datagram the one that is held is the last.
const IDLE: Duration = Duration::from_millis(300);
/// Between two datagrams, so that a collector in a debug build keeps up with an exporter that reads from a file.
const PACE: Duration = Duration::from_micros(300);
/// Room for what an exporter sends at once.
const BUFFER: usize = 8 << 20;
const LARGEST: usize = 65_535;

/// What becomes of every tenth datagram, if another one follows; the first is never a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenth {
    /// It passes like the others.
    Passes,
    /// It is lost.
    Lost,
    /// It arrives after the one that follows it.
    Late,
}

/// What has passed so far.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// Datagrams that came.
    pub came: u64,
    /// Those that went on to the collector.
    pub delivered: u64,
    /// Those that were lost.
    pub lost: u64,
    /// Those that were late.
    pub late: u64,
    /// The datagrams, as they came.
    pub datagrams: Vec<Vec<u8>>,
}

/// A running relay; dropping it ends it.
#[derive(Debug)]
pub struct Relay {
    /// Where the exporter sends to.
    pub port: SocketAddr,
    passed: Arc<Mutex<Passed>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts one. `witness` gets everything in order; `collector` gets what the network leaves of it.
    ///
    /// # Panics
    /// Without a socket for it.
    #[must_use]
    pub fn start(collector: Option<SocketAddr>, witness: Option<SocketAddr>, tenth: Tenth) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.set_read_timeout(Some(IDLE)).expect("a socket has timeouts");
        // Root may have more than the system's limit.
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BUFFER).expect("a socket has a buffer");
        }
        let port = socket.local_addr().expect("it has an address");
        let (passed, stop) = (Arc::new(Mutex::new(Passed::default())), Arc::new(AtomicBool::new(false)));
        let mut path = Path { socket, collector, witness, tenth, passed: Arc::clone(&passed), held: None };
        let ended = Arc::clone(&stop);
        let run = move || {
            while !ended.load(Ordering::Relaxed) {
                path.next();
            }
        };
        let thread = Builder::new().name("relay".to_owned()).spawn(run).expect("a thread");
        Self { port, passed, stop, thread: Some(thread) }
    }

    /// What has passed.
    ///
    /// # Panics
    /// Where the relay has panicked.
    #[must_use]
    pub fn passed(&self) -> Passed {
        self.passed.lock().expect("the relay runs").clone()
    }

    /// Waits until nothing has come for a while, and answers what has passed.
    ///
    /// # Panics
    /// Where nothing comes in `limit`, or it does not end.
    #[must_use]
    pub fn settled(&self, limit: Duration) -> Passed {
        let limit = Instant::now() + limit;
        let mut before = self.passed();
        loop {
            std::thread::sleep(3 * IDLE);
            let now = self.passed();
            if now.came > 0 && now.came == before.came {
                return now;
            }
            before = now;
            assert!(Instant::now() < limit, "{} datagrams came, and no end", before.came);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Its panic was told where its counts were asked for.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Path {
    socket: UdpSocket,
    collector: Option<SocketAddr>,
    witness: Option<SocketAddr>,
    tenth: Tenth,
    passed: Arc<Mutex<Passed>>,
    held: Option<Vec<u8>>,
}

impl Path {
    fn next(&mut self) {
        let mut buffer = [0; LARGEST];
        let length = match self.socket.recv_from(&mut buffer) {
            Ok((length, _)) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                // Nothing follows: what was held is the last.
                let last = self.held.take();
                last.iter().for_each(|datagram| self.deliver(datagram));
                return;
            }
            // What nobody listens for any more comes back as an error of the next call.
            Err(_) => return,
        };
        let datagram = buffer[..length].to_vec();
        self.witness.iter().for_each(|witness| self.send(&datagram, *witness));
        let count = self.count(|passed| {
            passed.came += 1;
            passed.datagrams.push(datagram.clone());
            passed.came
        });
        match self.held.take() {
            Some(_) if self.tenth == Tenth::Lost => {
                self.count(|passed| passed.lost += 1);
                self.deliver(&datagram);
            }
            Some(late) => {
                self.deliver(&datagram);
                self.deliver(&late);
                self.count(|passed| passed.late += 1);
            }
            None if count.is_multiple_of(10) && self.tenth != Tenth::Passes => self.held = Some(datagram),
            None => self.deliver(&datagram),
        }
        std::thread::sleep(PACE);
    }

    fn deliver(&self, datagram: &[u8]) {
        self.collector.iter().for_each(|collector| self.send(datagram, *collector));
        self.count(|passed| passed.delivered += 1);
    }

    fn send(&self, datagram: &[u8], to: SocketAddr) {
        // A collector that is gone shows in what it has received.
        let _ = self.socket.send_to(datagram, to);
    }

    fn count<T>(&self, change: impl FnOnce(&mut Passed) -> T) -> T {
        change(&mut self.passed.lock().expect("nobody panics with it"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Ipv4Addr, Relay, Tenth, UdpSocket};

    fn arrivals(tenth: Tenth, count: u8) -> (Vec<u8>, super::Passed) {
        let collector = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        collector.set_read_timeout(Some(Duration::from_millis(800))).unwrap();
        let relay = Relay::start(Some(collector.local_addr().unwrap()), None, tenth);
        let exporter = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for number in 1..=count {
            exporter.send_to(&[number], relay.port).unwrap();
        }
        let passed = relay.settled(Duration::from_secs(10));
        let mut one = [0];
        let came = std::iter::from_fn(|| collector.recv(&mut one).ok().map(|_| one[0])).collect();
        (came, passed)
    }

    #[test]
    fn each_tenth_datagram_is_lost_but_the_last() {
        let (came, passed) = arrivals(Tenth::Lost, 30);
        let expected: Vec<u8> = (1..=30).filter(|number| ![10, 20].contains(number)).collect();
        assert_eq!(came, expected);
        assert_eq!((passed.came, passed.delivered, passed.lost, passed.late), (30, 28, 2, 0));
    }

    #[test]
    fn each_tenth_datagram_changes_places_with_the_next() {
        let (came, passed) = arrivals(Tenth::Late, 12);
        assert_eq!(came, [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10, 12]);
        assert_eq!((passed.delivered, passed.lost, passed.late), (12, 0, 1));
    }
}
