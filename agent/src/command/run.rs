//! `weir run`: the arguments of the agent.

use std::net::SocketAddr;
use std::path::PathBuf;
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
use crate::log;
use crate::settings;
use crate::start::choice::Origin;
use crate::start::inventory::COPIES;
use crate::start::{Choice, Given, Ground, LastGood, Standing, Trouble, privileges};

/// What `weir run` is asked to do.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Arguments {
    /// Address and port of page and API
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Interface to capture on; may be given more than once [default: that of the default route]
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,
    /// Feed the agent from capture files instead of interfaces and exporters
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "interface")]
    replay: Vec<PathBuf>,
    /// Pace of a replay: `max`, or a factor of the recorded pace
    #[arg(long, value_name = "SPEED", default_value = "1", requires = "replay")]
    speed: Speed,
    /// Start in spite of mistakes in the configuration, with the last one that worked, and in spite of a data directory
    /// that cannot be used; say so in the log, in /v1/health and on the page
    #[arg(long)]
    keep_last_good: bool,
    /// Write a line to standard output at every change of the agent's condition, and each minute
    #[arg(long)]
    status_line: bool,
}

/// Runs the command.
pub(super) fn run(
    arguments: &Arguments,
    file: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    clock: Clock,
) -> Result<(), RunError> {
    let given = Given {
        file,
        data_dir,
        listen: arguments.listen,
        interfaces: arguments.interface.clone(),
        keep_last_good: arguments.keep_last_good,
    };
    let choice = Choice::make(&given, &settings::environment())?;
    let log = super::start_log(&choice.loaded.value.log)?;
    choice.log(&given);
    let trouble = choice.trouble(&given);
    let Choice { loaded, entry, origin, .. } = choice;
    let config = loaded.value;
    info!(version = env!("CARGO_PKG_VERSION"), data_dir = %config.agent.data_dir.display(), "weir starts");
    let captures = arguments.replay.is_empty() && config.capture.enabled;
    if let Some(owner) = entry.owner.as_ref().filter(|owner| owner.is_named) {
        match owner.give(&config.agent.data_dir) {
            // A directory that cannot be used is told when it is entered.
            Err(problem) if given.keep_last_good => error!("{problem}"),
            other => other?,
        }
    }
    privileges::give_up(entry.owner.as_ref(), captures)?;
    let ground = Ground::enter(&config, entry, given.keep_last_good, clock)?;
    let standing = Arc::clone(&ground.standing);
    standing.set_config(trouble);
    let last_good = given.keep_last_good.then(|| LastGood::of(&config.agent.data_dir));
    // What was fallen back to is kept already.
    let effective = (origin == Origin::Given).then_some(loaded.effective);
    let keeper = last_good.clone();
    let reload = reload(given, log, standing, last_good, origin);
    let mut agent = Agent::build(config, arguments.input(), ground, prepare, reload, clock)?;
    if arguments.status_line {
        agent.tell_stdout();
    }
    agent.run(|| {
        if let (Some(keeper), Some(effective)) = (keeper, effective) {
            keeper.keep(effective.as_deref());
        }
    })
}

impl Arguments {
    fn input(&self) -> Input {
        if self.replay.is_empty() {
            return Input::Live;
        }
        Input::Files { files: self.replay.clone(), speed: self.speed }
    }
}

/// Reads the given configuration again, tells the health of it, and keeps one that is good.
fn reload(
    given: Given,
    log: log::Handle,
    standing: Arc<Standing>,
    last_good: Option<LastGood>,
    origin: Origin,
) -> Reload {
    Box::new(move || {
        let again = given.read().inspect_err(|problem| {
            standing.set_config(Some(given.not_reloaded(problem)));
        })?;
        standing.set_config(waits_for_a_start(origin));
        if let Some(last_good) = &last_good {
            last_good.keep(again.effective.as_deref());
        }
        log.set_level(again.value.log.level);
        Ok(again.value)
    })
}

/// What is still missing after a good reload of an agent that did not start with the given configuration.
fn waits_for_a_start(origin: Origin) -> Option<Trouble> {
    let detail = "the configuration is correct again, but the agent did not start with it: sections other than log, networks, geo, ti and risk apply when weir is restarted";
    (origin != Origin::Given).then(|| Trouble::degraded(detail.to_owned()))
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
