//! Where an address is and whose it is, from databases in MaxMind's format.
//!
//! Data comes from the files that [`Config`] names (City, Country, ASN, of MaxMind, DB-IP or our own
//! [`import_location_db`]) or else from a small database that is built in; it goes to the pipeline, one
//! [`Locator`] per thread, as [`weir_flow::Place`].

mod cache;
mod check;
mod config;
mod copy;
mod country;
mod csv;
mod database;
mod encode;
mod error;
mod file;
mod geo;
mod import;
mod location;
mod locator;
mod notice;
mod record;
mod set;
mod slot;
mod tree;
mod writer;

pub use config::Config;
pub use country::country_name;
pub use csv::build_from_csv;
pub use encode::Value;
pub use error::Error;
pub use geo::{DatabaseInfo, Geo};
pub use import::{ImportSummary, import_location_db};
pub use locator::Locator;
pub use notice::{Level, Notice};
pub use writer::{Record, Writer};
