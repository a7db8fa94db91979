//! What keeps logs from being read: in the log once a minute, in the health as long as it lasts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::log::printable;

/// Between two lines about the same file or directory.
const PAUSE: Duration = Duration::from_secs(60);
/// What was not met again for this long is over: a directory is looked at more often.
const LASTS: Duration = Duration::from_secs(90);
/// Files and directories that are remembered: the cause of more is the same.
const MAX_TROUBLES: usize = 64;

/// What is wrong with which file or directory.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<PathBuf, Trouble>);

#[derive(Debug)]
struct Trouble {
    text: String,
    met: Instant,
    told: Instant,
}

impl Troubles {
    /// Something is wrong with `path`: `what`, and what to do.
    pub(super) fn met(&mut self, path: &Path, what: &str, now: Instant) {
        let is_new = !self.0.contains_key(path);
        if is_new && self.0.len() >= MAX_TROUBLES {
            return;
        }
        let text = format!("cannot follow {}: {what}", printable(&path.to_string_lossy()));
        let trouble = self.0.entry(path.to_owned()).or_insert_with(|| Trouble {
            text: String::new(),
            met: now,
            told: now,
        });
        trouble.met = now;
        if is_new || now.saturating_duration_since(trouble.told) >= PAUSE {
            warn!("{text}");
            trouble.told = now;
        }
        trouble.text = text;
    }

    /// Nothing is wrong with `path` any more.
    pub(super) fn over(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// What is wrong now.
    pub(super) fn now(&mut self, now: Instant) -> Vec<String> {
        self.0.retain(|_, trouble| now.saturating_duration_since(trouble.met) < LASTS);
        self.0.values().map(|trouble| trouble.text.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::{MAX_TROUBLES, Troubles};

    #[test]
    fn a_trouble_lasts_until_it_is_over_or_not_met_again() {
        let (mut troubles, start) = (Troubles::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        troubles.met(Path::new("/a"), "it is shut", start);
        troubles.met(Path::new("/b"), "it is shut", after(50));
        assert_eq!(troubles.now(after(60)), ["cannot follow /a: it is shut", "cannot follow /b: it is shut"]);
        assert_eq!(troubles.now(after(100)).len(), 1);
        troubles.over(Path::new("/b"));
        assert!(troubles.now(after(100)).is_empty());
    }

    #[test]
    fn thousands_of_troubles_take_no_memory() {
        let (mut troubles, now) = (Troubles::default(), Instant::now());
        (0..1_000).for_each(|at| troubles.met(Path::new(&format!("/{at}")), "x", now));
        assert_eq!(troubles.now(now).len(), MAX_TROUBLES);
    }
}
