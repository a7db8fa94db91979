//! The body of the thread `zeek`: looks, reads, finishes, and rests when there is nothing new.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;
use weir_store::Reader;

use super::complaint::Complaint;
use super::config::Config;
use super::follower::Follower;
use super::handover::{Handover, Over};
use super::position::PREFIX;
use crate::clock::Clock;
use crate::link::Sender;
use crate::metrics::Following;
use crate::stop::Stop;

/// Between two reports while lines come.
const REPORT: Duration = Duration::from_millis(250);
/// Between two attempts to read the bookmarks while another program holds the database.
const AGAIN: Duration = Duration::from_secs(1);

/// The thread before it runs.
pub struct Worker {
    /// Which logs.
    pub config: Config,
    /// Where the ring is, which keeps the bookmarks.
    pub data_dir: PathBuf,
    /// Where records go.
    pub to: Sender,
    /// Where counters go.
    pub following: Arc<Following>,
    /// Says when to end.
    pub stop: Stop,
    /// The clocks.
    pub clock: Clock,
}

impl Worker {
    /// Follows logs until told to stop. What was not handed over by then is read at the next start.
    ///
    /// # Errors
    /// When bookmarks cannot be read, or the pipeline has ended before its inputs.
    pub fn run(self) -> Result<(), String> {
        let Some(rows) = self.bookmarks()? else { return Ok(()) };
        let Self { config, to, following, stop, clock, .. } = self;
        let pause = config.poll_milliseconds.pause();
        let handover = Handover { to, stop: stop.clone(), clock };
        let mut process = Process {
            follower: Follower::new(config, handover, &rows, clock.monotonic()),
            following,
            complaint: Complaint::default(),
            looked: None,
            reported: None,
            pause,
        };
        let over = loop {
            match process.round(clock.monotonic()) {
                Ok(true) => {}
                Ok(false) => {
                    if stop.wait(pause) {
                        break Over::Stopping;
                    }
                }
                Err(over) => break over,
            }
        };
        process.report(clock.monotonic());
        match over {
            Over::Stopping => Ok(()),
            Over::Closed => Err("the pipeline ended before its inputs".to_owned()),
        }
    }

    /// The bookmarks of the ring; `None` when a stop came first.
    fn bookmarks(&self) -> Result<Option<Vec<(String, String)>>, String> {
        loop {
            match Reader::open(&self.data_dir).and_then(|reader| reader.bookmarks(PREFIX)) {
                Ok(rows) => return Ok(Some(rows)),
                Err(weir_store::Error::Busy { .. }) => {
                    if self.stop.wait(AGAIN) {
                        return Ok(None);
                    }
                }
                Err(error) => {
                    return Err(format!("failed to {error}, where positions in Zeek's logs are kept"));
                }
            }
        }
    }
}

/// What a round works with.
struct Process {
    follower: Follower,
    following: Arc<Following>,
    complaint: Complaint,
    looked: Option<Instant>,
    reported: Option<Instant>,
    pause: Duration,
}

impl Process {
    /// Looks, reads and finishes; true when there is more to read.
    fn round(&mut self, now: Instant) -> Result<bool, Over> {
        let is_past = |last: Option<Instant>, pause| {
            last.is_none_or(|last| now.saturating_duration_since(last) >= pause)
        };
        if is_past(self.looked, self.pause) {
            if self.looked.is_none() {
                info!("following of Zeek's logs begins");
            }
            self.looked = Some(now);
            self.follower.look(now)?;
        }
        let has_more = self.follower.read(now)?;
        self.follower.tidy(now)?;
        if is_past(self.reported, REPORT) {
            self.report(now);
        }
        Ok(has_more)
    }

    fn report(&mut self, now: Instant) {
        self.reported = Some(now);
        let report = self.follower.report(now);
        self.complaint.tell(&report, now);
        self.following.publish(report);
    }
}
