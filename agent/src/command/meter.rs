//! `weir meter`: capture files to flow records.

use std::path::{Path, PathBuf};

use weir_flow::Text;

use super::offline::{Options, Progress, Records};
use crate::capture::file::{CaptureFile, FileClock};
use crate::capture::meter::Meter;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::RunError;

/// Frames between two looks at the clock for the progress line.
const FRAMES_PER_LOOK: u64 = 65_536;

/// What `weir meter` is asked to do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Capture files, pcap or pcapng, plain, gzip or zstd; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// The files are pieces of one capture: flows go on from one to the next
    #[arg(long)]
    joined: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, config: &Config, clock: Clock) -> Result<(), RunError> {
    let mut job = Job {
        meter: Meter::new(config.flow),
        time: FileClock::default(),
        records: Records::new(&arguments.options, config, clock),
        progress: Progress::new(clock),
    };
    for path in &arguments.files {
        if !arguments.joined {
            job.records.observe(Some(Text::from(path.to_string_lossy())));
        }
        job.file(path);
        if !arguments.joined {
            job.end_file();
        }
        if job.records.has_failed() {
            break;
        }
    }
    job.end_file();
    job.finish(&arguments.files)
}

struct Job {
    meter: Meter,
    time: FileClock,
    records: Records,
    progress: Progress,
}

impl Job {
    fn file(&mut self, path: &Path) {
        let Self { meter, time, records, progress } = self;
        let mut file = match CaptureFile::open(path) {
            Ok(file) => file,
            Err(fault) => return progress.fault(&fault),
        };
        loop {
            match file.next() {
                Ok(Some((frame, link))) => meter.frame(link, &frame, time.at(frame.timestamp), records),
                Ok(None) => break,
                Err(fault) => return progress.fault(&fault),
            }
            if meter.counts().frames.is_multiple_of(FRAMES_PER_LOOK) {
                let (packets, flows) = (meter.counts().packets, meter.table().len());
                progress.show(format_args!("{packets} packets, {flows} flows open"));
            }
        }
    }

    /// Ends the flows of a file, so that the same file always gives the same records.
    fn end_file(&mut self) {
        self.meter.drain(&mut self.records);
        self.time = FileClock::default();
    }

    fn finish(self, files: &[PathBuf]) -> Result<(), RunError> {
        let Self { meter, records, mut progress, .. } = self;
        progress.clear();
        let (counts, written) = (meter.counts(), records.count());
        records.finish()?;
        eprintln!(
            "weir: {} packets, {} octets, {written} records from {} frames in {} file(s)",
            counts.packets,
            counts.octets,
            counts.frames,
            files.len()
        );
        for (why, count) in counts.reasons() {
            if why.is_undecodable() {
                progress.undecodable(format_args!("undecodable: {count} {}", why.as_str()));
            } else {
                eprintln!("weir: not IP: {count} {}", why.as_str());
            }
        }
        progress.verdict()
    }
}
