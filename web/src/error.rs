//! What can fail while the web side starts or is set up.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A failed start; each message says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can be reached by other hosts.
    #[error(
        "{0} is not a loopback address: without TLS, which a later release brings, only 127.0.0.1 or [::1] is served; reach it from elsewhere through an SSH tunnel"
    )]
    NotLoopback(SocketAddr),
    /// Another program has the port.
    #[error(
        "{0} is in use by another program; stop it, or choose another port with --listen or `web.listen`"
    )]
    InUse(SocketAddr),
    /// The port needs a right that the process lacks.
    #[error(
        "no permission to listen on {0}; ports below 1024 need CAP_NET_BIND_SERVICE: choose a port above 1023 with --listen or `web.listen`"
    )]
    Forbidden(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; check `web.listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The private socket cannot be made.
    #[error(
        "cannot make the private socket in {path}: {cause}; check the owner and the free space of the data directory"
    )]
    PrivateSocket {
        /// Its directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The event loop cannot be made.
    #[error("cannot start the event loop of the web guard: {0}; check the limit of open files")]
    EventLoop(io::Error),
    /// The system gives no random octets.
    #[error("no random octets for a new key: {0}; Weir needs a kernel with getrandom, 3.17 or newer")]
    Entropy(io::Error),
    /// A key that no header can carry.
    #[error(
        "an API key must be 1 to 512 visible ASCII characters without spaces; `weir` makes one by itself when none is given"
    )]
    BadKey,
    /// The engine stopped accepting, for example out of file descriptors.
    #[error("the HTTP engine stopped: {0}; check the limit of open files")]
    Engine(io::Error),
}

impl Error {
    /// True when the cause is a missing right (exit code 77).
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Forbidden(_) => true,
            Self::PrivateSocket { cause, .. } | Self::Listen { cause, .. } => {
                cause.kind() == io::ErrorKind::PermissionDenied
            }
            _ => false,
        }
    }
}
