//! A writer that does to its logs what Zeek, its archiver and logrotate do: it appends, rotates, packs, copies and empties.
//!
//! Each line of its `conn.log` has a number of its own, in the uid, so that a ring can be asked for each.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::agent::{Agent, Options};
use crate::random::Random;
use crate::ring;

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns with a header.
    Tsv,
    /// An object a line.
    Json,
}

/// What a rotation does with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Renames it beside the new one.
    InPlace,
    /// Moves it into a folder by date.
    Archive,
    /// Packs it into such a folder, in pieces, and removes it then.
    Packed,
    /// Copies it, and empties it.
    CopyTruncate,
}

/// All ways.
pub const ROTATIONS: [Rotation; 4] =
    [Rotation::InPlace, Rotation::Archive, Rotation::Packed, Rotation::CopyTruncate];

/// A writer of `conn.log`, and the folder of all that it writes.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    format: Format,
    log: Option<File>,
    /// The number of the next line.
    pub number: u64,
    rotations: u32,
}

impl Writer {
    /// A writer below `folder`.
    ///
    /// # Panics
    /// Where there is no room.
    #[must_use]
    pub fn new(folder: &Path, format: Format) -> Self {
        let writer = Self { folder: folder.to_owned(), format, log: None, number: 0, rotations: 0 };
        for folder in [writer.current(), writer.archive()] {
            fs::create_dir_all(folder).expect("room in the temporary folder");
        }
        writer
    }

    /// The directory that it writes to.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.folder.join("current")
    }

    fn archive(&self) -> PathBuf {
        self.folder.join("archive/2026-11-21")
    }

    /// The file that it writes to.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.current().join("conn.log")
    }

    /// Writes `count` lines, in pieces that end anywhere.
    ///
    /// # Panics
    /// Where there is no room.
    pub fn lines(&mut self, count: u64, random: &mut Random) {
        let text: String = (self.number..self.number + count).map(|number| self.line(number)).collect();
        self.number += count;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let length = usize::try_from(1 + random.below(4_000)).expect("a few").min(rest.len());
            let (piece, after) = rest.split_at(length);
            self.raw(piece);
            rest = after;
        }
    }

    /// Writes octets as they are.
    ///
    /// # Panics
    /// Where there is no room.
    pub fn raw(&mut self, octets: &[u8]) {
        if self.log.is_none() {
            let mut log = OpenOptions::new().append(true).create(true).open(self.file()).expect("a log");
            log.write_all(self.header().as_bytes()).expect("room in the temporary folder");
            self.log = Some(log);
        }
        let log = self.log.as_mut().expect("opened above");
        log.write_all(octets).expect("room in the temporary folder");
    }

    fn header(&self) -> String {
        if self.format == Format::Json {
            return String::new();
        }
        format!(
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
             #open\t2026-11-21-10-00-00-{}\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\t\
             orig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tinterval\t\
             count\tcount\tcount\tcount\n",
            self.rotations
        )
    }

    fn line(&self, number: u64) -> String {
        let (ts, port) = (1_795_264_496 + number / 1_000, 1_024 + number % 60_000);
        match self.format {
            Format::Tsv => {
                format!(
                    "{ts}.{:06}\tC{number}\t10.0.0.1\t{port}\t198.51.100.7\t443\ttcp\t0.25\t3\t180\t2\t120\n",
                    number % 1_000
                )
            }
            Format::Json => format!(
                "{{\"ts\":{ts}.{:06},\"uid\":\"C{number}\",\"id.orig_h\":\"10.0.0.1\",\"id.orig_p\":{port},\"id.resp_h\":\
                 \"198.51.100.7\",\"id.resp_p\":443,\"proto\":\"tcp\",\"orig_pkts\":3,\"orig_ip_bytes\":180,\"resp_pkts\":2,\
                 \"resp_ip_bytes\":120}}\n",
                number % 1_000
            ),
        }
    }

    /// Rotates the log, if there is one.
    ///
    /// # Panics
    /// Where files cannot be made or moved.
    pub fn rotate(&mut self, how: Rotation) {
        if self.log.is_none() {
            return;
        }
        if self.format == Format::Tsv && how != Rotation::CopyTruncate {
            self.raw(b"#close\t2026-11-21-11-00-00\n");
        }
        self.rotations += 1;
        self.log = None;
        let stamp = format!("2026-11-21-{:06}", self.rotations);
        let archived =
            self.archive().join(format!("conn.{:06}-{:06}.log", self.rotations, self.rotations + 1));
        match how {
            Rotation::InPlace => {
                let to = self.current().join(format!("conn.{stamp}.log"));
                fs::rename(self.file(), to).expect("a rename");
            }
            Rotation::Archive => fs::rename(self.file(), archived).expect("a rename"),
            Rotation::Packed => {
                // The archiver moves the log away first, and packs it then.
                let aside = self.folder.join("aside.log");
                fs::rename(self.file(), &aside).expect("a rename");
                pack(&aside, &archived.with_extension("log.gz"));
            }
            Rotation::CopyTruncate => {
                let copy = self.current().join(format!("conn.log.{}", self.rotations));
                fs::copy(self.file(), copy).expect("a copy");
                File::create(self.file()).expect("an empty log");
            }
        }
    }

    /// The configuration of an agent that follows it and does nothing else.
    #[must_use]
    pub fn config(&self, settings: &str) -> String {
        format!(
            "[capture]\nenabled = false\n[zeek]\nenabled = true\npoll_milliseconds = 50\ndirectories = [{:?}]\n\
             archives = [{:?}]\n{settings}",
            self.current(),
            self.folder.join("archive")
        )
    }

    /// Starts an agent that follows it, with its ring in `data_dir`.
    #[must_use]
    pub fn follow(&self, data_dir: &Path, settings: &str) -> Agent {
        let config = Some(self.config(settings));
        Agent::start(&Options { config, data_dir: Some(data_dir.to_owned()), ..Options::default() })
    }
}

/// Packs `from` into `to` in pieces, with pauses, and removes it then.
fn pack(from: &Path, to: &Path) {
    let content = fs::read(from).expect("a log");
    let mut encoder = GzEncoder::new(File::create(to).expect("a file"), Compression::fast());
    for piece in content.chunks(content.len() / 3 + 1) {
        encoder.write_all(piece).and_then(|()| encoder.flush()).expect("room in the temporary folder");
        std::thread::sleep(Duration::from_millis(20));
    }
    encoder.finish().expect("room in the temporary folder");
    fs::remove_file(from).expect("a log");
}

/// The numbers of the lines in the ring of `data_dir`, sorted.
#[must_use]
pub fn numbers(data_dir: &Path) -> Vec<u64> {
    let number = |record: &Value| record["extra"]["uid"].as_str()?.strip_prefix('C')?.parse::<u64>().ok();
    let mut numbers: Vec<u64> = ring::records(data_dir).iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Checks that the ring of `data_dir` holds each of `count` lines once.
///
/// # Panics
/// Where it does not, with the first numbers that are missing or twice there.
pub fn assert_each_once(data_dir: &Path, count: u64) {
    let found = numbers(data_dir);
    let twice: Vec<_> =
        found.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).take(10).collect();
    let missing: Vec<_> = (0..count).filter(|number| found.binary_search(number).is_err()).take(10).collect();
    assert!(twice.is_empty() && missing.is_empty(), "twice: {twice:?}, missing: {missing:?} of {count}");
    assert_eq!(found.len() as u64, count);
}
