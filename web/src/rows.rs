//! A worker's read-only view of the ring.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::StatusCode;
use weir_flow::TenantId;
use weir_store::{Order, Reader, StoredRow};

use crate::answer::Problem;

/// A query that takes longer is given up: readers must not hold the log file back.
const DEADLINE: Duration = Duration::from_secs(5);

/// The ring in one data directory, opened when first asked for.
pub(crate) struct Rows {
    dir: PathBuf,
    reader: Option<Reader>,
}

impl Rows {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir, reader: None }
    }

    /// The newest `limit` rows of `tenant`, in `order`.
    pub(crate) fn recent(
        &mut self,
        tenant: &TenantId,
        limit: usize,
        order: Order,
    ) -> Result<Vec<StoredRow>, Problem> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.dir).map_err(|error| unavailable(&error))?,
        };
        let rows = reader.recent(tenant, limit, order, Instant::now() + DEADLINE);
        // After a failure the next request opens the ring anew: it may have been replaced.
        rows.inspect(|_| self.reader = Some(reader)).map_err(|error| unavailable(&error))
    }
}

fn unavailable(error: &weir_store::Error) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "store_unavailable",
        format!("The ring cannot be read: {error}"),
    )
}
