//! The filters of the ring as options: one for each name that it knows.

use std::sync::LazyLock;

use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches};
use weir_store::{FILTERS, Query};

use crate::error::RunError;

/// Their names as options have them.
static OPTIONS: LazyLock<Vec<String>> =
    LazyLock::new(|| FILTERS.iter().map(|(name, _)| name.replace('_', "-")).collect());

/// What was given: name of the filter and value.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions(Vec<(&'static str, String)>);

impl Conditions {
    /// What to search for.
    ///
    /// # Errors
    /// [`RunError::Usage`] says what is expected.
    pub(super) fn query(&self) -> Result<Query, RunError> {
        let mut query = Query::default();
        for (name, value) in &self.0 {
            query.set(name, value).map_err(|bad| {
                RunError::Usage(format!(
                    "--{}: {bad}; weir query --help lists the filters",
                    name.replace('_', "-")
                ))
            })?;
        }
        Ok(query)
    }
}

impl clap::Args for Conditions {
    fn augment_args(command: Command) -> Command {
        FILTERS.iter().zip(OPTIONS.iter()).fold(command, |command, (&(name, help), option)| {
            let argument = Arg::new(name)
                .long(option.as_str())
                .value_name("VALUE")
                .help(help)
                .help_heading("Filters")
                .action(ArgAction::Append);
            command.arg(argument)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Conditions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut all = Self::default();
        all.update_from_arg_matches(matches)?;
        Ok(all)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for &(name, _) in FILTERS {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            self.0.extend(values.map(|value| (name, value.clone())));
        }
        Ok(())
    }
}
