//! The command line: one file per command.

mod check;
mod collect;
mod factory_reset;
mod geo;
mod lookup;
mod meter;
mod offline;
mod output;
mod query;
mod run;
mod selftest;
mod store;
mod support_bundle;
mod zeek;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use ipnetwork::IpNetwork;
use weir_geo::Geo;
use weir_ti::Indicators;

use crate::capture::interface;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::RunError;
use crate::log;
use crate::pipeline::{Knowledge, Networks};
use crate::start::inventory;

const EXAMPLES: &str = "\
Examples:
  weir run                                   start the agent: capture, page on http://127.0.0.1:8080
  weir run --interface eth1                  capture on a mirror port
  weir run --replay office.pcap --speed max  feed the agent from a capture file, no rights needed
  weir meter traffic.pcapng.gz > flows.ndjson
  weir collect routers.pcap                  NetFlow, IPFIX and sFlow in a capture, to records
  weir zeek conn.log.gz dns.log.gz           Zeek's logs, TSV or JSON, to records
  weir lookup 9.9.9.9
  weir query --ip 10.1.2.3 --last 24h        search the ring, also while the agent runs
  weir query --top talkers --last 7d
  weir store stats                           what the ring holds and takes
  weir store check                           read all of it; weir store repair saves what can be read
  weir check /etc/weir/weir.toml
  weir selftest --wait 10                    check the device, and count packets for ten seconds
  weir support-bundle                        facts for support, without secrets

Exit codes: 0 ok, 64 usage, 65 undecodable input, 66 no input, 69 unavailable, 70 bug, 73 cannot create,
74 I/O, 77 no permission, 78 configuration.";

/// Network flow agent for branch-office gateways.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Configuration file (TOML)
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the ring, keys and databases
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the agent; what `weir` alone does too
    Run(run::Arguments),
    /// Turn capture files into flow records on standard output
    Meter(meter::Arguments),
    /// Turn NetFlow, IPFIX and sFlow in files into flow records on standard output
    Collect(collect::Arguments),
    /// Turn Zeek's logs into records on standard output
    Zeek(zeek::Arguments),
    /// Say what is known of an address or a name
    Lookup(lookup::Arguments),
    /// Search the records of the ring
    Query(Box<query::Arguments>),
    /// Check, repair, measure or write out the ring
    #[command(subcommand)]
    Store(store::Command),
    /// Check a configuration file
    Check(check::Arguments),
    /// Check the device, or the agent that runs on it
    Selftest(selftest::Arguments),
    /// Write facts for support into an archive, without secrets
    SupportBundle(support_bundle::Arguments),
    /// Databases of places
    #[command(subcommand)]
    Geo(geo::Command),
    /// Remove everything that the agent made in its data directory: ring, keys, identity
    FactoryReset(factory_reset::Arguments),
}

impl Default for Command {
    fn default() -> Self {
        Self::Run(run::Arguments::default())
    }
}

/// Runs the command that the process was called with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done about a terminal that is gone.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(RunError::USAGE),
            };
        }
    };
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

impl Cli {
    fn run(self) -> Result<(), RunError> {
        let clock = Clock;
        let command = self.command.unwrap_or_default();
        match &command {
            Command::Check(arguments) => return check::run(arguments),
            Command::Run(arguments) => return run::run(arguments, self.config, self.data_dir, clock),
            Command::FactoryReset(arguments) => {
                return factory_reset::run(arguments, self.config.as_deref(), self.data_dir.as_deref());
            }
            Command::Query(arguments) => {
                return query::run(arguments, self.config.as_deref(), self.data_dir.as_deref(), clock);
            }
            Command::Store(command) => {
                return store::run(command, self.config.as_deref(), self.data_dir.as_deref(), clock);
            }
            _ => {}
        }
        // These have to work, most of all, where the configuration does not.
        let found = || selftest::Found::new(self.config.as_deref(), self.data_dir.as_ref());
        match &command {
            Command::Selftest(arguments) => return selftest::run(arguments, &found(), clock),
            Command::SupportBundle(arguments) => {
                return support_bundle::run(arguments, &found(), clock);
            }
            _ => {}
        }
        let mut loaded = Config::load(self.config.as_deref())?;
        if let Some(data_dir) = self.data_dir {
            loaded.value.agent.data_dir = data_dir;
        }
        let config = &loaded.value;
        match &command {
            Command::Meter(arguments) => meter::run(arguments, config, clock),
            Command::Collect(arguments) => collect::run(arguments, config, clock),
            Command::Zeek(arguments) => zeek::run(arguments, config, clock),
            Command::Lookup(arguments) => lookup::run(arguments, config, clock),
            Command::Geo(command) => geo::run(command, config),
            Command::Run(_)
            | Command::Check(_)
            | Command::Query(_)
            | Command::Store(_)
            | Command::FactoryReset(_)
            | Command::Selftest(_)
            | Command::SupportBundle(_) => Ok(()),
        }
    }
}

/// Databases, lists and networks as `config` wants them; what is wrong with them is said on standard error.
///
/// `copies` is where private copies of databases are kept; without it they are read into memory.
fn knowledge(config: &Config, copies: Option<&Path>, clock: Clock) -> Knowledge {
    let (geo, geo_notices) = Geo::open(&geo_config(config), copies, clock.now());
    let (indicators, ti_notices) = Indicators::load(&config.ti);
    for notice in geo_notices.iter().filter(|notice| notice.level > weir_geo::Level::Info) {
        eprintln!("weir: {notice}");
    }
    for notice in ti_notices {
        eprintln!("weir: {notice}");
    }
    // What a file says does not depend on the host that reads it.
    assemble(config, Arc::new(geo), Arc::new(indicators), Vec::new())
}

/// Takes an imported location database from the data directory where the configuration names none.
fn geo_config(config: &Config) -> weir_geo::Config {
    let imported = config.agent.data_dir.join(inventory::IMPORTED);
    let mut geo = config.geo.clone();
    if geo.city_db.is_none() && imported.is_file() {
        geo.city_db = Some(imported);
    }
    geo
}

fn assemble(
    config: &Config,
    geo: Arc<Geo>,
    indicators: Arc<Indicators>,
    interfaces: Vec<interface::Prefix>,
) -> Knowledge {
    let mut networks = config.networks.local.clone();
    networks.extend(interfaces.into_iter().filter_map(|at| IpNetwork::new(at.network, at.length).ok()));
    Knowledge { geo, indicators, networks: Networks::new(networks), risk: config.risk.clone() }
}

/// Starts the log as `config` says.
fn start_log(config: &log::Config) -> Result<log::Handle, RunError> {
    log::start(config.level, config.format.unwrap_or_else(log::Format::of_stderr))
        .map_err(|error| RunError::Bug(error.to_string()))
}
