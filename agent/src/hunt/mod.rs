//! Retro-hunt: indicators that are new are looked for in what is stored already.
//!
//! From: `main`, which says after each reading of the lists what is `news`; the ring, newest rows first. To: the store, by
//! its link: a `sighting` for each row that a new indicator matches, in the ring of the row.
//!
//! ```text
//! lists ─ news ─ worker ─ slices of the ring ─ sightings + position ─ link ─ store
//! ```
//!
//! **Which rows.** Rows are matched by the pipeline when they come; a hunt looks at those that the pipeline matched before the
//! indicators were new. When a hunt begins, an empty batch goes the way of all records; once it is committed, every row that
//! comes later was matched with the new indicators. Rows below that boundary are looked at; one whose own matches have
//! the indicator already is no sighting, so that the boundary may lie too high and never lies too low.
//!
//! **Once.** The position reached is committed with the sightings that led to it, so that a hunt goes on where it was after any
//! end of the agent. Sightings that the ring holds are read before (`seen`): no row is sighted twice by an indicator.
//!
//! **News during a hunt** wait for its end and are then hunted together: each row is looked at once for the one and once for
//! the other, and a list that changes every hour cannot keep a hunt from ending. What is removed meanwhile is hunted no more.
//!
//! **Over a restart** only a digest of the lists is known: if another set is loaded than the one that was hunted, all of it
//! counts as new; if it is the one being hunted, the hunt goes on with all of it.

mod budget;
mod config;
mod news;
mod position;
mod pursuit;
mod rings;
mod seen;
mod sighting;
mod slices;
mod worker;

#[cfg(test)]
mod tests;

pub use config::{Config, CpuPercent};
pub use news::News;
pub use pursuit::MAX_SIGHTINGS;
pub use slices::SLICE;
pub use worker::Worker;
