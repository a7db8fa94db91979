//! The data directory and the ring in it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_flow::TenantId;
use weir_store::{Error, Reader};

use super::{Check, Subject, mib};
use crate::care::mounts;
use crate::process;

/// A file that is written, flushed and removed; its name says whose it is, should a power cut leave it.
const PROBE: &str = "selftest.tmp";
/// What the probe holds: a block of any file system.
const PROBE_BYTES: usize = 4_096;
/// SQLite's check reads the whole ring; on slow flash that takes minutes, a technician waits less.
const CHECK_LIMIT: Duration = Duration::from_secs(10);

pub(super) fn checks(subject: &Subject<'_>) -> Vec<Check> {
    let dir = &subject.config.agent.data_dir;
    vec![disk(subject, dir), ring(subject, dir)]
}

fn disk(subject: &Subject<'_>, dir: &Path) -> Check {
    let shown = dir.display();
    if !dir.is_dir() {
        let action = "start the agent, or make it; then run this again";
        return Check::warn(
            "disk",
            format!("{shown} does not exist; the agent makes it at its start"),
            action,
        );
    }
    if let Err(error) = probe(dir) {
        let action = match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => {
                "remount it writable; a damaged file system is mounted read-only"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space",
            io::ErrorKind::PermissionDenied => {
                "run as root or as the user weir; the directory has to be its own"
            }
            _ => "check the disk: `dmesg` tells what the kernel says of it",
        };
        return Check::failed("disk", format!("{shown} cannot be written: {error}"), action);
    }
    let mount = mounts::of(dir);
    if let Some(mount) = mount.as_ref().filter(|mount| mount.is_volatile()) {
        let detail = format!("{shown} is on {}: all records are gone after a restart", mount.kind);
        return Check::warn("disk", detail, "put agent.data_dir on a disk");
    }
    if let Some(mount) = mount.as_ref().filter(|mount| mount.kind == "overlay") {
        let detail = format!("{shown} is on {}: it goes with the container", mount.kind);
        return Check::warn("disk", detail, "mount a volume at agent.data_dir");
    }
    space(subject, dir, mount.as_ref().map_or("unknown file system", |mount| &mount.kind))
}

/// Writes, flushes and removes a file.
fn probe(dir: &Path) -> io::Result<()> {
    let path: PathBuf = dir.join(PROBE);
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).and_then(
            |mut file| {
                file.write_all(&[0x5a; PROBE_BYTES])?;
                file.sync_all()
            },
        );
    let removed = if path.exists() { fs::remove_file(&path) } else { Ok(()) };
    written.and(removed)
}

/// Whether the ring can grow to its budget, with the reserve left free.
fn space(subject: &Subject<'_>, dir: &Path, kind: &str) -> Check {
    let store = &subject.config.store;
    let (reserve, budget) = (store.reserve_bytes.value(), store.budget_bytes.value());
    let free = match process::free_bytes(dir) {
        Ok(free) => free,
        Err(error) => {
            return Check::failed("disk", error.to_string(), "mount the file system of agent.data_dir");
        }
    };
    let used =
        Reader::open(dir).and_then(|reader| reader.stats(&TenantId::default())).map_or(0, |ring| ring.bytes);
    let detail = format!("{kind}, {} free", mib(free));
    if free < reserve {
        let detail =
            format!("{detail}, less than store.reserve_bytes ({}): the ring cannot grow", mib(reserve));
        return Check::warn("disk", detail, "free space");
    }
    let missing = budget.saturating_sub(used).saturating_add(reserve).saturating_sub(free);
    if missing > 0 {
        let detail = format!("{detail}, {} too few for store.budget_bytes ({})", mib(missing), mib(budget));
        return Check::warn("disk", detail, "lower store.budget_bytes, or free space");
    }
    Check::ok("disk", format!("{detail}, written and flushed"))
}

/// Opens the ring for reading only and lets SQLite look at it.
fn ring(subject: &Subject<'_>, dir: &Path) -> Check {
    let reader = match Reader::open(dir) {
        Ok(reader) => reader,
        Err(Error::Absent { .. }) => {
            return Check::skipped("ring", "there is none yet; the first start makes it");
        }
        Err(error) => return broken(&error),
    };
    let stats = match reader.stats(&TenantId::default()) {
        Ok(stats) => stats,
        Err(error) => return broken(&error),
    };
    let rows = format!("{} rows, {}", stats.rows, mib(stats.bytes));
    match reader.quick_check(subject.clock.monotonic() + CHECK_LIMIT) {
        Ok(problems) if problems.is_empty() => Check::ok("ring", format!("{rows}, sound")),
        Ok(problems) => Check::failed(
            "ring",
            format!("{rows}, damaged: {}", problems.join("; ")),
            "stop the agent and move weir.db away; it starts a new ring",
        ),
        Err(Error::Deadline { .. }) => {
            Check::ok("ring", format!("{rows}, no damage found in {} s of reading", CHECK_LIMIT.as_secs()))
        }
        Err(error) => broken(&error),
    }
}

fn broken(error: &Error) -> Check {
    let action =
        "read what it says; a damaged ring is moved away with the agent stopped, and a new one is made";
    Check::failed("ring", format!("failed to {error}"), action)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::probe;

    #[test]
    fn the_probe_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        probe(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(probe(&dir.path().join("missing")).is_err());
    }
}
