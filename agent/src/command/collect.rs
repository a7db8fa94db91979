//! `weir collect`: what routers and firewalls exported, from files to flow records.

mod seen;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::offline::{Options, Progress, Records};
use crate::capture::Frame;
use crate::capture::file::{self, CaptureFile, FileClock, Input, Octets};
use crate::clock::Clock;
use crate::collect::{Arrival, Collector, Settings, extent};
use crate::config::Config;
use crate::error::RunError;
use crate::packet::{Content, Datagrams, LinkType};
use seen::Seen;

/// Ports that exporters send to by default or by custom: IANA's of IPFIX (4739) and sFlow (6343), those of Cisco's and
/// others' manuals for `NetFlow`.
const EXPORT_PORTS: [u16; 9] = [2055, 2056, 4432, 4739, 6343, 9555, 9995, 9996, 9997];

/// Exporters that are kept apart: more than send to one collector. Stops a capture of forged addresses from taking
/// memory.
const MAX_EXPORTERS: usize = 4_096;

/// Frames or messages between two looks at the clock for the progress line.
const LOOK_EVERY: u64 = 4_096;

/// What a file of bare messages is read by: the longest one, and the start of the next.
const WINDOW: usize = extent::MAX_MESSAGE + extent::LONGEST_START;

/// Who sent a bare message is not known.
const UNKNOWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

const ABOUT: &str = "\
A capture (pcap, pcapng) gives every UDP datagram with an export in it, also from fragments: those sent to the usual ports \
(2055, 2056, 4432, 4739, 6343, 9555, 9995, 9996, 9997), and those to other ports that look like an export. Any other file \
is an export itself: one datagram, or several messages one after the other, as in IPFIX files (RFC 5655). Templates live on \
from file to file.

Examples:
  weir collect routers.pcapng.zst > flows.ndjson
  weir collect --port 2100 --format csv routers.pcap
  weir collect template.dat data-*.dat      files of one datagram each, in order
  tcpdump -i eth0 -w - udp port 2055 | weir collect --no-enrich -

Exit codes: 0 everything was decoded, 65 something could not be (what could is written), 66 a file is missing.";

/// What `weir collect` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = ABOUT)]
pub(super) struct Arguments {
    /// Captures with exports, or exports themselves, plain, gzip or zstd; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// In captures, take what was sent to this UDP port, and nothing else; can be given several times
    #[arg(long = "port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
    /// Exporters behind one address, such as that of a NAT, are told apart by their port
    #[arg(long)]
    by_port: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, config: &Config, clock: Clock) -> Result<(), RunError> {
    let settings =
        Settings { by_port: arguments.by_port, max_exporters: MAX_EXPORTERS, ..Settings::default() };
    let mut job = Job {
        wanted: Wanted(&arguments.ports),
        collector: Collector::new(settings),
        records: Records::new(&arguments.options, config, clock),
        progress: Progress::new(clock),
        time: FileClock::default(),
        mono: Duration::ZERO,
        seen: Seen::default(),
    };
    for path in &arguments.files {
        job.file(path);
        if job.records.has_failed() {
            break;
        }
    }
    job.finish(arguments.files.len())
}

/// Which datagrams of a capture are exports.
#[derive(Clone, Copy)]
struct Wanted<'a>(&'a [u16]);

impl Wanted<'_> {
    fn takes(self, port: u16, payload: &[u8]) -> bool {
        match self.0 {
            [] => EXPORT_PORTS.contains(&port) || extent::is_plausible(payload),
            ports => ports.contains(&port),
        }
    }
}

struct Job<'a> {
    wanted: Wanted<'a>,
    collector: Collector,
    records: Records,
    progress: Progress,
    time: FileClock,
    /// The time of the latest frame by a clock that only goes forward.
    mono: Duration,
    seen: Seen,
}

impl Job<'_> {
    fn file(&mut self, path: &Path) {
        let read = match Input::open(path) {
            Ok(Input::Capture(file)) => self.capture(file),
            Ok(Input::Other(file)) => self.messages(file),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = read {
            self.progress.fault(&fault);
        }
    }

    fn capture(&mut self, mut file: CaptureFile) -> Result<(), file::Error> {
        let mut datagrams = Datagrams::default();
        let read = loop {
            if self.records.has_failed() {
                break Ok(());
            }
            match file.next() {
                Ok(Some((frame, link))) => self.frame(&mut datagrams, link, &frame),
                Ok(None) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        let Self { wanted, seen, .. } = self;
        datagrams.forget(&mut |port, payload| seen.lost(*wanted, port, payload));
        read
    }

    fn frame(&mut self, datagrams: &mut Datagrams, link: LinkType, frame: &Frame<'_>) {
        let Self { wanted, seen, .. } = self;
        let mut lost = |port, payload: &[u8]| seen.lost(*wanted, port, payload);
        match datagrams.read(link, frame, &mut lost) {
            Ok(Content::Datagram(datagram)) if wanted.takes(datagram.port, datagram.payload) => {
                let table = self.time.at(frame.timestamp).table;
                self.mono = Duration::from_micros(table.unsigned_abs());
                self.message(datagram.from, datagram.payload, Some(frame.timestamp));
            }
            Ok(Content::Datagram(_)) => self.seen.other_datagrams += 1,
            Ok(Content::Other) => self.seen.other_packets += 1,
            Ok(Content::Fragment) => {}
            Err(why) => self.seen.not_ip[why as usize] += 1,
        }
        self.look();
    }

    /// Reads a file of bare messages.
    fn messages(&mut self, mut file: Octets) -> Result<(), file::Error> {
        while !self.records.has_failed() {
            let window = file.window(WINDOW)?;
            let at_end = window.len() < WINDOW;
            if window.is_empty() {
                break;
            }
            if extent::version(window).is_none() {
                return Err(file.no_export());
            }
            let message = extent::first_message(window, at_end);
            let Some(length) = message.or_else(|| extent::length(window)) else {
                return Err(file.no_message());
            };
            self.message(UNKNOWN, window.get(..length).unwrap_or(window), None);
            self.look();
            file.advance(length);
            if message.is_none() {
                return Err(file.no_message());
            }
        }
        Ok(())
    }

    fn message(&mut self, from: SocketAddr, payload: &[u8], wall: Option<weir_flow::Timestamp>) {
        self.seen.samples(payload);
        let at = Arrival { wall, mono: self.mono };
        self.collector.datagram(from, payload, at, &mut self.records);
    }

    fn look(&mut self) {
        self.seen.looked += 1;
        if self.seen.looked.is_multiple_of(LOOK_EVERY) {
            let records = self.records.count();
            self.progress.show(format_args!("{} read, {records} records", self.seen.looked));
        }
    }

    fn finish(mut self, files: usize) -> Result<(), RunError> {
        self.collector.end();
        let report = self.collector.report();
        self.progress.clear();
        let records = self.records.count();
        self.records.finish()?;
        self.seen.tell(&report, records, files, &mut self.progress);
        self.progress.verdict()
    }
}
