//! The whole configuration: one section per module, read from TOML and the environment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::pipeline::{NetworksConfig, RiskConfig};
use crate::settings::{self, Loaded};
use crate::{capture, log, table};

/// Sections of the configuration file; each is described beside the module that uses it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[agent]`: where data are kept.
    pub agent: Agent,
    /// `[log]`: level and format.
    pub log: log::Config,
    /// `[capture]`: interfaces and how they are read.
    pub capture: capture::Config,
    /// `[flow]`: timeouts and size of the flow table.
    pub flow: table::Config,
    /// `[networks]`: what is local.
    pub networks: NetworksConfig,
    /// `[geo]`: databases.
    pub geo: weir_geo::Config,
    /// `[ti]`: indicator lists.
    pub ti: weir_ti::Config,
    /// `[risk]`: weights.
    pub risk: RiskConfig,
    /// `[store]`: the ring.
    pub store: weir_store::Config,
    /// `[web]`: page and API.
    pub web: weir_web::Config,
}

/// Section `[agent]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// Directory of the ring, keys and copies of databases.
    pub data_dir: PathBuf,
    /// Directory of an LED that shows how the agent is, such as `/sys/class/leds/ACT`.
    pub led: Option<PathBuf>,
}

impl Default for Agent {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("weir-data"), led: None }
    }
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
    ("LOG_FORMAT", "log.format"),
    ("LOG_LEVEL", "log.level"),
];

/// Variables that name one list each; both are loaded.
const LIST_VARIABLES: [&str; 2] = ["TI_PATH", "THREATLIST_CSV"];

impl Config {
    /// Reads the file at `path`, or the defaults without one, and the environment.
    ///
    /// # Errors
    /// [`RunError::NoInput`] when the file cannot be read, [`RunError::Config`] with every problem in it.
    pub fn load(path: Option<&Path>) -> Result<Loaded<Self>, RunError> {
        let text = path.map_or_else(|| Ok(String::new()), read)?;
        let name = path.map_or_else(|| "defaults".into(), Path::to_string_lossy);
        let environment = settings::environment();
        let mut loaded = settings::load::<Self>(&text, &name, &environment, ALIASES)
            .map_err(|problems| RunError::Config(all(&problems)))?;
        let lists = environment.iter().filter(|(variable, _)| LIST_VARIABLES.contains(&variable.as_str()));
        loaded.value.ti.lists.extend(lists.map(|(_, list)| PathBuf::from(list)));
        Ok(loaded)
    }
}

fn read(path: &Path) -> Result<String, RunError> {
    fs::read_to_string(path).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::InvalidData => "it is not UTF-8 text; save it as such".to_owned(),
            _ => format!("{error}; check the name and your right to read it"),
        };
        RunError::NoInput(format!("cannot read configuration {}: {why}", path.display()))
    })
}

/// Every problem on a line of its own.
fn all(problems: &[settings::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nweir: ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ALIASES, Config};
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
}
