//! Reads a settings type from TOML and the environment, and reports everything that is wrong with it at once.
//!
//! From: the texts of the configuration files and the variables of the process. To: any type that `serde` can make, with
//! `deny_unknown_fields` on its sections. Each text is parsed once and laid over the one before. What the type refuses is
//! noted with its file and line, taken out, and the type is asked again, until it refuses nothing.

mod explain;
mod layers;
mod schema;
mod tree;
mod variables;

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

pub use layers::{Barred, Layer};
use layers::{Places, moved, overlay};
use tree::{Step, dotted, insert, is_section, last_name, locate, remove, start, steps};
use variables::Override;

/// Longest configuration file; ends the reading of a device or a log given by mistake.
pub const MAX_BYTES: usize = 1 << 20;
/// More problems than this are not told: a file that is not a configuration would fill the log.
pub const MAX_PROBLEMS: usize = 50;

/// Settings that were read.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub value: T,
    /// What was passed over: variables that look like a key's and are not.
    pub warnings: Vec<String>,
    /// Keys that a variable set, with the variable's name.
    pub overridden: Vec<(String, String)>,
    /// The files that were read, in order.
    pub files: Vec<String>,
    /// What the files say all together, without the variables, as one TOML text; none where a number in them is larger
    /// than TOML promises (64 bits, signed).
    pub effective: Option<String>,
}

/// One thing wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file or the variable that holds the value.
    pub origin: String,
    /// Line in the file, from 1; none for a variable.
    pub line: Option<usize>,
    /// Column in characters, from 1, where the file is no TOML.
    pub column: Option<usize>,
    /// The key with its sections, `capture.snaplen`; empty where the file is no TOML.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// `weir.toml:12: capture.snaplen: 99999999 is above 262144; choose 64 to 262144`, always one line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", crate::log::printable(&self.origin))?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, "{number}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", crate::log::printable(&self.key))?;
        }
        write!(f, " {}", crate::log::printable(&self.message))
    }
}

/// Variables of this process; text that is not UTF-8 has its odd octets replaced.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, text)| (lossy(name), lossy(text))).collect()
}

/// Reads a `T` from `text`, the content of the file named `file`, and from `environment`, as [`load_layers`] does.
///
/// # Errors
/// As [`load_layers`].
pub fn load<T: DeserializeOwned>(
    text: &str,
    file: &str,
    environment: &[(String, String)],
    aliases: &[(&str, &str)],
) -> Result<Loaded<T>, Vec<Problem>> {
    load_layers(&[Layer::new(file, text)], environment, aliases)
}

/// Reads a `T` from `layers`, later over earlier, and from `environment`, which is over all.
///
/// `WEIR_<SECTION>_<KEY>` sets a key, as does an alias of `aliases`, pairs of a variable's name and a dotted key. The
/// file's value yields to an alias, an earlier alias to a later one, and all to `WEIR_…`. A list is given with commas.
///
/// # Errors
/// Every problem of the files and the variables, in the order of files and lines, at most [`MAX_PROBLEMS`].
pub fn load_layers<T: DeserializeOwned>(
    layers: &[Layer],
    environment: &[(String, String)],
    aliases: &[(&str, &str)],
) -> Result<Loaded<T>, Vec<Problem>> {
    let (overrides, warnings) = variables::overrides(&schema::keys::<T>(), environment, aliases);
    let places = Places::new(layers.iter().map(|layer| layer.usable().0).collect());
    let reader = Reader { layers, places, overrides: &overrides };
    let mut problems = Vec::new();
    let mut table = reader.merge(&mut problems);
    let broken: BTreeSet<_> = problems.iter().filter_map(|problem| reader.broken(problem)).collect();
    let effective = written(&table);
    for set in &overrides {
        if let Ok(value) = DeValue::parse(&set.literal) {
            insert(&mut table, &set.path, value);
        }
    }
    let value = reader.read(Spanned::new(0..0, table), &broken, &mut problems);
    match value {
        Some(value) if problems.is_empty() => {
            let by = overrides.iter().map(|set| (set.path.join("."), set.variable.clone())).collect();
            let files = layers.iter().map(|layer| layer.name.clone()).collect();
            Ok(Loaded { value, warnings, overridden: by, files, effective })
        }
        _ => {
            problems.sort_by_key(|problem| (reader.layer(problem), problem.line.unwrap_or(usize::MAX)));
            problems.truncate(MAX_PROBLEMS);
            Err(problems)
        }
    }
}

fn written(table: &DeTable<'_>) -> Option<String> {
    let table = toml::Table::deserialize(Deserializer::from(Spanned::new(0..0, table.clone())));
    table.ok().map(|table| table.to_string())
}

struct Reader<'a> {
    layers: &'a [Layer],
    places: Places<'a>,
    overrides: &'a [Override],
}

impl<'a> Reader<'a> {
    /// All layers as one table, and what is no TOML or no layer's to set.
    fn merge(&self, problems: &mut Vec<Problem>) -> DeTable<'a> {
        let mut merged = DeTable::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let (text, unusable) = layer.usable();
            let start = self.places.start(at);
            problems.extend(unusable.map(|message| Problem {
                origin: layer.name.clone(),
                line: None,
                column: None,
                key: String::new(),
                message,
            }));
            let (table, syntax) = DeTable::parse_recoverable(text);
            problems.extend(syntax.iter().map(|error| self.syntax(start, text.len(), error)));
            let mut table = moved(table.into_inner(), start);
            for (span, steps, advice) in layer.bar(&mut table) {
                problems.push(self.problem(&steps, Some(self.places.line(span.start)), advice.to_owned()));
            }
            overlay(&mut merged, table);
        }
        merged
    }

    /// The place of a problem with the syntax.
    fn broken(&self, problem: &Problem) -> Option<(usize, usize)> {
        problem.column.and(problem.line).map(|line| (self.layer(problem), line))
    }

    /// The layer that a problem is in; variables come last.
    fn layer(&self, problem: &Problem) -> usize {
        self.layers.iter().position(|layer| layer.name == problem.origin).unwrap_or(usize::MAX)
    }

    /// The value once nothing more is refused; `None` when a refusal could not be taken out.
    fn read<T: DeserializeOwned>(
        &self,
        mut table: Spanned<DeTable<'_>>,
        broken: &BTreeSet<(usize, usize)>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let mut removed = BTreeSet::new();
        loop {
            let error = match serde_path_to_error::deserialize(Deserializer::from(table.clone())) {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let (raw, steps) = (error.inner().message(), steps(error.path()));
            let place = locate(table.get_ref(), &steps);
            let line = place.clone().and_then(|place| self.line(place));
            if let Some(name) = explain::missing(raw) {
                // What is missing because it was taken out, or lost to bad syntax, is told already.
                if broken.is_empty() && !removed.contains(&(start(place), name.to_owned())) {
                    let steps: Vec<_> = steps.iter().cloned().chain([Step::Key(name.to_owned())]).collect();
                    problems.push(self.problem(&steps, line, "is missing; it has no default".to_owned()));
                }
            } else if !line.is_some_and(|line| broken.contains(&line)) {
                let message = explain::explain(raw, last_name(&steps), is_section(table.get_ref(), &steps));
                problems.push(self.problem(&steps, line, message));
            }
            if let Some((Step::Key(name), section)) = steps.split_last() {
                removed.insert((start(locate(table.get_ref(), section)), name.clone()));
            }
            if problems.len() >= MAX_PROBLEMS || !remove(table.get_mut(), &steps) {
                return None;
            }
        }
    }

    fn problem(&self, steps: &[Step], place: Option<(usize, usize)>, message: String) -> Problem {
        let set_by = |set: &&Override| {
            set.path.len() <= steps.len()
                && set.path.iter().zip(steps).all(|(name, step)| *step == Step::Key((*name).to_owned()))
        };
        let key = dotted(steps);
        let by = self.overrides.iter().rev().find(set_by).filter(|_| !self.is_barred(place, steps));
        match by {
            Some(set) => Problem { origin: set.variable.clone(), line: None, column: None, key, message },
            None => {
                let layer = self.layers.get(place.map_or(0, |(layer, _)| layer));
                let origin = layer.map(|layer| layer.name.clone()).unwrap_or_default();
                Problem { origin, line: place.map(|(_, line)| line), column: None, key, message }
            }
        }
    }

    /// True where it is the layer that may not set the key, whoever else sets it.
    fn is_barred(&self, place: Option<(usize, usize)>, steps: &[Step]) -> bool {
        let layer = place.and_then(|(layer, _)| self.layers.get(layer));
        layer.is_some_and(|layer| layer.barred.iter().any(|(path, _)| path.join(".") == dotted(steps)))
    }

    fn syntax(&self, start: usize, length: usize, error: &toml::de::Error) -> Problem {
        let at = start + error.span().map_or(length, |span| span.start.min(length));
        let (layer, line) = self.places.line(at);
        Problem {
            origin: self.layers[layer].name.clone(),
            line: Some(line),
            column: Some(self.places.column(at)),
            key: String::new(),
            message: error.message().to_owned(),
        }
    }

    /// The layer and line of a span that was parsed; what a variable put there has an empty one.
    fn line(&self, span: std::ops::Range<usize>) -> Option<(usize, usize)> {
        (!span.is_empty()).then(|| self.places.line(span.start))
    }
}

#[cfg(test)]
mod tests;
