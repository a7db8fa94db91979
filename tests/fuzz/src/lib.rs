//! What the fuzz targets share.

pub mod captured;
pub mod exports;
pub mod frames;
pub mod ledger;
pub mod scratch;
