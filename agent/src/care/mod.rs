//! Field care: what tells a technician how the device is, on a console, by a lamp, by a check and in a bundle.

pub mod client;
pub mod console;
pub mod display;
pub mod led;
pub mod mounts;
pub mod redact;
pub mod selftest;
pub mod status_line;
pub mod support;
