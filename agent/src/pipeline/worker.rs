//! The body of the pipeline thread: batches from the inputs, enriched in place, to the store.

use std::sync::Arc;

use super::Enricher;
use crate::link::{Receiver, Sender};
use crate::metrics::Metrics;

/// The pipeline thread before it runs.
pub struct Worker {
    /// Batches of all inputs.
    pub from: Receiver,
    /// The store.
    pub to: Sender,
    /// What it enriches with.
    pub enricher: Enricher,
    /// Where counters go.
    pub metrics: Arc<Metrics>,
}

impl Worker {
    /// Enriches until all inputs have closed their side.
    ///
    /// # Errors
    /// When the store has ended before its inputs.
    pub fn run(mut self) -> Result<(), &'static str> {
        while let Some(mut batch) = self.from.recv() {
            for record in &mut batch.records {
                self.enricher.enrich(record);
            }
            self.metrics.enriched(&batch);
            if self.to.push(batch).is_err() {
                return Err("the store ended before the pipeline");
            }
        }
        Ok(())
    }
}
