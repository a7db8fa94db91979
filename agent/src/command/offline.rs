//! What commands that turn files into records share: options, records out, progress, and how they end.

use std::fmt::{Arguments, Display};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_flow::{FlowRecord, Text};

use super::output::{Format, Output};
use crate::capture::file;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::RunError;
use crate::pipeline::{Enricher, Shared};
use crate::table::Sink;

const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Options that every such command has.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How records are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Leave out places, threat matches and risk
    #[arg(long)]
    no_enrich: bool,
}

/// Records on their way to standard output.
pub(super) struct Records {
    output: Output,
    enricher: Option<Enricher>,
    observer: Option<Text>,
}

impl Records {
    pub(super) fn new(options: &Options, config: &Config, clock: Clock) -> Self {
        let enricher = (!options.no_enrich)
            .then(|| Enricher::new(Arc::new(Shared::new(super::knowledge(config, None, clock)))));
        Self { output: Output::new(options.format), enricher, observer: None }
    }

    /// Says where the records that follow were observed.
    pub(super) fn observe(&mut self, observer: Option<Text>) {
        self.observer = observer;
    }

    /// Records taken so far.
    pub(super) const fn count(&self) -> u64 {
        self.output.records()
    }

    /// See [`Output::has_failed`].
    pub(super) const fn has_failed(&self) -> bool {
        self.output.has_failed()
    }

    /// Writes what is left.
    pub(super) fn finish(self) -> Result<(), RunError> {
        self.output.finish().map_err(RunError::Output)
    }
}

impl Sink for Records {
    fn take(&mut self, mut record: FlowRecord) {
        if self.observer.is_some() {
            record.observer.clone_from(&self.observer);
        }
        if let Some(enricher) = &mut self.enricher {
            enricher.enrich(&mut record);
        }
        self.output.write(&record);
    }
}

/// A line on the terminal that says how far it is, nothing when standard error is not one; and what was wrong on the
/// way.
pub(super) struct Progress {
    clock: Clock,
    shown: Option<Instant>,
    on: bool,
    missing: bool,
    undecodable: bool,
}

impl Progress {
    pub(super) fn new(clock: Clock) -> Self {
        let on = io::stderr().is_terminal();
        Self { clock, shown: None, on, missing: false, undecodable: false }
    }

    /// Shows how far it is, unless it did so a moment ago.
    pub(super) fn show(&mut self, how_far: Arguments<'_>) {
        let now = self.clock.monotonic();
        if self.on && self.shown.is_none_or(|at| now.duration_since(at) >= PROGRESS_EVERY) {
            eprint!("\r{how_far} ");
            self.shown = Some(now);
        }
    }

    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            eprint!("\r\x1b[K");
            // Nothing can be done about a terminal that is gone.
            let _ = io::stderr().flush();
        }
    }

    /// A file could not be opened, or not be read to its end.
    pub(super) fn fault(&mut self, fault: &file::Error) {
        self.missing |= matches!(fault, file::Error::Open { .. });
        self.undecodable(fault);
    }

    /// Part of the input could not be decoded; `what` says so.
    pub(super) fn undecodable(&mut self, what: impl Display) {
        self.clear();
        eprintln!("weir: {what}");
        self.undecodable = true;
    }

    /// How the command ends, where nothing else failed.
    pub(super) const fn verdict(&self) -> Result<(), RunError> {
        match (self.missing, self.undecodable) {
            (true, _) => Err(RunError::Reported(RunError::NO_INPUT)),
            (false, true) => Err(RunError::Reported(RunError::DATA)),
            (false, false) => Ok(()),
        }
    }
}
