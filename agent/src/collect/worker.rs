//! The body of the collect thread: all listeners, in turns.
//!
//! Datagrams come from `listener`; records go over a link to the pipeline. Where that is full they wait for a moment, while
//! the sockets' buffers hold what comes. What is lost is counted: by the kernel in its buffers, by the link in its
//! statistics.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::{info, warn};

use super::complaint::Complaint;
use super::config::{MAX_LISTENERS, ReceiveBuffer};
use super::kept::{Pacer, Slot};
use super::listener::Listener;
use super::socket::{BATCH, Buffers};
use super::{Arrival, Collector};
use crate::batcher::Batcher;
use crate::clock::Clock;
use crate::metrics::{self, Collecting};
use crate::stop::Stop;

/// Waiting for datagrams ends after this long, so that batches are handed over and a stop is seen.
const POLL_MILLIS: u16 = 100;
/// Between two looks of the collector after what has waited too long.
const TICK: Duration = Duration::from_secs(1);
/// Between two reports while datagrams come; without any, [`TICK`].
const REPORT: Duration = Duration::from_millis(250);
/// Batches of one turn of a listener, after which the others have theirs.
const BATCHES_PER_TURN: usize = 4;
/// What the sockets still hold at a stop is read for this long at most: exporters do not stop.
const DRAIN: Duration = Duration::from_secs(2);

/// The collect thread before it runs.
pub struct Worker {
    /// Decodes; knows already what the last run knew.
    pub collector: Collector,
    /// Octets that the kernel shall hold for each listener.
    pub receive_buffer: ReceiveBuffer,
    /// Where records go.
    pub batcher: Batcher,
    /// The listeners, and where counters go.
    pub collecting: Arc<Collecting>,
    /// Where the state goes that outlives the process.
    pub kept: Slot,
    /// Says when to end.
    pub stop: Stop,
    /// The clocks.
    pub clock: Clock,
}

impl Worker {
    /// Receives until told to stop, then what the sockets still hold.
    ///
    /// # Errors
    /// The kernel does not let it wait. A listener that cannot be opened is reported and tried again.
    pub fn run(self) -> io::Result<()> {
        let now = self.clock.monotonic();
        let mut listeners = Listener::all(&self.collecting, self.receive_buffer.octets(), now);
        let mut buffers = Buffers::default();
        let mut granted = Granted { wanted: self.receive_buffer.octets(), told: false };
        let stop = self.stop.clone();
        let mut process = Process::new(self, now);
        while !stop.is_set() {
            let now = process.clock.monotonic();
            listeners
                .iter_mut()
                .filter_map(|one| one.open_if_due(now))
                .for_each(|octets| granted.look(octets));
            let ready = wait(&listeners)?;
            for (listener, _) in listeners.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
                process.turn(listener, &mut buffers);
            }
            process.look_after();
        }
        let end = process.clock.monotonic() + DRAIN;
        while process.clock.monotonic() < end {
            let taken: usize = listeners.iter_mut().map(|one| process.turn(one, &mut buffers)).sum();
            if taken == 0 {
                break;
            }
        }
        process.finish();
        Ok(())
    }
}

/// Tells once of receive buffers that are smaller than they should be: the limit is the same for all.
struct Granted {
    wanted: usize,
    told: bool,
}

impl Granted {
    fn look(&mut self, granted: usize) {
        if granted < self.wanted && !std::mem::replace(&mut self.told, true) {
            warn!(
                granted,
                "the kernel grants a smaller receive buffer than collect.receive_buffer_bytes: bursts of flow exports may be \
                 lost; raise its limit with `sysctl -w net.core.rmem_max={}`, as /usr/lib/sysctl.d/50-weir.conf of the \
                 package does",
                self.wanted
            );
        }
    }
}

/// Waits until a listener has something, at most [`POLL_MILLIS`]; says which.
fn wait(listeners: &[Listener]) -> io::Result<[bool; MAX_LISTENERS]> {
    let sockets = || listeners.iter().enumerate().filter_map(|(at, one)| Some((at, one.socket()?)));
    let mut asked: Vec<_> =
        sockets().map(|(_, socket)| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    let mut ready = [false; MAX_LISTENERS];
    match poll(&mut asked, PollTimeout::from(POLL_MILLIS)) {
        Ok(_) => {}
        // The flags say nothing then.
        Err(Errno::EINTR) => return Ok(ready),
        Err(error) => return Err(error.into()),
    }
    for ((at, _), answer) in sockets().zip(&asked) {
        if let Some(ready) = ready.get_mut(at) {
            // An error too is had by reading.
            *ready = answer.any().unwrap_or(true);
        }
    }
    Ok(ready)
}

/// What becomes of datagrams.
struct Process {
    collector: Collector,
    batcher: Batcher,
    collecting: Arc<Collecting>,
    pacer: Pacer,
    clock: Clock,
    began: Instant,
    ticked: Instant,
    reported: Instant,
    /// Datagrams since the last report.
    fresh: usize,
    complaint: Complaint,
}

impl Process {
    fn new(worker: Worker, now: Instant) -> Self {
        let Worker { collector, batcher, collecting, kept, clock, .. } = worker;
        let pacer = Pacer::new(kept);
        Self {
            collector,
            batcher,
            collecting,
            pacer,
            clock,
            began: now,
            ticked: now,
            reported: now,
            fresh: 0,
            complaint: Complaint::default(),
        }
    }

    /// Takes a listener's share of datagrams; answers how many.
    fn turn(&mut self, listener: &mut Listener, buffers: &mut Buffers) -> usize {
        let mut taken = 0;
        for _ in 0..BATCHES_PER_TURN {
            let (now, wall) = (self.clock.monotonic(), self.clock.now());
            let at =
                Arrival { wall: Clock::is_set(wall).then_some(wall), mono: now.duration_since(self.began) };
            let (collector, batcher) = (&mut self.collector, &mut self.batcher);
            let datagrams = listener.receive(buffers, now, |from, payload| {
                collector.datagram(from, payload, at, batcher);
            });
            taken += datagrams;
            if datagrams < BATCH {
                break;
            }
        }
        self.fresh += taken;
        taken
    }

    /// What is due besides datagrams.
    fn look_after(&mut self) {
        let now = self.clock.monotonic();
        self.batcher.flush_if_due();
        let ticks = now.duration_since(self.ticked) >= TICK;
        if ticks {
            self.ticked = now;
            self.collector.tick(now.duration_since(self.began));
            self.pacer.look(&mut self.collector, now);
        }
        if ticks || (self.fresh > 0 && now.duration_since(self.reported) >= REPORT) {
            self.reported = now;
            self.fresh = 0;
            let report = self.collector.report();
            self.complaint.tell(&report, now);
            self.collecting.publish(report);
        }
    }

    /// Hands over everything that is left.
    fn finish(mut self) {
        self.batcher.flush();
        self.collector.end();
        let report = self.collector.report();
        let listeners = &self.collecting.listeners;
        let datagrams: u64 = listeners.iter().map(metrics::Listener::datagrams).sum();
        let kernel_drops: u64 = listeners.iter().map(metrics::Listener::kernel_drops).sum();
        let (records, faults) = (report.records, report.faults.total());
        info!(datagrams, kernel_drops, records, faults, "collection of flow exports ends");
        self.collecting.publish(report);
        self.pacer.finish(&mut self.collector);
    }
}

#[cfg(test)]
mod tests;
