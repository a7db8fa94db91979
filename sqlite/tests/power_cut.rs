//! The power is cut at a thousand moments of a store's life: at most the commit in flight is gone.
//!
//! A program goes through a plan under strace. From the recording a disk is made that knows what was promised at each moment,
//! and what not; at each cut a store is made from it, opened, looked at and written to. Every such store is opened, its
//! figures and newest rows are looked at, and it takes another commit; one in [`THOROUGH`] is read and checked as a whole.
//!
//! `WEIR_POWER_CUTS` sets how many cuts there are, `WEIR_POWER_SEED` what is done and what is lost.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "power_cut/disk.rs"]
mod disk;
#[path = "power_cut/facts.rs"]
mod facts;
#[path = "power_cut/plan.rs"]
mod plan;
#[path = "power_cut/replay.rs"]
mod replay;
mod support;
#[path = "power_cut/trace.rs"]
mod trace;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use disk::{Cut, Disk, Lie};
use facts::Facts;
use replay::{Allowed, Expected, examine};
use support::example;
use tempfile::TempDir;
use trace::Op;

/// Moments at which the power is cut, and at each of them three disks.
const CUTS: usize = 1_100;
const SEED: u64 = 20_261_121;
/// Steps of the plan.
const STEPS: usize = 150;
/// Of so many stores one is read and checked as a whole.
const THOROUGH: usize = 24;
/// Where the store is, below the directory that is recorded: two directories that it has to make.
const STORE: &str = "var/weir";
/// More than any write: strace must not cut data short.
const LONGEST_WRITE: &str = "8388608";

/// A program's life, recorded.
struct Recording {
    ops: Vec<Op>,
    /// What was said to be safe, in order.
    facts: Vec<Facts>,
    expected: Expected,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A directory in memory where there is one: what is written here is never to be kept.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn record(seed: u64, steps: usize) -> Option<Recording> {
    let dir = scratch();
    let root = dir.path().canonicalize().unwrap().join("root");
    std::fs::create_dir(&root).unwrap();
    let trace = dir.path().join("trace");
    let strace = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", LONGEST_WRITE, "-e", &format!("trace={}", trace::CALLS), "-o"])
        .arg(&trace)
        .arg(example("power_loop"))
        .arg(root.join(STORE))
        .args([seed.to_string(), steps.to_string()])
        .output();
    let output = match strace {
        Ok(output) => output,
        Err(error) => {
            support::skip(&format!("strace does not run: {error}; install the package strace"));
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("ptrace") && errors.contains("not permitted") {
        support::skip(&format!("this machine does not allow to trace a process: {errors}"));
        return None;
    }
    assert!(output.status.success(), "{errors}");
    let ops = trace::read(&root, BufReader::new(File::open(&trace).unwrap())).unwrap();
    let said =
        ops.iter().filter_map(|op| if let Op::Said(text) = op { Some(text.parse().unwrap()) } else { None });
    let facts: Vec<Facts> = said.collect();
    assert_eq!(facts.len(), steps + 2, "one line after the start, after each step, and after the end");
    Some(Recording { facts, ops, expected: Expected::of(seed, steps) })
}

impl Recording {
    /// What may be there when `said` lines were out.
    fn allowed(&self, said: usize) -> Allowed {
        let safe = said.checked_sub(1).map_or_else(replay::fresh, |last| self.facts[last].clone());
        Allowed { safe, next: self.facts.get(said).cloned() }
    }

    /// The store that is there when the power goes now.
    fn examine(&self, disk: &Disk<'_>, cut: Cut, thorough: bool) -> Result<(), String> {
        let dir = scratch();
        disk.write(cut, dir.path()).unwrap();
        let before = listing(dir.path());
        examine(&dir.path().join(STORE), &self.allowed(disk.said.len()), &self.expected, thorough)
            .map_err(|error| format!("{cut:?}, {before}: {error}"))
    }

    /// About `wanted` moments: all around syncs, names, cuts of files and lines, the ends of each run of writes to a file, and
    /// the rest evenly. A moment is a number of things that are done by then.
    fn moments(&self, wanted: usize) -> Vec<usize> {
        let is_turn = |number: &usize| match (&self.ops[*number], self.ops.get(number.wrapping_sub(1))) {
            (Op::Write { file, .. }, Some(Op::Write { file: before, .. })) => file != before,
            _ => true,
        };
        let turns: Vec<usize> =
            (0..self.ops.len()).filter(is_turn).flat_map(|number| [number, number + 1]).collect();
        let mut moments = evenly(&turns, wanted / 2);
        let all: Vec<usize> = (0..=self.ops.len()).collect();
        moments.extend(evenly(&all, wanted - wanted / 2));
        moments.extend([0, self.ops.len()]);
        moments.sort_unstable();
        moments.dedup();
        moments
    }
}

fn evenly(all: &[usize], wanted: usize) -> Vec<usize> {
    (0..wanted.min(all.len())).map(|n| all[n * all.len() / wanted.min(all.len())]).collect()
}

/// Names and lengths of the store's files.
fn listing(root: &Path) -> String {
    let files = std::fs::read_dir(root.join(STORE)).into_iter().flatten().flatten();
    let mut files: Vec<_> = files
        .map(|entry| format!("{} {}", entry.file_name().to_string_lossy(), entry.metadata().unwrap().len()))
        .collect();
    files.sort();
    files.join(", ")
}

/// Does `work` for the moments, shared among the processors; each takes its part in order and has a disk of its own.
fn each_moment(moments: &[usize], work: impl Fn(usize, &[usize]) + Sync) {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let own: Vec<usize> = moments.iter().copied().skip(thread).step_by(threads).collect();
            let work = &work;
            scope.spawn(move || work(thread, &own));
        }
    });
}

#[test]
fn a_power_cut_at_any_moment_takes_at_most_the_commit_in_flight() {
    let seed = setting("WEIR_POWER_SEED", SEED);
    let Some(recording) = record(seed, STEPS) else { return };
    let moments = recording.moments(setting("WEIR_POWER_CUTS", CUTS as u64) as usize);
    assert!(
        moments.len() >= 1_000 || std::env::var_os("WEIR_POWER_CUTS").is_some(),
        "{} cuts",
        moments.len()
    );
    let (stores, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
    each_moment(&moments, |_, own| {
        let mut disk = Disk::new(&recording.ops, Lie::None);
        let mut seen = None;
        for &moment in own {
            disk.advance(moment);
            let mut cuts = vec![Cut::All, Cut::Some(seed ^ (moment as u64) << 20)];
            let promised = Some((disk.promises, disk.said.len()));
            if seen != promised {
                seen = promised;
                cuts.push(Cut::Promised);
            }
            for cut in cuts {
                let number = stores.fetch_add(1, Ordering::Relaxed);
                let thorough = number.is_multiple_of(THOROUGH);
                read.fetch_add(usize::from(thorough), Ordering::Relaxed);
                let result = recording.examine(&disk, cut, thorough);
                assert_eq!(result, Ok(()), "seed {seed}, after {moment} of {} changes", recording.ops.len());
            }
        }
    });
    eprintln!(
        "seed {seed}: {} changes, {} cuts, {} stores opened, {} of them read as a whole",
        recording.ops.len(),
        moments.len(),
        stores.into_inner(),
        read.into_inner()
    );
}

/// For each commit the write that ended it in the log, and the moment after it was said to be safe; without those whose log
/// was copied into the file in between.
fn commits(recording: &Recording) -> Vec<(usize, usize)> {
    let (mut logs, mut last, mut said, mut found) = (Vec::new(), None, 0, Vec::new());
    for (number, op) in recording.ops.iter().enumerate() {
        match op {
            Op::Create(path, file) if path.to_string_lossy().ends_with("-wal") => logs.push(*file),
            Op::Write { file, data, .. } if logs.contains(file) && data.len() > 512 => last = Some(number),
            Op::Write { file, .. } if !logs.contains(file) => last = None,
            Op::Said(_) => {
                let is_commit = said > 0 && recording.facts[said].commits > recording.facts[said - 1].commits;
                found.extend(last.take().filter(|_| is_commit).map(|write| (write, number + 1)));
                said += 1;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_disk_that_breaks_its_promises_is_noticed() {
    let Some(recording) = record(SEED + 1, 40) else { return };
    let commits = commits(&recording);
    assert!(commits.len() >= 10, "{} commits", commits.len());
    // A lie, and the moment at which it must be noticed.
    let mut lies: Vec<(Lie, usize)> =
        commits.iter().map(|&(write, moment)| (Lie::Write(write), moment)).collect();
    // Syncs of the log, until it is copied into the file; syncs of the file itself, always.
    lies.extend(commits.iter().take(3).map(|&(_, moment)| (Lie::Sync("-wal"), moment)));
    lies.extend(commits.iter().take(3).map(|&(_, moment)| (Lie::Sync("weir.db.new"), moment)));
    each_moment(&(0..lies.len()).collect::<Vec<_>>(), |_, own| {
        for &number in own {
            let (lie, moment) = &lies[number];
            let told = |lie: &Lie| {
                let mut disk = Disk::new(&recording.ops, lie.clone());
                disk.advance(*moment);
                recording.examine(&disk, Cut::Promised, true)
            };
            assert_eq!(told(&Lie::None), Ok(()), "after {moment} changes");
            assert!(told(lie).is_err(), "{lie:?} went unnoticed after {moment} changes");
        }
    });
}
