//! Which configuration the agent starts with: the given one, the last one that worked, or the built-in defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tracing::{error, warn};
use weir_flow::Timestamp;

use super::{Entry, LastGood, Trouble};
use crate::config::{Config, Source};
use crate::error::RunError;
use crate::settings::{self, Loaded};

/// The variable of the key `agent.data_dir`.
const DATA_DIR_VARIABLE: &str = "WEIR_AGENT_DATA_DIR";

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The data directory.
    pub data_dir: Option<PathBuf>,
    /// Address and port of the page.
    pub listen: Option<SocketAddr>,
    /// Interfaces to capture on; those of the configuration without any.
    pub interfaces: Vec<String>,
    /// Mistakes do not end the start: the last configuration that worked is used.
    pub keep_last_good: bool,
}

/// Where a configuration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file that was given, or none.
    Given,
    /// The last good one, with the variables or, when they are what is wrong, without.
    LastGood {
        /// The variables count.
        variables: bool,
    },
    /// The built-in defaults, with the variables or without.
    Defaults {
        /// The variables count.
        variables: bool,
    },
}

impl Origin {
    /// In the order in which they are tried.
    const ALL: [Self; 5] = [
        Self::Given,
        Self::LastGood { variables: true },
        Self::LastGood { variables: false },
        Self::Defaults { variables: true },
        Self::Defaults { variables: false },
    ];
}

/// The configuration that the agent starts with.
#[derive(Debug)]
pub struct Choice {
    /// The settings.
    pub loaded: Loaded<Config>,
    /// What was had at the door with them.
    pub entry: Entry,
    /// Where they come from.
    pub origin: Origin,
    /// What was wrong with those before, in the order in which they were tried.
    refused: Vec<(Origin, RunError)>,
    kept_at: Option<Timestamp>,
}

impl Given {
    /// Reads the given configuration.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(&self) -> Result<Loaded<Config>, RunError> {
        self.read_from(Origin::Given, &settings::environment())
    }

    /// The last good configuration of the data directory.
    #[must_use]
    pub fn last_good(&self, environment: &[(String, String)]) -> LastGood {
        let by_variable =
            || environment.iter().find(|(name, text)| name == DATA_DIR_VARIABLE && !text.is_empty());
        let dir = self.data_dir.clone().or_else(|| by_variable().map(|(_, dir)| PathBuf::from(dir)));
        LastGood::of(&dir.unwrap_or_else(|| Config::default().agent.data_dir))
    }

    fn read_from(
        &self,
        origin: Origin,
        environment: &[(String, String)],
    ) -> Result<Loaded<Config>, RunError> {
        let last_good = self.last_good(environment).path();
        let of = |variables: bool| if variables { environment } else { &[] };
        let mut loaded = match (origin, self.file.as_deref()) {
            (Origin::Given, None) => Config::read(Source::Defaults, environment),
            (Origin::Given, Some(file)) if self.keep_last_good => {
                Config::read(Source::Prompt(file), environment)
            }
            (Origin::Given, Some(file)) => Config::read(Source::File(file), environment),
            (Origin::LastGood { variables }, _) => Config::read(Source::Whole(&last_good), of(variables)),
            (Origin::Defaults { variables }, _) => Config::built_in(of(variables)),
        }?;
        let config = &mut loaded.value;
        if let Some(data_dir) = &self.data_dir {
            config.agent.data_dir.clone_from(data_dir);
        }
        if let Some(listen) = self.listen {
            config.web.listen = listen;
        }
        if !self.interfaces.is_empty() {
            config.capture.interfaces.clone_from(&self.interfaces);
        }
        Ok(loaded)
    }

    /// What to say of a problem with the given configuration while `instead` is used.
    fn trouble(&self, problem: &RunError, instead: &str) -> Trouble {
        let what = match problem {
            RunError::Settings(problems) => {
                let mut origins: Vec<_> = problems.iter().map(|problem| problem.origin.as_str()).collect();
                origins.dedup();
                format!("mistakes in {}", origins.join(", "))
            }
            other => other.to_string(),
        };
        let file = self.file.as_deref().map_or("the variables".into(), Path::to_string_lossy);
        let check = self
            .file
            .as_ref()
            .map_or(String::new(), |_| format!(" (`weir check {file}` tells what is wrong)"));
        Trouble::degraded(format!("{what}: {instead}; correct {file}{check}"))
    }

    /// What to say when a reload found `problem`.
    #[must_use]
    pub fn not_reloaded(&self, problem: &RunError) -> Trouble {
        self.trouble(problem, "the configuration from before stays in use")
    }
}

impl Choice {
    /// Tries one configuration after the other until the agent can enter with it. Without `keep_last_good` only the given
    /// one is tried.
    ///
    /// # Errors
    /// Why none can be used; a failure that another configuration does not cure.
    pub fn make(given: &Given, environment: &[(String, String)]) -> Result<Self, RunError> {
        let kept_at = given.last_good(environment).kept_at();
        let mut refused = Vec::new();
        for origin in Origin::ALL {
            let entered = given.read_from(origin, environment).and_then(|loaded| {
                let entry = Entry::open(&loaded.value, environment)?;
                Ok((loaded, entry))
            });
            match entered {
                Ok((loaded, entry)) => return Ok(Self { loaded, entry, origin, refused, kept_at }),
                Err(problem) if given.keep_last_good && problem.is_of_the_configuration() => {
                    refused.push((origin, problem));
                }
                Err(problem) => return Err(problem),
            }
        }
        // The first problem is the one to mend.
        Err(refused
            .into_iter()
            .next()
            .map_or_else(|| RunError::Bug("no configuration was tried".to_owned()), |(_, problem)| problem))
    }

    /// What is wrong with the given configuration, if it is not the one in use.
    #[must_use]
    pub fn trouble(&self, given: &Given) -> Option<Trouble> {
        let (_, problem) = self.refused.first()?;
        let kept_at = self.kept_at.map(|at| at.to_string()).unwrap_or_default();
        let instead = match self.origin {
            Origin::Given => return None,
            Origin::LastGood { variables: true } => {
                format!("the last good configuration, of {kept_at}, is used")
            }
            Origin::LastGood { variables: false } => {
                format!("the last good configuration, of {kept_at}, is used, without the variables")
            }
            Origin::Defaults { variables: true } => "the built-in defaults are used".to_owned(),
            Origin::Defaults { variables: false } => {
                "the built-in defaults are used, without the variables".to_owned()
            }
        };
        Some(given.trouble(problem, &instead))
    }

    /// Writes to the log what was wrong with those that were refused, a line for each mistake.
    pub fn log(&self, given: &Given) {
        for warning in &self.loaded.warnings {
            warn!("{warning}");
        }
        let has_last_good = self.kept_at.is_some();
        for (origin, problem) in &self.refused {
            // That there is none is no fault at the first start, and is said once.
            let is_absent = matches!(origin, Origin::LastGood { .. }) && !has_last_good;
            if !is_absent {
                problem.lines().iter().for_each(|line| error!("{line}"));
            }
        }
        if let Some(trouble) = self.trouble(given) {
            let why = if has_last_good { "" } else { "; no last good one is kept" };
            warn!("{}{why}", trouble.detail);
        }
    }
}
