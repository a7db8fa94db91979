//! Counters of the collecting process: its listeners, and the newest report of its exporters.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::held;
use super::recent::{Recent, Recently};
use crate::collect::Report;

/// What a [`Listener`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListenerState {
    /// Nothing yet.
    #[default]
    Starting,
    /// It receives.
    Listening,
    /// It cannot: what is wrong with which address, and what to do.
    Failed(String),
}

/// One socket, written by the thread that receives from it, read by anyone.
#[derive(Debug)]
pub struct Listener {
    /// Address and port that it receives at.
    pub address: SocketAddr,
    state: Mutex<ListenerState>,
    datagrams: AtomicU64,
    kernel_drops: AtomicU64,
    receive_buffer: AtomicU64,
}

impl Listener {
    /// A listener that has received nothing.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            state: Mutex::default(),
            datagrams: AtomicU64::new(0),
            kernel_drops: AtomicU64::new(0),
            receive_buffer: AtomicU64::new(0),
        }
    }

    /// Counts datagrams that were received, and those that the kernel says it dropped before them.
    pub fn count(&self, datagrams: u64, kernel_drops: u64) {
        self.datagrams.fetch_add(datagrams, Ordering::Relaxed);
        self.kernel_drops.fetch_add(kernel_drops, Ordering::Relaxed);
    }

    /// Says how many octets of receive buffer the kernel granted; 0 when there is no socket any more.
    pub fn set_receive_buffer(&self, octets: usize) {
        self.receive_buffer.store(octets as u64, Ordering::Relaxed);
    }

    /// Datagrams received.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::Relaxed)
    }

    /// Datagrams that the kernel dropped since the receive buffer was full, sockets that were closed included.
    #[must_use]
    pub fn kernel_drops(&self) -> u64 {
        self.kernel_drops.load(Ordering::Relaxed)
    }

    /// Octets of the receive buffer that the kernel granted; 0 while there is no socket.
    #[must_use]
    pub fn receive_buffer(&self) -> u64 {
        self.receive_buffer.load(Ordering::Relaxed)
    }

    /// Says what it does.
    pub fn set_state(&self, state: ListenerState) {
        *held(&self.state) = state;
    }

    /// What it does.
    #[must_use]
    pub fn state(&self) -> ListenerState {
        held(&self.state).clone()
    }

    /// Why it cannot receive, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match &*held(&self.state) {
            ListenerState::Failed(reason) => Some(reason.clone()),
            ListenerState::Starting | ListenerState::Listening => None,
        }
    }
}

/// The collecting process as others see it.
#[derive(Debug, Default)]
pub struct Collecting {
    /// Sockets, in the order of the configuration; none when nothing is collected.
    pub listeners: Vec<Listener>,
    report: Mutex<Arc<Report>>,
    recent: Mutex<Recent>,
}

impl Collecting {
    /// Of a process that will listen at `addresses`.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let listeners = addresses.into_iter().map(Listener::new).collect();
        Self { listeners, ..Self::default() }
    }

    /// Replaces the report; a few times a second, by the thread that collects.
    pub fn publish(&self, report: Report) {
        let report = Arc::new(report);
        // What the older one takes is given back after the lock.
        let _older = std::mem::replace(&mut *held(&self.report), report);
    }

    /// The newest report.
    #[must_use]
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&held(&self.report))
    }

    /// Remembers what the newest report says, for [`Self::recently`]; once a second.
    pub fn sample(&self, now: Instant) {
        let report = self.report();
        held(&self.recent).sample(&report.exporters, now);
    }

    /// What the exporter of this address and port did lately; `None` when it was never sampled.
    #[must_use]
    pub fn recently(&self, address: IpAddr, port: Option<u16>, now: Instant) -> Option<Recently> {
        held(&self.recent).of(address, port, now)
    }

    /// Datagrams that the kernel dropped, at all listeners.
    #[must_use]
    pub fn kernel_drops(&self) -> u64 {
        self.listeners.iter().map(Listener::kernel_drops).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Collecting, ListenerState, Report};

    #[test]
    fn readers_have_the_newest_report_and_keep_the_one_that_they_hold() {
        let collecting = Collecting::default();
        let before = collecting.report();
        collecting.publish(Report { records: 7, ..Report::default() });
        assert_eq!((before.records, collecting.report().records), (0, 7));
    }

    #[test]
    fn only_a_listener_that_failed_is_in_trouble() {
        let collecting = Collecting::new(["127.0.0.1:2055".parse().unwrap()]);
        let listener = &collecting.listeners[0];
        assert_eq!((listener.state(), listener.trouble()), (ListenerState::Starting, None));
        listener.set_state(ListenerState::Failed("taken".to_owned()));
        assert_eq!(listener.trouble().as_deref(), Some("taken"));
        listener.set_state(ListenerState::Listening);
        assert_eq!(listener.trouble(), None);
    }
}
