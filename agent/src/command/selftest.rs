//! `weir selftest`: checks of the device, or of the agent that runs on it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::care::selftest::{self, Report, Subject};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::error::RunError;

/// How long the agent that runs has to answer after it was started, unless told.
const RUNNING_SECONDS: u64 = 30;
/// Longest `--wait`: nobody waits longer, and a typing mistake must not block an update for days.
const MAX_WAIT_SECONDS: u64 = 3_600;

/// Where packages put the configuration and the data; a technician should not have to name them.
const INSTALLED: (&str, &str) = ("/etc/weir/weir.toml", "/var/lib/weir");

/// How the checks are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// What `weir selftest` is asked to do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How the checks are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Ask the agent that runs whether it works, and whether it is this version
    #[arg(long)]
    running: bool,
    /// Count packets for so long; with --running, wait so long for the agent [default: 0; with --running 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=MAX_WAIT_SECONDS))]
    wait: Option<u64>,
    /// Address and port of page and API, where not that of the configuration
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

/// A configuration for commands that have to work with a broken one too.
pub(super) struct Found {
    config: Config,
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
    origin: String,
    /// What is wrong with it; `config` then has the defaults.
    mistakes: Option<String>,
}

impl Found {
    /// Reads the configuration in `file`; the data directory of the command line goes before that in the file. What neither
    /// names is looked for where packages put it.
    pub(super) fn new(file: Option<&Path>, data_dir: Option<&PathBuf>) -> Self {
        let (installed_file, installed_dir) = (Path::new(INSTALLED.0), Path::new(INSTALLED.1));
        let file = file.or_else(|| Some(installed_file).filter(|file| file.is_file()));
        let origin = file.map_or_else(|| "defaults".to_owned(), |file| file.display().to_string());
        let (mut config, mistakes) = match Config::load(file) {
            Ok(loaded) => (loaded.value, None),
            Err(error) => (Config::default(), Some(error.to_string())),
        };
        if let Some(data_dir) = data_dir {
            config.agent.data_dir.clone_from(data_dir);
        } else if config.agent.data_dir == config::Agent::default().data_dir && installed_dir.is_dir() {
            config.agent.data_dir = installed_dir.to_owned();
        }
        Self { config, file: file.map(Path::to_owned), origin, mistakes }
    }

    /// What to check.
    pub(super) fn subject(&self, listen: Option<SocketAddr>, wait: Duration, clock: Clock) -> Subject<'_> {
        Subject {
            config: &self.config,
            origin: self.origin.clone(),
            mistakes: self.mistakes.clone(),
            geo: super::geo_config(&self.config),
            listen: listen.unwrap_or(self.config.web.listen),
            wait,
            clock,
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, found: &Found, clock: Clock) -> Result<(), RunError> {
    let usual = if arguments.running { RUNNING_SECONDS } else { 0 };
    let wait = Duration::from_secs(arguments.wait.unwrap_or(usual));
    let subject = found.subject(arguments.listen, wait, clock);
    let report = if arguments.running { selftest::running(&subject) } else { selftest::run(&subject) };
    match io::stdout().write_all(text(&report, arguments.format).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(RunError::Output(error)),
        _ => {}
    }
    if report.ok { Ok(()) } else { Err(RunError::Reported(RunError::UNAVAILABLE)) }
}

fn text(report: &Report, format: Format) -> String {
    match format {
        Format::Text => report.to_string(),
        Format::Json => serde_json::to_string_pretty(report).unwrap_or_default() + "\n",
    }
}
