use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::listener::Listener;
use super::{BATCHES_PER_TURN, Process, Worker};
use crate::batcher::{Batcher, Policy};
use crate::clock::Clock;
use crate::collect::kept::Slot;
use crate::collect::socket::{BATCH, Buffers};
use crate::collect::{Collector, Config, Settings};
use crate::link;
use crate::metrics::{Collecting, ListenerState};
use crate::stop::Stop;

const LIMIT: Duration = Duration::from_secs(20);

/// An address whose port is free, and the socket that keeps it so.
fn address() -> (SocketAddr, UdpSocket) {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    (holder.local_addr().unwrap(), holder)
}

fn worker(addresses: &[SocketAddr], stop: &Stop) -> (Worker, link::Receiver) {
    let (to, from) = link::channel("test", 1_000);
    let worker = Worker {
        collector: Collector::new(Settings::default()),
        receive_buffer: Config::default().receive_buffer_bytes,
        batcher: Batcher::of_exports(to, Policy::Offer, Clock),
        collecting: Arc::new(Collecting::new(addresses.iter().copied())),
        kept: Slot::default(),
        stop: stop.clone(),
        clock: Clock,
    };
    (worker, from)
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Clock.monotonic() + LIMIT;
    while !done() {
        assert!(Clock.monotonic() < limit, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn all_listeners_are_read_and_a_stop_takes_what_they_still_hold() {
    let ((first, one), (second, two)) = (address(), address());
    drop((one, two));
    let stop = Stop::new();
    let (worker, from) = worker(&[first, second], &stop);
    let collecting = Arc::clone(&worker.collecting);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| worker.run());
        wait_for("both listening", || {
            collecting.listeners.iter().all(|listener| listener.state() == ListenerState::Listening)
        });
        assert!(collecting.listeners.iter().all(|listener| listener.receive_buffer() > 0));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = |count: usize, to: SocketAddr| {
            (0..count).for_each(|_| assert_eq!(sender.send_to(&[0; 48], to).unwrap(), 48));
        };
        send(3, first);
        wait_for("three datagrams", || collecting.listeners[0].datagrams() == 3);
        wait_for("a report of them", || collecting.report().datagrams == 3);
        send(100, first);
        send(200, second);
        stop.set();
        running.join().unwrap().unwrap();
    });
    let counts = |listener: &crate::metrics::Listener| listener.datagrams() + listener.kernel_drops();
    assert_eq!(collecting.listeners.iter().map(counts).collect::<Vec<_>>(), [103, 200]);
    assert_eq!(collecting.report().datagrams, 303, "the last report is not of the end");
    assert!(from.recv().is_none(), "the link is still open");
}

#[test]
fn a_port_that_is_taken_is_told_and_listened_to_once_it_is_free() {
    let ((taken, holder), (free, unheld)) = (address(), address());
    drop(unheld);
    let stop = Stop::new();
    let (worker, _from) = worker(&[taken, free], &stop);
    let collecting = Arc::clone(&worker.collecting);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| worker.run());
        wait_for("the other listener", || collecting.listeners[1].state() == ListenerState::Listening);
        let ListenerState::Failed(reason) = collecting.listeners[0].state() else {
            panic!("a port that is taken is listened to")
        };
        assert!(reason.contains(&taken.to_string()), "{reason}");
        drop(holder);
        wait_for("the port", || collecting.listeners[0].state() == ListenerState::Listening);
        stop.set();
        running.join().unwrap().unwrap();
    });
}

#[test]
fn a_busy_listener_leaves_the_others_their_turn() {
    let (address, holder) = address();
    drop(holder);
    let (worker, _from) = worker(&[address], &Stop::new());
    let now: Instant = Clock.monotonic();
    let mut listeners = Listener::all(&worker.collecting, worker.receive_buffer.octets(), now);
    assert!(listeners[0].open_if_due(now).is_some());
    let share = BATCHES_PER_TURN * BATCH;
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..share + 5 {
        sender.send_to(b"x", address).unwrap();
    }
    let (mut process, mut buffers) = (Process::new(worker, now), Buffers::default());
    assert_eq!(process.turn(&mut listeners[0], &mut buffers), share);
    assert_eq!(process.turn(&mut listeners[0], &mut buffers), 5);
}
