//! Why live capture failed, in words for whoever runs the gateway.

use std::io;

/// What stops a capture, or interrupts it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process may not open a packet socket.
    #[error(
        "no right to capture on {interface}: run as root or give CAP_NET_RAW: `setcap cap_net_raw+ep weir`"
    )]
    NoRight {
        /// Interface that was asked for.
        interface: String,
    },
    /// No interface is named, and none has a default route.
    #[error(
        "there is no default route to tell which interface: name one with --interface or capture.interfaces"
    )]
    NoRoute,
    /// There is no such interface.
    #[error("no interface {interface}; there are: {known}")]
    Unknown {
        /// Interface that was asked for.
        interface: String,
        /// Those there are, separated by commas.
        known: String,
    },
    /// The frames of the interface have a header that Weir does not read.
    #[error(
        "link type {arphrd} of {interface} is not supported: capture on an Ethernet or plain IP interface"
    )]
    LinkType {
        /// Interface that was asked for.
        interface: String,
        /// Its ARPHRD number.
        arphrd: u16,
    },
    /// The interface is down. The source stays open and goes on when it is up again.
    #[error("{interface} is down; capture goes on when it is up again: `ip link set {interface} up`")]
    Down {
        /// Interface captured on.
        interface: String,
    },
    /// The interface was removed. Open a new source when it is back.
    #[error("{interface} is gone; capture starts again when it is back")]
    Gone {
        /// Interface captured on.
        interface: String,
    },
    /// The ring cannot hold enough frames.
    #[error(
        "a capture ring of {ring_bytes} bytes is too small for a snaplen of {snaplen}: give at least {least}"
    )]
    RingTooSmall {
        /// Bytes asked for.
        ring_bytes: u32,
        /// Snaplen asked for, octets.
        snaplen: u32,
        /// Fewest bytes that do.
        least: u32,
    },
    /// The filter has no room for what this interface needs besides it.
    #[error("cannot filter on {interface}: {source}; choose a shorter filter")]
    Filter {
        /// Interface that was asked for.
        interface: String,
        /// What is wrong with the filter.
        source: super::bpf::Error,
    },
    /// A setting is out of range.
    #[error("{name} {value} is out of range: choose {low} to {high}")]
    Range {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: u32,
        /// Smallest value allowed.
        low: u32,
        /// Largest value allowed.
        high: u32,
    },
    /// The kernel has no TPACKET_V3; the fallback reader does.
    #[error("the kernel has no TPACKET_V3 ring")]
    NoRing,
    /// A call to the kernel failed.
    #[error("cannot {doing} on {interface}: {source}{advice}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Interface it was tried on.
        interface: String,
        /// What the kernel said.
        source: io::Error,
        /// What to do about it; empty when nothing is known.
        advice: &'static str,
    },
}

impl Error {
    /// True when waiting can help: the interface is down or gone, memory is short.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Down { .. } | Self::Gone { .. } => true,
            Self::System { source, .. } => {
                matches!(source.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EINTR))
            }
            _ => false,
        }
    }
}
