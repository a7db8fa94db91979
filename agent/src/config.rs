//! The whole configuration: one section per module, read from TOML and the environment.
//!
//! The files of a site are laid over the file that names them, and variables over all.

mod agent;
pub(crate) mod files;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use agent::{Agent, MAX_SITE_FILES, Site, SiteFiles, User};
use files::Kind;

use crate::error::RunError;
use crate::pipeline::{NetworksConfig, RiskConfig};
use crate::settings::{self, Barred, Layer, Loaded};
use crate::{capture, collect, hunt, intake, log, table, uplink, zeek};

/// Sections of the configuration file; each is described beside the module that uses it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[agent]`: where the agent is and where data are kept.
    pub agent: Agent,
    /// `[log]`: level and format.
    pub log: log::Config,
    /// `[capture]`: interfaces and how they are read.
    pub capture: capture::Config,
    /// `[collect]`: where exports are received.
    pub collect: collect::Config,
    /// `[ingest]`: what comes over the API.
    pub ingest: intake::Config,
    /// `[zeek]`: logs that are followed.
    pub zeek: zeek::Config,
    /// `[flow]`: timeouts and size of the flow table.
    pub flow: table::Config,
    /// `[networks]`: what is local.
    pub networks: NetworksConfig,
    /// `[geo]`: databases.
    pub geo: weir_geo::Config,
    /// `[ti]`: indicator lists.
    pub ti: weir_ti::Config,
    /// `[hunt]`: new indicators in stored rows.
    pub hunt: hunt::Config,
    /// `[risk]`: weights.
    pub risk: RiskConfig,
    /// `[store]`: the ring.
    pub store: weir_store::Config,
    /// `[splunk]`: a Splunk output, unless one is set over the API.
    pub splunk: uplink::SplunkConfig,
    /// `[elastic]`: an Elasticsearch output, unless one is set over the API.
    pub elastic: uplink::ElasticConfig,
    /// `[web]`: page and API.
    pub web: weir_web::Config,
}

/// Variables of the systems that Weir replaces, and the keys that they set.
const ALIASES: &[(&str, &str)] = &[
    ("GEOIP_CITY_DB", "geo.city_db"),
    ("GEOIP_DB_CITY", "geo.city_db"),
    ("GEOIP_ASN_DB", "geo.asn_db"),
    ("GEOIP_DB_ASN", "geo.asn_db"),
    ("ENRICH_ENABLE_GEOIP", "geo.enabled"),
    ("ENRICH_ENABLE_ASN", "geo.asn_enabled"),
    ("ENRICH_ENABLE_TI", "ti.enabled"),
    ("RETENTION_DAYS", "store.retention_days"),
    ("SPLUNK_HEC_URL", "splunk.hec_url"),
    ("SPLUNK_HEC_TOKEN", "splunk.token"),
    ("ELASTIC_URL", "elastic.urls"),
    ("ELASTIC_USERNAME", "elastic.username"),
    ("ELASTIC_PASSWORD", "elastic.password"),
    ("DLQ_MAX_AGE_DAYS", "store.dead_letter_days"),
    ("LOG_FORMAT", "log.format"),
    ("LOG_LEVEL", "log.level"),
];

/// Variables that name one list each; both are loaded.
const LIST_VARIABLES: [&str; 2] = ["TI_PATH", "THREATLIST_CSV"];

/// A file that could name further ones would make their order, and their end, hard to see.
const BARRED_FROM_SITE_FILES: &[Barred] = &[(
    &["agent", "site_files"],
    "a site file names no further site files; name them all in the main configuration",
)];

/// The part of the configuration that says what else to read; whatever else is wrong is told later.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Early {
    agent: EarlyAgent,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EarlyAgent {
    site_files: SiteFiles,
}

/// Which configuration to read.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The built-in defaults and the site files that a variable names.
    Defaults,
    /// A file, or a pipe, and the site files that it names.
    File(&'a Path),
    /// As `File`, for a device that must not wait: anything but a regular file is refused.
    Prompt(&'a Path),
    /// One file alone: it says already what the site files said.
    Whole(&'a Path),
}

impl Config {
    /// Reads the file at `path`, or the defaults without one, the site files that it names, and the environment.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn load(path: Option<&Path>) -> Result<Loaded<Self>, RunError> {
        Self::read(path.map_or(Source::Defaults, Source::File), &settings::environment())
    }

    /// Reads `source` and `environment`.
    ///
    /// # Errors
    /// [`RunError::NoInput`] when the main file cannot be read, [`RunError::Settings`] with every problem otherwise.
    pub fn read(source: Source<'_>, environment: &[(String, String)]) -> Result<Loaded<Self>, RunError> {
        let mut layers = vec![main_layer(source)?];
        if !matches!(source, Source::Whole(_)) {
            // What is wrong with the list is told when all is read.
            let early = settings::load_layers::<Early>(&layers, environment, &[]);
            let early = early.map(|loaded| loaded.value).unwrap_or_default();
            layers.extend(early.agent.site_files.iter().filter_map(site_layer));
        }
        Self::from_layers(&layers, environment)
    }

    /// The built-in defaults and `environment`, without site files.
    ///
    /// # Errors
    /// [`RunError::Settings`] with every problem of the variables.
    pub fn built_in(environment: &[(String, String)]) -> Result<Loaded<Self>, RunError> {
        Self::from_layers(&[Layer::new("defaults", "")], environment)
    }

    fn from_layers(layers: &[Layer], environment: &[(String, String)]) -> Result<Loaded<Self>, RunError> {
        let mut loaded =
            settings::load_layers::<Self>(layers, environment, ALIASES).map_err(RunError::Settings)?;
        let lists = environment.iter().filter(|(variable, _)| LIST_VARIABLES.contains(&variable.as_str()));
        loaded.value.ti.lists.extend(lists.map(|(_, list)| PathBuf::from(list)));
        Ok(loaded)
    }
}

fn main_layer(source: Source<'_>) -> Result<Layer, RunError> {
    let (path, kind) = match source {
        Source::Defaults => return Ok(Layer::new("defaults", "")),
        Source::File(path) => (path, Kind::Any),
        Source::Prompt(path) | Source::Whole(path) => (path, Kind::Regular),
    };
    match files::read(path, kind, settings::MAX_BYTES) {
        Ok(text) => Ok(Layer::new(&path.to_string_lossy(), &text)),
        Err(error) => {
            let why = files::advice(&error);
            Err(RunError::NoInput(format!("cannot read configuration {}: {why}", path.display())))
        }
    }
}

/// The site file at `path`; none when nothing is there.
fn site_layer(path: &Path) -> Option<Layer> {
    let text = match files::read(path, Kind::Regular, settings::MAX_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Err(format!("cannot be read: {}", files::advice(&error))),
        Ok(text) => Ok(text),
    };
    Some(Layer { name: path.to_string_lossy().into_owned(), text, barred: BARRED_FROM_SITE_FILES })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{ALIASES, Config, Source};
    use crate::error::RunError;
    use crate::settings;

    const SHIPPED: &str = include_str!("../dist/weir.toml");

    #[test]
    fn the_shipped_file_says_the_defaults() {
        let shipped = settings::load::<Config>(SHIPPED, "weir.toml", &[], ALIASES).unwrap();
        assert_eq!(format!("{:#?}", shipped.value), format!("{:#?}", Config::default()));
    }

    #[test]
    fn a_configuration_that_is_written_reads_as_the_same() {
        let text = "[capture]\nfilter = \"2,40 0 0 12,6 0 0 262144\"\nworkers = 2\n[log]\nformat = \"json\"\n\
                    [collect]\nlisten = [\"[::1]:2055\"]\nallow = [\"10.0.0.0/8\"]\nsource_ports = \"separate\"\n\
                    [geo]\ncity_db = \"/a.mmdb\"\n[agent]\nled = \"/sys/class/leds/ACT\"\n";
        let read = |text: &str| settings::load::<Config>(text, "weir.toml", &[], ALIASES).unwrap().value;
        let config = read(text);
        let written = toml::to_string(&config).unwrap();
        assert_eq!(format!("{:#?}", read(&written)), format!("{config:#?}"));
    }

    #[test]
    fn variables_of_the_former_systems_are_aliases() {
        let environment = [
            ("GEOIP_CITY_DB".into(), "/a.mmdb".into()),
            ("GEOIP_DB_CITY".into(), "/b.mmdb".into()),
            ("ENRICH_ENABLE_TI".into(), "false".into()),
            ("RETENTION_DAYS".into(), "1".into()),
        ];
        let config = settings::load::<Config>("", "defaults", &environment, ALIASES).unwrap().value;
        assert_eq!(config.geo.city_db.as_deref(), Some(Path::new("/b.mmdb")), "the second spelling wins");
        assert!(!config.ti.enabled);
        assert_eq!(config.store.retention_days.value(), 1);
    }

    #[test]
    fn a_variable_beats_the_file() {
        let environment = [("WEIR_FLOW_IDLE_SECONDS".into(), "7".into())];
        let text = "[flow]\nidle_seconds = 9\n";
        let loaded = settings::load::<Config>(text, "weir.toml", &environment, ALIASES).unwrap();
        let seven =
            settings::load::<Config>("[flow]\nidle_seconds = 7\n", "weir.toml", &[], ALIASES).unwrap();
        assert_eq!(loaded.value.flow, seven.value.flow);
        assert_eq!(
            loaded.overridden,
            [("flow.idle_seconds".to_owned(), "WEIR_FLOW_IDLE_SECONDS".to_owned())]
        );
    }

    /// A main file that names `sites`, each with its text, and what comes of all of them.
    fn with_sites(main: &str, sites: &[(&str, &str)]) -> Result<settings::Loaded<Config>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in sites {
            fs::write(path(name), text).unwrap();
        }
        let names: Vec<_> = sites.iter().map(|(name, _)| *name).chain(["absent.toml"]).map(path).collect();
        fs::write(path("main.toml"), format!("[agent]\nsite_files = {names:?}\n{main}")).unwrap();
        let told = |error: RunError| match error {
            RunError::Settings(problems) => {
                let prefix = format!("{}/", folder.path().display());
                problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
            }
            other => vec![other.to_string()],
        };
        Config::read(Source::File(&path("main.toml")), &[]).map_err(told)
    }

    #[test]
    fn later_site_files_are_laid_over_earlier_ones_and_over_the_main_file() {
        let main =
            "site = \"main\"\n[flow]\nidle_seconds = 9\nactive_seconds = 90\n[risk]\nrisky_ports = [1, 2]\n";
        let first = "[agent]\nsite = \"first\"\n[flow]\nidle_seconds = 8\n[risk]\nrisky_ports = [3]\n";
        let second = "agent.site = \"second\"\n[web]\nlisten = \"127.0.0.1:81\"\n";
        let loaded = with_sites(main, &[("first.toml", first), ("second.toml", second)]).unwrap();
        let flat = "[agent]\nsite = \"second\"\n[flow]\nidle_seconds = 8\nactive_seconds = 90\n\
            [risk]\nrisky_ports = [3]\n[web]\nlisten = \"127.0.0.1:81\"\n";
        let mut expected = settings::load::<Config>(flat, "flat", &[], ALIASES).unwrap().value;
        expected.agent.site_files = loaded.value.agent.site_files.clone();
        assert_eq!(format!("{:#?}", loaded.value), format!("{expected:#?}"));
        assert_eq!(loaded.files.len(), 3, "{:?}", loaded.files);
        let again =
            settings::load::<Config>(loaded.effective.as_ref().unwrap(), "effective", &[], ALIASES).unwrap();
        assert_eq!(format!("{:#?}", again.value), format!("{:#?}", loaded.value));
    }

    #[test]
    fn each_mistake_is_told_with_its_own_file_and_line() {
        let first = "\n\n[flow]\nidle_second = 8\n";
        let second = "[agent]\nsite_files = [\"/x\"]\n[capture\n";
        let told = with_sites("[capture]\nsnaplen = 3\n", &[("first.toml", first), ("second.toml", second)])
            .unwrap_err();
        assert_eq!(told.len(), 4, "{told:#?}");
        assert!(told[0].starts_with("main.toml:4: capture.snaplen:"), "{told:#?}");
        assert!(told[1].starts_with("first.toml:4: flow.idle_second: unknown key"), "{told:#?}");
        assert!(told[2].starts_with("second.toml:2: agent.site_files: a site file names no"), "{told:#?}");
        assert!(told[3].starts_with("second.toml:3:9: "), "{told:#?}");
    }

    #[test]
    fn what_a_site_file_replaces_is_no_mistake_any_more_but_its_own_is() {
        let fixed = with_sites("[capture]\nsnaplen = 3\n", &[("a.toml", "[capture]\nsnaplen = 512\n")]);
        assert!(fixed.is_ok());
        let broken = with_sites("[capture]\nsnaplen = 512\n", &[("a.toml", "\ncapture = 5\n")]).unwrap_err();
        assert_eq!(broken, ["a.toml:2: capture: must be a section, not 5"]);
    }

    #[test]
    fn a_site_file_that_is_no_file_is_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let names = format!("{:?}, {:?}, \"/dev/zero\"", folder.path(), pipe);
        let main = folder.path().join("main.toml");
        fs::write(&main, format!("[agent]\nsite_files = [{names}]\n")).unwrap();
        let told = Config::read(Source::File(&main), &[]).unwrap_err().to_string();
        assert_eq!(told.lines().count(), 3, "{told}");
        assert!(told.contains("a directory, not a file") && told.contains("pipe: cannot be read"), "{told}");
        let main = Config::read(Source::Prompt(&pipe), &[]).unwrap_err();
        assert!(matches!(main, RunError::NoInput(_)), "{main}");
    }

    #[test]
    fn a_variable_names_site_files_too_and_is_over_them() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site.toml");
        fs::write(&site, "[agent]\nsite = \"file\"\n[flow]\nidle_seconds = 8\n").unwrap();
        let environment = [
            ("WEIR_AGENT_SITE_FILES".to_owned(), site.to_string_lossy().into_owned()),
            ("WEIR_AGENT_SITE".to_owned(), "variable".to_owned()),
        ];
        let config = Config::read(Source::Defaults, &environment).unwrap().value;
        assert_eq!(config.agent.site.unwrap().as_str(), "variable");
        let eight = settings::load::<Config>("[flow]\nidle_seconds = 8\n", "x", &[], ALIASES).unwrap();
        assert_eq!(config.flow, eight.value.flow);
    }
}
