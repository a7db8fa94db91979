//! Outputs as they were set over the API: a JSON object for each, understood by whoever set it.

use rusqlite::{OptionalExtension as _, params};
use weir_flow::Timestamp;

use super::Control;
use crate::error::{Doing as _, Error};

impl Control {
    /// What `output` was set to last; none when it never was.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn output(&self, output: &str) -> Result<Option<String>, Error> {
        self.db
            .prepare_cached("SELECT settings FROM output WHERE output = ?1")
            .and_then(|mut found| found.query_row([output], |row| row.get(0)).optional())
            .doing("read", &self.path)
    }

    /// Sets `output` to `settings`, a JSON object, in place of what it was. On the disk when it returns.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Busy`], and what else the disk answers.
    pub fn set_output(&mut self, output: &str, settings: &str, now: Timestamp) -> Result<(), Error> {
        self.db
            .prepare_cached("REPLACE INTO output (output, settings, updated_at) VALUES (?1, ?2, ?3)")
            .and_then(|mut set| set.execute(params![output, settings, now.millis()]))
            .map(drop)
            .doing("change", &self.path)
    }
}
