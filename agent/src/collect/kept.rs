//! What the collecting process knows of its exporters, kept over a restart: data that come before their template are of
//! no use, and an exporter may send templates every half an hour only.
//!
//! The collect thread leaves its state in a slot, and `main` writes it: a flash that takes a second for that does not hold
//! up the sockets.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Collector;
use crate::log::printable;
use crate::metrics::held;
use crate::start::atomic;

/// Name of the file in the data directory.
pub const FILE: &str = "exporters.state";
/// Octets of it that are read or written at most: above what all templates may take, below what would hurt.
const MAX_BYTES: usize = 32 << 20;
/// Who may read it: it names networks and hosts.
const MODE: u32 = 0o600;
/// Between two states that are left to be written, while something changes now and then.
const PAUSE: Duration = Duration::from_secs(60);
/// The same while something changes always: who forges templates shall not wear the flash out.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// The newest state that is not written yet; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Slot(Arc<Mutex<Option<Vec<u8>>>>);

impl Slot {
    /// Leaves a state in the place of an older one.
    fn put(&self, state: Vec<u8>) {
        *held(&self.0) = Some(state);
    }

    fn take(&self) -> Option<Vec<u8>> {
        held(&self.0).take()
    }

    /// Leaves again what could not be written, unless there is something newer.
    fn put_back(&self, state: Vec<u8>) {
        held(&self.0).get_or_insert(state);
    }
}

/// Decides when the state of a collector is left in the slot.
#[derive(Debug)]
pub(super) struct Pacer {
    slot: Slot,
    last: Option<Instant>,
    pause: Duration,
}

impl Pacer {
    pub(super) const fn new(slot: Slot) -> Self {
        Self { slot, last: None, pause: PAUSE }
    }

    /// Leaves the state of `collector` if it has changed and the last one was long ago.
    pub(super) fn look(&mut self, collector: &mut Collector, now: Instant) {
        if self.is_due(now) && collector.has_changed() {
            self.passed(now);
            self.slot.put(collector.keep());
        }
    }

    /// Leaves the last state.
    pub(super) fn finish(&self, collector: &mut Collector) {
        if collector.has_changed() {
            self.slot.put(collector.keep());
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.pause)
    }

    /// A state was left: the pause grows while one follows the other.
    fn passed(&mut self, now: Instant) {
        let waited = self.last.replace(now).map(|last| now.saturating_duration_since(last));
        let is_busy = waited.is_some_and(|waited| waited < 2 * self.pause);
        self.pause = if is_busy { LONGEST_PAUSE.min(2 * self.pause) } else { PAUSE };
    }
}

/// Writes what is left in the slot.
#[derive(Clone, Debug)]
pub struct Keeper {
    slot: Slot,
    /// None when the data directory cannot be used.
    dir: Option<PathBuf>,
    again: Option<Instant>,
}

impl Keeper {
    /// Writes into `dir`; nowhere, without one.
    #[must_use]
    pub const fn new(slot: Slot, dir: Option<PathBuf>) -> Self {
        Self { slot, dir, again: None }
    }

    /// Writes a state that was left. One that cannot be written is tried again a minute later.
    pub fn refresh(&mut self, now: Instant) {
        if self.again.is_some_and(|again| now < again) {
            return;
        }
        self.again = (!self.write()).then(|| now + PAUSE);
    }

    /// Writes the last state, however the attempt before went.
    pub fn finish(&self) {
        self.write();
    }

    /// False when there is something to try again.
    fn write(&self) -> bool {
        let (Some(dir), Some(state)) = (&self.dir, self.slot.take()) else { return true };
        if state.len() > MAX_BYTES {
            warn!(
                octets = state.len(),
                "{FILE} is not written: it would be longer than {MAX_BYTES} octets; exporters say again what is in it"
            );
            return true;
        }
        match atomic::write(dir, FILE, MODE, &state) {
            Ok(()) => true,
            Err(error) => {
                warn!(
                    "cannot write {}: {error}; make room, or exporters are unknown for a while after a restart",
                    dir.join(FILE).display()
                );
                self.slot.put_back(state);
                false
            }
        }
    }
}

/// Gives `collector` what the file in `dir` says; a file that cannot be used is told and left out.
pub fn restore(collector: &mut Collector, dir: &Path) {
    let path = dir.join(FILE);
    let unusable = |problem: &str| {
        warn!(
            "{} is of no use: {}; it is replaced, and exporters are known again once they send templates",
            path.display(),
            printable(problem)
        );
    };
    match atomic::read_octets(&path, MAX_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => unusable(&error.to_string()),
        Ok(state) if state.len() > MAX_BYTES => unusable(&format!("longer than {MAX_BYTES} octets")),
        Ok(state) => match collector.restore(&state) {
            Ok(()) => info!(octets = state.len(), "exporters are known from the last run"),
            Err(problem) => unusable(&problem),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::{FILE, Keeper, MAX_BYTES, PAUSE, Pacer, Slot};
    use crate::clock::Clock;
    use crate::collect::{Collector, Settings};

    #[test]
    fn what_is_left_is_written_once_and_the_newest_wins() {
        let dir = tempfile::tempdir().unwrap();
        let (slot, now) = (Slot::default(), Clock.monotonic());
        let mut keeper = Keeper::new(slot.clone(), Some(dir.path().to_owned()));
        keeper.refresh(now);
        assert!(!dir.path().join(FILE).exists());
        slot.put(b"old".to_vec());
        slot.put(b"new".to_vec());
        keeper.refresh(now);
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), b"new");
        fs::remove_file(dir.path().join(FILE)).unwrap();
        keeper.refresh(now + PAUSE);
        assert!(!dir.path().join(FILE).exists(), "the same state was written twice");
    }

    #[test]
    fn what_cannot_be_written_is_tried_again_unless_there_is_something_newer() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("later");
        let (slot, now) = (Slot::default(), Clock.monotonic());
        let mut keeper = Keeper::new(slot.clone(), Some(dir.clone()));
        slot.put(b"one".to_vec());
        keeper.refresh(now);
        fs::create_dir(&dir).unwrap();
        keeper.refresh(now + PAUSE - Duration::from_millis(1));
        assert!(!dir.join(FILE).exists(), "it was tried again at once");
        keeper.refresh(now + PAUSE);
        assert_eq!(fs::read(dir.join(FILE)).unwrap(), b"one");
        slot.put(b"two".to_vec());
        slot.put_back(b"one".to_vec());
        keeper.finish();
        assert_eq!(fs::read(dir.join(FILE)).unwrap(), b"two");
    }

    #[test]
    fn without_a_directory_nothing_is_written_and_nothing_piles_up() {
        let slot = Slot::default();
        slot.put(b"one".to_vec());
        Keeper::new(slot.clone(), None).refresh(Clock.monotonic());
        assert_eq!(slot.take(), None);
    }

    #[test]
    fn a_state_that_changes_always_is_written_ever_less_often() {
        let (mut pacer, began) = (Pacer::new(Slot::default()), Clock.monotonic());
        let mut written = Vec::new();
        for second in 0..24 * 3_600 {
            if pacer.is_due(began + Duration::from_secs(second)) {
                pacer.passed(began + Duration::from_secs(second));
                written.push(second);
            }
        }
        assert_eq!(&written[..4], &[0, 60, 180, 420]);
        assert!(written.len() < 32, "{written:?}");
        let calm = began + Duration::from_secs(2 * 24 * 3_600);
        assert!(pacer.is_due(calm));
        pacer.passed(calm);
        assert!(!pacer.is_due(calm + PAUSE / 2) && pacer.is_due(calm + PAUSE));
    }

    #[test]
    fn a_file_that_cannot_be_used_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let restore = || super::restore(&mut Collector::new(Settings::default()), dir.path());
        restore();
        fs::create_dir(dir.path().join(FILE)).unwrap();
        restore();
        fs::remove_dir(dir.path().join(FILE)).unwrap();
        fs::File::create(dir.path().join(FILE)).unwrap().set_len(MAX_BYTES as u64 + 2).unwrap();
        restore();
    }
}
