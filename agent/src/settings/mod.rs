//! Reads a settings type from TOML and the environment, and reports everything that is wrong with it at once.
//!
//! From: the text of the configuration file and the variables of the process. To: any type that `serde` can make, with
//! `deny_unknown_fields` on its sections. The document is parsed once. What the type refuses is noted with its line,
//! taken out, and the type is asked again, until it refuses nothing.

mod explain;
mod schema;
mod tree;
mod variables;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

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

/// Reads a `T` from `text`, the content of the file named `file`, and from `environment`.
///
/// `WEIR_<SECTION>_<KEY>` sets a key, as does an alias of `aliases`, pairs of a variable's name and a dotted key. The
/// file's value yields to an alias, an earlier alias to a later one, and all to `WEIR_…`. A list is given with commas.
///
/// # Errors
/// Every problem of the file and the variables, in the order of lines, at most [`MAX_PROBLEMS`].
pub fn load<T: DeserializeOwned>(
    text: &str,
    file: &str,
    environment: &[(String, String)],
    aliases: &[(&str, &str)],
) -> Result<Loaded<T>, Vec<Problem>> {
    if text.len() > MAX_BYTES {
        let message = format!("{} bytes are no configuration; at most {MAX_BYTES} are read", text.len());
        return Err(vec![Problem {
            origin: file.into(),
            line: None,
            column: None,
            key: String::new(),
            message,
        }]);
    }
    let (overrides, warnings) = variables::overrides(&schema::keys::<T>(), environment, aliases);
    let (mut table, syntax) = DeTable::parse_recoverable(text);
    for set in &overrides {
        if let Ok(value) = DeValue::parse(&set.literal) {
            insert(table.get_mut(), &set.path, value);
        }
    }
    let reader = Reader { text, file, overrides: &overrides };
    let mut problems: Vec<_> = syntax.iter().map(|error| reader.syntax(error)).collect();
    let broken: BTreeSet<_> = problems.iter().filter_map(|problem| problem.line).collect();
    let value = reader.read(table, &broken, &mut problems);
    match value {
        Some(value) if problems.is_empty() => {
            let by = overrides.iter().map(|set| (set.path.join("."), set.variable.clone())).collect();
            Ok(Loaded { value, warnings, overridden: by })
        }
        _ => {
            problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
            problems.truncate(MAX_PROBLEMS);
            Err(problems)
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    overrides: &'a [Override],
}

impl Reader<'_> {
    /// The value once nothing more is refused; `None` when a refusal could not be taken out.
    fn read<T: DeserializeOwned>(
        &self,
        mut table: Spanned<DeTable<'_>>,
        broken: &BTreeSet<usize>,
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

    fn problem(&self, steps: &[Step], line: Option<usize>, message: String) -> Problem {
        let set_by = |set: &&Override| {
            set.path.len() <= steps.len()
                && set.path.iter().zip(steps).all(|(name, step)| *step == Step::Key((*name).to_owned()))
        };
        let key = dotted(steps);
        match self.overrides.iter().rev().find(set_by) {
            Some(set) => Problem { origin: set.variable.clone(), line: None, column: None, key, message },
            None => Problem { origin: self.file.into(), line, column: None, key, message },
        }
    }

    fn syntax(&self, error: &toml::de::Error) -> Problem {
        let at = error.span().map_or(self.text.len(), |span| span.start.min(self.text.len()));
        let before = &self.text.as_bytes()[..at];
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        Problem {
            origin: self.file.into(),
            line: Some(self.line_of(at)),
            column: Some(column),
            key: String::new(),
            message: error.message().to_owned(),
        }
    }

    /// The line of a span that was parsed; what a variable put there has an empty one.
    fn line(&self, span: std::ops::Range<usize>) -> Option<usize> {
        (!span.is_empty()).then(|| self.line_of(span.start))
    }

    fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|&&b| b == b'\n').count() + 1
    }
}

#[cfg(test)]
mod tests;
