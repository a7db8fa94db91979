//! `weir check`: a configuration file, every mistake at once.

use std::path::PathBuf;

use crate::config::Config;
use crate::error::RunError;

/// What `weir check` is asked to do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration file; site files that it names are checked with it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), RunError> {
    let loaded = Config::load(Some(&arguments.file))?;
    for warning in loaded.warnings.iter().chain(&loaded.value.collect.advice()) {
        eprintln!("weir: {warning}");
    }
    println!("{}: ok", arguments.file.display());
    for file in loaded.value.agent.site_files.iter() {
        let name = file.to_string_lossy();
        let found = loaded.files.iter().any(|read| *read == name);
        println!("  site file {name}: {}", if found { "ok" } else { "not there" });
    }
    Ok(())
}
