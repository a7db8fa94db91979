//! How the agent starts on a device: from a command line to firm ground, whatever is wrong around it.
//!
//! A configuration is chosen ([`choice`]), the door is opened while there may be rights for it ([`entry`]), the rights
//! that are not needed are given up ([`privileges`]), and the data directory is entered ([`ground`]). What went wrong on
//! the way is kept in [`Standing`] for `/v1/health` and the page.

pub mod atomic;
pub mod choice;
pub mod entry;
pub mod ground;
pub mod identity;
pub mod inventory;
pub mod last_good;
pub mod owner;
pub mod place;
pub mod privileges;
mod standing;

pub use choice::{Choice, Given};
pub use entry::Entry;
pub use ground::Ground;
pub use last_good::LastGood;
pub use standing::{Standing, Trouble};
