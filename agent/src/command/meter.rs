//! `weir meter`: capture files to flow records.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_flow::{FlowRecord, Text};

use super::output::{Format, Output};
use crate::capture::file::{self, CaptureFile, FileClock};
use crate::capture::meter::Meter;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::RunError;
use crate::pipeline::{Enricher, Shared};

/// Frames between two looks at the clock for the progress line.
const FRAMES_PER_LOOK: u64 = 65_536;
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// What `weir meter` is asked to do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Capture files, pcap or pcapng, plain, gzip or zstd; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How records are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Leave out places, threat matches and risk
    #[arg(long)]
    no_enrich: bool,
    /// The files are pieces of one capture: flows go on from one to the next
    #[arg(long)]
    joined: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, config: &Config, clock: Clock) -> Result<(), RunError> {
    let mut enricher = None;
    if !arguments.no_enrich {
        enricher = Some(Enricher::new(Arc::new(Shared::new(super::knowledge(config, None, clock)))));
    }
    let mut job = Job {
        meter: Meter::new(config.flow),
        time: FileClock::default(),
        output: Output::new(arguments.format),
        enricher,
        progress: Progress::new(clock),
        faults: Vec::new(),
    };
    let mut records_of = None;
    for path in &arguments.files {
        if !arguments.joined {
            records_of = Some(Text::from(path.to_string_lossy()));
        }
        job.file(path, records_of.as_ref());
        if !arguments.joined {
            job.end_file(records_of.as_ref());
        }
        if job.output.has_failed() {
            break;
        }
    }
    job.end_file(records_of.as_ref());
    job.finish(&arguments.files)
}

struct Job {
    meter: Meter,
    time: FileClock,
    output: Output,
    enricher: Option<Enricher>,
    progress: Progress,
    faults: Vec<file::Error>,
}

impl Job {
    fn file(&mut self, path: &Path, observer: Option<&Text>) {
        let mut file = match CaptureFile::open(path) {
            Ok(file) => file,
            Err(fault) => return self.fault(fault),
        };
        let Self { meter, time, output, enricher, progress, .. } = self;
        let mut sink = |record| finish(record, observer, enricher.as_mut(), output);
        let fault = loop {
            match file.next() {
                Ok(Some((frame, link))) => meter.frame(link, &frame, time.at(frame.timestamp), &mut sink),
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            }
            if meter.counts().frames.is_multiple_of(FRAMES_PER_LOOK) {
                progress.show(meter.counts().packets, meter.table().len());
            }
        };
        if let Some(fault) = fault {
            self.fault(fault);
        }
    }

    /// Ends the flows of a file, so that the same file always gives the same records.
    fn end_file(&mut self, observer: Option<&Text>) {
        let Self { meter, output, enricher, .. } = self;
        meter.drain(&mut |record| finish(record, observer, enricher.as_mut(), output));
        self.time = FileClock::default();
    }

    fn fault(&mut self, fault: file::Error) {
        self.progress.clear();
        eprintln!("weir: {fault}");
        self.faults.push(fault);
    }

    fn finish(mut self, files: &[PathBuf]) -> Result<(), RunError> {
        self.progress.clear();
        let counts = *self.meter.counts();
        let records = self.output.records();
        self.output.finish().map_err(RunError::Output)?;
        eprintln!(
            "weir: {} packets, {} octets, {records} records from {} frames in {} file(s)",
            counts.packets,
            counts.octets,
            counts.frames,
            files.len()
        );
        for (why, count) in counts.reasons() {
            let what = if why.is_undecodable() { "undecodable" } else { "not IP" };
            eprintln!("weir: {what}: {count} {}", why.as_str());
        }
        if self.faults.iter().any(|fault| matches!(fault, file::Error::Open { .. })) {
            return Err(RunError::Reported(RunError::NO_INPUT));
        }
        if !self.faults.is_empty() || counts.undecodable() > 0 {
            return Err(RunError::Reported(RunError::DATA));
        }
        Ok(())
    }
}

fn finish(
    mut record: FlowRecord,
    observer: Option<&Text>,
    enricher: Option<&mut Enricher>,
    output: &mut Output,
) {
    record.observer = observer.cloned();
    if let Some(enricher) = enricher {
        enricher.enrich(&mut record);
    }
    output.write(&record);
}

/// A line on the terminal that says how far it is; nothing when standard error is not one.
struct Progress {
    clock: Clock,
    shown: Option<Instant>,
    on: bool,
}

impl Progress {
    fn new(clock: Clock) -> Self {
        Self { clock, shown: None, on: io::stderr().is_terminal() }
    }

    fn show(&mut self, packets: u64, flows: usize) {
        let now = self.clock.monotonic();
        if self.on && self.shown.is_none_or(|at| now.duration_since(at) >= PROGRESS_EVERY) {
            eprint!("\r{packets} packets, {flows} flows open ");
            self.shown = Some(now);
        }
    }

    fn clear(&mut self) {
        if self.shown.take().is_some() {
            eprint!("\r\x1b[K");
            // Nothing can be done about a terminal that is gone.
            let _ = io::stderr().flush();
        }
    }
}
