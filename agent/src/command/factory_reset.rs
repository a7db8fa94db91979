//! `weir factory-reset`: the device as it was before its first start.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::{Agent, Config};
use crate::error::RunError;
use crate::start::inventory::Inventory;
use crate::start::owner::Owner;
use crate::start::privileges;

/// What `weir factory-reset` is asked to do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Really remove; without it the files are only listed
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub(super) fn run(
    arguments: &Arguments,
    config: Option<&Path>,
    data_dir: Option<&Path>,
) -> Result<(), RunError> {
    let agent = match data_dir {
        // A configuration with mistakes is one reason for a reset.
        Some(dir) => Agent { data_dir: dir.to_owned(), ..Agent::default() },
        None => Config::load(config)?.value.agent,
    };
    let dir = agent.data_dir.as_path();
    // What another user put in the place of a file is removed with that user's rights at most.
    privileges::give_up(Owner::of(&agent)?.as_ref(), false)?;
    let found = Inventory::take(dir).map_err(|error| {
        RunError::NoPermission(format!("cannot read {}: {error}; run as its owner or root", dir.display()))
    })?;
    if found.ours.is_empty() && found.directories.is_empty() {
        println!("{}: nothing of Weir's is there", dir.display());
        return Ok(());
    }
    if !arguments.yes {
        found.ours.iter().chain(&found.directories).for_each(|path| println!("{}", path.display()));
        return Err(RunError::Usage(format!(
            "nothing was removed: give --yes to remove the {} files above, the records of {} among them",
            found.ours.len(),
            dir.display()
        )));
    }
    remove(dir, &found)?;
    println!("{}: {} files removed", dir.display(), found.ours.len());
    for path in &found.others {
        println!("{}: not Weir's, left alone", path.display());
    }
    Ok(())
}

/// Removes what is the agent's; the directory itself stays.
fn remove(dir: &Path, found: &Inventory) -> Result<(), RunError> {
    // No agent starts meanwhile: the lock is the last that goes.
    let held = weir_store::hold(dir)?;
    let failed = |path: &Path, error: &io::Error| {
        RunError::Io(format!("cannot remove {}: {error}; run as its owner or root", path.display()))
    };
    for path in &found.ours {
        absent_is_removed(fs::remove_file(path)).map_err(|error| failed(path, &error))?;
    }
    for path in &found.directories {
        match absent_is_removed(fs::remove_dir(path)) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            other => other.map_err(|error| failed(path, &error))?,
        }
    }
    // The lock may be one that only this command made.
    let lock = dir.join(weir_store::FILES[weir_store::FILES.len() - 1]);
    absent_is_removed(fs::remove_file(&lock)).map_err(|error| failed(&lock, &error))?;
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| failed(dir, &error))?;
    drop(held);
    Ok(())
}

fn absent_is_removed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
