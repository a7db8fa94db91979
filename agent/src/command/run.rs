//! `weir run`: the arguments of the agent.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{error, info, warn};
use weir_geo::{Geo, Level};
use weir_ti::Indicators;

use crate::agent::{Agent, Input, Reload};
use crate::capture::interface;
use crate::capture::replay::Speed;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::RunError;
use crate::settings::Loaded;

/// Directory for private copies of databases, in the data directory.
const COPIES: &str = "geo";

/// What `weir run` is asked to do.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Arguments {
    /// Address and port of page and API
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Interface to capture on; may be given more than once [default: that of the default route]
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,
    /// Feed the agent from capture files instead of an interface
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "interface")]
    replay: Vec<PathBuf>,
    /// Pace of a replay: `max`, or a factor of the recorded pace
    #[arg(long, value_name = "SPEED", default_value = "1", requires = "replay")]
    speed: Speed,
    /// Write a line to standard output at every change of the agent's condition, and each minute
    #[arg(long)]
    status_line: bool,
}

/// Runs the command.
pub(super) fn run(
    arguments: &Arguments,
    loaded: Loaded<Config>,
    file: Option<&Path>,
    clock: Clock,
) -> Result<(), RunError> {
    let Loaded { value: mut config, warnings, .. } = loaded;
    if let Some(listen) = arguments.listen {
        config.web.listen = listen;
    }
    if !arguments.interface.is_empty() {
        config.capture.interfaces.clone_from(&arguments.interface);
    }
    let input = if arguments.replay.is_empty() {
        Input::Interfaces
    } else {
        Input::Files { files: arguments.replay.clone(), speed: arguments.speed }
    };
    let log = super::start_log(&config.log)?;
    for warning in warnings {
        warn!("{warning}");
    }
    info!(version = env!("CARGO_PKG_VERSION"), data_dir = %config.agent.data_dir.display(), "weir starts");
    let file = file.map(Path::to_owned);
    let reload: Reload = Box::new(move || {
        let again = Config::load(file.as_deref())?.value;
        log.set_level(again.log.level);
        Ok(again)
    });
    let mut agent = Agent::build(config, input, prepare, reload, clock)?;
    if arguments.status_line {
        agent.tell_stdout();
    }
    agent.run()
}

/// Databases, lists and networks of the running agent; what is wrong with them goes to the log.
fn prepare(config: &Config, clock: Clock) -> crate::pipeline::Knowledge {
    let copies = config.agent.data_dir.join(COPIES);
    let (geo, notices) = Geo::open(&super::geo_config(config), Some(&copies), clock.now());
    for notice in notices {
        match notice.level {
            Level::Info => info!("{notice}"),
            Level::Warning => warn!("{notice}"),
            Level::Error => error!("{notice}"),
        }
    }
    let (indicators, notices) = Indicators::load(&config.ti);
    for notice in notices {
        warn!("{notice}");
    }
    let interfaces =
        if config.networks.interfaces_are_local { interface::local_prefixes() } else { Vec::new() };
    super::assemble(config, Arc::new(geo), Arc::new(indicators), interfaces)
}
