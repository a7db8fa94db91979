//! The body of a capture thread: one interface, one ring, one flow table of its own.
//!
//! Frames come from `live`; records go over a link to the pipeline with `offer`, since a full link must not hold the
//! ring up. What is lost is counted: by the kernel in its ring, by the link in its statistics.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};
use weir_flow::Timestamp;

use super::error::Error;
use super::frame::Frame;
use super::interface;
use super::live::{self, FrameSource, Live, Settings};
use super::meter::Meter;
use crate::batcher::Batcher;
use crate::clock::{Anchor, Clock};
use crate::metrics::{Point, State};
use crate::packet::LinkType;
use crate::stop::Stop;
use crate::table::{self, At};

/// Waiting for frames ends after this long, so that idle flows end and a stop is seen.
const POLL: Duration = Duration::from_millis(100);
/// Between two attempts to open an interface that is gone.
const RETRY: Duration = Duration::from_secs(2);
/// Idle flows ended between two polls: keeps the ring from filling meanwhile.
const EXPIRED_PER_POLL: usize = 8_192;

/// A capture thread before it runs.
pub struct Worker {
    /// Interface to read; empty for that of the default route, which may come later than the agent.
    pub interface: String,
    /// How to read it.
    pub settings: Settings,
    /// Timeouts and size of the flow table.
    pub flow: table::Config,
    /// Where records go.
    pub batcher: Batcher,
    /// Where counters go.
    pub point: Arc<Point>,
    /// Says when to end.
    pub stop: Stop,
    /// The clocks.
    pub clock: Clock,
}

impl Worker {
    /// Reads until told to stop; opens the interface again when it comes back.
    ///
    /// # Errors
    /// None: an interface that cannot be read is reported and tried again, the agent goes on without it.
    pub fn run(mut self) -> Result<(), Error> {
        let mut meter = Meter::new(self.flow);
        let mut anchor = Anchor::new(self.clock.now(), self.clock.monotonic());
        let mut said = String::new();
        loop {
            match self.open() {
                Ok(source) => {
                    said.clear();
                    self.opened(&source);
                    self.read(source, &mut meter, &mut anchor);
                }
                // One that never was there is told with the names of those that are.
                Err(error @ Error::Gone { .. }) => {
                    self.refused(&interface::find(&self.interface).err().unwrap_or(error), &mut said);
                }
                Err(error) => self.refused(&error, &mut said),
            }
            self.expire(&mut meter, &mut anchor);
            if self.stop.wait(RETRY) {
                break;
            }
        }
        self.batcher.finish();
        meter.drain(&mut self.batcher);
        self.publish(&meter);
        self.batcher.flush();
        Ok(())
    }

    fn open(&mut self) -> Result<Live, Error> {
        if self.interface.is_empty() {
            self.interface = interface::default_route().ok_or(Error::NoRoute)?;
            self.point.identify(&self.interface);
            self.batcher.observe(&self.interface);
        }
        let clock = self.clock;
        live::open(&self.interface, &self.settings, move || clock.now())
    }

    fn opened(&self, source: &Live) {
        info!(interface = self.interface, reader = source.describe(), "capturing");
        if let Some(reason) = source.fallback_reason() {
            warn!(interface = self.interface, "{reason}");
        }
        self.point.ring_bytes(source.ring_bytes());
        self.point.state(State::Capturing, source.fallback_reason().unwrap_or_default());
    }

    /// Says once why the interface cannot be read.
    fn refused(&self, error: &Error, said: &mut String) {
        let text = error.to_string();
        let state = if matches!(error, Error::NoRight { .. }) { State::NoPermission } else { State::Failed };
        self.point.state(state, &text);
        if text != *said {
            warn!(interface = self.interface, "{text}");
            *said = text;
        }
    }

    /// Reads until the interface is gone or a stop is asked for; then takes what the ring still holds.
    fn read(&mut self, mut source: Live, meter: &mut Meter, anchor: &mut Anchor) {
        let link = match interface::link_type(&self.interface) {
            Ok(interface::LinkType::Ethernet) => LinkType::Ethernet,
            Ok(interface::LinkType::RawIp) => LinkType::RawIp,
            Err(error) => return self.point.state(State::Failed, &error.to_string()),
        };
        let before = self.point.kernel();
        let mut stopping = None;
        loop {
            let (wall, mono) = (self.clock.now(), self.clock.monotonic());
            let batcher = &mut self.batcher;
            let polled = source.poll(POLL, &mut |frame: Frame<'_>| {
                let at = At { wall: frame.timestamp, table: anchor.table_time(frame.timestamp, wall, mono) };
                meter.frame(link, &frame, at, batcher);
            });
            if let Ok(stats) = source.stats() {
                self.point.set_kernel(before, stats);
            }
            let mut frames = 0;
            match polled {
                Ok(polled) => {
                    self.point.up();
                    self.point.damaged(polled.damaged);
                    frames = polled.frames;
                }
                Err(error @ Error::Down { .. }) => {
                    warn!(interface = self.interface, "{error}");
                    self.point.state(State::Failed, &error.to_string());
                }
                Err(error) => {
                    warn!(interface = self.interface, "{error}");
                    return self.point.state(State::Failed, &error.to_string());
                }
            }
            self.expire(meter, anchor);
            if stopping.is_none() && self.stop.is_set() {
                // From here on the ring takes nothing more; what it has is read.
                if source.stop().is_err() {
                    return;
                }
                stopping = Some(self.clock.monotonic());
            }
            let drained = |since| self.clock.monotonic().duration_since(since) > live::DRAIN;
            if frames == 0 && stopping.is_some_and(drained) {
                return;
            }
        }
    }

    /// Ends idle flows, hands over a batch that has waited, and publishes the counters.
    fn expire(&mut self, meter: &mut Meter, anchor: &mut Anchor) {
        let (wall, mono): (Timestamp, _) = (self.clock.now(), self.clock.monotonic());
        let table = anchor.table_time(wall, wall, mono);
        meter.expire(table, EXPIRED_PER_POLL, &mut self.batcher);
        self.batcher.flush_if_due();
        self.publish(meter);
    }

    fn publish(&self, meter: &Meter) {
        self.point.publish(meter.counts(), meter.table());
    }
}
