//! What the fuzz targets share.

pub mod frames;
pub mod ledger;
pub mod scratch;
