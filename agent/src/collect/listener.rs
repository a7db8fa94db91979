//! One address that exports are received at: opened, read, opened again after a failure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::socket::{Buffers, Error, Socket};
use crate::metrics::{Collecting, Listener as Shown, ListenerState};

/// Between two attempts to open a listener: an interface may come up later, a port may become free.
const RETRY: Duration = Duration::from_secs(3);

/// A listener of the collect thread.
pub(super) struct Listener {
    /// Its place in the counters.
    at: usize,
    collecting: Arc<Collecting>,
    address: SocketAddr,
    wanted_buffer: usize,
    socket: Option<Socket>,
    due: Instant,
    said: String,
}

impl Listener {
    /// All listeners of `collecting`, not open yet.
    pub(super) fn all(collecting: &Arc<Collecting>, wanted_buffer: usize, now: Instant) -> Vec<Self> {
        let listener = |(at, address)| Self {
            at,
            collecting: Arc::clone(collecting),
            address,
            wanted_buffer,
            socket: None,
            due: now,
            said: String::new(),
        };
        collecting.listeners.iter().map(|shown| shown.address).enumerate().map(listener).collect()
    }

    /// The socket, while it is open.
    pub(super) const fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref()
    }

    /// Opens a listener that is not open, once in a while; answers the octets of its receive buffer. A reason why it cannot
    /// be opened is told when it is a new one.
    pub(super) fn open_if_due(&mut self, now: Instant) -> Option<usize> {
        if self.socket.is_some() || now < self.due {
            return None;
        }
        match Socket::open(self.address, self.wanted_buffer) {
            Ok(socket) => Some(self.opened(socket)),
            Err(error) => {
                self.failed(&error, now);
                None
            }
        }
    }

    fn opened(&mut self, socket: Socket) -> usize {
        let granted = socket.receive_buffer();
        info!(address = %self.address, receive_buffer = granted, "listening for flow exports");
        if !socket.tells_drops() {
            warn!(address = %self.address, "the kernel does not tell which datagrams it drops: they go uncounted");
        }
        if let Some(shown) = self.shown() {
            shown.set_receive_buffer(granted);
            shown.set_state(ListenerState::Listening);
        }
        self.said.clear();
        self.socket = Some(socket);
        granted
    }

    fn failed(&mut self, error: &Error, now: Instant) {
        self.socket = None;
        self.due = now + RETRY;
        let reason = format!("{error}; it is tried again every {} s", RETRY.as_secs());
        if reason == self.said {
            return;
        }
        warn!(address = %self.address, "{reason}");
        if let Some(shown) = self.shown() {
            shown.set_receive_buffer(0);
            shown.set_state(ListenerState::Failed(reason.clone()));
        }
        self.said = reason;
    }

    fn shown(&self) -> Option<&Shown> {
        self.collecting.listeners.get(self.at)
    }

    /// Hands over one batch of what has come; answers how many datagrams that were.
    pub(super) fn receive(
        &mut self,
        buffers: &mut Buffers,
        now: Instant,
        each: impl FnMut(SocketAddr, &[u8]),
    ) -> usize {
        let Some(socket) = &mut self.socket else { return 0 };
        match socket.receive(buffers, each) {
            Ok(received) => {
                if let Some(shown) = self.shown() {
                    shown.count(received.datagrams as u64, received.dropped.into());
                }
                received.datagrams
            }
            Err(error) => {
                self.failed(&error, now);
                0
            }
        }
    }
}
