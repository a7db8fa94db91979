//! Where records come from: interfaces, exporters and Zeek's logs, or capture files instead of all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::spawn;
use crate::batcher::{Batcher, Policy};
use crate::capture::live::{Fanout, FanoutBy, Settings};
use crate::capture::replay::{Replay, Speed};
use crate::capture::{self, bpf::Program, interface};
use crate::clock::Clock;
use crate::collect::kept::{self, Keeper, Slot};
use crate::collect::{self, Collector};
use crate::config::Config;
use crate::error::RunError;
use crate::link::Sender;
use crate::metrics::{Collecting, Following, Point};
use crate::stop::Stop;
use crate::worker::{LARGE_STACK, Supervisor};
use crate::zeek;

/// What feeds the agent.
pub enum Input {
    /// The interfaces, listeners and logs of the configuration.
    Live,
    /// Capture files and nothing else, so that what comes of them is the same each time.
    Files {
        /// In this order.
        files: Vec<PathBuf>,
        /// At this pace.
        speed: Speed,
    },
}

/// All inputs, not yet running.
pub(super) struct Inputs {
    packets: Packets,
    collector: Option<collect::Worker>,
    follower: Option<zeek::Worker>,
    /// Counters of the observation points.
    pub(super) points: Vec<Arc<Point>>,
    /// Counters of the collecting process.
    pub(super) collecting: Arc<Collecting>,
    /// Counters of the logs that are followed.
    pub(super) following: Arc<Following>,
    /// Writes what the collecting process shall know after a restart.
    pub(super) keeper: Keeper,
}

/// Where inputs keep what they know.
pub(super) struct Dirs<'a> {
    /// The directory of the ring, which has the bookmarks.
    pub(super) ring: &'a Path,
    /// The data directory, if what is in it outlives this run.
    pub(super) writable: Option<PathBuf>,
}

/// Which observation points there are.
enum Packets {
    Interfaces(Vec<capture::Worker>),
    Files(Replay),
    None,
}

impl Inputs {
    /// What `input` asks for, with records for `to`. What is to be known after a restart is read from the data directory and
    /// written to `dirs`.
    pub(super) fn plan(config: &Config, input: Input, to: &Sender, dirs: Dirs<'_>, clock: Clock) -> Self {
        let slot = Slot::default();
        let keeper = Keeper::new(slot.clone(), dirs.writable);
        let is_live = matches!(input, Input::Live);
        let collector = (is_live && config.collect.enabled).then(|| collector(config, to, slot, clock));
        let collecting = collector.as_ref().map(|worker| Arc::clone(&worker.collecting)).unwrap_or_default();
        let follower = (is_live && config.zeek.enabled).then(|| follower(config, to, dirs.ring, clock));
        let following = follower.as_ref().map(|worker| Arc::clone(&worker.following)).unwrap_or_default();
        let (points, packets) = packets(config, input, to, clock);
        Self { packets, collector, follower, points, collecting, following, keeper }
    }

    /// Starts them; they end on `stop`.
    pub(super) fn start(self, supervisor: &mut Supervisor, stop: &Stop) -> Result<(), RunError> {
        if let Some(worker) = self.collector {
            let worker = collect::Worker { stop: stop.clone(), ..worker };
            spawn(supervisor, "collect", LARGE_STACK, move || worker.run())?;
        }
        if let Some(worker) = self.follower {
            let worker = zeek::Worker { stop: stop.clone(), ..worker };
            spawn(supervisor, "zeek", LARGE_STACK, move || worker.run())?;
        }
        match self.packets {
            Packets::None => Ok(()),
            Packets::Files(replay) => {
                let replay = Replay { stop: stop.clone(), ..replay };
                spawn(supervisor, "replay", LARGE_STACK, move || replay.run())
            }
            Packets::Interfaces(workers) => {
                for (number, worker) in workers.into_iter().enumerate() {
                    let worker = capture::Worker { stop: stop.clone(), ..worker };
                    let name = format!("cap-{}-{number}", worker.point.name());
                    spawn(supervisor, &name, LARGE_STACK, move || worker.run())?;
                }
                Ok(())
            }
        }
    }
}

/// Names what cannot be read before anything is started.
pub(super) fn readable(files: &[PathBuf]) -> Result<(), RunError> {
    for file in files.iter().filter(|file| file.as_os_str() != "-") {
        std::fs::File::open(file).map_err(|error| {
            RunError::NoInput(format!(
                "cannot open {}: {error}; check the name and your right to read it",
                file.display()
            ))
        })?;
    }
    Ok(())
}

fn collector(config: &Config, to: &Sender, kept: Slot, clock: Clock) -> collect::Worker {
    if let Some(advice) = config.collect.advice() {
        warn!("{advice}");
    }
    let mut collector = Collector::new(config.collect.settings());
    kept::restore(&mut collector, &config.agent.data_dir);
    collect::Worker {
        collector,
        receive_buffer: config.collect.receive_buffer_bytes,
        batcher: Batcher::of_exports(to.clone(), Policy::Wait, clock),
        collecting: Arc::new(Collecting::new(config.collect.listen.addresses())),
        kept,
        stop: Stop::new(),
        clock,
    }
}

fn follower(config: &Config, to: &Sender, ring: &Path, clock: Clock) -> zeek::Worker {
    zeek::Worker {
        config: config.zeek.clone(),
        data_dir: ring.to_owned(),
        to: to.clone(),
        following: Arc::new(Following::new()),
        stop: Stop::new(),
        clock,
    }
}

fn packets(config: &Config, input: Input, to: &Sender, clock: Clock) -> (Vec<Arc<Point>>, Packets) {
    let limit = config.flow.max_flows.get();
    let stop = Stop::new();
    match input {
        Input::Files { files, speed } => {
            let points: Vec<_> =
                files.iter().map(|file| Arc::new(Point::new(&file.to_string_lossy(), limit))).collect();
            let batcher = Batcher::new(to.clone(), Policy::Push, "", clock);
            let flow = config.flow;
            (points.clone(), Packets::Files(Replay { files, speed, flow, batcher, points, stop, clock }))
        }
        Input::Live if !config.capture.enabled => (Vec::new(), Packets::None),
        Input::Live => {
            let mut names = config.capture.interfaces.clone();
            if names.is_empty() {
                // The network may come later than the agent: the worker waits for it.
                names.push(interface::default_route().unwrap_or_default());
            }
            let workers: Vec<_> = names
                .iter()
                .enumerate()
                .flat_map(|(at, name)| workers(config, at, name, to, clock))
                .collect();
            (workers.iter().map(|worker| Arc::clone(&worker.point)).collect(), Packets::Interfaces(workers))
        }
    }
}

/// The threads of one interface.
fn workers(config: &Config, at: usize, name: &str, to: &Sender, clock: Clock) -> Vec<capture::Worker> {
    let count = config.capture.workers.count().get();
    // Unique among the programs of this host, and among the interfaces of this process.
    #[expect(clippy::cast_possible_truncation, reason = "the group has 16 bits")]
    let group = (std::process::id() as u16).wrapping_add(at as u16);
    let filter = config.capture.filter.as_ref();
    let settings = Settings {
        snaplen: config.capture.snaplen.octets(),
        ring_bytes: config.capture.ring_bytes.octets(),
        promiscuous: config.capture.promiscuous,
        fanout: (count > 1).then_some(Fanout { group, by: FanoutBy::AddressPair }),
        filter: filter.map_or_else(|| Program::accept_all(u32::MAX), |filter| filter.program().clone()),
    };
    let worker = |_| capture::Worker {
        interface: name.to_owned(),
        settings: settings.clone(),
        flow: config.flow,
        batcher: Batcher::new(to.clone(), Policy::Offer, name, clock),
        point: Arc::new(Point::new(name, config.flow.max_flows.get())),
        stop: Stop::new(),
        clock,
    };
    (0..count).map(worker).collect()
}
