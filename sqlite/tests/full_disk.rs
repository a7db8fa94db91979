//! A disk that fills up: what is stored stays, readers go on, and writing recovers by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Office, all_rows, at};
use weir_flow::{Batch, TenantId};
use weir_store::{BudgetBytes, Config, DiskState, ErrorKind, Reader, ReserveBytes, Shortage, Writer, check};

/// A small file system of its own, gone with the value.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None, and a line that says so, where mounting is not permitted.
    fn mount(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("SKIPPED: a full disk cannot be tried without the right to mount a tmpfs");
        None
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Takes all space that is left.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        for size in [64 << 10, 4 << 10, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn config(budget: u64) -> Config {
    Config { budget_bytes: BudgetBytes::new(budget).unwrap(), ..Config::default() }
}

/// Commits until the disk is full; answers the rows of the last commit that was stored.
fn commit_until_full(writer: &mut Writer, office: &mut Office) -> u64 {
    let tenant = TenantId::default();
    let mut rows = 0;
    for _ in 0..10_000 {
        match writer.commit(&[office.batch(&tenant, 50, at(0))], at(0)) {
            Ok(done) => rows += done.rows,
            Err(told) => {
                assert!(told.is_full(), "{told}");
                assert_eq!(told.kind(), ErrorKind::Io);
                return rows;
            }
        }
    }
    panic!("a full disk takes commits without end");
}

fn newest_row(dir: &Path) -> u64 {
    all_rows(&Reader::open(dir).unwrap(), &TenantId::default()).last().map_or(0, |row| row.row)
}

#[test]
fn a_full_disk_loses_nothing_and_writing_recovers_by_itself() {
    let Some(disk) = Disk::mount(16 << 20) else { return };
    let dir = disk.0.path().join("data");
    let mut writer = Writer::open(&dir, &config(64 << 20), at(0)).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(1));
    writer.commit(&[office.batch(&tenant, 500, at(0))], at(0)).unwrap();
    let reader = Reader::open(&dir).unwrap();

    disk.fill();
    let stored = 500 + commit_until_full(&mut writer, &mut office);
    assert_eq!(all_rows(&reader, &tenant).len() as u64, stored, "readers go on");
    assert_eq!(newest_row(&dir), stored, "readers that come now, too");
    assert!(writer.commit(&[office.batch(&tenant, 50, at(0))], at(0)).unwrap_err().is_full());

    disk.free();
    writer.commit(&[office.batch(&tenant, 50, at(0))], at(0)).unwrap();
    assert_eq!(newest_row(&dir), stored + 50);
    let report = check(&dir).unwrap();
    assert!(report.is_sound(), "{report:?}");
    writer.close().unwrap();
}

#[test]
fn while_the_disk_is_full_new_rows_replace_the_oldest() {
    let Some(disk) = Disk::mount(24 << 20) else { return };
    let dir = disk.0.path().join("data");
    let mut writer = Writer::open(&dir, &config(64 << 20), at(0)).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(2));
    for _ in 0..90 {
        writer.commit(&[office.bulk(&tenant, 100 << 10, at(0))], at(0)).unwrap();
    }
    let mut watch = Shortage::new(ReserveBytes::default());
    disk.fill();
    commit_until_full(&mut writer, &mut office);
    assert!(writer.usage().unwrap().reserve > 0);

    writer.set_disk(watch.step(0, true)).unwrap();
    assert_eq!(watch.state(), DiskState::Short);
    writer.trim(at(0), true).unwrap();
    assert_eq!(writer.usage().unwrap().reserve, 0, "the reserve is given to the ring");
    disk.fill();
    let (mut stored, mut full) = (0, 0);
    while stored < 300 {
        match writer.commit(&[office.bulk(&tenant, 50 << 10, at(0))], at(0)) {
            Ok(_) => stored += 1,
            Err(told) => {
                assert!(told.is_full(), "{told}");
                full += 1;
                assert!(full < 100, "stuck after {stored} commits");
            }
        }
        writer.trim(at(0), true).unwrap();
    }
    let rows = all_rows(&Reader::open(&dir).unwrap(), &tenant);
    assert!(rows[0].row > 720 && rows.len() > 200, "{} rows from {}", rows.len(), rows[0].row);

    disk.free();
    writer.set_disk(watch.step(u64::MAX, false)).unwrap();
    writer.trim(at(0), true).unwrap();
    assert!(writer.usage().unwrap().reserve > 0, "the reserve is made again");
    writer.commit(&[office.batch(&tenant, 50, at(0))], at(0)).unwrap();
    let report = check(&dir).unwrap();
    assert!(report.is_sound(), "{report:?}");
    writer.close().unwrap();
}

#[test]
fn rows_do_not_wait_for_letters_that_a_full_disk_has_no_room_for() {
    let Some(disk) = Disk::mount(24 << 20) else { return };
    let dir = disk.0.path().join("data");
    let mut writer = Writer::open(&dir, &config(256 << 20), at(0)).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(5));
    // Enough that the log has its usual length, which is then overwritten in place.
    for _ in 0..60 {
        writer.commit(&[office.bulk(&tenant, 100 << 10, at(0))], at(0)).unwrap();
    }
    disk.fill();
    // Letters of 9 MiB, twice what the log holds.
    let large = (0..5).map(|_| office.bulky(at(0), 900 << 10));
    let records = large.chain((0..50).map(|_| Office::new(6).record(at(0)))).collect();
    let done = writer.commit(&[Batch { records, ..Batch::default() }], at(0)).unwrap();
    assert_eq!((done.rows, done.refused, done.letters, done.lost), (50, 5, 0, 5));
    assert_eq!(newest_row(&dir), 480 + 50);
    disk.free();
    let records = vec![office.bulky(at(0), 900 << 10)];
    let done = writer.commit(&[Batch { records, ..Batch::default() }], at(0)).unwrap();
    assert_eq!((done.letters, done.lost), (1, 0), "once there is room letters are kept again");
    assert!(check(&dir).unwrap().is_sound());
}

#[test]
fn a_ring_too_small_to_trim_goes_on_in_the_reserve() {
    let Some(disk) = Disk::mount(16 << 20) else { return };
    let dir = disk.0.path().join("data");
    let mut writer = Writer::open(&dir, &config(64 << 20), at(0)).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(4));
    disk.fill();
    let stored = commit_until_full(&mut writer, &mut office);
    writer.set_disk(DiskState::Short).unwrap();
    assert_eq!(writer.trim(at(0), true).unwrap().rows, 0);
    for _ in 0..10 {
        writer.commit(&[office.batch(&tenant, 50, at(0))], at(0)).unwrap();
    }
    assert_eq!(newest_row(&dir), stored + 500);
}

#[test]
fn a_store_opens_on_a_full_disk() {
    let Some(disk) = Disk::mount(16 << 20) else { return };
    let dir = disk.0.path().join("data");
    let mut writer = Writer::open(&dir, &config(16 << 20), at(0)).unwrap();
    let (tenant, mut office) = (TenantId::default(), Office::new(3));
    writer.commit(&[office.batch(&tenant, 500, at(0))], at(0)).unwrap();
    writer.close().unwrap();
    disk.fill();
    let mut writer = Writer::open(&dir, &config(16 << 20), at(0)).unwrap();
    writer.commit(&[office.batch(&tenant, 50, at(0))], at(0)).unwrap();
    assert_eq!(newest_row(&dir), 550);
    writer.close().unwrap();
}

#[test]
fn a_store_that_cannot_be_made_on_a_full_disk_is_told_as_that() {
    let Some(disk) = Disk::mount(1 << 20) else { return };
    let dir = disk.0.path().join("data");
    fs::create_dir(&dir).unwrap();
    File::create(dir.join("lock")).unwrap();
    disk.fill();
    let told = Writer::open(&dir, &config(16 << 20), at(0)).err().unwrap();
    assert!(told.is_full(), "{told}");
    disk.free();
    Writer::open(&dir, &config(16 << 20), at(0)).unwrap().close().unwrap();
}
