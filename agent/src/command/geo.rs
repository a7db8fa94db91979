//! `weir geo`: databases of places.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use crate::config::Config;
use crate::error::RunError;
use crate::start::inventory::IMPORTED;

/// What `weir geo` is asked to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Turn IPFire's location database (Debian: package libloc-database) into a country and ASN database
    Import {
        /// The location database, for example /usr/share/libloc-location/location.db
        #[arg(value_name = "LOCATION_DB")]
        input: PathBuf,
        /// Where to write the database [default: location.mmdb in the data directory]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Runs the command.
pub(super) fn run(command: &Command, config: &Config) -> Result<(), RunError> {
    let Command::Import { input, output } = command;
    let output = match output {
        Some(output) => output.clone(),
        None => {
            let dir = &config.agent.data_dir;
            std::fs::create_dir_all(dir).map_err(|error| {
                RunError::CannotCreate(format!("cannot create {}: {error}; give --output", dir.display()))
            })?;
            dir.join(IMPORTED)
        }
    };
    let on_terminal = io::stderr().is_terminal();
    let summary = weir_geo::import_location_db(input, &output, &mut |networks| {
        if on_terminal {
            eprint!("\r{networks} networks ");
        }
    })?;
    if on_terminal {
        eprint!("\r\x1b[K");
    }
    println!(
        "{}: {} networks ({} of no known place), {} octets",
        output.display(),
        summary.networks,
        summary.unknown,
        summary.bytes
    );
    Ok(())
}
