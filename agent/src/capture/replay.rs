//! The body of the replay thread: capture files instead of an interface, at their own pace or as fast as it goes.
//!
//! Records go to the pipeline with `push`: a file can wait, so nothing is lost.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};
use weir_flow::Timestamp;

use super::file::{CaptureFile, Error, FileClock};
use super::meter::Meter;
use crate::batcher::Batcher;
use crate::clock::Clock;
use crate::metrics::{Point, State};
use crate::stop::Stop;
use crate::table;

/// Frames between two looks at the clock and the counters.
const FRAMES_PER_LOOK: u64 = 4_096;
/// Flows that are idle end, and a stop is seen, within this long.
const NAP: Duration = Duration::from_millis(100);

/// How fast a capture is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as the agent takes it.
    Max,
    /// So many times as fast as it was recorded.
    Times(f64),
}

impl Default for Speed {
    fn default() -> Self {
        Self::Times(1.0)
    }
}

/// The fastest and the slowest pace that can be asked for.
const TIMES: std::ops::RangeInclusive<f64> = 0.001..=10_000.0;

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.parse().ok().filter(|times| TIMES.contains(times));
        times
            .map(Self::Times)
            .ok_or_else(|| format!("`{text}` is no speed; give `max` or a factor, 0.001 to 10000"))
    }
}

/// The replay thread before it runs.
pub struct Replay {
    /// Capture files, in order.
    pub files: Vec<PathBuf>,
    /// Their pace.
    pub speed: Speed,
    /// Timeouts and size of the flow table.
    pub flow: table::Config,
    /// Where records go.
    pub batcher: Batcher,
    /// Where counters go, one for each file.
    pub points: Vec<Arc<Point>>,
    /// Says when to end.
    pub stop: Stop,
    /// The clocks.
    pub clock: Clock,
}

impl Replay {
    /// Reads all files; what is wrong with one is reported, and the next is read. Then waits for a stop.
    ///
    /// # Errors
    /// None.
    pub fn run(mut self) -> Result<(), Error> {
        let files = std::mem::take(&mut self.files);
        for (path, point) in files.iter().zip(self.points.clone()) {
            if self.stop.is_set() {
                break;
            }
            self.batcher.observe(&path.to_string_lossy());
            point.state(State::Replaying, "");
            let mut meter = Meter::new(self.flow);
            let outcome = CaptureFile::open(path).and_then(|file| self.file(file, &mut meter, &point));
            meter.drain(&mut self.batcher);
            point.publish(meter.counts(), meter.table());
            self.batcher.flush();
            match outcome {
                Ok(()) => {
                    info!(file = %path.display(), packets = meter.counts().packets, "replayed");
                    point.state(State::Finished, "");
                }
                Err(error) => {
                    warn!("{error}");
                    point.state(State::Failed, &error.to_string());
                }
            }
        }
        while !self.stop.wait(Duration::from_secs(3_600)) {}
        Ok(())
    }

    fn file(&mut self, mut file: CaptureFile, meter: &mut Meter, point: &Point) -> Result<(), Error> {
        let mut time = FileClock::default();
        let mut pace = Pace { speed: self.speed, began: None };
        while let Some((frame, link)) = file.next()? {
            let due = pace.due(frame.timestamp, || self.clock.monotonic());
            let at = time.at(frame.timestamp);
            if due.is_some_and(|due| !self.wait_until(due, meter, point)) {
                return Ok(());
            }
            meter.frame(link, &frame, at, &mut self.batcher);
            if meter.counts().frames.is_multiple_of(FRAMES_PER_LOOK) {
                point.publish(meter.counts(), meter.table());
                if self.stop.is_set() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Waits for the time of a frame, handing over what is finished; false when a stop is asked for.
    fn wait_until(&mut self, due: Instant, meter: &Meter, point: &Point) -> bool {
        loop {
            let left = due.saturating_duration_since(self.clock.monotonic());
            if left.is_zero() {
                return true;
            }
            self.batcher.flush_if_due();
            point.publish(meter.counts(), meter.table());
            if self.stop.wait(left.min(NAP)) {
                return false;
            }
        }
    }
}

/// When the frames of a file are due.
struct Pace {
    speed: Speed,
    began: Option<(Timestamp, Instant)>,
}

impl Pace {
    fn due(&mut self, stamp: Timestamp, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let Speed::Times(times) = self.speed else { return None };
        let &mut (first, began) = self.began.get_or_insert_with(|| (stamp, now()));
        let since = Duration::from_micros(stamp.micros_since(first).max(0).unsigned_abs());
        // A file may claim to last for ages; what cannot be waited for is not.
        let since = since.min(Duration::from_secs(365 * 86_400)).as_secs_f64() / times;
        began.checked_add(Duration::try_from_secs_f64(since).unwrap_or(Duration::MAX))
    }
}
