//! `weir zeek`: Zeek's logs to records.

mod lines;
mod seen;

use std::path::{Path, PathBuf};

use weir_flow::{FlowRecord, Kind, Text, Timestamp};
use weir_intake::Reason;
use weir_intake::zeek::{Join, Line, LogReader, log_name};

use super::offline::{Options, Progress, Records};
use crate::capture::file::{Error, Input};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::RunError;
use crate::table::Sink;
use lines::{Found, Lines};
use seen::Seen;

/// Connections whose names are kept: those of some hours of a branch office, in about 50 MiB.
const MAX_UIDS: usize = 262_144;

/// Lines between two looks at the clock for the progress line.
const LOOK_EVERY: u64 = 16_384;

/// Octets after which a file without a header or a record is no log: the rest of it is not read.
const PROBED: u64 = 1 << 20;

/// Lines of a file that are looked at to see which log it is: the header and what may stand before it.
const PEEKED: u64 = 64;

/// What standard input is called.
const STDIN: &str = "-";

const ABOUT: &str = "\
Logs are read as Zeek writes them: TSV with its header lines, or JSON, also with records of several logs in one file. \
Connections get the names that dns, ssl, http and quic logs among the files say of them, in whatever order the files are \
given.

Examples:
  weir zeek conn.log > flows.ndjson
  weir zeek conn.10:00:00-11:00:00.log.gz dns.10:00:00-11:00:00.log.gz
  weir zeek --format csv --no-enrich *.log
  zcat conn.*.log.gz | weir zeek -

Exit codes: 0 everything was read, 65 something could not be (what could is written), 66 a file is missing.";

/// What `weir zeek` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = ABOUT)]
pub(super) struct Arguments {
    /// Zeek logs, TSV or JSON, plain, gzip or zstd; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, config: &Config, clock: Clock) -> Result<(), RunError> {
    let mut job = Job {
        now: clock.now(),
        records: Records::new(&arguments.options, config, clock),
        progress: Progress::new(clock),
        join: Join::new(MAX_UIDS),
        seen: Seen::default(),
    };
    job.learn(&arguments.files);
    for path in &arguments.files {
        job.records.observe(Some(Text::from(path.to_string_lossy())));
        job.file(path);
        if job.records.has_failed() {
            break;
        }
    }
    job.finish(arguments.files.len())
}

struct Job {
    now: Timestamp,
    records: Records,
    progress: Progress,
    join: Join,
    seen: Seen,
}

impl Job {
    /// Reads the logs that name connections beforehand, where they come after the connections.
    fn learn(&mut self, files: &[PathBuf]) {
        if files.len() < 2 {
            return;
        }
        let kinds: Vec<Option<Kind>> = files.iter().map(|path| self.kind(path)).collect();
        let Some(first) = kinds.iter().position(|kind| *kind == Some(Kind::Flow)) else { return };
        let named = files.iter().zip(&kinds).skip(first).filter(|(_, kind)| names_connections(kind.as_ref()));
        for (path, _) in named {
            let (join, now) = (&mut self.join, self.now);
            let mut reader = reader(path);
            let mut each = |found: Found<'_>| {
                if let Found::Line(line) = found
                    && let Line::Record(record) = reader.line(line, now)
                {
                    join.learn(&record);
                }
                true
            };
            // What is wrong with the file is told when it is read again.
            if let Ok(Input::Other(file)) = Input::open(path) {
                let mut lines = Lines::new(file);
                while lines.some(&mut each).unwrap_or(false) {}
            }
        }
    }

    /// The kind of the first record of a file. Standard input, which cannot be read twice, may hold connections.
    fn kind(&self, path: &Path) -> Option<Kind> {
        if path == Path::new(STDIN) {
            return Some(Kind::Flow);
        }
        let Ok(Input::Other(file)) = Input::open(path) else { return None };
        let (mut lines, mut reader, mut kind, mut looked) = (Lines::new(file), reader(path), None, 0);
        let mut each = |found: Found<'_>| {
            looked += 1;
            if let Found::Line(line) = found
                && let Line::Record(record) = reader.line(line, self.now)
            {
                kind = Some(record.kind);
            }
            kind.is_none() && looked < PEEKED
        };
        while lines.some(&mut each).unwrap_or(false) {}
        kind
    }

    fn file(&mut self, path: &Path) {
        let file = match Input::open(path) {
            Ok(Input::Other(file)) => file,
            Ok(Input::Capture(_)) => {
                let path = path.display();
                let hint = "a capture, no Zeek log; `weir meter` and `weir collect` read it";
                return self.progress.undecodable(format_args!("{path} is {hint}"));
            }
            // A JSON log in which nothing was written.
            Err(Error::Empty { .. }) => return,
            Err(fault) => return self.progress.fault(&fault),
        };
        let start = file.start();
        let mut lines = Lines::new(file);
        let mut reading = Reading { reader: reader(path), seen: Seen::default() };
        let read = loop {
            let found = lines.some(|found| self.line(&mut reading, found));
            let probed = lines.file().offset() > PROBED && !reading.is_log();
            match found {
                Ok(true) if !probed => {}
                Ok(_) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        if let Err(fault) = &read {
            self.progress.fault(fault);
        }
        if reading.is_log() || (read.is_err() && reading.seen.lines == 0) {
            self.seen.merge(reading.seen);
        } else {
            self.progress.undecodable(format_args!(
                "{} is no Zeek log (it begins with {start}); give TSV with its header lines or JSON, plain, .gz or .zst",
                path.display()
            ));
        }
    }

    /// Reads a line; false when there is no use in going on.
    fn line(&mut self, reading: &mut Reading, found: Found<'_>) -> bool {
        let Reading { reader, seen } = reading;
        seen.lines += 1;
        let line = match found {
            Found::Line(line) => reader.line(line, self.now),
            Found::TooLong => Line::Bad(Reason::TooLarge.of("")),
        };
        match line {
            Line::Record(record) => {
                seen.record(reader.name(), &record);
                self.take(*record);
            }
            Line::Bad(rejected) => seen.bad(rejected.reason),
            Line::Nothing => {}
        }
        if seen.lines.is_multiple_of(LOOK_EVERY) {
            let (lines, records) = (self.seen.lines + seen.lines, self.records.count());
            self.progress.show(format_args!("{lines} lines, {records} records"));
        }
        !self.records.has_failed()
    }

    fn take(&mut self, mut record: FlowRecord) {
        if record.kind == Kind::Flow {
            self.join.tell(&mut record);
        } else {
            self.join.learn(&record);
        }
        self.records.take(record);
    }

    fn finish(mut self, files: usize) -> Result<(), RunError> {
        self.progress.clear();
        self.records.finish()?;
        self.seen.tell(files, &self.join, &mut self.progress);
        self.progress.verdict()
    }
}

/// A file that is being read.
struct Reading {
    reader: LogReader,
    seen: Seen,
}

impl Reading {
    /// True when it has shown itself to be a log.
    fn is_log(&self) -> bool {
        self.seen.records > 0 || !self.reader.header().is_empty()
    }
}

fn reader(path: &Path) -> LogReader {
    let name = path.file_name().filter(|_| path != Path::new(STDIN));
    LogReader::new(name.and_then(|name| log_name(&name.to_string_lossy())))
}

/// True for the logs that [`Join`] learns from.
fn names_connections(kind: Option<&Kind>) -> bool {
    match kind {
        Some(Kind::Dns | Kind::Tls | Kind::Http) => true,
        Some(Kind::Other(name)) => &**name == "quic",
        _ => false,
    }
}
