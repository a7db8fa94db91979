//! The agent: its parts put together, started back to front and stopped front to back.
//!
//! ```text
//! capture, collection and Zeek's logs, or replay ─ link ─ pipeline ─ link ─ store ══ ring ══ web workers ─ guard
//! ```
//!
//! `main` waits for signals and for the first worker to end, feeds the watchdog, and looks once a second after what
//! changes by itself: databases, lists, windows.

mod inputs;

use std::env;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};
use weir_ti::Index;
use weir_web::Web;

use crate::care::display::Display;
use crate::clock::Clock;
use crate::collect::kept::Keeper;
use crate::config::Config;
use crate::error::RunError;
use crate::hunt::{self, News};
use crate::intake;
use crate::link::{self, Receiver, Sender};
use crate::metrics::{Hunting, Metrics, Sampler};
use crate::notify::{self, Notifier};
use crate::pipeline::{self, Enricher, Knowledge, Shared};
use crate::signals::{Signal, Signals};
use crate::start::Ground;
use crate::start::place::Place;
use crate::status::Status;
use crate::stop::Stop;
use crate::storing;
use crate::uplink::{self, Uplink};
use crate::worker::{LARGE_STACK, SMALL_STACK, Supervisor};

/// Records that may wait between the inputs and the pipeline: a second of a busy gateway.
const INPUT_RECORDS: usize = 16_384;
/// Records that may wait between the pipeline and the store.
const STORE_RECORDS: usize = 16_384;
/// `main` looks after things this often.
const TICK: Duration = Duration::from_secs(1);
/// A stop that takes longer than this is given up: systemd's own limit is 90 s.
const STOP_LIMIT: Duration = Duration::from_secs(60);

pub use inputs::Input;
use inputs::{Dirs, Inputs};

/// Reads the configuration again.
pub type Reload = Box<dyn Fn() -> Result<Config, RunError>>;
/// Opens databases and lists.
pub type Prepare = fn(&Config, Clock) -> Knowledge;

/// All parts, not yet running.
pub struct Agent {
    config: Config,
    knowledge: Arc<Shared>,
    prepare: Prepare,
    reload: Reload,
    news: Option<Arc<News>>,
    metrics: Arc<Metrics>,
    inputs: Inputs,
    carrier: intake::Worker,
    place: Place,
    key_file: PathBuf,
    web: Option<Web>,
    display: Display,
    signals: Signals,
    links: (Sender, Receiver, Sender, Receiver),
    stop: Stop,
    clock: Clock,
}

impl Agent {
    /// Opens everything else that can fail, so that a mistake is told before anything runs.
    ///
    /// # Errors
    /// The private socket or a capture file cannot be had.
    pub fn build(
        config: Config,
        input: Input,
        ground: Ground,
        prepare: Prepare,
        reload: Reload,
        clock: Clock,
    ) -> Result<Self, RunError> {
        let unavailable =
            |error: std::io::Error| RunError::Unavailable(format!("cannot take signals: {error}"));
        let signals = Signals::new().map_err(unavailable)?;
        if let Input::Files { files, .. } = &input {
            inputs::readable(files)?;
        }
        let Ground { listener, led, place, keys, key_file, standing } = ground;
        let knowledge = Arc::new(Shared::new(prepare(&config, clock)));
        let (to_pipeline, from_inputs) = link::channel("inputs → pipeline", INPUT_RECORDS);
        let (to_store, from_pipeline) = link::channel("pipeline → store", STORE_RECORDS);
        let links = vec![to_pipeline.stats(), to_store.stats()];
        let stop = Stop::new();
        let (gate, carrier) = intake::open(&config.ingest, to_pipeline.clone(), &stop, clock);
        // What is kept in memory for this run is nothing to know after a restart.
        let writable = place.temporary.is_none().then(|| place.dir.clone());
        let dirs = Dirs { ring: &place.dir, writable };
        let inputs = Inputs::plan(&config, input, &to_pipeline, dirs, clock);
        let (points, collecting) = (inputs.points.clone(), Arc::clone(&inputs.collecting));
        let metrics = Metrics::new(clock.monotonic(), points, links, collecting);
        let metrics = metrics.with_following(Arc::clone(&inputs.following));
        let news = config.hunt.enabled.then(|| knowledge.current().indicators.digest());
        let news = news.map(|digest| Arc::new(News::new(digest)));
        let hunting = if news.is_some() { Hunting::new() } else { Hunting::default() };
        let metrics = Arc::new(metrics.with_hunting(Arc::new(hunting)));
        let preset = uplink::preset(&config.splunk, &config.elastic);
        let uplink = Uplink::new(place.dir.clone(), &standing.about(), preset, stop.clone(), clock);
        let shared = Arc::clone(&knowledge);
        let mapped = move || {
            shared.current().geo.info().iter().filter(|one| one.mapped).filter_map(|one| one.bytes).sum()
        };
        let enricher = Enricher::new(Arc::clone(&knowledge));
        let status: Arc<dyn weir_web::Status> =
            Arc::new(Status::new(Arc::clone(&metrics), standing, enricher, Box::new(mapped), clock));
        let parts = || weir_web::Parts {
            data_dir: place.dir.clone(),
            keys,
            status: Arc::clone(&status),
            intake: Arc::new(gate),
            exporter: Arc::new(uplink),
        };
        let web = listener.map(|listener| weir_web::serve(listener, &config.web, parts())).transpose()?;
        let display = Display::new(&config, led, status, clock.monotonic());
        let links = (to_pipeline, from_inputs, to_store, from_pipeline);
        Ok(Self {
            config,
            knowledge,
            prepare,
            reload,
            news,
            metrics,
            inputs,
            carrier,
            place,
            key_file,
            web,
            display,
            signals,
            links,
            stop,
            clock,
        })
    }

    /// Writes a line to standard output whenever the agent's condition changes, and each minute.
    pub fn tell_stdout(&mut self) {
        self.display.to_stdout();
    }

    /// Runs until told to stop; calls `started` once everything does.
    ///
    /// # Errors
    /// A worker that ended by itself, with its reason; records that could not be stored.
    pub fn run(self, started: impl FnOnce()) -> Result<(), RunError> {
        let Self {
            config,
            knowledge,
            prepare,
            reload,
            news,
            metrics,
            inputs,
            carrier,
            place,
            key_file,
            web,
            display,
            signals,
            links,
            stop,
            clock,
        } = self;
        // The directory of a ring for one run outlives the threads that use it.
        let Place { dir, writer, config: store, temporary: _temporary, steadfast, .. } = place;
        let notifier = notifier();
        let mut supervisor = Supervisor::new(Some(signals.waker()));
        let (to_pipeline, from_inputs, to_store, from_pipeline) = links;
        let ways = (&to_pipeline, &to_store, &stop, clock);
        start_hunt(&mut supervisor, &config, &knowledge, news.as_ref(), &metrics, &dir, ways)?;
        let storing = storing::Worker {
            from: from_pipeline,
            writer,
            config: store,
            dir,
            set_damaged_aside: steadfast,
            metrics: Arc::clone(&metrics),
            stop: stop.clone(),
            clock,
        };
        spawn(&mut supervisor, "store", LARGE_STACK, move || storing.run())?;
        let enricher = Enricher::new(Arc::clone(&knowledge));
        let pipeline =
            pipeline::Worker { from: from_inputs, to: to_store, enricher, metrics: Arc::clone(&metrics) };
        spawn(&mut supervisor, "pipeline", LARGE_STACK, move || pipeline.run())?;
        spawn(&mut supervisor, "intake", SMALL_STACK, move || carrier.run())?;
        let stop_web = web.map(|web| serve(&mut supervisor, web, &key_file)).transpose()?;
        let keeper = inputs.keeper.clone();
        inputs.start(&mut supervisor, &stop)?;
        notifier.ready();
        started();
        let is_watched = watchdog().is_some();
        let care = Care {
            config,
            knowledge,
            prepare,
            reload,
            news,
            metrics,
            display,
            keeper: keeper.clone(),
            notifier,
            is_watched,
            signals,
            clock,
        };
        let outcome = care.watch(&supervisor);
        stop.set();
        // From here only the inputs hold the link open: when they have drained, it closes.
        drop(to_pipeline);
        let finished = finish(supervisor, stop_web, outcome);
        keeper.finish();
        finished
    }
}

/// Waits for the workers to drain, front to back, then ends the page.
fn finish(
    supervisor: Supervisor,
    stop_web: Option<weir_web::Stop>,
    outcome: Result<(), RunError>,
) -> Result<(), RunError> {
    // The page stays up to the last: it shows what the stop waits for.
    supervisor.wait_for("store", STOP_LIMIT);
    if let Some(web) = stop_web {
        web.stop();
    }
    match supervisor.join_all(STOP_LIMIT) {
        Ok(ended) => {
            info!("weir stops");
            let failed =
                ended.into_iter().find_map(|ended| ended.reason().map(|reason| (ended.name, reason)));
            outcome.and(failed.map_or(Ok(()), |(name, reason)| Err(RunError::worker(&name, &reason))))
        }
        Err(running) => {
            outcome.and(Err(RunError::Bug(format!("{} did not end in time", running.join(", ")))))
        }
    }
}

/// What `main` looks after while the workers run.
struct Care {
    config: Config,
    knowledge: Arc<Shared>,
    prepare: Prepare,
    reload: Reload,
    /// Told which indicators are new, if that is wanted.
    news: Option<Arc<News>>,
    metrics: Arc<Metrics>,
    display: Display,
    keeper: Keeper,
    notifier: Notifier,
    /// The service manager waits for signs of life.
    is_watched: bool,
    signals: Signals,
    clock: Clock,
}

impl Care {
    /// Returns on a stop, or with the reason of the first worker that ended by itself.
    fn watch(mut self, supervisor: &Supervisor) -> Result<(), RunError> {
        let mut sampler = Sampler::default();
        let mut refreshed = (self.clock.monotonic(), self.clock.monotonic());
        let mut next = self.clock.monotonic();
        loop {
            let wait = next.saturating_duration_since(self.clock.monotonic());
            match self.signals.wait(wait) {
                Ok(Some(Signal::Stop)) => {
                    self.notifier.stopping();
                    return Ok(());
                }
                Ok(Some(Signal::Reload)) => self.reload(),
                Ok(None) => {}
                Err(error) => return Err(RunError::Unavailable(format!("cannot wait for signals: {error}"))),
            }
            if let Some(ended) = supervisor.first_ended() {
                let reason = ended.reason().unwrap_or_else(|| "it ended by itself".to_owned());
                return Err(RunError::worker(&ended.name, &reason));
            }
            let now = self.clock.monotonic();
            if now >= next {
                next = now + TICK;
                sampler.sample(&self.metrics, self.clock.now(), now);
                self.refresh(now, &mut refreshed);
                self.keeper.refresh(now);
                self.display.refresh(&self.notifier, now);
                if self.is_watched {
                    self.notifier.watchdog();
                }
            }
        }
    }

    /// Takes replaced databases and lists in, each at its own pace.
    fn refresh(&self, now: Instant, last: &mut (Instant, Instant)) {
        let every = |seconds: NonZeroU32| Duration::from_secs(seconds.get().into());
        if now.duration_since(last.0) >= every(self.config.geo.reload_seconds) {
            last.0 = now;
            self.refresh_geo();
        }
        if now.duration_since(last.1) >= Duration::from_secs(self.config.ti.reload_seconds.max(1).into()) {
            last.1 = now;
            self.refresh_indicators();
        }
    }

    fn refresh_geo(&self) {
        for notice in self.knowledge.current().geo.refresh(self.clock.now()) {
            warn!("{notice}");
        }
    }

    fn refresh_indicators(&self) {
        let before = self.knowledge.current().indicators.index();
        for notice in self.knowledge.current().indicators.refresh() {
            warn!("{notice}");
        }
        self.tell_news(&before);
    }

    /// Says what is in use now where `before` was.
    fn tell_news(&self, before: &Index) {
        let indicators = &self.knowledge.current().indicators;
        let after = indicators.index();
        if let Some(news) = self.news.as_ref().filter(|_| !std::ptr::eq(before, &*after)) {
            news.changed(before, &after, indicators.digest(), self.clock.now());
        }
    }

    /// Reads the configuration and all data files again; a mistake leaves everything as it was.
    fn reload(&mut self) {
        self.notifier.reloading();
        match (self.reload)() {
            Ok(again) => {
                self.config.log = again.log;
                self.config.geo = again.geo;
                self.config.ti = again.ti;
                self.config.risk = again.risk;
                self.config.networks = again.networks;
                let before = self.knowledge.current().indicators.index();
                self.knowledge.replace((self.prepare)(&self.config, self.clock));
                self.tell_news(&before);
                info!("reloaded log, networks, geo, ti and risk; other sections apply at the next start");
            }
            Err(problem) => {
                for line in problem.lines() {
                    error!("configuration not reloaded, the old one stays: {line}");
                }
            }
        }
        self.notifier.ready();
    }
}

/// The way to the service manager, if one started this process.
fn notifier() -> Notifier {
    Notifier::new(env::var_os("NOTIFY_SOCKET").as_deref()).unwrap_or_else(|error| {
        warn!("cannot reach the service manager: {error}");
        Notifier::default()
    })
}

/// Starts the hunt for new indicators, if that is wanted.
fn start_hunt(
    supervisor: &mut Supervisor,
    config: &Config,
    knowledge: &Arc<Shared>,
    news: Option<&Arc<News>>,
    metrics: &Arc<Metrics>,
    dir: &Path,
    (to_pipeline, to_store, stop, clock): (&Sender, &Sender, &Stop, Clock),
) -> Result<(), RunError> {
    let Some(news) = news else { return Ok(()) };
    let worker = hunt::Worker {
        config: config.hunt.clone(),
        dir: dir.to_owned(),
        knowledge: Arc::clone(knowledge),
        news: Arc::clone(news),
        to_pipeline: to_pipeline.clone(),
        to_store: to_store.clone(),
        slice: hunt::SLICE,
        max_sightings: hunt::MAX_SIGHTINGS,
        hunting: Arc::clone(&metrics.hunting),
        metrics: Arc::clone(metrics),
        stop: stop.clone(),
        clock,
    };
    spawn(supervisor, "hunt", LARGE_STACK, move || worker.run())
}

fn serve(supervisor: &mut Supervisor, web: Web, key_file: &Path) -> Result<weir_web::Stop, RunError> {
    for (number, worker) in web.workers.into_iter().enumerate() {
        spawn(supervisor, &format!("web-{number}"), LARGE_STACK, move || worker.run())?;
    }
    let guard = web.guard;
    spawn(supervisor, "guard", SMALL_STACK, move || guard.run())?;
    info!(key_file = %key_file.display(), "page and API on http://{}/", web.address);
    Ok(web.stop)
}

fn spawn<E: std::fmt::Display>(
    supervisor: &mut Supervisor,
    name: &str,
    stack: usize,
    body: impl FnOnce() -> Result<(), E> + Send + 'static,
) -> Result<(), RunError> {
    let failed = |error| {
        RunError::Unavailable(format!("cannot start thread {name}: {error}; raise the limit of tasks"))
    };
    supervisor.spawn(name, stack, body).map_err(failed)
}

/// How long the service manager waits for a sign of life, if it does; [`TICK`] is well below any sane choice.
fn watchdog() -> Option<Duration> {
    let variable = |name| env::var(name).ok();
    let (wanted, of) = (variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
    notify::watchdog_interval(wanted.as_deref(), of.as_deref(), std::process::id())
}
