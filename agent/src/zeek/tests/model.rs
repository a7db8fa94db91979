//! A writer that does what Zeek and its helpers do to files, and an agent that can be killed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use weir_flow::FlowRecord;

use crate::clock::Clock;
use crate::link::{self, Receiver, Recv};
use crate::settings;
use crate::stop::Stop;
use crate::zeek::config::Config;
use crate::zeek::follower::Follower;
use crate::zeek::handover::{Handover, Over};
use crate::zeek::report::Report;

/// More than any test writes.
const ROOM: usize = 1_000_000;
const POLL: Duration = Duration::from_millis(500);
/// When the writer begins: well before now, so that its clock never comes ahead.
const AGO: Duration = Duration::from_secs(80_000);

/// Repeatable random numbers (Steele, Lea, Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }
}

/// Both, in a directory of their own; `settings` are further lines of the configuration.
pub(super) fn pair(settings: &str) -> (Writer, Agent) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let writer = Writer {
        root: folder.path().to_owned(),
        number: 0,
        half: None,
        rotations: 0,
        said: Vec::new(),
        time: SystemTime::UNIX_EPOCH + Duration::from_micros(Clock.now().micros().unsigned_abs()) - AGO,
        _folder: Arc::clone(&folder),
    };
    writer.make_directory();
    fs::create_dir(writer.root.join("archive")).unwrap();
    let text = format!(
        "directories = [{:?}]\narchives = [{:?}]\n{settings}",
        writer.current(),
        writer.root.join("archive")
    );
    let config: Config = settings::load(&text, "f", &[], &[]).map(|loaded| loaded.value).unwrap();
    (writer, Agent::start(folder, config, BTreeMap::new(), Vec::new(), Clock.monotonic()))
}

/// Writes numbered lines of `conn.log`.
pub(super) struct Writer {
    root: PathBuf,
    number: u64,
    half: Option<String>,
    rotations: u64,
    /// What happened, for a test that fails.
    said: Vec<String>,
    /// Its own clock, which stamps files: a second for each deed, so that no two share a tick.
    time: SystemTime,
    _folder: Arc<TempDir>,
}

fn line(number: u64) -> String {
    format!(
        "{{\"ts\":1795264496.123456,\"uid\":\"C{number}\",\"id.orig_h\":\"10.0.0.1\",\"id.orig_p\":4000,\
         \"id.resp_h\":\"10.0.0.2\",\"id.resp_p\":53,\"proto\":\"udp\",\"orig_pkts\":1,\"orig_ip_bytes\":60}}\n"
    )
}

impl Writer {
    fn current(&self) -> PathBuf {
        self.root.join("current")
    }

    fn log(&self) -> PathBuf {
        self.current().join("conn.log")
    }

    /// The first `count` numbers.
    #[expect(clippy::unused_self, reason = "reads as what it is")]
    pub(super) fn written(&self, count: u64) -> Vec<u64> {
        (0..count).collect()
    }

    /// All numbers.
    pub(super) fn all(&self) -> Vec<u64> {
        (0..self.number).collect()
    }

    pub(super) fn lines(&mut self, count: u64) {
        self.finish_line();
        let text: String = (self.number..self.number + count).map(line).collect();
        self.number += count;
        self.raw(text.as_bytes());
    }

    pub(super) fn raw(&mut self, octets: &[u8]) {
        self.append(&self.log(), octets);
    }

    /// Writes to another log.
    pub(super) fn beside(&mut self, name: &str, octets: &[u8]) {
        self.append(&self.current().join(name), octets);
    }

    fn append(&mut self, path: &Path, octets: &[u8]) {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(octets).unwrap();
        self.stamp(path);
    }

    fn stamp(&mut self, path: &Path) {
        self.wait(1);
        File::options().write(true).open(path).unwrap().set_modified(self.time).unwrap();
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.time += Duration::from_secs(seconds);
    }

    pub(super) fn half_line(&mut self) {
        if self.half.is_none() {
            let line = line(self.number);
            let (first, second) = line.split_at(line.len() / 3);
            self.raw(first.as_bytes());
            self.half = Some(second.to_owned());
        }
    }

    pub(super) fn other_half(&mut self) {
        let second = self.half.take().unwrap();
        self.number += 1;
        self.raw(second.as_bytes());
    }

    pub(super) fn finish_line(&mut self) {
        if self.half.is_some() {
            self.other_half();
        }
    }

    pub(super) fn say(&mut self, what: &str) {
        self.said.push(format!("at line {}: {what}", self.number));
    }

    pub(super) fn said(&self) -> &[String] {
        &self.said
    }

    pub(super) fn forget_half(&mut self) {
        self.half = None;
    }

    fn archive_name(&mut self) -> PathBuf {
        self.rotations += 1;
        let folder = self.root.join("archive/2026-11-21");
        fs::create_dir_all(&folder).unwrap();
        folder.join(format!("conn.{:02}:00:00-{:02}:00:00.log", self.rotations, self.rotations + 1))
    }

    fn is_there(&self) -> bool {
        self.log().exists()
    }

    pub(super) fn rotate(&mut self, random: &mut Random) {
        self.finish_line();
        if !self.is_there() {
            return;
        }
        let way = random.below(4);
        self.say(&format!("rotation {way}"));
        match way {
            0 => self.rotate_in_place(),
            1 => self.archive(),
            2 => self.archive_packed(),
            _ => self.copy_and_truncate(),
        }
    }

    pub(super) fn rotate_in_place(&mut self) {
        self.rotations += 1;
        let name = format!("conn.2026-11-21-{:02}-00-00.log", self.rotations);
        fs::rename(self.log(), self.current().join(name)).unwrap();
    }

    pub(super) fn archive(&mut self) {
        let to = self.archive_name();
        fs::rename(self.log(), to).unwrap();
    }

    /// As zeekctl does: packed into another file, which has a time of its own.
    pub(super) fn archive_packed(&mut self) {
        let to = self.archive_name().with_extension("log.gz");
        let mut encoder = GzEncoder::new(File::create(&to).unwrap(), Compression::fast());
        encoder.write_all(&fs::read(self.log()).unwrap()).unwrap();
        encoder.finish().unwrap();
        self.stamp(&to);
        fs::remove_file(self.log()).unwrap();
    }

    /// As an archiver does that packs files elsewhere first.
    pub(super) fn move_aside(&mut self) {
        fs::rename(self.log(), self.root.join("aside")).unwrap();
    }

    pub(super) fn archive_aside(&mut self) {
        let to = self.archive_name();
        fs::rename(self.root.join("aside"), to).unwrap();
    }

    /// From now on files are stamped as of some minutes ago.
    pub(super) fn catch_up(&mut self) {
        self.time = SystemTime::UNIX_EPOCH + Duration::from_micros(Clock.now().micros().unsigned_abs())
            - Duration::from_secs(300);
    }

    pub(super) fn archived(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.root.join("archive/2026-11-21"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    pub(super) fn replace(&mut self, file: &Path, octets: &[u8]) {
        fs::write(file, octets).unwrap();
        self.stamp(file);
    }

    pub(super) fn copy_and_truncate(&mut self) {
        self.rotations += 1;
        let copy = self.current().join(format!("conn.log.{}", self.rotations));
        fs::write(&copy, fs::read(self.log()).unwrap()).unwrap();
        self.stamp(&copy);
        self.truncate();
    }

    pub(super) fn truncate(&mut self) {
        File::options().write(true).open(self.log()).unwrap().set_len(0).unwrap();
        self.stamp(&self.log());
    }

    /// As an editor does.
    pub(super) fn replace_by_copy(&mut self) {
        let copy = self.root.join("copy");
        fs::copy(self.log(), &copy).unwrap();
        fs::rename(copy, self.log()).unwrap();
    }

    pub(super) fn delete(&mut self) {
        fs::remove_file(self.log()).unwrap();
    }

    pub(super) fn remove_directory(&self) {
        fs::remove_dir_all(self.current()).unwrap();
    }

    pub(super) fn make_directory(&self) {
        fs::create_dir(self.current()).unwrap();
    }
}

/// An agent's follower, and the ring behind it.
pub(super) struct Agent {
    folder: Arc<TempDir>,
    config: Config,
    follower: Follower,
    from: Receiver,
    stop: Stop,
    /// Its clock of timeouts.
    now: Instant,
    /// What is committed.
    bookmarks: BTreeMap<String, String>,
    records: Vec<FlowRecord>,
}

impl Agent {
    fn start(
        folder: Arc<TempDir>,
        config: Config,
        bookmarks: BTreeMap<String, String>,
        records: Vec<FlowRecord>,
        now: Instant,
    ) -> Self {
        let (to, from) = link::channel("test", ROOM);
        let stop = Stop::new();
        let rows: Vec<_> = bookmarks.clone().into_iter().collect();
        let handover = Handover { to, stop: stop.clone(), clock: Clock };
        let follower = Follower::new(config.clone(), handover, &rows, now);
        Self { folder, config, follower, from, stop, now, bookmarks, records }
    }

    /// Follows for this long by its own clock.
    pub(super) fn run(&mut self, time: Duration) {
        self.run_on(time).unwrap_or_else(|over| panic!("{over:?}"));
    }

    pub(super) fn run_on(&mut self, time: Duration) -> Result<(), Over> {
        let end = self.now + time;
        loop {
            self.follower.look(self.now)?;
            while self.follower.read(self.now)? {}
            self.follower.tidy(self.now)?;
            if self.now >= end {
                return Ok(());
            }
            // Long rests are looked at in longer steps.
            self.now += if time > Duration::from_secs(60) { 10 * POLL } else { POLL };
        }
    }

    fn commit(&mut self, batches: usize) {
        for _ in 0..batches {
            let Recv::Batch(batch) = self.from.recv_timeout(Duration::ZERO) else { return };
            self.records.extend(batch.records);
            let bookmark = batch.bookmark.unwrap();
            self.bookmarks.insert(bookmark.input.to_string(), bookmark.position.to_string());
        }
    }

    pub(super) fn records(&mut self) -> Vec<FlowRecord> {
        self.commit(usize::MAX);
        self.records.clone()
    }

    /// Numbers of the lines that are stored, in the order of the ring.
    pub(super) fn stored(&mut self) -> Vec<u64> {
        let uid = |record: &FlowRecord| {
            let uid = record.extra.as_ref()?.get("uid")?.as_str()?.strip_prefix('C')?.to_owned();
            uid.parse().ok()
        };
        self.records().iter().filter_map(uid).collect()
    }

    pub(super) fn report(&mut self) -> Report {
        self.follower.report(self.now)
    }

    /// Searches for rotated files at the next look, and looks.
    pub(super) fn search_now(&mut self) {
        self.follower.archive.hurry();
        self.run(Duration::ZERO);
    }

    pub(super) const fn bookmarks(&self) -> &BTreeMap<String, String> {
        &self.bookmarks
    }

    pub(super) fn files(&mut self) -> usize {
        self.report().logs.iter().map(|log| log.files).sum()
    }

    /// Killed and started again, everything handed over being committed.
    pub(super) fn killed(self) -> Self {
        self.killed_after(u64::MAX)
    }

    /// The same, when only so many of the batches under way were committed.
    pub(super) fn killed_after(mut self, batches: u64) -> Self {
        self.commit(usize::try_from(batches).unwrap_or(usize::MAX));
        let Self { folder, config, bookmarks, records, now, .. } = self;
        Self::start(folder, config, bookmarks, records, now)
    }

    /// Started again with a link of `records`.
    pub(super) fn with_room_for(self, records: usize) -> (Self, Stop) {
        let (to, from) = link::channel("test", records);
        let stop = self.stop.clone();
        let handover = Handover { to, stop: stop.clone(), clock: Clock };
        let follower = Follower::new(self.config.clone(), handover, &[], self.now);
        (Self { follower, from, ..self }, stop)
    }
}
