//! Whether the wall clock can be believed: is it set, does a time service keep it, has it just been moved.
//!
//! From: the wall clock, and the mark that systemd-timesyncd leaves whenever it has set or confirmed it. To: health, metrics,
//! the status line, and the store, which lets rows go by age only while the clock is believed.
//!
//! The kernel's own word (`STA_UNSYNC` of adjtimex(2)) can be had without `unsafe` by no maintained crate, so a clock that
//! another service keeps is called free running. Nothing but a word depends on that.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde::Serialize;
use weir_flow::Timestamp;

use crate::clock::Clock;

/// In the runtime directory of systemd-timesyncd, which is there while it runs. Touched by it after every answer of a time server (systemd-timesyncd.service(8)).
const MARK: &str = "/run/systemd/timesync/synchronized";
/// A time server is asked every 34 minutes at least (`PollIntervalMaxSec=`); after a day without an answer the clock drifts.
const MARK_HOLDS: Duration = Duration::from_secs(24 * 3_600);
/// A jump of the clock by less cannot take rows away that were to be kept for long: retention counts in days.
const JUMP_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// After a larger jump forward rows do not go by age for this long, so that a wrong date can be put right first.
const DOUBT: Duration = Duration::from_secs(3_600);

/// How the wall clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSync {
    /// It was never set: it says a date before this version of Weir.
    Unset,
    /// It is set; no time service is known to keep it right.
    FreeRunning,
    /// A time service runs, and no server has answered it within the last day: on a device without a clock chip the time is
    /// that of its last save, or of its image.
    Unconfirmed,
    /// A time server has confirmed it within the last day.
    Synchronised,
}

impl TimeSync {
    /// How the clock is that says `now`.
    #[must_use]
    pub fn read(now: Timestamp) -> Self {
        Self::by_mark(now, Path::new(MARK))
    }

    fn by_mark(now: Timestamp, mark: &Path) -> Self {
        if !Clock::is_set(now) {
            return Self::Unset;
        }
        let is_kept = mark.parent().is_some_and(Path::is_dir);
        let touched = fs::metadata(mark).and_then(|meta| meta.modified()).ok();
        let touched = touched.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let now = Duration::from_micros(now.micros().unsigned_abs());
        if touched.is_some_and(|at| now.abs_diff(at) <= MARK_HOLDS) {
            Self::Synchronised
        } else if is_kept {
            Self::Unconfirmed
        } else {
            Self::FreeRunning
        }
    }

    /// The word for it in metrics and on the status line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::FreeRunning => "free_running",
            Self::Unconfirmed => "unconfirmed",
            Self::Synchronised => "synchronised",
        }
    }

    /// What is wrong with a clock that says `now`, and what to do; empty while nothing is.
    #[must_use]
    pub fn trouble(self, now: Timestamp) -> String {
        match self {
            Self::FreeRunning | Self::Synchronised => return String::new(),
            Self::Unconfirmed => {
                return "no time server has confirmed the clock: start times of flows may be wrong. \
                        Let systemd-timesyncd reach its server (`timedatectl timesync-status`)"
                    .to_owned();
            }
            Self::Unset => {}
        }
        let stamp = now.to_string();
        let date = stamp.split('T').next().unwrap_or_default();
        format!(
            "the clock says {date}: start times of flows are wrong until it is set; retention by age waits. \
             Let a time service reach its server"
        )
    }
}

/// Decides whether rows may go because of their age, by watching how the wall clock moves.
#[derive(Clone, Debug)]
pub struct AgeWatch {
    /// The clocks at the last look.
    last: Option<(Timestamp, Instant)>,
    doubted: Option<Instant>,
}

impl AgeWatch {
    /// Starts with the last instant that the wall clock is known to have shown, such as that of the newest row.
    #[must_use]
    pub fn new(last: Option<Timestamp>, mono: Instant) -> Self {
        Self { last: last.map(|last| (last, mono)), doubted: None }
    }

    /// True when `now` may be believed about ages: it is set, and it has not jumped forward by more than a day within the last
    /// hour, or a time server confirms the jump.
    pub fn may_age(&mut self, now: Timestamp, mono: Instant, sync: TimeSync) -> bool {
        if let Some((last, at)) = self.last.replace((now, mono)) {
            let elapsed = mono.saturating_duration_since(at).as_micros();
            let jump = now.micros_since(last).saturating_sub(i64::try_from(elapsed).unwrap_or(i64::MAX));
            if jump > JUMP_MICROS {
                self.doubted = Some(mono);
            } else if jump < -JUMP_MICROS {
                self.doubted = None;
            }
        }
        let is_over = |since| mono.saturating_duration_since(since) >= DOUBT;
        if sync == TimeSync::Synchronised || self.doubted.is_some_and(is_over) {
            self.doubted = None;
        }
        sync != TimeSync::Unset && self.doubted.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, Instant, UNIX_EPOCH};

    use weir_flow::Timestamp;

    use super::{AgeWatch, DOUBT, TimeSync};
    use crate::clock::Clock;

    const DAY: i64 = 86_400;

    /// Seconds after 2026-11-21T06:00Z.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_795_240_800_000 + seconds * 1_000)
    }

    fn later(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_in_1970_is_unset_whatever_the_mark_says_and_the_trouble_names_the_date() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("synchronized");
        fs::write(&mark, "").unwrap();
        let boot = Timestamp::from_millis(12_000);
        assert_eq!(TimeSync::by_mark(boot, &mark), TimeSync::Unset);
        let trouble = TimeSync::Unset.trouble(boot);
        assert!(
            trouble.starts_with("the clock says 1970-01-01: start times of flows are wrong"),
            "{trouble}"
        );
        assert_eq!(TimeSync::FreeRunning.trouble(at(0)), "");
        let trouble = TimeSync::Unconfirmed.trouble(at(0));
        assert!(trouble.starts_with("no time server has confirmed the clock"), "{trouble}");
    }

    #[test]
    fn a_fresh_mark_means_synchronised_an_old_one_and_none_unconfirmed() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("timesync/synchronized");
        assert_eq!(TimeSync::by_mark(at(0), &mark), TimeSync::FreeRunning, "no time service");
        fs::create_dir(mark.parent().unwrap()).unwrap();
        assert_eq!(TimeSync::by_mark(at(0), &mark), TimeSync::Unconfirmed);
        let file = File::create(&mark).unwrap();
        let touched = |seconds: i64| {
            let micros = u64::try_from(at(seconds).micros()).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_micros(micros)).unwrap();
            TimeSync::by_mark(at(0), &mark)
        };
        assert_eq!(touched(-2_048), TimeSync::Synchronised);
        assert_eq!(touched(-DAY - 60), TimeSync::Unconfirmed);
    }

    #[test]
    fn rows_do_not_go_by_age_while_the_clock_is_unset() {
        let start = Clock.monotonic();
        let mut watch = AgeWatch::new(None, start);
        assert!(!watch.may_age(Timestamp::from_millis(5_000), start, TimeSync::Unset));
    }

    #[test]
    fn a_jump_by_decades_is_doubted_for_an_hour_and_forgotten_when_it_is_taken_back() {
        let start = Clock.monotonic();
        let mut watch = AgeWatch::new(Some(at(-5)), start);
        assert!(watch.may_age(at(0), start, TimeSync::FreeRunning));
        let wrong = |seconds: i64| at(30 * 365 * DAY + seconds);
        assert!(!watch.may_age(wrong(1), later(start, 1), TimeSync::FreeRunning));
        assert!(!watch.may_age(wrong(600), later(start, 600), TimeSync::FreeRunning));
        assert!(watch.may_age(at(601), later(start, 601), TimeSync::FreeRunning));
        assert!(!watch.may_age(wrong(700), later(start, 700), TimeSync::FreeRunning));
        let over = 700 + DOUBT.as_secs();
        let now = wrong(i64::try_from(over).unwrap());
        assert!(watch.may_age(now, later(start, over), TimeSync::FreeRunning));
    }

    #[test]
    fn a_jump_that_a_time_server_confirms_is_believed_at_once() {
        let start = Clock.monotonic();
        let mut watch = AgeWatch::new(Some(Timestamp::from_millis(9_000)), start);
        assert!(!watch.may_age(at(0), later(start, 1), TimeSync::FreeRunning));
        assert!(watch.may_age(at(1), later(start, 2), TimeSync::Synchronised));
        assert!(watch.may_age(at(2), later(start, 3), TimeSync::FreeRunning));
    }

    #[test]
    fn a_gateway_that_was_off_for_a_month_waits_before_it_believes_its_clock() {
        let start = Clock.monotonic();
        let mut watch = AgeWatch::new(Some(at(-30 * DAY)), start);
        assert!(!watch.may_age(at(0), start, TimeSync::FreeRunning));
        assert!(watch.may_age(at(3_600), later(start, 3_600), TimeSync::FreeRunning));
        assert!(AgeWatch::new(Some(at(-3_600)), start).may_age(at(0), start, TimeSync::FreeRunning));
    }
}
