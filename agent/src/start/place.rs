//! Where the agent keeps its ring: the data directory, or one for this run only when that cannot be used.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use tracing::{error, warn};
use weir_flow::Timestamp;
use weir_store::{BudgetBytes, Config, Error, Mended, RepairReport, ReserveBytes, Writer};
use weir_web::Condition;

use super::Trouble;
use crate::care::mounts::{self, Mount};
use crate::error::RunError;

/// What a ring for one run takes at most: it lies in memory as a rule, and counts against the 256 MiB of the whole agent.
const TEMPORARY_BUDGET: u64 = 16 << 20;
/// What it leaves free: a file system in memory is smaller than a disk, and others use it.
const TEMPORARY_RESERVE: u64 = 8 << 20;
/// The directories that a service manager made for the time that the service runs, separated by colons.
const RUNTIME_VARIABLE: &str = "RUNTIME_DIRECTORY";
/// The directory of a ring for one run. What a killed agent left under this name is removed by the next one.
const NAME: &str = "weir-flows";

/// Lines of the log about ranges of lost rows, and about what was put in order.
const MAX_LINES: usize = 20;
/// Ranges that one sentence names.
const MAX_RANGES: usize = 3;

/// A ring, open for writing, and where it lies.
pub struct Place {
    /// The directory of the ring.
    pub dir: PathBuf,
    /// The ring.
    pub writer: Writer,
    /// Its limits.
    pub config: Config,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
    /// Keeps the directory of a ring for one run; none when it lies in the data directory.
    pub temporary: Option<Temporary>,
    /// A ring that cannot be used does not end the agent for good.
    pub steadfast: bool,
}

/// The directory of a ring for one run, removed when dropped.
#[derive(Debug)]
pub struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        warn!(
            "the flows of this run were kept in memory only and are gone with it: the data directory could not be used"
        );
        if let Err(error) = fs::remove_dir_all(&self.0) {
            warn!("cannot remove {}: {error}; remove it by hand", self.0.display());
        }
    }
}

impl Place {
    /// Opens the ring in `dir`.
    ///
    /// A ring there that cannot be used is repaired when `steadfast`, or set aside where nothing can be saved, and a directory that cannot be used is replaced
    /// by one for this run.
    ///
    /// # Errors
    /// [`RunError::Store`]: another agent has it, or nothing can be used.
    pub fn open(dir: &Path, config: &Config, steadfast: bool, now: Timestamp) -> Result<Self, RunError> {
        let on_disk = |writer, trouble| Self {
            dir: dir.to_owned(),
            writer,
            config: config.clone(),
            trouble,
            temporary: None,
            steadfast,
        };
        match Writer::open(dir, config, now) {
            Ok(writer) => {
                tell(writer.mended());
                Ok(on_disk(writer, volatile(dir).filter(|_| steadfast)))
            }
            Err(problem) if !steadfast || matches!(problem, Error::Busy { .. }) => Err(problem.into()),
            Err(problem) if may_be_set_aside(&problem) => {
                let usable = repaired(dir, config, now, &problem)
                    .map_or_else(|| begin_anew(dir, config, now, &problem), Ok);
                match usable {
                    Ok((writer, trouble)) => Ok(on_disk(writer, Some(trouble))),
                    Err(_) => Self::for_this_run(config, &problem, now),
                }
            }
            Err(problem) => Self::for_this_run(config, &problem, now),
        }
    }

    fn for_this_run(config: &Config, problem: &Error, now: Timestamp) -> Result<Self, RunError> {
        let Some(temporary) = candidates().find_map(|dir| make(&dir).ok()) else {
            return Err(RunError::CannotCreate(format!(
                "failed to {problem}; no other directory can be written either: mount /tmp, or set {RUNTIME_VARIABLE}"
            )));
        };
        let small = Config {
            budget_bytes: BudgetBytes::new(TEMPORARY_BUDGET.min(config.budget_bytes.value()))
                .unwrap_or_default(),
            reserve_bytes: ReserveBytes::new(TEMPORARY_RESERVE.min(config.reserve_bytes.value()))
                .unwrap_or_default(),
            ..config.clone()
        };
        let detail = format!(
            "flows are kept in memory until the next start only: failed to {problem}; then restart weir"
        );
        error!("{detail}");
        let writer = Writer::open(&temporary.0, &small, now)?;
        Ok(Self {
            dir: temporary.0.clone(),
            writer,
            config: small,
            trouble: Some(Trouble { condition: Condition::Failed, detail }),
            temporary: Some(temporary),
            steadfast: true,
        })
    }
}

/// What is wrong with a directory that is memory: a device whose data partition is missing has one.
fn volatile(dir: &Path) -> Option<Trouble> {
    let mount = mounts::of(dir).filter(Mount::is_volatile)?;
    let detail = format!(
        "flows are kept in memory until the next start of the device only: {} is on {}; mount a disk there",
        dir.display(),
        mount.kind
    );
    error!("{detail}");
    Some(Trouble { condition: Condition::Failed, detail })
}

/// True for a store that will not be usable by waiting: damaged, another program's, or of a newer Weir that was replaced.
fn may_be_set_aside(problem: &Error) -> bool {
    matches!(problem, Error::Corrupt { .. } | Error::Foreign { .. } | Error::Newer { .. })
}

/// Says what was wrong with a ring, each range of rows that is gone on a line of its own.
fn tell(mended: &Mended) {
    for lost in mended.lost.iter().take(MAX_LINES) {
        error!(
            tenant = lost.tenant,
            first_row = lost.first_row,
            last_row = lost.last_row,
            "rows cannot be read any more and were set aside: {}",
            lost.reason
        );
    }
    if mended.lost.len() > MAX_LINES {
        let ranges = mended.lost.len() - MAX_LINES;
        error!(ranges, rows = mended.lost_rows, "more rows cannot be read; weir store check lists them");
    }
    for correction in mended.corrections.iter().take(MAX_LINES) {
        warn!("put in order after the last end: {correction}");
    }
}

/// A damaged ring with all that can be saved of it; none when that is nothing.
fn repaired(dir: &Path, config: &Config, now: Timestamp, problem: &Error) -> Option<(Writer, Trouble)> {
    if !matches!(problem, Error::Corrupt { .. }) {
        return None;
    }
    error!("the ring is repaired, which may take minutes: failed to {problem}");
    let report = weir_store::repair(dir, now)
        .map_err(|failure| error!("the ring could not be repaired: failed to {failure}"))
        .ok()?;
    let writer = Writer::open(dir, config, now).ok()?;
    let detail = format!("the ring was damaged: {}", in_words(&report));
    error!("{detail}");
    tell(&Mended { lost: report.lost, lost_rows: report.lost_rows, corrections: report.corrections });
    Some((writer, Trouble::degraded(detail)))
}

/// What a repair kept and what is gone.
#[must_use]
pub fn in_words(report: &RepairReport) -> String {
    let mut text = format!("{} rows were kept, {} are lost", report.rows, report.lost_rows);
    for lost in report.lost.iter().take(MAX_RANGES) {
        text += &format!(", {} to {} of tenant {}", lost.first_row, lost.last_row, lost.tenant);
    }
    if report.lost.len() > MAX_RANGES {
        text += &format!(", and {} more ranges", report.lost.len() - MAX_RANGES);
    }
    if let Some(aside) = &report.aside {
        text += &format!(". The old file is kept as {}; remove it when nobody needs it", aside.display());
    }
    text
}

fn begin_anew(
    dir: &Path,
    config: &Config,
    now: Timestamp,
    problem: &Error,
) -> Result<(Writer, Trouble), Error> {
    let aside = weir_store::set_aside(dir)?;
    let writer = Writer::open(dir, config, now)?;
    let detail = format!(
        "a new ring was begun: failed to {problem}. The old one is kept as {}; remove it when nobody needs it",
        aside.display()
    );
    error!("{detail}");
    Ok((writer, Trouble::degraded(detail)))
}

/// Where there may be room, in memory as a rule. A name that another user holds is no obstacle.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let runtime = env::var_os(RUNTIME_VARIABLE).unwrap_or_default();
    let runtime: Vec<_> = env::split_paths(&runtime).filter(|dir| dir.is_absolute()).collect();
    let dirs = runtime.into_iter().chain([env::temp_dir(), PathBuf::from("/run"), PathBuf::from("/dev/shm")]);
    let own = format!("{NAME}-{}", std::process::id());
    dirs.flat_map(move |dir| [dir.join(NAME), dir.join(&own)])
}

/// A private directory at `path`.
fn make(path: &Path) -> io::Result<Temporary> {
    let create = || DirBuilder::new().mode(0o700).create(path);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_left_behind(path) => {
            fs::remove_dir_all(path)?;
            create()?;
        }
        other => other?,
    }
    Ok(Temporary(path.to_owned()))
}

/// True for a directory of this user's that no agent holds any more.
fn is_left_behind(path: &Path) -> bool {
    let is_ours = |meta: fs::Metadata| meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(is_ours) && weir_store::hold(path).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use weir_store::Config;
    use weir_web::Condition;

    use super::{Place, make};
    use crate::clock::Clock;
    use crate::error::RunError;

    fn open(dir: &Path, steadfast: bool) -> Result<Place, RunError> {
        Place::open(dir, &Config::default(), steadfast, Clock.now())
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_replaced_only_when_asked_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let dir = file.path().join("data");
        assert!(open(&dir, false).is_err());
        let place = open(&dir, true).unwrap();
        let trouble = place.trouble.clone().unwrap();
        assert_eq!(trouble.condition, Condition::Failed);
        assert!(trouble.detail.contains(dir.to_str().unwrap()), "{trouble:?}");
        assert_eq!(place.config.budget_bytes.value(), 16 << 20);
        let temporary = place.dir.clone();
        assert!(temporary.join("weir.db").is_file());
        drop(place);
        assert!(!temporary.exists());
    }

    #[test]
    fn what_a_killed_agent_left_makes_place_and_what_a_running_one_has_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weir-flows");
        let left = make(&path).unwrap();
        fs::write(path.join("weir.db"), "half of it").unwrap();
        std::mem::forget(left);
        let made = make(&path).unwrap();
        assert!(!path.join("weir.db").exists());
        let held = weir_store::hold(&path).unwrap();
        assert!(make(&path).is_err());
        drop((held, made));
        std::os::unix::fs::symlink(folder.path(), &path).unwrap();
        assert!(make(&path).is_err());
    }

    #[test]
    fn a_damaged_ring_is_set_aside_and_kept() {
        for damage in [&b"this is no database"[..], &[0; 8192]] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("weir.db"), damage).unwrap();
            assert!(open(dir.path(), false).is_err());
            let place = open(dir.path(), true).unwrap();
            assert_eq!(place.dir, dir.path());
            assert_eq!(place.trouble.unwrap().condition, Condition::Degraded);
            assert_eq!(fs::read(dir.path().join("weir.db.aside")).unwrap(), damage);
            drop(place.writer);
            assert!(open(dir.path(), true).unwrap().trouble.is_none());
        }
    }

    #[test]
    fn a_ring_that_another_agent_has_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), true).unwrap();
        assert!(matches!(open(dir.path(), true), Err(RunError::Store(weir_store::Error::Busy { .. }))));
        drop(first);
    }
}
