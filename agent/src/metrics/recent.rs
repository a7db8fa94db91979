//! What each exporter did in the last minute, and when it was last heard: by the clock that is never set, since a wall
//! clock that is set after the start would make every exporter seem silent for decades.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::collect::report::Exporter;

/// Between two marks.
const STEP: Duration = Duration::from_secs(5);
/// Marks kept: the oldest is 55 to 60 s old.
const MARKS: usize = 12;

/// Sums of one exporter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    datagrams: u64,
    faults: u64,
}

/// One exporter's sums at the last marks.
#[derive(Debug, Default)]
struct Track {
    newest: Sums,
    marks: [Sums; MARKS],
    heard: Option<Instant>,
    /// Found in the report of the running sample.
    seen: bool,
}

/// What an exporter did lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recently {
    /// Since its latest datagram, to the second; `None` before the first one.
    pub silent: Option<Duration>,
    /// Datagrams of the last minute.
    pub datagrams: u64,
    /// Faults of the last minute.
    pub faults: u64,
}

/// All exporters of the newest report; as bounded as that is.
#[derive(Debug, Default)]
pub(super) struct Recent {
    tracks: HashMap<(IpAddr, Option<u16>), Track>,
    /// Place of the newest mark.
    place: usize,
    marked: Option<Instant>,
}

impl Recent {
    /// Takes in a report of `now`; exporters that are not in it are forgotten.
    pub(super) fn sample(&mut self, exporters: &[Exporter], now: Instant) {
        let steps = self.steps(now);
        for _ in 0..steps {
            self.place = (self.place + 1) % MARKS;
            self.tracks.values_mut().for_each(|track| track.mark(self.place));
        }
        for exporter in exporters {
            let sums = Sums { datagrams: exporter.datagrams, faults: exporter.faults.total() };
            self.tracks.entry((exporter.address, exporter.port)).or_default().update(sums, now);
        }
        self.tracks.retain(|_, track| std::mem::take(&mut track.seen));
    }

    /// Marks that are due.
    fn steps(&mut self, now: Instant) -> u64 {
        let Some(marked) = self.marked else {
            self.marked = Some(now);
            return 0;
        };
        let waited = now.saturating_duration_since(marked);
        let steps = waited.as_secs() / STEP.as_secs();
        if steps > MARKS as u64 {
            // Asleep for longer than all that is remembered.
            self.marked = Some(now);
            return MARKS as u64;
        }
        self.marked = Some(marked + Duration::from_secs(steps * STEP.as_secs()));
        steps
    }

    pub(super) fn of(&self, address: IpAddr, port: Option<u16>, now: Instant) -> Option<Recently> {
        let track = self.tracks.get(&(address, port))?;
        let oldest = track.marks.get((self.place + 1) % MARKS).copied().unwrap_or_default();
        Some(Recently {
            silent: track.heard.map(|heard| now.saturating_duration_since(heard)),
            datagrams: track.newest.datagrams.saturating_sub(oldest.datagrams),
            faults: track.newest.faults.saturating_sub(oldest.faults),
        })
    }
}

impl Track {
    fn mark(&mut self, place: usize) {
        if let Some(mark) = self.marks.get_mut(place) {
            *mark = self.newest;
        }
    }

    fn update(&mut self, sums: Sums, now: Instant) {
        if sums.datagrams < self.newest.datagrams {
            // It was displaced, and came back between two samples: its sums began again.
            *self = Self::default();
        }
        if sums.datagrams > self.newest.datagrams {
            self.heard = Some(now);
        }
        (self.newest, self.seen) = (sums, true);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Recent, Recently};
    use crate::clock::Clock;
    use crate::collect::report::Exporter;
    use crate::collect::{Fault, Faults};
    use crate::metrics::testing::exporter;

    const ADDRESS: [u8; 4] = [192, 0, 2, 1];

    fn counted(datagrams: u64, undecoded: u64) -> Exporter {
        let mut faults = Faults::default();
        faults.add(Fault::Truncated, undecoded);
        Exporter { datagrams, faults, ..exporter(ADDRESS) }
    }

    /// Samples each second up to `seconds` what `at` says of a second.
    fn run(seconds: u64, at: impl Fn(u64) -> Exporter) -> (Recent, Instant) {
        let (mut recent, start) = (Recent::default(), Clock.monotonic());
        for second in 0..=seconds {
            recent.sample(&[at(second)], start + Duration::from_secs(second));
        }
        (recent, start + Duration::from_secs(seconds))
    }

    fn lately((recent, now): &(Recent, Instant)) -> Recently {
        recent.of(ADDRESS.into(), None, *now).unwrap()
    }

    #[test]
    fn what_is_older_than_a_minute_is_no_longer_counted() {
        let busy_once = |second: u64| counted(100 + second.min(10), 40);
        let lately_after = |seconds| lately(&run(seconds, busy_once));
        assert_eq!(lately_after(0), Recently { silent: Some(Duration::ZERO), datagrams: 100, faults: 40 });
        assert_eq!((lately_after(50).datagrams, lately_after(50).faults), (110, 40));
        let quiet = lately_after(71);
        assert_eq!((quiet.datagrams, quiet.faults), (0, 0));
        assert_eq!(quiet.silent, Some(Duration::from_secs(61)));
    }

    #[test]
    fn a_steady_exporter_has_its_rate_of_a_minute() {
        let steady = lately(&run(1_000, |second| counted(10 * second, second)));
        assert!((550..=600).contains(&steady.datagrams), "{steady:?}");
        assert!((55..=60).contains(&steady.faults), "{steady:?}");
    }

    #[test]
    fn sums_that_begin_again_count_from_their_beginning() {
        let returned = lately(&run(90, |second| counted(if second < 89 { 5_000 } else { 3 }, 0)));
        assert_eq!((returned.datagrams, returned.silent), (3, Some(Duration::from_secs(1))));
    }

    #[test]
    fn an_exporter_that_was_only_restored_has_not_been_heard() {
        let restored = lately(&run(10, |_| counted(0, 0)));
        assert_eq!(restored, Recently { silent: None, datagrams: 0, faults: 0 });
    }

    #[test]
    fn a_long_sleep_leaves_nothing_of_the_minute_before() {
        let (mut recent, now) = run(30, |second| counted(second, 0));
        let later = now + Duration::from_secs(86_400);
        recent.sample(&[counted(31, 0)], later);
        assert_eq!(recent.of(ADDRESS.into(), None, later).unwrap().datagrams, 1);
    }

    #[test]
    fn exporters_that_left_the_report_take_no_memory() {
        let (mut recent, now) = run(3, |_| counted(1, 0));
        recent.sample(&[], now);
        assert!(recent.tracks.is_empty() && recent.of(ADDRESS.into(), None, now).is_none());
    }
}
