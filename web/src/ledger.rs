//! A worker's way to the control tables.

use std::path::PathBuf;

use weir_store::{Control, Error};

use crate::answer::Problem;
use crate::rows::unavailable;

/// The control tables in one data directory, opened when first asked for.
pub(crate) struct Ledger {
    dir: PathBuf,
    control: Option<Control>,
}

impl Ledger {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir, control: None }
    }

    /// Reads or changes the control tables.
    pub(crate) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Control) -> Result<T, Error>,
    ) -> Result<T, Problem> {
        let mut control = match self.control.take() {
            Some(control) => control,
            None => Control::open(&self.dir).map_err(|error| unavailable(&error))?,
        };
        let done = work(&mut control);
        // After a failure the next request opens them anew: the store may have been replaced.
        done.inspect(|_| self.control = Some(control)).map_err(|error| unavailable(&error))
    }
}
