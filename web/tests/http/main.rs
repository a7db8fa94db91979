//! The whole web side over real TCP.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bodies;
mod downloads;
mod guard;
mod reads;
mod sources;
mod support;
